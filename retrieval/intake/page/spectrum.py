"""Find the ruling of ECG paper by its frequencies: how far apart the lines stand, and which way they run."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

Rgb = NDArray[np.uint8]
Plane = NDArray[np.float32]

WORK_SIDE = 1800
"""Longest side in pixels at which the ruling is sought: 1 mm lines of a whole page still have 6 px of room."""
TILE = 256
FOURIER = 512
TURN_STEP = 0.5
MAX_TURN = 22.0
LOWEST, HIGHEST, STEP = 0.006, 0.48, 0.001
"""Frequencies that are looked at, in cycles per pixel: bold lines 2 to 160 pixels apart."""
MIN_SPREAD = 0.02
"""Spread of the evidence below which a picture is blank: lines one level of 255 darker than the paper make 0.2."""
PLAUSIBLE_MM = (90.0, 430.0)
"""Lengths of paper that a picture of a 12-lead page shows along its longer side."""


@dataclass(frozen=True)
class Ruling:
    """The bold (5 mm) ruling at working scale.

    Args:
        across: cycles per pixel ``(x, y)`` of the family of lines that cross the traces (near vertical).
        along: the same of the family that runs along the traces (near horizontal).
        strength: from 0 to 1, how much of the structure found is explained by lines 5 mm apart.
        shrunk: working pixels per pixel of the picture.
    """

    across: tuple[float, float]
    along: tuple[float, float]
    strength: float
    shrunk: float


def shrink(rgb: Rgb) -> tuple[Rgb, float]:
    """The picture with its longest side at most ``WORK_SIDE`` pixels, and the factor."""
    factor = min(1.0, WORK_SIDE / max(rgb.shape[:2]))
    if factor == 1.0:
        return rgb, 1.0
    size = max(1, round(rgb.shape[1] * factor)), max(1, round(rgb.shape[0] * factor))
    return np.asarray(cv2.resize(rgb, size, interpolation=cv2.INTER_AREA), np.uint8), factor


def line_evidence(rgb: Rgb) -> Plane:
    """Local darkness ``[height, width]`` in units of its own spread, clipped so that traces weigh no more than lines.

    The darkest channel is taken, since coloured lines are dark in one channel only.
    """
    darkest = rgb.min(axis=2).astype(np.float32)
    dark = cv2.GaussianBlur(darkest, (0, 0), 12) - darkest
    spread = cv2.GaussianBlur(np.abs(dark), (0, 0), 25) + 2.0
    return np.clip(dark / spread, -2.0, 2.0).astype(np.float32)


def find_rulings(evidence: Plane, shrunk: float = 1.0) -> tuple[Ruling, ...]:
    """Up to three readings of the 5 mm ruling of ``evidence`` (from ``line_evidence``), the likeliest first.

    Empty where nothing repeats in both directions. Readings differ where a comb is also a sub-comb of another:
    lines of 1, 2.5 or 10 mm may pass for lines of 5.
    """
    # On blank paper the rounding errors of the blurs would be taken for lines.
    if min(evidence.shape) < 48 or float(evidence.std()) < MIN_SPREAD:
        return ()
    spectrum = _mean_spectrum(evidence)
    turns, lines = [], []
    for base in (0.0, 90.0):
        turn, line = _strongest_direction(spectrum, base)
        turns.append(np.deg2rad(turn))
        lines.append(line)
    return tuple(
        Ruling(
            (fx * float(np.cos(turns[0])), fx * float(np.sin(turns[0]))),
            (fy * float(np.cos(turns[1])), fy * float(np.sin(turns[1]))),
            strength,
            shrunk,
        )
        for fx, fy, strength in _common_pitches(lines[0], lines[1], max(evidence.shape))
    )


def _mean_spectrum(evidence: Plane) -> Plane:
    """Mean amplitude spectrum of overlapping tiles, its zero frequency in the middle, ``[512, 512]``."""
    height, width = evidence.shape
    side = min(TILE, height, width)
    window = (np.hanning(side)[:, None] * np.hanning(side)[None]).astype(np.float32)
    total = np.zeros((FOURIER, FOURIER), np.float32)
    tops = np.linspace(0, height - side, max(2, int(np.ceil(1.5 * height / side)))).astype(int)
    lefts = np.linspace(0, width - side, max(2, int(np.ceil(1.5 * width / side)))).astype(int)
    for top in tops:
        for left in lefts:
            tile = evidence[top : top + side, left : left + side]
            padded = np.zeros((FOURIER, FOURIER), np.float32)
            padded[:side, :side] = (tile - tile.mean()) * window
            real, imaginary = cv2.split(cv2.dft(padded, flags=cv2.DFT_COMPLEX_OUTPUT, nonzeroRows=side))
            power = real * real + imaginary * imaginary
            # Each tile weighs the same: a dark corner must not speak for the page.
            total += power * np.float32(1.0 / (float(power.sum()) + 1e-9))
    return np.fft.fftshift(np.sqrt(total / (len(tops) * len(lefts)))).astype(np.float32)


def _strongest_direction(spectrum: Plane, base: float) -> tuple[float, Plane]:
    """The direction in degrees near ``base`` whose spectrum has the sharpest peaks, and that spectrum."""
    turns = np.arange(-MAX_TURN, MAX_TURN + TURN_STEP / 2, TURN_STEP) + base
    frequencies = np.arange(LOWEST, HIGHEST, STEP)
    angle = np.deg2rad(turns)[:, None]
    x = (FOURIER / 2 + np.cos(angle) * frequencies * FOURIER).astype(np.float32)
    y = (FOURIER / 2 + np.sin(angle) * frequencies * FOURIER).astype(np.float32)
    fan = cv2.remap(spectrum, x, y, cv2.INTER_LINEAR)
    above = np.clip(fan - np.median(fan, axis=0), 0, None)
    score = cv2.GaussianBlur((above**2).sum(axis=1, keepdims=True), (1, 5), 1.0).ravel()
    best = int(score.argmax())
    line = fan[max(0, best - 2) : best + 3].max(axis=0)
    return float(turns[best]), _without_floor(line)


def _without_floor(line: Plane) -> Plane:
    """Peaks of a spectrum above its floor, the highest being 1."""
    column = line.reshape(-1, 1)
    wide = 41
    padded = np.pad(line, wide // 2, mode="edge")
    floor = np.median(np.lib.stride_tricks.sliding_window_view(padded, wide), axis=1)
    peaks = np.clip(column.ravel() - 1.3 * floor, 0, None)
    return (peaks / (peaks.max() + 1e-12)).astype(np.float32)


def _common_pitches(x_line: Plane, y_line: Plane, longest: int) -> list[tuple[float, float, float]]:
    """``(frequency along x, along y, strength)`` of the three combs that explain both spectra best."""
    step = 0.006
    candidates = np.exp(np.arange(np.log(LOWEST), np.log(0.45), step))
    score_x = np.array([_comb(x_line, f) for f in candidates])
    score_y = np.array([_comb(y_line, f) for f in candidates])
    reach = round(np.log(1.3) / step)
    found = []
    for i, frequency in enumerate(candidates):
        near = slice(max(0, i - reach), i + reach + 1)
        j = near.start + int((score_y[near] * _near_square(candidates[near] / frequency)).argmax())
        score = float(np.sqrt(score_x[i] * score_y[j])) * _plausible(longest * 5.0 * frequency)
        if score > 0.04:
            found.append((float(frequency), float(candidates[j]), score))
    best: list[tuple[float, float, float]] = []
    for entry in sorted(found, key=lambda entry: -entry[2]):
        if len(best) < 3 and all(abs(np.log(entry[0] / other[0])) > 0.2 for other in best):
            best.append(entry)
    return best


def _near_square(ratio: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.exp(-((np.log(ratio) / 0.25) ** 2))


def _comb(line: Plane, frequency: float) -> float:
    """How well multiples of ``frequency`` explain the peaks of ``line``: share explained times share present."""
    count = min(10, int((HIGHEST - STEP) / frequency))
    if count < 1:
        return 0.0
    multiples = frequency * np.arange(1, count + 1)
    at = np.rint((multiples - LOWEST) / STEP).astype(int)
    slack = 3
    spread = np.clip(at[:, None] + np.arange(-slack, slack + 1)[None], 0, len(line) - 1)
    # Only the middle of a comb's tooth counts in full, so that the frequency is centred on the peaks.
    weight = 1.0 - np.abs(np.arange(-slack, slack + 1)) / (slack + 1.5)
    heights = (line[spread] * weight).max(axis=1)
    upto = min(len(line), int(at[-1] + slack + 1))
    explained = float(line[np.unique(spread)].sum() / (line[:upto].sum() + 0.15 * line[upto:].sum() + 1e-9))
    present = np.minimum(1.0, heights[:5] / 0.12).mean() if count >= 5 else np.minimum(1.0, heights / 0.12).sum() / 5
    strong = float(np.sqrt(heights.max()))
    return min(1.0, explained) * float(present) * strong


def _plausible(longest_mm: float) -> float:
    """1 for a length of paper that a page can have, falling away outside."""
    low, high = PLAUSIBLE_MM
    if longest_mm < low:
        return max(0.05, (longest_mm / low) ** 2)
    if longest_mm > high:
        return max(0.05, (high / longest_mm) ** 2)
    return 1.0
