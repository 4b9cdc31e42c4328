"""Separate the ink of the traces from paper, ruling, shadow and stain."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from retrieval.intake.page.flat import FLAT_PX_PER_MM, FlatPage
from retrieval.intake.page.threads import side_by_side

Plane = NDArray[np.float32]
Rgb = NDArray[np.uint8]
CELL = round(5 * FLAT_PX_PER_MM)
TILE_CELLS = 8
"""Cells of 5 mm along a side of the tile over which the ruling's own darkness is measured: 4 cm."""
LOWER_MIDDLE = 0.45
"""Quantile of what is seen at one place of the cells of a tile that is taken for the ruling's darkness."""
DARKEST, WITHOUT_DIRT = 0.996, 0.985
"""Quantile of darkness near which ink lies; and where dirt is as much of the page's darkest as its ink."""
LEVEL_MM, FADED, DARKER = 50.0, 0.4, 1.3
"""Where traces fade, their darkness is measured in squares of this side, within these shares of that of the page."""
MIN_CONTRAST = 0.06
"""Ink that is not 6 % darker than the paper beside it cannot be told from it."""


def find_ink(page: FlatPage, *, faded: bool = False) -> Plane:
    """Ink as ``[height, width]`` float32 from 0 (paper) to 1 (trace), at ``FLAT_PX_PER_MM``.

    The lightest channel is taken, in which coloured lines nearly vanish and black ink stays; it is divided by the
    paper's brightness nearby, and what repeats every 5 mm, the rest of the ruling, is taken off.

    Args:
        page: straightened.
        faded: whether traces may be much fainter than the darkest lines of the page, and fainter here than there: by
            toner that ran out under a scanner's streaks, or out of focus.
    """
    return ink_of(page.pixels, page.valid, ruled=page.ruled, faded=faded)


def ink_of(pixels: Rgb, valid: NDArray[np.bool_], *, ruled: bool, faded: bool = False) -> Plane:
    """As ``find_ink``, of uint8 RGB at ``FLAT_PX_PER_MM`` whose ruling lies on multiples of 5 mm."""
    dark = _darkness(pixels)
    if ruled:
        lines = _ruling_darkness(dark)
        # Ink over a line adds to it, as filters do: what is left is measured against what the line leaves.
        dark = np.clip((dark - 1.15 * lines) / (1.0 - lines), 0, 1).astype(np.float32)
    dark[~valid] = 0
    level = _ink_level(dark, WITHOUT_DIRT if faded else DARKEST)
    if level < MIN_CONTRAST:
        return np.zeros_like(dark)
    levels = _levels(dark, level) if faded else level
    return np.clip((dark / levels - 0.3) / 0.5, 0, 1).astype(np.float32)


def _darkness(pixels: Rgb) -> Plane:
    """Share of the paper's light that is missing, 0 to 1: mostly in the lightest channel, in part in all.

    Each channel is measured against the paper's own colour nearby, so that a colour cast changes nothing. The part
    of the mean keeps thin traces whose colour a camera or JPEG has mixed with the ruling's.
    """
    least, mean = np.full(pixels.shape[:2], np.inf, np.float32), np.zeros(pixels.shape[:2], np.float32)
    channels = [np.asarray(channel, np.uint8) for channel in cv2.split(cv2.GaussianBlur(pixels, (0, 0), 0.7))]
    for missing in side_by_side(_missing, channels):
        least, mean = np.minimum(least, missing), mean + missing / 3
    return np.clip(0.75 * least + 0.25 * mean, 0, 1).astype(np.float32)


def _missing(channel: NDArray[np.uint8]) -> Plane:
    """Share of the paper's light that is missing in a channel."""
    wide = round(3.5 * FLAT_PX_PER_MM) | 1
    kernel = np.ones((wide, wide), np.uint8)
    paper = cv2.blur(cv2.erode(cv2.dilate(channel, kernel), kernel), (wide, wide)).astype(np.float32)
    return np.asarray(1.0 - channel.astype(np.float32) / np.maximum(paper, 8.0), np.float32)


def _ruling_darkness(dark: Plane) -> Plane:
    """Darkness of the ruling at each pixel: the lower middle of what is seen at the same place of its cell nearby."""
    height, width = dark.shape
    rows, columns = height // CELL, width // CELL
    cells = dark[: rows * CELL, : columns * CELL].reshape(rows, CELL, columns, CELL).transpose(0, 2, 1, 3)
    out = np.zeros_like(dark)
    weight = np.zeros((rows, columns, 1, 1), np.float32)
    total = np.zeros_like(cells)
    step = TILE_CELLS // 2
    windows = [
        np.s_[top : top + TILE_CELLS, left : left + TILE_CELLS]
        for top in range(0, max(1, rows - step), step)
        for left in range(0, max(1, columns - step), step)
    ]
    for window, middle in zip(windows, side_by_side(lambda window: _middle(cells[window]), windows), strict=True):
        total[window] += middle
        weight[window] += 1
    mean = (total / np.maximum(weight, 1)).transpose(0, 2, 1, 3).reshape(rows * CELL, columns * CELL)
    out[: rows * CELL, : columns * CELL] = mean
    return np.minimum(out, 0.85)


def _middle(cells: Plane) -> Plane:
    """The lower middle of cells ``[rows, columns, CELL, CELL]`` at each place of a cell."""
    seen = np.ascontiguousarray(cells.reshape(-1, CELL * CELL).T)
    rank = int(LOWER_MIDDLE * (seen.shape[1] - 1))
    return np.partition(seen, rank, axis=1)[:, rank].reshape(CELL, CELL)


def _ink_level(dark: Plane, quantile: float) -> float:
    """Darkness of a typical trace pixel: the median of what is clearly ink."""
    top = float(np.quantile(dark, quantile))
    inked = dark[dark > 0.45 * top]
    return float(np.median(inked)) if inked.size else 0.0


def _levels(dark: Plane, level: float) -> Plane:
    """The darkness of traces at each pixel, from that in squares of the page; ``level`` is that of the whole."""
    height, width = dark.shape
    down, across = (max(1, round(side / (LEVEL_MM * FLAT_PX_PER_MM))) for side in dark.shape)
    squares = [
        [_ink_level(part, WITHOUT_DIRT) for part in np.array_split(band, across, axis=1)]
        for band in np.array_split(dark, down, axis=0)
    ]
    bounded = np.clip(np.array(squares, np.float32), max(MIN_CONTRAST, FADED * level), DARKER * level)
    return np.asarray(cv2.resize(bounded, (width, height), interpolation=cv2.INTER_LINEAR), np.float32)
