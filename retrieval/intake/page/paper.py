"""Find the sheet of paper in a picture by its edges: where it lies and, if all four sides are seen, its corners."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from retrieval.intake.page.spectrum import Rgb

Mask = NDArray[np.uint8]
Points = NDArray[np.float64]
SIDE = 400
"""Longest side in pixels at which the sheet is sought: the traces are gone, its edges are not."""
SMALLEST, LARGEST = 0.08, 0.97
"""Share of the picture that a sheet with a visible edge covers."""
MIN_STEP = 9.0
"""Levels of 255 in Lab by which the sheet differs from what lies around it, at seven of eight places of its rim."""
MIN_SOLID = 0.93
"""Share of its convex hull that a sheet fills."""


@dataclass(frozen=True)
class Sheet:
    """Where the paper lies.

    Args:
        mask: uint8 ``[h, w]``, 255 on paper, over the whole picture at a coarse scale.
        scale: pixels of the mask per pixel of the picture it was found in.
        quad: ``[4, 2]`` corners in that picture's pixels, clockwise from the top left as the picture stands;
            ``None`` where a side lies outside the picture or is not straight.
    """

    mask: Mask
    scale: float
    quad: Points | None


def find_sheet(rgb: Rgb) -> Sheet | None:
    """The sheet in ``[height, width, 3]`` uint8, or ``None`` where no edge of it is seen: it fills the picture."""
    scale = min(1.0, SIDE / max(rgb.shape[:2]))
    size = max(8, round(rgb.shape[1] * scale)), max(8, round(rgb.shape[0] * scale))
    colour = _without_ink(cv2.resize(rgb, size, interpolation=cv2.INTER_AREA))
    best: tuple[float, Mask] | None = None
    for mask in _guesses(colour):
        worth = _worth(mask, colour)
        if worth > 0 and (best is None or worth > best[0]):
            best = worth, mask
    if best is None:
        return None
    quad = _corners(best[1])
    # A pixel of the mask stands for 1/scale pixels of the picture: its centre is half of one further in.
    return Sheet(best[1], scale, None if quad is None else (quad + 0.5) / scale - 0.5)


def _without_ink(rgb: NDArray[np.generic]) -> NDArray[np.float32]:
    """Lab colours of the picture with thin dark strokes closed."""
    lab = cv2.cvtColor(np.asarray(rgb, np.uint8), cv2.COLOR_RGB2LAB)
    lab[:, :, 0] = cv2.morphologyEx(lab[:, :, 0], cv2.MORPH_CLOSE, np.ones((7, 7), np.uint8))
    lab = cv2.medianBlur(lab, 5)
    return lab.astype(np.float32)


def _guesses(colour: NDArray[np.float32]) -> Iterator[Mask]:
    """Masks that may be the sheet: what is light, what is unlike the rim, what is like the middle."""
    light, red, blue = cv2.split(colour)
    rim = np.concatenate([colour[:4].reshape(-1, 3), colour[-4:].reshape(-1, 3), colour[:, :4].reshape(-1, 3),
                          colour[:, -4:].reshape(-1, 3)])  # fmt: skip
    weight = np.array([0.6, 1.6, 1.6], np.float32)
    height, width = light.shape
    middle = colour[height // 3 : -height // 3, width // 3 : -width // 3].reshape(-1, 3)
    planes = [light, 255 - np.hypot(red - 128, blue - 128)]
    planes.append(np.linalg.norm((colour - np.median(rim, axis=0)) * weight, axis=2))
    planes.append(255 - np.linalg.norm((colour - np.median(middle, axis=0)) * weight, axis=2))
    # Shadow darkens paper and table alike and leaves the hue: colour over light.
    tint = np.stack([red - 128, blue - 128], axis=2) / (light[:, :, None] + 16.0)
    for place in (tint[height // 3 : -height // 3, width // 3 : -width // 3], None):
        known = tint[[0, 1, -2, -1]] if place is None else place
        far = np.linalg.norm(tint - np.median(known.reshape(-1, 2), axis=0), axis=2)
        planes.append(np.minimum(far, np.float32(np.quantile(far, 0.95))) * (1 if place is None else -1))
    for plane in planes:
        level = cv2.normalize(plane, None, 0, 255, cv2.NORM_MINMAX).astype(np.uint8)  # type: ignore[call-overload]
        _, mask = cv2.threshold(level, 0, 255, cv2.THRESH_BINARY + cv2.THRESH_OTSU)
        yield _largest(np.asarray(mask, np.uint8))


def _largest(mask: Mask) -> Mask:
    """The largest piece, without whiskers and without holes."""
    clean = cv2.morphologyEx(mask, cv2.MORPH_OPEN, np.ones((5, 5), np.uint8))
    count, labels, stats, _ = cv2.connectedComponentsWithStats(clean, connectivity=4)
    if count < 2:
        return np.zeros_like(mask)
    label = 1 + int(stats[1:, cv2.CC_STAT_AREA].argmax())
    outline, _ = cv2.findContours((labels == label).astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    return np.asarray(cv2.drawContours(np.zeros_like(mask), outline, -1, 255, cv2.FILLED), np.uint8)


def _worth(mask: Mask, colour: NDArray[np.float32]) -> float:
    """How sheet-like a mask is: 0 where it is too small, ragged, or its rim shows no step."""
    share = float(mask.mean()) / 255
    if not SMALLEST < share < LARGEST:
        return 0.0
    points = np.argwhere(mask > 0)[:, ::-1].astype(np.int32)
    hull = cv2.convexHull(np.ascontiguousarray(points).reshape(-1, 1, 2))
    solid = len(points) / max(1.0, float(cv2.contourArea(hull)))
    if solid < MIN_SOLID:
        return 0.0
    step = _step(mask, colour)
    return solid**4 * step * np.sqrt(share) if step > MIN_STEP else 0.0


def _step(mask: Mask, colour: NDArray[np.float32]) -> float:
    """The lower eighth of the jump of colour over the rim, where the rim is not the picture's own."""
    outline, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    rim = outline[0].reshape(-1, 2).astype(np.float32)
    ahead, behind = np.roll(rim, -7, axis=0), np.roll(rim, 7, axis=0)
    along = ahead - behind
    out = np.stack([along[:, 1], -along[:, 0]], axis=1) / (np.linalg.norm(along, axis=1, keepdims=True) + 1e-6)
    # Contours run so that the outside is on one side; which one is seen at the majority of points.
    if _inside(mask, rim + 3 * out).mean() > 0.5:
        out = -out
    height, width = mask.shape
    far, near = rim + 5 * out, rim - 5 * out
    seen = ((far > 0) & (far < [width - 1, height - 1])).all(axis=1)
    if seen.sum() < 0.12 * len(rim):
        return 0.0
    jump = np.linalg.norm(_at(colour, near[seen]) - _at(colour, far[seen]), axis=1)
    return float(np.quantile(jump, 0.12))


def _inside(mask: Mask, points: NDArray[np.float32]) -> NDArray[np.bool_]:
    return np.asarray(_at(mask[:, :, None].astype(np.float32), points)[:, 0] > 127)


def _at(planes: NDArray[np.float32], points: NDArray[np.float32]) -> NDArray[np.float32]:
    x = np.clip(np.rint(points[:, 0]).astype(int), 0, planes.shape[1] - 1)
    y = np.clip(np.rint(points[:, 1]).astype(int), 0, planes.shape[0] - 1)
    return planes[y, x]


def _corners(mask: Mask) -> Points | None:
    """Corners of the quadrilateral whose sides fit the outline; ``None`` where one side is the picture's border."""
    outline, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    rim = outline[0].reshape(-1, 2).astype(np.float64)
    hull = np.asarray(cv2.convexHull(outline[0]), np.int32)
    quad = _four_of(hull)
    if quad is None:
        return None
    sides = [_fit_side(rim, quad[i], quad[(i + 1) % 4], mask.shape) for i in range(4)]
    if any(side is None for side in sides):
        return None
    corners = [_crossing(sides[i - 1], sides[i]) for i in range(4)]
    found = np.array([corner for corner in corners if corner is not None])
    if len(found) < 4:
        return None
    first = int(found.sum(axis=1).argmin())
    return np.roll(found, -first, axis=0)


def _four_of(hull: NDArray[np.int32]) -> Points | None:
    """A hull simplified to four points, clockwise on the screen."""
    length = cv2.arcLength(hull, True)
    for share in (0.01, 0.015, 0.02, 0.03, 0.04, 0.06, 0.08):
        few = cv2.approxPolyDP(hull, share * length, True).reshape(-1, 2).astype(np.float64)
        if len(few) == 4:
            turn = few - few.mean(axis=0)
            return few[np.argsort(np.arctan2(turn[:, 1], turn[:, 0]))]
        if len(few) < 4:
            break
    return None


def _fit_side(rim: Points, start: Points, end: Points, shape: tuple[int, ...]) -> tuple[Points, Points] | None:
    """A line ``(point, direction)`` through the outline between two corners; ``None`` where the picture cuts it."""
    along = end - start
    length = float(np.hypot(*along))
    if length < 10:
        return None
    unit = along / length
    away = rim - start
    at, off = away @ unit, np.abs(away @ np.array([-unit[1], unit[0]]))
    near = rim[(at > 0.05 * length) & (at < 0.95 * length) & (off < 0.04 * length + 3)]
    height, width = shape
    cut = (near < 2).any(axis=1) | (near > [width - 3, height - 3]).any(axis=1)
    if len(near) < 8 or cut.mean() > 0.2:
        return None
    vx, vy, x, y = cv2.fitLine(near[~cut].astype(np.float32), cv2.DIST_HUBER, 0, 0.01, 0.01).ravel()
    return np.array([x, y], np.float64), np.array([vx, vy], np.float64)


def _crossing(one: tuple[Points, Points] | None, other: tuple[Points, Points] | None) -> Points | None:
    if one is None or other is None:
        return None
    system = np.column_stack([one[1], -other[1]])
    if abs(np.linalg.det(system)) < 0.2:
        return None
    return one[0] + one[1] * np.linalg.solve(system, other[0] - one[0])[0]
