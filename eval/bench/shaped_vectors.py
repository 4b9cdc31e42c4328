"""Many vectors shaped like few: those of real and simulated ECGs, each moved away in random directions.

How far is chosen so that a vector lies as far from its nearest neighbour as the given ones lie from theirs; the table
of quantiles that the benchmark prints says how well that came out.
"""

from __future__ import annotations

from pathlib import Path

import faiss
import numpy as np
from numpy.lib.format import open_memmap
from numpy.typing import NDArray

from index.tuning import moved

Matrix = NDArray[np.float32]
Distances = NDArray[np.float64]

QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
_ROWS_AT_ONCE = 16384
_LEAST_DISTANCE = 1e-6
_STEPS = 12


def read_base(paths: list[Path]) -> Matrix:
    """The unit rows of several ``.npy`` files, one after another, exact copies taken out."""
    rows = np.concatenate([np.load(path).astype(np.float64) for path in paths])
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    return np.unique(rows.astype(np.float32), axis=0)


def neighbour_distances(rows: Matrix, sample: int, seed: int) -> Distances:
    """1 - cosine of up to ``sample`` rows to the nearest other row, ascending."""
    chosen = np.random.default_rng(seed).permutation(len(rows))[:sample]
    index = faiss.IndexFlatIP(rows.shape[1])
    index.add(np.ascontiguousarray(rows))
    found = index.search(np.ascontiguousarray(rows[chosen]), 2)[1]
    other = np.where(found[:, 0] == chosen, found[:, 1], found[:, 0])
    products = (rows[chosen].astype(np.float64) * rows[other]).sum(axis=1)
    return np.sort(np.maximum(1 - products, _LEAST_DISTANCE))


def shaped(base: Matrix, distances: Distances, count: int, scale: float, seed: int, to: Path | None = None) -> Matrix:
    """``[count, dim]`` rows of ``base`` in turn, each moved by a distance drawn from ``distances`` times ``scale``.

    Args:
        base: unit rows.
        distances: 1 - cosine, to draw from.
        count: how many rows to make.
        scale: the jitter.
        seed: of the draws.
        to: an ``.npy`` file that holds the rows, where they are too many for the memory.
    """
    shape = (count, base.shape[1])
    rows = np.empty(shape, np.float32) if to is None else open_memmap(to, "w+", np.float32, shape)
    rng = np.random.default_rng(seed)
    for start in range(0, count, _ROWS_AT_ONCE):
        places = np.arange(start, min(count, start + _ROWS_AT_ONCE))
        away = np.clip(scale * rng.choice(distances, len(places)), _LEAST_DISTANCE, 1.0)
        rows[places] = moved(base[places % len(base)], 1 - away, rng)
    return rows


def matched_scale(base: Matrix, distances: Distances, count: int, seed: int, sample: int = 500) -> float:
    """The jitter with which the median distance to the nearest neighbour of ``count`` rows is that of ``base``."""
    wanted = float(np.median(distances))
    low, high = 1e-4, 10.0
    for _ in range(_STEPS):
        middle = float(np.sqrt(low * high))
        rows = shaped(base, distances, count, middle, seed)
        if np.median(neighbour_distances(rows, sample, seed)) < wanted:
            low = middle
        else:
            high = middle
    return float(np.sqrt(low * high))
