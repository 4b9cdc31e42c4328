"""Where each row of traces begins and ends: stray ink and calibration pulses at its ends are none of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from retrieval.intake.page.flat import FLAT_PX_PER_MM
from retrieval.intake.page.rows import Row, mm
from retrieval.intake.page.signals import Heights, row_heights

Bools = NDArray[np.bool_]
APART_MM, STRAY_MM, AT_BASE_MM = 4.0, 15.0, 1.2
LINED_UP_MM = 3.0
JOINED = 0.8
PULSE_WITHIN_MM, PULSE_WIDE_MM = 16.0, (3.5, 12.0)
"""How far from the end of its row a calibration pulse ends, and how wide its top can be."""
PULSE_HIGH_MM, FLAT_MM, SAME_MM = 3.5, 0.5, 1.0
"""How high its top is at least, how level, and how far its end may lie from where other rows have it."""
LEVEL_SHARE = 0.5
"""Share of the step that is level: the middle of an upright stroke lies half as high."""
FALLS_MM, FOOT_MM, FOOT_HIGH_MM, GAP_MM = 1.0, 1.0, 1.5, 2.0
"""It falls at once to where the traces run; a gap may follow."""
MOST_ROWS, FEW_ROWS, FEWEST_ROWS = 0.5, 0.3, 3
"""Share of the rows that show it; where a gap follows; and how many rows a page has in which it is looked for."""


def reached(rows: Sequence[Row], masks: Bools) -> tuple[Row, ...]:
    """Rows at their traces' height, from where these begin to where they end; other ink is taken out of the masks.

    Args:
        rows: as they were found.
        masks: bool ``[rows, height, width]`` of their ink; changed.
    """
    own = tuple(_centred(row, mask) for row, mask in zip(rows, masks, strict=True))
    own = tuple(_reach(row, mask) for row, mask in zip(own, masks, strict=True))
    return _aligned(_without_pulses(own, masks), masks)


def _without_pulses(rows: tuple[Row, ...], masks: Bools) -> tuple[Row, ...]:
    """Rows without a calibration pulse that was taken for their beginning or end.

    The same step stands at the same place of all rows, as no wave of a heart does.
    """
    if len(rows) < FEWEST_ROWS:
        return rows
    left, right = (round(float(np.median([getattr(row, side) for row in rows]))) for side in ("left", "right"))
    within = mm(PULSE_WITHIN_MM)
    first = _last_of_step(_heights(rows, masks[:, :, left : left + within]))
    last = _last_of_step(_heights(rows, masks[:, :, max(0, right - within) : right])[:, ::-1])
    start = 0 if first is None else left + first + mm(1.0)
    stop = masks.shape[2] if last is None else right - last - mm(1.0)
    masks[:, :, :start] = False
    masks[:, :, stop:] = False
    return tuple(replace(row, left=max(row.left, float(start)), right=min(row.right, float(stop))) for row in rows)


def _heights(rows: tuple[Row, ...], masks: Bools) -> Heights:
    return np.stack([row_heights(mask, row.baseline) for mask, row in zip(masks, rows, strict=True)])


def _last_of_step(heights: Heights) -> int | None:
    """The last column of a step that rows make at the same place, in ``[rows, columns]`` mm from their ends inwards.

    Most rows must show it, or, where it is parted from the traces by a gap in most rows, a third of them.
    """
    ends = [end for end in (_step_of(row) for row in heights) if end is not None]
    if not ends:
        return None
    last = round(float(np.median(ends)))
    share = float(np.mean(np.abs(np.array(ends) - last) <= mm(SAME_MM))) * len(ends) / len(heights)
    beyond = heights[:, last + mm(FALLS_MM) : last + mm(FALLS_MM + GAP_MM)]
    gap = float((~np.isfinite(beyond)).all(axis=1).mean()) >= MOST_ROWS
    return last if share >= (FEW_ROWS if gap else MOST_ROWS) else None


def _step_of(heights: Heights) -> int | None:
    """The last column of the first step of a row: level, of a pulse's width, and back at once.

    On a page that stands on its head it hangs.
    """
    high = np.flatnonzero(np.abs(np.nan_to_num(heights)) > PULSE_HIGH_MM)
    if not len(high):
        return None
    runs = np.split(high, np.flatnonzero(np.diff(high) > 2) + 1)
    first = runs[0]
    level = np.abs(heights[first] - np.median(heights[first])) < FLAT_MM / 2
    after = heights[first[-1] + mm(FALLS_MM) : first[-1] + mm(FALLS_MM + FOOT_MM)]
    wide = PULSE_WIDE_MM[0] <= len(first) / FLAT_PX_PER_MM <= PULSE_WIDE_MM[1]
    falls = len(after) > 0 and float(np.abs(np.nan_to_num(after)).max()) < FOOT_HIGH_MM
    return int(first[-1]) if wide and falls and float(level.mean()) >= LEVEL_SHARE else None


def _centred(row: Row, mask: Bools) -> Row:
    """The baseline at the trace's median height: on a page that drifts a level stretch may lie off it."""
    off = row_heights(mask, row.baseline)
    known = off[np.isfinite(off)]
    return replace(row, baseline=row.baseline - float(np.median(known)) * FLAT_PX_PER_MM) if len(known) else row


def _reach(row: Row, mask: Bools) -> Row:
    """Where a row begins and ends; short pieces that stand apart at its ends are none of it."""
    columns = np.flatnonzero(mask.any(axis=0))
    if not len(columns):
        return row
    breaks = np.flatnonzero(np.diff(columns) > mm(APART_MM))
    runs = list(zip(columns[np.r_[0, breaks + 1]], columns[np.r_[breaks, len(columns) - 1]] + 1, strict=True))
    while len(runs) > 1 and _stray(row, mask, runs[0]):
        runs.pop(0)
    while len(runs) > 1 and _stray(row, mask, runs[-1]):
        runs.pop()
    return replace(row, left=float(runs[0][0]), right=float(runs[-1][1]))


def _stray(row: Row, mask: Bools, run: tuple[int, int]) -> bool:
    """Whether a run of columns is short and no piece of a trace, which keeps to its baseline for the most part."""
    if run[1] - run[0] >= mm(STRAY_MM):
        return False
    off = row_heights(mask[:, run[0] : run[1]], row.baseline)
    return float((np.abs(off[np.isfinite(off)]) < AT_BASE_MM).mean()) < 0.5


def _aligned(rows: tuple[Row, ...], masks: Bools) -> tuple[Row, ...]:
    """Rows cut to where the others begin and end, unless their ink runs on without a break."""
    left, right = (float(np.median([getattr(row, side) for row in rows])) for side in ("left", "right"))
    slack = mm(LINED_UP_MM)
    out = []
    for row, mask in zip(rows, masks, strict=True):
        covered = mask.any(axis=0)
        before, after = (
            covered[round(row.left) : round(left - slack)],
            covered[round(right + slack) : round(row.right)],
        )
        start = left - slack if len(before) and before.mean() < JOINED else row.left
        stop = right + slack if len(after) and after.mean() < JOINED else row.right
        here = np.flatnonzero(covered[round(start) : round(stop)]) + round(start)
        mask[:, : round(start)] = False
        mask[:, round(stop) :] = False
        out.append(replace(row, left=float(here[0]), right=float(here[-1] + 1)) if len(here) else row)
    return tuple(out)
