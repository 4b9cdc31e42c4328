"""Exact pairs: ties and duplicates by hand and by brute force, the three forms, the own patient and the device."""

from __future__ import annotations

from itertools import pairwise, permutations

import ir_measures
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ir_measures import RR, Qrel, ScoredDoc, Success

from eval.metrics.pairs import pair_view
from retrieval.errors import BadArgument
from retrieval.scoring import FirstHit, cosine, expected_recall, first_hit


def places_in_all_orders(scores, targets):
    orders = [o for o in permutations(range(len(scores))) if all(scores[a] >= scores[b] for a, b in pairwise(o))]
    return np.array([1 + next(i for i, entry in enumerate(order) if targets[entry]) for order in orders])


@settings(max_examples=80, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 2), st.booleans()), min_size=1, max_size=6))
def test_ties_take_the_mean_over_all_orders(entries):
    scores = np.array([[float(score) for score, _ in entries]])
    targets = np.array([[hit for _, hit in entries]])
    if not targets.any():
        with pytest.raises(BadArgument, match="no target"):
            first_hit(scores, targets)
        return
    hit, places = first_hit(scores, targets), places_in_all_orders(scores[0], targets[0])
    for k in range(1, 8):
        assert hit.recall_at(k)[0] == pytest.approx((places <= k).mean())
    assert hit.reciprocal_rank()[0] == pytest.approx((1 / places).mean())
    np.testing.assert_allclose(hit.reached(6)[0], [(places <= k).mean() for k in range(1, 7)], atol=1e-12)


def test_large_runs_stay_exact():
    hit = FirstHit(np.array([0, 3]), np.array([2000, 2000]), np.array([1, 150]))
    assert hit.recall_at(10)[0] == pytest.approx(10 / 2000)
    missed = np.prod([(1850 - i) / (2000 - i) for i in range(7)])
    assert hit.recall_at(10)[1] == pytest.approx(1 - missed)
    assert hit.recall_at(2)[1] == 0
    assert hit.recall_at(2003)[0] == 1
    assert hit.reciprocal_rank()[0] == pytest.approx((1 / np.arange(1, 2001)).mean())


def test_agrees_with_ir_measures_without_ties():
    rng = np.random.default_rng(5)
    scores = rng.permuted(np.tile(np.arange(50) / 50, (50, 1)), axis=1)
    hit = first_hit(scores, np.eye(50, dtype=bool))
    qrels = [Qrel(str(q), str(q), 1) for q in range(50)]
    run = [ScoredDoc(str(q), str(d), float(scores[q, d])) for q in range(50) for d in range(50)]
    theirs = ir_measures.calc_aggregate([RR, Success @ 5, Success @ 10], qrels, run)
    assert hit.reciprocal_rank().mean() == pytest.approx(theirs[RR])
    assert hit.recall_at(5).mean() == pytest.approx(theirs[Success @ 5])
    assert hit.recall_at(10).mean() == pytest.approx(theirs[Success @ 10])


TEXTS = ["sinus", "sinus", "af", "sinus", "lbbb"]
PATIENTS = ["1", "2", "3", "4", "4"]
DEVICES = ["A"] * 5


def test_a_perfect_model_is_held_up_by_equal_texts():
    same = np.array([[float(a == b) for b in TEXTS] for a in TEXTS])
    raw = pair_view(TEXTS, PATIENTS, DEVICES, "raw", "overall").first_hits(same)
    # Three ECGs say "sinus": each is found first one time in three.
    assert raw.recall_at(1).tolist() == pytest.approx([1 / 3, 1 / 3, 1, 1 / 3, 1])
    group = pair_view(TEXTS, PATIENTS, DEVICES, "report group", "overall").first_hits(same)
    assert group.recall_at(1).tolist() == pytest.approx([1] * 5)


def test_deduplicated_keeps_one_slot_and_one_query_a_text():
    view = pair_view(TEXTS, PATIENTS, DEVICES, "deduplicated", "overall")
    assert view.rows.tolist() == [0, 2, 4]
    scores = np.zeros((5, 5))
    assert view.first_hits(scores).recall_at(1).tolist() == pytest.approx([1 / 3] * 3)


def test_the_same_patients_other_ecg_is_no_competitor():
    scores = np.eye(5)
    scores[4, 3] = 2.0  # Patient 4's other ECG looks nearer than the own one, and is left out.
    hits = pair_view(TEXTS, PATIENTS, DEVICES, "raw", "overall").first_hits(scores)
    assert hits.recall_at(1)[4] == 1
    strangers = pair_view(TEXTS, ["1", "2", "3", "4", "5"], DEVICES, "raw", "overall").first_hits(scores)
    assert strangers.recall_at(1)[4] == 0


def test_within_device_searches_its_own_device_and_drops_small_ones():
    devices = ["A"] * 60 + ["B"] * 50 + ["C"] * 7
    texts, patients = [f"t{i % 40}" for i in range(117)], [str(i) for i in range(117)]
    view = pair_view(texts, patients, devices, "raw", "within device")
    assert view.rows.tolist() == list(range(110))
    assert view.allowed.sum(axis=1).tolist() == [60] * 60 + [50] * 50
    chance = view.first_hits(np.zeros((117, 117))).recall_at(10)
    assert chance.tolist() == pytest.approx([10 / 60] * 60 + [10 / 50] * 50)
    assert len(pair_view(texts, patients, devices, "deduplicated", "within device").rows) == 80


def test_expected_recall_of_equal_texts_is_shared():
    images = np.eye(3)
    texts = np.array([[1.0, 0, 0], [1.0, 0, 0], [0, 0, 1.0]])
    assert expected_recall(images, texts, [None, None, None], 1) == pytest.approx((1 / 2 + 1 / 3 + 1) / 3)
    assert expected_recall(np.array([[1.0, 0], [1.0, 0]]), np.array([[1.0, 0], [1.0, 0]]), ["1", "2"], 1) == 0.5


def test_rounding_makes_equal_vectors_tie():
    rng = np.random.default_rng(6)
    row = rng.standard_normal(333)
    row /= np.linalg.norm(row)
    scores = cosine(np.stack([row] * 7).astype(np.float32), np.stack([row] * 41).astype(np.float32))
    assert len(np.unique(scores)) == 1
    with pytest.raises(BadArgument, match="compared"):
        cosine(np.zeros((2, 3)), np.zeros((2, 4)))
    with pytest.raises(BadArgument, match="not finite"):
        cosine(np.full((1, 2), np.nan), np.ones((1, 2)))
