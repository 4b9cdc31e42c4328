"""Agreement of a report with its nearest cases, by statements and by text."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from retrieval.agreement import judge_statements, judge_text, weighted_jaccard
from retrieval.vote import VotedStatement

COUNTS = {"AFIB": 10, "SR": 70, "NORM": 40, "IMI": 20}


def test_a_report_against_its_neighbours_disagrees_and_says_why():
    ballots = [VotedStatement("AFIB", 0.8, 8, 8.0), VotedStatement("SR", 0.05, 1, 0.07)]
    found = judge_statements({"SR": None}, ballots, COUNTS, 100)
    assert found.verdict == "disagrees"
    assert found.by == "statements"
    assert "80%" in found.reason
    assert "(AFIB), 8.0 times as many as the gallery" in found.reason
    assert "(SR), and 5% of them do" in found.reason


def test_a_supported_report_agrees():
    ballots = [VotedStatement("AFIB", 0.8, 8, 8.0), VotedStatement("SR", 0.2, 2, 0.3)]
    found = judge_statements({"AFIB": None}, ballots, COUNTS, 100)
    assert found.verdict == "agrees"
    assert "share" in found.reason


def test_what_is_common_everywhere_is_not_held_against_a_report():
    ballots = [VotedStatement("SR", 0.9, 9, 1.3), VotedStatement("IMI", 0.3, 3, 1.5)]
    assert judge_statements({"IMI": 80.0}, ballots, COUNTS, 100).verdict == "agrees"


def test_half_supported_is_unsure():
    ballots = [VotedStatement("AFIB", 0.8, 8, 8.0), VotedStatement("IMI", 0.5, 5, 2.5)]
    assert judge_statements({"AFIB": None}, ballots, COUNTS, 100).verdict == "unsure"


def test_statements_that_the_gallery_does_not_know_cannot_be_judged():
    found = judge_statements({"PACE": None}, [VotedStatement("SR", 0.9, 9, 1.2)], COUNTS, 100)
    assert found.verdict == "unsure"
    assert "no case" in found.reason


def test_weighted_jaccard_by_hand():
    weights = {"AFIB": math.log(1 + 100 / 10), "SR": math.log(1 + 100 / 70)}
    expected = 0.8 * weights["AFIB"] / (weights["AFIB"] + 0.2 * weights["SR"])
    assert weighted_jaccard({"AFIB": None}, {"AFIB": 0.8, "SR": 0.2}, COUNTS, 100) == pytest.approx(expected)


@given(st.sets(st.sampled_from(sorted(COUNTS))), st.dictionaries(st.sampled_from(sorted(COUNTS)), st.floats(0, 1)))
def test_weighted_jaccard_is_1_only_for_the_same(own, shares):
    value = weighted_jaccard(dict.fromkeys(own), shares, COUNTS, 100)
    assert 0 <= value <= 1
    assert weighted_jaccard(dict.fromkeys(own), dict.fromkeys(own, 1.0), COUNTS, 100) == (1.0 if own else 0.0)


def test_text_agreement_is_the_rank_among_other_reports():
    page = np.array([1, 0], np.float32)
    others = np.array([[0.1, 0.99], [0.5, 0.87], [0.9, 0.44], [0.7, 0.71]], np.float32)
    found = judge_text(page, np.array([0.8, 0.6], np.float32), others)
    assert found.value == pytest.approx(0.75)
    assert (found.verdict, found.by) == ("agrees", "text")
    assert judge_text(page, np.array([0.0, 1.0], np.float32), others).verdict == "disagrees"
    assert judge_text(page, others[1], others).value == pytest.approx((1 + 0.5) / 4)
    assert judge_text(page, page, np.zeros((0, 2), np.float32)).verdict == "unsure"
