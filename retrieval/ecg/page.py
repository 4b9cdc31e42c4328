"""The canonical page: what every ECG becomes before it meets the image tower."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from retrieval.ecg.layouts import LeadCell, layout_named
from retrieval.ecg.recording import Recording
from retrieval.ecg.traces import cell_polyline, ink_polylines

PAPER = 255
INK = 0
Gray = NDArray[np.uint8]


@dataclass(frozen=True)
class PageSpec:
    """Size and scale of the canonical page, and where the rows of each number of rows stand on it.

    At 2 px/mm and 25 mm/s a page holds 50 columns of pixels per second of ECG, and 20 rows per mV.
    """

    width_px: int = 512
    height_px: int = 256
    px_per_mm: float = 2.0
    left_mm: float = 6.0
    speed: float = 25.0
    gain: float = 10.0

    @property
    def shape(self) -> tuple[int, int]:
        """``(height, width)`` in pixels."""
        return self.height_px, self.width_px

    @property
    def trace_mm(self) -> float:
        """Length of a full row on paper: ten seconds."""
        return self.width_px / self.px_per_mm - self.left_mm

    def rows(self, number: int) -> tuple[float, float]:
        """``(first baseline, distance of rows)`` in mm for a page of ``number`` rows."""
        if number <= 4:
            return 19.0, 30.0
        room = self.height_px / self.px_per_mm
        return room / (number + 0.5) * 0.75, room / (number + 0.5)


CANONICAL = PageSpec()


@dataclass(frozen=True)
class CanonicalPage:
    """An upright page of known scale, its text masked: ``pixels`` uint8 ``[256, 512]``, 255 paper, 0 ink, 2 px/mm."""

    pixels: Gray
    layout: str = "3x4+1"

    def __post_init__(self) -> None:
        if self.pixels.shape != CANONICAL.shape or self.pixels.dtype != np.uint8:
            raise ValueError(
                f"a canonical page is uint8 {CANONICAL.shape}, not {self.pixels.dtype} {self.pixels.shape}"
            )


def canonical_cells(layout: str = "3x4+1") -> tuple[LeadCell, ...]:
    """Where each lead stands on the canonical page of that layout."""
    plan = layout_named(layout)
    top, distance = CANONICAL.rows(len(plan.rows))
    return plan.cells(CANONICAL.left_mm, top, distance, CANONICAL.trace_mm)


def canonical_page(recording: Recording, layout: str = "3x4+1") -> CanonicalPage:
    """Draw a recording as the tower sees it: 25 mm/s, 10 mm/mV, no grid, no text.

    Baselines are set to each lead's median, since an electrode's offset says nothing about the heart.
    """
    signal = recording.signal - np.median(recording.signal, axis=1, keepdims=True)
    ten_seconds = round(CANONICAL.trace_mm / CANONICAL.speed * recording.rate)
    signal = signal[:, :ten_seconds]
    pixels = np.full(CANONICAL.shape, PAPER, np.uint8)
    lines = [
        cell_polyline(signal, recording.rate, cell, CANONICAL.speed, CANONICAL.gain)
        for cell in canonical_cells(layout)
    ]
    ink_polylines(pixels, lines, CANONICAL.px_per_mm, INK)
    return CanonicalPage(pixels, layout)
