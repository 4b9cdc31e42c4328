"""Where the leads of a row begin: gaps, jumps and separators that stand in line over several rows."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from retrieval.intake.page.rows import mm

Plane = NDArray[np.float32]
Bools = NDArray[np.bool_]
SLACK_MM = 1.5
STRETCH = 0.03
START_MM = 4.0
OFF_SPAN = 0.3
"""Evidence that a millimetre between the columns' ends and the rows' ends must have for it."""
NAME_WORTH = 0.3
GAP_MM, WIDEST_GAP_MM = 0.5, 12.0
JUMP_MM = 0.8


@dataclass(frozen=True)
class Cut:
    """The ``side`` on which columns, each ``width`` pixels wide, run on where a picture ends."""

    side: str
    width: float


@dataclass(frozen=True)
class Columns:
    """``edges`` of the columns in pixels, first and last included, and for each inner edge what speaks for it."""

    edges: tuple[float, ...]
    support: tuple[float, ...]


def boundary_evidence(
    masks: Bools, heights: NDArray[np.float64], rules: Bools, bands: list[tuple[int, int]]
) -> Plane:
    """``[rows, width]`` from 0 to 1: signs that a lead of a row ends at a column of pixels and the next begins."""
    out = np.zeros(heights.shape, np.float32)
    for number, (top, bottom) in enumerate(bands):
        ruled = rules[top:bottom].sum(axis=0) > mm(2.0)
        jump = 0.6 * _jumps(heights[number])
        out[number] = np.maximum(np.maximum(ruled, _gaps(masks[number].any(axis=0))), jump)
    return np.asarray(cv2.dilate(out, np.ones((1, 2 * mm(0.5) + 1), np.uint8)), np.float32)


def fit_columns(
    count: int, span: tuple[float, float], evidence: Plane, names: NDArray[np.float64], cut: Cut | None = None
) -> Columns:
    """``count`` equal columns over about ``span`` that gaps, jumps, separators and names speak for.

    Args:
        count: how many leads a row has.
        span: where the rows begin and end, in pixels; columns that fill it are preferred.
        evidence: ``[rows, width]`` of ``boundary_evidence``.
        names: left edges of the names beside these rows, in pixels.
        cut: what a picture lacks of them.
    """
    left, right = span
    if count == 1:
        return Columns((left, right), ())
    usual = (right - left) / count if cut is None else cut.width
    begin = right - count * usual if cut is not None and cut.side == "left" else left
    mean = cv2.GaussianBlur(evidence.mean(axis=0, keepdims=True), (2 * mm(0.8) + 1, 1), mm(0.4)).ravel()
    starts = begin + np.arange(-mm(START_MM), mm(START_MM) + 1, mm(0.5))
    widths = usual * np.linspace(1 - STRETCH, 1 + STRETCH, 25)
    start = np.tile(starts, len(widths)).astype(np.float64)
    width = np.repeat(widths, len(starts)).astype(np.float64)
    inner = start[:, None] + width[:, None] * np.arange(1, count)
    worth = mean[np.clip(np.rint(inner).astype(int), 0, len(mean) - 1)].sum(axis=1)
    worth = worth + _in_line(names, start, width, count)
    off = np.zeros(len(start))
    if cut is None or cut.side != "left":
        off += np.abs(start - left)
    if cut is None or cut.side != "right":
        off += np.abs(start + count * width - right)
    best = int((worth - OFF_SPAN * np.maximum(0, off / mm(1.0) - 0.8)).argmax())
    support = tuple(_support(mean, at) for at in inner[best])
    return Columns((left, *(float(at) for at in inner[best]), right), support)


def _in_line(
    names: NDArray[np.float64], start: NDArray[np.float64], width: NDArray[np.float64], count: int
) -> NDArray[np.float64]:
    """How many columns have their names at one same distance from their edge, at the best such distance."""
    if len(names) < count:
        return np.zeros(len(start))
    column = np.rint((names[None] - start[:, None] - mm(1.0)) / width[:, None]).astype(int)
    off = names[None] - start[:, None] - column * width[:, None]
    inside = (column >= 0) & (column < count) & (np.abs(off) < mm(14.0))
    best = np.zeros(len(start))
    for shift in np.arange(-mm(8.0), mm(10.0), mm(0.5)):
        near = np.where(inside, np.exp(-(((off - shift) / mm(1.0)) ** 2)), 0.0)
        best = np.maximum(best, near.sum(axis=1))
    return NAME_WORTH * best * count / len(names)


def _support(mean: Plane, at: float) -> float:
    """Evidence within ``SLACK_MM`` of an edge, above what stands elsewhere by chance."""
    reach = mm(SLACK_MM)
    near = mean[max(0, round(at) - reach) : round(at) + reach + 1]
    return float(near.max(initial=0.0)) - float(np.quantile(mean, 0.9))


def _gaps(covered: Bools) -> Plane:
    """1 in gaps of a row's ink that are neither specks nor a missing lead."""
    out = np.zeros(len(covered), np.float32)
    step = np.diff(covered.astype(np.int8), prepend=0, append=0)
    starts, ends = np.flatnonzero(step == 1), np.flatnonzero(step == -1)
    for end, start in zip(ends[:-1], starts[1:], strict=True):
        if mm(GAP_MM) <= start - end <= mm(WIDEST_GAP_MM):
            out[end : start + 1] = 1.0
    return out


def _jumps(heights: NDArray[np.float64]) -> Plane:
    """How far the level before a column differs from the level after it, as a share of ``JUMP_MM``, at most 1."""
    near, far = mm(0.5), mm(2.5)
    known = np.isfinite(heights)
    if known.sum() < 2 * far:
        return np.zeros(len(heights), np.float32)
    filled = np.interp(np.arange(len(heights)), np.flatnonzero(known), heights[known])
    padded = np.pad(filled, far, mode="edge")
    windows = np.lib.stride_tricks.sliding_window_view(padded, far - near)
    level, spread = np.median(windows, axis=1), np.ptp(windows, axis=1)
    n = len(heights)
    before, after = level[:n], level[far + near : far + near + n]
    flat = np.exp(-(spread[:n] + spread[far + near : far + near + n]) / 1.5)
    return np.clip(np.abs(after - before) / JUMP_MM, 0, 1).astype(np.float32) * flat.astype(np.float32)
