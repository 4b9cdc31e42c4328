"""A clean page with the place of its leads, and where they come to lie in a picture of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from eval.bench.boxes import Box, TrueLead
from retrieval.intake.page.flat import chord_scale

Rgb = NDArray[np.uint8]
Mask = NDArray[np.bool_]
Points = NDArray[np.float64]
Forward = Callable[[Points], Points]
"""From pixels ``[n, 2]`` of the clean page to pixels of the picture; centres of pixels are whole numbers."""


@dataclass(frozen=True)
class PlacedLead:
    """A lead's stretch in millimetres of the clean page: where it begins, how long it is, and its baseline."""

    lead: str
    row: int
    x_mm: float
    width_mm: float
    baseline_mm: float


@dataclass(frozen=True)
class CleanPage:
    """A page before anything happened to it.

    Args:
        pixels: uint8 ``[height, width, 3]``.
        px_per_mm: the same both ways.
        layout: a name of ``retrieval.ecg.layouts.LAYOUTS``.
        leads: their places.
        row_mm: distance of two baselines.
        order: ``"standard"`` or ``"cabrera"``.
        speed: mm/s.
        gain: mm/mV of the limb leads.
        chest_gain: mm/mV of V1 to V6.
        text: pixels that carry print and no trace near it, or ``None`` where they are not known.
        traces: pixels that carry a trace, or ``None``.
    """

    pixels: Rgb
    px_per_mm: float
    layout: str
    leads: tuple[PlacedLead, ...]
    row_mm: float
    order: str = "standard"
    speed: float = 25.0
    gain: float = 10.0
    chest_gain: float = 10.0
    text: Mask | None = None
    traces: Mask | None = None

    def to_px(self, points_mm: Points) -> Points:
        """Places ``[n, 2]`` in mm as pixels."""
        return np.asarray(points_mm, np.float64) * self.px_per_mm - 0.5


@dataclass(frozen=True)
class Pictured:
    """Where the things of a page lie in a picture of it.

    Args:
        leads: the boxes of leads that are seen, cut to the part that is in the picture.
        corners: ``[4, 2]`` of the field of traces, cut likewise at the left and right.
        px_per_mm: along and across the traces, in the middle of the field.
    """

    leads: tuple[TrueLead, ...]
    corners: Box
    px_per_mm: tuple[float, float]


def pictured(page: CleanPage, forward: Forward, size: tuple[int, int]) -> Pictured:
    """Follow the leads of a page into a picture of ``size`` (width, height)."""
    half = page.row_mm / 2
    leads, seen = [], []
    for lead in page.leads:
        span = _seen_mm(page, lead, forward, size)
        if span is None:
            continue
        seen.append(span)
        box = _box(span[0], span[1], lead.baseline_mm - half, lead.baseline_mm + half)
        leads.append(TrueLead(lead.lead, lead.row, forward(page.to_px(box))))
    first, last = min(p.baseline_mm for p in page.leads), max(p.baseline_mm for p in page.leads)
    spans = np.array(seen or [(p.x_mm, p.x_mm + p.width_mm) for p in page.leads])
    field = _box(spans[:, 0].min(), spans[:, 1].max(), first - half, last + half)
    return Pictured(tuple(leads), forward(page.to_px(field)), _scale_at(page, field.mean(axis=0), forward))


def _box(left: float, right: float, top: float, bottom: float) -> Box:
    return np.array([(left, top), (right, top), (right, bottom), (left, bottom)], np.float64)


def _seen_mm(
    page: CleanPage, lead: PlacedLead, forward: Forward, size: tuple[int, int]
) -> tuple[float, float] | None:
    """The part of a lead's baseline that is within the picture, in mm; ``None`` for less than 5 mm."""
    x_mm = np.linspace(lead.x_mm, lead.x_mm + lead.width_mm, max(2, round(lead.width_mm)) + 1)
    there = forward(page.to_px(np.column_stack([x_mm, np.full_like(x_mm, lead.baseline_mm)])))
    inside = ((there > -0.5) & (there < np.asarray(size) - 0.5)).all(axis=1)
    if not inside.any() or np.ptp(x_mm[inside]) < 5:
        return None
    return float(x_mm[inside][0]), float(x_mm[inside][-1])


def _scale_at(page: CleanPage, middle: Points, forward: Forward) -> tuple[float, float]:
    """Pixels of the picture per millimetre of paper both ways: over 50 mm about a place, five times 10 mm apart.

    A dent of the paper bends a few millimetres; the scale of a page is not what it is on one of its dents.
    """
    return chord_scale(lambda mm: forward(page.to_px(middle + mm)))
