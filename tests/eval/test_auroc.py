"""AUROC and the neighbour vote against scikit-learn and by hand."""

from __future__ import annotations

import doctest
import importlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from eval.metrics.auroc import auroc, macro_auroc, weighted_auroc
from retrieval.errors import BadArgument
from retrieval.scoring import neighbour_vote, vote_auroc


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(2, 40))
def test_agrees_with_scikit_learn_with_ties_and_weights(seed, size):
    rng = np.random.default_rng(seed)
    labels, scores = rng.random(size) < 0.4, rng.integers(0, 5, size).astype(float)
    labels[:2] = True, False
    counts = rng.integers(0, 3, (6, size)).astype(float)
    counts[:, :2] = 1
    assert auroc(labels, scores) == pytest.approx(roc_auc_score(labels, scores))
    theirs = [roc_auc_score(labels, scores, sample_weight=weight) for weight in counts]
    np.testing.assert_allclose(weighted_auroc(labels, scores, counts), theirs, atol=1e-12)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_only_the_order_counts(seed):
    rng = np.random.default_rng(seed)
    labels, scores = rng.random(30) < 0.5, rng.integers(-5, 5, 30).astype(float)
    labels[:2] = True, False
    turn = rng.permutation(30)
    assert auroc(labels, scores) == pytest.approx(auroc(labels, np.arctan(scores) * 3 - 1))
    assert auroc(labels, scores) == pytest.approx(auroc(labels[turn], scores[turn]))
    assert auroc(labels, scores) == pytest.approx(1 - auroc(labels, -scores))


def test_an_empty_side_is_no_figure_and_leaves_the_macro_mean():
    labels = np.array([[True, True], [False, True], [False, True]])
    scores = np.array([[0.9, 0.1], [0.9, 0.2], [0.1, 0.3]])
    assert np.isnan(auroc(labels[:, 1], scores[:, 1]))
    assert macro_auroc(labels, scores) == pytest.approx(0.75)
    assert np.isnan(weighted_auroc(labels[:, 0], scores[:, 0], np.array([[0.0, 1, 1]]))[0])
    assert np.isnan(macro_auroc(labels[:, 1:], scores[:, 1:]))
    with pytest.raises(BadArgument, match="do not fit"):
        weighted_auroc(labels[:, 0], scores[:, 0], np.ones((1, 2)))


def test_the_vote_by_hand():
    scores = np.array([[0.9, 0.8, 0.1, 0.0]])
    labels = np.array([[True, False], [False, True], [False, True], [True, True]])
    assert neighbour_vote(scores, labels, 2).tolist() == [[0.5, 0.5]]
    weighted = neighbour_vote(scores, labels, 2, temperature=0.1)
    near, far = 1.0, np.exp(-1)
    assert weighted[0].tolist() == pytest.approx([near / (near + far), far / (near + far)])


def test_cases_tied_at_the_border_share_the_places_that_are_left():
    labels = np.array([[True], [True], [False], [False]])
    vote = neighbour_vote(np.array([[0.9, 0.5, 0.5, 0.5]]), labels, 2)
    assert vote[0, 0] == pytest.approx((1 + 1 / 3) / 2)
    assert neighbour_vote(np.zeros((1, 4)), labels, 3)[0, 0] == pytest.approx(0.5)


def test_a_case_that_is_not_allowed_has_no_vote():
    labels = np.array([[True], [False], [False]])
    scores = np.array([[-np.inf, 0.2, 0.1]])
    assert neighbour_vote(scores, labels, 3).tolist() == [[0.0]]
    assert neighbour_vote(np.full((1, 3), -np.inf), labels, 3).tolist() == [[0.0]]
    same = np.eye(3)
    allowed = ~np.eye(3, dtype=bool)
    mine = np.array([[True], [False], [True]])
    assert vote_auroc(same, same, mine, mine, k=1, allowed=allowed) < 0.5
    assert vote_auroc(same, same, mine, mine, k=1) == 1.0


def test_the_example_in_the_docstring_runs():
    found = doctest.testmod(importlib.import_module("eval.metrics.auroc"))
    assert found.attempted == 2
    assert not found.failed


def test_a_vote_of_nobody_is_refused():
    with pytest.raises(BadArgument, match="k=0"):
        neighbour_vote(np.zeros((1, 2)), np.ones((2, 1), dtype=bool), 0)
    with pytest.raises(BadArgument, match="temperature 0"):
        neighbour_vote(np.zeros((1, 2)), np.ones((2, 1), dtype=bool), 1, 0.0)
