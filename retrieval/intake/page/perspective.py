"""What the four corners of a sheet tell about the camera: the sheet seen from straight above, but for its size."""

from __future__ import annotations

import cv2
import numpy as np

from retrieval.intake.page.flat import inverse
from retrieval.intake.page.phase import Matrix

USUAL_FOCUS = 1.3
"""Focal length in longest sides of the picture, taken where the corners do not tell."""
FOCUS_RANGE = (0.6, 4.0)


def sheet_from_above(corners: Matrix, centre: tuple[float, float], longest: float) -> tuple[Matrix, float]:
    """The map ``[3, 3]`` of a sheet with these corners to a rectangle of height 1, and its width by height.

    Zhang and He, Whiteboard scanning and image enhancement (MSR-TR-2003-39): the sides of a rectangle are square to
    each other, which gives the focal length where both pairs of sides converge, and with it the aspect.

    Args:
        corners: ``[4, 2]`` clockwise from the top left.
        centre: the camera's axis, the middle of the whole picture, in the same pixels.
        longest: the picture's longer side in these pixels.
    """
    unit = np.array([[0, 0], [1, 0], [1, 1], [0, 1]], np.float32)
    moved = ((corners - np.array(centre)) / longest).astype(np.float32)
    view = np.asarray(cv2.getPerspectiveTransform(unit, moved), np.float64)
    right, down = view[:, 0], view[:, 1]
    focus = _focus(right, down)
    weigh = np.array([1.0, 1.0, focus**2])
    aspect = float(np.sqrt((right**2 * weigh).sum() / (down**2 * weigh).sum()))
    shift = np.array([[1, 0, -centre[0]], [0, 1, -centre[1]], [0, 0, longest]]) / longest
    return np.diag([aspect, 1.0, 1.0]) @ inverse(view) @ shift, aspect


def _focus(right: Matrix, down: Matrix) -> float:
    """Focal length in longest sides; the usual one where the sides of the sheet hardly converge."""
    tilt = right[2] * down[2]
    if abs(tilt) < 4e-3 * float(np.hypot(*right[:2]) * np.hypot(*down[:2])):
        return USUAL_FOCUS
    square = -(right[0] * down[0] + right[1] * down[1]) / tilt
    low, high = FOCUS_RANGE
    return float(np.sqrt(square)) if low**2 < square < high**2 else USUAL_FOCUS
