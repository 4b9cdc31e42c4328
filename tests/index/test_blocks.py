"""Rows in several blocks, some of them deleted, answer as the same rows in one."""

from __future__ import annotations

from itertools import pairwise

import faiss
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from index import ranking
from index.blocks import Rows, block_of, flat_header
from tests.index.gallery_samples import by_hand, clumped, unit

DIM = 7
ROWS = clumped(60, DIM, seed=4)
NUMBERS = np.cumsum(np.random.default_rng(0).integers(1, 5, 60))
IDS = [f"{place * 37 % 60:02d}" for place in range(60)]


def cut(at: list[int], alive: np.ndarray | None = None) -> Rows:
    """The sixty rows in blocks that begin at these places."""
    edges = sorted({0, *at, 60})
    parts = [slice(start, stop) for start, stop in pairwise(edges)]
    blocks = tuple(block_of(ROWS[part], NUMBERS[part], IDS[part]) for part in parts)
    return Rows(1, blocks, alive)


places = st.lists(st.integers(1, 59), max_size=4)
masks = st.lists(st.booleans(), min_size=60, max_size=60).map(np.array)


@settings(max_examples=150, deadline=None)
@given(
    at=places,
    alive=st.none() | masks,
    allowed=st.none() | masks,
    few=st.booleans(),
    left_out=st.lists(st.integers(0, 59), max_size=9, unique=True),
    query=st.integers(0, 59),
    k=st.integers(1, 70),
)
def test_blocks_deletions_and_filters_agree_with_brute_force(at, alive, allowed, few, left_out, query, k):
    if few and allowed is not None:
        allowed = allowed & (np.arange(60) % 30 == query % 30)
    rows = cut(at, alive)
    found = ranking.rank(rows, ROWS[[query]], k, allowed, [np.array(left_out, np.int64)])[0]
    keep = np.ones(60, bool) if alive is None else alive.copy()
    keep &= True if allowed is None else allowed
    keep[left_out] = False
    ids = [case_id for case_id, there in zip(IDS, keep, strict=True) if there]
    assert [(case_id, score) for score, case_id in found] == by_hand(ROWS[keep], ids, ROWS[query], k)


@settings(max_examples=60, deadline=None)
@given(at=places, alive=st.none() | masks, wanted=st.lists(st.integers(-3, 200), max_size=20))
def test_positions_ids_and_vectors_are_those_of_the_cases_there_are(at, alive, wanted):
    rows = cut(at, alive)
    there = np.ones(60, bool) if alive is None else alive
    held = {int(number): place for place, number in enumerate(NUMBERS) if there[place]}
    expected = [held[number] for number in wanted if number in held]
    found = rows.positions(wanted)
    assert found.tolist() == expected
    assert [rows.case_id(row) for row in found.tolist()] == [IDS[place] for place in expected]
    assert np.array_equal(rows.vectors(found), ROWS[expected])
    assert np.array_equal(rows.vectors(), ROWS[there])
    assert list(rows.all_ids()) == [case_id for case_id, alive_ in zip(IDS, there, strict=True) if alive_]
    assert len(rows) == there.sum()


@pytest.mark.parametrize("shape", [(0, 3), (1, 1), (5, 16), (1000, 24)])
def test_the_bytes_of_a_block_are_those_that_faiss_writes(shape):
    index = faiss.IndexFlatIP(shape[1])
    index.add(unit(*shape))
    block = block_of(unit(*shape), np.arange(shape[0]), [""] * shape[0])
    assert block.buffer.tobytes() == faiss.serialize_index(index).tobytes()
    assert block.buffer.tobytes()[: -4 * shape[0] * shape[1] or None] == flat_header(*shape)


def test_a_block_does_not_copy_the_vectors_and_begins_on_a_cache_line():
    block = block_of(unit(10), np.arange(10), IDS[:10])
    assert block.matrix.ctypes.data % 64 == 0
    block.matrix[3, 0] = 5.0
    assert faiss.rev_swig_ptr(block.index.get_xb(), 160).reshape(10, 16)[3, 0] == 5.0


@pytest.mark.parametrize("queries", [1, 2, 19, 40])
def test_a_filter_changes_only_which_rows_are_looked_at(queries):
    """Few rows by their list, many by their bits, all by none: what is left has the same scores to the bit."""
    rows = Rows(1, (block_of(clumped(3000, 32), np.arange(1, 3001), [f"{n:04d}" for n in range(3000)]),))
    asked, nobody = unit(queries, 32, seed=3), [np.empty(0, np.int64)] * queries
    whole = ranking.rank(rows, asked, 3000, None, nobody)
    for share in (0.9, 0.3, 0.05, 0.01, 0.001):
        allowed = np.random.default_rng(7).random(3000) < share
        names = {f"{n:04d}" for n in np.flatnonzero(allowed)}
        found = ranking.rank(rows, asked, 12, allowed, nobody)
        assert repr(found) == repr([[pair for pair in answer if pair[1] in names][:12] for answer in whole])
