"""The approximate index against exact search: recall under filters, changes since it was made, and determinism."""

from __future__ import annotations

import dataclasses

import faiss
import numpy as np
import pytest

from index import approximate, ranking, tuning
from index.approximate import MOST_K, Approximate
from index.blocks import Rows, block_of
from index.choice import lists_for, method_for
from tests.index.gallery_samples import by_hand, unit

DIM, COUNT, KNOWN = 24, 12_000, 11_700
NOBODY = np.empty(0, np.int64)


def clustered(count: int, seed: int) -> np.ndarray:
    """Unit rows around 60 centres of unequal weight, as the vectors of ECGs lie around their findings."""
    rng = np.random.default_rng(seed)
    weights = rng.dirichlet(np.full(60, 0.5))
    found = unit(60, DIM, seed=1)[rng.choice(60, count, p=weights)] + 0.15 * rng.standard_normal((count, DIM))
    return (found / np.linalg.norm(found, axis=1, keepdims=True)).astype(np.float32)


ROWS = clustered(COUNT, 2)
NUMBERS = np.cumsum(np.random.default_rng(3).integers(1, 3, COUNT))
IDS = [f"{place * 7919 % COUNT:05d}" for place in range(COUNT)]
QUERIES = clustered(200, 9)


def rows_of(*edges: int, alive: np.ndarray | None = None) -> Rows:
    parts = [slice(start, stop) for start, stop in zip((0, *edges), edges, strict=False)]
    return Rows(len(edges), tuple(block_of(ROWS[p], NUMBERS[p], IDS[p]) for p in parts), alive)


@pytest.fixture(scope="module")
def index() -> Approximate:
    """Over the first 11,700 rows."""
    found = tuning.prepared(None, rows_of(KNOWN))
    assert found is not None
    return found


def recall_of(index: Approximate, rows: Rows, allowed: np.ndarray | None, queries: np.ndarray = QUERIES) -> float:
    nobody = [NOBODY] * len(queries)
    truth = ranking.rank(rows, queries, 10, allowed, nobody)
    found = approximate.search(index, rows, queries, 10, allowed, nobody)
    shares = [len(set(a) & set(b)) / max(1, len(a)) for a, b in zip(truth, found.ranked, strict=True)]
    return float(np.mean(shares))


def filters(share: float, seed: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    along = ROWS @ rng.standard_normal(DIM)
    centre = ROWS @ unit(60, DIM, seed=1)[seed]
    return {
        "by lot": rng.random(COUNT) < share,
        "by direction": along > np.quantile(along, 1 - share),
        "around one centre": centre > np.quantile(centre, 1 - share),
        "away from one centre": centre < np.quantile(centre, share),
    }


def test_it_is_approximate_and_looks_into_few_lists(index):
    """Guards the tests below, which full search would pass."""
    assert index.tuning.probes * 4 <= index.tuning.lists == lists_for(KNOWN) == 256
    assert (
        recall_of(
            dataclasses.replace(index, tuning=dataclasses.replace(index.tuning, probes=1)), rows_of(KNOWN), None
        )
        < 0.98
    )


@pytest.mark.parametrize("share", [0.5, 0.1, 0.01, 0.001])
@pytest.mark.parametrize("kind", ["by lot", "by direction", "around one centre", "away from one centre"])
def test_recall_holds_under_filters(index, share, kind):
    rows = rows_of(COUNT)
    assert np.mean([recall_of(index, rows, filters(share, seed)[kind]) for seed in (4, 5)]) >= 0.99


def test_recall_is_what_was_measured(index):
    rows = rows_of(KNOWN)
    assert index.tuning.recall >= 0.99
    assert abs(recall_of(index, rows, None) - index.tuning.recall) < 0.01
    answer = approximate.search(index, rows, QUERIES[:2], 5, None, [NOBODY] * 2)
    assert (answer.exact, answer.recall) == (False, index.tuning.recall)
    half = filters(0.5, 4)["by lot"][:KNOWN]
    answer = approximate.search(index, rows, QUERIES[:2], 5, half, [NOBODY] * 2)
    assert (answer.exact, answer.recall) == (False, min(index.tuning.recall, index.tuning.recall_filtered))


@pytest.mark.parametrize("cosine", [0.6, 0.3, 0.0])
def test_queries_from_far_away_lose_as_few_neighbours_as_others(index, cosine):
    """Those that lie farther away than what recall was measured with are compared with every case."""
    rows, queries = rows_of(KNOWN), tuning.moved(ROWS[:200], np.full(200, cosine), np.random.default_rng(4))
    few = dataclasses.replace(index, tuning=dataclasses.replace(index.tuning, probes=20))
    everyone = dataclasses.replace(few, tuning=dataclasses.replace(few.tuning, nearest=-1.0))
    lost, lost_by_all = (1 - recall_of(one, rows, None, queries) for one in (few, everyone))
    assert lost_by_all > 0.03  # else this would prove nothing
    assert lost < 0.4 * lost_by_all


def test_scores_are_those_of_exact_search(index):
    answer = approximate.search(index, rows_of(COUNT), QUERIES[:20], 10, None, [NOBODY] * 20)
    truth = ranking.rank(rows_of(COUNT), QUERIES[:20], COUNT, None, [NOBODY] * 20)
    for found, exact in zip(answer.ranked, truth, strict=True):
        assert found == sorted(found, key=lambda pair: (-pair[0], pair[1]))
        assert set(found) <= set(exact)


def test_cases_added_and_deleted_since_are_seen_at_once(index):
    alive = np.random.default_rng(8).random(COUNT) > 0.04
    rows = rows_of(KNOWN, COUNT, alive=alive)
    queries = np.concatenate([ROWS[KNOWN : KNOWN + 40], QUERIES[:60]])
    answer = approximate.search(index, rows, queries, 10, None, [NOBODY] * 100)
    gone = {case_id for case_id, there in zip(IDS, alive, strict=True) if not there}
    assert not gone & {case_id for found in answer.ranked for _, case_id in found}
    for place in range(40):  # one that was just added is its own nearest, unless it was deleted
        assert (answer.ranked[place][0][1] == IDS[KNOWN + place]) == alive[KNOWN + place]
    assert recall_of(index, rows, None, queries) >= 0.99
    assert recall_of(index, rows, filters(0.3, 6)["by direction"], queries) >= 0.99


def test_a_shorter_list_is_the_beginning_of_a_longer_one(index):
    rows = rows_of(KNOWN, COUNT)
    longest = approximate.search(index, rows, QUERIES[:30], MOST_K, None, [NOBODY] * 30).ranked
    for k in (1, 3, 10, 40):
        found = approximate.search(index, rows, QUERIES[:30], k, None, [NOBODY] * 30).ranked
        assert found == [answer[:k] for answer in longest]


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("filtered", [False, True])
def test_batch_size_and_threads_change_nothing(index, threads, filtered):
    rows = rows_of(KNOWN, COUNT)
    allowed = filters(0.4, 3)["by lot"] if filtered else None
    alone = [approximate.search(index, rows, query[None], 10, allowed, [NOBODY]).ranked[0] for query in QUERIES]
    before = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(threads)
    try:
        for size in (2, 21, 200):
            found = []
            for start in range(0, 200, size):
                part = QUERIES[start : start + size]
                found += approximate.search(index, rows, part, 10, allowed, [NOBODY] * len(part)).ranked
            assert repr(found) == repr(alone)
    finally:
        faiss.omp_set_num_threads(before)


def test_the_same_rows_and_seed_give_the_same_index(index):
    before = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(2 if before == 1 else 1)
    try:
        again = tuning.prepared(None, rows_of(5000, KNOWN))
    finally:
        faiss.omp_set_num_threads(before)
    assert again is not None
    assert again.tuning == index.tuning
    assert np.array_equal(faiss.serialize_index(again.index), faiss.serialize_index(index.index))


def test_few_rows_and_long_lists_are_answered_exactly(index):
    rows, allowed = rows_of(COUNT), np.arange(COUNT) % 50 == 0
    truth = ranking.rank(rows, QUERIES[:5], 10, allowed, [NOBODY] * 5)
    assert approximate.search(index, rows, QUERIES[:5], 10, allowed, [NOBODY] * 5) == approximate.Answer(
        truth, True, None
    )
    truth = ranking.rank(rows, QUERIES[:5], MOST_K + 1, None, [NOBODY] * 5)
    found = approximate.search(index, rows, QUERIES[:5], MOST_K + 1, None, [NOBODY] * 5)
    assert found == approximate.Answer(truth, True, None)
    assert approximate.search(None, rows, QUERIES[:5], MOST_K + 1, None, [NOBODY] * 5) == found


def test_a_filter_that_leaves_all_is_none(index):
    rows, everyone = rows_of(COUNT), np.ones(COUNT, bool)
    with_filter = approximate.search(index, rows, QUERIES, 10, everyone, [NOBODY] * 200)
    assert with_filter == approximate.search(index, rows, QUERIES, 10, None, [NOBODY] * 200)


def test_lists_are_looked_into_until_they_hold_enough_of_what_a_filter_leaves(index):
    rng = np.random.default_rng(6)
    made = dataclasses.replace(index.tuning, probes=2, examined=100, lists=9)
    lists = np.array([rng.permutation(9) for _ in range(50)])
    sizes = rng.integers(0, 60, 9)
    for order, cut in zip(lists.tolist(), approximate._enough(lists, sizes, made).tolist(), strict=True):
        expected, seen = [], 0
        for place in order:
            if seen >= 100 and len(expected) >= 2:
                break
            expected.append(place)
            seen += sizes[place]
        assert cut == expected + [-1] * (9 - len(expected))


def test_what_may_be_found_in_the_lists_is_what_is_alive_and_left_by_the_filter(index):
    alive, allowed = np.arange(COUNT) % 7 > 0, np.arange(COUNT) % 5 > 0
    kept = index.kept(rows_of(KNOWN, COUNT, alive=alive), allowed)
    assert kept.bits is not None
    both = np.flatnonzero((alive & allowed)[:KNOWN])
    assert np.flatnonzero(np.unpackbits(kept.bits, bitorder="little")).tolist() == NUMBERS[both].tolist()
    for place in range(index.tuning.lists):
        assert kept.sizes[place] == (index.list_of[NUMBERS[both]] == place).sum()
    assert index.kept(rows_of(KNOWN, COUNT), None).bits is None


def test_the_nearest_lists_of_a_batch_are_those_of_each_query_to_the_bit(index):
    near, lists = approximate.nearest_lists(index.index, QUERIES, 20)
    for place, query in enumerate(QUERIES):
        one, those = approximate.nearest_lists(index.index, query[None], 20)
        assert near[place].tobytes() == one[0].tobytes()
        assert lists[place].tolist() == those[0].tolist()


def test_a_filter_is_remembered_only_while_nothing_can_change_it(index):
    rows, other = rows_of(KNOWN, COUNT), rows_of(KNOWN, COUNT, alive=np.arange(COUNT) % 30 > 0)
    fixed, loose = np.arange(COUNT) % 3 > 0, np.arange(COUNT) % 3 > 0
    fixed.flags.writeable = False
    nobody = [NOBODY] * 200
    first = approximate.search(index, rows, QUERIES, 10, fixed, nobody)
    assert index.kept(rows, fixed) is index.kept(rows, fixed)
    assert index.kept(other, fixed) is not index.kept(rows, fixed)
    assert approximate.search(index, rows, QUERIES, 10, loose, nobody) == first
    loose[:] = np.arange(COUNT) % 3 == 0
    found = approximate.search(index, rows, QUERIES, 10, loose, nobody)
    left = {IDS[row] for row in np.flatnonzero(loose)}
    assert {case_id for answer in found.ranked for _, case_id in answer} <= left


def test_no_queries_have_no_answers(index):
    for one in (index, None):
        assert approximate.search(one, rows_of(COUNT), QUERIES[:0], 10, None, []).ranked == []


def test_who_lives_among_a_patients_own_cases_still_gets_k(index):
    """All that the lists offer is left out: the query is answered exactly."""
    rows, query = rows_of(COUNT), ROWS[:1]
    near = np.argsort(-(ROWS @ query[0]), kind="stable")[:1500]
    found = approximate.search(index, rows, query, 10, None, [near]).ranked[0]
    keep = np.ones(COUNT, bool)
    keep[near] = False
    ids = [case_id for case_id, there in zip(IDS, keep, strict=True) if there]
    assert [(case_id, score) for score, case_id in found] == by_hand(ROWS[keep], ids, query[0], 10)


def test_an_index_grows_with_the_gallery_and_is_made_anew_when_that_has_doubled(index):
    few = rows_of(KNOWN, COUNT)
    assert tuning.prepared(index, few) is index  # a few rows are scanned beside it
    small = tuning.prepared(None, rows_of(9000))
    assert small is not None
    alive = np.arange(COUNT) % 97 > 0
    grown = tuning.prepared(small, rows_of(9000, COUNT, alive=alive))
    assert grown is not None
    assert (grown.tuning.trained, grown.last) == (9000, NUMBERS[-1])
    held = np.flatnonzero(grown.list_of >= 0)
    assert held.tolist() == NUMBERS[alive].tolist()
    assert small.index.ntotal == 9000  # the old one is not touched
    assert recall_of(grown, rows_of(COUNT, alive=alive), None) >= 0.99
    tiny = tuning.prepared(None, rows_of(3000))
    made = tuning.prepared(tiny, rows_of(COUNT))
    assert made is not None
    assert made.tuning.trained == COUNT


def test_vectors_without_any_shape_have_no_index():
    """Uniform noise: lists tell nothing about what is near, and the answer stays exact."""
    noise = unit(2500, 64)
    rows = Rows(1, (block_of(noise, np.arange(1, 2501), [str(n) for n in range(2500)]),))
    assert tuning.prepared(None, rows) is None


def test_queries_to_measure_with_are_no_rows_yet_as_near_as_rows_are():
    rows = rows_of(COUNT)
    queries = tuning.held_out_queries(rows, 300, np.random.default_rng(1))
    nearest = np.array([found[0][0] for found in ranking.rank(rows, queries, 1, None, [NOBODY] * 300)])
    assert nearest.max() < 0.99995
    truth = [found[1][0] for found in ranking.rank(rows, ROWS[:300], 2, None, [NOBODY] * 300)]
    assert abs(np.median(nearest) - np.median(truth)) < 0.02
    copies = Rows(1, (block_of(np.repeat(ROWS[:10], 5, axis=0), np.arange(50), IDS[:50]),))
    queries = tuning.held_out_queries(copies, 50, np.random.default_rng(1))
    assert (queries @ ROWS[:10].T).max() < 0.99995


def test_moved_rows_lie_at_the_cosines_asked_for():
    cosines = np.linspace(0, 0.999, 50)
    found = tuning.moved(ROWS[:50], cosines, np.random.default_rng(0)).astype(np.float64)
    assert np.allclose((found * ROWS[:50]).sum(axis=1), cosines, atol=1e-6)
    assert np.allclose(np.linalg.norm(found, axis=1), 1, atol=1e-6)


def test_the_size_chooses_unless_the_user_does():
    assert method_for(1000, 256) == "exact"
    assert method_for(1_000_000, 256) == "approximate"
    assert method_for(1_000_000, 256, "exact") == "exact"
    assert method_for(10, 256, "approximate") == "approximate"


@pytest.mark.parametrize("rows", [0, 1, 38, 39, 100, 2000, 10**5, 10**6, 10**7])
def test_each_list_has_the_rows_that_its_training_needs(rows):
    lists = lists_for(rows)
    assert lists >= 1
    assert lists == 1 or 39 * lists <= rows
    assert lists & (lists - 1) == 0
