"""Confidence intervals by drawing patients with replacement.

A draw is a count per patient. Each statistic is computed for all draws at once from those counts as weights, so that
1,000 draws cost a matrix product instead of 1,000 evaluations. The gallery stays as it is; the queries are drawn. All
statistics of one `PatientBootstrap` share their draws, which makes the difference of two a paired one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from eval.metrics.auroc import weighted_auroc
from retrieval.errors import BadArgument
from retrieval.scoring import Bools, Floats

__all__ = ["Estimate", "PatientBootstrap"]

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

    def auroc(self, labels: Bools, scores: Floats) -> Estimate:
        """Macro AUROC of ``[queries, classes]`` each; classes with an empty side are left out."""
        one = np.ones((1, len(labels)))
        centre, by_draw = [], []
        for c in range(labels.shape[1]):
            centre.append(weighted_auroc(labels[:, c], scores[:, c], one)[0])
            by_draw.append(weighted_auroc(labels[:, c], scores[:, c], self.weights))
        value = _nan_mean(np.array(centre))
        draws = _nan_means(np.stack(by_draw, axis=1)) if by_draw else np.full(len(self.weights), np.nan)
        return Estimate(value, draws, len(labels), int(np.isfinite(centre).sum()))


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
