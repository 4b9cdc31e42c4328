"""A page without ruling: seen from above by the sheet's corners, its scale assumed from the length of its traces."""

from __future__ import annotations

from dataclasses import dataclass

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

Boxes = NDArray[np.int64]
MOST_MM = (450.0, 450.0)
"""Beside traces of ``ROW_MM`` no more is looked at: twice a sheet of A4."""
MIN_SPAN = 0.3
LETTER_SHARE = 0.08
"""A connected stroke wider than 8 % of the picture is a trace, a frame or a rule, and no letter."""
GAPS = (0.0, 0.004, 0.008)
"""Shares of the picture's width over which broken strokes are joined: none first."""
INK_SHARES = (0.5, 0.25)
"""Of the darkest ink, what counts as ink: less where black bars are darker than any trace."""
LEAST_INK, FAINTEST = 0.25, 0.05
"""Darkness of ink where some of it is dark, and of all ink where there is only faint one."""
DARKEST = 0.995
"""Quantile of darkness at which ink lies."""
UNTOLD = 0.2
"""How near to an even chance it lies whether strokes run across where they tell little."""
STREAK_SHARE = 0.3
"""Of the picture's height or width: what is straight for so long is no trace, and may tie the rows together."""
SIDE = 1500
"""Pixels of the longer side of the view from above."""
MIN_TRACES = 3
LOST_SHARE = 0.12
"""Share of the picture's width that a trace may have lost between two pieces of it."""
ROW_SHARE = 0.04
"""Share of the picture's width under which no two rows stand apart."""
SPECK_SHARE = 0.02
"""Of the picture's width, in pixels, what is no speck of dust."""
TABLE_TOP = 0.5
"""Share of its columns in which the top of a tall stroke may be at one height; a table's is at all of them."""
AGREE = 0.012
"""Share of the picture's width within which ends of traces are the same."""
MAX_SKEW, SKEW_STEP = 8.0, 0.2
INK = 0.35
UNRULED_TRUST, FLAT_TRUST = 0.4, 0.45
"""Probability that the scale is right to 2 %, of a page in perspective and of one that was laid flat."""


@dataclass(frozen=True)
class _Span:
    """Columns ``left`` to ``right`` of the traces after ``turn``, and how much speaks for them."""

    turn: Matrix
    left: int
    right: int
    weight: float


def assume_view(view: View) -> FlatPage | None:
    """Take the longest run of traces for ten seconds at 25 mm/s; ``None`` where nothing looks like traces."""
    above, shape = _from_above(view)
    pixels = cv2.warpPerspective(view.pixels, above, shape, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    paper = np.asarray(cv2.warpPerspective(view.paper, above, shape, flags=cv2.INTER_NEAREST), np.uint8)
    dark = _dark(np.asarray(pixels, np.uint8)) * _inner(paper)
    level = level_share(_inked(_without_streaks(dark)))
    # Where strokes are broken to dots, they do not tell which way they run; their ends do.
    quarters = (int(level < 0.5),) if abs(level - 0.5) > UNTOLD else (0, 1)
    spans = [_span_at(dark, quarter) for quarter in quarters]
    best = max((span for span in spans if span is not None), key=lambda span: span.weight, default=None)
    if best is None:
        return None
    scale = ROW_MM / (best.right - best.left)
    matrix, size = framed(np.diag([scale, scale, 1.0]) @ best.turn @ above, view.paper, MOST_MM)
    return flatten(view, matrix, size, UNRULED_TRUST if view.corners is not None else FLAT_TRUST, ruled=False)


def _span_at(dark: Plane, quarter: int) -> _Span | None:
    """The span of traces that run across, or from top to bottom, once they were made level."""
    turn = np.eye(3)
    if quarter:
        turn = np.array([[0, 1, 0], [-1, 0, dark.shape[1] - 1.0], [0, 0, 1.0]])
        dark = np.ascontiguousarray(np.rot90(dark))
    plain = _without_streaks(dark)
    skew = _skew(plain)
    if abs(skew) > SKEW_STEP / 2:
        shape = dark.shape[1], dark.shape[0]
        level = np.vstack([cv2.getRotationMatrix2D((shape[0] / 2, shape[1] / 2), skew, 1.0), [0, 0, 1]])
        dark, plain = (
            np.asarray(cv2.warpPerspective(plane, level, shape, flags=cv2.INTER_LINEAR), np.float32)
            for plane in (dark, plain)
        )
        turn = level @ turn
    span = _trace_span(dark, plain)
    return None if span is None else _Span(turn, *span)


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
    y, x = np.nonzero(_inked(dark))
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


def _inked(dark: Plane) -> Mask:
    """Where there is ink, 0 or 1; all that can be seen where there is only faint ink."""
    darkest = float(np.quantile(dark, DARKEST))
    return np.asarray(dark > float(np.clip(0.5 * darkest, FAINTEST, INK)), np.uint8)


def _dark(small: Rgb) -> Plane:
    """Darkness against the paper nearby, 0 to 1."""
    light = small.max(axis=2).astype(np.float32)
    side = max(15, small.shape[1] // 60) | 1
    paper = cv2.GaussianBlur(cv2.dilate(light, np.ones((side, side), np.uint8)), (0, 0), side / 2)
    return np.clip(1 - light / np.maximum(paper, 8.0), 0, 1).astype(np.float32)


def _trace_span(dark: Plane, plain: Plane) -> tuple[int, int, float] | None:
    """Leftmost and rightmost column of the traces, and their weight; ``None`` where there are too few.

    Strokes may be broken, as by a copier that leaves nothing of what is faint, or tied together by streaks, of which
    ``plain`` is free. Of all ways to join and to part them the one counts by which most rows are equally long, and
    the longest.
    """
    darkest = float(np.quantile(dark, DARKEST))
    half, less = (max(LEAST_INK, share * darkest) for share in INK_SHARES)
    spans = [span for ink in (plain > half, dark > half, plain > less) for span in _spans_of(ink)]
    if not spans:
        spans = _spans_of(plain > max(FAINTEST, INK_SHARES[0] * darkest))
    return max(spans, key=lambda span: span[2], default=None)  # the first of equals


def _spans_of(ink: Bools) -> list[tuple[int, int, float]]:
    """The spans of strokes joined over each of ``GAPS``."""
    spans = []
    strokes = ink.astype(np.uint8)
    for gap in GAPS:
        wide = round(gap * ink.shape[1]) | 1
        joined = cv2.morphologyEx(strokes, cv2.MORPH_CLOSE, np.ones((3, wide), np.uint8)) if gap else strokes
        spans.extend(_span_of(np.asarray(joined, np.uint8)))
    return spans


def _without_streaks(dark: Plane) -> Plane:
    """The same without what runs straight along the picture, as a copier's dirt and the dark beside a sheet do."""
    ink = (dark > LEAST_INK).astype(np.uint8)
    high, wide = (max(3, round(STREAK_SHARE * side)) for side in dark.shape)
    upright, level = np.ones((high, 1), np.uint8), np.ones((1, wide), np.uint8)
    streaks = cv2.max(*(cv2.morphologyEx(ink, cv2.MORPH_OPEN, line) for line in (upright, level)))
    return np.where(cv2.dilate(streaks, np.ones((3, 3), np.uint8)) > 0, np.float32(0), dark)


def _span_of(ink: Mask) -> list[tuple[int, int, float]]:
    """Leftmost and rightmost column of the rows of wide, thinly filled strokes; empty where there are too few.

    The weight is how many of their ends lie there, times the share of the width between them.
    """
    width = ink.shape[1]
    count, labels, stats, _ = cv2.connectedComponentsWithStats(ink, connectivity=8)
    boxes = stats[1:count].astype(np.int64)
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
        return []
    flat = boxes[:, cv2.CC_STAT_WIDTH] > 2 * boxes[:, cv2.CC_STAT_HEIGHT]  # which a calibration pulse is not
    small = boxes[~wide & flat & (boxes[:, cv2.CC_STAT_AREA] > SPECK_SHARE * width)]
    reaches = {(*_reach(trace, traces, small, width), _height(trace, width)) for trace in traces}
    starts, ends, _ = np.array(sorted(reaches)).T
    left, right = _agreed(starts, width), -_agreed(-ends, width)
    near = AGREE * width
    there = int((abs(starts - left) <= near).sum() + (abs(ends - right) <= near).sum())
    return [(left, right, there * (right - left) / width)] if right - left > MIN_SPAN * width else []


def _height(trace: Boxes, width: int) -> int:
    """At which height a trace runs, coarsely: pieces of one row are at the same."""
    return round(float(trace[cv2.CC_STAT_TOP] + trace[cv2.CC_STAT_HEIGHT]) / (ROW_SHARE * width))


def _reach(trace: Boxes, traces: Boxes, small: Boxes, width: int) -> tuple[int, int]:
    """Where the row of a trace begins and ends: its pieces, and gaps of up to ``LOST_SHARE`` between them."""
    top, bottom = trace[cv2.CC_STAT_TOP], trace[cv2.CC_STAT_TOP] + trace[cv2.CC_STAT_HEIGHT]
    others = np.concatenate([traces, small])
    middle = others[:, cv2.CC_STAT_TOP] + others[:, cv2.CC_STAT_HEIGHT] / 2
    beside = others[(middle > top) & (middle < bottom)]
    begin = beside[:, cv2.CC_STAT_LEFT]
    end = begin + beside[:, cv2.CC_STAT_WIDTH]
    left = int(trace[cv2.CC_STAT_LEFT])
    right = left + int(trace[cv2.CC_STAT_WIDTH])
    for i in np.argsort(begin):
        if right < end[i] and begin[i] - right < LOST_SHARE * width:
            right = int(end[i])
    for i in np.argsort(-end):
        if left > begin[i] and left - end[i] < LOST_SHARE * width:
            left = int(begin[i])
    return left, right


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
