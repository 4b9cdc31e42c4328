"""A page without ruling: the scale is assumed from the length of its traces."""

from __future__ import annotations

import cv2
import numpy as np

from retrieval.intake.page.spectrum import Plane, Rgb
from retrieval.intake.page.straighten import FlatPage, flatten

ROW_MM = 250.0
MIN_SPAN = 0.3
LETTER_SHARE = 0.08
"""A connected stroke wider than 8 % of the picture is a trace, a frame or a rule, and no letter."""


def assume_scale(small: Rgb, factor: float) -> FlatPage | None:
    """Take the longest run of traces for ten seconds at 25 mm/s; ``None`` where nothing looks like traces.

    The picture is taken to be upright: without a ruling only its traces could say otherwise.
    ``small`` and ``factor`` are what ``shrink`` returns.
    """
    dark = _dark(small)
    span = _trace_span(dark)
    if span is None:
        return None
    scale = ROW_MM / (span[1] - span[0])
    matrix = np.diag([scale, scale, 1.0])
    return flatten(small, matrix, factor, 0.3, ruled=False)


def _dark(small: Rgb) -> Plane:
    """Darkness against the paper nearby, 0 to 1."""
    light = small.max(axis=2).astype(np.float32)
    side = max(15, small.shape[1] // 60) | 1
    paper = cv2.GaussianBlur(cv2.dilate(light, np.ones((side, side), np.uint8)), (0, 0), side / 2)
    return np.clip(1 - light / np.maximum(paper, 8.0), 0, 1).astype(np.float32)


def _trace_span(dark: Plane) -> tuple[int, int] | None:
    """Leftmost and rightmost column of wide, thinly filled strokes; ``None`` where there are too few."""
    width = dark.shape[1]
    ink = (dark > max(0.25, 0.5 * float(np.quantile(dark, 0.995)))).astype(np.uint8)
    count, _, stats, _ = cv2.connectedComponentsWithStats(ink, connectivity=8)
    boxes = stats[1:count]
    wide = boxes[:, cv2.CC_STAT_WIDTH] > LETTER_SHARE * width
    filled = boxes[:, cv2.CC_STAT_AREA] / (boxes[:, cv2.CC_STAT_WIDTH] * boxes[:, cv2.CC_STAT_HEIGHT])
    # A rule or a frame is flat or hollow to the last pixel; a trace moves up and down.
    moves = (boxes[:, cv2.CC_STAT_HEIGHT] > 0.004 * width) & (boxes[:, cv2.CC_STAT_HEIGHT] < 0.3 * width)
    traces = boxes[wide & moves & (filled < 0.8) & (filled > 0.005)]
    if len(traces) < 3:
        return None
    left = int(traces[:, cv2.CC_STAT_LEFT].min())
    right = int((traces[:, cv2.CC_STAT_LEFT] + traces[:, cv2.CC_STAT_WIDTH]).max())
    return (left, right) if right - left > MIN_SPAN * width else None
