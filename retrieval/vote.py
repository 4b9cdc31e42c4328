"""What the nearest cases have in common: a vote of their statements, to read beside the cases and never instead."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol


class Voter(Protocol):
    """A neighbour that votes; ``retrieval.answer.Hit`` is one."""

    @property
    def score(self) -> float:
        """Cosine similarity to the query."""
        ...

    @property
    def statements(self) -> Mapping[str, float | None]:
        """Its statements; a code that stands there is present, whatever its likelihood."""
        ...


@dataclass(frozen=True)
class VotedStatement:
    """One statement's part of the vote.

    Args:
        code: the statement.
        share: the neighbours' weight that carries it, 0 to 1.
        cases: how many neighbours carry it.
        lift: ``share`` over the statement's share of the gallery; above 1 it is commoner here than there.
    """

    code: str
    share: float
    cases: int
    lift: float


def vote(voters: Iterable[Voter], counts: Mapping[str, int], total: int) -> tuple[VotedStatement, ...]:
    """Count the statements of the nearest cases, each case weighing as much as it is similar.

    A case weighs ``max(score, 0)``; when no case is similar at all, all weigh the same.

    Args:
        voters: the k nearest cases.
        counts: how many cases of the gallery have each statement.
        total: how many cases the gallery has.

    Returns:
        Every statement that occurs, by falling share, then falling lift, then code.
    """
    hits = list(voters)
    weights = similarity_weights([hit.score for hit in hits])
    shares: dict[str, float] = {}
    numbers: dict[str, int] = {}
    for hit, weight in zip(hits, weights, strict=True):
        for code in hit.statements:
            shares[code] = shares.get(code, 0.0) + weight
            numbers[code] = numbers.get(code, 0) + 1
    ballots = [
        VotedStatement(code, min(share, 1.0), numbers[code], _lift(share, counts.get(code, 0), total))
        for code, share in shares.items()
    ]
    return tuple(sorted(ballots, key=lambda one: (-round(one.share, 9), -round(one.lift, 9), one.code)))


def similarity_weights(scores: Sequence[float]) -> list[float]:
    """Weights that add up to 1, in proportion to the positive part of each score."""
    positive = [max(score, 0.0) for score in scores]
    whole = sum(positive)
    if not whole and positive:
        return [1 / len(positive)] * len(positive)
    return [part / whole for part in positive]


def _lift(share: float, count: int, total: int) -> float:
    """A statement that the counts do not know yet is taken as that of one case."""
    return share * total / max(count, 1)
