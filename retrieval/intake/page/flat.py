"""A straightened page, and the exact way from each of its points back into the picture."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from retrieval.intake.page.phase import Matrix
from retrieval.intake.page.spectrum import Plane, Rgb
from retrieval.intake.page.stretches import Stretches

FLAT_PX_PER_MM = 6.0
"""Scale of the straightened picture: 0.17 mm a pixel, about a third of a trace's width."""
MAX_FLAT_MM = 580.0
"""Side of the largest square page; a long strip may have as much paper, and be half as long again."""
BEND_MM = 5.0
"""Millimetres from one node of the lattice of the bend to the next; a flat page is a whole number of them."""
CHORD_MM, CHORDS_AT_MM = 50.0, (-20.0, -10.0, 0.0, 10.0, 20.0)
"""Over which length a page's scale is measured, and how far beside its middle."""
Bools = NDArray[np.bool_]
Quad = tuple[tuple[float, float], tuple[float, float], tuple[float, float], tuple[float, float]]


@dataclass(frozen=True)
class FlatPage:
    """A straightened picture.

    Args:
        pixels: ``[height, width, 3]`` uint8 RGB at ``FLAT_PX_PER_MM``, its lines on multiples of 5 mm.
        valid: ``[height, width]`` bool, where the picture shows paper; a table beside the sheet is left out.
        matrix: ``[3, 3]`` from the picture's pixels to flat millimetres, without the bend.
        px_per_mm: ``(x, y)`` of the picture in the middle of the page.
        rotation_deg: by how much the paper was turned, counter-clockwise positive.
        trust: from 0 to 1, the probability that the scale is within 2 %; low where no ruling was found and the scale
            is assumed.
        ruled: whether there is a ruling.
        bend: float32 ``[2, rows, columns]``, millimetres ``(x, y)`` to add to a flat point before ``matrix`` is
            undone; its nodes lie ``BEND_MM`` apart, the first at the corner. ``None`` where the paper lies flat.
        paper: corners of the sheet in the picture's pixels, from the top left of the flat page clockwise; ``None``
            where not all its sides are seen.
        stretches: of the ruling, ``(across, along)``, for its scale where every lead is ruled from its own corner.
    """

    pixels: Rgb
    valid: Bools
    matrix: Matrix
    px_per_mm: tuple[float, float]
    rotation_deg: float
    trust: float
    ruled: bool
    bend: Plane | None = None
    paper: Quad | None = None
    stretches: tuple[Stretches, Stretches] | None = None

    @property
    def inside(self) -> Bools:
        """``[height, width]`` bool, where the picture shows paper."""
        return self.valid

    def to_picture(self, points: Matrix) -> Matrix:
        """Flat pixels ``[n, 2]`` to the picture's pixels, through every correction; centres are whole numbers."""
        flat = (np.asarray(points, np.float64) + 0.5) / FLAT_PX_PER_MM
        return project(inverse(self.matrix), flat + bend_at(self.bend, flat))

    def to_flat(self, points: Matrix) -> Matrix:
        """The picture's pixels ``[n, 2]`` to flat pixels: the inverse of ``to_picture``."""
        target = project(self.matrix, np.asarray(points, np.float64))
        flat = target
        # The bend changes by a few hundredths from one millimetre to the next: each round gains a digit and a half.
        for _ in range(8 if self.bend is not None else 0):
            flat = target - bend_at(self.bend, flat)
        return flat * FLAT_PX_PER_MM - 0.5

    def turned(self, quarters: int) -> FlatPage:
        """The same page turned counter-clockwise by quarters, without looking at the picture again."""
        page = self
        for _ in range(quarters % 4):
            page = _quarter(page)
        return page

    def sized(self, times: float) -> FlatPage:
        """A page that lies flat, so many times as large as it was taken to be, without a new look at the picture."""
        size = tuple(max(1, round(times * side)) for side in self.pixels.shape[1::-1])
        valid = cv2.resize(self.valid.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST) > 0
        return replace(
            self,
            pixels=np.asarray(cv2.resize(self.pixels, size, interpolation=cv2.INTER_LINEAR), np.uint8),
            valid=valid,
            matrix=np.diag([times, times, 1.0]) @ self.matrix,
            px_per_mm=(self.px_per_mm[0] / times, self.px_per_mm[1] / times),
        )


def _quarter(page: FlatPage) -> FlatPage:
    """A quarter counter-clockwise: what was right is on top."""
    wide = page.pixels.shape[1] / FLAT_PX_PER_MM
    turn = np.array([[0, 1, 0], [-1, 0, wide], [0, 0, 1.0]])
    bend = page.bend
    if bend is not None:
        bend = np.stack([np.rot90(bend[1]), -np.rot90(bend[0])]).astype(np.float32)
    paper, stretches = page.paper, page.stretches
    return replace(
        page,
        pixels=np.ascontiguousarray(np.rot90(page.pixels)),
        valid=np.ascontiguousarray(np.rot90(page.valid)),
        matrix=turn @ page.matrix,
        px_per_mm=(page.px_per_mm[1], page.px_per_mm[0]),
        rotation_deg=(page.rotation_deg - 90.0 + 180.0) % 360.0 - 180.0,
        bend=bend,
        paper=None if paper is None else (paper[1], paper[2], paper[3], paper[0]),
        stretches=None if stretches is None else (stretches[1].turned(wide), stretches[0].turned(wide)),
    )


def inverse(matrix: Matrix) -> Matrix:
    """The map back."""
    return np.asarray(np.linalg.inv(matrix), np.float64)


def project(matrix: Matrix, points: Matrix) -> Matrix:
    """Apply a projective map ``[3, 3]`` to points ``[n, 2]``."""
    projected = np.hstack([points, np.ones((len(points), 1))]) @ matrix.T
    return projected[:, :2] / projected[:, 2:]


def bend_at(bend: Plane | None, flat: Matrix) -> Matrix:
    """The bend in mm at flat points ``[n, 2]`` in mm, linear between its nodes, constant beyond them."""
    if bend is None:
        return np.zeros_like(flat)
    rows, columns = bend.shape[1:]
    x = np.clip(flat[:, 0] / BEND_MM, 0, columns - 1.000001)
    y = np.clip(flat[:, 1] / BEND_MM, 0, rows - 1.000001)
    left, top = x.astype(int), y.astype(int)
    u, v = x - left, y - top
    nodes = bend.astype(np.float64)
    above = nodes[:, top, left] * (1 - u) + nodes[:, top, left + 1] * u
    below = nodes[:, top + 1, left] * (1 - u) + nodes[:, top + 1, left + 1] * u
    return (above * (1 - v) + below * v).T


def lattice_shape(size_mm: tuple[float, float]) -> tuple[int, int]:
    """Rows and columns of the bend's lattice for a flat page of ``(width, height)`` mm."""
    return int(np.ceil(size_mm[1] / BEND_MM)) + 1, int(np.ceil(size_mm[0] / BEND_MM)) + 1


def sources(
    matrix: Matrix, shape: tuple[int, int], bend: Plane | None, px_per_mm: float = FLAT_PX_PER_MM
) -> tuple[Plane, Plane]:
    """For each pixel of a flat page of ``shape`` (width, height) pixels, the place in the picture it shows."""
    back = inverse(matrix)
    # A pixel's centre lies half a pixel inside it.
    x_mm = ((np.arange(shape[0], dtype=np.float32) + 0.5) / px_per_mm)[None].repeat(shape[1], axis=0)
    y_mm = ((np.arange(shape[1], dtype=np.float32) + 0.5) / px_per_mm)[:, None].repeat(shape[0], axis=1)
    if bend is not None:
        step = np.float32(1.0 / BEND_MM)
        off = [cv2.remap(part, x_mm * step, y_mm * step, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
               for part in np.asarray(bend, np.float32)]  # fmt: skip
        x_mm, y_mm = x_mm + off[0], y_mm + off[1]
    a, b, c = back.astype(np.float32)
    depth = c[0] * x_mm + c[1] * y_mm + c[2]
    x = (a[0] * x_mm + a[1] * y_mm + a[2]) / depth
    return x, np.asarray((b[0] * x_mm + b[1] * y_mm + b[2]) / depth, np.float32)


def local_scale(matrix: Matrix, x: float, y: float) -> tuple[tuple[float, float], float]:
    """Pixels per mm ``(x, y)`` along the paper's own axes, and its turn in degrees, at a point of the picture."""
    here = project(matrix, np.array([[x, y]]))[0]
    around = project(inverse(matrix), here + np.array([[-5, 0], [5, 0], [0, -5], [0, 5.0]]))
    right, down = around[1] - around[0], around[3] - around[2]
    turn = -float(np.degrees(np.arctan2(right[1], right[0])))
    return (float(np.hypot(*right)) / 10.0, float(np.hypot(*down)) / 10.0), turn


def chord_scale(place: Callable[[Matrix], Matrix]) -> tuple[float, float]:
    """Pixels of a picture per mm ``(x, y)``, from where it shows points ``[n, 2]`` in mm about the middle.

    On chords of ``CHORD_MM``.
    """
    ends = np.tile([-CHORD_MM / 2, CHORD_MM / 2], len(CHORDS_AT_MM))
    beside = np.repeat(CHORDS_AT_MM, 2)
    along, across = (place(np.column_stack(offsets)) for offsets in ((ends, beside), (beside, ends)))
    x, y = (np.linalg.norm(points[1::2] - points[::2], axis=1).mean() / CHORD_MM for points in (along, across))
    return float(x), float(y)


def scale_in_the_middle(page: FlatPage) -> tuple[tuple[float, float], float]:
    """Pixels of the picture per mm ``(x, y)`` and the turn in degrees, over the middle 4 cm of the paper."""
    rows, columns = (np.flatnonzero(page.valid.any(axis=axis)) for axis in (1, 0))
    if len(rows) == 0:
        rows, columns = np.arange(page.valid.shape[0]), np.arange(page.valid.shape[1])
    reach = 20.0 * FLAT_PX_PER_MM
    arms = np.array([[-reach, 0], [reach, 0], [0, -reach], [0, reach]])
    around = page.to_picture(np.array([columns[0] + columns[-1], rows[0] + rows[-1]]) / 2 + arms)
    right, down = around[1] - around[0], around[3] - around[2]
    turn = -float(np.degrees(np.arctan2(right[1], right[0])))
    return (float(np.hypot(*right)) / 40.0, float(np.hypot(*down)) / 40.0), turn
