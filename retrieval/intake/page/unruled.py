"""A page without ruling: seen from above by the sheet's corners, its scale assumed from the length of its traces."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from retrieval.intake.page.calibration import ROW_MM
from retrieval.intake.page.direction import level_share
from retrieval.intake.page.flat import Bools, FlatPage
from retrieval.intake.page.perspective import sheet_from_above
from retrieval.intake.page.phase import Mask, Matrix
from retrieval.intake.page.refine import framed
from retrieval.intake.page.spectrum import Plane, Rgb
from retrieval.intake.page.straighten import flatten
from retrieval.intake.page.view import View

MOST_MM = (450.0, 450.0)
"""Beside traces of ``ROW_MM`` no more is looked at: twice a sheet of A4."""
MIN_SPAN = 0.3
LETTER_SHARE = 0.08
"""A connected stroke wider than 8 % of the picture is a trace, a frame or a rule, and no letter."""
GAPS = (0.0, 0.004, 0.008)
"""Shares of the picture's width over which broken strokes are joined: none first."""
SIDE = 1500
"""Pixels of the longer side of the view from above."""
MIN_TRACES = 3
TABLE_TOP = 0.5
"""Share of its columns in which the top of a tall stroke may be at one height; a table's is at all of them."""
AGREE = 0.012
"""Share of the picture's width within which ends of traces are the same."""
MAX_SKEW, SKEW_STEP = 8.0, 0.2
INK = 0.35
UNRULED_TRUST, FLAT_TRUST = 0.4, 0.45
"""Probability that the scale is right to 2 %, of a page in perspective and of one that was laid flat."""


def assume_view(view: View) -> FlatPage | None:
    """Take the longest run of traces for ten seconds at 25 mm/s; ``None`` where nothing looks like traces."""
    above, shape = _from_above(view)
    pixels = cv2.warpPerspective(view.pixels, above, shape, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    paper = np.asarray(cv2.warpPerspective(view.paper, above, shape, flags=cv2.INTER_NEAREST), np.uint8)
    dark = _dark(np.asarray(pixels, np.uint8)) * _inner(paper)
    if level_share((dark > INK).astype(np.uint8)) < 0.5:
        turn = np.array([[0, 1, 0], [-1, 0, shape[0] - 1.0], [0, 0, 1.0]])
        above, shape, dark = turn @ above, shape[::-1], np.ascontiguousarray(np.rot90(dark))
    skew = _skew(dark)
    if abs(skew) > SKEW_STEP / 2:
        turn = np.vstack([cv2.getRotationMatrix2D((shape[0] / 2, shape[1] / 2), skew, 1.0), [0, 0, 1]])
        dark = np.asarray(cv2.warpPerspective(dark, turn, shape, flags=cv2.INTER_LINEAR), np.float32)
        above = turn @ above
    span = _trace_span(dark)
    if span is None:
        return None
    scale = ROW_MM / (span[1] - span[0])
    matrix, size = framed(np.diag([scale, scale, 1.0]) @ above, view.paper, MOST_MM)
    return flatten(view, matrix, size, UNRULED_TRUST if view.corners is not None else FLAT_TRUST, ruled=False)


def _from_above(view: View) -> tuple[Matrix, tuple[int, int]]:
    """A map of the view to pixels seen from above, the longer side ``SIDE``; and the size, width by height."""
    height, width = view.paper.shape
    if view.corners is None:
        scale = min(1.0, SIDE / max(width, height))
        return np.diag([scale, scale, 1.0]), (round(width * scale), round(height * scale))
    matrix, aspect = sheet_from_above(view.corners, view.axis, view.longest)
    high = SIDE / max(1.0, aspect)
    return np.diag([high, high, 1.0]) @ matrix, (max(8, round(high * aspect)), max(8, round(high)))


def _inner(paper: Mask) -> Plane:
    """1 on paper, 0 off it and near its rim; the picture's own border is no rim."""
    wide = 2 * max(2, paper.shape[1] // 130) + 1
    inner = cv2.erode(paper, np.ones((wide, wide), np.uint8), borderType=cv2.BORDER_CONSTANT, borderValue=(255,))
    return np.asarray(inner > 127, np.float32)


def _skew(dark: Plane) -> float:
    """Degrees by which the rows of ink must be turned, clockwise negative, to gather on the fewest lines."""
    y, x = np.nonzero(dark > INK)
    if len(x) < 200:
        return 0.0
    few = slice(None, None, max(1, len(x) // 30_000))
    x, y = x[few] - dark.shape[1] / 2, y[few] - dark.shape[0] / 2
    best = (-1.0, 0.0)
    for turn in np.arange(-MAX_SKEW, MAX_SKEW + SKEW_STEP / 2, SKEW_STEP):
        angle = np.deg2rad(turn)
        place = np.rint((y * np.cos(angle) - x * np.sin(angle)) / 2).astype(int)
        count = np.bincount(place - place.min())
        gathered = float((count.astype(float) ** 2).sum())
        if gathered > best[0]:
            best = gathered, float(turn)
    return best[1]


def _dark(small: Rgb) -> Plane:
    """Darkness against the paper nearby, 0 to 1."""
    light = small.max(axis=2).astype(np.float32)
    side = max(15, small.shape[1] // 60) | 1
    paper = cv2.GaussianBlur(cv2.dilate(light, np.ones((side, side), np.uint8)), (0, 0), side / 2)
    return np.clip(1 - light / np.maximum(paper, 8.0), 0, 1).astype(np.float32)


def _trace_span(dark: Plane) -> tuple[int, int] | None:
    """Leftmost and rightmost column of the traces; ``None`` where there are too few.

    Where strokes are broken, as by a copier that leaves nothing of what is faint, they are joined over wider gaps.
    """
    ink = (dark > max(0.25, 0.5 * float(np.quantile(dark, 0.995)))).astype(np.uint8)
    for gap in GAPS:
        wide = round(gap * ink.shape[1]) | 1
        joined = cv2.morphologyEx(ink, cv2.MORPH_CLOSE, np.ones((3, wide), np.uint8)) if gap else ink
        span = _span_of(np.asarray(joined, np.uint8))
        if span is not None:
            return span
    return None


def _span_of(ink: Mask) -> tuple[int, int] | None:
    """Leftmost and rightmost column of wide, thinly filled strokes; ``None`` where there are too few."""
    width = ink.shape[1]
    count, labels, stats, _ = cv2.connectedComponentsWithStats(ink, connectivity=8)
    boxes = stats[1:count]
    wide = boxes[:, cv2.CC_STAT_WIDTH] > LETTER_SHARE * width
    filled = boxes[:, cv2.CC_STAT_AREA] / (boxes[:, cv2.CC_STAT_WIDTH] * boxes[:, cv2.CC_STAT_HEIGHT])
    # A rule or a frame is flat or hollow to the last pixel; a trace moves up and down.
    moves = wide & (boxes[:, cv2.CC_STAT_HEIGHT] > 0.004 * width) & (filled < 0.8) & (filled > 0.005)
    low = boxes[:, cv2.CC_STAT_HEIGHT] < 0.3 * width
    traces = boxes[moves & low]
    if len(traces) < MIN_TRACES:
        # Tall waves may tie all rows together.
        tall = np.flatnonzero(moves & ~low)
        traces = np.concatenate([traces, *(boxes[[i] * _rows_tied(labels == i + 1, boxes[i])] for i in tall)])
    if len(traces) < MIN_TRACES:
        return None
    starts = traces[:, cv2.CC_STAT_LEFT].astype(np.int64)
    left = _agreed(starts, width)
    right = -_agreed(-(starts + traces[:, cv2.CC_STAT_WIDTH].astype(np.int64)), width)
    return (left, right) if right - left > MIN_SPAN * width else None


def _rows_tied(stroke: Bools, box: NDArray[np.generic]) -> int:
    """How many rows of traces a tall stroke is made of; 0 for a table or a frame, which are level along their top."""
    left, top, width, height = box[:4].tolist()
    inside = stroke[top : top + height, left : left + width]
    runs = np.diff(inside.astype(np.int8), axis=0, prepend=0).clip(0).sum(axis=0)
    first = inside.argmax(axis=0)[runs > 0]
    level = np.bincount(first).max() / max(1, len(first))
    return int(np.median(runs)) if level < TABLE_TOP else 0


def _agreed(ends: NDArray[np.int64], width: int) -> int:
    """The outermost of the ends that another one shares: a stamp or a streak across the page ends elsewhere."""
    ordered = np.sort(ends)
    shared = np.flatnonzero(np.diff(ordered) <= AGREE * width)
    return int(ordered[shared[0]] if len(shared) else ordered[0])
