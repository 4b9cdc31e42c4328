"""Streaks of a copier or a scanner: lines straight along the picture, on a page that lies at an angle in it."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from retrieval.intake.page.flat import FLAT_PX_PER_MM, FlatPage, project
from retrieval.intake.page.phase import Matrix
from retrieval.intake.page.spectrum import Plane

Mask = NDArray[np.uint8]
TURN_DEG = 0.7, 30.0
"""By how much a page must be turned for its own lines to be told from the picture's, and may be."""
APART_DEG = 0.3
"""The picture's axis has one direction all over a page that was scanned: a photograph's has not."""
PIECE_MM = 30.0
"""Longer than a level stroke of a pen stays on one line of a picture in which it is turned."""
LONG_SHARE = 0.5
"""Of the picture's width or height, along which a streak runs at least."""
WIDEST_MM = 1.5
"""A dark margin is wider, and for others to leave out."""
INK, MARGIN = 0.3, 1
"""Share of the ink level from which a pixel may be one of a streak; pixels beside it that go with it."""


def without_streaks(ink: Plane, page: FlatPage) -> Plane:
    """Ink ``[height, width]`` of a flat page less what runs along the axes of the picture, where the page does not.

    What crosses a streak loses no more than the streak's width. A page that lies straight in its picture is left as
    it is: nothing tells its own long lines from the picture's.
    """
    angle = _turn(page, ink.shape)
    if angle is None:
        return ink
    dark = (ink > INK).astype(np.uint8)
    height, width = ink.shape
    around = np.abs(cv2.getRotationMatrix2D((0, 0), angle, 1.0)[:, :2])
    size = np.ceil(around @ (width, height)).astype(int)
    turn = cv2.getRotationMatrix2D((width / 2, height / 2), angle, 1.0)
    turn[:, 2] += (size - (width, height)) / 2
    straight = np.asarray(cv2.warpAffine(dark, turn, size.tolist(), flags=cv2.INTER_NEAREST), np.uint8)
    streaks = _lines(straight) | _lines(np.ascontiguousarray(straight.T)).T
    if not streaks.any():
        return ink
    wide = cv2.dilate(np.ascontiguousarray(streaks), np.ones((2 * MARGIN + 1,) * 2, np.uint8))
    back = cv2.warpAffine(wide, turn, (width, height), flags=cv2.INTER_NEAREST | cv2.WARP_INVERSE_MAP)
    return np.where(back > 0, np.float32(0), ink)


def _turn(page: FlatPage, shape: tuple[int, ...]) -> float | None:
    """Degrees by which to turn the flat page for the picture's axes to be level; None where that says nothing."""
    height, width = shape
    corners = np.array([[0, 0], [width, 0], [0, height], [width, height]], np.float64)
    there = page.to_picture(corners)
    along = _direction(page.matrix, there)
    along = (along + 45.0) % 90.0 - 45.0
    turn = float(np.median(along))
    one = bool(np.ptp(along) < APART_DEG)
    return turn if one and TURN_DEG[0] <= abs(turn) <= TURN_DEG[1] else None


def _direction(matrix: Matrix, points: Matrix) -> Matrix:
    """Degrees of the picture's horizontal on the flat page, at points ``[n, 2]`` of the picture."""
    step = project(matrix, points + np.array([10.0, 0.0])) - project(matrix, points)
    return np.asarray(np.degrees(np.arctan2(step[:, 1], step[:, 0])))


def _lines(dark: Mask) -> Mask:
    """Level lines, thin and long, that may be broken."""
    piece = round(PIECE_MM * FLAT_PX_PER_MM)
    closed = cv2.morphologyEx(dark, cv2.MORPH_CLOSE, np.ones((3, 1), np.uint8))
    level = cv2.morphologyEx(closed, cv2.MORPH_OPEN, np.ones((1, piece), np.uint8))
    rows = level.any(axis=1)
    if not rows.any():
        return np.zeros_like(dark)
    edges = np.flatnonzero(np.diff(np.concatenate([[0], rows.astype(np.int8), [0]])))
    for top, bottom in edges.reshape(-1, 2):
        band = level[top:bottom]
        long = np.count_nonzero(band.any(axis=0)) >= LONG_SHARE * dark.shape[1]
        if not long or bottom - top > WIDEST_MM * FLAT_PX_PER_MM:
            level[top:bottom] = 0
    return np.asarray(level, np.uint8)
