"""How a point of the page moves on its way into the picture: each bend knows both directions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from retrieval.errors import BadArgument

Points = NDArray[np.float64]
"""``[n, 2]``: x to the right and y down, in pixels; the centre of the first pixel is (0, 0)."""
Matrix = NDArray[np.float64]

FARTHEST = 1.3
"""Page widths from the flat line, up to which a curled page is followed."""
MESH_NODES = 160
"""Nodes along the longer side of the mesh on which a chain is evaluated; between them it is interpolated."""


class Bend(Protocol):
    """One step of the way from the page to the picture."""

    def forward(self, points: Points) -> Points:
        """Where points of the page come to lie."""
        ...

    def backward(self, points: Points) -> Points:
        """Which points of the page come to lie there."""
        ...


@dataclass(frozen=True)
class Projective:
    """A homography ``[3, 3]``: rotation, shift and, in general, a flat page seen from the side."""

    matrix: Matrix

    def forward(self, points: Points) -> Points:
        """Apply the homography."""
        return _project(self.matrix, points)

    def backward(self, points: Points) -> Points:
        """Apply its inverse."""
        return _project(np.asarray(np.linalg.inv(self.matrix), np.float64), points)


def _project(matrix: Matrix, points: Points) -> Points:
    moved = points @ matrix[:, :2].T + matrix[:, 2]
    return moved[:, :2] / moved[:, 2:]


def shift(dx: float, dy: float) -> Projective:
    """A shift by so many pixels."""
    return Projective(np.array([[1, 0, dx], [0, 1, dy], [0, 0, 1.0]]))


def turn_about(centre: Points, degrees: float) -> Projective:
    """A turn about a point, clockwise as seen on the screen."""
    c, s = np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))
    x, y = centre
    return Projective(np.array([[c, -s, x - c * x + s * y], [s, c, y - s * x - c * y], [0, 0, 1.0]]))


@dataclass(frozen=True)
class Lens:
    """Radial distortion about ``centre``: what is seen at the radius r stood at r (1 + k (r / radius)^2).

    ``k`` above 0 is a barrel, below 0 a pincushion (Brown 1966, first term); down to -0.2 it is one to one on the
    picture and well beyond it.
    """

    centre: Points
    radius: float
    k: float

    def backward(self, points: Points) -> Points:
        """The polynomial itself."""
        away = points - self.centre
        reach = (away**2).sum(axis=1, keepdims=True) / self.radius**2
        return self.centre + away * (1 + self.k * reach)

    def forward(self, points: Points) -> Points:
        """Its inverse along each radius, by Newton's method."""
        away = points - self.centre
        wanted = np.sqrt((away**2).sum(axis=1, keepdims=True)) / self.radius
        r = wanted.copy()
        for _ in range(8):
            r -= (r + self.k * r**3 - wanted) / np.maximum(1 + 3 * self.k * r**2, 0.1)
        return self.centre + away * (r / np.maximum(wanted, 1e-12))


@dataclass(frozen=True)
class Dents:
    """Small displacements within the page, as creases and wrinkles cause them.

    Args:
        field: ``[rows, columns, 2]`` in px on nodes ``step`` px apart, the first at ``(step - 1) / 2``: the point
            seen at q stood at ``q + field(q)``. Its slope must stay below 1, so that nothing is folded over.
        step: distance of the nodes in px.
    """

    field: NDArray[np.float32]
    step: float

    def backward(self, points: Points) -> Points:
        """Add the displacement there."""
        return points + self._at(points)

    def forward(self, points: Points) -> Points:
        """The fixed point of ``q = p - field(q)``."""
        found = points
        for _ in range(20):
            before = found
            found = points - self._at(found)
            if np.abs(found - before).max(initial=0.0) < 1e-3:
                break
        return found

    def _at(self, points: Points) -> Points:
        rows, columns = self.field.shape[:2]
        place = (points - (self.step - 1) / 2) / self.step
        x, y = np.clip(place[:, 0], 0, columns - 1.001), np.clip(place[:, 1], 0, rows - 1.001)
        left, top = x.astype(np.int64), y.astype(np.int64)
        fx, fy = (x - left)[:, None], (y - top)[:, None]
        flat, first = self.field.reshape(-1, 2), top * columns + left
        above = flat[first] * (1 - fx) + flat[first + 1] * fx
        below = flat[first + columns] * (1 - fx) + flat[first + columns + 1] * fx
        return above * (1 - fy) + below * fy


@dataclass(frozen=True)
class Camera:
    """A pinhole view of a page that leans and may be curled along one direction.

    A curled page is a cylinder: at the place u (in page widths from the line where it lies flat) it stands
    ``width (a u^2 + b u^3)`` above the desk, towards the camera where that is negative; its length is kept to the
    second order of the slope.

    Args:
        turn: rotation ``[3, 3]`` of the page before the camera.
        centre: of the page in px; it comes to lie at (0, 0).
        away: distance of the camera and its focal length, in px.
        width: of the page in px.
        along: unit vector across the curl.
        flat_at: where along it the page lies flat, in page widths from the centre.
        curl: ``(a, b)``.
    """

    turn: Matrix
    centre: Points
    away: float
    width: float
    along: Points
    flat_at: float = 0.0
    curl: tuple[float, float] = (0.0, 0.0)

    def forward(self, points: Points) -> Points:
        """Lift the points onto the cylinder, turn them and project them."""
        flat = points - self.centre
        place = flat @ self.along
        u = place / self.width - self.flat_at
        across = flat - place[:, None] * self.along
        ground = across + (self._ground(u) * self.width)[:, None] * self.along
        solid = np.column_stack([ground, self._height(u) * self.width])
        seen = solid @ self.turn.T + [0, 0, self.away]
        return self.away * seen[:, :2] / seen[:, 2:]

    def backward(self, points: Points) -> Points:
        """Where the ray through a picture's point meets the page: Newton's method on the place along the curl."""
        rays = np.column_stack([points / self.away, np.ones(len(points))]) @ self.turn
        eye = -self.away * self.turn[2]
        on_desk = eye[:2] - eye[2] / rays[:, 2:] * rays[:, :2]
        lean = rays[:, :2] / rays[:, 2:]
        start, lean_along = on_desk @ self.along / self.width, lean @ self.along
        u = start - self.flat_at
        for _ in range(6 if any(self.curl) else 0):
            gap = start + lean_along * self._height(u) - self._ground(u)
            # Far beyond the page the cubic folds over; its rim stands at 0.8 at most.
            u = np.clip(u - gap / (lean_along * self._slope(u) - 1), -FARTHEST, FARTHEST)
        seen = on_desk + lean * (self._height(u) * self.width)[:, None]
        rest = (u + self.flat_at) - seen @ self.along / self.width
        return self.centre + seen + (rest * self.width)[:, None] * self.along

    def _height(self, u: Points) -> Points:
        a, b = self.curl
        return u * u * (a + b * u)

    def _slope(self, u: Points) -> Points:
        a, b = self.curl
        return u * (2 * a + 3 * b * u)

    def _ground(self, u: Points) -> Points:
        """Place on the desk under a place on the paper: the paper's length less half the integral of slope^2."""
        a, b = self.curl
        cube = u * u * u
        return self.flat_at + u - cube * (2 / 3 * a * a + u * (1.5 * a * b + 0.9 * b * b * u))


@dataclass(frozen=True)
class Chain:
    """Bends one after the other, from a page of ``page`` = (width, height) into a picture of ``size``."""

    bends: tuple[Bend, ...]
    page: tuple[int, int]
    size: tuple[int, int]

    def forward(self, points: Points) -> Points:
        """From the page into the picture."""
        moved = as_points(points)
        for bend in self.bends:
            moved = bend.forward(moved)
        return moved

    def backward(self, points: Points) -> Points:
        """From the picture onto the page."""
        moved = as_points(points)
        for bend in reversed(self.bends):
            moved = bend.backward(moved)
        return moved

    def backward_map(self) -> NDArray[np.float32]:
        """For each pixel of the picture ``[height, width, 2]`` the place (x, y) on the page that it shows."""
        width, height = self.size
        # Dents are finer than anything a camera does.
        finest, nodes = (6, MESH_NODES) if any(isinstance(b, Dents) for b in self.bends) else (12, MESH_NODES // 2)
        step = max(finest, -(-max(self.size) // nodes))
        # A node more on each side, so that the rim is interpolated too.
        xs, ys = (np.arange(-1, -(-side // step) + 1) * step + (step - 1) / 2 for side in self.size)
        nodes = np.stack(np.meshgrid(xs, ys), axis=-1).reshape(-1, 2).astype(np.float64)
        mesh = self.backward(nodes).astype(np.float32).reshape(len(ys), len(xs), 2)
        dense = cv2.resize(mesh, (len(xs) * step, len(ys) * step), interpolation=cv2.INTER_LINEAR)
        return np.asarray(dense[step : step + height, step : step + width], np.float32)


def as_points(points: Points | Sequence[Sequence[float]]) -> Points:
    """Float64 ``[n, 2]``.

    Raises:
        BadArgument: another shape.
    """
    array = np.asarray(points, np.float64)
    if array.ndim != 2 or array.shape[1] != 2:
        raise BadArgument(f"points have the shape {array.shape}; it must be [n, 2], x and y in pixels")
    return array
