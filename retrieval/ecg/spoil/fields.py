"""Coarse random fields, and the uint8 arithmetic that lays them over a picture."""

from __future__ import annotations

from statistics import NormalDist

import cv2
import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]
"""``[height, width]`` gray or ``[height, width, 3]`` RGB."""
Plane = NDArray[np.floating]
"""A field of gains, shares or heights; float32 wherever it is large."""
Tone = tuple[float, float, float]
"""Red, green, blue, 0 to 255."""

LUMA = np.array([0.299, 0.587, 0.114], np.float32)
FULL = 200.0
"""A gain of 1 in 8 bits: gains reach 1.275."""
_BELL = np.array([NormalDist().inv_cdf((i + 0.5) / 256) for i in range(256)])


def tone_on(pixels: Pixels, tone: Tone) -> tuple[float, ...]:
    """A colour in the channels of the picture."""
    return tone if pixels.ndim == 3 else (float(np.dot(LUMA, tone)),)


def filled(shape: tuple[int, int], like: Pixels, tone: Tone) -> Pixels:
    """A canvas of one colour with the channels of ``like``."""
    canvas = np.empty((*shape, *like.shape[2:]), np.uint8)
    # cv2 fills three channels ten times as fast as numpy's broadcast does.
    cv2.rectangle(canvas, (0, 0), shape[::-1], tone_on(like, tone), cv2.FILLED)
    return canvas


def noise(rng: np.random.Generator, shape: tuple[int, int], cells: float) -> Plane:
    """A smooth field of about unit spread with ``cells`` bumps along the longer side of ``shape``."""
    step = max(shape) / cells
    small = tuple(max(2, round(side / step) + 1) for side in shape)
    field = rng.standard_normal(small, dtype=np.float32)
    return np.asarray(cv2.resize(field, shape[::-1], interpolation=cv2.INTER_CUBIC), np.float32)


def fractal(rng: np.random.Generator, shape: tuple[int, int], cells: float, octaves: int = 3) -> Plane:
    """Noise of ever finer grain, each octave half as strong."""
    field = noise(rng, shape, cells)
    for octave in range(1, octaves):
        field += noise(rng, shape, cells * 2**octave) * np.float32(0.5**octave)
    return field


def smoothstep(field: Plane, low: float, high: float) -> Plane:
    """0 below ``low``, 1 above ``high``, smooth between."""
    t = np.clip((field - low) / (high - low), 0, 1)
    return (t * t * (3 - 2 * t)).astype(np.float32)


def grid(shape: tuple[int, int]) -> tuple[Plane, Plane]:
    """Coordinates ``(x [1, width], y [height, 1])`` from 0 to 1, to be broadcast."""
    height, width = shape
    x = np.linspace(0, 1, width, dtype=np.float32)[None, :]
    return x, np.linspace(0, 1, height, dtype=np.float32)[:, None]


def coarse(pixels: Pixels, nodes: int) -> tuple[int, int]:
    """``(rows, columns)`` of a coarse field over a picture: ``nodes`` along its longer side, 3 px apart or more."""
    height, width = pixels.shape[:2]
    step = max(3.0, max(height, width) / nodes)
    return max(2, round(height / step)), max(2, round(width / step))


def shade(pixels: Pixels, gain: Plane) -> None:
    """Multiply a picture in place by a coarse field ``[rows, columns]`` or ``[rows, columns, 3]`` of gains."""
    if gain.ndim == 3 and pixels.ndim == 2:
        gain = gain @ LUMA
    small = np.clip(gain * FULL + 0.5, 0, 255).astype(np.uint8)
    size = (pixels.shape[1], pixels.shape[0])
    field = small if small.shape[:2] == size[::-1] else cv2.resize(small, size, interpolation=cv2.INTER_LINEAR)
    if field.ndim < pixels.ndim:
        field = cv2.cvtColor(field, cv2.COLOR_GRAY2RGB)
    pixels[...] = cv2.multiply(pixels, field, scale=1 / FULL)


def multiply_tone(pixels: Pixels, share: Plane, tone: Tone) -> None:
    """Let a transparent ink of that colour soak in where ``share`` (coarse, 0 to 1) is above 0."""
    lack = np.float32(1) - np.array(tone, np.float32) / 255
    shade(pixels, np.float32(1) - share[:, :, None] * lack)


def cover(pixels: Pixels, share: Pixels, colour: Pixels) -> None:
    """Lay a picture of the same shape over ``pixels`` in place where ``share`` is 255."""
    weight = share.astype(np.float32) * np.float32(1 / 255)
    pixels[...] = cv2.blendLinear(colour, pixels, weight, 1 - weight)


def lift(pixels: Pixels, share: Plane) -> None:
    """Blend a picture towards white in place, by a coarse field from 0 to 1."""
    cv2.bitwise_not(pixels, pixels)
    shade(pixels, np.float32(1) - np.clip(share, 0, 1))
    cv2.bitwise_not(pixels, pixels)


def fade_to(pixels: Pixels, share: Plane, tone: Tone) -> None:
    """Blend a picture in place towards one colour by a coarse field from 0 to 1."""
    weight = np.asarray(cv2.resize(share, pixels.shape[1::-1]), np.float32)
    cover(pixels, to_uint8(255 * weight), filled(pixels.shape[:2], pixels, tone))


def grain(rng: np.random.Generator, shape: tuple[int, ...], spread: float) -> NDArray[np.int8]:
    """Gaussian noise in whole grey levels, by a table of 256 quantiles: a fifteenth of numpy's time."""
    raw = np.frombuffer(rng.bytes(int(np.prod(shape))), np.uint8).reshape(shape)
    # Rounding up or down in turn keeps a spread below one grey level alive.
    table = np.clip(np.floor(_BELL * spread + 0.5), -128, 127).astype(np.int8)
    return np.asarray(cv2.LUT(raw, table), np.int8)


def add_grain(pixels: Pixels, field: NDArray[np.int8]) -> None:
    """Add noise in place, clipped at black and white."""
    pixels[...] = cv2.add(pixels, field, dtype=cv2.CV_8U)


def to_uint8(table: NDArray[np.floating]) -> NDArray[np.uint8]:
    """Round and clip to 0 to 255."""
    return np.clip(np.rint(table), 0, 255).astype(np.uint8)
