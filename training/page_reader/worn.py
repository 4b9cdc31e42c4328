"""A drawn patch on ruled paper, worn as scans and photographs are, as the page reader sees it: its ink plane."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from retrieval.ecg.drawing import GRIDS
from retrieval.intake.page.flat import FLAT_PX_PER_MM
from retrieval.intake.page.ink import ink_of
from retrieval.intake.page.marks import READ_PX_PER_MM, shrunk_ink
from training.page_reader.scenes import PULSE, RULE, SIZE_MM, TEXT, TRACE, Scene

Rgb = NDArray[np.float32]
Plane = NDArray[np.float32]
IGNORED = 255


@dataclass(frozen=True)
class Patch:
    """``ink`` float32, ``kinds`` and ``names`` uint8, all ``[height, width]`` at ``READ_PX_PER_MM``."""

    ink: NDArray[np.float32]
    kinds: NDArray[np.uint8]
    names: NDArray[np.uint8]


def wear(scene: Scene, rng: np.random.Generator) -> Patch:
    """Lay the scene on paper, wear it, and measure its ink with the reader's own code."""
    return Patch(shrunk_ink(worn_ink(scene, rng)), _kinds(scene), _names(scene))


def worn_ink(scene: Scene, rng: np.random.Generator) -> Plane:
    """The ink plane of a worn scene at ``FLAT_PX_PER_MM``."""
    paper, ruled = _paper(scene, rng)
    picture = _inked(paper, scene, rng)
    if rng.random() < 0.08:  # as a fax does
        picture = np.where(picture.mean(axis=2, keepdims=True) > rng.uniform(110, 190), 255, 0) * np.ones(3)
    picture = _light(np.asarray(picture, np.float32), rng)
    picture = cv2.GaussianBlur(picture, (0, 0), float(rng.uniform(0.2, 0.16 * scene.scale + 0.2)))
    grain = rng.standard_normal(picture.shape[:2], np.float32) * np.float32(rng.choice([0.5, 2, 5]))
    picture = np.asarray(picture, np.float32) + grain[:, :, None]
    if scene.crowded:
        picture = _stained(picture, scene, rng)
    worn = _jpeg(np.asarray(picture, np.float32), rng)
    size = round(SIZE_MM[0] * FLAT_PX_PER_MM), round(SIZE_MM[1] * FLAT_PX_PER_MM)
    # The reader warps a picture to its flat scale with linear interpolation; so is this one.
    flat = cv2.resize(worn, size, interpolation=cv2.INTER_LINEAR)
    return ink_of(np.asarray(flat, np.uint8), np.ones(flat.shape[:2], bool), ruled=ruled)


def _paper(scene: Scene, rng: np.random.Generator) -> tuple[Rgb, bool]:
    height, width = scene.names.shape
    tint = 255 - np.abs(rng.normal(0, 12, 3))
    paper = np.ones((height, width, 3), np.float32) * tint.astype(np.float32)
    if rng.random() < 0.12:
        return paper, False
    fine, bold = GRIDS[str(rng.choice(list(GRIDS)))]
    fade = float(rng.uniform(0.3, 1.2))
    steps = ((5, bold),) if rng.random() < 0.15 else ((1, fine), (5, bold))
    for step, colour in steps:
        shade = np.clip(255 - (255 - np.array(colour, np.float32)) * fade, 0, 255) / 255 * tint
        thick = max(1, round(scene.scale * rng.uniform(0.08, 0.25)))
        for axis, length in ((1, SIZE_MM[0]), (0, SIZE_MM[1])):
            for at in np.rint(np.arange(0, length, step) * scene.scale).astype(int):
                rows = np.s_[:, at : at + thick] if axis == 1 else np.s_[at : at + thick, :]
                paper[rows] = shade
    return paper, True


def _inked(paper: Rgb, scene: Scene, rng: np.random.Generator) -> Rgb:
    """Lay each kind of ink on the paper: mostly one black pen, sometimes print or rules of another strength."""
    base = rng.uniform(0, 90) if rng.random() < 0.8 else rng.uniform(90, 160)
    pen = np.clip(base + rng.normal(0, 12, 3), 0, 200)
    for kind in (RULE, TEXT, PULSE, TRACE):
        colour = pen if rng.random() < 0.75 else np.clip(pen + rng.uniform(-60, 60), 0, 190)
        share = (scene.planes[kind].astype(np.float32) / 255)[:, :, None]
        paper = np.asarray(paper * (1 - share) + colour.astype(np.float32) * share, np.float32)
    return np.asarray(paper, np.float32)


def _light(picture: Rgb, rng: np.random.Generator) -> Rgb:
    if rng.random() < 0.5:
        return picture
    coarse = rng.uniform(0.45, 1.0, (3, 4)).astype(np.float32)
    light = cv2.resize(coarse, (picture.shape[1], picture.shape[0]), interpolation=cv2.INTER_CUBIC)
    cast = 1 + rng.normal(0, 0.06, 3).astype(np.float32)
    return np.asarray(picture * light[:, :, None] * cast, np.float32)


def _stained(picture: Rgb, scene: Scene, rng: np.random.Generator) -> Rgb:
    """Specks of toner, and places where the ink is rubbed or washed out."""
    height, width = picture.shape[:2]
    if rng.random() < 0.15:
        for _ in range(int(rng.integers(10, 150))):
            at = int(rng.integers(0, width)), int(rng.integers(0, height))
            cv2.circle(picture, at, int(rng.integers(0, max(1, round(0.4 * scene.scale)) + 1)), (40, 40, 40), -1)
    if rng.random() < 0.2:
        coarse = cv2.resize(rng.random((6, 8)).astype(np.float32), (width, height), interpolation=cv2.INTER_CUBIC)
        washed = np.clip((coarse - rng.uniform(0.55, 0.85)) * 6, 0, rng.uniform(0.3, 0.9))[:, :, None]
        picture = np.asarray(picture + (np.quantile(picture, 0.9) - picture) * washed, np.float32)
    return np.asarray(picture, np.float32)


def _jpeg(picture: Rgb, rng: np.random.Generator) -> NDArray[np.uint8]:
    pixels = np.clip(picture, 0, 255).astype(np.uint8)
    if rng.random() < 0.3:
        return pixels
    _, code = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(25, 96))])
    return np.asarray(cv2.imdecode(code, cv2.IMREAD_COLOR), np.uint8)


def _read_size() -> tuple[int, int]:
    return round(SIZE_MM[0] * READ_PX_PER_MM), round(SIZE_MM[1] * READ_PX_PER_MM)


def _kinds(scene: Scene) -> NDArray[np.uint8]:
    """What each pixel's ink is; a trace wins over what it crosses, and rims of ink are left out of the loss."""
    shares = {k: cv2.resize(p, _read_size(), interpolation=cv2.INTER_AREA) / 255 for k, p in scene.planes.items()}
    out = np.zeros(shares[TRACE].shape, np.uint8)
    out[np.max(list(shares.values()), axis=0) > 0.03] = IGNORED
    for kind in (RULE, TEXT, PULSE, TRACE):
        out[shares[kind] > (0.2 if kind != TRACE else 0.15)] = kind
    return out


def _names(scene: Scene) -> NDArray[np.uint8]:
    return np.asarray(cv2.resize(scene.names, _read_size(), interpolation=cv2.INTER_NEAREST), np.uint8)
