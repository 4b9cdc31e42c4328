"""The adjusted vote against an independent count, its limits, and which statement leads."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retrieval.evidence.exclusion import excluded_by
from retrieval.evidence.voting import ballots_of, leading
from retrieval.vote import STRENGTH, adjusted_share, effective_number

share = st.floats(0, 1)
number = st.integers(1, 10_000)


@dataclass(frozen=True)
class Case:
    score: float
    statements: dict[str, float | None]


def by_counting(shared: float, count: int, total: int, voices: float) -> float:
    """The same by weighing: in a world where half of all ECGs have the statement, how many of those so seen do?"""
    have, all_cases = count + 0.5, total + 1.0
    seen = shared * voices + STRENGTH * have / all_cases
    unseen = (voices + STRENGTH) - seen
    with_it, without = seen / have, unseen / (all_cases - have)
    return with_it / (with_it + without)


@given(share, number, number, st.floats(0.5, 200))
def test_it_is_what_counting_in_a_balanced_world_gives(shared: float, count: int, more: int, voices: float) -> None:
    total = count + more
    assert adjusted_share(shared, count, total, voices) == pytest.approx(by_counting(shared, count, total, voices))


@given(number, number, st.floats(0.5, 200))
def test_as_common_as_the_gallery_is_a_half(count: int, more: int, voices: float) -> None:
    total = count + more
    usual = (count + 0.5) / (total + 1)
    assert adjusted_share(usual, count, total, voices) == pytest.approx(0.5)


@given(share, share, number, number, st.floats(0.5, 200))
def test_more_votes_never_adjust_to_less(one: float, other: float, count: int, more: int, voices: float) -> None:
    low, high = (adjusted_share(s, count, count + more, voices) for s in sorted((one, other)))
    assert 0 <= low <= high <= 1


@given(share, number, number, st.floats(1, 100))
def test_few_voices_say_less(shared: float, count: int, more: int, voices: float) -> None:
    few, many = (adjusted_share(shared, count, count + more, n) for n in (voices, 2 * voices))
    assert abs(few - 0.5) <= abs(many - 0.5) + 1e-9


def test_no_voice_is_a_half_and_a_code_that_the_counts_lack_is_rare() -> None:
    assert adjusted_share(1.0, 5, 10, 0.0) == pytest.approx(0.5)
    assert adjusted_share(0.5, 0, 1000, 10) > 0.99


@given(st.lists(st.floats(0.01, 1), min_size=1, max_size=20))
def test_equal_weights_are_as_many_voices(weights: list[float]) -> None:
    whole = sum(weights)
    assert 1 - 1e-9 <= effective_number([weight / whole for weight in weights]) <= len(weights) + 1e-9
    assert effective_number([1 / 8] * 8) == pytest.approx(8)


def test_what_stands_out_leads_and_not_what_everybody_has() -> None:
    hits = [Case(0.9, {"SR": None, "IMI": 100.0})] * 7 + [Case(0.9, {"SR": None})] * 3
    ballots = ballots_of(hits, {"SR": 800, "IMI": 60}, 1000)
    assert [ballot.code for ballot in ballots] == ["SR", "IMI"]
    leader = leading(ballots)
    assert leader is not None
    assert (leader.code, leader.german) == ("IMI", "inferiorer Myokardinfarkt")


def test_without_a_majority_the_largest_share_leads() -> None:
    hits = [Case(0.9, {"IMI": None})] * 4 + [Case(0.9, {"AFIB": None})] * 3 + [Case(0.9, {})] * 3
    ballots = ballots_of(hits, {"IMI": 300, "AFIB": 1}, 1000)
    leader = leading(ballots)
    assert leader is not None
    assert leader.code == "IMI"
    assert leading(()) is None


def test_exclusion_goes_both_ways() -> None:
    for code in ("SR", "AFIB", "NORM", "CLBBB", "IMI", "1AVB", "LAFB"):
        assert excluded_by(code)
        assert all(code in excluded_by(other) for other in excluded_by(code))
        assert code not in excluded_by(code)
    assert "AFIB" in excluded_by("SR")
    assert "AFLT" not in excluded_by("AFIB")
    assert not excluded_by("PVC")
    assert not excluded_by("unknown")
