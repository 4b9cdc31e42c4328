"""How much an ECG's own report and its nearest cases disagree: one number, and what it is made of.

**By statements.** The nearest cases vote, each weighing as much as it is similar. A statement's share of the vote is
drawn towards its share of the gallery, as if ``PRIOR`` more cases had voted that are the gallery in small: with ``n``
the effective number of voters, ``p = (n share + PRIOR prevalence) / (n + PRIOR)``. Two errors are weighed against
the report belonging where it stands:

* *it is another ECG's*: the log likelihood ratio ``sum log(prevalence / p)`` over the statements that the report has,
  plus ``sum log((1 - prevalence) / (1 - p))`` over those that it has not. What is common everywhere adds next to
  nothing, whatever the vote says of it: that is the adjustment for prevalence.
* *a finding was left out*: the odds ``sum p / (1 - p)`` over the statements that it has not.

The two are added as likelihoods, the second weighing ``exp(MISSING)``.

**By text**, how many standard deviations the report is farther from its own ECG, in the towers' space, than the
reports of other cases are on average. Where there are statements too, it joins the first error as the log ratio of
two normal distributions (mean 0 for another ECG's report, ``-OWN_FIT`` for its own), weighing ``TEXT_WEIGHT``.

Neither says who is wrong. How the constants were chosen, and what the score reaches, is in docs/audit.md.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from retrieval.vote import Voter, similarity_weights

JudgedBy = Literal["both", "statements", "text"]

VOTERS = 30
"""Nearest cases that vote; of a gallery under a thousand cases fewer, but ``FEWEST_VOTERS`` at least."""
FEWEST_VOTERS = 10
CASES_A_VOTER = 30
PRIOR = 3.0
MISSING = -3.0
TEXT_WEIGHT = 2.0
OWN_FIT = 2.0
"""Standard deviations by which a report fits its own ECG better than another's (1.9 on fold 9 of PTB-XL)."""
_EDGE = 1e-3

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Electorate:
    """The statements that a gallery knows, and how many of its cases have each.

    Args:
        counts: code to number of cases, as ``Gallery.statement_counts`` gives it.
        total: how many cases the gallery has.
    """

    counts: Mapping[str, int]
    total: int

    @cached_property
    def codes(self) -> tuple[str, ...]:
        """The codes in a fixed order."""
        return tuple(sorted(code for code, count in self.counts.items() if count > 0))

    @cached_property
    def place(self) -> Mapping[str, int]:
        """Where a code stands among ``codes``."""
        return {code: i for i, code in enumerate(self.codes)}

    @cached_property
    def numbers(self) -> Floats:
        """Cases with each statement ``[codes]``."""
        return np.array([self.counts[code] for code in self.codes], dtype=np.float64)

    @property
    def voters(self) -> int:
        """How many nearest cases vote in a gallery of this size."""
        return int(np.clip(self.total // CASES_A_VOTER, FEWEST_VOTERS, VOTERS))

    def prevalence(self, without: Mapping[str, float | None] | None = None) -> Floats:
        """Each statement's share of the gallery ``[codes]``, never 0 or 1; ``without``: less one case with these."""
        counts, total = self.numbers.copy(), self.total
        if without is not None:
            counts[[self.place[code] for code in without if code in self.place]] -= 1
            total -= 1
        return (counts + 0.5) / (total + 1)


@dataclass(frozen=True)
class Disagreement:
    """How much a report and its nearest cases disagree; higher is more.

    Args:
        score: comparable between ECGs of one gallery that were judged by the same.
        by: what it was made of.
        missing: statements that the report has not and the vote speaks for, the strongest first.
        unsupported: statements that the report has and the vote speaks against, the strongest first.
        fit: standard deviations by which the report fits the ECG better than other cases' reports; None if not asked.
    """

    score: float
    by: JudgedBy
    missing: tuple[str, ...] = ()
    unsupported: tuple[str, ...] = ()
    fit: float | None = None


def disagreement(
    own: Mapping[str, float | None] | None,
    voters: Sequence[Voter],
    electorate: Electorate,
    *,
    fit: float | None = None,
    of_the_gallery: bool = False,
) -> Disagreement | None:
    """Judge one ECG; None where there is nothing to judge it by.

    Args:
        own: its statements; a code that stands there is present, whatever its likelihood.
        voters: its nearest cases, its own and its patient's left out.
        electorate: what the gallery knows.
        fit: as :func:`text_fit` gives it, where there is a report.
        of_the_gallery: whether the ECG is a case of the gallery itself, and is not to count in the prevalence.
    """
    known = [code for code in own or {} if electorate.counts.get(code, 0) > of_the_gallery]
    if not known or not voters or own is None:
        return None if fit is None else Disagreement(-fit, "text", fit=fit)
    prevalence = electorate.prevalence(own if of_the_gallery else None)
    likely = _posterior(voters, electorate, prevalence)
    has = np.zeros(len(likely), dtype=np.bool_)
    has[[electorate.place[code] for code in known]] = True
    against = np.where(has, np.log(prevalence / likely), np.log((1 - prevalence) / (1 - likely)))
    another = against.sum()
    if fit is not None:
        another += TEXT_WEIGHT * (OWN_FIT**2 / 2 - OWN_FIT * fit)
    absent = likely[~has]
    missing = np.log((absent / (1 - absent)).sum()) if absent.size else -np.inf
    score = float(np.logaddexp(another, missing + MISSING))
    return Disagreement(
        score,
        "statements" if fit is None else "both",
        _strongest(against, ~has, electorate.codes),
        _strongest(against, has, electorate.codes),
        fit,
    )


def text_fit(page: NDArray[np.float32], report: NDArray[np.float32], others: NDArray[np.float32]) -> float | None:
    """How much better a report fits its own ECG than other reports do, in standard deviations of those.

    Args:
        page: the ECG's unit vector ``[dim]``.
        report: the own report's unit vector ``[dim]``.
        others: unit vectors ``[n, dim]`` of other cases' distinct reports; fewer than two give None.
    """
    if len(others) < 2:
        return None
    rivals = others.astype(np.float64) @ page.astype(np.float64)
    spread = float(rivals.std())
    if spread < 1e-9:
        return None
    return float((report.astype(np.float64) @ page.astype(np.float64) - rivals.mean()) / spread)


def _posterior(voters: Sequence[Voter], electorate: Electorate, prevalence: Floats) -> Floats:
    weights = np.array(similarity_weights([voter.score for voter in voters]))
    share = np.zeros(len(prevalence))
    for voter, weight in zip(voters, weights, strict=True):
        share[[electorate.place[code] for code in voter.statements if code in electorate.place]] += weight
    effective = 1 / float((weights**2).sum())
    likely = (effective * share + PRIOR * prevalence) / (effective + PRIOR)
    return np.clip(likely, _EDGE, 1 - _EDGE)


def _strongest(against: Floats, among: NDArray[np.bool_], codes: Sequence[str]) -> tuple[str, ...]:
    """Codes whose part in the score speaks against the report, by falling part, then by code."""
    chosen = [i for i in np.flatnonzero(among & (against > 0)).tolist()]
    return tuple(codes[i] for i in sorted(chosen, key=lambda i: (-round(float(against[i]), 9), codes[i])))
