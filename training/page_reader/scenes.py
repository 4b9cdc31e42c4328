"""Patches of ECG pages drawn at random, as planes of ink by what the ink is: the truth that the network learns."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from training.page_reader.words import lead_name, other_text

Plane = NDArray[np.uint8]
Bank = NDArray[np.float32]
"""Leads to draw from: ``[leads, samples]`` mV at 250 Hz."""
RATE = 250.0
SIZE_MM = (128.0, 96.0)
TRACE, TEXT, RULE, PULSE = 1, 2, 3, 4
"""Labels of ink; 0 is paper."""


@dataclass
class Scene:
    """Ink of each kind at ``scale`` px/mm, uint8 ``[height, width]``, and the classes of the lead names' boxes."""

    scale: float
    planes: dict[int, Plane]
    names: Plane
    fonts: tuple[str, ...]
    pen: float
    crowded: bool = False


def draw_scene(rng: np.random.Generator, bank: Bank, fonts: tuple[str, ...], *, crowded: bool = False) -> Scene:
    """Rows of traces with names, separators, pulses and print around and over them.

    Crowded scenes have taller waves, lead names all over and things that lie about; the reader of words learns on
    them. The page's network read the beginnings of rows worse when it did.
    """
    scale = float(np.exp(rng.uniform(np.log(3.0), np.log(9.0))))
    shape = round(SIZE_MM[1] * scale), round(SIZE_MM[0] * scale)
    planes = {kind: np.zeros(shape, np.uint8) for kind in (TRACE, TEXT, RULE, PULSE)}
    scene = Scene(scale, planes, np.zeros(shape, np.uint8), fonts, float(rng.uniform(0.15, 0.55)), crowded)
    if rng.random() < 0.06:
        _page_of_text(scene, rng)
        return scene
    pitch = float(np.exp(rng.uniform(np.log(9), np.log(42))))
    first = float(rng.uniform(-5, pitch))
    starts = _starts(rng)
    font = _font(scene, rng, float(rng.uniform(2.2, 4.6)))
    above = float(rng.uniform(-12, 7)) if rng.random() < 0.7 else float(rng.uniform(-5, 4))
    style = float(rng.uniform(2.5, 20)), float(rng.choice([25, 25, 25, 50, 12.5]))
    for base in np.arange(first, SIZE_MM[1] + 5, pitch):
        _row(scene, rng, bank, base, starts, style)
        _names(scene, rng, base + above, starts, font)
    if rng.random() < 0.6:
        _separators(scene, rng, starts, pitch, first)
    _pulses(scene, rng, np.arange(first, SIZE_MM[1], pitch), starts[0])
    _print(scene, rng)
    return scene


def _starts(rng: np.random.Generator) -> list[float]:
    """Where the leads of all rows begin, in mm; the first may lie inside the patch."""
    wide = float(rng.choice([62.5, 62.5, 125, 31, 50, 250]) * rng.uniform(0.9, 1.1))
    first = float(rng.uniform(5, 60)) if rng.random() < 0.5 else float(rng.uniform(-wide, 0))
    return [first + i * wide for i in range(6) if first + i * wide < SIZE_MM[0] + 5]


def _row(
    scene: Scene, rng: np.random.Generator, bank: Bank, base: float, starts: list[float], style: tuple[float, float]
) -> None:
    gain, speed = style
    stops = [*starts[1:], SIZE_MM[0] + (0 if rng.random() < 0.5 else -rng.uniform(0, 40))]
    joined = rng.random() < 0.5
    end: tuple[float, float] | None = None
    for left, right in zip(starts, stops, strict=True):
        signal = bank[int(rng.integers(0, len(bank)))]
        begin = int(rng.integers(0, len(signal) // 3))
        gap = 0.0 if joined else float(rng.uniform(0, 2.5))
        count = max(3, round((right - left - gap) / speed * RATE))
        wave = np.take(signal, np.arange(begin, begin + count), mode="wrap")
        wander = rng.normal(0, 0.05) + rng.uniform(0, 0.12) * np.sin(np.arange(count) / RATE * rng.uniform(0.5, 3))
        if scene.crowded and rng.random() < 0.12:
            wave = wave * float(rng.uniform(1.5, 3.0))  # waves that run through the rows above
        wave = wave + wander + rng.normal(0, rng.choice([0.0, 0.01, 0.04]), count)
        line = np.stack([left + np.arange(count) / RATE * speed, base - gain * wave], axis=1)
        if joined and end is not None and rng.random() < 0.7:
            line = np.vstack([[end], line])
        _stroke(scene, TRACE, line, scene.pen)
        end = float(line[-1, 0]), float(line[-1, 1])


def _names(
    scene: Scene, rng: np.random.Generator, y: float, starts: list[float], font: ImageFont.FreeTypeFont
) -> None:
    offset = float(rng.uniform(-4, 3))
    for left in starts:
        if rng.random() < 0.1:
            continue
        text, kind = lead_name(rng)
        _write(scene, text, left + offset + rng.uniform(-0.5, 0.5), y + rng.uniform(-1, 1), font, kind)


def _separators(scene: Scene, rng: np.random.Generator, starts: list[float], pitch: float, first: float) -> None:
    """Rules between columns: whole, dotted, or short ticks above and below each row."""
    style = rng.random()
    for left in starts:
        x = left + float(rng.uniform(-0.5, 0.5))
        if style < 0.45:
            low, high = sorted(rng.uniform(-20, SIZE_MM[1] + 20, 2))
            _stroke(scene, RULE, np.array([[x, low], [x, high]]), scene.pen * rng.uniform(0.5, 1.3))
            continue
        for base in np.arange(first, SIZE_MM[1] + 5, pitch):
            if style < 0.65:
                for y in np.arange(base - pitch / 2, base + pitch / 2, 1.6):
                    _stroke(scene, RULE, np.array([[x, y], [x, y + 0.6]]), scene.pen)
                continue
            if style < 0.75:
                half = float(rng.uniform(1.5, 8))
                _stroke(scene, RULE, np.array([[x, base - half], [x, base + half]]), scene.pen)
                continue
            high, off = rng.uniform(1, 6), rng.uniform(1, 6)
            _stroke(scene, RULE, np.array([[x, base - off - high], [x, base - off]]), scene.pen * 1.5)
            if style < 0.9:
                _stroke(scene, RULE, np.array([[x, base + off], [x, base + off + high]]), scene.pen * 1.5)


def _pulses(scene: Scene, rng: np.random.Generator, bases: NDArray[np.float64], start: float) -> None:
    """Calibration pulses: boxes of 1 mV and 0.2 s with or without feet, before the rows or after them."""
    if rng.random() < 0.4:
        return
    high, wide = float(rng.choice([10, 10, 10, 5, 20])), float(rng.choice([5, 5, 5, 2.5, 10]))
    near = start - wide - rng.uniform(1, 6) if start > 8 else rng.uniform(0, SIZE_MM[0])
    feet = (float(rng.uniform(0, 3)), float(rng.uniform(0, 3))) if rng.random() < 0.8 else (0.0, 0.0)
    stair = float(rng.choice([0.5, 2.0])) if rng.random() < 0.15 else 0.0
    for base in bases:
        steps = [(-feet[0], 0), (0, 0), (0, -high), (wide, -high), (wide, 0), (wide + feet[1], 0)]
        if stair:
            steps[3:4] = [(wide / 2, -high), (wide / 2, -high * stair), (wide, -high * stair)]
        _stroke(scene, PULSE, np.array([(near + dx, base + dy) for dx, dy in steps]), scene.pen)


def _print(scene: Scene, rng: np.random.Generator) -> None:
    """Lines of print, mostly along the edges, some across the traces; handwriting; a frame or the sheet's edge."""
    for _ in range(int(rng.integers(0, 9))):
        font = _font(scene, rng, float(rng.uniform(1.8, 4.2)))
        edge = rng.random()
        y = rng.uniform(0, 14) if edge < 0.4 else rng.uniform(SIZE_MM[1] - 14, SIZE_MM[1]) if edge < 0.7 else None
        y = float(rng.uniform(0, SIZE_MM[1])) if y is None else float(y)
        _write_line(scene, other_text(rng), float(rng.uniform(-15, SIZE_MM[0] - 10)), y, font)
    for _ in range(int(rng.integers(0, 12)) if scene.crowded else 0):
        text, kind = lead_name(rng)
        font = _font(scene, rng, float(rng.uniform(2.0, 4.6)))
        _write(scene, text, float(rng.uniform(0, SIZE_MM[0] - 5)), float(rng.uniform(3, SIZE_MM[1] - 3)), font, kind)
    if rng.random() < 0.12:
        _handwriting(scene, rng)
    if scene.crowded and rng.random() < 0.15:
        _things(scene, rng)
    if rng.random() < 0.15:
        y, slope = float(rng.uniform(0, SIZE_MM[1])), float(rng.normal(0, 0.5))
        line = np.array([[-5, y], [SIZE_MM[0] + 5, y + slope]])
        _stroke(scene, RULE, line if rng.random() < 0.7 else line[:, ::-1], float(rng.uniform(0.15, 1.2)))


def _things(scene: Scene, rng: np.random.Generator) -> None:
    """Stripes of a table top, the edge of something dark, creases: long, and no trace."""
    angle, count = float(rng.uniform(0, np.pi)), int(rng.integers(1, 7))
    along = np.array([np.cos(angle), np.sin(angle)])
    at = rng.uniform((0, 0), SIZE_MM)
    for _ in range(count):
        at = at + rng.normal(0, 9, 2)
        reach = rng.uniform(4, 60)
        _stroke(scene, RULE, np.stack([at - reach * along, at + reach * along]), float(rng.uniform(0.3, 2.5)))


def _page_of_text(scene: Scene, rng: np.random.Generator) -> None:
    font = _font(scene, rng, float(rng.uniform(2, 5)))
    for y in np.arange(2, SIZE_MM[1], rng.uniform(4, 9)):
        words = [piece for _ in range(3) for piece in other_text(rng)]
        _write_line(scene, words, float(rng.uniform(-5, 10)), float(y), font)


def _handwriting(scene: Scene, rng: np.random.Generator) -> None:
    """Loops of a pen that moves on to the right."""
    count = int(rng.integers(20, 90))
    size = float(rng.uniform(1.5, 5))
    angle = np.cumsum(rng.normal(0.6, 0.9, count))
    steps = np.stack([np.cos(angle) * size * 0.5 + size * 0.12, np.sin(angle) * size * 0.6], axis=1)
    line = np.cumsum(steps, axis=0) + rng.uniform((5, 5), (SIZE_MM[0] - 30, SIZE_MM[1] - 5))
    _stroke(scene, TEXT, line, float(rng.uniform(0.3, 0.7)))


def _stroke(scene: Scene, kind: int, line_mm: NDArray[np.float64], pen_mm: float) -> None:
    points = np.rint((line_mm * scene.scale - 0.5) * 16).astype(np.int32).reshape(-1, 1, 2)
    cv2.polylines(scene.planes[kind], [points], False, 255, max(1, round(pen_mm * scene.scale)), cv2.LINE_AA, 4)


def _font(scene: Scene, rng: np.random.Generator, high_mm: float) -> ImageFont.FreeTypeFont:
    size = max(5.0, high_mm * scene.scale * 1.35)
    own = ImageFont.load_default(size) if rng.random() < 0.15 else None
    return own if isinstance(own, ImageFont.FreeTypeFont) else ImageFont.truetype(str(rng.choice(scene.fonts)), size)


def _write_line(scene: Scene, words: list[tuple[str, int]], x: float, y: float, font: ImageFont.FreeTypeFont) -> None:
    for text, kind in words:
        _write(scene, text, x, y, font, kind)
        x += font.getlength(text + " ") / scene.scale


def _write(scene: Scene, text: str, x: float, y: float, font: ImageFont.FreeTypeFont, kind: int) -> None:
    """Print ``text`` with the middle of its left edge at ``(x, y)`` mm, and mark its box with the class ``kind``."""
    image = Image.fromarray(scene.planes[TEXT])
    at = x * scene.scale, y * scene.scale
    draw = ImageDraw.Draw(image)
    draw.text(at, text, fill=255, font=font, anchor="lm")
    scene.planes[TEXT] = np.array(image)
    left, top, right, bottom = (int(v) for v in draw.textbbox(at, text, font=font, anchor="lm"))
    scene.names[max(0, top) : max(0, bottom), max(0, left) : max(0, right)] = kind
