"""Confidence intervals by drawing patients with replacement.

A draw is a count per patient. Each statistic is computed for all draws at once from those counts as weights, so that
1,000 draws cost a matrix product instead of 1,000 evaluations. The gallery stays as it is; the queries are drawn. All
statistics of one `PatientBootstrap` share their draws, which makes the difference of two a paired one.
"""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from eval.metrics.auroc import weighted_auroc
from eval.metrics.weighted_ranking import drawn_hits
from retrieval.errors import BadArgument
from retrieval.scoring import Bools, Floats

__all__ = ["Estimate", "PatientBootstrap", "Searched"]

_PLACES_AT_ONCE = 64


@dataclass(frozen=True)
class Estimate:
    """A figure with its 95 % interval.

    Args:
        value: on the queries as they are.
        draws: ``[draws]`` the same figure on each draw.
        queries: how many queries it rests on.
        classes: how many classes a macro mean rests on; 0 when it is none.
    """

    value: float
    draws: Floats = field(repr=False, compare=False)
    queries: int
    classes: int = 0

    @cached_property
    def interval(self) -> tuple[float, float]:
        """The 2.5th and 97.5th percentile of the draws; the value twice when there are no draws."""
        known = self.draws[np.isfinite(self.draws)]
        if not known.size:
            return self.value, self.value
        low, high = np.percentile(known, (2.5, 97.5))
        return float(low), float(high)

    def minus(self, other: Estimate) -> Estimate:
        """The paired difference; both must come from the same `PatientBootstrap`."""
        if self.draws.shape != other.draws.shape:
            raise BadArgument(f"{self.draws.size} and {other.draws.size} draws cannot be paired; take them together")
        return Estimate(self.value - other.value, self.draws - other.draws, min(self.queries, other.queries))


class PatientBootstrap:
    """Draws of patients for one list of queries.

    Args:
        patients: the patient key of each query; a query without one counts as a patient of its own.
        draws: how many; 0 gives values without intervals.
        seed: of the draws.
    """

    def __init__(self, patients: Sequence[str | None], draws: int = 1000, seed: int = 0) -> None:
        if draws < 0:
            raise BadArgument(f"{draws} bootstrap draws were asked for; it must be 0 or more")
        keys = [f"p{key}" if key is not None else f"query {i}" for i, key in enumerate(patients)]
        distinct, place = np.unique(np.array(keys, dtype=np.str_), return_inverse=True)
        count = len(distinct)
        drawn = np.random.default_rng(seed).multinomial(count, np.full(count, 1 / max(count, 1)), size=draws)
        self.patients = count
        self.weights: Floats = drawn[:, place.ravel()].astype(np.float64)

    def only(self, rows: NDArray[np.intp]) -> PatientBootstrap:
        """The same draws for some of the queries, by position, so that both can be paired."""
        part = copy(self)
        part.weights = self.weights[:, rows]
        return part

    def mean(self, values: Floats) -> Estimate:
        """Mean of ``[queries]``; NaN marks queries that do not count."""
        known = ~np.isnan(values)
        filled = np.where(known, values, 0.0)
        return Estimate(
            _ratio(filled.sum(), known.sum()),
            _divide(self.weights @ filled, self.weights @ known),
            int(known.sum()),
        )

    def macro(self, values: Floats) -> Estimate:
        """Mean over classes of the class means of ``[queries, classes]``; NaN marks queries not of that class."""
        known = ~np.isnan(values)
        filled = np.where(known, values, 0.0)
        classes = known.any(axis=0)
        centre = _divide(filled.sum(axis=0), known.sum(axis=0))
        by_draw = _divide(self.weights @ filled, self.weights @ known)
        return Estimate(_nan_mean(centre), _nan_means(by_draw), int(known.any(axis=1).sum()), int(classes.sum()))

    def median_place(self, reached: Floats) -> Estimate:
        """The place by which half of the queries have found their target.

        Args:
            reached: ``[queries, places]`` chance that the target stands at place 1, 1 to 2, 1 to 3 and so on; rows of
                NaN do not count. With ties this is the median over queries and orders of the tied entries.
        """
        known = np.flatnonzero(~np.isnan(reached[:, 0]))
        if not known.size:
            return Estimate(float("nan"), np.full(len(self.weights), np.nan), 0)
        table, weights = reached[known], self.weights[:, known]
        half = weights.sum(axis=1) / 2
        places = np.full(len(weights), float(table.shape[1]))
        open_draws = np.arange(len(weights))
        for begin in range(0, table.shape[1], _PLACES_AT_ONCE):
            found = weights[open_draws] @ table[:, begin : begin + _PLACES_AT_ONCE] >= half[open_draws, None] - 1e-9
            done = found.any(axis=1)
            places[open_draws[done]] = begin + 1 + np.argmax(found[done], axis=1)
            open_draws = open_draws[~done]
            if not open_draws.size:
                break
        value = 1 + int(np.argmax(table.mean(axis=0) >= 0.5 - 1e-12))
        return Estimate(float(value), np.where(half > 0, places, np.nan), known.size)

    def ratio(self, above: Floats, below: Floats) -> Estimate:
        """Mean over classes of sum / sum of ``[queries, classes]``, as in a macro F1."""
        draws = _nan_means(_divide(self.weights @ above, self.weights @ below))
        centre = _divide(above.sum(axis=0), below.sum(axis=0))
        return Estimate(_nan_mean(centre), draws, len(above), int(np.isfinite(centre).sum()))

    def auroc(self, labels: Bools, scores: Floats, rows: Bools | None = None) -> Estimate:
        """Macro AUROC of ``[queries, classes]`` each; classes with an empty side are left out.

        Args:
            labels: true for the positives.
            scores: higher for what looks positive.
            rows: ``[queries]``, false for those that do not count; None when all do.
        """
        asked = np.arange(len(labels)) if rows is None else np.flatnonzero(rows)
        labels, scores, weights = labels[asked], scores[asked], self.weights[:, asked]
        one = np.ones((1, len(asked)))
        centre, by_draw = [], []
        for c in range(labels.shape[1]):
            centre.append(weighted_auroc(labels[:, c], scores[:, c], one)[0])
            by_draw.append(weighted_auroc(labels[:, c], scores[:, c], weights))
        value = _nan_mean(np.array(centre))
        draws = _nan_means(np.stack(by_draw, axis=1)) if by_draw else np.full(len(self.weights), np.nan)
        return Estimate(value, draws, len(labels), int(np.isfinite(centre).sum()))

    def searched(self, scores: Floats, relevant: Bools, k: int = 10) -> tuple[Searched, Searched]:
        """Precision at k and average precision where the ECGs of this bootstrap are what is searched.

        The sentences that ask are the same in every draw; the ECGs among which they search are drawn, patients whole,
        an ECG drawn twice standing there twice.

        Args:
            scores: ``[sentences, ecgs]``.
            relevant: ``[sentences, ecgs]``.
            k: how many places count.
        """
        table = np.ones((scores.shape[1], 1 + len(self.weights)), dtype=np.int32)  # The first column: each ECG once.
        table[:, 1:] = self.weights.T
        drawn = (drawn_hits(s, r, table) for s, r in zip(scores, relevant, strict=True))
        found = np.array([(hits.precision_at(k), hits.average_precision()) for hits in drawn])
        found = found.reshape(-1, 2, table.shape[1])
        return Searched(found[:, 0, 0], found[:, 0, 1:]), Searched(found[:, 1, 0], found[:, 1, 1:])


@dataclass(frozen=True)
class Searched:
    """A figure of each sentence over a searched set.

    Args:
        values: ``[sentences]``, NaN where the set holds nothing relevant.
        draws: ``[sentences, draws]``, likewise.
    """

    values: Floats
    draws: Floats = field(repr=False)

    def mean(self, rows: Bools | None = None) -> Estimate:
        """The mean over all sentences, or over some; a draw without anything relevant to a sentence leaves it out."""
        asked = np.ones(len(self.values), dtype=np.bool_) if rows is None else rows
        return Estimate(_nan_mean(self.values[asked]), _nan_means(self.draws[asked].T), int(asked.sum()))


def _ratio(above: NDArray[np.floating] | float, below: NDArray[np.floating] | float) -> float:
    return float(above) / float(below) if below else float("nan")


def _divide(above: Floats, below: Floats) -> Floats:
    return np.divide(above, below, out=np.full(np.shape(above), np.nan), where=below > 0)


def _nan_mean(values: Floats) -> float:
    known = values[np.isfinite(values)]
    return float(known.mean()) if known.size else float("nan")


def _nan_means(values: Floats) -> Floats:
    """Row means of ``[draws, classes]`` over the classes that the draw has."""
    known = np.isfinite(values)
    return _divide(np.where(known, values, 0.0).sum(axis=1), known.sum(axis=1).astype(np.float64))
