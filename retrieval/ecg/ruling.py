"""Ruled paper: lines a millimetre apart, each fifth bold, with exact ink per pixel; the last sheets are kept."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from retrieval.ecg.style import GRIDS, Colour

Rgb = NDArray[np.uint8]
Floats = NDArray[np.float32]
FINE_MM, BOLD_MM, DOT_MM = 0.12, 0.22, 0.3
"""Width of a millimetre's line and of each fifth, and size of a dot; none is drawn narrower than a pixel."""
KEPT_PIXELS = 1 << 24
"""Larger sheets are ruled each time: two kept ones hold 100 MB at most."""
_STEPS = 64


def ruled_paper(shape: tuple[int, int], px_per_mm: float, grid: str, dotted: bool = False) -> Rgb:
    """White paper ``[height, width, 3]`` with its ruling, read-only; a line's centre lies on a whole millimetre.

    Args:
        shape: height and width in pixels.
        px_per_mm: pixels per millimetre.
        grid: a name of ``GRIDS``, or ``"none"``.
        dotted: dots where the millimetre lines would cross.
    """
    if shape[0] * shape[1] > KEPT_PIXELS:
        return _rule(shape, px_per_mm, grid, dotted)
    return _kept(shape, px_per_mm, grid, dotted)


def _rule(shape: tuple[int, int], px_per_mm: float, grid: str, dotted: bool) -> Rgb:
    if grid == "none":
        paper = np.full((*shape, 3), 255, np.uint8)
    else:
        # A row or column of pixels is one of some hundred kinds, by where the rules fall in it.
        kinds = [np.unique(_rules(size, px_per_mm, dotted), axis=0, return_inverse=True) for size in shape]
        (down, row), (across, column) = kinds
        table = _colours(down, across, GRIDS[grid], dotted)
        paper = table.take(column.reshape(-1), axis=1).take(row.reshape(-1), axis=0)
    paper.flags.writeable = False
    return paper


_kept = lru_cache(maxsize=2)(_rule)


def _rules(size: int, px_per_mm: float, dotted: bool) -> Floats:
    """Shares of the fine and of the bold rules, ``[size, 2]``, in steps so small that many rows are alike."""
    fine = line_shares(size, px_per_mm, 1, DOT_MM if dotted else FINE_MM)
    bold = line_shares(size, px_per_mm, 5, BOLD_MM)
    return (np.rint(np.stack([fine, bold], axis=1) * _STEPS) / _STEPS).astype(np.float32)


def _colours(down: Floats, across: Floats, colours: tuple[Colour, Colour], dotted: bool) -> Rgb:
    """Pixels ``[rows, columns, 3]`` where rules cover the shares ``[rows, 2]`` and ``[columns, 2]`` of a pixel."""
    fine, bold = (np.asarray(colour, np.float32) for colour in colours)
    bare = 1 - down[:, None], 1 - across[None]
    seen = np.empty((len(down), len(across), 2), np.float32)
    np.multiply(bare[0][..., 1], bare[1][..., 1], out=seen[..., 0])
    blank = 1 - down[:, None, 0] * across[None, :, 0] if dotted else bare[0][..., 0] * bare[1][..., 0]
    np.multiply(blank, seen[..., 0], out=seen[..., 1])
    # Paper that shows through the fine rules, and both through the bold ones: linear in what each leaves free.
    return (seen @ np.stack([fine - bold, 255 - fine]) + (bold + np.float32(0.5))).astype(np.uint8)


def line_shares(size: int, px_per_mm: float, step: int, wide_mm: float) -> Floats:
    """How much of each of ``size`` pixels in a line the rules cover that stand ``step`` mm apart, ``[size]``."""
    half = max(1.0, wide_mm * px_per_mm) / 2
    centres = np.arange(0, size / px_per_mm + step, step) * px_per_mm
    edges = np.arange(size + 1)
    # The ink up to an edge: each rule well to the left of it, and the parts of the two around it.
    after = np.clip(np.searchsorted(centres, edges), 1, len(centres) - 1)
    parts = (np.clip(edges - centres[rule], -half, half) for rule in (after - 1, after))
    up_to = after * 2 * half + sum(parts)
    return np.clip(np.diff(up_to), 0, 1).astype(np.float32)


def forget() -> None:
    """Let go of the sheets that are kept, such as to give their memory back."""
    _kept.cache_clear()
