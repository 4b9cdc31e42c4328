"""Rows that are the edge of the sheet: on one side of them lies paper, on the other a table or another sheet."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from retrieval.intake.page.rows import Row, mm

Rgb = NDArray[np.uint8]
Bools = NDArray[np.bool_]
RIM_MM = 2.5
"""An edge is no straighter than this: so far on both sides of it ink may be the edge's."""
NEAR_MM, FAR_MM, LEAST_MM = 2.0, 5.0, 0.5
"""Between these distances from a row the ground on both of its sides is looked at, of which so much must be there."""
STEP, BETWEEN = 15.0, 30.0
"""Levels of 255 by which light and colour differ on both sides of an edge, and of one with rows on both of its sides.
Of 900 rows of drawn and spoiled pages none that was a row of traces reached 7, but one along a fold in shadow 10;
edges of sheets reach 30 to 150."""
ALMOST_ALL = 0.15
"""Share of the row's length along which the step may be less."""
WEIGHTS = np.array([0.6, 1.6, 1.6])
"""Of light, red against green, and blue against yellow (CIE Lab)."""


def within_edges(pixels: Rgb, rows: tuple[Row, ...]) -> tuple[tuple[Row, ...], Bools]:
    """Rows of traces, and the lines of pixels between the edges of the sheet that passed for rows.

    Args:
        pixels: the straightened page, RGB uint8 ``[height, width, 3]``.
        rows: as they were found, from top to bottom.

    Returns:
        The rows that are no edge, and bool ``[height]``: ``False`` on edges and, where no other row lies beyond an
        edge, beyond it.
    """
    outermost = rows[:1] + rows[-1:]
    edges = [row for row in rows if _step(pixels, row) > (STEP if row in outermost else BETWEEN)]
    traces = tuple(row for row in rows if row not in edges)
    inside = np.ones(pixels.shape[0], bool)
    for edge in edges:
        above = all(row.baseline > edge.baseline for row in traces)
        below = all(row.baseline < edge.baseline for row in traces)
        top, bottom = round(edge.baseline) - mm(RIM_MM), round(edge.baseline) + mm(RIM_MM)
        inside[0 if above else max(0, top) : None if below else bottom] = False
    return traces, inside


def _step(pixels: Rgb, row: Row) -> float:
    """How much the ground above a row differs from that below it, along almost all of its length."""
    base, near, far = round(row.baseline), mm(NEAR_MM), mm(FAR_MM)
    if base - near < mm(LEAST_MM) or base + near + mm(LEAST_MM) > pixels.shape[0]:
        return 0.0
    columns = slice(round(row.left), round(row.right), mm(1.0))
    sides = pixels[max(0, base - far) : base - near, columns], pixels[base + near : base + far, columns]
    above, below = (np.median(cv2.cvtColor(np.ascontiguousarray(side), cv2.COLOR_RGB2LAB), axis=0) for side in sides)
    apart = np.linalg.norm((above - below) * WEIGHTS, axis=1)
    return float(np.quantile(apart, ALMOST_ALL)) if len(apart) else 0.0
