"""What stands where on a page, in millimetres: the plan that pixels, SVG and PDF are all drawn from."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import groupby, pairwise

import numpy as np

from retrieval.ecg.layouts import LeadCell, layout_named
from retrieval.ecg.lettering import width_mm
from retrieval.ecg.recording import Recording, Signal
from retrieval.ecg.style import PageStyle
from retrieval.ecg.traces import CellSamples, Polyline, cell_polyline, cell_samples, pulse_polyline
from retrieval.errors import BadArgument

MARGIN_MM = 8.0
PULSE_MM = 12.0
HEADER_LINE_MM = 6.0
INTERPRETATION_LINE_MM = 5.0
SEPARATOR_MM = 8.0
NAME_CAPITAL_MM, HEADER_CAPITAL_MM, SMALL_CAPITAL_MM = 2.6, 3.0, 2.2


@dataclass(frozen=True)
class Pulse:
    """A calibration pulse: 1 mV for 0.2 s, as a line ``[points, 2]`` in mm, beside a row.

    ``gains`` are the heights of its steps in mm: two where the row shows leads of two gains.
    """

    row: int
    points: Polyline
    gains: tuple[float, ...]


@dataclass(frozen=True)
class Lettering:
    """A text to print: where it begins on its base line and the height of its capitals, in mm.

    ``kind`` is ``"lead"``, ``"header"``, ``"interpretation"`` or ``"scale"``.
    """

    text: str
    kind: str
    x_mm: float
    base_mm: float
    capital_mm: float


@dataclass(frozen=True)
class TextBox:
    """A printed text and its box in mm from the top left. ``kind`` is that of its ``Lettering``.

    On drawn pixels the box is tight: it holds every pixel that the text touches, and no more.
    """

    text: str
    x_mm: float
    y_mm: float
    width_mm: float
    height_mm: float
    kind: str = "lead"


@dataclass(frozen=True)
class PagePlan:
    """Places in millimetres from the top left of a sheet.

    Args:
        style: how the page looks.
        width_mm: of the sheet.
        height_mm: of the sheet.
        signal: ``[12, samples]`` mV about each lead's median.
        rate: Hz.
        cells: the leads' stretches, row by row.
        pulses: the calibration pulses.
        separators: strokes ``[2, 2]`` between the leads of a row.
        letterings: texts.
    """

    style: PageStyle
    width_mm: float
    height_mm: float
    signal: Signal
    rate: float
    cells: tuple[LeadCell, ...]
    pulses: tuple[Pulse, ...]
    separators: tuple[Polyline, ...]
    letterings: tuple[Lettering, ...]

    def polyline(self, cell: LeadCell) -> Polyline:
        """A cell's trace from edge to edge, ``[points, 2]`` mm."""
        return cell_polyline(self.signal, self.rate, cell, self.style.speed, self.style.gain_of(cell.lead))

    def samples(self, cell: LeadCell) -> CellSamples:
        """Each sample that a cell shows: its time, its value and its place."""
        return cell_samples(self.signal, self.rate, cell, self.style.speed, self.style.gain_of(cell.lead))

    def without_text(self) -> PagePlan:
        """The twin of this page on which nothing is printed."""
        return replace(self, letterings=())

    def text_boxes(self) -> tuple[TextBox, ...]:
        """Boxes that hold the texts whatever sans-serif face a viewer of SVG or PDF sets them in, so not tight."""
        return tuple(
            TextBox(
                text.text,
                text.x_mm - 0.1 * text.capital_mm,
                text.base_mm - 1.3 * text.capital_mm,
                width_mm(text.text, text.capital_mm) + 0.2 * text.capital_mm,
                1.65 * text.capital_mm,
                text.kind,
            )
            for text in self.letterings
        )


def plan_page(recording: Recording, style: PageStyle) -> PagePlan:
    """Place everything.

    Raises:
        BadArgument: when the sheet of the style is too small for the recording.
    """
    layout = layout_named(style.layout, style.rhythm, style.order)
    signal = recording.signal - np.median(recording.signal, axis=1, keepdims=True)
    seconds = min(style.seconds or recording.seconds, recording.seconds)
    length = seconds * style.speed
    left = MARGIN_MM + (PULSE_MM if style.pulse == "left" else 0.0)
    right = left + length + (PULSE_MM if style.pulse == "right" else 0.0) + MARGIN_MM
    head = MARGIN_MM + max(HEADER_LINE_MM * len(style.header), INTERPRETATION_LINE_MM * len(style.interpretation))
    foot = head + style.row_mm * len(layout.rows) + (HEADER_LINE_MM if style.scale_text else 0.0)
    width, height = _sheet(right, foot + MARGIN_MM, style)
    cells = layout.cells(
        left, head + style.row_mm / 2, style.row_mm, length, style.timing, seconds / recording.seconds
    )
    texts = (*_names(cells, style), *_print(style, width), *_scale(style, foot))
    pulses, separators = tuple(_pulses(cells, style)), tuple(_separators(cells, style))
    return PagePlan(style, width, height, signal, recording.rate, cells, pulses, separators, texts)


def _sheet(right: float, lower: float, style: PageStyle) -> tuple[float, float]:
    """Width and height: the sheet's own, or a whole number of big squares, so that the ruling closes at the edges."""
    if style.sheet_mm is None:
        return _whole_squares(right), _whole_squares(lower)
    width, height = style.sheet_mm
    if right > width + 0.01 or lower > height + 0.01:
        raise BadArgument(
            f"the sheet is {width:g} x {height:g} mm and the page needs {right:.1f} x {lower:.1f} mm; "
            "set a larger sheet_mm, fewer seconds or a smaller row_mm"
        )
    return width, height


def _whole_squares(length_mm: float) -> float:
    return float(np.ceil(length_mm / 5) * 5)


def _by_row(cells: tuple[LeadCell, ...]) -> Iterator[list[LeadCell]]:
    return (list(row) for _, row in groupby(cells, key=lambda cell: cell.row))


def _pulses(cells: tuple[LeadCell, ...], style: PageStyle) -> Iterator[Pulse]:
    if style.pulse == "none":
        return
    for row in _by_row(cells):
        gains = tuple(dict.fromkeys(style.gain_of(cell.lead) for cell in row))
        end = row[-1].x_mm + row[-1].width_mm
        middle = row[0].x_mm - PULSE_MM / 2 if style.pulse == "left" else end + PULSE_MM / 2
        x_mm, baseline = middle - 0.1 * style.speed, row[0].baseline_mm
        yield Pulse(row[0].row, pulse_polyline(x_mm, baseline, gains[0], style.speed, gains[-1]), gains)


def _separators(cells: tuple[LeadCell, ...], style: PageStyle) -> Iterator[Polyline]:
    if not style.separators:
        return
    for row in _by_row(cells):
        for _, cell in pairwise(row):
            half = min(SEPARATOR_MM, 0.6 * style.row_mm) / 2
            yield np.array([(cell.x_mm, cell.baseline_mm - half), (cell.x_mm, cell.baseline_mm + half)])


def _names(cells: tuple[LeadCell, ...], style: PageStyle) -> Iterator[Lettering]:
    if not style.lead_names:
        return
    up = min(0.5 * style.row_mm - 1.0, 12.0) - NAME_CAPITAL_MM
    for cell in cells:
        yield Lettering(cell.printed, "lead", cell.x_mm + 1.0, cell.baseline_mm - up, NAME_CAPITAL_MM)


def _print(style: PageStyle, width: float) -> Iterator[Lettering]:
    """The header at the left, the interpretation to the right of it."""
    reach = MARGIN_MM
    for i, line in enumerate(style.header):
        base = MARGIN_MM / 2 + i * HEADER_LINE_MM + HEADER_CAPITAL_MM
        reach = max(reach, MARGIN_MM + width_mm(line, HEADER_CAPITAL_MM))
        yield Lettering(line, "header", MARGIN_MM, base, HEADER_CAPITAL_MM)
    at = max(0.45 * width, reach + MARGIN_MM) if style.header else 0.45 * width
    for i, line in enumerate(style.interpretation):
        base = MARGIN_MM / 2 + i * INTERPRETATION_LINE_MM + SMALL_CAPITAL_MM
        yield Lettering(line, "interpretation", at, base, SMALL_CAPITAL_MM)


def _scale(style: PageStyle, foot: float) -> Iterator[Lettering]:
    if style.scale_text:
        gain = f"{style.gain:g}" if style.chest_gain is None else f"{style.gain:g}/{style.chest_gain:g}"
        yield Lettering(f"{style.speed:g} mm/s   {gain} mm/mV", "scale", MARGIN_MM, foot, SMALL_CAPITAL_MM)
