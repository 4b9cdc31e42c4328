"""Find the rows of traces on a straightened page, and take separators, pulses and speckle out of the ink."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from retrieval.intake.page.flat import FLAT_PX_PER_MM

Plane = NDArray[np.float32]
Mask = NDArray[np.uint8]
Bools = NDArray[np.bool_]
FAINT, CLEAR = 0.25, 0.75
"""Ink over ``FAINT`` counts where it touches ink over ``CLEAR`` (hysteresis)."""
TRACE_MM = 12.0
"""A connected stroke wider than this is a trace: no printed letter is."""
GAP_MM = 2.0
"""Paper between two pieces of one broken stroke, at most."""
ROW_APART_MM = 8.0
ROW_REACH_MM = 7.0
BIN_MM = 5.0
LEVEL_MM = 2.0
"""A stretch this long without a change of height is level: no upright stroke is that thick."""
LONG_MM, STRAIGHT_MM = 40.0, 2.0
SHARED, AS_LEVEL = 0.35, 0.4
"""Share of a row's level columns at which a stronger row close to it must be level too, and how many it must have for
each of that row's. Of 591 pairs of rows 12 to 16 mm apart on drawn pages that no figure is reported for all reach
0.55; of 66 tips and plateaus of waves that share enough columns three in four stay under 0.4."""
MANY, EVEN = 3, 0.12
"""So many rows show at which distance others are to be looked for, and so much of it they may be off."""


@dataclass(frozen=True)
class Component:
    """A connected piece of ink: its label, its box in pixels (``right`` and ``bottom`` are outside), its area."""

    label: int
    left: int
    top: int
    right: int
    bottom: int
    area: int

    @property
    def width_mm(self) -> float:
        """Width in mm."""
        return (self.right - self.left) / FLAT_PX_PER_MM

    @property
    def height_mm(self) -> float:
        """Height in mm."""
        return (self.bottom - self.top) / FLAT_PX_PER_MM


@dataclass(frozen=True)
class Strokes:
    """Ink as connected pieces: ``labels`` int32 ``[height, width]``, 0 being paper."""

    labels: NDArray[np.int32]
    components: tuple[Component, ...]


@dataclass(frozen=True)
class Row:
    """A row of traces: ``baseline`` in pixels from the top, ``cover`` the share of the page's width it spans."""

    baseline: float
    cover: float
    left: float
    right: float


def mm(length: float) -> int:
    """Pixels of the straightened page in ``length`` millimetres, at least 1."""
    return max(1, round(length * FLAT_PX_PER_MM))


def strokes_of(mask: Bools) -> Strokes:
    """Connected pieces of a mask."""
    count, found, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)
    boxes = stats[1:count].tolist()
    parts = [
        Component(label, left, top, left + width, top + height, area)
        for label, (left, top, width, height, area) in enumerate(boxes, start=1)
    ]
    return Strokes(np.asarray(found, np.int32), tuple(parts))


def joined(mask: Bools) -> Bools:
    """A mask with the gaps of strokes closed that a copier has broken, along the rows."""
    kernel = np.ones((1, mm(GAP_MM) + 1), np.uint8)  # odd: an even one would shift what it closes
    return np.asarray(cv2.morphologyEx(mask.astype(np.uint8), cv2.MORPH_CLOSE, kernel) > 0)


def find_rows(parts: Strokes) -> tuple[Row, ...]:
    """Rows of traces from top to bottom.

    Only pieces wider than ``TRACE_MM`` vote, each by the level stretches of its line, which lie on the baseline for
    most of a heart's cycle.
    """
    long = np.zeros(len(parts.components) + 1, bool)
    long[[part.label for part in parts.components if part.width_mm >= TRACE_MM]] = True
    wide = long[parts.labels]
    if not wide.any():
        return ()
    level = _level(wide, LEVEL_MM)
    fine = _level(wide, _pen_mm(wide) + 0.5)
    votes = cv2.GaussianBlur(fine.sum(axis=1, dtype=np.float32).reshape(-1, 1), (1, 1 + 2 * mm(3)), mm(1.2)).ravel()
    columns = np.nonzero(wide.any(axis=0))[0]
    span = int(columns[0]), int(columns[-1]) + 1
    rows: list[Row] = []
    left = votes.copy()
    for _ in range(30):
        peak = int(left.argmax())
        if left[peak] < 0.07 * votes.max():
            break
        left[max(0, peak - mm(ROW_APART_MM)) : peak + mm(ROW_APART_MM)] = 0
        if all(_stand_apart(level, peak, round(row.baseline)) for row in rows):
            rows.append(_row_at(wide, peak, span))
    bent = [row for row in rows if not _is_edge(wide, row)]
    if not bent:
        return ()
    least = max(0.55 * max(row.cover for row in bent), 0.2)
    kept = sorted((row for row in bent if row.cover >= least), key=lambda row: row.baseline)
    level_ones = [row for row in rows if row not in bent and row.cover >= least and _in_line(row, kept)]
    return tuple(sorted([*kept, *level_ones], key=lambda row: row.baseline))


def runs_upright(parts: Strokes) -> bool:
    """Whether the long pieces of ink run from top to bottom, as on a page that lies on its side.

    Straight lines say nothing: a scanner's streaks run upright on a page that does not.
    """
    bent = [part for part in parts.components if min(part.width_mm, part.height_mm) > STRAIGHT_MM]
    high = sum(part.height_mm for part in bent if part.height_mm > max(LONG_MM, 2 * part.width_mm))
    wide = sum(part.width_mm for part in bent if part.width_mm > max(LONG_MM, 2 * part.height_mm))
    return high > 1.5 * wide


def _level(wide: NDArray[np.bool_], length_mm: float) -> Mask:
    """Ink of stretches that stay level for a length."""
    kernel = np.ones((1, mm(length_mm)), np.uint8)
    return np.asarray(cv2.morphologyEx(wide.astype(np.uint8), cv2.MORPH_OPEN, kernel), np.uint8)


def _pen_mm(wide: NDArray[np.bool_]) -> float:
    """Width of the pen: the middle of the widths at which rows of pixels cut through the strokes."""
    starts = np.diff(wide.astype(np.int8), axis=1, prepend=0) == 1
    return float(min(2.0, wide.sum() / max(1, int(starts.sum())) / FLAT_PX_PER_MM))


def _stand_apart(level: Mask, candidate: int, stronger: int) -> bool:
    """Whether a row close to a stronger one is a row of its own: then both have ink at the same columns.

    A trace has one height at a time, so the plateau of a wave, or a lead that drifts, has none of its neighbour's.
    Where tall waves stand close, their tips and those of the neighbour share columns, but few.
    """
    if abs(candidate - stronger) > mm(16):
        return True
    reach = mm(3)
    here, there = (level[max(0, at - reach) : at + reach].any(axis=0) for at in (candidate, stronger))
    return bool((here & there).sum() > SHARED * here.sum() and here.sum() > AS_LEVEL * there.sum())


def _in_line(row: Row, others: list[Row]) -> bool:
    """Whether a level line stands where even rows have a gap, or go on: then it may be a lead that hardly beats."""
    if len(others) < MANY:
        return False
    bases = np.array([other.baseline for other in others])
    pitch = float(np.diff(bases).min())
    uneven = np.abs(np.diff(bases) / pitch - np.round(np.diff(bases) / pitch))
    places = (row.baseline - bases) / pitch
    return bool((uneven < EVEN).all()) and abs(float(np.abs(places).min()) - 1) < EVEN


def _is_edge(wide: NDArray[np.bool_], row: Row) -> bool:
    """Whether a row is the edge of the paper or of a frame: it bends at most, and no wave leaves it."""
    base, reach = round(row.baseline), mm(ROW_REACH_MM)
    band = wide[max(0, base - reach) : base + reach]
    columns = np.nonzero(band.any(axis=0))[0]
    top = band.argmax(axis=0)[columns].astype(float)
    bottom = band.shape[0] - band[::-1].argmax(axis=0)[columns]
    middle = (top + bottom) / 2
    x = (columns - columns.mean()) / max(1, len(columns))
    bent = middle - np.polyval(np.polyfit(x, middle, 3), x) if len(columns) > 50 else middle
    low, high = np.quantile(bent, (0.01, 0.99))
    return bool(high - low <= mm(0.8))


def _row_at(wide: NDArray[np.bool_], baseline: int, span: tuple[int, int]) -> Row:
    """What a row at ``baseline`` covers of the span of all traces, in steps of 5 mm."""
    reach = mm(ROW_REACH_MM)
    band = np.asarray(wide[max(0, baseline - reach) : baseline + reach].any(axis=0))
    here = np.nonzero(band)[0]
    step = mm(BIN_MM)
    bins = [bool(band[x : x + step].any()) for x in range(span[0], span[1], step)]
    return Row(float(baseline), float(np.mean(bins)), float(here[0]), float(here[-1]) + 1)
