"""An ECG page as a printer would make it, in true millimetres, with the place of everything on it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from retrieval.ecg.layouts import LeadCell
from retrieval.ecg.lettering import Word, word
from retrieval.ecg.pen import Ink, mark, strokes, tint
from retrieval.ecg.plan import Lettering, PagePlan, Pulse, TextBox, plan_page
from retrieval.ecg.recording import Recording
from retrieval.ecg.ruling import ruled_paper
from retrieval.ecg.style import GRIDS, PageStyle
from retrieval.ecg.traces import CellSamples, Polyline
from retrieval.errors import BadArgument

__all__ = ["GRIDS", "DrawnPage", "PageStyle", "TextBox", "draw_page", "draw_twin"]

Rgb = NDArray[np.uint8]
Mask = NDArray[np.bool_]
MARKS = ("traces", "pulses", "separators", "text")
"""What a mask can show."""


@dataclass(frozen=True)
class DrawnPage:
    """Pixels uint8 ``[height, width, 3]`` RGB, with the place of each lead, sample, pulse and text in millimetres.

    Pixel ``i`` covers the paper from ``i / px_per_mm`` to ``(i + 1) / px_per_mm`` mm.
    """

    pixels: Rgb
    px_per_mm: float
    layout: str
    cells: tuple[LeadCell, ...]
    texts: tuple[TextBox, ...]
    plan: PagePlan

    @property
    def style(self) -> PageStyle:
        """How the page was asked to look."""
        return self.plan.style

    @property
    def pulses(self) -> tuple[Pulse, ...]:
        """The calibration pulses."""
        return self.plan.pulses

    def samples(self, cell: LeadCell) -> CellSamples:
        """Each sample that a cell of this page shows: its time, its value and its place in mm."""
        return self.plan.samples(cell)

    def to_px(self, points_mm: Polyline) -> Polyline:
        """Places ``[n, 2]`` in mm as pixel coordinates, in which the centre of pixel ``i`` is ``i``."""
        return np.asarray(points_mm) * self.px_per_mm - 0.5

    def mask(self, *marks: str, least: float = 0.0) -> Mask:
        """Which pixels carry ink of the given kinds (``MARKS``), bool ``[height, width]``.

        Args:
            marks: ``"traces"``, ``"pulses"``, ``"separators"``, ``"text"``.
            least: the share of a pixel that must be covered; any ink at all counts at 0.
        """
        unknown = [name for name in marks if name not in MARKS]
        if unknown or not marks:
            raise BadArgument(f"a page has no mask of {unknown or 'nothing'}; ask for {', '.join(MARKS)}")
        share = np.zeros(page_shape(self.plan), np.float32)
        for name in marks:
            for ink in _text_inks(self.plan) if name == "text" else _strokes(self.plan, name):
                mark(share, ink)
        return share > least


def draw_page(recording: Recording, style: PageStyle | None = None, out: Rgb | None = None) -> DrawnPage:
    """Draw a recording on ruled paper.

    The page is as wide as the recording needs at the paper speed, and as high as the rows and the header need, or
    has the size of ``style.sheet_mm``.

    Args:
        recording: what is drawn, about each lead's median.
        style: how the page looks.
        out: pixels of the right shape to draw into (those of an earlier page), which saves asking for memory.

    Raises:
        BadArgument: when the sheet is too small, or ``out`` does not fit.
    """
    return _draw(plan_page(recording, style or PageStyle()), out)


def draw_twin(recording: Recording, style: PageStyle | None = None, out: Rgb | None = None) -> DrawnPage:
    """The same page without any text: where ``draw_page`` prints none, every pixel is the same."""
    return _draw(plan_page(recording, style or PageStyle()).without_text(), out)


def page_shape(plan: PagePlan) -> tuple[int, int]:
    """Height and width of a page in pixels."""
    return round(plan.height_mm * plan.style.px_per_mm), round(plan.width_mm * plan.style.px_per_mm)


def _draw(plan: PagePlan, out: Rgb | None) -> DrawnPage:
    style, shape = plan.style, page_shape(plan)
    canvas = np.empty((*shape, 3), np.uint8) if out is None else out
    if canvas.shape != (*shape, 3) or canvas.dtype != np.uint8 or not canvas.flags.c_contiguous:
        raise BadArgument(
            f"out is {canvas.dtype} {list(canvas.shape)}; this page needs contiguous uint8 {[*shape, 3]}"
        )
    np.copyto(canvas, ruled_paper(shape, style.px_per_mm, style.grid, style.dotted))
    for name in ("separators", "pulses", "traces"):
        for ink in _strokes(plan, name):
            tint(canvas, ink, style.trace)
    texts = tuple(_write(canvas, lettering, style) for lettering in plan.letterings)
    return DrawnPage(canvas, style.px_per_mm, style.layout, plan.cells, texts, plan)


def _strokes(plan: PagePlan, name: str) -> list[Ink]:
    if name == "traces":
        lines = [plan.polyline(cell) for cell in plan.cells]
    elif name == "pulses":
        lines = [pulse.points for pulse in plan.pulses]
    else:
        lines = list(plan.separators)
    width = max(1.0, plan.style.trace_mm * plan.style.px_per_mm)
    # Pulses and separators stand upright, so that their place is a matter of sub-columns; there are few of them.
    parts = 8 if name != "traces" else 4 if plan.style.px_per_mm >= 4 else 8
    return strokes(lines, page_shape(plan), plan.style.px_per_mm, width, parts)


def _placed(lettering: Lettering, style: PageStyle, shape: tuple[int, ...]) -> tuple[Word, int, int]:
    """A text's ink as far as it lies on the page, and the row and column of its corner."""
    ink, left, top = word(lettering.text, lettering.capital_mm * style.px_per_mm)
    y, x = round(lettering.base_mm * style.px_per_mm) + top, round(lettering.x_mm * style.px_per_mm) + left
    kept = ink[max(0, -y) : max(0, shape[0] - y), max(0, -x) : max(0, shape[1] - x)]
    return Word(kept, left, top), max(0, y), max(0, x)


def _write(canvas: Rgb, lettering: Lettering, style: PageStyle) -> TextBox:
    (ink, _, _), y, x = _placed(lettering, style, canvas.shape)
    place = canvas[y : y + ink.shape[0], x : x + ink.shape[1]]
    share = ink[..., None].astype(np.float32) / np.float32(255)
    under = place.astype(np.float32)
    place[:] = under + (np.asarray(style.trace, np.float32) - under) * share + np.float32(0.5)
    left, top, width, height = (size / style.px_per_mm for size in (x, y, ink.shape[1], ink.shape[0]))
    return TextBox(lettering.text, left, top, width, height, lettering.kind)


def _text_inks(plan: PagePlan) -> list[Ink]:
    inks, shape = [], page_shape(plan)
    for lettering in plan.letterings:
        (ink, _, _), y, x = _placed(lettering, plan.style, shape)
        rows, columns = np.nonzero(ink)
        share = ink[rows, columns].astype(np.float32) / np.float32(255)
        inks.append(Ink((rows + y) * shape[1] + columns + x, share))
    return inks
