"""What lies round a page that is photographed, and the finger that holds it."""

from __future__ import annotations

import cv2
import numpy as np

from retrieval.ecg.spoil.bends import Chain
from retrieval.ecg.spoil.fields import Pixels, Plane, Tone, cover, filled, noise, shade, smoothstep, to_uint8, tone_on
from retrieval.ecg.spoil.scene import Scene

WOODS: tuple[Tone, ...] = ((164, 116, 72), (120, 78, 46), (196, 158, 112), (92, 62, 44))
CLOTHS: tuple[Tone, ...] = ((70, 100, 130), (150, 165, 170), (60, 110, 95), (200, 200, 205), (105, 60, 70))
DESKS: tuple[Tone, ...] = ((205, 203, 198), (60, 62, 66), (130, 132, 136), (170, 150, 128), (95, 105, 118))
SKINS: tuple[Tone, ...] = ((232, 190, 162), (205, 150, 115), (160, 108, 76), (104, 68, 48), (240, 205, 182))


def background(scene: Scene, rng: np.random.Generator, strength: int) -> None:
    """A desk, wood, cloth or other papers under the page, with the page's own shadow on it."""
    kind = str(rng.choice(["desk", "wood", "cloth", "papers"]))
    seed = int(rng.integers(2**62))

    def paint(shape: tuple[int, int], page: Pixels) -> Pixels:
        """Painted when the size of the picture is known."""
        own = np.random.default_rng(seed)
        tones, dress = PAINTERS[kind]
        # At half the size: what lies under a page is a little out of focus, and four times as fast.
        half = (shape[0] // 2 + 1, shape[1] // 2 + 1)
        canvas = filled(half, page, tones[int(own.integers(len(tones)))])
        dress(canvas, own, scene.mm / 2)
        _drop_shadow(canvas, scene.chain, own, scene.mm / 2)
        return np.asarray(cv2.resize(canvas, shape[::-1], interpolation=cv2.INTER_LINEAR), np.uint8)

    scene.surroundings = paint


def _desk(canvas: Pixels, rng: np.random.Generator, _mm: float) -> None:
    height, width = canvas.shape[:2]
    shade(canvas, 1 + 0.04 * noise(rng, (max(2, height // 8), max(2, width // 8)), 3))


def _wood(canvas: Pixels, rng: np.random.Generator, mm: float) -> None:
    """Grain: stripes that wander a little along the board, and the joints of boards."""
    height, width = canvas.shape[:2]
    upright = rng.random() < 0.4
    along, across = (height, width) if upright else (width, height)
    shape = (max(4, across // 2), max(4, along // 8))
    wander = 0.15 * noise(rng, shape, 3)
    rows = np.linspace(0, across / mm / 4.5, shape[0], dtype=np.float32)[:, None] + wander
    table = rng.standard_normal(4096).astype(np.float32)
    fine, broad = (table[(rows * rate + 7).astype(np.int32) % 4096] for rate in (9.0, 2.5))
    gain = 1 + 0.06 * fine + 0.07 * np.asarray(cv2.GaussianBlur(broad, (0, 0), 1.5))
    shade(canvas, np.ascontiguousarray(gain.T if upright else gain))


def _cloth(canvas: Pixels, rng: np.random.Generator, mm: float) -> None:
    """A weave, and soft folds."""
    height, width = canvas.shape[:2]
    pitch = max(2.0, 0.9 * mm)
    x, y = (0.05 * np.sin(2 * np.pi / pitch * np.arange(n)).astype(np.float32) for n in (width, height))
    shade(canvas, np.stack([1 + x, 1 + x]))
    shade(canvas, np.stack([1 + y, 1 + y], axis=1))
    shade(canvas, 1 + 0.1 * noise(rng, (max(2, height // 8), max(2, width // 8)), 4))


def _papers(canvas: Pixels, rng: np.random.Generator, mm: float) -> None:
    """Other sheets with lines of print, some ruled."""
    _desk(canvas, rng, mm)
    height, width = canvas.shape[:2]
    for _ in range(int(rng.integers(2, 5))):
        size = (210 * mm, 297 * mm)
        at = rng.uniform(-0.1, 1.1, 2) * (width, height)
        turn = float(rng.uniform(-50, 50))
        tone = tone_on(canvas, (rng.uniform(236, 250), rng.uniform(234, 250), rng.uniform(222, 248)))
        corners = cv2.boxPoints(((float(at[0]), float(at[1])), size, turn))
        cv2.fillPoly(canvas, [np.rint(corners + 0.8 * mm).astype(np.int32)], tone_on(canvas, (70, 70, 72)))
        cv2.fillPoly(canvas, [np.rint(corners).astype(np.int32)], tone)
        _print_words(canvas, rng, corners, mm)


def _print_words(canvas: Pixels, rng: np.random.Generator, corners: np.ndarray, mm: float) -> None:
    """Lines of words as strokes: nobody reads them from here."""
    down, right = corners[0] - corners[1], corners[2] - corners[1]
    rows = np.arange(0.07, 0.93, rng.uniform(0.018, 0.03))
    rows = rows[rng.random(len(rows)) < 0.85]
    breaks = np.sort(rng.uniform(0.08, 0.92, (len(rows), 12)), axis=1).reshape(len(rows), 6, 2)
    x, y = breaks.reshape(-1, 2), np.repeat(rows, 6)[:, None]
    lines = corners[1] + y[:, :, None] * down + x[:, :, None] * right
    ink, wide = tone_on(canvas, (128, 128, 134)), max(1, round(0.9 * mm))
    cv2.polylines(canvas, list(np.rint(16 * lines).astype(np.int32)), False, ink, wide, cv2.LINE_AA, 4)


PAINTERS = {"desk": (DESKS, _desk), "wood": (WOODS, _wood), "cloth": (CLOTHS, _cloth), "papers": (DESKS, _papers)}


def _drop_shadow(canvas: Pixels, chain: Chain, rng: np.random.Generator, mm: float) -> None:
    """The page keeps some light from the desk beside it."""
    height, width = canvas.shape[:2]
    reduce = max(1, round(max(height, width) / 256))
    mask = np.zeros((height // reduce + 1, width // reduce + 1), np.uint8)
    w, h = chain.page
    rim = [(0, 0), (w / 2, 0), (w, 0), (w, h / 2), (w, h), (w / 2, h), (0, h), (0, h / 2)]
    seen = chain.forward(np.array(rim, np.float64)) / (chain.size[0] / width) + rng.uniform(-2, 2, 2) * mm
    cv2.fillPoly(mask, [np.rint(seen / reduce).astype(np.int32)], (255,))
    soft = cv2.GaussianBlur(mask, (0, 0), max(0.5, float(rng.uniform(0.7, 2.5)) * mm / reduce))
    shade(canvas, 1 - np.float32(rng.uniform(0.2, 0.5) / 255) * np.asarray(soft, np.float32))


def screen(scene: Scene, rng: np.random.Generator, strength: int) -> None:
    """A monitor's dark rim round the page, and its bluish white."""
    scene.backdrop = (14.0, 14.0, 17.0)
    shade(scene.page, np.broadcast_to(np.array([0.9, 0.95, 1.0], np.float32), (2, 2, 3)).astype(np.float32))


def finger(scene: Scene, rng: np.random.Generator, strength: int) -> None:
    """A thumb over the rim, which hides what is under it."""
    height, width = scene.picture.shape[:2]
    mm = scene.mm
    reach = float(rng.uniform(0.5, 1.0)) * (9, 17, 28)[strength - 1] * mm
    rim, inward = _on_the_rim(scene.chain, rng)
    lean = np.deg2rad(rng.normal(0, 25))
    turn = np.array([[np.cos(lean), -np.sin(lean)], [np.sin(lean), np.cos(lean)]])
    axis = turn @ inward
    radius = float(rng.uniform(7.5, 10.5)) * mm
    tip = np.clip(rim, [0, 0], [width - 1, height - 1]) + inward * reach - axis * radius
    _lay_thumb(scene, rng, tip, axis, radius)


def _on_the_rim(chain: Chain, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """A point of the page's rim in the picture, and the direction from there into the page."""
    width, height = chain.page
    side, at = int(rng.integers(4)), float(rng.uniform(0.1, 0.9))
    x, y = ((at, 0.0), (at, 1.0), (0.0, at), (1.0, at))[side]
    step = 0.02
    deeper = [(0.0, step), (0.0, -step), (step, 0.0), (-step, 0.0)][side]
    ends = chain.forward(np.array([[x, y], [x + deeper[0], y + deeper[1]]]) * [width, height])
    way = ends[1] - ends[0]
    return ends[0], way / np.hypot(*way)


def _lay_thumb(scene: Scene, rng: np.random.Generator, tip: np.ndarray, axis: np.ndarray, radius: float) -> None:
    """A round-ended bar of skin from outside the picture to ``tip``, with its shading, its nail and its shadow."""
    picture, corner = _part_round(scene.picture, tip, tip - axis * np.hypot(*scene.picture.shape[:2]), 1.9 * radius)
    if min(picture.shape[:2]) < 2:
        return
    tip = tip - corner
    step = max(1.0, radius / 24)
    shape = (max(2, round(picture.shape[0] / step)), max(2, round(picture.shape[1] / step)))
    x = (np.arange(shape[1], dtype=np.float32) + 0.5)[None, :] * np.float32(picture.shape[1] / shape[1]) - tip[0]
    y = (np.arange(shape[0], dtype=np.float32) + 0.5)[:, None] * np.float32(picture.shape[0] / shape[0]) - tip[1]
    along = ((x * axis[0] + y * axis[1]) / radius).astype(np.float32)
    across = ((y * axis[0] - x * axis[1]) / radius).astype(np.float32)
    # Beyond the tip's middle the outline is an ellipse; behind it the finger widens a little.
    far = np.sqrt(across**2 / (1 + 0.1 * np.clip(-along, 0, 3)) + np.clip(along, 0, None) ** 2)
    shade(picture, 1 - np.float32(rng.uniform(0.25, 0.45)) * smoothstep(1.35 - far, 0.0, 0.4))
    share = np.asarray(cv2.resize(smoothstep(1.03 - far, 0.0, 0.06), picture.shape[1::-1]), np.float32)
    skin = filled(picture.shape[:2], picture, SKINS[int(rng.integers(len(SKINS)))])
    shade(skin, _flesh(rng, along, across, far))
    mask = to_uint8(255 * share)
    cover(picture, mask, skin)
    hidden = np.zeros(scene.picture.shape[:2], np.uint8)
    hidden[corner[1] : corner[1] + mask.shape[0], corner[0] : corner[0] + mask.shape[1]] = mask
    scene.lose(hidden)


def _part_round(picture: Pixels, one: np.ndarray, other: np.ndarray, reach: float) -> tuple[Pixels, np.ndarray]:
    """The part of a picture within ``reach`` of the box of two points, and its left upper corner."""
    side = picture.shape[1::-1]
    low = np.clip(np.minimum(one, other) - reach, 0, side).astype(int)
    high = np.clip(np.maximum(one, other) + reach, 0, side).astype(int)
    return picture[low[1] : high[1], low[0] : high[0]], low


def _flesh(rng: np.random.Generator, along: Plane, across: Plane, far: Plane) -> Plane:
    """Gains ``[rows, columns, 3]``: rounder and darker to the sides, a knuckle's creases, a paler nail."""
    round_off = 0.62 + 0.4 * np.sqrt(np.clip(1 - far * far, 0, 1))
    knuckle = 1 - 0.1 * np.exp(-(((along + 2.0) / 0.08) ** 2)) - 0.08 * np.exp(-(((along + 2.25) / 0.07) ** 2))
    gain = (round_off * knuckle * (1 + 0.02 * noise(rng, far.shape[:2], 40)))[:, :, None] * np.ones(3, np.float32)
    if rng.random() < 0.7:
        nail = np.sqrt((across / 0.62) ** 2 + ((along - 0.1) / 0.75) ** 2)
        inside = smoothstep(1 - nail, 0.0, 0.08)[:, :, None]
        rim = np.exp(-(((nail - 1.02) / 0.05) ** 2))[:, :, None]
        gain = gain * (1 + inside * np.array([0.04, 0.06, 0.1], np.float32)) * (1 - 0.14 * rim)
    return gain.astype(np.float32)
