"""Ranked lists whose entries are drawn anew: against the repeated list, brute force, ir-measures, and by hand."""

from __future__ import annotations

import ir_measures
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ir_measures import AP, P, Qrel, ScoredDoc

from eval.bootstrap import PatientBootstrap
from eval.metrics.ranking import average_precision, precision_at, rank_by_score
from eval.metrics.weighted_ranking import drawn_hits
from retrieval.errors import BadArgument

ENTRIES = st.lists(st.tuples(st.integers(0, 3), st.booleans(), st.integers(0, 3)), min_size=1, max_size=14)


def drawn(entries):
    scores, relevant, weights = (np.array(column) for column in zip(*entries, strict=True))
    table = np.stack([np.ones_like(weights), weights], axis=1).astype(np.int32)
    return scores.astype(float), relevant, table, drawn_hits(scores.astype(float), relevant, table)


def mean_precision_at(entry, scores, relevant, weights):
    """Precision at one copy of an entry, its other copies left out, over all places that its ties allow."""
    rest = [i for i in np.repeat(np.arange(len(scores)), weights) if i != entry]
    above = [relevant[i] for i in rest if scores[i] > scores[entry]]
    tied = [relevant[i] for i in rest if scores[i] == scores[entry]]
    share = np.mean(tied) if tied else 0.0
    return np.mean([(sum(above) + 1 + m * share) / (len(above) + m + 1) for m in range(len(tied) + 1)])


@settings(max_examples=150, deadline=None)
@given(ENTRIES, st.integers(1, 12))
def test_weights_are_repetitions(entries, k):
    scores, relevant, table, found = drawn(entries)
    taken = np.repeat(np.arange(len(scores)), table[:, 1])
    ours, average = found.precision_at(k), found.average_precision()
    if not relevant[taken].any():
        assert np.isnan(ours[1])
        assert np.isnan(average[1])
        return
    assert ours[1] == pytest.approx(precision_at(rank_by_score(scores[taken][None]), relevant[taken], k)[0])
    hits = [i for i in taken if relevant[i]]
    assert average[1] == pytest.approx(np.mean([mean_precision_at(i, scores, relevant, table[:, 1]) for i in hits]))


@settings(max_examples=100, deadline=None)
@given(ENTRIES)
def test_weights_of_one_are_the_plain_figures(entries):
    scores, relevant, _, found = drawn(entries)
    ranking = rank_by_score(scores[None])
    plain = average_precision(ranking, relevant)[0]
    assert found.average_precision()[0] == pytest.approx(plain, nan_ok=True)
    if relevant.any():
        assert found.precision_at(5)[0] == pytest.approx(precision_at(ranking, relevant, 5)[0])


def test_by_hand_with_a_tie_and_a_copy():
    # Two tied at the top, one of them relevant and drawn twice, then a relevant one.
    scores, relevant = np.array([0.9, 0.9, 0.5]), np.array([True, False, True])
    found = drawn_hits(scores, relevant, np.array([[1, 2], [1, 1], [1, 1]], dtype=np.int32))
    # A copy at the top stands first or second; the last one is third with one relevant before it, or fourth with two.
    assert found.average_precision().tolist() == pytest.approx([(0.75 + 2 / 3) / 2, (0.75 + 0.75 + 3 / 4) / 3])
    assert found.precision_at(2).tolist() == pytest.approx([1 / 2, 2 / 3])
    assert found.precision_at(4).tolist() == pytest.approx([2 / 4, 3 / 4])


def test_agrees_with_ir_measures_without_ties():
    rng = np.random.default_rng(4)
    scores, relevant = rng.permuted(np.tile(np.arange(60.0), (9, 1)), axis=1), rng.random((9, 60)) < 0.2
    relevant[:, 0] = True
    qrels = [Qrel(str(q), str(d), int(relevant[q, d])) for q in range(9) for d in range(60)]
    run = [ScoredDoc(str(q), str(d), float(scores[q, d])) for q in range(9) for d in range(60)]
    theirs = ir_measures.calc_aggregate([AP, P @ 10], qrels, run)
    ten, average = PatientBootstrap([None] * 60, 0).searched(scores, relevant)
    assert ten.mean().value == pytest.approx(theirs[P @ 10], abs=1e-9)
    assert average.mean().value == pytest.approx(theirs[AP], abs=1e-9)
    assert ten.mean().interval == (ten.mean().value,) * 2


def test_draws_scatter_around_the_value():
    rng = np.random.default_rng(5)
    relevant = rng.random((40, 300)) < 0.1
    scores = rng.standard_normal((40, 300)) + relevant
    for found in PatientBootstrap([str(i // 2) for i in range(300)], 400).searched(scores, relevant):
        figure = found.mean()
        assert figure.interval[0] < figure.value < figure.interval[1]
        assert figure.draws.mean() == pytest.approx(figure.value, abs=0.03)


def test_a_patient_is_drawn_whole_and_some_sentences_may_be_chosen():
    relevant = np.array([[True, True, False, False], [False, False, True, False]])
    bootstrap = PatientBootstrap(["a", "a", "b", "c"], 60, seed=2)
    ten, average = bootstrap.searched(np.array([[4.0, 3, 2, 1], [4, 3, 2, 1]]), relevant, k=1)
    without_a = bootstrap.weights[:, 0] == 0
    assert without_a.any()
    assert np.isnan(ten.draws[0]).tolist() == without_a.tolist()
    assert average.mean(np.array([True, False])).value == 1.0
    assert average.mean(np.array([False, True])).value == pytest.approx(1 / 3)
    # Where nothing relevant to a sentence was drawn, the draw's mean is that of the other one.
    both, second = average.mean().draws[without_a], average.draws[1][without_a]
    np.testing.assert_allclose(both, second)


def test_what_does_not_fit_is_refused():
    one, table = np.ones(2), np.ones((2, 1), dtype=np.int32)
    with pytest.raises(BadArgument, match="do not fit"):
        drawn_hits(one, np.ones(3, dtype=bool), table)
    with pytest.raises(BadArgument, match="not a number"):
        drawn_hits(np.array([1, np.nan]), np.ones(2, dtype=bool), table)
    with pytest.raises(BadArgument, match="k is 0"):
        drawn_hits(one, np.ones(2, dtype=bool), table).precision_at(0)
