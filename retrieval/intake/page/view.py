"""The part of a picture that is worked on: cut out to its sheet and shrunk, with the way back to the whole."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import cast

import cv2
import numpy as np

from retrieval.intake.page.flat import inverse, project
from retrieval.intake.page.paper import Sheet, find_sheet
from retrieval.intake.page.phase import Mask, Matrix
from retrieval.intake.page.spectrum import Plane, Rgb, dark_ink, line_evidence, pen_width, shrink

WORTH_CROPPING = 0.85
"""Share of the picture's longer side; a sheet that takes less is cut out, so that more pixels are left for it."""
SOFT_PX = 0.7
"""Blur that spreads a dot a pixel wide over its neighbours."""
ODDLY_LONG = 2.1
"""Width by height from which a page may be a telefax with half its lines; a long strip is looked at twice for it."""


@dataclass(frozen=True)
class View:
    """The part of a picture that is worked on.

    Args:
        pixels: uint8 RGB, at most ``WORK_SIDE`` a side.
        paper: uint8, 255 on the sheet; all of it where no edge is seen.
        place: ``[3, 3]`` from the picture's pixels to those of the view.
        corners: ``[4, 2]`` of the sheet in pixels of the view, or ``None``.
        axis: the middle of the whole picture in pixels of the view.
        longest: the whole picture's longer side in pixels of the view.
        soft: whether lines are sought in blurred pixels.
    """

    pixels: Rgb
    paper: Mask
    place: Matrix
    corners: Matrix | None
    axis: tuple[float, float]
    longest: float
    soft: bool = False
    _seen: dict[str, Plane | Mask | float | None] = field(default_factory=dict, repr=False, compare=False)
    """What was made of the pixels, which a view with other paper shares."""

    def lines(self, *, without_ink: bool, of_fax: bool = False) -> Plane:
        """``line_evidence`` of the pixels, to be read only: it is made once."""
        name = f"lines {without_ink} {of_fax}"
        if name not in self._seen:
            pixels = (
                np.asarray(cv2.GaussianBlur(self.pixels, (0, 0), SOFT_PX), np.uint8) if self.soft else self.pixels
            )
            self._seen[name] = line_evidence(pixels, self.ink(of_fax=of_fax) if without_ink else None)
        return cast("Plane", self._seen[name])

    def ink(self, *, of_fax: bool = False) -> Mask:
        """``dark_ink`` of the pixels, of a fax the thick strokes only; found once."""
        name = f"ink {of_fax}"
        if name not in self._seen:
            self._seen[name] = dark_ink(self.pixels, thick_only=of_fax)
        return cast("Mask", self._seen[name])

    def pen(self) -> float | None:
        """``pen_width`` of the pixels, found once."""
        if "pen" not in self._seen:
            self._seen["pen"] = pen_width(self.ink())
        return cast("float | None", self._seen["pen"])


def look(rgb: Rgb, sheet: Sheet | None = None) -> View:
    """Shrink a picture, cut out to its sheet where there is much around it. ``sheet`` is in pixels of ``rgb``."""
    height, width = rgb.shape[:2]
    left, top, right, bottom = 0, 0, width, height
    if sheet is not None:
        x, y, wide, high = cv2.boundingRect(sheet.mask)
        if max(wide / sheet.mask.shape[1], high / sheet.mask.shape[0]) < WORTH_CROPPING:
            edge = 0.02 * max(wide, high)
            box = np.array([x - edge, y - edge, x + wide + edge, y + high + edge]) / sheet.scale
            left, top = (int(max(0, value)) for value in box[:2])
            right, bottom = min(width, int(box[2]) + 1), min(height, int(box[3]) + 1)
    small, factor = shrink(np.ascontiguousarray(rgb[top:bottom, left:right]))
    # A centre at p stands at (p + 0.5) * factor - 0.5 of the shrunk picture.
    shift = 0.5 * factor - 0.5
    place = np.array([[factor, 0, shift - left * factor], [0, factor, shift - top * factor], [0, 0, 1.0]])
    paper = np.full(small.shape[:2], 255, np.uint8)
    corners = None
    if sheet is not None:
        coarse = np.diag([sheet.scale, sheet.scale, 1.0])
        coarse[:2, 2] = 0.5 * sheet.scale - 0.5
        into = place @ inverse(coarse)
        paper = np.asarray(cv2.warpPerspective(sheet.mask, into, small.shape[1::-1], flags=cv2.INTER_LINEAR))
        paper = np.where(paper > 127, 255, 0).astype(np.uint8)
        corners = None if sheet.quad is None else project(place, sheet.quad)
    x, y = project(place, np.array([[(width - 1) / 2, (height - 1) / 2]]))[0]
    return View(small, paper, place, corners, (float(x), float(y)), max(width, height) * factor)


def looks(rgb: Rgb) -> Iterator[View]:
    """The views worth trying, in order: the sheet where its edges are seen, then the whole picture."""
    small, factor = shrink(rgb)
    sheet = find_sheet(small)
    if sheet is not None:
        yield look(rgb, Sheet(sheet.mask, sheet.scale * factor, enlarged(sheet.quad, factor)))
    yield look(rgb)


def softened(view: View) -> View | None:
    """A view to seek dotted lines in; ``None`` of one that was shrunk, which does the same.

    Dots a pixel wide, with nothing between them, stand out of their surroundings by far, and the wave that lines make
    is but a small part of what is seen there.
    """
    return replace(view, soft=True, _seen={}) if view.place[0, 0] == 1.0 else None


def within(view: View, whole: View) -> View:
    """The whole picture's view with the paper of a view that was cut out of it."""
    into = whole.place @ inverse(view.place)
    paper = cv2.warpPerspective(view.paper, into, whole.paper.shape[::-1], flags=cv2.INTER_LINEAR)
    corners = None if view.corners is None else project(into, view.corners)
    return replace(whole, paper=np.where(paper > 127, 255, 0).astype(np.uint8), corners=corners)


def squared(view: View) -> View | None:
    """The sheet alone, its corners drawn out to those of a rectangle; ``None`` where not all of them are seen.

    Seen so, lines of a page that leans away stand as far apart at one end as at the other, but for its curl.
    """
    if view.corners is None:
        return None
    sides = np.hypot(*(np.roll(view.corners, -1, axis=0) - view.corners).T)
    size = max(1, round(max(sides[0], sides[2]))), max(1, round(max(sides[1], sides[3])))
    target = np.array([[0, 0], [size[0], 0], size, [0, size[1]]], np.float64)
    into = np.asarray(
        cv2.getPerspectiveTransform(view.corners.astype(np.float32), target.astype(np.float32)), np.float64
    )
    pixels = cv2.warpPerspective(view.pixels, into, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    x, y = project(into, np.array([view.axis]))[0]
    return View(
        np.asarray(pixels, np.uint8),
        np.full(size[::-1], 255, np.uint8),
        into @ view.place,
        target,
        (float(x), float(y)),
        view.longest,
    )


def enlarged(quad: Matrix | None, factor: float) -> Matrix | None:
    """Corners in a shrunk picture as pixels of the one it was shrunk from."""
    return None if quad is None else (quad + 0.5) / factor - 0.5


def stretched(view: View) -> Iterator[View]:
    """The view; and where it is oddly long, the view with its shorter side doubled, as telefax may halve it."""
    yield view
    _, _, wide, high = cv2.boundingRect(view.paper)
    if max(wide, high) > ODDLY_LONG * min(wide, high):
        x, y = (1, 2) if wide > high else (2, 1)
        size = view.pixels.shape[1] * x, view.pixels.shape[0] * y
        into = np.array([[x, 0, 0.5 * x - 0.5], [0, y, 0.5 * y - 0.5], [0, 0, 1.0]])
        yield View(
            np.asarray(cv2.resize(view.pixels, size, interpolation=cv2.INTER_LINEAR), np.uint8),
            np.asarray(cv2.resize(view.paper, size, interpolation=cv2.INTER_NEAREST), np.uint8),
            into @ view.place,
            None if view.corners is None else project(into, view.corners),
            view.axis,
            view.longest,
        )
