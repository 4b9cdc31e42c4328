"""What the nearest cases have in common: a vote of their statements, to read beside the cases and never instead."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

STRENGTH = 2.0
"""How many further voices the gallery itself has in an adjusted vote; chosen on fold 9 (docs/evidence.md)."""


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
        adjusted: ``share`` adjusted for how common the statement is (``adjusted_share``), 0 to 1; above 0.5 it is
            commoner here than there.
    """

    code: str
    share: float
    cases: int
    lift: float
    adjusted: float = 0.5


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
    voices = effective_number(weights)
    ballots = [
        VotedStatement(
            code,
            min(share, 1.0),
            numbers[code],
            _lift(share, counts.get(code, 0), total),
            adjusted_share(share, counts.get(code, 0), total, voices),
        )
        for code, share in shares.items()
    ]
    return tuple(sorted(ballots, key=lambda one: (-round(one.share, 9), -round(one.lift, 9), one.code)))


def adjusted_share(share: float, count: int, total: int, voices: float, strength: float = STRENGTH) -> float:
    """A statement's share of the vote, adjusted for how common it is in the gallery.

    Of ``n`` voices the share ``s`` is drawn towards the prevalence ``p`` by ``m`` further voices that carry the
    statement as often as the gallery: ``q = (n s + m p) / (n + m)``, the m-estimate (Cestnik, ECAI 1990). Then the
    prior is shifted from ``p`` to one half: ``odds = q / (1 - q) * (1 - p) / p`` (Saerens, Latinne and Decaestecker,
    Neural Computation 14 (2002) 21). What the neighbours have as often as the gallery gets 0.5, whatever that is; the
    fewer the voices, the nearer everything is to 0.5.

    Args:
        share: the neighbours' weight that carries it, 0 to 1.
        count: how many cases of the gallery carry it; ``p = (count + 0.5) / (total + 1)``, never 0 or 1.
        total: how many cases the gallery has.
        voices: how many neighbours vote; of unequal weights their effective number.
        strength: ``m``.

    Returns:
        ``odds / (1 + odds)``, 0 to 1.
    """
    usual = (min(count, total) + 0.5) / (total + 1)
    drawn = (min(max(share, 0.0), 1.0) * voices + strength * usual) / (voices + strength)
    here, there = drawn * (1 - usual), (1 - drawn) * usual
    return here / (here + there)


def effective_number(weights: Sequence[float]) -> float:
    """How many equal voices weights that add up to 1 are worth: ``1 / sum w^2`` (Kish, Survey Sampling, 1965)."""
    squares = sum(weight * weight for weight in weights)
    return 1 / squares if squares else 0.0


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
