"""A page without ruling: seen from above by the sheet's corners, its scale assumed from the length of its traces."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from retrieval.intake.page.calibration import ROW_MM
from retrieval.intake.page.direction import level_share
from retrieval.intake.page.flat import FlatPage
from retrieval.intake.page.perspective import sheet_from_above
from retrieval.intake.page.phase import Mask, Matrix
from retrieval.intake.page.refine import framed
from retrieval.intake.page.spectrum import Plane, Rgb
from retrieval.intake.page.straighten import flatten
from retrieval.intake.page.trace_span import DARKEST, FAINTEST, LEAST_INK, trace_span
from retrieval.intake.page.view import View

MOST_MM = 450.0
"""Beside traces of ``ROW_MM`` no more is looked at: twice a sheet of A4."""
UNTOLD = 0.2
"""How near to an even chance it lies whether strokes run across where they tell little."""
STREAK_SHARE = 0.3
"""Of the picture's height or width: what is straight for so long is no trace, and may tie the rows together."""
SIDE = 1500
"""Pixels of the longer side of the view from above."""
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
    plain = _without_long_lines(dark)
    level = level_share(_inked(plain))
    # Where strokes are broken to dots, they do not tell which way they run; their ends do.
    quarters = (int(level < 0.5),) if abs(level - 0.5) > UNTOLD else (0, 1)
    spans = [_span_at(dark, plain, quarter) for quarter in quarters]
    best = max((span for span in spans if span is not None), key=lambda span: span.weight, default=None)
    if best is None:
        return None
    scale = ROW_MM / (best.right - best.left)
    matrix, size = framed(np.diag([scale, scale, 1.0]) @ best.turn @ above, view.paper, MOST_MM)
    return flatten(view, matrix, size, UNRULED_TRUST if view.corners is not None else FLAT_TRUST, ruled=False)


def _span_at(dark: Plane, plain: Plane, quarter: int) -> _Span | None:
    """The span of traces that run across, or from top to bottom, once they were made level."""
    turn = np.eye(3)
    if quarter:
        turn = np.array([[0, 1, 0], [-1, 0, dark.shape[1] - 1.0], [0, 0, 1.0]])
        dark, plain = (np.ascontiguousarray(np.rot90(plane)) for plane in (dark, plain))
    skew = _skew(plain)
    if abs(skew) > SKEW_STEP / 2:
        shape = dark.shape[1], dark.shape[0]
        level = np.vstack([cv2.getRotationMatrix2D((shape[0] / 2, shape[1] / 2), skew, 1.0), [0, 0, 1]])
        dark, plain = (
            np.asarray(cv2.warpPerspective(plane, level, shape, flags=cv2.INTER_LINEAR), np.float32)
            for plane in (dark, plain)
        )
        turn = level @ turn
    span = trace_span(dark, plain)
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


def _without_long_lines(dark: Plane) -> Plane:
    """The same without what runs straight along the picture, as a copier's dirt and the dark beside a sheet do."""
    ink = (dark > LEAST_INK).astype(np.uint8)
    high, wide = (max(3, round(STREAK_SHARE * side)) for side in dark.shape)
    upright, level = np.ones((high, 1), np.uint8), np.ones((1, wide), np.uint8)
    streaks = cv2.max(*(cv2.morphologyEx(ink, cv2.MORPH_OPEN, line) for line in (upright, level)))
    return np.where(cv2.dilate(streaks, np.ones((3, 3), np.uint8)) > 0, np.float32(0), dark)
