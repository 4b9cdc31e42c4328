"""An ECG page as a printer would make it, in true millimetres, with the place of everything on it."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from retrieval.ecg.layouts import LeadCell, layout_named
from retrieval.ecg.recording import Recording
from retrieval.ecg.traces import Polyline, cell_polyline, ink_polylines, pulse_polyline
from retrieval.errors import BadArgument

Rgb = NDArray[np.uint8]
Colour = tuple[int, int, int]

GRIDS: dict[str, tuple[Colour, Colour]] = {
    "pink": ((250, 222, 224), (240, 178, 184)),
    "red": ((252, 205, 200), (232, 120, 112)),
    "orange": ((253, 228, 200), (243, 184, 120)),
    "blue": ((214, 228, 248), (150, 184, 232)),
    "green": ((212, 238, 214), (146, 204, 152)),
    "gray": ((228, 228, 228), (190, 190, 190)),
}
"""Grid colours: (every millimetre, every fifth)."""


@dataclass(frozen=True)
class PageStyle:
    """How a page looks.

    Args:
        layout: a name of ``retrieval.ecg.layouts.LAYOUTS``.
        px_per_mm: pixels per millimetre; 6 is about 150 dpi.
        speed: paper speed in mm/s.
        gain: mm per mV.
        row_mm: distance between the baselines of two rows.
        grid: a name of ``GRIDS``, or ``"none"``.
        lead_names: print each lead's name above its stretch.
        pulse: print the calibration pulse at the left of each row.
        header: lines of text above the traces.
        trace: ink colour.
        trace_mm: width of the line.
    """

    layout: str = "3x4+1"
    px_per_mm: float = 6.0
    speed: float = 25.0
    gain: float = 10.0
    row_mm: float = 30.0
    grid: str = "pink"
    lead_names: bool = True
    pulse: bool = True
    header: tuple[str, ...] = ()
    trace: Colour = (25, 25, 35)
    trace_mm: float = 0.35

    def __post_init__(self) -> None:
        if self.grid != "none" and self.grid not in GRIDS:
            raise BadArgument(f"no grid is called '{self.grid}'; there are {', '.join(GRIDS)} and none")
        for name in ("px_per_mm", "speed", "gain", "row_mm", "trace_mm"):
            if not 0 < getattr(self, name) < float("inf"):
                raise BadArgument(f"{name} is {getattr(self, name)}; it must be greater than 0 and finite")


@dataclass(frozen=True)
class TextBox:
    """A printed text and its box in mm from the top left."""

    text: str
    x_mm: float
    y_mm: float
    width_mm: float
    height_mm: float


@dataclass(frozen=True)
class DrawnPage:
    """Pixels uint8 ``[height, width, 3]`` RGB, with the place of each lead and text in millimetres."""

    pixels: Rgb
    px_per_mm: float
    layout: str
    cells: tuple[LeadCell, ...]
    texts: tuple[TextBox, ...]


MARGIN_MM = 8.0
PULSE_MM = 12.0
HEADER_LINE_MM = 6.0


def draw_page(recording: Recording, style: PageStyle | None = None) -> DrawnPage:
    """Draw a recording on ruled paper.

    The page is as wide as the recording needs at the paper speed, and as high as the rows and the header need.
    """
    style = style or PageStyle()
    plan = layout_named(style.layout)
    head = MARGIN_MM + HEADER_LINE_MM * len(style.header)
    left = MARGIN_MM + (PULSE_MM if style.pulse else 0.0)
    # A whole number of big squares, so that the ruling closes at the right and lower edge.
    length = recording.seconds * style.speed
    width = _whole_squares(left + length + MARGIN_MM)
    height = _whole_squares(head + style.row_mm * len(plan.rows) + MARGIN_MM)
    cells = plan.cells(left, head + style.row_mm / 2, style.row_mm, length)
    canvas = np.full((round(height * style.px_per_mm), round(width * style.px_per_mm), 3), 255, np.uint8)
    _rule(canvas, style)
    _ink_traces(canvas, recording, cells, style)
    texts = _lead_names(cells, style) + _header(style)
    for box in texts:
        _write(canvas, box, style)
    return DrawnPage(canvas, style.px_per_mm, style.layout, cells, texts)


def _whole_squares(length_mm: float) -> float:
    return float(np.ceil(length_mm / 5) * 5)


def _rule(canvas: Rgb, style: PageStyle) -> None:
    """Rule the paper; a line's centre lies on a whole millimetre."""
    if style.grid == "none":
        return
    fine, bold = GRIDS[style.grid]
    height, width = canvas.shape[0] / style.px_per_mm, canvas.shape[1] / style.px_per_mm
    for step, colour, wide in ((1, fine, 0.12), (5, bold, 0.22)):
        lines: list[Polyline] = [np.array([(x, 0), (x, height)]) for x in np.arange(0, width + 0.01, step)]
        lines += [np.array([(0, y), (width, y)]) for y in np.arange(0, height + 0.01, step)]
        ink_polylines(canvas, lines, style.px_per_mm, colour, max(1, round(wide * style.px_per_mm)))


def _ink_traces(canvas: Rgb, recording: Recording, cells: tuple[LeadCell, ...], style: PageStyle) -> None:
    signal = recording.signal - np.median(recording.signal, axis=1, keepdims=True)
    lines = [cell_polyline(signal, recording.rate, cell, style.speed, style.gain) for cell in cells]
    if style.pulse:
        firsts = {cell.row: cell for cell in reversed(cells)}
        lines += [
            pulse_polyline(cell.x_mm - PULSE_MM / 2 - 0.1 * style.speed, cell.baseline_mm, style.gain, style.speed)
            for cell in firsts.values()
        ]
    ink_polylines(canvas, lines, style.px_per_mm, style.trace, max(1, round(style.trace_mm * style.px_per_mm)))


def _lead_names(cells: tuple[LeadCell, ...], style: PageStyle) -> tuple[TextBox, ...]:
    if not style.lead_names:
        return ()
    high = 2.6
    up = min(0.5 * style.row_mm - 1.0, 12.0)
    return tuple(
        TextBox(cell.lead, cell.x_mm + 1.0, cell.baseline_mm - up, 1.9 * len(cell.lead), high) for cell in cells
    )


def _header(style: PageStyle) -> tuple[TextBox, ...]:
    return tuple(
        TextBox(line, MARGIN_MM, MARGIN_MM / 2 + i * HEADER_LINE_MM, 2.2 * len(line), 3.0)
        for i, line in enumerate(style.header)
    )


def _write(canvas: Rgb, box: TextBox, style: PageStyle) -> None:
    font = cv2.FONT_HERSHEY_SIMPLEX
    high = box.height_mm * style.px_per_mm
    scale = cv2.getFontScaleFromHeight(font, max(4, round(high)), 1)
    thick = max(1, round(0.3 * style.px_per_mm * 0.6))
    corner = (round(box.x_mm * style.px_per_mm), round((box.y_mm + box.height_mm) * style.px_per_mm))
    cv2.putText(canvas, box.text, corner, font, scale, style.trace, thick, cv2.LINE_AA)
