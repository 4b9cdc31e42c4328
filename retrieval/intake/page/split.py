"""Part ink that joins two rows, where a tall wave of one crosses into the other."""

from __future__ import annotations

from itertools import pairwise

import cv2
import numpy as np
from numpy.typing import NDArray

from retrieval.intake.page.rows import Component, Row, Strokes, mm

Bools = NDArray[np.bool_]
STROKE_MM = 0.8
"""A row's own line is found again within this of where it ran before a foreign wave crossed it."""


def split(parts: Strokes, owners: dict[int, list[int]], rows: tuple[Row, ...]) -> Bools:
    """Masks ``[rows, height, width]``; a piece that runs through several rows is parted stroke by stroke."""
    masks = np.zeros((len(rows), *parts.labels.shape), bool)
    single = np.full(int(parts.labels.max()) + 1, -1, np.int16)
    for label, owned in owners.items():
        if len(owned) == 1:
            single[label] = owned[0]
    owner = single[parts.labels]
    for number in range(len(rows)):
        np.equal(owner, number, out=masks[number])
    for part in parts.components:
        owned = owners.get(part.label, [])
        if len(owned) >= 2:
            _part(parts, part, owned, rows, masks)
    return masks


def _part(parts: Strokes, part: Component, owned: list[int], rows: tuple[Row, ...], masks: Bools) -> None:
    """Cut halfway between baselines, then give each stroke that crosses a cut to the row whose wave it is."""
    box = np.s_[part.top : part.bottom, part.left : part.right]
    ink = parts.labels[box] == part.label
    bases = [rows[number].baseline - part.top for number in owned]
    cuts = [0, *(round((a + b) / 2) for a, b in pairwise(bases)), ink.shape[0]]
    for number, top, bottom in zip(owned, cuts, cuts[1:], strict=False):
        masks[number][box][top:bottom] |= ink[top:bottom]
    for (upper, lower), (above, below) in zip(pairwise(owned), pairwise(bases), strict=True):
        for left, right in _crossings(ink, round((above + below) / 2)):
            _give(ink, (left, right), (above, below), (masks[upper][box], masks[lower][box]))


def _crossings(ink: Bools, cut: int) -> list[tuple[int, int]]:
    """Columns, first and past the last, of each stroke that crosses the height of a cut."""
    line = np.asarray(ink[max(0, cut - 1) : cut + 1].any(axis=0), np.uint8).reshape(1, -1)
    near = cv2.morphologyEx(line, cv2.MORPH_CLOSE, np.ones((1, mm(2.5)), np.uint8))
    step = np.diff(np.asarray(near, np.int8).ravel(), prepend=0, append=0)
    return list(zip(np.flatnonzero(step == 1).tolist(), np.flatnonzero(step == -1).tolist(), strict=True))


def _give(ink: Bools, columns: tuple[int, int], bases: tuple[float, float], masks: tuple[Bools, Bools]) -> None:
    """Give the whole of a crossing wave to the row it comes from.

    A wave is wide at its foot and narrow at its tip: it belongs to the row on whose side it is wider.
    """
    left, right = max(0, columns[0] - mm(1.0)), min(ink.shape[1], columns[1] + mm(1.0))
    above, below = (round(base) for base in bases)
    third = max(1, (below - above) // 4)
    high = _spread(ink[above + third : above + 2 * third, left:right])
    low = _spread(ink[below - 2 * third : below - third, left:right])
    upper, lower = masks
    cut = (above + below) // 2
    window = np.s_[:, left:right]
    wave = ink[window]
    if high >= low:  # comes down from the upper row: its tip below the cut is the upper row's
        tip = wave[cut:] & _connected(wave, cut)[cut:]
        upper[window][cut:] |= tip
        lower[window][cut:] &= ~tip | _line(lower, (left, right), below)[cut:]
    else:
        tip = wave[:cut] & _connected(wave, cut)[:cut]
        upper[window][:cut] &= ~tip | _line(upper, (left, right), above)[:cut]
        lower[window][:cut] |= tip


def _connected(wave: Bools, cut: int) -> Bools:
    """Ink of a window that hangs together with what crosses the cut."""
    count, found = cv2.connectedComponents(wave.astype(np.uint8), connectivity=8)
    labels = np.asarray(found, np.int32)
    crossing = np.unique(labels[max(0, cut - 1) : cut + 1])
    keep = np.zeros(count, bool)
    keep[crossing[crossing > 0]] = True
    return np.asarray(keep[labels])


def _spread(band: Bools) -> float:
    """Mean distance from the first to the last column of ink, over the lines of pixels that have any."""
    seen = band.any(axis=1)
    if not seen.any():
        return 0.0
    lines = band[seen]
    return float((lines.shape[1] - lines[:, ::-1].argmax(axis=1) - lines.argmax(axis=1)).mean())


def _line(mask: Bools, columns: tuple[int, int], base: int) -> Bools:
    """Where a row's own line runs under a foreign wave: from where it enters the window to where it leaves."""
    left, right = columns
    heights = []
    for start in (max(0, left - mm(0.7)), min(mask.shape[1] - 1, right)):
        ink = np.flatnonzero(mask[:, start : start + mm(0.7)].any(axis=1))
        near = ink[np.abs(ink - base) < mm(6.0)]
        heights.append(float(np.median(near)) if len(near) else float(base))
    run = np.linspace(heights[0], heights[1], right - left)
    return np.abs(np.arange(mask.shape[0])[:, None] - run) < mm(STROKE_MM) / 2 + 1
