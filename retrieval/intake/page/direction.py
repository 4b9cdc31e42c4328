"""Which way the traces of a page run: from side to side, or from top to bottom because it lies on its side."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from retrieval.intake.page.spectrum import Rgb, dark_ink

Mask = NDArray[np.uint8]
Bools = NDArray[np.bool_]
SIDE = 900
"""Longest side in pixels at which directions are compared."""
UNCLEAR = (0.25, 0.75)
"""Evidence between these was seen for pages either way; of 48 drawn ones 47 lie outside."""
LONG = 0.07
"""Share of the longer side from which a connected stroke is a piece of trace and no letter."""


def runs_down(pixels: Rgb, valid: Bools) -> bool:
    """Whether the traces of ``[height, width, 3]`` uint8 run from top to bottom.

    A trace is one stroke that is much longer than its waves are high; where strokes run into each other or into the
    ruling, its baselines still gather ink on few lines.
    """
    return _level(pixels, valid) < 0.5


def may_run_down(pixels: Rgb, valid: Bools) -> bool:
    """Whether ``runs_down`` could as well have said the opposite: where tall waves tie all rows together."""
    return UNCLEAR[0] < _level(pixels, valid) < UNCLEAR[1]


def is_unclear(ink: Bools) -> bool:
    """As ``may_run_down``, of ink alone."""
    return UNCLEAR[0] < level_share(ink.astype(np.uint8)) < UNCLEAR[1]


def _level(pixels: Rgb, valid: Bools) -> float:
    factor = min(1.0, SIDE / max(pixels.shape[:2]))
    size = max(1, round(pixels.shape[1] * factor)), max(1, round(pixels.shape[0] * factor))
    small = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)
    paper = cv2.resize(valid.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST)
    inner = cv2.erode(paper, np.ones((13, 13), np.uint8), borderType=cv2.BORDER_CONSTANT, borderValue=(0,))
    return level_share(np.asarray(dark_ink(np.asarray(small, np.uint8)) * inner, np.uint8))


def level_share(ink: Mask) -> float:
    """Evidence from 0 to 1 that the strokes of a 0/1 mask run from side to side; 0.5 where there is none."""
    return float(np.clip(0.5 + _by_strokes(ink) + 0.3 * _by_lines(ink), 0, 1))


def _by_strokes(ink: Mask) -> float:
    """From -0.5 to 0.5: whether connected strokes are wide or high."""
    count, _, stats, _ = cv2.connectedComponentsWithStats(ink, connectivity=8)
    wide = stats[1:count, cv2.CC_STAT_WIDTH].astype(float)
    high = stats[1:count, cv2.CC_STAT_HEIGHT].astype(float)
    longer = np.maximum(wide, high)
    # The frame of a page is as long as it is: it says nothing.
    kept = (longer > LONG * max(ink.shape)) & ~((wide > 0.9 * ink.shape[1]) & (high > 0.9 * ink.shape[0]))
    if not kept.any():
        return 0.0
    lead = (wide - high)[kept] / longer[kept]
    return 0.5 * float(np.average(lead, weights=longer[kept]))


def _by_lines(ink: Mask) -> float:
    """From -0.5 to 0.5: whether ink gathers on few rows or on few columns."""
    gathered = []
    for axis in (1, 0):
        sums = ink.sum(axis=axis, dtype=np.float64)
        smooth = cv2.GaussianBlur(sums.reshape(-1, 1), (1, 61), 15).ravel()
        gathered.append(float(((sums - smooth) ** 2).sum()) / ink.shape[axis])
    rows, columns = gathered
    return rows / (rows + columns) - 0.5 if rows + columns > 0 else 0.0
