"""Short stretches of a ruling, each measured for itself, and what most of them agree upon."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from retrieval.intake.page.phase import Matrix

STRETCH_MM = 10.0
"""Long enough to hold ten thin lines, short enough that most stretches cross no gap between leads."""
NEAR_MM = 65.0
"""How far beside a place stretches are asked, both ways: as far as one lead of 2.5 s reaches."""
FEWEST = 20
SPREAD = 0.02
"""Stretches whose scales lie within so large a share agree."""
AT_MOST = 2.0
"""Times the weight of the middle stretch that one has at most: a strong line must not outvote many faint ones."""


@dataclass(frozen=True)
class Stretches:
    """Stretches of ``STRETCH_MM`` of a flat page along one axis.

    Args:
        middles: ``[n, 2]`` places ``(x, y)`` in millimetres of the flat page.
        ruled: ``[n]`` millimetres of paper that the ruling shows over each, by the phase of its lines.
        weights: ``[n]`` how clear its lines are.
    """

    middles: Matrix
    ruled: Matrix
    weights: Matrix

    def turned(self, wide_mm: float) -> Stretches:
        """The same on a page of that width that is turned counter-clockwise by a quarter."""
        x, y = self.middles.T
        return replace(self, middles=np.column_stack([y, wide_mm - x]))

    def near(self, middle: Matrix) -> Stretches:
        """Those about a place ``(x, y)`` of the flat page in millimetres."""
        here = (np.abs(self.middles - middle) < NEAR_MM).all(axis=1)
        return Stretches(self.middles[here], self.ruled[here], self.weights[here])


def agreed(values: Matrix, weights: Matrix) -> tuple[float, float]:
    """The mean of the values within ``SPREAD`` that have the most weight, and their share of it; 0 without any."""
    if np.median(weights) <= 0:
        return float(np.median(values)), 0.0  # most show no lines at all
    order = np.argsort(values)
    values, weights = values[order], np.minimum(weights, AT_MOST * np.median(weights))[order]
    total = np.concatenate([[0.0], np.cumsum(weights)])
    end = np.searchsorted(values, values + SPREAD, side="right")
    inside = total[end] - total[:-1]
    first = int(inside.argmax())
    most = np.s_[first : end[first]]
    return float(np.average(values[most], weights=weights[most])), float(inside[first] / total[-1])
