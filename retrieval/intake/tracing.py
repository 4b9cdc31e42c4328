"""The traces of a canonical page back to millivolts: each row's line is followed from column to column."""

from __future__ import annotations

from dataclasses import dataclass
from operator import itemgetter
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from retrieval.ecg.layouts import LAYOUTS, LeadCell
from retrieval.ecg.page import CANONICAL, PAPER, CanonicalPage, canonical_cells
from retrieval.ecg.recording import LEADS, Signal

RATE = CANONICAL.speed * CANONICAL.px_per_mm
"""Columns of pixels per second of ECG: 50 Hz."""
PX_PER_MV = CANONICAL.gain * CANONICAL.px_per_mm
INK_SHARE = 0.25
"""A pixel with less ink belongs to no stroke."""
REACH_ROWS = 1.35
"""How far a trace may run from its baseline, in distances of rows."""
PULL = 0.04
"""Cost of a column for each pixel that a stroke lies off the baseline: small, it only decides at crossings."""
EMPTY = 2.0
"""Cost of passing over a column, less than following the next row's trace; a jump costs its pixels."""
HOPELESS = 40.0
"""A place that costs so much more than the best is not followed."""
STEEP_PX = 3.0
"""A stroke this much longer than its pen is wide is a steep flank or a peak."""
TIE_PX = 0.5
"""Tips that differ by less are the same height."""
SAME = 0.8
"""Correlation from which a strip shows the same lead as a stretch above it."""

Floats = NDArray[np.float64]
LeadSignals = tuple[Signal, float]
"""What ``lead_signals`` gives: the leads in mV, and their rate."""


@dataclass(frozen=True)
class Runs:
    """The strokes of every column: connected ink, from top to bottom.

    ``column`` ``[n]`` ascending; ``top`` and ``bottom`` the edges in pixels, ``centre`` the ink's mean, ``[n]``.
    """

    column: NDArray[np.int64]
    top: Floats
    bottom: Floats
    centre: Floats


def lead_signals(page: CanonicalPage) -> LeadSignals:
    """What a canonical page shows of each lead.

    Returns:
        ``[12, 500]`` in mV, sample ``k`` at ``(k + 0.5) / 50`` s after the left end of the rows, NaN where nothing is
        plotted; and the rate, 50 Hz. A strip of ten seconds is taken for its lead where it agrees with the stretch of
        that lead above it, since some pages have another lead's strip.
    """
    signals = np.full((len(LEADS), _columns()), np.nan)
    for cell, values in sorted(lead_strips(page), key=lambda strip: strip[0].width_mm):
        row = signals[LEADS.index(cell.lead)]
        if not np.isfinite(row).any() or _agree(row, values):
            np.copyto(row, values, where=np.isfinite(values))
    return signals.astype(np.float32), RATE


def lead_strips(page: CanonicalPage) -> list[tuple[LeadCell, Floats]]:
    """Each cell of the page with its trace ``[500]`` in mV about the cell's baseline.

    NaN outside the cell, in gaps, and where the traces of two rows run into one stroke.
    """
    if page.layout not in LAYOUTS:
        return []
    cells = canonical_cells(page.layout)
    heights = _row_heights(find_runs(page), cells)
    first = _first_column()
    strips = []
    for cell in cells:
        values = np.full(_columns(), np.nan)
        start = round(cell.x_mm * CANONICAL.px_per_mm) - first
        # In a column where two leads meet there are strokes of both.
        stop = min(start + round(cell.width_mm * CANONICAL.px_per_mm) - 1, _columns())
        part = slice(start + (start > 0), stop)
        values[part] = (cell.baseline_mm * CANONICAL.px_per_mm - heights[cell.row][part]) / PX_PER_MV
        strips.append((cell, values))
    return strips


def find_runs(page: CanonicalPage) -> Runs:
    """The strokes of every column from the left end of the rows on."""
    ink = (PAPER - page.pixels[:, _first_column() :].astype(np.float64).T) / PAPER
    inked = np.pad(ink >= INK_SHARE, ((0, 0), (1, 1)))
    column, top = np.nonzero(inked[:, 1:] & ~inked[:, :-1])
    _, bottom = np.nonzero(inked[:, :-1] & ~inked[:, 1:])
    weight = np.pad(np.cumsum(ink, axis=1), ((0, 0), (1, 0)))
    moment = np.pad(np.cumsum(ink * (np.arange(ink.shape[1]) + 0.5), axis=1), ((0, 0), (1, 0)))
    total = weight[column, bottom] - weight[column, top]
    centre = (moment[column, bottom] - moment[column, top]) / total
    return Runs(column, top.astype(np.float64), bottom.astype(np.float64), centre)


def _row_heights(runs: Runs, cells: tuple[LeadCell, ...]) -> Floats:
    """Where the trace of each row stands, ``[rows, 500]`` in pixels from the top; NaN where it is not."""
    baselines = [CANONICAL.px_per_mm * mm for mm in sorted({cell.baseline_mm for cell in cells})]
    reach = REACH_ROWS * (baselines[1] - baselines[0])
    paths = []
    for baseline in baselines:
        near = np.flatnonzero((runs.bottom > baseline - reach) & (runs.top < baseline + reach))
        paths.append(near[_path(runs, near, baseline)])
    taken = np.bincount(np.concatenate(paths), minlength=len(runs.column))
    heights = np.full((len(baselines), _columns()), np.nan)
    for row, path in zip(heights, paths, strict=True):
        row[runs.column[path]] = _stroke_heights(runs.top[path], runs.bottom[path], runs.centre[path])
        row[runs.column[path[taken[path] > 1]]] = np.nan
    return heights


def _path(runs: Runs, near: NDArray[np.int64], baseline: float) -> list[int]:
    """The cheapest line from left to right: one stroke a column or none, few jumps, near the baseline in doubt.

    Dynamic programming over the strokes; an empty column keeps the place of the stroke before it.
    """
    tops, bottoms = runs.top[near].tolist(), runs.bottom[near].tolist()
    off = (PULL * np.abs(runs.centre[near] - baseline)).tolist()
    starts = np.searchsorted(runs.column[near], np.arange(_columns() + 1)).tolist()
    before: list[tuple[int, int]] = [(-1, 0)]  # the start
    states = [_State(0.0, baseline, baseline, 0)]
    for column in range(_columns()):
        best = min(states, key=_cost)
        following = [_State(best.cost + EMPTY, best.top, best.bottom, len(before))]
        before.append((-1, best.link))
        for stroke in range(starts[column], starts[column + 1]):
            cost, link = _cheapest(states, tops[stroke], bottoms[stroke])
            if cost < best.cost + HOPELESS:
                following.append(_State(cost + off[stroke], tops[stroke], bottoms[stroke], len(before)))
                before.append((stroke, link))
        states = following
    return _walked(before, min(states, key=_cost).link)


class _State(NamedTuple):
    """A place where the line may stand: what it cost, the stroke's edges, and its entry in the list of links."""

    cost: float
    top: float
    bottom: float
    link: int


_cost = itemgetter(0)


def _cheapest(states: list[_State], top: float, bottom: float) -> tuple[float, int]:
    """At what cost a stroke is reached, the pixels in between counted, and from which link."""
    least, from_link = np.inf, 0
    for cost, upper, lower, link in states:
        gap = top - lower if top > lower else upper - bottom if upper > bottom else 0.0
        if cost + gap < least:
            least, from_link = cost + gap, link
    return least, from_link


def _walked(before: list[tuple[int, int]], link: int) -> list[int]:
    path = []
    while link:
        stroke, link = before[link]
        if stroke >= 0:
            path.append(stroke)
    return path[::-1]


def _stroke_heights(top: Floats, bottom: Floats, centre: Floats) -> Floats:
    """Where each stroke of a line stands: a peak at its tip, all else at the middle of its ink.

    A steep wave is a long stroke in one column or two. The line turns in the column that reaches farthest, beyond its
    neighbours' middles, and there its tip is the wave's height; a flank that goes on stands at its middle.
    """
    if len(centre) < 3:
        return centre
    pen = float(np.median(bottom - top))
    middles = _beside(centre)
    above, below = middles.min(axis=0) - top - pen / 2, bottom - middles.max(axis=0) - pen / 2
    above[top > _beside(top).min(axis=0) + TIE_PX] = 0
    below[bottom < _beside(bottom).max(axis=0) - TIE_PX] = 0
    long = bottom - top > pen + STEEP_PX
    heights = centre.copy()
    peak, dip = long & (above >= below) & (above > 1), long & (below > above) & (below > 1)
    heights[peak] = top[peak] + pen / 2
    heights[dip] = bottom[dip] - pen / 2
    return heights


def _beside(values: Floats) -> Floats:
    """The values left and right of each, ``[2, n]``; at an end its own."""
    return np.stack([np.pad(values, (1, 0), "edge")[:-1], np.pad(values, (0, 1), "edge")[1:]])


def _agree(known: Floats, other: Floats) -> bool:
    both = np.isfinite(known) & np.isfinite(other)
    if both.sum() < RATE / 2 or min(np.ptp(known[both]), np.ptp(other[both])) == 0:
        return False
    return float(np.corrcoef(known[both], other[both])[0, 1]) > SAME


def _first_column() -> int:
    return round(CANONICAL.left_mm * CANONICAL.px_per_mm)


def _columns() -> int:
    return CANONICAL.width_px - _first_column()
