"""What ``weigh`` gives, as the documented form ``nearbeat.evidence/1`` (docs/json.md)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from retrieval.answer import Hit

SCHEMA = "nearbeat.evidence/1"


@dataclass(frozen=True)
class Ballot:
    """One statement's part of the vote of the nearest cases.

    Args:
        code: the statement.
        english, german: its words; the code itself where it is unknown.
        share: the neighbours' weight that carries it, 0 to 1.
        cases: how many neighbours carry it.
        lift: ``share`` over the statement's share of the gallery.
        adjusted: ``share`` adjusted for how common the statement is, 0 to 1: above 0.5 it is commoner among the
            neighbours than in the gallery.
    """

    code: str
    english: str
    german: str
    share: float
    cases: int
    lift: float
    adjusted: float


class Said:
    """Something said in a sentence of each language, ``english`` and ``german``."""

    english: str
    german: str

    @property
    def sentence(self) -> str:
        """The English sentence."""
        return self.english


@dataclass(frozen=True)
class Contrary(Said):
    """The nearest case that speaks against the leading statement: it lacks it, or has one that excludes it.

    Args:
        hit: the case, its similarity, and its rank, which is 0 for one that was found beyond the answer.
        code: the leading statement.
        among: whether it is one of the answer's hits.
        english, german: the same in a sentence.
    """

    hit: Hit
    code: str
    among: bool
    english: str
    german: str


@dataclass(frozen=True)
class Strange(Said):
    """Nothing like the query is in the gallery: its nearest case is no nearer than the threshold.

    Args:
        score: similarity of the nearest case.
        threshold: below which the gallery has nothing alike.
        english, german: the same in a sentence.
    """

    score: float
    threshold: float
    english: str
    german: str


@dataclass(frozen=True)
class Caution(Said):
    """One reason to trust the answer less.

    Args:
        kind: a name that programs can rely on: ``simulated``, ``few_cases``, ``few_voices``, ``no_statements``,
            ``approximate``, ``paced``, ``child``.
        english, german: the same in a sentence.
    """

    kind: str
    english: str
    german: str


@dataclass(frozen=True)
class Evidence:
    """An answer, weighed.

    Args:
        percentiles: for each hit, the share in percent of random pairs of the gallery that are less similar; for a
            query with a sentence, of random cases that are less similar to it. Empty where the gallery has too few.
        ballots: the vote, by falling share.
        contrary: None where no case speaks against the leading statement, or there is none.
        strange: None where the nearest is near enough, or that cannot be told.
        cautions: what else to know.
    """

    percentiles: tuple[float, ...]
    ballots: tuple[Ballot, ...]
    contrary: Contrary | None
    strange: Strange | None
    cautions: tuple[Caution, ...]

    @property
    def leading(self) -> Ballot | None:
        """The statement that the contrary case speaks against; see ``retrieval.evidence.voting.leading``."""
        from retrieval.evidence.voting import leading

        return leading(self.ballots)

    def as_json(self) -> dict[str, Any]:
        """The evidence as an object of ``nearbeat.evidence/1``."""
        contrary, strange = self.contrary, self.strange
        return {
            "schema": SCHEMA,
            "percentiles": list(self.percentiles),
            "ballots": [vars(ballot).copy() for ballot in self.ballots],
            "contrary": None
            if contrary is None
            else {
                "code": contrary.code,
                "among": contrary.among,
                "english": contrary.english,
                "german": contrary.german,
                "hit": contrary.hit.as_json(),
            },
            "strange": None if strange is None else vars(strange).copy(),
            "cautions": [vars(caution).copy() for caution in self.cautions],
        }
