"""Heights of the traces over their baselines, and the laws that tie the leads of one heart together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from retrieval.intake.heartbeat import movement
from retrieval.intake.page.flat import FLAT_PX_PER_MM

Heights = NDArray[np.float64]
BLUR_MM = 1.5
"""Rows of a worn page are out of step by fractions of a millimetre; waves slower than that must agree."""
MIN_COLUMNS = 60
TIME_PARTS, LEAST_PARTS = 8, 3
MOVED_MM = 2.5
"""Over this (0.1 s) movement is averaged: a QRS complex need not peak in all leads at once."""
LAWS: dict[str, tuple[float, ...]] = {
    "I - II + III": (1.0, -1.0, 1.0),
    "aVR + aVL + aVF": (1.0, 1.0, 1.0),
    "aVL - 1.5 I - aVR": (1.0, -1.5, 1.0),
    "II - 2 aVF + III": (1.0, -2.0, 1.0),
}
"""Weights of three rows whose sum is 0: Einthoven's and Goldberger's laws, and both in Cabrera's order."""


def row_heights(mask: NDArray[np.bool_], baseline: float) -> Heights:
    """Middle of the ink over the baseline in each column of pixels, in mm; NaN where there is none."""
    inked = np.flatnonzero(mask.any(axis=1))
    if not len(inked):
        return np.full(mask.shape[1], np.nan)
    lines = mask[inked[0] : inked[-1] + 1]
    count = lines.sum(axis=0)
    level = np.arange(inked[0], inked[-1] + 1, dtype=np.float32)[:, None]
    centre = (lines * level).sum(axis=0) / np.maximum(count, 1)
    return np.where(count > 0, (baseline - centre) / FLAT_PX_PER_MM, np.nan)


def smooth(heights: Heights) -> Heights:
    """Gaps bridged and waves quicker than ``BLUR_MM`` left out, about the median."""
    known = np.isfinite(heights)
    if known.sum() < 2:
        return np.zeros_like(heights)
    x = np.arange(len(heights))
    filled = np.interp(x, x[known], heights[known])
    width = max(1, round(BLUR_MM * FLAT_PX_PER_MM))
    kernel = np.hanning(2 * width + 1)
    padded = np.pad(filled, width, mode="edge")
    out = np.asarray(np.convolve(padded, kernel / kernel.sum(), mode="valid"), np.float64)
    return out - float(np.median(out))


def in_time(heights: Heights, span: tuple[float, float]) -> NDArray[np.float64]:
    """How much each row ``[rows, width]`` beats with the others, -1 to 1: a heart moves all leads at once.

    In each eighth of the rows' ``span`` a row is held against the others by the correlation of how fast they move,
    and the middle of these counts; of the eighths the two best do, for pages on which a long strip and most of the
    columns above it show different times. NaN for rows that are hardly there.
    """
    edges = np.linspace(max(0.0, span[0]), span[1], TIME_PARTS + 1).round().astype(int)
    found = np.full((TIME_PARTS, len(heights)), np.nan)
    for part, (left, right) in enumerate(pairwise(edges)):
        least = max(MIN_COLUMNS, (right - left) // 2)
        moves = [movement(row[left:right], round(MOVED_MM * FLAT_PX_PER_MM), least) for row in heights]
        here = {number: move for number, move in enumerate(moves) if move is not None}
        for number, move in here.items():
            others = [float(np.mean(move * theirs)) for other, theirs in here.items() if other != number]
            if others:
                found[part, number] = np.median(others)
    known = [np.sort(column[np.isfinite(column)]) for column in found.T]
    return np.array([column[-2:].mean() if len(column) >= LEAST_PARTS else np.nan for column in known])


@dataclass(frozen=True)
class Stretch:
    """A stretch of a row: ``[width]`` whether it has ink in a column, and its ``smooth`` waves in mm."""

    known: NDArray[np.bool_]
    waves: Heights


def stretch_of(heights: Heights) -> Stretch:
    """A stretch by its heights ``[width]``, NaN where there is no ink."""
    return Stretch(np.isfinite(heights), smooth(heights))


def broken(law: tuple[float, ...], rows: Sequence[Stretch]) -> float:
    """How far three stretches are from obeying a law: 0 exactly, about 1 for leads that have nothing in common."""
    known = np.stack([row.known for row in rows]).all(axis=0)
    if known.sum() < MIN_COLUMNS:
        return float("nan")
    waves = np.stack([row.waves for row in rows])[:, known]
    waves = waves - waves.mean(axis=1, keepdims=True)
    weights = np.array(law)[:, None]
    apart = float((waves * weights).sum(axis=0).var())
    return apart / (float((weights**2 * waves.var(axis=1, keepdims=True)).sum()) + 1e-3)


def unlike(one: Stretch, other: Stretch) -> float:
    """How far two stretches are from showing the same lead at the same time: 0 if they do, 1 without likeness.

    1 - the concordance of their waves (Lin, Biometrics 45 (1989) 255), to which size matters as well as shape.
    """
    known = one.known & other.known
    if known.sum() < MIN_COLUMNS:
        return float("nan")
    a, b = one.waves[known], other.waves[known]
    a, b = a - a.mean(), b - b.mean()
    return 1.0 - 2.0 * float((a * b).mean()) / (float(a.var() + b.var()) + 1e-3)
