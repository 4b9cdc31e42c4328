"""The canonical ranking against brute force in plain Python, on data with copies and near copies."""

from __future__ import annotations

import faiss
import numpy as np
import pytest

from index import Gallery, ranking
from index.blocks import Rows, block_of
from index.ranking import exact_scores, rounding_margin
from tests.index.gallery_samples import by_hand, clumped, filled, sample_case, unit


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    """A gallery of 400 clumped vectors, the vectors and the ids."""
    rows = clumped(400, 24)
    with Gallery.open(filled(tmp_path_factory.mktemp("ranking") / "g", rows)) as gallery:
        yield gallery, rows, gallery.ids()


def flat_index(rows: np.ndarray):
    index = faiss.IndexFlatIP(rows.shape[1])
    index.add(rows)
    return index


def whole(rows: np.ndarray, ids: list[str]) -> Rows:
    return Rows(1, (block_of(rows, np.arange(1, len(rows) + 1), ids),))


def pairs(hits):
    return [(hit.case_id, hit.score) for hit in hits]


@pytest.mark.parametrize("k", [1, 2, 7, 50, 399, 400, 1000])
def test_equals_brute_force_with_ties_and_copies(archive, k):
    gallery, rows, ids = archive
    queries = np.concatenate([rows[:6], unit(6, 24, seed=9)])
    for query, hits in zip(queries, gallery.search(queries, k=k), strict=True):
        assert pairs(hits) == by_hand(rows, ids, query, k)


def test_ties_exist_in_this_data_and_raw_faiss_breaks_them_otherwise(archive):
    """Guards the test above: without ties it could not fail."""
    gallery, rows, _ = archive
    hits = gallery.search(rows[:1], k=400)[0]
    scores = [hit.score for hit in hits]
    assert len(set(scores)) < len(scores) / 2
    raw = flat_index(rows).search(rows[:1], 400)[1][0]
    assert [f"case-{number:05d}" for number in raw] != [hit.case_id for hit in hits]


def test_a_shorter_list_is_the_beginning_of_a_longer_one(archive):
    gallery, rows, _ = archive
    longest = gallery.search(rows[:20], k=400)
    for k in (1, 3, 10, 64, 200):
        assert gallery.search(rows[:20], k=k) == [hits[:k] for hits in longest]


@pytest.mark.parametrize("threads", [1, 2])
def test_batch_size_and_threads_change_nothing(archive, threads):
    gallery, rows, _ = archive
    queries = np.concatenate([rows[:40], unit(40, 24, seed=5)])
    alone = [gallery.search(query[None], k=10)[0] for query in queries]
    before = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(threads)
    try:
        for size in (2, 19, 33, 80):
            found = []
            for start in range(0, len(queries), size):
                found += gallery.search(queries[start : start + size], k=10)
            assert repr(found) == repr(alone)
    finally:
        faiss.omp_set_num_threads(before)


def test_ties_are_ordered_by_id_and_not_by_age_in_the_gallery(tmp_path):
    rows = np.repeat(unit(1, 8), 50, axis=0)
    names = [f"{number * 37 % 50:02d}" for number in range(50)]
    with Gallery.create(tmp_path / "g", bundle_name="b", bundle_sha256="0", dim=8) as gallery:
        gallery.add([sample_case(n, case_id=name) for n, name in enumerate(names)], rows)
        for k in (1, 5, 49):
            assert [hit.case_id for hit in gallery.search(rows[:1], k=k)[0]] == sorted(names)[:k]


def test_a_whole_gallery_of_copies_in_a_batch(archive, monkeypatch):
    """Every row ties with the k-th: blocks bound the memory, and the answer stays the same."""
    rows = np.repeat(unit(1, 8), 300, axis=0)
    copies = whole(rows, [f"{n:03d}" for n in range(300)])
    monkeypatch.setattr(ranking, "_PAIRS_AT_ONCE", 40)
    monkeypatch.setattr(ranking, "_ROWS_AT_ONCE", 7)
    nobody = [np.empty(0, np.int64)] * 10
    found = ranking.rank(copies, rows[:10], 4, None, nobody)
    assert found == [[(1.0, "000"), (1.0, "001"), (1.0, "002"), (1.0, "003")]] * 10


def test_a_single_query_takes_one_thread_and_restores_the_number(archive, monkeypatch):
    gallery, rows, _ = archive
    before = faiss.omp_get_max_threads()
    calls = []
    original = faiss.omp_set_num_threads
    monkeypatch.setattr(faiss, "omp_set_num_threads", lambda count: (calls.append(count), original(count)))
    gallery.search(rows[:1])
    assert calls == [1, before]
    gallery.search(rows[:2])
    assert calls == [1, before]
    assert faiss.omp_get_max_threads() == before


@pytest.mark.parametrize("dim", [8, 64, 512])
def test_the_margin_holds_every_float32_error(dim):
    """FAISS's float32 scores, alone and in a batch, lie within half the margin of the float64 ones."""
    rows, queries = clumped(500, dim), unit(30, dim, seed=3)
    truth = queries.astype(np.float64) @ rows.astype(np.float64).T
    index = flat_index(rows)
    scores, positions = index.search(queries, 500)
    assert np.abs(np.take_along_axis(truth, positions, axis=1) - scores).max() < rounding_margin(dim) / 2
    alone = [index.search(query[None], 500) for query in queries]
    for row, (scores, positions) in zip(truth, alone, strict=True):
        assert np.abs(row[positions[0]] - scores[0]).max() < rounding_margin(dim) / 2


def test_scores_are_rounded_and_stay_within_one():
    row = (np.ones((1, 3)) / np.sqrt(3)).astype(np.float32)
    assert exact_scores(row, row[0]).tolist() == [1.0]
    assert exact_scores(row, -row[0]).tolist() == [-1.0]
    assert str(exact_scores(np.float32([[1, 0]]), np.float32([0.6, 0.8]))[0]) == "0.6"
