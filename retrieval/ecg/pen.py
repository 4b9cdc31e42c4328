"""A round pen drawn along traces, as exact ink per pixel, in whole-array arithmetic.

A trace is a function of x (with upright steps at most), so the ink of a round pen drawn along it is, at any x, one
interval of y: at every distance u within the pen's radius r the trace's own heights, widened by sqrt(r^2 - u^2), and
these intervals join. So a stroke is two heights for each of a pixel column's sub-columns, and a pixel's ink is the
mean overlap with them: exact down the page, and to half a sub-column along it.

Strokes go through the arrays together, each in a block of columns of its own, as many as fit the processor's cache.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Whole = NDArray[np.int64]
Points = NDArray[np.float64]
_FAR = np.float32(1e6)
BATCH_COLUMNS = 1800
_NEARER = 0.3
"""A sub-column's heights hold what lies up to half of one nearer to the pen; taking its centre this much further off
halves the mean error, against a disc laid at 64 points a pixel."""


@dataclass(frozen=True)
class Ink:
    """The pixels that a stroke touches, each once: flat indices into ``[height, width]``, and how much of each."""

    pixels: Whole
    share: Floats


@dataclass(frozen=True)
class _Blocks:
    """Strokes side by side: ``columns`` of the page, block after block, and where each block begins and ends in them.

    ``low`` and ``high`` are ``[columns, parts]``: the smallest and largest y in pixels of each sub-column, and
    1e6 and -1e6 where there is none. Each block is wider than its stroke by the pen's reach on both sides.
    """

    columns: Whole
    bounds: list[int]
    low: Floats
    high: Floats


def strokes(
    lines: Sequence[Points], shape: tuple[int, int], px_per_mm: float, width_px: float, parts: int = 4
) -> list[Ink]:
    """The ink of a pen of ``width_px`` along each of several polylines.

    Args:
        lines: ``[n, 2]`` each, in mm from the top left, x never decreasing, n at least 1; pixel ``i`` covers
            ``i / px_per_mm`` mm to ``(i + 1) / px_per_mm``.
        shape: height and width of the page in pixels; what falls outside is left out.
        px_per_mm: pixels per millimetre.
        width_px: the pen's diameter in pixels.
        parts: sub-columns of a pixel; an upright line stands where it should to half of one.
    """
    reach = int(width_px / 2 * parts)
    inks: list[Ink] = []
    for batch in _batches([line * px_per_mm for line in lines]):
        blocks = _heights(batch, parts, pad=reach // parts + 1)
        low, high = _widen(blocks.low.reshape(-1), blocks.high.reshape(-1), width_px / 2, reach, parts)
        inks += _cover(_Blocks(blocks.columns, blocks.bounds, low.reshape(-1, parts), high.reshape(-1, parts)), shape)
    return inks


def _batches(lines: list[Points]) -> Iterator[list[Points]]:
    """Lines of so many columns together that the arrays of a batch stay in the processor's cache."""
    batch, columns = [], 0.0
    for line in lines:
        batch.append(line)
        columns += line[-1, 0] - line[0, 0]
        if columns > BATCH_COLUMNS:
            yield batch
            batch, columns = [], 0.0
    if batch:
        yield batch


def _heights(lines: list[Points], parts: int, pad: int) -> _Blocks:
    """The heights of polylines in pixels, without the pen's own size."""
    spans = [(int(line[0, 0] // 1) - pad, int(line[-1, 0] // 1) + pad + 1) for line in lines]
    bounds = [0, *np.cumsum([stop - start for start, stop in spans]).tolist()]
    moved = zip(lines, spans, bounds[:-1], strict=True)
    u = np.concatenate([(line[:, 0] + (at - start)) * parts for line, (start, _), at in moved])
    y = np.concatenate([line[:, 1] for line in lines])
    place = u.astype(np.int64)
    number = np.bincount(place, minlength=bounds[-1] * parts)
    first, empty = np.cumsum(number) - number, number == 0
    # reduceat gives a place without a vertex the next vertex, for which the last needs one more.
    fenced = np.append(y, 0).astype(np.float32)
    low, high = np.minimum.reduceat(fenced, first), np.maximum.reduceat(fenced, first)
    low[empty], high[empty] = _FAR, -_FAR
    edges = _edges(place, [len(line) for line in lines])
    height = np.interp(edges, u, y).astype(np.float32)
    for side in (edges - 1, edges):
        low[side] = np.minimum(low[side], height)
        high[side] = np.maximum(high[side], height)
    columns = np.concatenate([np.arange(start, stop) for start, stop in spans])
    return _Blocks(columns, bounds, low.reshape(-1, parts), high.reshape(-1, parts))


def _edges(place: Whole, lengths: list[int]) -> Whole:
    """The edges between sub-columns that each line crosses; its vertices stand in the sub-columns ``place``."""
    fences = [0, *np.cumsum(lengths).tolist()]
    return np.concatenate([np.arange(int(place[a]) + 1, int(place[b - 1]) + 1) for a, b in pairwise(fences)])


def _widen(low: Floats, high: Floats, radius: float, reach: int, parts: int) -> tuple[Floats, Floats]:
    """The heights that a disc covers whose centre runs through the given ones."""
    top, bottom = low - np.float32(radius), high + np.float32(radius)
    for step in range(1, reach + 1):
        half = np.float32(np.sqrt(max(radius**2 - ((step + _NEARER) / parts) ** 2, 0.0)))
        upper, lower = low - half, high + half
        np.minimum(top[step:], upper[:-step], out=top[step:])
        np.minimum(top[:-step], upper[step:], out=top[:-step])
        np.maximum(bottom[step:], lower[:-step], out=bottom[step:])
        np.maximum(bottom[:-step], lower[step:], out=bottom[:-step])
    return top, bottom


def _cover(blocks: _Blocks, shape: tuple[int, int]) -> list[Ink]:
    """The pixels between the heights, and their shares."""
    height, width = shape
    parts = blocks.low.shape[1]
    top = np.minimum(np.maximum(blocks.low.T.copy().min(axis=0), 0), height).astype(np.int64)
    below = np.ceil(np.minimum(np.maximum(blocks.high.T.copy().max(axis=0), 0), height)).astype(np.int64)
    deep = np.maximum(below - top, 0)
    deep[(blocks.columns < 0) | (blocks.columns >= width)] = 0
    ends = np.cumsum(deep)
    column = np.repeat(np.arange(len(deep)), deep)
    row = np.arange(len(column)) + (top - ends + deep).take(column)
    here = np.repeat(row.astype(np.float32), parts).reshape(-1, parts)
    upper = np.maximum(blocks.low.take(column, axis=0), here)
    here += 1
    covered = np.minimum(blocks.high.take(column, axis=0), here, out=here)
    covered -= upper
    share = np.maximum(covered, 0, out=covered) @ np.full(parts, 1 / parts, np.float32)
    pixels = row * width + blocks.columns.take(column)
    cuts = np.append(0, ends)[blocks.bounds].tolist()
    return [Ink(pixels[a:b], share[a:b]) for a, b in pairwise(cuts)]


def tint(canvas: NDArray[np.uint8], ink: Ink, colour: Sequence[int]) -> None:
    """Lay ink of a colour over ``[height, width, channels]`` uint8 (contiguous), in place."""
    flat, place = canvas.reshape(-1), ink.pixels * len(colour)
    bare = 1 - ink.share
    for value in colour:  # a channel at a time is twice as fast as rows of three bytes
        under = flat.take(place) * bare
        under += ink.share * np.float32(value) + np.float32(0.5)
        flat[place] = under.astype(np.uint8)
        place += 1


def mark(mask: NDArray[np.float32], ink: Ink) -> None:
    """Keep the larger of a mask ``[height, width]`` of shares and the ink, in place."""
    flat = mask.reshape(-1)
    flat[ink.pixels] = np.maximum(flat[ink.pixels], ink.share)
