"""What befalls paper that lies about: stains, mould, torn corners."""

from __future__ import annotations

import cv2
import numpy as np

from retrieval.ecg.spoil.fields import (
    Pixels,
    Plane,
    Tone,
    fractal,
    multiply_tone,
    noise,
    shade,
    smoothstep,
    tone_on,
)
from retrieval.ecg.spoil.scene import Scene

COFFEE: tuple[Tone, ...] = ((176, 132, 84), (190, 150, 105), (150, 108, 70))
WATER: Tone = (214, 200, 168)
MOULD: tuple[Tone, ...] = ((86, 96, 66), (70, 66, 58), (112, 96, 62))


def stain(scene: Scene, rng: np.random.Generator, strength: int) -> None:
    """The ring of a cup, a drop of coffee, or the brown rim of paper that was wet."""
    for _ in range(int(rng.integers(1, strength + 1))):
        kind = str(rng.choice(["ring", "drops", "water"]))
        deep = float(rng.uniform(0.6, 1.0) * (0.3, 0.5, 0.75)[strength - 1])
        at = rng.uniform(0.05, 0.95, 2) * scene.page.shape[1::-1]
        if kind == "drops":
            for _ in range(int(rng.integers(1, 5))):
                near = at + rng.normal(0, 18 * scene.mm, 2)
                _blot(scene, rng, near, float(rng.uniform(2, 7)), deep, COFFEE[int(rng.integers(3))])
        elif kind == "water":
            _blot(scene, rng, at, float(rng.uniform(15, 22 + 8 * strength)), deep, WATER)
        else:
            _ring(scene, rng, at, float(rng.uniform(30, 42)), deep)


def _window(scene: Scene, at: np.ndarray, reach_mm: float) -> tuple[Pixels, Plane, Plane]:
    """The part of the page round a point, and coarse distances (dx, dy) in mm from that point."""
    height, width = scene.page.shape[:2]
    reach = reach_mm * scene.mm
    left, right = np.clip(np.rint([at[0] - reach, at[0] + reach]), 0, width).astype(int)
    top, bottom = np.clip(np.rint([at[1] - reach, at[1] + reach]), 0, height).astype(int)
    part = scene.page[top:bottom, left:right]
    # Two nodes per mm, or the page's own pixels where they are coarser.
    step = max(1.0, scene.mm / 2)
    dx = (np.arange(left, right, step, dtype=np.float32) + np.float32(step / 2 - at[0])) / np.float32(scene.mm)
    dy = (np.arange(top, bottom, step, dtype=np.float32) + np.float32(step / 2 - at[1])) / np.float32(scene.mm)
    return part, dx[None, :], dy[:, None]


def _ring(scene: Scene, rng: np.random.Generator, at: np.ndarray, radius: float, deep: float) -> None:
    part, dx, dy = _window(scene, at, 1.25 * radius)
    if min(part.shape[:2]) < 4:
        return
    shape = (dy.shape[0], dx.shape[1])
    far = np.sqrt(dx * dx + dy * dy) + np.float32(0.5) * noise(rng, shape, 8)
    thick = np.float32(rng.uniform(0.8, 2.0))
    ring = np.exp(-(((far - np.float32(radius)) / thick) ** 2)) + 0.5 * np.exp(
        -(((far - np.float32(radius - 1.8)) / 0.5) ** 2)
    )
    # A cup does not stand on its whole rim, and dries unevenly.
    uneven = smoothstep(noise(rng, shape, 3), -1.4, 0.8)
    inside = 0.08 * smoothstep(np.float32(radius) - far, 0, 3)
    multiply_tone(part, np.clip(deep * (ring * uneven + inside), 0, 1), COFFEE[int(rng.integers(len(COFFEE)))])


def _blot(scene: Scene, rng: np.random.Generator, at: np.ndarray, radius: float, deep: float, tone: Tone) -> None:
    part, dx, dy = _window(scene, at, 1.7 * radius)
    if min(part.shape[:2]) < 4:
        return
    shape = (dy.shape[0], dx.shape[1])
    ragged = 0.2 if radius < 10 else 0.35
    far = np.sqrt(dx * dx + dy * dy) / np.float32(radius) + ragged * 0.5 * fractal(rng, shape, 4, 2)
    body = smoothstep(1 - far, 0.0, 0.06)
    # What is dissolved is carried to the rim and dries there.
    rim = np.exp(-(((far - 0.96) / 0.035) ** 2)) * body
    multiply_tone(part, np.clip(deep * (0.35 * body + 0.65 * rim), 0, 1).astype(np.float32), tone)


def mould(scene: Scene, rng: np.random.Generator, strength: int) -> None:
    """Colonies of dark specks on yellowed paper, mostly from a rim inwards."""
    height, width = scene.page.shape[:2]
    for _ in range(int(rng.integers(2, 2 + 3 * strength))):
        at = rng.uniform(0, 1, 2)
        at[int(rng.integers(2))] = rng.choice([0.03, 0.97]) if rng.random() < 0.6 else rng.uniform(0.1, 0.9)
        radius = float(rng.uniform(12, 20 + 10 * strength))
        part, dx, dy = _window(scene, at * (width, height), radius)
        if min(part.shape[:2]) < 4:
            continue
        shape = (dy.shape[0], dx.shape[1])
        near = np.clip(1 - np.sqrt(dx * dx + dy * dy) / np.float32(radius), 0, 1)
        per_mm = max(shape) / (max(part.shape[:2]) / scene.mm)
        specks = fractal(rng, shape, max(shape) / per_mm / 1.7, 3)
        thick = near * (1.1 + 0.15 * strength) + 0.25 * noise(rng, shape, 5) * near
        share = smoothstep(specks + 1.7 * thick, 1.7, 2.9) * smoothstep(near, 0.0, 0.25)
        multiply_tone(part, 0.25 * strength / 3 * smoothstep(thick, 0.1, 0.7), (216, 206, 160))
        multiply_tone(part, share * np.float32(0.35 + 0.15 * strength), MOULD[int(rng.integers(len(MOULD)))])


def tear(scene: Scene, rng: np.random.Generator, strength: int) -> None:
    """A corner is missing, or the page is ripped from an edge inwards."""
    height, width = scene.page.shape[:2]
    corner = rng.integers(0, 2, 2) * (width - 1, height - 1)
    inward = np.where(corner > 0, -1.0, 1.0)
    reach = rng.uniform(0.5, 1.0, 2) * (12, 25, 45)[strength - 1] * scene.mm
    if rng.random() < 0.6:
        edge = _ragged(rng, corner + inward * [reach[0], 0], corner + inward * [0, reach[1]], scene.mm)
        gone = np.vstack([edge, corner - 5 * inward * scene.mm])
    else:
        start = np.array([rng.uniform(0.1, 0.9) * width, corner[1]])
        tip = start + np.array([rng.normal(0, 0.3), inward[1]]) * reach[1]
        edge = _ragged(rng, start, tip, scene.mm)
        gap = rng.uniform(0.5, 0.7 + 0.7 * strength) * scene.mm
        taper = np.linspace(1, 0, len(edge))[:, None] * [gap, 0]
        gone = np.vstack([edge - taper, (edge + taper)[::-1]])
    _tear_off(scene, edge, gone)


def _ragged(rng: np.random.Generator, start: np.ndarray, stop: np.ndarray, mm: float) -> np.ndarray:
    """A line that wanders as torn fibres do, its ends kept."""
    steps = max(8, int(np.hypot(*(stop - start)) / (0.8 * mm)))
    t = np.linspace(0, 1, steps)[:, None]
    wander = np.cumsum(rng.normal(0, 0.35 * mm, (steps, 2)), axis=0)
    wander -= wander[:1] + t * (wander[-1:] - wander[:1])
    return start + t * (stop - start) + wander


def _tear_off(scene: Scene, edge: np.ndarray, gone: np.ndarray) -> None:
    """Show the white core of the paper along the edge, and note what is missing."""
    points = np.rint(16 * edge).astype(np.int32)
    wide = max(1, round(1.3 * scene.mm))
    cv2.polylines(scene.page, [points], False, tone_on(scene.page, (246, 245, 242)), wide, cv2.LINE_AA, 4)
    cv2.fillPoly(scene.mask("torn"), [np.rint(16 * gone).astype(np.int32)], (255,), cv2.LINE_8, 4)


def bleach(scene: Scene, rng: np.random.Generator, strength: int) -> None:
    """Print that faded in the sun or, on thermal paper, by itself: all of it, and some regions more."""
    page = scene.page
    rows, columns = max(2, page.shape[0] // 8), max(2, page.shape[1] // 8)
    least = (0.75, 0.52, 0.34)[strength - 1]
    left = rng.uniform(least, 1.0) * (
        1 - rng.uniform(0, 0.45) * smoothstep(noise(rng, (rows, columns), 2), -0.5, 1.5)
    )
    cv2.bitwise_not(page, page)
    shade(page, np.maximum(left, least).astype(np.float32))
    cv2.bitwise_not(page, page)
    paper = 1 - rng.uniform(0, 0.02 * strength) * np.array([0.3, 0.6, 2.0], np.float32)
    shade(page, np.broadcast_to(paper, (2, 2, 3)).astype(np.float32))
