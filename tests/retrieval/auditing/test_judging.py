"""The score of a report: by hand, by property, and in words."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from retrieval.auditing.judging import MISSING, OWN_FIT, PRIOR, TEXT_WEIGHT, Electorate, disagreement, text_fit
from retrieval.auditing.reasons import reason

COUNTS = {"AFIB": 10, "SR": 70, "NORM": 40, "IMI": 20}
ELECTORATE = Electorate(COUNTS, 100)


@dataclass(frozen=True)
class One:
    score: float
    statements: dict[str, float | None] = field(default_factory=dict)


def cases(*groups):
    """Neighbours of the same similarity: ``(number, code, ...)`` each."""
    return [One(0.9, dict.fromkeys(codes)) for number, *codes in groups for _ in range(number)]


def by_hand(own, voters, fit=None):
    """The formula of the docstring, statement by statement."""
    n = len(voters)
    another = odds = 0.0
    for code, count in COUNTS.items():
        prevalence = (count + 0.5) / 101
        share = sum(code in one.statements for one in voters) / n
        p = min(max((n * share + PRIOR * prevalence) / (n + PRIOR), 1e-3), 1 - 1e-3)
        if code in own:
            another += math.log(prevalence / p)
        else:
            another += math.log((1 - prevalence) / (1 - p))
            odds += p / (1 - p)
    if fit is not None:
        another += TEXT_WEIGHT * (OWN_FIT**2 / 2 - OWN_FIT * fit)
    return math.log(math.exp(another) + math.exp(math.log(odds) + MISSING))


@pytest.mark.parametrize("own", [{"SR": None}, {"AFIB": None}, {"AFIB": 100.0, "IMI": 50.0}])
@pytest.mark.parametrize("fit", [None, 1.5, -2.0])
def test_the_score_is_the_formula(own, fit):
    voters = cases((9, "AFIB"), (1, "SR", "IMI"))
    found = disagreement(own, voters, ELECTORATE, fit=fit)
    assert found is not None
    assert found.score == pytest.approx(by_hand(own, voters, fit))
    assert found.by == ("statements" if fit is None else "both")


def test_a_wrong_report_scores_above_a_right_one_and_a_missing_finding_between():
    voters = cases((8, "AFIB", "IMI"), (2, "SR"))
    right, short, wrong = (
        disagreement(dict.fromkeys(own), voters, ELECTORATE) for own in (("AFIB", "IMI"), ("AFIB",), ("SR", "NORM"))
    )
    assert right is not None
    assert short is not None
    assert wrong is not None
    assert right.score < short.score < wrong.score
    assert short.missing[0] == "IMI"
    assert wrong.missing[:2] == ("AFIB", "IMI")
    assert "NORM" in wrong.unsupported


def test_what_is_common_everywhere_tells_next_to_nothing():
    """Nine of ten have sinus rhythm, as has nearly every case: a report without it is hardly more suspicious."""
    counts = {"SR": 950, "AFIB": 50, "IMI": 500}
    voters = cases((9, "SR", "AFIB", "IMI"), (1, "IMI"))
    parts = {}
    for code in counts:
        lacking = disagreement(dict.fromkeys(counts.keys() - {code}), voters, Electorate(counts, 1000))
        assert lacking is not None
        parts[code] = lacking.missing
    assert parts == {"SR": (), "AFIB": ("AFIB",), "IMI": ("IMI",)}


def test_there_may_be_nothing_to_judge_by():
    assert disagreement(None, cases((5, "SR")), ELECTORATE) is None
    assert disagreement({"PACE": None}, cases((5, "SR")), ELECTORATE) is None
    assert disagreement({"SR": None}, [], ELECTORATE) is None
    by_text = disagreement({"PACE": None}, cases((5, "SR")), ELECTORATE, fit=-1.0)
    assert by_text is not None
    assert (by_text.by, by_text.score) == ("text", 1.0)


def test_a_case_of_the_gallery_is_no_witness_of_its_own_prevalence():
    """The only case with a statement has a statement that the gallery without it does not know."""
    only = Electorate({"PACE": 1, "SR": 9}, 10)
    assert disagreement({"PACE": None}, cases((3, "SR")), only, of_the_gallery=True) is None
    assert disagreement({"PACE": None}, cases((3, "SR")), only) is not None
    assert only.prevalence({"PACE": None}).tolist() == pytest.approx([0.05, 0.95])


def test_text_fit_is_in_standard_deviations():
    page = np.array([1, 0], np.float32)
    others = np.array([[0.0, 1.0], [0.6, 0.8]], np.float32)
    assert text_fit(page, np.array([0.9, 0.436], np.float32), others) == pytest.approx((0.9 - 0.3) / 0.3, rel=1e-5)
    assert text_fit(page, page, others[:1]) is None
    assert text_fit(page, page, np.array([[0, 1], [0, 1]], np.float32)) is None


CODES = st.sets(st.sampled_from(sorted(COUNTS)), min_size=1)


@given(CODES, st.lists(st.tuples(CODES, st.floats(-0.2, 1)), min_size=1, max_size=12), st.none() | st.floats(-5, 5))
def test_the_score_is_finite_and_names_the_right_sides(own, voters, fit):
    near = [One(score, dict.fromkeys(codes)) for codes, score in voters]
    found = disagreement(dict.fromkeys(own), near, ELECTORATE, fit=fit)
    assert found is not None
    assert math.isfinite(found.score)
    assert not set(found.missing) & own
    assert set(found.unsupported) <= own
    assert reason(dict.fromkeys(own), near, found, suspicious=True)
    assert reason(dict.fromkeys(own), near, found, suspicious=False)


@given(st.floats(-5, 5), st.floats(-5, 5))
def test_a_report_that_fits_worse_is_never_less_suspicious(one, other):
    voters = cases((9, "AFIB"), (1, "SR"))
    low, high = (disagreement({"AFIB": None}, voters, ELECTORATE, fit=fit) for fit in sorted((one, other)))
    assert low is not None
    assert high is not None
    assert low.score >= high.score


def test_the_reason_in_words():
    voters = cases((9, "AFIB"), (1, "SR"))
    own = {"SR": None}
    found = disagreement(own, voters, ELECTORATE)
    words = reason(own, voters, found, suspicious=True)
    assert words == "9 of 10 nearest cases report atrial fibrillation; this report says sinus rhythm"
    assert reason({"AFIB": None}, voters, found, suspicious=False) == (
        "the nearest cases share atrial fibrillation (9 of 10)"
    )
    short = disagreement({"AFIB": None}, cases((9, "AFIB", "IMI"), (1, "SR")), ELECTORATE)
    assert "which this report does not" in reason({"AFIB": None}, cases((9, "AFIB", "IMI")), short, suspicious=True)
    assert reason(None, voters, None, suspicious=True) == "no report to compare with"
    assert "no case" in reason({"PACE": None}, voters, None, suspicious=True)
    text = disagreement(None, voters, ELECTORATE, fit=-1.25)
    assert "1.2 standard deviations worse" in reason(None, voters, text, suspicious=True)
