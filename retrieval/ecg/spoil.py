"""Spoil a clean page as a scanner or a telephone does, by a seed, with the transform of every pixel known."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from retrieval.errors import BadArgument

Rgb = NDArray[np.uint8]
Plane = NDArray[np.float32]
Matrix = NDArray[np.float64]
Kind = Literal["scan", "photo"]

MAX_TILT_DEG = {1: 10.0, 2: 20.0, 3: 30.0}
"""How far the page leans away from a camera, by strength."""
MAX_SKEW_DEG = {1: 1.0, 2: 2.5, 3: 5.0}
QUALITY = {1: (80, 95), 2: (55, 85), 3: (30, 65)}
"""JPEG quality, by strength."""


@dataclass(frozen=True)
class Spoiled:
    """``pixels`` uint8 RGB, and ``matrix`` ``[3, 3]`` from the clean page's pixels ``(x, y, 1)`` to its own."""

    pixels: Rgb
    matrix: Matrix


def spoil(rgb: Rgb, rng: np.random.Generator, kind: Kind = "photo", strength: int = 2) -> Rgb:
    """Spoil ``[height, width, 3]`` uint8; the same generator state gives the same bytes.

    Args:
        rgb: a clean page.
        rng: the only source of chance.
        kind: ``"scan"`` (skew, toner, noise, JPEG) or ``"photo"`` (perspective, desk, shadow, glare, blur, JPEG).
        strength: 1, 2 or 3.

    Raises:
        BadArgument: another kind or strength.
    """
    return spoil_with_transform(rgb, rng, kind, strength).pixels


def spoil_with_transform(rgb: Rgb, rng: np.random.Generator, kind: Kind = "photo", strength: int = 2) -> Spoiled:
    """As ``spoil``, with the homography from the clean page's pixels to the spoiled picture's."""
    if kind not in ("scan", "photo"):
        raise BadArgument(f"a page can be spoiled as 'scan' or as 'photo', not as '{kind}'")
    if strength not in MAX_TILT_DEG:
        raise BadArgument(f"the strength is {strength}; it must be 1, 2 or 3")
    return _as_scan(rgb, rng, strength) if kind == "scan" else _as_photo(rgb, rng, strength)


def _as_scan(rgb: Rgb, rng: np.random.Generator, strength: int) -> Spoiled:
    height, width = rgb.shape[:2]
    angle = float(rng.uniform(-1, 1)) * MAX_SKEW_DEG[strength]
    turn = cv2.getRotationMatrix2D((width / 2, height / 2), angle, 1.0)
    matrix, size = _fit_frame(np.vstack([turn, [0, 0, 1]]), width, height, 0.0)
    glass = tuple(int(v) for v in rng.integers(235, 256, 3))
    page = cv2.warpPerspective(rgb, matrix, size, flags=cv2.INTER_LINEAR, borderValue=glass).astype(np.float32)
    # Bleaching lifts the darks, toner deepens them.
    page = 255 - (255 - page) * np.float32(rng.uniform(1 - 0.13 * strength, 1.05))
    page += _noise(rng, page.shape[:2], 1.5 * strength)[:, :, None]
    page = cv2.GaussianBlur(page, (0, 0), 0.25 + 0.2 * strength * float(rng.random()))
    return Spoiled(_jpeg(np.asarray(page, np.float32), rng, strength), matrix)


def _as_photo(rgb: Rgb, rng: np.random.Generator, strength: int) -> Spoiled:
    height, width = rgb.shape[:2]
    matrix, size = _camera(rng, width, height, strength)
    page = cv2.warpPerspective(rgb, matrix, size, flags=cv2.INTER_LINEAR, borderValue=(0, 0, 0))
    inside = cv2.warpPerspective(np.full((height, width), 255, np.uint8), matrix, size, flags=cv2.INTER_LINEAR)
    share = (inside.astype(np.float32) / 255)[:, :, None]
    picture = page.astype(np.float32) + _desk(rng, size) * (1 - share)
    picture *= _light(rng, size, strength)[:, :, None]
    picture *= 1 + (rng.uniform(-1, 1, 3).astype(np.float32) * np.float32(0.06 * strength))
    picture = _glare(np.asarray(picture, np.float32), rng, strength)
    picture = cv2.GaussianBlur(picture, (0, 0), 0.3 + 0.3 * strength * float(rng.random()))
    picture += _noise(rng, (size[1], size[0]), 2.0 * strength)[:, :, None]
    return Spoiled(_jpeg(picture, rng, strength), matrix)


def _camera(rng: np.random.Generator, width: int, height: int, strength: int) -> tuple[Matrix, tuple[int, int]]:
    """View of a page that leans away from a camera two to three page widths off."""
    tilt = np.deg2rad(rng.uniform(0.4, 1.0) * MAX_TILT_DEG[strength])
    heading = rng.uniform(0, 2 * np.pi)
    roll = np.deg2rad(rng.uniform(-1, 1) * 1.5 * strength)
    lean_x, lean_y = tilt * np.cos(heading), tilt * np.sin(heading)
    about_x = np.array([[1, 0, 0], [0, np.cos(lean_x), -np.sin(lean_x)], [0, np.sin(lean_x), np.cos(lean_x)]])
    about_y = np.array([[np.cos(lean_y), 0, np.sin(lean_y)], [0, 1, 0], [-np.sin(lean_y), 0, np.cos(lean_y)]])
    about_z = np.array([[np.cos(roll), -np.sin(roll), 0], [np.sin(roll), np.cos(roll), 0], [0, 0, 1]])
    turn = about_z @ about_x @ about_y
    away = float(rng.uniform(2.0, 3.0)) * width
    # A page point (x, y) on the plane z = 0 is turned, pushed away and projected with a focal length of `away`.
    to_middle = np.array([[1, 0, -width / 2], [0, 1, -height / 2], [0, 0, 1.0]])
    view = np.column_stack([turn[:, 0], turn[:, 1], [0, 0, away]])
    return _fit_frame(np.diag([away, away, 1.0]) @ view @ to_middle, width, height, float(rng.uniform(0.01, 0.05)))


def _fit_frame(matrix: Matrix, width: int, height: int, margin: float) -> tuple[Matrix, tuple[int, int]]:
    """Shift a view so that the whole page is in the frame, with a margin as a share of its width."""
    corners = matrix @ np.array([[0, width, width, 0], [0, 0, height, height], [1, 1, 1, 1.0]])
    corners = corners[:2] / corners[2]
    edge = margin * width
    low = corners.min(axis=1) - edge
    size = corners.max(axis=1) + edge - low
    shifted = np.array([[1, 0, -low[0]], [0, 1, -low[1]], [0, 0, 1.0]]) @ matrix
    return shifted / shifted[2, 2], (int(np.ceil(size[0])), int(np.ceil(size[1])))


def _desk(rng: np.random.Generator, size: tuple[int, int]) -> Plane:
    """A table top: one colour, darker or lighter along its grain."""
    colour = rng.uniform(30, 170, 3).astype(np.float32)
    grain = rng.normal(0, 1, (size[1], max(2, size[0] // 40))).astype(np.float32)
    grain = cv2.GaussianBlur(cv2.resize(grain, size), (0, 0), 3)
    return np.clip(colour * (1 + 0.25 * grain[:, :, None]), 0, 255).astype(np.float32)


def _light(rng: np.random.Generator, size: tuple[int, int], strength: int) -> Plane:
    """Brightness over the picture: uneven light, and the soft edge of somebody's shadow."""
    coarse = rng.uniform(1 - 0.14 * strength, 1.0, (3, 3)).astype(np.float32)
    light = cv2.resize(coarse, size, interpolation=cv2.INTER_CUBIC)
    if rng.random() < 0.3 * strength:
        y, x = np.mgrid[0 : size[1], 0 : size[0]].astype(np.float32)
        heading = rng.uniform(0, 2 * np.pi)
        at = (x / size[0] - rng.uniform(0.2, 0.8)) * np.cos(heading) + (y / size[1] - rng.uniform(0.2, 0.8)) * np.sin(
            heading
        )
        depth = np.float32(rng.uniform(0.1, 0.15 * strength + 0.05))
        light = light * (1 - depth / (1 + np.exp(-at * np.float32(rng.uniform(15, 60)))))
    return light.astype(np.float32)


def _glare(picture: Plane, rng: np.random.Generator, strength: int) -> Plane:
    """A lamp's reflection, which lifts everything under it towards white."""
    if rng.random() > 0.25 * strength:
        return picture
    height, width = picture.shape[:2]
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    radius = width * rng.uniform(0.05, 0.15)
    far = ((x - rng.uniform(0, width)) ** 2 + (y - rng.uniform(0, height)) ** 2) / (2 * radius**2)
    lift = (np.float32(rng.uniform(0.1, 0.2 * strength)) * np.exp(-far))[:, :, None]
    return (picture + (255 - picture) * lift).astype(np.float32)


def _noise(rng: np.random.Generator, shape: tuple[int, ...], spread: float) -> Plane:
    return (rng.standard_normal(shape, dtype=np.float32) * np.float32(spread * rng.uniform(0.3, 1.0))).astype(
        np.float32
    )


def _jpeg(picture: Plane, rng: np.random.Generator, strength: int) -> Rgb:
    """Compress and decompress once."""
    quality = int(rng.integers(*QUALITY[strength]))
    clipped = np.clip(np.rint(picture), 0, 255).astype(np.uint8)
    done, data = cv2.imencode(".jpg", clipped[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])
    if not done:
        raise RuntimeError("the picture could not be compressed")
    return np.ascontiguousarray(np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.uint8)[:, :, ::-1])
