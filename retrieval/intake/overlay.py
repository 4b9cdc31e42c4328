"""Draw what was understood over the picture it was read from: sheet, field, leads, scale, what was left out."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
from numpy.typing import NDArray

from retrieval.errors import BadArgument
from retrieval.intake.caption import caption_lines, with_caption
from retrieval.intake.result import FoundLead, Intake, IntakeReport, Point, Quad

if TYPE_CHECKING:
    from PIL.Image import Image

    from retrieval.intake.correction import Correction
    from retrieval.intake.declared import Declared

Rgb = NDArray[np.uint8]
Colour = tuple[int, int, int]

SIDES = 1600, 2400
"""Pixels of the longer side that a drawing has at least and at most: small scans are enlarged, photos reduced."""
SHEET: Colour = (0, 114, 178)
FIELD: Colour = (213, 94, 0)
RULER: Colour = (215, 0, 130)
LEFT_OUT: Colour = (70, 70, 70)
LEAD_COLOURS: tuple[Colour, ...] = ((0, 114, 178), (0, 130, 95), (180, 60, 0), (145, 70, 140))
"""Neighbours along a row differ, for the colour-blind too (after Okabe and Ito, darkened for white names)."""
FADE = 0.72
"""How much of the picture's contrast stays, so that lines drawn over it stand out."""
UNSURE = 0.5
TICK_MM = 5


@dataclass(frozen=True)
class Sketch:
    """A picture that is drawn upon, and how many of its pixels one pixel of the original takes."""

    image: Image
    factor: float

    def place(self, point: Point) -> Point:
        """Where a point of the original lies."""
        return point[0] * self.factor, point[1] * self.factor

    def quad(self, quad: Quad) -> list[Point]:
        """Where a quad of the original lies."""
        return [self.place(point) for point in quad]

    @property
    def pen(self) -> int:
        """Width of a line in pixels."""
        return max(2, round(max(self.image.size) / 700))


def read_and_draw(
    path: str, page: int | None = None, declared: Declared | None = None, correction: Correction | None = None
) -> tuple[Intake, dict[str, NDArray[Any]]]:
    """Read a file and give the intake with ``overlay``, RGB uint8 ``[height, width, 3]``.

    Raises:
        BadInput: as ``retrieval.intake.read``.
    """
    from retrieval.intake import read
    from retrieval.intake.picture import picture_of

    intake = read(path, page, declared, correction)
    return intake, {"overlay": draw_understood(intake, picture_of(path, intake, declared))}


def draw_understood(intake: Intake, picture: Rgb | None) -> Rgb:
    """The picture (RGB uint8 ``[height, width, 3]``) with what was found on it, and the findings below.

    Without a picture, which a recording has not, the canonical page that was made is drawn with its leads' names.
    """
    if picture is None or intake.report is None:
        return with_caption(_made_page(intake), caption_lines(intake), ())
    sketch = _sketch(picture)
    _hatch(sketch, intake.report.masked)
    for lead in intake.report.leads:
        _lead_box(sketch, lead)
    _outlines(sketch, intake.report)
    _rulers(sketch, intake.report)
    for lead in intake.report.leads:
        _name_tag(sketch, lead)
    return with_caption(np.asarray(sketch.image), caption_lines(intake), _legend(intake.report))


def _sketch(picture: Rgb) -> Sketch:
    from PIL import Image

    longer = max(picture.shape[:2])
    factor = min(max(longer, SIDES[0]), SIDES[1]) / longer
    size = max(1, round(picture.shape[1] * factor)), max(1, round(picture.shape[0] * factor))
    how = cv2.INTER_AREA if factor < 1 else cv2.INTER_CUBIC
    sized = cv2.resize(picture, size, interpolation=how)
    faded = cv2.convertScaleAbs(sized, alpha=FADE, beta=255 * (1 - FADE))
    return Sketch(Image.fromarray(faded), factor)


def _legend(report: IntakeReport) -> tuple[tuple[str, Colour], ...]:
    entries = (
        ("sheet", SHEET, report.paper is not None),
        ("field of the traces", FIELD, report.corners is not None),
        (f"scale, a tick every {TICK_MM} mm", RULER, True),
        ("left out of the page", LEFT_OUT, bool(report.masked)),
    )
    return tuple((word, colour) for word, colour, there in entries if there)


def _outlines(sketch: Sketch, report: IntakeReport) -> None:
    if report.paper is not None:
        _line(sketch, [*sketch.quad(report.paper), sketch.place(report.paper[0])], SHEET, sketch.pen * 2)
    if report.corners is not None:
        _corner_marks(sketch, sketch.quad(report.corners))


def _corner_marks(sketch: Sketch, corners: Sequence[Point]) -> None:
    """The field's outline, thin, with strong angles at its corners."""
    _line(sketch, [*corners, corners[0]], FIELD, max(1, sketch.pen // 2))
    for i, corner in enumerate(corners):
        for other in (corners[i - 1], corners[(i + 1) % 4]):
            _line(sketch, [corner, _towards(corner, other, 0.06)], FIELD, sketch.pen * 2)


def _lead_box(sketch: Sketch, lead: FoundLead) -> None:
    """A tinted box; dashed where the name or the place is unsure."""
    from PIL import Image, ImageDraw

    corners, colour = sketch.quad(lead.box), _colour(lead)
    mask = Image.new("L", sketch.image.size, 0)
    ImageDraw.Draw(mask).polygon(corners, fill=30)
    sketch.image.paste(Image.new("RGB", sketch.image.size, colour), mask=mask)
    for start, stop in zip(corners, [*corners[1:], corners[0]], strict=True):
        if lead.certainty >= UNSURE:
            _line(sketch, [start, stop], colour, max(1, sketch.pen // 2))
        else:
            _dashes(sketch, start, stop, colour)


def _name_tag(sketch: Sketch, lead: FoundLead) -> None:
    from PIL import ImageDraw

    from retrieval.intake.caption import font

    name = ("-" if lead.inverted else "") + lead.lead + ("" if lead.certainty >= UNSURE else "?")
    letters = font(max(15, max(sketch.image.size) // 95))
    draw = ImageDraw.Draw(sketch.image)
    corners = sketch.quad(lead.box)
    middle = sum(x for x, _ in corners) / 4, sum(y for _, y in corners) / 4
    corner = corners[3]  # names are printed at the top, where a tag would hide what it is to be compared with
    left, top, right, bottom = draw.textbbox((0, 0), name, font=letters)
    wide, high = right - left + 8, bottom - top + 6
    x = corner[0] + 2 if middle[0] >= corner[0] else corner[0] - 2 - wide
    y = corner[1] + 2 if middle[1] >= corner[1] else corner[1] - 2 - high
    x, y = min(max(x, 0), sketch.image.width - wide - 1), min(max(y, 0), sketch.image.height - high - 1)
    draw.rectangle((x, y, x + wide, y + high), fill=_colour(lead))
    draw.text((x + 4 - left, y + 3 - top), name, fill="white", font=letters)


def _colour(lead: FoundLead) -> Colour:
    """By row and column, so that boxes side by side or above one another differ."""
    from retrieval.ecg.recording import LEADS

    column = LEADS.index(lead.lead) // 3 if lead.lead in LEADS else 0
    return LEAD_COLOURS[(column + lead.row) % len(LEAD_COLOURS)]


def _hatch(sketch: Sketch, regions: Sequence[Quad]) -> None:
    """Stripes over what was left out."""
    if not regions:
        return
    from PIL import Image

    wide, high = sketch.image.size
    inside = np.zeros((high, wide), np.uint8)
    for region in regions:
        cv2.fillPoly(inside, [np.rint(np.array(sketch.quad(region))).astype(np.int32)], 1)
    across = np.add.outer(np.arange(high), np.arange(wide)) % (sketch.pen * 6) < sketch.pen
    stripes = (inside > 0) & across
    pixels = np.array(sketch.image)
    pixels[inside > 0] = (0.8 * pixels[inside > 0] + 0.2 * 190).astype(np.uint8)
    pixels[stripes] = LEFT_OUT
    sketch.image.paste(Image.fromarray(pixels))


def _rulers(sketch: Sketch, report: IntakeReport) -> None:
    """A scale along the traces and one across them, of the pitch that was measured, in the middle of the field."""
    if not (report.px_per_mm_x > 0 and report.px_per_mm_y > 0):
        return
    quad = report.corners or _whole(report, sketch)
    middle = sum(x for x, _ in quad) / 4, sum(y for _, y in quad) / 4
    turn = math.radians(report.rotation_deg)
    along = math.cos(turn), -math.sin(turn)  # counter-clockwise on a picture whose y runs down
    across = math.sin(turn), math.cos(turn)
    _ruler(sketch, middle, along, across, report.px_per_mm_x, 50)
    _ruler(sketch, middle, across, along, report.px_per_mm_y, 20)


def _ruler(sketch: Sketch, middle: Point, way: Point, side: Point, px_per_mm: float, reach_mm: int) -> None:
    def at(mm: float, off: float) -> Point:
        x, y = (middle[i] + way[i] * mm * px_per_mm for i in (0, 1))
        x, y = sketch.place((x, y))
        return x + side[0] * off, y + side[1] * off

    _line(sketch, [at(-reach_mm, 0), at(reach_mm, 0)], RULER, sketch.pen)
    for mm in range(-reach_mm, reach_mm + 1, TICK_MM):
        half = sketch.pen * (5 if mm % 25 == 0 else 3)
        _line(sketch, [at(mm, -half), at(mm, half)], RULER, max(1, sketch.pen - 1))


def _whole(report: IntakeReport, sketch: Sketch) -> Quad:
    wide, high = report.picture if min(report.picture) > 0 else sketch.image.size
    return (0.0, 0.0), (float(wide), 0.0), (float(wide), float(high)), (0.0, float(high))


def _line(sketch: Sketch, points: Sequence[Point], colour: Colour, width: int) -> None:
    from PIL import ImageDraw

    ImageDraw.Draw(sketch.image).line(list(points), fill=colour, width=width, joint="curve")


def _dashes(sketch: Sketch, start: Point, stop: Point, colour: Colour) -> None:
    length = max(1.0, math.dist(start, stop))
    step = sketch.pen * 6 / length
    for number in range(int(1 / step) + 1):
        parts = number * step, min(1.0, (number + 0.5) * step)
        _line(sketch, [_towards(start, stop, part) for part in parts], colour, sketch.pen)


def _towards(start: Point, stop: Point, part: float) -> Point:
    return start[0] + (stop[0] - start[0]) * part, start[1] + (stop[1] - start[1]) * part


def _made_page(intake: Intake) -> Rgb:
    """The canonical page, enlarged, with the names of its leads over their cells."""
    from PIL import Image, ImageDraw

    from retrieval.ecg.page import CANONICAL, canonical_cells
    from retrieval.intake.caption import font

    factor = 3
    large = cv2.resize(intake.page.pixels, None, fx=factor, fy=factor, interpolation=cv2.INTER_CUBIC)
    image = Image.fromarray(np.repeat(large[:, :, None], 3, axis=2))
    draw, letters = ImageDraw.Draw(image), font(22)
    try:
        cells = canonical_cells(intake.page.layout)
    except BadArgument:  # a page of unknown layout has no cells to name
        return np.asarray(image)
    for cell in cells:
        x, y = (mm * CANONICAL.px_per_mm * factor for mm in (cell.x_mm, cell.baseline_mm - 13.0))
        draw.text((x + 4, max(2.0, y)), f"-{cell.lead}" if cell.inverted else cell.lead, SHEET, letters)
    return np.asarray(image)
