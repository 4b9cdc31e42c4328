"""The part of a picture that a person marked, turned and laid straight, with the way back to the whole picture."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import overload

import cv2
import numpy as np

from retrieval.errors import BadArgument
from retrieval.intake.correction import Correction, in_order
from retrieval.intake.page.flat import FlatPage, inverse, project, scale_in_the_middle
from retrieval.intake.page.perspective import sheet_from_above
from retrieval.intake.page.phase import Matrix
from retrieval.intake.page.spacing import scale_about
from retrieval.intake.page.spectrum import Rgb
from retrieval.intake.result import IntakeReport, Quad

OUTSIDE = 0.05
"""Share of the picture's longer side by which a corner may lie outside of it; what is there is white."""
LEVEL_PX = 1.0
"""A part whose sides run along the picture's to this is cut out as it stands, pixel by pixel."""
ODD_ASPECT = 1.6
"""The camera's perspective changes the aspect of a part by no more; else what was marked is no rectangle on paper."""


@dataclass(frozen=True)
class Part:
    """What is read of a picture.

    Args:
        pixels: uint8 RGB ``[height, width, 3]``.
        place: ``[3, 3]`` from the whole picture's pixels to those of the part.
        size: width and height of the whole picture.
    """

    pixels: Rgb
    place: Matrix
    size: tuple[int, int]


def part_of(rgb: Rgb, correction: Correction) -> Part:
    """Turn a picture ``[height, width, 3]`` and take out the part that was marked.

    Raises:
        BadArgument: when a corner lies outside of the picture.
    """
    height, width = rgb.shape[:2]
    turned = np.ascontiguousarray(np.rot90(rgb, correction.turns % 4))
    turn = _turn(width, height, correction.turns % 4)
    if correction.corners is None:
        return Part(turned, turn, (width, height))
    _check_inside(correction.corners, width, height)
    quad = np.array(in_order(project(turn, np.array(correction.corners, np.float64)).tolist()))
    pixels, cut = _level_cut(turned, quad) or _warped(turned, quad)
    return Part(pixels, cut @ turn, (width, height))


def flat_of_picture(page: FlatPage, part: Part) -> FlatPage:
    """A straightened page of the part as one of the whole picture."""
    whole = replace(page, matrix=page.matrix @ part.place)
    px_per_mm, turn = scale_in_the_middle(whole)
    return replace(whole, px_per_mm=px_per_mm, rotation_deg=turn, paper=_back(page.paper, part))


def report_of_picture(report: IntakeReport, page: FlatPage, part: Part) -> IntakeReport:
    """A report that counts in the part's pixels, in those of the whole picture; ``page`` is ``flat_of_picture``'s."""
    field = _back(report.corners, part)
    px_per_mm = scale_about(page, field)
    return replace(
        report,
        px_per_mm_x=round(px_per_mm[0], 4),
        px_per_mm_y=round(px_per_mm[1], 4),
        rotation_deg=round(page.rotation_deg, 2),
        picture=part.size,
        corners=field,
        paper=_back(report.paper, part),
        leads=tuple(replace(lead, box=_back(lead.box, part)) for lead in report.leads),
        masked=tuple(_back(region, part) for region in report.masked),
    )


@overload
def _back(quad: Quad, part: Part) -> Quad: ...
@overload
def _back(quad: None, part: Part) -> None: ...
@overload
def _back(quad: Quad | None, part: Part) -> Quad | None: ...
def _back(quad: Quad | None, part: Part) -> Quad | None:
    if quad is None:
        return None
    points = project(inverse(part.place), np.array(quad, np.float64))
    a, b, c, d = ((round(float(x), 1), round(float(y), 1)) for x, y in points)
    return a, b, c, d


def _check_inside(corners: Quad, width: int, height: int) -> None:
    room = OUTSIDE * max(width, height)
    for x, y in corners:
        if not (-room <= x <= width - 1 + room and -room <= y <= height - 1 + room):
            raise BadArgument(f"the corner {x:.0f},{y:.0f} lies outside of the picture of {width} x {height} pixels")


def _turn(width: int, height: int, quarters: int) -> Matrix:
    """Where ``np.rot90`` puts a pixel of a picture of this size, ``[3, 3]``."""
    turns = {
        0: [[1, 0, 0], [0, 1, 0]],
        1: [[0, 1, 0], [-1, 0, width - 1]],
        2: [[-1, 0, width - 1], [0, -1, height - 1]],
        3: [[0, -1, height - 1], [1, 0, 0]],
    }
    return np.array([*turns[quarters], [0, 0, 1]], np.float64)


def _level_cut(rgb: Rgb, quad: Matrix) -> tuple[Rgb, Matrix] | None:
    """The part without any resampling, where its sides are level and upright."""
    a, b, c, d = quad
    if max(abs(a[1] - b[1]), abs(c[1] - d[1]), abs(a[0] - d[0]), abs(b[0] - c[0])) > LEVEL_PX:
        return None
    height, width = rgb.shape[:2]
    left, top = (max(0, int(np.floor(value))) for value in quad.min(axis=0))
    right, bottom = (int(np.ceil(value)) + 1 for value in quad.max(axis=0))
    cut = np.ascontiguousarray(rgb[top : min(height, bottom), left : min(width, right)])
    return cut, np.array([[1, 0, -left], [0, 1, -top], [0, 0, 1]], np.float64)


def _warped(rgb: Rgb, quad: Matrix) -> tuple[Rgb, Matrix]:
    """The part as a rectangle, as large as it is in the picture."""
    height, width = rgb.shape[:2]
    wide, high = (
        max(float(np.hypot(*(quad[i] - quad[j]))) for i, j in sides) for sides in (((0, 1), (3, 2)), ((0, 3), (1, 2)))
    )
    _, aspect = sheet_from_above(quad, ((width - 1) / 2, (height - 1) / 2), float(max(width, height)))
    if 1 / ODD_ASPECT < aspect * high / wide < ODD_ASPECT:
        # The same number of pixels in the aspect that the paper has.
        wide, high = float(np.sqrt(wide * high * aspect)), float(np.sqrt(wide * high / aspect))
    size = max(2, round(wide)), max(2, round(high))
    box = np.array([[0, 0], [size[0] - 1, 0], [size[0] - 1, size[1] - 1], [0, size[1] - 1]], np.float32)
    place = np.asarray(cv2.getPerspectiveTransform(quad.astype(np.float32), box), np.float64)
    warped = cv2.warpPerspective(
        rgb, place, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT, borderValue=(255, 255, 255)
    )
    return np.asarray(warped, np.uint8), place
