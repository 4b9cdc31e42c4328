"""Ranked-gallery figures against ir-measures, scikit-learn, brute force over tie orders, and cases by hand."""

from __future__ import annotations

from itertools import pairwise, permutations

import ir_measures
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ir_measures import AP, P, Qrel, ScoredDoc, nDCG
from sklearn.metrics import average_precision_score

from eval.metrics.ranking import average_precision, ndcg_at, precision_at, rank_by_score
from retrieval.errors import BadArgument


def dcg(gains):
    return sum(gain / np.log2(place + 2) for place, gain in enumerate(gains))


def by_all_orders(scores, values, figure):
    """Mean of a figure over every order that the scores allow."""
    orders = [o for o in permutations(range(len(scores))) if all(scores[a] >= scores[b] for a, b in pairwise(o))]
    return float(np.mean([figure([values[i] for i in order]) for order in orders]))


def plain_ap(relevant):
    hits = [sum(relevant[: i + 1]) / (i + 1) for i, r in enumerate(relevant) if r]
    return sum(hits) / len(hits)


def test_agrees_with_ir_measures_without_ties():
    rng = np.random.default_rng(1)
    scores = rng.permuted(np.tile(np.arange(60) / 60, (12, 1)), axis=1)
    gains = rng.choice([0, 0, 0, 1, 2, 3], size=scores.shape)
    gains[:, 0] = 1
    qrels = [Qrel(str(q), str(d), int(gains[q, d])) for q in range(12) for d in range(60)]
    run = [ScoredDoc(str(q), str(d), float(scores[q, d])) for q in range(12) for d in range(60)]
    theirs = ir_measures.calc_aggregate([AP, P @ 10, nDCG @ 10], qrels, run)
    ranking = rank_by_score(scores)
    assert average_precision(ranking, gains > 0).mean() == pytest.approx(theirs[AP], abs=1e-9)
    assert precision_at(ranking, gains > 0, 10).mean() == pytest.approx(theirs[P @ 10], abs=1e-9)
    assert ndcg_at(ranking, gains.astype(float), 10).mean() == pytest.approx(theirs[nDCG @ 10], abs=1e-9)


def test_average_precision_agrees_with_scikit_learn_without_ties():
    rng = np.random.default_rng(2)
    scores, relevant = rng.random((20, 80)), rng.random((20, 80)) < 0.2
    ours = average_precision(rank_by_score(scores), relevant)
    theirs = [average_precision_score(r, s) for r, s in zip(relevant, scores, strict=True)]
    np.testing.assert_allclose(ours, theirs, atol=1e-12)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 3)), min_size=1, max_size=6), st.integers(1, 7))
def test_ties_take_the_mean_over_all_orders(entries, k):
    scores, gains = [score for score, _ in entries], [gain for _, gain in entries]
    ranking = rank_by_score(np.array([scores], dtype=float))
    relevant = [gain > 0 for gain in gains]
    ours = precision_at(ranking, np.array(relevant), k)[0]
    assert ours == pytest.approx(by_all_orders(scores, relevant, lambda r: sum(r[:k]) / k))
    ap, ndcg = average_precision(ranking, np.array(relevant))[0], ndcg_at(ranking, np.array(gains, dtype=float), k)[0]
    if not any(gains):
        assert np.isnan(ap)
        assert np.isnan(ndcg)
        return
    best = dcg(sorted(gains, reverse=True)[:k])
    assert ap == pytest.approx(by_all_orders(scores, relevant, plain_ap))
    assert ndcg == pytest.approx(by_all_orders(scores, gains, lambda g: dcg(g[:k]) / best))


def test_by_hand():
    # Two tied first (one relevant), then a relevant one: AP = ((1 + 1/2) / 2 + 2/3) / 2.
    ranking = rank_by_score(np.array([[0.9, 0.9, 0.5]]))
    relevant = np.array([[True, False, True]])
    assert average_precision(ranking, relevant)[0] == pytest.approx((0.75 + 2 / 3) / 2)
    assert precision_at(ranking, relevant, 1)[0] == pytest.approx(0.5)
    assert ndcg_at(ranking, relevant.astype(float), 1)[0] == pytest.approx(0.5)


def test_a_constant_score_is_chance():
    rng = np.random.default_rng(3)
    relevant = np.zeros(40, dtype=bool)
    relevant[:7] = True
    drawn = average_precision(rank_by_score(rng.random((20_000, 40))), relevant)
    exact = average_precision(rank_by_score(np.zeros((1, 40))), relevant)[0]
    assert exact == pytest.approx(drawn.mean(), abs=4 * drawn.std() / np.sqrt(len(drawn)))


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=30, deadline=None)
def test_only_the_order_of_scores_counts_and_not_that_of_the_gallery(seed):
    rng = np.random.default_rng(seed)
    scores, gains = rng.integers(0, 8, (4, 30)).astype(float), rng.random((4, 30)) * (rng.random((4, 30)) < 0.5)
    gains[:, 0] = 1
    turn = rng.permutation(30)

    def figures(s, g):
        ranking = rank_by_score(s)
        return [average_precision(ranking, g > 0), precision_at(ranking, g > 0, 5), ndcg_at(ranking, g, 5)]

    plain = figures(scores, gains)
    np.testing.assert_allclose(plain, figures(np.exp(scores) - 100, gains))
    np.testing.assert_allclose(plain, figures(scores[:, turn], gains[:, turn]))


def test_an_entry_that_is_not_allowed_might_as_well_not_be_there():
    rng = np.random.default_rng(4)
    scores, relevant = rng.integers(0, 5, (6, 20)).astype(float), rng.random((6, 20)) < 0.4
    allowed = np.ones_like(relevant)
    allowed[:, 15:] = False
    with_mask = average_precision(rank_by_score(scores, allowed), relevant & allowed)
    np.testing.assert_allclose(with_mask, average_precision(rank_by_score(scores[:, :15]), relevant[:, :15]))


def test_what_cannot_be_ranked_is_refused():
    with pytest.raises(BadArgument, match="shape"):
        rank_by_score(np.zeros((3, 0)))
    with pytest.raises(BadArgument, match="not a number"):
        rank_by_score(np.array([[0.1, np.nan]]))
    with pytest.raises(BadArgument, match="k is 0"):
        precision_at(rank_by_score(np.zeros((1, 2))), np.array([True, False]), 0)
    with pytest.raises(BadArgument, match="gain is -1"):
        ndcg_at(rank_by_score(np.zeros((1, 2))), np.array([1.0, -1.0]))
