"""The vote of an answer's cases, in words, and the statement that leads it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from retrieval.ecg.statements import words_of
from retrieval.evidence.result import Ballot
from retrieval.vote import Voter, vote

MAJORITY = 0.5
"""Share of the vote from which a statement can lead."""


def ballots_of(voters: Iterable[Voter], counts: Mapping[str, int], total: int) -> tuple[Ballot, ...]:
    """Every statement of the nearest cases, as ``retrieval.vote.vote`` orders them.

    Args:
        voters: the nearest cases.
        counts: how many cases of the gallery have each statement.
        total: how many cases the gallery has.
    """
    return tuple(
        Ballot(one.code, words_of(one.code), words_of(one.code, "de"), one.share, one.cases, one.lift, one.adjusted)
        for one in vote(voters, counts, total)
    )


def leading(ballots: Sequence[Ballot]) -> Ballot | None:
    """The statement that stands out most: of those with half of the vote, the one of the highest adjusted share.

    Sinus rhythm is in most of every vote and leads only where nothing less common does. Where no statement has half,
    the one of the largest share leads.
    """
    most = [ballot for ballot in ballots if ballot.share >= MAJORITY]
    if not most:
        return ballots[0] if ballots else None
    return max(most, key=lambda ballot: round(ballot.adjusted, 9))  # the first of equal ones
