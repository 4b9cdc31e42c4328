"""Millivolts to polylines on paper, and polylines to pixels: the one place where signals become ink."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from retrieval.ecg.layouts import LeadCell
from retrieval.ecg.recording import LEADS, Signal

SUBPIXEL_BITS = 4
"""cv2 draws with fixed-point coordinates; four bits place a line to 1/16 of a pixel."""
WHOLE = 1e-6
"""A place nearer than this to a whole sample is that sample: fractions of a length are not exact in binary."""

Polyline = NDArray[np.float64]
Row = NDArray[np.float32]


@dataclass(frozen=True)
class CellSamples:
    """The samples that a cell shows, in order of time.

    Args:
        times: ``[n]`` seconds from the start of the recording.
        values: ``[n]`` mV about the lead's median, as recorded: an inverted cell draws them upside down.
        points: ``[n, 2]`` mm from the top left of the page.
    """

    times: NDArray[np.float64]
    values: NDArray[np.float64]
    points: Polyline


def _stretch(cell: LeadCell, samples: int, rate: float, speed: float) -> tuple[float, float]:
    """First and last place of a cell's stretch in samples, fractions included."""
    first = cell.start * samples
    last = min(first + cell.width_mm / speed * rate, cell.stop * samples, samples - 1)
    return first, max(first, last)


def cell_samples(signal: Signal, rate: float, cell: LeadCell, speed: float, gain: float) -> CellSamples:
    """The whole samples between a cell's edges, and where each stands on paper.

    Args:
        signal: ``[12, samples]`` in mV.
        rate: Hz.
        cell: where on the page, and which part of the recording.
        speed: paper speed in mm/s.
        gain: mm per mV.
    """
    row = signal[LEADS.index(cell.lead)]
    first, last = _stretch(cell, row.shape[0], rate, speed)
    start, stop = int(np.ceil(first - WHOLE)), int(np.floor(last + WHOLE)) + 1
    places, values = np.arange(start, stop, dtype=np.float64), row[start:stop]
    points = _on_paper(places - first, values, rate, cell, speed, gain)
    return CellSamples(places / rate, values.astype(np.float64), points)


def cell_polyline(signal: Signal, rate: float, cell: LeadCell, speed: float, gain: float) -> Polyline:
    """One cell's trace as ``[points, 2]`` in mm from the top left of the page.

    It begins exactly at the cell's left edge: where that falls between two samples, with the value between them, and
    so it ends. The arguments are those of ``cell_samples``.
    """
    row = signal[LEADS.index(cell.lead)]
    first, last = _stretch(cell, row.shape[0], rate, speed)
    start, stop = int(np.ceil(first - WHOLE)), int(np.floor(last + WHOLE))
    places = np.arange(start, stop + 1, dtype=np.float64)
    values = row[start : stop + 1]
    if start - first > WHOLE:
        places, values = np.append(first, places), np.append(_between(row, first), values)
    if last - stop > WHOLE:
        places, values = np.append(places, last), np.append(values, _between(row, last))
    return _on_paper(places - first, values, rate, cell, speed, gain)


def _between(row: Row, place: float) -> np.float32:
    """The value of a lead at a fractional sample."""
    low = int(place)
    part = place - low
    return np.float32(row[low] * (1 - part) + row[min(low + 1, row.shape[0] - 1)] * part)


def _on_paper(
    samples: NDArray[np.float64], values: Row, rate: float, cell: LeadCell, speed: float, gain: float
) -> Polyline:
    up = -gain if cell.inverted else gain
    # Heights in the samples' own float32, which the shipped towers' pages were drawn with.
    points = np.empty((len(values), 2))
    points[:, 0] = cell.x_mm + samples * (speed / rate)
    points[:, 1] = cell.baseline_mm - values * up
    return points


def pulse_polyline(
    x_mm: float, baseline_mm: float, gain: float, speed: float, second_gain: float | None = None
) -> Polyline:
    """The calibration pulse, 1 mV high and 0.2 s long, starting at ``x_mm``.

    Where the row's chest leads have another gain, the second half of the pulse is that high (a stair).
    """
    wide, second = 0.2 * speed, gain if second_gain is None else second_gain
    steps = [(0.0, 0.0), (0.0, gain), (wide, second), (wide, 0.0)]
    if second != gain:
        steps[2:2] = [(wide / 2, gain), (wide / 2, second)]
    return np.array([(x_mm + dx, baseline_mm - dy) for dx, dy in steps])


def ink_polylines(
    canvas: NDArray[np.uint8],
    lines: Iterable[Polyline],
    px_per_mm: float,
    colour: Sequence[int] | int,
    thickness: int = 1,
) -> None:
    """Draw polylines given in mm onto ``canvas`` in place, smoothed, to a sixteenth of a pixel.

    The centre of pixel ``i`` lies at ``(i + 0.5) / px_per_mm`` mm. The canonical page is drawn with this; whole pages
    are drawn with ``retrieval.ecg.pen``, which is exact for any width and faster for long traces.
    """
    scale = 1 << SUBPIXEL_BITS
    points = [np.rint((line * px_per_mm - 0.5) * scale).astype(np.int32).reshape(-1, 1, 2) for line in lines]
    shade = (colour,) if isinstance(colour, int) else tuple(colour)
    cv2.polylines(canvas, points, False, shade, thickness, cv2.LINE_AA, SUBPIXEL_BITS)
