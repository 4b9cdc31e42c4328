"""The rules of fusion that are compared: by hand, with ties."""

from __future__ import annotations

import numpy as np
import pytest

from eval.bench.fusion import reciprocal_ranks, standard_scores, ways_of_asking
from eval.questions import Questions


def test_reciprocal_ranks_by_hand():
    # Two being tied for the last two places, each has 2.5.
    assert reciprocal_ranks(np.array([[0.0, 7.0, 0.0]]))[0].tolist() == pytest.approx([1 / 62.5, 1 / 61, 1 / 62.5])


def test_standard_scores_by_hand():
    assert standard_scores(np.array([[1.0, 3.0], [5.0, 5.0]])).tolist() == [[-1.0, 1.0], [0.0, 0.0]]


def test_each_way_asks_every_question_in_every_language():
    ways = ways_of_asking(Questions((("AFIB",), ("AFIB", "CLBBB")), np.ones((2, 3), np.bool_)))
    texts = {way: [one.text for one in asked] for way, asked in ways.items()}
    assert texts["as written"] == texts["usual terms"] == texts["every wording"]
    assert texts["as written"][::2] == ["atrial fibrillation", "Vorhofflimmern", "AF"]
    assert [one.added for one in ways["as written"]] == [()] * 6
    assert ways["usual terms"][4].added == ("atrial fibrillation", "Vorhofflimmern")
    assert "LBBB" in ways["every wording"][1].added
    assert "LBBB" not in ways["every wording"][0].added
