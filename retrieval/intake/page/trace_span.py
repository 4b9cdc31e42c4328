"""From where to where the traces of a page without ruling run, however broken their strokes."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from retrieval.intake.page.flat import Bools
from retrieval.intake.page.phase import Mask
from retrieval.intake.page.spectrum import Plane

Boxes = NDArray[np.int64]
LEAST_INK, FAINTEST = 0.25, 0.05
"""Darkness of ink where some of it is dark, and of all ink where there is only faint one."""
DARKEST = 0.995
"""Quantile of darkness at which ink lies."""
INK_SHARES = (0.5, 0.25)
"""Of the darkest ink, what counts as ink: less where black bars are darker than any trace."""
GAPS = (0.0, 0.004, 0.008)
"""Shares of the picture's width over which broken strokes are joined."""
LETTER_SHARE = 0.08
"""A connected stroke wider than 8 % of the picture is a trace, a frame or a rule, and no letter."""
MIN_TRACES = 3
MIN_SPAN = 0.3
LOST_SHARE = 0.12
"""Share of the picture's width that a trace may have lost between two pieces of it."""
ROW_SHARE = 0.04
"""Share of the picture's width under which no two rows stand apart."""
SPECK_SHARE = 0.02
"""Of the picture's width: a stroke of fewer pixels is a speck of dust."""
TABLE_TOP = 0.5
"""Share of its columns in which the top of a tall stroke may be at one height; a table's is at all of them."""
AGREE = 0.012
"""Share of the picture's width within which ends of traces are the same."""


def trace_span(dark: Plane, plain: Plane) -> tuple[int, int, float] | None:
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
    """At which height the lower edge of a trace lies, coarsely: pieces of one row mostly are at the same."""
    return round(float(trace[cv2.CC_STAT_TOP] + trace[cv2.CC_STAT_HEIGHT]) / (ROW_SHARE * width))


def _reach(trace: Boxes, traces: Boxes, small: Boxes, width: int) -> tuple[int, int]:
    """Where the row of a trace begins and ends: its pieces, and gaps of up to ``LOST_SHARE`` of the width."""
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
