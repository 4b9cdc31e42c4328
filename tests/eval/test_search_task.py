"""Task 6: the gallery's own search is what is measured, and its recall is judged from outside."""

from __future__ import annotations

import numpy as np
import pytest

from eval.baselines import random_vectors
from eval.commands import gallery_sizes
from eval.tables import search_table
from eval.tasks.search import measure_search, mixed_vectors, nearest
from index import Gallery
from retrieval.errors import BadArgument
from tests.eval.corpus import make_rows

OWN = random_vectors(60, 16, np.random.default_rng(0)).astype(np.float32)
ROWS = make_rows(60, 0, 0)


def measured(sizes, queries=20):
    asked = random_vectors(queries, 16, np.random.default_rng(1))
    told = []
    figures = measure_search(OWN, asked, ROWS, sizes, lambda done, total: told.append((done, total)))
    assert told == [(i + 1, len(sizes)) for i in range(len(sizes))]
    return figures


def test_an_exact_gallery_finds_everything():
    small, large = measured([40, 300])
    assert (small.cases, small.own, large.cases, large.own) == (40, 40, 300, 60)
    for one in (small, large):
        assert one.exact
        assert one.recall == 1.0
        assert one.queries == 20
        assert 0 < one.p50_ms <= one.p95_ms
        # Four bytes a number, and behind the vectors which row is which case.
        assert 64 <= one.index_bytes < 128
        assert one.disk_bytes > one.index_bytes


def test_a_search_that_loses_neighbours_is_seen(monkeypatch):
    whole = Gallery.search

    def lossy(self, queries, k=10, **other):
        return [found[: k - 2] + found[-2:] for found in whole(self, queries, k=k + 5, **other)]

    monkeypatch.setattr(Gallery, "search", lossy)
    assert measured([200])[0].recall == pytest.approx(0.8)


def test_mixed_vectors_lie_about_as_near_as_the_own_ones():
    rng = np.random.default_rng(2)
    centres = random_vectors(8, 32, rng)
    own = np.repeat(centres, 30, axis=0) + 0.05 * rng.standard_normal((240, 32))
    own = (own / np.linalg.norm(own, axis=1, keepdims=True)).astype(np.float32)
    mixed = mixed_vectors(own, 500, rng)
    np.testing.assert_allclose(np.linalg.norm(mixed, axis=1), 1, atol=1e-6)
    to_own = np.sqrt(np.maximum(2 - 2 * (mixed @ own.T).max(axis=1), 0))
    _, among_own = nearest(own, 10)
    assert 0.7 < np.median(to_own) / np.median(among_own) < 1.5
    assert (mixed @ centres.T.astype(np.float32)).max(axis=1).min() > 0.7  # No vector between the clusters.
    assert len(np.unique(mixed, axis=0)) == 500


def test_nearest_leaves_the_vector_itself_out():
    near, distance = nearest(np.array([[1, 0], [0.8, 0.6], [-1, 0]], np.float32), 1)
    assert near.ravel().tolist() == [1, 0, 1]
    assert distance == pytest.approx([np.sqrt(0.4), np.sqrt(0.4), np.sqrt(3.6)], abs=1e-6)


def test_sizes_that_cannot_be_are_refused():
    assert gallery_sizes("2000, 100000") == (2000, 100000)
    assert gallery_sizes("0") == ()
    for wrong in ("many", "5", "-20", "1e6"):
        with pytest.raises(BadArgument, match="no size of a gallery"):
            gallery_sizes(wrong)
    with pytest.raises(BadArgument, match="5 cases"):
        measured([5])
    with pytest.raises(BadArgument, match="too few"):
        measure_search(OWN[:1], OWN, ROWS, [20], lambda done, total: None)


def test_the_table_says_how_many_vectors_are_the_bundles_own():
    lines = search_table(measured([40, 80])).splitlines()
    assert lines[0].startswith("| cases | of the bundle | mixed | dim | index | recall@10 (%) | p50 (ms)")
    assert lines[3].startswith("| 80 | 60 | 20 | 16 | exact | 100.00 | ")
