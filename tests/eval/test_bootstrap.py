"""The bootstrap by patient: weights against repeating the queries, coverage on a toy, pairing."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from eval.bootstrap import PatientBootstrap
from retrieval.errors import BadArgument
from retrieval.scoring import first_hit

PATIENTS = ["a", "a", "b", "c", "c", "c", "d", None, None, "e"]


def repeated(weights):
    return np.repeat(np.arange(len(weights)), weights.astype(int))


@pytest.fixture(scope="module")
def bootstrap():
    return PatientBootstrap(PATIENTS, draws=50, seed=3)


def test_a_draw_takes_patients_whole(bootstrap):
    weights = bootstrap.weights
    assert bootstrap.patients == 7
    assert (weights[:, 0] == weights[:, 1]).all()
    assert (weights[:, 3] == weights[:, 5]).all()
    assert (weights[:, 7] != weights[:, 8]).any()
    assert (weights[:, [0, 2, 3, 6, 7, 8, 9]].sum(axis=1) == 7).all()


def test_every_statistic_is_that_of_the_repeated_queries(bootstrap):
    rng = np.random.default_rng(1)
    values = rng.random(10)
    values[4] = np.nan
    table = rng.random((10, 3))
    table[rng.random((10, 3)) < 0.3] = np.nan
    labels, scores = rng.random((10, 1)) < 0.5, rng.integers(0, 4, (10, 1)).astype(float)
    labels[:2, 0] = True, False
    reached = first_hit(rng.random((10, 10)), np.eye(10, dtype=bool)).reached(10)
    mean, macro, area = bootstrap.mean(values), bootstrap.macro(table), bootstrap.auroc(labels, scores)
    ratio, median = bootstrap.ratio(table[:, :1] * 0 + 1, np.ones((10, 1)) * 2), bootstrap.median_place(reached)
    assert mean.value == pytest.approx(np.nanmean(values))
    assert mean.queries == 9
    assert macro.value == pytest.approx(np.nanmean(np.nanmean(table, axis=0)))
    for draw, weights in enumerate(bootstrap.weights):
        rows = repeated(weights)
        if not np.isnan(values[rows]).all():
            assert mean.draws[draw] == pytest.approx(np.nanmean(values[rows]))
        by_class = [np.nanmean(c[rows]) for c in table.T if not np.isnan(c[rows]).all()]
        assert macro.draws[draw] == pytest.approx(np.mean(by_class))
        if 0 < labels[rows].sum() < len(rows):
            assert area.draws[draw] == pytest.approx(roc_auc_score(labels[rows, 0], scores[rows, 0]))
        half = reached[rows].mean(axis=0) >= 0.5 - 1e-12
        assert median.draws[draw] == 1 + np.argmax(half)
    assert ratio.draws.shape == (50,)


def test_the_median_place_is_the_median_without_ties():
    above = np.array([0, 4, 2, 9, 7])
    reached = (np.arange(1, 11) > above[:, None]).astype(float)
    found = PatientBootstrap(list("abcde"), 200).median_place(reached)
    assert found.value == 5
    low, high = found.interval
    assert 1 <= low < 5 < high <= 10
    spread = np.full((6, 10), np.nan)
    spread[:5] = reached
    assert PatientBootstrap(list("abcdef"), 20).median_place(spread).value == 5


@pytest.mark.slow
def test_intervals_cover_the_truth_when_patients_come_in_clusters():
    rng = np.random.default_rng(7)
    covered, covered_by_query = 0, 0
    for trial in range(300):
        ecgs = rng.integers(1, 6, 60)
        patients = [str(i) for i in np.repeat(np.arange(60), ecgs)]
        values = np.repeat(rng.standard_normal(60), ecgs) + 0.3 * rng.standard_normal(ecgs.sum())
        low, high = PatientBootstrap(patients, 300, seed=trial).mean(values).interval
        covered += low <= 0 <= high
        low, high = PatientBootstrap([None] * len(values), 300, seed=trial).mean(values).interval
        covered_by_query += low <= 0 <= high
    assert 0.9 <= covered / 300 <= 0.985
    assert covered_by_query < covered  # Drawing single ECGs takes a patient's ECGs for independent.


def test_the_difference_is_paired(bootstrap):
    rng = np.random.default_rng(2)
    values = rng.random(10)
    better = bootstrap.mean(values + 0.01).minus(bootstrap.mean(values))
    assert better.value == pytest.approx(0.01)
    assert better.interval == pytest.approx((0.01, 0.01))
    with pytest.raises(BadArgument, match="paired"):
        bootstrap.mean(values).minus(PatientBootstrap(PATIENTS, 7).mean(values))


def test_no_draws_give_a_value_without_an_interval():
    found = PatientBootstrap(PATIENTS, 0).mean(np.arange(10.0))
    assert found.interval == (4.5, 4.5)
    with pytest.raises(BadArgument, match="-1"):
        PatientBootstrap(PATIENTS, -1)


def test_the_same_seed_gives_the_same_draws():
    one, other = (PatientBootstrap(PATIENTS, 5, seed=1).weights for _ in range(2))
    assert (one == other).all()
    assert (one != PatientBootstrap(PATIENTS, 5, seed=2).weights).any()
