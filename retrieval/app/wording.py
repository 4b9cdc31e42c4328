"""Words for statements, people and votes, the same in the terminal and on the page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import PurePath

from index import Case
from retrieval.answer import Hit
from retrieval.ecg.statements import name_of, words_of
from retrieval.evidence.result import Ballot
from retrieval.vote import VotedStatement, vote

VOTED_CASES, VOTED_STATEMENTS = 2, 6
"""A summary names what at least two neighbours share, and no more than six statements."""


ORDERS = {
    "words": "the words of the reports (BM25)",
    "both": "the similarity of the ECGs and the words of the reports together",
}
"""What an answer is ordered by, where that is not the similarity that stands beside each case."""


def describe_statement(code: str, likelihood: float | None) -> str:
    """``atrial fibrillation (AFIB)``, and the likelihood where it was given as less than certain."""
    unsure = f", {likelihood:.0f} %" if likelihood is not None and likelihood < 100 else ""
    return name_of(code) + unsure


def english(code: str) -> str:
    """A statement in English words; an unknown code is itself."""
    return words_of(code)


def person(case: Case) -> str:
    """``64 y, female``, as far as it is known."""
    return ", ".join(part for part in (f"{case.age:.0f} y" if case.age is not None else "", case.sex or "") if part)


def short_source(source: str) -> str:
    """A source that is a path by its last two parts."""
    return "/".join(PurePath(source).parts[-2:]) if "/" in source else source or "-"


def vote_line(hits: Sequence[Hit], counts: Mapping[str, int], total: int) -> str:
    """What the nearest cases share, in a line."""
    return "; ".join(
        f"{english(b.code)}, {b.cases} of {len(hits)} ({b.lift:.1f} x the gallery's share)"
        for b in shared_statements(hits, counts, total)
    )


def ballot_line(ballots: Sequence[Ballot], hits: int) -> str:
    """As ``vote_line``, with the share of the vote and the share adjusted for how common the statement is."""
    return "; ".join(
        f"{b.english}, {b.cases} of {hits} ({b.share:.0%} of the vote, adjusted {b.adjusted:.0%}, {b.lift:.1f} x the "
        "gallery's share)"
        for b in shared(ballots)
    )


def shared(ballots: Sequence[Ballot]) -> list[Ballot]:
    """The statements that at least two of the nearest cases carry, by falling share."""
    return [ballot for ballot in ballots if ballot.cases >= VOTED_CASES][:VOTED_STATEMENTS]


def percentile(value: float) -> str:
    """A percentile with as many digits as tell it from 100."""
    return f"{value:.1f} %" if value < 99.9 else f"{value:.2f} %" if value < 99.99 else "> 99.99 %"


def shared_statements(hits: Sequence[Hit], counts: Mapping[str, int], total: int) -> list[VotedStatement]:
    """The statements that at least two of the nearest cases carry, by falling share."""
    return [ballot for ballot in vote(hits, counts, total) if ballot.cases >= VOTED_CASES][:VOTED_STATEMENTS]
