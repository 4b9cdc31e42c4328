"""What was understood, in words: for the strip below a drawing and for the terminal."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from retrieval.intake.result import Finding, Intake, IntakeReport

if TYPE_CHECKING:
    from PIL.ImageDraw import ImageDraw

Rgb = NDArray[np.uint8]
Colour = tuple[int, int, int]
TEXT: Colour = (20, 20, 20)
STRIP: Colour = (250, 250, 246)


@lru_cache(maxsize=8)
def font(size: int) -> Any:
    """The typeface that Pillow brings, of that size in pixels."""
    from PIL import ImageFont

    return ImageFont.load_default(size)


def caption_lines(intake: Intake) -> tuple[str, ...]:
    """What was read in a line, what was assumed in another, and a line for each finding."""
    report = intake.report
    if report is None:
        lines = [recording_line(intake)]
    else:
        turned = f", turned by {report.rotation_deg:.1f}°" if abs(report.rotation_deg) >= 0.1 else ""
        scale = f"{pitch_line(report)}{turned}"
        lines = [f"{layout_line(report)}, {speed_line(report)}, {scale}; certainty {percent(report.certainty)}"]
        if report.assumed:
            lines.append(f"Assumed, not found: {', '.join(report.assumed)}")
    return (*lines, *(f"- {finding_line(finding)}" for finding in intake.findings))


def recording_line(intake: Intake) -> str:
    """Length and rate of a recording."""
    if intake.recording is None:
        return f"a page without a report ({intake.kind})"
    return (
        f"12 leads, {intake.recording.seconds:.1f} s at {intake.recording.rate:g} Hz, drawn as {intake.page.layout}"
    )


def layout_line(report: IntakeReport) -> str:
    """The layout, its order where it is not the usual one, and how many of the leads were found."""
    order = ", Cabrera's order" if report.order == "cabrera" else ""
    names = len({lead.lead for lead in report.leads})
    return f"{report.layout}{order}" + (f", {names} leads" if names else "")


def speed_line(report: IntakeReport) -> str:
    """Speed and gain of the paper."""
    chest = f" (chest {report.chest_gain:g})" if report.chest_gain != report.gain else ""
    return f"{report.speed:g} mm/s, {report.gain:g} mm/mV{chest}"


def pitch_line(report: IntakeReport) -> str:
    """Pixels of the picture per millimetre, along the traces and across them."""
    return f"{report.px_per_mm_x:.2f} x {report.px_per_mm_y:.2f} px/mm"


def finding_line(finding: Finding) -> str:
    """The finding's sentence, and its certainty where that is less than whole."""
    return finding.message + (f" ({percent(finding.certainty)})" if finding.certainty < 0.995 else "")


def percent(share: float) -> str:
    """``93 %``."""
    return f"{100 * share:.0f} %"


def with_caption(picture: Rgb, lines: Sequence[str], legend: Sequence[tuple[str, Colour]]) -> Rgb:
    """The picture with a strip below: the legend's colours first, then the lines, wrapped to the width."""
    from PIL import Image, ImageDraw

    wide = picture.shape[1]
    size = min(max(15, max(picture.shape[:2]) // 85), max(11, wide // 40))
    letters, step = font(size), round(size * 1.45)
    measure = ImageDraw.Draw(Image.new("RGB", (1, 1)))
    wrapped = [part for line in lines for part in _wrapped(measure, line, letters, wide - 2 * size)]
    keys = _key_rows(measure, legend, letters, size, wide)
    strip = Image.new("RGB", (wide, (len(keys) + len(wrapped)) * step + size), STRIP)
    draw = ImageDraw.Draw(strip)
    for row, entries in enumerate(keys):
        for x, word, colour in entries:
            top = row * step + size // 2
            draw.rectangle((x, top + size // 4, x + size, top + size), fill=colour)
            draw.text((x + 1.5 * size, top), word, TEXT, letters)
    for row, line in enumerate(wrapped, start=len(keys)):
        draw.text((size, row * step + size // 2), line, TEXT, letters)
    return np.vstack([picture, np.asarray(strip)])


def _wrapped(draw: ImageDraw, line: str, letters: Any, wide: int) -> list[str]:
    rows: list[str] = []
    for word in line.split():
        longer = f"{rows[-1]} {word}" if rows else word
        if rows and draw.textlength(longer, font=letters) <= wide:
            rows[-1] = longer
        else:
            rows.append(word)
    return rows


def _key_rows(
    draw: ImageDraw, legend: Sequence[tuple[str, Colour]], letters: Any, size: int, wide: int
) -> list[list[tuple[float, str, Colour]]]:
    """The legend's entries with their places along each row."""
    rows: list[list[tuple[float, str, Colour]]] = []
    x = float(wide)
    for word, colour in legend:
        needs = draw.textlength(word, font=letters) + 3.5 * size
        if x + needs > wide - size:
            rows.append([])
            x = float(size)
        rows[-1].append((x, word, colour))
        x += needs
    return rows
