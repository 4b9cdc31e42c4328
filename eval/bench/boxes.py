"""Whether the boxes of leads that were found on a picture agree with the true ones."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from retrieval.intake import FoundLead

Box = NDArray[np.float64]
"""Corners ``[4, 2]`` in pixels of the picture: top left, top right, bottom right, bottom left as the page reads."""

ACROSS_MM = 5.0
END_MM = 6.0
OVERLAP = 0.5


@dataclass(frozen=True)
class TrueLead:
    """A lead's name, its row from 0 at the top and its true box, as ``FoundLead`` has them."""

    lead: str
    row: int
    box: Box


@dataclass(frozen=True)
class Agreement:
    """How the leads that were found agree with the true ones.

    Args:
        leads: how many there are.
        right: how many were found under their name with a right box.
        placed: how many were found under their name at their place.
        extra: leads that were found and are not there.
    """

    leads: int
    right: int
    placed: int
    extra: int

    @property
    def all_right(self) -> bool:
        """Every lead's box right, and no lead more."""
        return self.right == self.leads and self.extra == 0

    @property
    def all_placed(self) -> bool:
        """Every lead named at its place, and no lead more."""
        return self.placed == self.leads and self.extra == 0


def overlap(one: Box, other: Box) -> float:
    """Intersection over union of two convex quadrilaterals, from 0 to 1."""
    a, b = _upwards(np.asarray(one, np.float64)), _upwards(np.asarray(other, np.float64))
    shared = _area(_clipped(a, b))
    union = _area(a) + _area(b) - shared
    return shared / union if union > 0 else 0.0


def _area(corners: NDArray[np.float64]) -> float:
    """Of a polygon ``[n, 2]``, by the shoelace formula; its sign tells which way round the corners go."""
    x, y = corners[:, 0], corners[:, 1]
    return float(x @ np.roll(y, -1) - y @ np.roll(x, -1)) / 2


def _upwards(corners: NDArray[np.float64]) -> NDArray[np.float64]:
    return corners if _area(corners) >= 0 else corners[::-1]


def _clipped(subject: NDArray[np.float64], window: NDArray[np.float64]) -> NDArray[np.float64]:
    """What of a convex polygon lies in another (Sutherland and Hodgman, CACM 1974).

    OpenCV's ``intersectConvexConvex`` says 0 for some boxes that touch along an edge.
    """
    for start, stop in zip(window, np.roll(window, -1, axis=0), strict=True):
        if not len(subject):
            break
        way = stop - start
        side = way[0] * (subject[:, 1] - start[1]) - way[1] * (subject[:, 0] - start[0])
        kept: list[NDArray[np.float64]] = []
        for i in range(len(subject)):
            j = (i + 1) % len(subject)
            if side[i] >= 0:
                kept.append(subject[i])
            if side[i] * side[j] < 0:
                kept.append(subject[i] + (subject[j] - subject[i]) * side[i] / (side[i] - side[j]))
        subject = np.array(kept).reshape(-1, 2)
    return subject


def box_right(found: Box, true: Box, px_per_mm: Sequence[float]) -> bool:
    """Whether a box says where its lead is: where it begins and stops, and on which height.

    Both ends lie within 6 mm of the true ones along the trace; the middle lies within 5 mm of the true one across it,
    or a quarter of the distance of rows, where that is more (a wandering trace has no sharp baseline); and the boxes
    overlap by half, so that the height is not made up. An end is the middle of the box's left or right edge.

    Args:
        found: ``[4, 2]`` in pixels.
        true: the same of the true box.
        px_per_mm: pixels per mm along and across the traces.
    """
    seen, marks = _marks(found), _marks(true)
    along = _direction(marks[2] - marks[1])
    across = _direction((true[3] + true[2] - true[0] - true[1]) / 2)
    ends = np.abs((seen[1:] - marks[1:]) @ along) / px_per_mm[0]
    high = float(np.linalg.norm((true[3] + true[2] - true[0] - true[1]) / 2)) / px_per_mm[1]
    beside = abs(float((seen[0] - marks[0]) @ across)) / px_per_mm[1]
    near = bool((ends <= END_MM).all()) and beside <= max(ACROSS_MM, high / 4)
    return near and overlap(found, true) >= OVERLAP


def _direction(vector: NDArray[np.float64]) -> NDArray[np.float64]:
    return vector / (float(np.linalg.norm(vector)) + 1e-12)


def at_place(found: Box, true: Box) -> bool:
    """Whether the centre of each box lies within the other."""
    return _inside(_marks(found)[0], true) and _inside(_marks(true)[0], found)


def _marks(box: Box) -> NDArray[np.float64]:
    """``[3, 2]``: the centre, the middle of the left edge, the middle of the right one."""
    box = np.asarray(box, np.float64)
    return np.stack([box.mean(axis=0), (box[0] + box[3]) / 2, (box[1] + box[2]) / 2])


def _inside(point: NDArray[np.float64], box: Box) -> bool:
    return cv2.pointPolygonTest(np.asarray(box, np.float32), (float(point[0]), float(point[1])), False) >= 0


def agreement(found: Iterable[FoundLead], true: Sequence[TrueLead], px_per_mm: Sequence[float]) -> Agreement:
    """Pair the leads by name, the nearest first, and judge each pair."""
    left = list(found)
    right = placed = 0
    for lead in true:
        same = [f for f in left if f.lead == lead.lead]
        if not same:
            continue
        mine = min(same, key=lambda f: float(np.linalg.norm(_marks(np.asarray(f.box)) - _marks(lead.box))))
        box = np.asarray(mine.box, np.float64)
        if not at_place(box, lead.box):
            continue  # a lead that stands elsewhere is one more that is not there
        left.remove(mine)
        placed += 1
        right += box_right(box, lead.box, px_per_mm)
    return Agreement(len(true), right, placed, len(left))


def corner_error_mm(found: Box | None, true: Box, px_per_mm: Sequence[float]) -> float:
    """Mean distance of the four corners in mm; infinite where none were found."""
    if found is None:
        return float("inf")
    away = (np.asarray(found, np.float64) - np.asarray(true, np.float64)) / np.asarray(px_per_mm, np.float64)
    return float(np.linalg.norm(away, axis=1).mean())
