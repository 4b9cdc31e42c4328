"""False flags: p-values, the rule of Benjamini and Hochberg, and what is promised, on made-up scores."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from retrieval.auditing.discoveries import interval, order_of, p_values, q_values

SCORES = st.lists(st.integers(-5, 5).map(float), min_size=1, max_size=40)


@given(SCORES, SCORES)
def test_p_values_count(scores, reference):
    found = p_values(scores, reference)
    for score, p in zip(scores, found, strict=True):
        assert p == pytest.approx((1 + sum(one >= score for one in reference)) / (1 + len(reference)))


@given(st.lists(st.floats(0.001, 1), min_size=1, max_size=40), st.sampled_from([0.01, 0.05, 0.1, 0.3, 0.8]))
def test_q_values_flag_what_the_rule_flags(p, level):
    """The rule as it was published: the largest rank whose p is at most rank / n times the level, and all below."""
    values = sorted(p)
    ranks = [rank for rank, one in enumerate(values, 1) if one <= rank / len(p) * level]
    cut = values[max(ranks) - 1] if ranks else -1.0
    flagged = [one <= cut for one in p]
    found = q_values(p)
    close = np.isclose(found, level, rtol=1e-9)  # equal but for rounding
    assert all(
        bool(q <= level) == expected for q, expected, near in zip(found, flagged, close, strict=True) if not near
    )
    assert np.all(np.diff(found[np.argsort(p, kind="stable")]) >= 0)


def experiment(seed, wrong, shift, reference=400, archive=600, contaminated=0):
    """Scores of an archive, ``wrong`` of whose reports do not belong, beside a reference of one population."""
    rng = np.random.default_rng(seed)
    known = rng.normal(size=reference)
    known[:contaminated] += shift
    scores = rng.normal(size=archive)
    scores[:wrong] += shift
    return q_values(p_values(scores, known))


@pytest.mark.parametrize("level", [0.05, 0.1, 0.2])
@pytest.mark.parametrize(("wrong", "shift"), [(0, 0.0), (30, 3.0), (60, 4.0), (150, 2.5)])
def test_the_share_of_false_flags_is_what_was_aimed_at_at_most(level, wrong, shift):
    """Mean over 300 made-up archives, with three standard errors of room."""
    shares = []
    for seed in range(300):
        flagged = np.flatnonzero(experiment(seed, wrong, shift) <= level)
        shares.append((flagged >= wrong).mean() if flagged.size else 0.0)
    error = np.std(shares) / np.sqrt(len(shares))
    assert np.mean(shares) <= level + 3 * error
    if wrong == 150:
        assert np.mean(shares) > level / 3  # and not for want of flags


def test_wrong_reports_in_the_reference_make_it_more_careful():
    clean = [(experiment(seed, 60, 4.0) <= 0.1).sum() for seed in range(60)]
    dirty = [(experiment(seed, 60, 4.0, contaminated=20) <= 0.1).sum() for seed in range(60)]
    assert np.mean(dirty) < np.mean(clean)


def test_an_interval_of_a_share():
    """Against the values of R's ``prop.test(31, 40, correct=FALSE)``."""
    assert interval(31, 40) == pytest.approx((0.6250, 0.8768), abs=1e-4)
    assert interval(0, 0) == (0.0, 1.0)
    low, high = interval(0, 50)
    assert low == 0.0
    assert 0.05 < high < 0.1


def test_the_order_in_which_to_look():
    order = order_of(np.array([0.1, 0.01, 0.01, 0.1]), np.array([1.0, 2.0, 3.0, 1.0]))
    assert order.tolist() == [2, 1, 0, 3]
