"""Warp a picture so that its paper lies flat, upright and at one known scale."""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from retrieval.intake.page.phase import Matrix, PaperMap, map_paper
from retrieval.intake.page.spectrum import Plane, Rgb, find_rulings, line_evidence

FLAT_PX_PER_MM = 6.0
"""Scale of the straightened picture: 0.17 mm a pixel, about a third of a trace's width."""
MAX_FLAT_MM = (460.0, 400.0)
WORTH_BENDING_MM = 0.08
MIN_COVER = 0.2
SAME_COLOUR = 7
"""Levels of 255 by which neighbouring cells of one sheet may differ in any channel."""
GOOD_COVER, GOOD_MISFIT_MM = 0.5, 0.8


@dataclass(frozen=True)
class FlatPage:
    """A straightened picture.

    Args:
        pixels: ``[height, width, 3]`` uint8 RGB at ``FLAT_PX_PER_MM``, its lines on multiples of 5 mm.
        valid: ``[height, width]`` bool, where the picture reaches.
        matrix: ``[3, 3]`` from the picture's pixels to flat millimetres.
        px_per_mm: ``(x, y)`` of the picture in its middle.
        rotation_deg: by how much the paper was turned, counter-clockwise positive.
        trust: from 0 to 1, how well the ruling was followed; 0 where none was found and the scale is assumed.
        ruled: whether there is a ruling.
    """

    pixels: Rgb
    valid: NDArray[np.bool_]
    matrix: Matrix
    px_per_mm: tuple[float, float]
    rotation_deg: float
    trust: float
    ruled: bool


def straighten(small: Rgb, factor: float) -> FlatPage | None:
    """Straighten by the ruling of the paper; ``None`` where no ruling can be followed.

    Args:
        small: the picture at its working size, as ``shrink`` returns it.
        factor: pixels of ``small`` per pixel of the picture.
    """
    evidence = line_evidence(small)
    best: tuple[float, PaperMap] | None = None
    for ruling in find_rulings(evidence, factor):
        found = map_paper(evidence, ruling)
        if found is None or not _believable(found, small.shape):
            continue
        worth = ruling.strength * found.covered / (0.3 + found.misfit_mm)
        if best is None or worth > best[0]:
            best = worth, found
        if found.covered > GOOD_COVER and found.misfit_mm < GOOD_MISFIT_MM:
            break
    if best is None:
        return None
    trust = float(np.clip(best[1].covered / 0.7, 0, 1) * np.clip(1.3 - best[1].misfit_mm, 0.2, 1))
    found = best[1]
    bend = found.bend if float(np.sqrt((found.bend**2).mean())) > WORTH_BENDING_MM else None
    page = flatten(small, found.matrix, factor, trust, ruled=True, bend=bend)
    return replace(page, valid=page.valid & _on_paper(found, page, factor, small))


def _on_paper(found: PaperMap, page: FlatPage, factor: float, small: Rgb) -> NDArray[np.bool_]:
    """Where the straightened page shows ruled paper; an edge of the sheet inside the picture is left out."""
    height, width = small.shape[:2]
    ruled = _grown(found.ruled, small)
    # Cells at the border of the picture are continued, so that only an edge inside the picture is shaved.
    ruled = cv2.copyMakeBorder(ruled, 1, 1, 1, 1, cv2.BORDER_REPLICATE)
    cell = width / found.ruled.shape[1], height / found.ruled.shape[0]
    into = np.array([[cell[0], 0, -0.5 * cell[0]], [0, cell[1], -0.5 * cell[1]], [0, 0, 1]])
    view = (
        np.diag([FLAT_PX_PER_MM, FLAT_PX_PER_MM, 1.0]) @ page.matrix @ np.diag([1 / factor, 1 / factor, 1.0]) @ into
    )
    size = page.valid.shape[1], page.valid.shape[0]
    flat = cv2.warpPerspective(ruled, view, size, flags=cv2.INTER_LINEAR)
    return np.asarray(flat > 127)


def _grown(ruled: NDArray[np.uint8], small: Rgb) -> NDArray[np.uint8]:
    """The paper where its lines were followed, and what borders on that without a jump of colour.

    Lines fade in shadow and blur while the paper goes on; at the edge of a table the colour jumps.
    """
    size = ruled.shape[1], ruled.shape[0]
    colour = cv2.resize(cv2.medianBlur(small, 5), size, interpolation=cv2.INTER_AREA).astype(np.int16)
    paper = ruled > 0
    for _ in range(sum(ruled.shape)):
        more = paper.copy()
        for axis, step in ((0, 1), (0, -1), (1, 1), (1, -1)):
            same = np.abs(colour - np.roll(colour, step, axis)).max(axis=2) < SAME_COLOUR
            same[(0 if step > 0 else -1,) if axis == 0 else (slice(None), 0 if step > 0 else -1)] = False
            more |= np.roll(paper, step, axis) & same
        if (more == paper).all():
            break
        paper = more
    # A thick trace jumps in colour as well: gaps of a few cells belong to the sheet around them.
    whole = cv2.morphologyEx(
        np.pad(paper.astype(np.uint8), 4, mode="edge"), cv2.MORPH_CLOSE, np.ones((7, 7), np.uint8)
    )
    return np.asarray(whole[4:-4, 4:-4] * 255, np.uint8)


def flatten(
    small: Rgb, matrix: Matrix, factor: float, trust: float, *, ruled: bool, bend: Plane | None = None
) -> FlatPage:
    """Warp ``small`` by ``matrix`` (its pixels to mm of paper); ``factor`` is its pixels per pixel of the picture."""
    height, width = small.shape[:2]
    corners = _apply(matrix, np.array([[0, 0], [width, 0], [width, height], [0, height]], float))
    low = np.floor(corners.min(axis=0) / 5) * 5
    size = np.minimum(np.ceil((corners.max(axis=0) - low) / 5) * 5, MAX_FLAT_MM)
    flat = np.array([[1, 0, -low[0]], [0, 1, -low[1]], [0, 0, 1.0]]) @ matrix
    shape = round(size[0] * FLAT_PX_PER_MM), round(size[1] * FLAT_PX_PER_MM)
    x, y = _sources(flat, shape, (width, height), bend)
    pixels = cv2.remap(small, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    edge = 1.5
    valid = (x > edge) & (y > edge) & (x < width - 1 - edge) & (y < height - 1 - edge)
    scale, turn = _local(matrix, width / 2, height / 2)
    picture = flat @ np.diag([factor, factor, 1.0])
    return FlatPage(
        np.asarray(pixels, np.uint8), valid, picture, (scale[0] / factor, scale[1] / factor), turn, trust, ruled
    )


def _sources(
    flat: Matrix, shape: tuple[int, int], source: tuple[int, int], bend: Plane | None
) -> tuple[Plane, Plane]:
    """For each pixel of the straightened page of ``shape`` (width, height), the place in the picture it shows."""
    back = np.linalg.inv(flat).astype(np.float64)
    # A pixel's centre lies half a pixel inside it.
    x_mm = ((np.arange(shape[0], dtype=np.float32) + 0.5) / FLAT_PX_PER_MM)[None].repeat(shape[1], axis=0)
    y_mm = ((np.arange(shape[1], dtype=np.float32) + 0.5) / FLAT_PX_PER_MM)[:, None].repeat(shape[0], axis=1)
    x, y = _plane(back, x_mm, y_mm)
    if bend is None:
        return x, y
    at_x = x * np.float32(bend.shape[2] / source[0]) - np.float32(0.5)
    at_y = y * np.float32(bend.shape[1] / source[1]) - np.float32(0.5)
    off = [cv2.remap(part, at_x, at_y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE) for part in bend]
    return _plane(back, x_mm - off[0], y_mm - off[1])


def _plane(matrix: Matrix, x: Plane, y: Plane) -> tuple[Plane, Plane]:
    a, b, c = matrix.astype(np.float32)
    depth = c[0] * x + c[1] * y + c[2]
    return (a[0] * x + a[1] * y + a[2]) / depth, (b[0] * x + b[1] * y + b[2]) / depth


def _apply(matrix: Matrix, points: Matrix) -> Matrix:
    projected = np.hstack([points, np.ones((len(points), 1))]) @ matrix.T
    return projected[:, :2] / projected[:, 2:]


def _local(matrix: Matrix, x: float, y: float) -> tuple[tuple[float, float], float]:
    """Pixels per mm ``(x, y)`` and the turn in degrees at a point."""
    around = _apply(matrix, np.array([[x - 5, y], [x + 5, y], [x, y - 5], [x, y + 5]]))
    right, down = around[1] - around[0], around[3] - around[2]
    turn = float(np.degrees(np.arctan2(right[1], right[0])))
    return (10.0 / float(np.hypot(*right)), 10.0 / float(np.hypot(*down))), turn


def _believable(found: PaperMap, shape: tuple[int, ...]) -> bool:
    """A camera's view of a page never folds over, and its scale changes by less than half from end to end."""
    height, width = shape[:2]
    corners = np.array([[0, 0], [width, 0], [width, height], [0, height]], float)
    depth = np.hstack([corners, np.ones((4, 1))]) @ found.matrix[2]
    if depth.min() <= 0 or depth.max() / depth.min() > 2.5 or found.covered < MIN_COVER:
        return False
    scale, turn = _local(found.matrix, width / 2, height / 2)
    return 0.7 < scale[0] / scale[1] < 1.43 and abs(turn) < 30.0
