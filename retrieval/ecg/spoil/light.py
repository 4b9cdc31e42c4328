"""How the light falls on a page that is photographed."""

from __future__ import annotations

import cv2
import numpy as np

from retrieval.ecg.spoil.fields import Plane, coarse, grid, lift, noise, shade, smoothstep, to_uint8
from retrieval.ecg.spoil.scene import Scene

NODES = 96


def shadow(scene: Scene, rng: np.random.Generator, strength: int) -> None:
    """Uneven light, and the shadow of the photographer: an edge, a hand with a telephone, or a soft blotch."""
    shape = coarse(scene.picture, NODES)
    gain = 1 - np.float32(0.05 * strength) * smoothstep(noise(rng, shape, 1.2), -1.5, 1.5)
    kind = rng.choice(["edge", "hand", "blotch"])
    share = {"edge": _edge, "hand": _hand, "blotch": _blotch}[str(kind)](shape, rng)
    deep = np.float32(rng.uniform(0.5, 1.0) * (0.18, 0.34, 0.5)[strength - 1])
    shade(scene.picture, gain * (1 - deep * share))


def _edge(shape: tuple[int, int], rng: np.random.Generator) -> Plane:
    x, y = grid(shape)
    heading = rng.uniform(0, 2 * np.pi)
    away = (x - np.float32(rng.uniform(0.2, 0.8))) * np.cos(heading) + (
        y - np.float32(rng.uniform(0.2, 0.8))
    ) * np.sin(heading)
    soft = rng.uniform(0.02, 0.2)
    return smoothstep(away.astype(np.float32) + 0.05 * noise(rng, shape, 2), -soft, soft)


def _hand(shape: tuple[int, int], rng: np.random.Generator) -> Plane:
    """An arm from the lower rim that ends in a box: who stands between the lamp and the page."""
    rows, columns = shape
    mask = np.zeros(shape, np.uint8)
    tip = rng.uniform((0.25, 0.2), (0.75, 0.7)) * (columns, rows)
    foot = np.array([rng.uniform(0.1, 0.9) * columns, rows * 1.2])
    wide = int(max(3, rng.uniform(0.07, 0.12) * columns))
    ends = [tuple(int(v) for v in np.rint(p)) for p in (tip, foot)]
    cv2.line(mask, ends[0], ends[1], (255,), wide)
    box = (tuple(tip.tolist()), (wide * 1.5, wide * 2.9), float(rng.uniform(-40, 40)))
    cv2.fillPoly(mask, [np.rint(cv2.boxPoints(box)).astype(np.int32)], (255,))
    soft = cv2.GaussianBlur(mask, (0, 0), float(rng.uniform(1.5, 5.0)))
    return np.asarray(soft, np.float32) / 255


def _blotch(shape: tuple[int, int], rng: np.random.Generator) -> Plane:
    return smoothstep(noise(rng, shape, float(rng.uniform(1.0, 1.8))), -0.4, 1.4)


def glare(scene: Scene, rng: np.random.Generator, strength: int) -> None:
    """The reflection of a lamp or a window, which lifts what is under it towards white."""
    rows, columns = shape = coarse(scene.picture, NODES)
    x, y = np.arange(columns, dtype=np.float32)[None, :], np.arange(rows, dtype=np.float32)[:, None]
    share = np.zeros(shape, np.float32)
    for _ in range(int(rng.integers(1, 3))):
        at_x, at_y = rng.uniform(0, columns), rng.uniform(0, rows)
        heading = rng.uniform(0, np.pi)
        c, s = np.float32(np.cos(heading)), np.float32(np.sin(heading))
        long = np.float32(columns * rng.uniform(0.08, 0.22))
        slim = long * np.float32(rng.uniform(0.3, 1.0))
        u, v = (
            (x - np.float32(at_x)) * c + (y - np.float32(at_y)) * s,
            (y - np.float32(at_y)) * c - (x - np.float32(at_x)) * s,
        )
        bright = np.float32(rng.uniform(0.6, 1.0) * (0.3, 0.55, 0.8)[strength - 1])
        share = np.maximum(share, bright * np.exp(-0.5 * ((u / long) ** 2 + (v / slim) ** 2)))
    lift(scene.picture, share)


def vignette(scene: Scene, rng: np.random.Generator, strength: int) -> None:
    """Darker towards the corners, with the fourth power of the cosine as its shape."""
    x, y = grid(coarse(scene.picture, 48))
    far = (x - 0.5 - np.float32(rng.normal(0, 0.05))) ** 2 + (y - 0.5 - np.float32(rng.normal(0, 0.05))) ** 2
    deep = np.float32(rng.uniform(0.5, 1.0) * (0.2, 0.4, 0.65)[strength - 1])
    shade(scene.picture, (1 / (1 + deep * far) ** 2).astype(np.float32))


def cast(scene: Scene, rng: np.random.Generator, strength: int) -> None:
    """The colour of the lamp and a wrong exposure."""
    warm = float(rng.normal(0.3, 0.7)) * 0.055 * strength
    tint = float(rng.normal(0, 0.3)) * 0.05 * strength
    gains = np.array([1 + warm, 1 + tint, 1 - warm])
    gains *= rng.uniform(1 - 0.12 * strength, 1.02) / gains.max()
    gamma = float(np.exp(rng.normal(0, 0.07 * strength)))
    steps = np.arange(256) / 255
    tables = 255 * steps[:, None] ** gamma * gains
    picture = scene.picture
    if picture.ndim == 2:
        scene.picture = np.asarray(cv2.LUT(picture, to_uint8(tables.mean(axis=1))), np.uint8)
    else:
        scene.picture = np.asarray(cv2.LUT(picture, to_uint8(tables).reshape(1, 256, 3)), np.uint8)
