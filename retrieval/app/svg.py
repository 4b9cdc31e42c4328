"""Traces as inline SVG in the frame of the canonical page: every drawing on a page has the same mm/s and mm/mV.

The unit is a tenth of a millimetre. Two frames of the same width on screen can be compared by eye.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from retrieval.ecg.page import CANONICAL, canonical_cells
from retrieval.ecg.recording import Recording
from retrieval.ecg.traces import cell_polyline, pulse_polyline

UNIT = 10
"""Units per millimetre."""
WIDTH = round(CANONICAL.width_px / CANONICAL.px_per_mm * UNIT)
HEIGHT = round(CANONICAL.height_px / CANONICAL.px_per_mm * UNIT)


@dataclass(frozen=True)
class LeadLabel:
    """A lead's name and where it stands, in units."""

    lead: str
    x: int
    y: int


@dataclass(frozen=True)
class Drawing:
    """What a template draws: one path for all traces, one for the calibration pulses, and the leads' names."""

    traces: str
    pulses: str
    labels: tuple[LeadLabel, ...]


def draw(recording: Recording, layout: str = "3x4+1") -> Drawing:
    """The first ten seconds of a recording in the frame of the canonical page."""
    signal = recording.signal - np.median(recording.signal, axis=1, keepdims=True)
    signal = signal[:, : round(CANONICAL.trace_mm / CANONICAL.speed * recording.rate)]
    cells = canonical_cells(layout)
    lines = [cell_polyline(signal, recording.rate, cell, CANONICAL.speed, CANONICAL.gain) for cell in cells]
    firsts = {cell.row: cell for cell in reversed(cells)}
    pulses = [pulse_polyline(0.5, cell.baseline_mm, CANONICAL.gain, CANONICAL.speed) for cell in firsts.values()]
    labels = tuple(
        LeadLabel(cell.lead, round((cell.x_mm + 1) * UNIT), round((cell.baseline_mm - 11.5) * UNIT)) for cell in cells
    )
    return Drawing("".join(map(path, lines)), "".join(map(path, pulses)), labels)


def path(line: NDArray[np.float64]) -> str:
    """A polyline ``[points, 2]`` in mm as SVG path data in whole units: a move, then steps.

    Points on a straight run between their neighbours are left out, which changes nothing that is seen.
    """
    points = np.rint(np.asarray(line) * UNIT).astype(int)
    if len(points) == 0:
        return ""
    steps = np.diff(points, axis=0)
    steps = steps[np.any(steps != 0, axis=1)]
    merged: list[list[int]] = []
    for dx, dy in steps.tolist():
        if merged and _same_way(merged[-1], dx, dy):
            merged[-1][0] += dx
            merged[-1][1] += dy
        else:
            merged.append([dx, dy])
    moves = "".join(
        f"{'' if i == 0 or dx < 0 else ' '}{dx}{'' if dy < 0 else ' '}{dy}" for i, (dx, dy) in enumerate(merged)
    )
    return f"M{points[0, 0]} {points[0, 1]}" + (f"l{moves}" if moves else "")


def _same_way(last: list[int], dx: int, dy: int) -> bool:
    """Whether a step goes on exactly as the last one did."""
    return last[0] * dy == last[1] * dx and last[0] * dx >= 0 and last[1] * dy >= 0
