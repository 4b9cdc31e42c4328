"""Fused lists: by hand, with ties, and what they must not depend on."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from eval.fusion import Fusion, fuse_ranks, fuse_scores, fusions_of
from retrieval.errors import BadArgument


def test_reciprocal_ranks_by_hand():
    pages, reports = np.array([[0.9, 0.5, 0.1]]), np.array([[0.0, 7.0, 0.0]])
    # Places 1, 2, 3 and, two being tied for the last two places, 2.5, 1, 2.5.
    expected = [1 / 61 + 1 / 62.5, 1 / 62 + 1 / 61, 1 / 63 + 1 / 62.5]
    assert fuse_ranks([pages, reports])[0].tolist() == pytest.approx(expected)
    assert fuse_ranks([pages, reports], [2, 0], k=10)[0].tolist() == pytest.approx([2 / 11, 2 / 12, 2 / 13])


def test_standard_scores_by_hand():
    pages, reports = np.array([[1.0, 3.0]]), np.array([[5.0, 5.0]])
    assert fuse_scores([pages, reports], [0.5, 1])[0].tolist() == pytest.approx([-0.5, 0.5])


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1))
@example(17616)  # a mean summed in another order fell on the other side of the rounding
def test_the_order_of_the_gallery_does_not_count_and_ties_stay_ties(seed):
    rng = np.random.default_rng(seed)
    lists = [rng.integers(0, 5, (3, 12)).astype(float) for _ in range(2)]
    turn = rng.permutation(12)
    for fuse in (fuse_ranks, fuse_scores):
        fused = fuse(lists)
        np.testing.assert_array_equal(fused[:, turn], fuse([one[:, turn] for one in lists]))
        same = (lists[0][:, :1] == lists[0]) & (lists[1][:, :1] == lists[1])
        assert (fused[same] == np.broadcast_to(fused[:, :1], fused.shape)[same]).all()
    np.testing.assert_array_equal(fuse_ranks(lists), fuse_ranks([np.exp(one) for one in lists]))
    np.testing.assert_allclose(fuse_scores(lists), fuse_scores([3 * one + 7 for one in lists]), atol=1e-9)


def test_a_search_that_finds_nothing_changes_no_order():
    pages = np.random.default_rng(0).random((4, 9))
    for choice in fusions_of(["words"]):
        order = np.argsort(-choice(pages, {"words": np.zeros((4, 9))}), axis=1)
        np.testing.assert_array_equal(order, np.argsort(-pages, axis=1))


def test_every_choice_is_there_once_and_says_what_it_is():
    choices = fusions_of(["a", "b"])
    assert len(set(choices)) == len(choices) == 3 * 2 * 4
    assert str(Fusion(("a", "b"), "standard scores", 0.5)) == "pages (weight 0.5) and a and b, standard scores"
    assert fusions_of([]) == []


def test_what_cannot_be_fused_is_refused():
    with pytest.raises(BadArgument, match="cannot be fused"):
        fuse_ranks([])
    with pytest.raises(BadArgument, match="2 weights"):
        fuse_scores([np.zeros((1, 2))], [1, 1])
    with pytest.raises(BadArgument, match="k is 0"):
        fuse_ranks([np.zeros((1, 2))], k=0)
