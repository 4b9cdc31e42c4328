"""The vote of the nearest cases, against a count done by hand and properties that any vote has."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retrieval.vote import similarity_weights, vote


@dataclass(frozen=True)
class Voter:
    score: float
    statements: Mapping[str, float | None] = field(default_factory=dict)


def test_shares_weigh_by_similarity_and_lift_compares_with_the_gallery():
    voters = [Voter(0.9, {"AFIB": None}), Voter(0.6, {"AFIB": 15.0, "IMI": 80.0}), Voter(0.5, {"SR": None})]
    first, second, third = vote(voters, {"AFIB": 10, "IMI": 50, "SR": 100}, 100)
    assert (first.code, first.cases) == ("AFIB", 2)
    assert first.share == pytest.approx(1.5 / 2.0)
    assert first.lift == pytest.approx(0.75 / 0.10)
    assert (second.code, second.share, second.lift) == ("IMI", pytest.approx(0.3), pytest.approx(0.6))
    assert (third.code, third.share, third.lift) == ("SR", pytest.approx(0.25), pytest.approx(0.25))


def test_a_likelihood_does_not_change_a_vote():
    sure, unsure = [Voter(0.5, {"LVH": 100.0})], [Voter(0.5, {"LVH": None})]
    assert vote(sure, {"LVH": 1}, 2) == vote(unsure, {"LVH": 1}, 2)


def test_cases_that_point_away_do_not_vote_unless_all_do():
    assert [b.share for b in vote([Voter(0.5, {"A": None}), Voter(-0.5, {"B": None})], {}, 2)] == [1.0, 0.0]
    assert [b.share for b in vote([Voter(-0.1, {"A": None}), Voter(-0.5, {"B": None})], {}, 2)] == [0.5, 0.5]


def test_nobody_votes_nothing():
    assert vote([], {}, 0) == ()


def test_equal_shares_stand_by_lift_and_then_by_code():
    voters = [Voter(1.0, {"B": None, "A": None, "C": None})]
    assert [b.code for b in vote(voters, {"A": 2, "B": 2, "C": 1}, 4)] == ["C", "A", "B"]


@given(st.lists(st.tuples(st.floats(-1, 1), st.sets(st.sampled_from("ABCDE"))), min_size=1, max_size=12))
def test_shares_stay_between_0_and_1_and_add_up(drawn):
    voters = [Voter(score, dict.fromkeys(codes)) for score, codes in drawn]
    ballots = vote(voters, dict.fromkeys("ABCDE", 3), 10)
    weights = similarity_weights([voter.score for voter in voters])
    assert sum(weights) == pytest.approx(1)
    assert all(0 <= ballot.share <= 1 for ballot in ballots)
    expected = sum(w * len(v.statements) for w, v in zip(weights, voters, strict=True))
    assert sum(ballot.share for ballot in ballots) == pytest.approx(expected)
    assert {b.code: b.cases for b in ballots} == {
        code: n for code in "ABCDE" if (n := sum(code in v.statements for v in voters))
    }
