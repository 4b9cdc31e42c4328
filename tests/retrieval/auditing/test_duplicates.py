"""Groups of near-identical vectors, against comparing every pair."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from retrieval.auditing.duplicates import near_identical


def unit(rows):
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def by_every_pair(vectors, near):
    alike = vectors.astype(np.float64) @ vectors.T.astype(np.float64) >= near
    left, groups = set(range(len(vectors))), []
    while left:
        group, edge = set(), {min(left)}
        while edge:
            group |= edge
            edge = {j for i in edge for j in np.flatnonzero(alike[i]).tolist()} - group
        left -= group
        if len(group) > 1:
            groups.append(sorted(group))
    return groups


@given(st.integers(0, 2**32 - 1), st.sampled_from([0.9, 0.99, 0.9999]), st.integers(2, 16))
def test_no_pair_is_missed_and_none_is_made_up(seed, near, dim):
    rng = np.random.default_rng(seed)
    rows = rng.normal(size=(60, dim))
    close = rows[rng.integers(0, 60, 30)] + rng.normal(size=(30, dim)) * rng.choice([0.0, 0.002, 0.02, 0.2], (30, 1))
    vectors = unit(np.concatenate([rows, close]))
    assert near_identical(vectors, near) == by_every_pair(vectors, near)


@pytest.mark.parametrize("count", [0, 1])
def test_few_vectors_make_no_group(count):
    assert near_identical(np.eye(4, dtype=np.float32)[:count]) == []


def test_a_thousand_copies_are_one_group():
    vectors = np.repeat(np.eye(4, dtype=np.float32)[:1], 1000, axis=0)
    assert near_identical(vectors) == [list(range(1000))]
