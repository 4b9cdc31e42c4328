"""Millivolts to polylines on paper, and polylines to pixels: the one place where signals become ink."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from retrieval.ecg.layouts import LeadCell
from retrieval.ecg.recording import LEADS, Signal

SUBPIXEL_BITS = 4
"""cv2 draws with fixed-point coordinates; four bits place a line to 1/16 of a pixel."""

Polyline = NDArray[np.float64]


def cell_polyline(signal: Signal, rate: float, cell: LeadCell, speed: float, gain: float) -> Polyline:
    """One cell's trace as ``[points, 2]`` in mm from the top left of the page.

    Args:
        signal: ``[12, samples]`` in mV.
        rate: Hz.
        cell: where on the page, and which part of the recording.
        speed: paper speed in mm/s.
        gain: mm per mV.
    """
    row = signal[LEADS.index(cell.lead)]
    first = round(cell.start * row.shape[0])
    room = round(cell.width_mm / speed * rate) + 1
    part = row[first : min(first + room, round(cell.stop * row.shape[0]) + 1)]
    x_mm = cell.x_mm + np.arange(part.shape[0]) / rate * speed
    return np.stack([x_mm, cell.baseline_mm - part * gain], axis=1)


def pulse_polyline(x_mm: float, baseline_mm: float, gain: float, speed: float) -> Polyline:
    """The calibration pulse, 1 mV high and 0.2 s long, starting at ``x_mm``."""
    wide, high = 0.2 * speed, gain
    steps = [(0, 0), (0, high), (wide, high), (wide, 0)]
    return np.array([(x_mm + dx, baseline_mm - dy) for dx, dy in steps])


def ink_polylines(
    canvas: NDArray[np.uint8],
    lines: Iterable[Polyline],
    px_per_mm: float,
    colour: Sequence[int] | int,
    thickness: int = 1,
) -> None:
    """Draw polylines given in mm onto ``canvas`` in place, smoothed, to a sixteenth of a pixel.

    The centre of pixel ``i`` lies at ``(i + 0.5) / px_per_mm`` mm.
    """
    scale = 1 << SUBPIXEL_BITS
    points = [np.rint((line * px_per_mm - 0.5) * scale).astype(np.int32).reshape(-1, 1, 2) for line in lines]
    shade = (colour,) if isinstance(colour, int) else tuple(colour)
    cv2.polylines(canvas, points, False, shade, thickness, cv2.LINE_AA, SUBPIXEL_BITS)
