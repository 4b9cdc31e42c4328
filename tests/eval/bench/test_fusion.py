"""The rules of fusion that are compared: by hand, with ties."""

from __future__ import annotations

import numpy as np
import pytest

from eval.bench.fusion import reciprocal_ranks, standard_scores


def test_reciprocal_ranks_by_hand():
    # Two being tied for the last two places, each has 2.5.
    assert reciprocal_ranks(np.array([[0.0, 7.0, 0.0]]))[0].tolist() == pytest.approx([1 / 62.5, 1 / 61, 1 / 62.5])


def test_standard_scores_by_hand():
    assert standard_scores(np.array([[1.0, 3.0], [5.0, 5.0]])).tolist() == [[-1.0, 1.0], [0.0, 0.0]]
