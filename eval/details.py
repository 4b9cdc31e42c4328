"""What the pictures of the report show, as numbers: retrieval by statement, and how far the vote's shares hold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from eval.bootstrap import Estimate, PatientBootstrap
from eval.relevance import classes_of
from eval.split import Split
from eval.systems import CHANCE, CHECKED, System
from eval.tasks.cases import case_scores
from eval.tasks.votes import choose_vote
from retrieval.ecg.statements import STATEMENTS
from retrieval.scoring import neighbour_vote, other_patients

__all__ = ["Details", "Reliability", "ReliabilityBin", "StatementScore", "details_of"]

BINS = 10


@dataclass(frozen=True)
class StatementScore:
    """How well the cases of one statement are found.

    Args:
        code: the statement.
        kind: ``"diagnostic"``, ``"form"`` or ``"rhythm"``, the first that it is.
        queries: how many carry it.
        gallery: how many cases carry it.
        mean_ap: mean average precision over its queries, with its interval.
        chance: the same of a random order.
    """

    code: str
    kind: str
    queries: int
    gallery: int
    mean_ap: Estimate
    chance: float


@dataclass(frozen=True)
class ReliabilityBin:
    """Votes of about the same share.

    Args:
        predicted: their mean share.
        observed: how often the class was there, with its interval; its ``queries`` are those with such a vote.
        votes: how many votes there are; a query gives one for each class.
    """

    predicted: float
    observed: Estimate
    votes: int


@dataclass(frozen=True)
class Reliability:
    """The vote of the five superclasses, in bins of its share.

    Args:
        bins: those that hold a vote.
        error: expected calibration error, the mean over votes of abs(predicted - observed) of their bin.
        vote: its k and temperature.
    """

    bins: tuple[ReliabilityBin, ...]
    error: float
    vote: tuple[int, float]


@dataclass(frozen=True)
class Details:
    """All of them."""

    statements: tuple[StatementScore, ...]
    reliability: Reliability | None


def details_of(split: Split, systems: Sequence[System], bootstrap: PatientBootstrap) -> Details:
    """Of the checked bundle."""
    named = {system.name: system for system in systems}
    checked = named[CHECKED]
    return Details(
        statement_scores(split, checked, named[CHANCE], bootstrap), reliability_of(split, checked, bootstrap)
    )


def statement_scores(
    split: Split, system: System, chance: System, bootstrap: PatientBootstrap
) -> tuple[StatementScore, ...]:
    """One for each statement with 10 or more queries, in the order of `STATEMENTS`."""
    classes = classes_of("statement", split.queries.statements, split.gallery.statements)
    ours = case_scores(split, system.scores()).precision["statement"]
    theirs = case_scores(split, chance.scores()).precision["statement"]
    return tuple(
        StatementScore(
            code=code,
            kind=next(kind for kind in ("diagnostic", "form", "rhythm") if kind in STATEMENTS[code].kinds),
            queries=int(classes.queries[:, c].sum()),
            gallery=int(classes.gallery[:, c].sum()),
            mean_ap=bootstrap.mean(ours[:, c]),
            chance=float(np.nanmean(theirs[:, c])),
        )
        for c, code in enumerate(classes.names)
    )


def reliability_of(split: Split, system: System, bootstrap: PatientBootstrap) -> Reliability | None:
    """The votes of task 4 in bins of a tenth; None when no superclass has 10 queries."""
    classes = classes_of("superclass", split.queries.statements, split.gallery.statements)
    if not classes.names:
        return None
    chosen = choose_vote(split, system)
    allowed = other_patients(split.queries.patients, split.gallery.patients)
    shares = neighbour_vote(np.where(allowed, system.scores(), -np.inf), classes.gallery, *chosen)
    place = np.minimum((shares * BINS).astype(int), BINS - 1)
    bins: list[ReliabilityBin] = []
    for b in range(BINS):
        inside = place == b
        if inside.any():
            votes = inside.sum(axis=1).astype(np.float64)[:, None]
            true = (inside & classes.queries).sum(axis=1).astype(np.float64)[:, None]
            bins.append(ReliabilityBin(float(shares[inside].mean()), bootstrap.ratio(true, votes), int(votes.sum())))
    error = sum(one.votes * abs(one.predicted - one.observed.value) for one in bins) / shares.size
    return Reliability(tuple(bins), float(error), chosen)
