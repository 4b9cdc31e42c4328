"""What the makers of pictures share: paper, words, lines, shapes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

Rgb = NDArray[np.uint8]
Rng = np.random.Generator
Colour = tuple[int, int, int]

BLACK: Colour = (25, 25, 30)
_SYLLABLES = ("ka", "lo", "min", "tra", "ver", "so", "ple", "dor", "en", "st", "qui", "ba", "ren", "ti", "om", "fu")


def paper(rng: Rng, tint: Colour | None = None) -> Rgb:
    """A blank sheet of 900 to 1600 by 650 to 1200 pixels, white or of a light tint."""
    high, wide = int(rng.integers(650, 1200)), int(rng.integers(900, 1600))
    light = tint or tuple(int(v) for v in rng.integers(232, 256, 3))
    return np.full((high, wide, 3), light, np.uint8)


def words(rng: Rng, number: int) -> str:
    """Words of no language."""
    return " ".join("".join(rng.choice(_SYLLABLES, rng.integers(1, 4))) for _ in range(number))


def write(sheet: Rgb, text: str, at: tuple[float, float], size: int = 16, colour: Colour = BLACK) -> None:
    """Write a line of text with its top left corner at ``(x, y)``."""
    from PIL import Image, ImageDraw, ImageFont

    image = Image.fromarray(sheet)
    ImageDraw.Draw(image).text(at, text, colour, ImageFont.load_default(size))
    sheet[:] = np.asarray(image)


def write_lines(sheet: Rgb, lines: Sequence[str], at: tuple[float, float], size: int, step: float) -> None:
    """Write lines below one another."""
    from PIL import Image, ImageDraw, ImageFont

    image = Image.fromarray(sheet)
    draw, letters = ImageDraw.Draw(image), ImageFont.load_default(size)
    for number, line in enumerate(lines):
        draw.text((at[0], at[1] + number * step), line, BLACK, letters)
    sheet[:] = np.asarray(image)


def line(sheet: Rgb, start: Sequence[float], stop: Sequence[float], colour: Colour = BLACK, width: int = 1) -> None:
    """A straight line."""
    cv2.line(sheet, _pixel(start), _pixel(stop), colour, width, cv2.LINE_AA)


def curve(sheet: Rgb, x: Any, y: Any, colour: Colour = BLACK, width: int = 2) -> None:
    """A line through the points ``x``, ``y`` (arrays ``[n]`` in pixels)."""
    points = np.stack([np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)], axis=1)
    cv2.polylines(sheet, [np.rint(points).astype(np.int32)], False, colour, width, cv2.LINE_AA)


def box(sheet: Rgb, corner: Sequence[float], other: Sequence[float], colour: Colour, width: int = -1) -> None:
    """A rectangle, filled unless it has a line's width."""
    cv2.rectangle(sheet, _pixel(corner), _pixel(other), colour, width)


def rule(sheet: Rgb, step: float, colour: Colour, width: int = 1, first: float = 0.0) -> None:
    """Lines across and down, ``step`` pixels apart."""
    high, wide = sheet.shape[:2]
    for x in np.arange(first, wide, step):
        line(sheet, (x, 0), (x, high), colour, width)
    for y in np.arange(first, high, step):
        line(sheet, (0, y), (wide, y), colour, width)


def graph_paper(rng: Rng) -> tuple[Rgb, float]:
    """Ruled paper of a random colour, 1 mm and 5 mm, and its pixels per millimetre."""
    sheet = paper(rng)
    px = float(rng.uniform(3.0, 8.0))
    fine = tuple(int(v) for v in rng.integers(150, 235, 3))
    rule(sheet, px, (fine[0], fine[1], fine[2]))
    rule(sheet, 5 * px, (fine[0] - 40, fine[1] - 60, fine[2] - 60), 1)
    return sheet, px


def any_colour(rng: Rng, top: int = 180) -> Colour:
    """A colour dark enough to be seen on paper."""
    red, green, blue = (int(v) for v in rng.integers(0, top, 3))
    return red, green, blue


def wander(rng: Rng, number: int, smooth: int = 9) -> NDArray[np.float64]:
    """A random walk of ``number`` steps, smoothed, from -1 to 1."""
    walk = np.convolve(np.cumsum(rng.normal(size=number + smooth)), np.ones(smooth) / smooth, "valid")[:number]
    walk -= walk.mean()
    return walk / max(float(np.abs(walk).max()), 1e-9)


def _pixel(point: Sequence[float]) -> tuple[int, int]:
    return round(float(point[0])), round(float(point[1]))
