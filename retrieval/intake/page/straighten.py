"""Warp a picture so that its paper lies flat and at one known scale, its traces running from left to right."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal

import cv2
import numpy as np

from retrieval.intake.page.flat import (
    FLAT_PX_PER_MM,
    MAX_FLAT_MM,
    Bools,
    FlatPage,
    Quad,
    inverse,
    local_scale,
    project,
    scale_in_the_middle,
    sources,
)
from retrieval.intake.page.phase import Mask, Matrix, PaperMap, map_paper
from retrieval.intake.page.reach import beside_ruling, reach_of, with_ruled
from retrieval.intake.page.refine import Refined, refine
from retrieval.intake.page.scale import clearness, settle
from retrieval.intake.page.spacing import stretches_of
from retrieval.intake.page.spectrum import Plane, find_rulings
from retrieval.intake.page.trust import Signs, trust_of
from retrieval.intake.page.view import View, stretched, within

__all__ = ["FLAT_PX_PER_MM", "FlatPage", "evidence_of", "flatten", "straighten_view"]

PARTLY_COVERED = 0.25
Window = tuple[float, float, float, float]
WHOLE: Window = (0.0, 0.0, 1.0, 1.0)
PARTS: tuple[Window, ...] = (
    (0.25, 0.2, 0.75, 0.8),
    (0.05, 0.1, 0.5, 0.9),
    (0.5, 0.1, 0.95, 0.9),
    (0.3, 0.3, 0.7, 0.7),
)
"""Left, top, right and bottom of windows, as shares: of a page that curls a part is even enough to begin with."""
LEAST_CLEAR = 1.2
SURELY = 0.33
SAME_SCALE = 0.03
"""Readings whose scales differ by less than 3 % are one reading."""
INKS = (True, False)
"""Evidence without ink is tried first, then with it: there are rulings as dark as ink."""
Effort = Literal["full", "brief", "parts"]
MIN_COVER, WELL_COVERED = 0.25, 0.6
GOOD_COVER, GOOD_NOISE_MM, GOOD_LIKELY = 0.5, 0.5, 0.12
ALL_RULED = 0.95
"""Share of a picture without visible edges that the field of clear lines takes, from which no table is sought."""
OFF_EDGE = 0.008
"""Share of the longer side by which evidence is kept off the sheet's rim, whose edge is a stronger line than any."""


def straighten_view(view: View, effort: Effort = "full", whole: View | None = None) -> FlatPage | None:
    """Straighten what a view shows by its ruling, or ``None``; ``whole`` is the whole picture's view.

    ``effort`` ``"brief"`` looks at the lines beside the ink only; ``"parts"`` for lines that are even in a part of
    the page only, as where it curls.
    """
    best = _reading_of_a_part(view) if effort == "parts" else _read_stretched(view, brief=effort == "brief")
    if best is None:
        return None
    seen, found = best
    seen, found = _to_the_ends_of_the_ruling(seen, found, whole)
    page = found.refined
    flat = flatten(seen, page.matrix, page.size_mm, trust_of(found.signs), ruled=True, bend=page.bend)
    return replace(flat, stretches=stretches_of(evidence_of(seen, without_ink=True), page))


def _to_the_ends_of_the_ruling(view: View, found: _Found, whole: View | None) -> tuple[View, _Found]:
    """Where the sheet's edge was mistaken, the reading up to where the lines end; and no paper far beyond them."""
    cut = whole is not None and (whole.paper.shape != view.paper.shape or not np.allclose(whole.place, view.place))
    if view.paper.all() and float((found.refined.ruled > 0).mean()) > ALL_RULED and not cut:
        return view, found
    around = within(view, whole) if whole is not None and cut else view
    wider = None
    if not around.paper.all():
        wider = with_ruled(around, reach_of(around, found.refined.matrix @ view.place @ inverse(around.place)))
    again = None
    if wider is not None:
        onward = found.refined.matrix @ view.place @ inverse(wider.place)
        again = _followed_on(wider, found, onward) or _best_reading(wider, INKS)
    if wider is not None and again is not None:
        view, found = wider, again
    reach = reach_of(view, found.refined.matrix)
    return replace(view, paper=np.where(beside_ruling(view, reach) > 0, 0, view.paper).astype(np.uint8)), found


def _followed_on(wider: View, found: _Found, matrix: Matrix) -> _Found | None:
    """A reading followed over more of its paper; ``matrix`` takes the wider view's pixels to flat millimetres."""
    flat = _laid_flat(evidence_of(wider, without_ink=found.without_ink), wider.paper, matrix)
    if flat is None:
        return None
    page, clear = flat
    signs = replace(found.signs, covered=page.covered, noise_mm=page.noise_mm, clear=clear)
    further = replace(found, refined=page, signs=signs)
    return further if further.good else None


def _read_stretched(view: View, *, brief: bool) -> tuple[View, _Found] | None:
    best: tuple[View, _Found] | None = None
    for number, seen in enumerate([view] if brief else stretched(view)):
        found = _best_reading(seen, INKS[:1] if brief or number else INKS)
        if found is not None and (best is None or found.worth > best[1].worth):
            best = seen, found
        if best is not None and best[1].good and best[1].signs.likely > SURELY:
            break
    return best


def _best_reading(view: View, inks: tuple[bool, ...]) -> _Found | None:
    best: _Found | None = None
    for without_ink in inks:
        for found in _readings(view, (WHOLE,), without_ink=without_ink):
            if best is None or found.worth > best.worth:
                best = found
            if found.good:
                return best
    return best


def _reading_of_a_part(view: View) -> tuple[View, _Found] | None:
    """A reading that is seen in a part only, and then followed over the whole."""
    for found in _readings(view, PARTS, without_ink=True):
        if found.good:
            return view, found
    return None


def evidence_of(view: View, *, without_ink: bool, of_fax: bool = False) -> Plane:
    """``line_evidence`` of a view, 0 off its paper and near its rim."""
    evidence = view.lines(without_ink=without_ink, of_fax=of_fax).copy()
    evidence[_near_rim(view.paper)] = 0
    # What is left out must not differ from the rest: a step from paper to nothing is a strong low frequency.
    seen = evidence != 0
    evidence[seen] -= evidence[seen].mean() if seen.any() else 0.0
    return evidence


@dataclass(frozen=True)
class _Found:
    """One reading of the ruling, followed to its end; ``without_ink`` is the evidence that it was seen in."""

    refined: Refined
    signs: Signs
    without_ink: bool

    @property
    def worth(self) -> float:
        """Which of several readings is believed."""
        clear = np.sqrt(self.signs.likely) * np.log(self.signs.clear)
        return float(clear * self.refined.covered / (0.1 + self.refined.noise_mm))

    @property
    def good(self) -> bool:
        """Whether no other reading need be tried."""
        found = self.refined
        return found.covered > GOOD_COVER and found.noise_mm < GOOD_NOISE_MM and self.signs.likely > GOOD_LIKELY


def _readings(view: View, parts: tuple[Window, ...], *, without_ink: bool) -> Iterator[_Found]:
    """Every reading of the ruling seen in parts of the view that can be followed over it, the likeliest first."""
    evidence = evidence_of(view, without_ink=without_ink)
    middle = evidence.shape[1] / 2, evidence.shape[0] / 2
    tried: list[tuple[float, float]] = []
    pen = view.pen()
    least = 0.0 if parts == (WHOLE,) else PARTLY_COVERED
    rulings = (ruling for part in parts for ruling in find_rulings(_cut(evidence, part))[: 1 if least else 3])
    for ruling in rulings:
        first = map_paper(evidence, ruling)
        if first is None or first.covered < least or not believable(first, view.paper):
            continue
        followed = first.covered > (least or WELL_COVERED)
        for settled in settle(evidence, view.paper, first.matrix, followed=followed, pen_px=pen):
            scale, _ = local_scale(settled.matrix, *middle)
            known = any(abs(np.log(scale[0] / x)) + abs(np.log(scale[1] / y)) < SAME_SCALE for x, y in tried)
            if known or not upright(settled.matrix, view.paper):
                continue
            tried.append(scale)
            flat = _laid_flat(evidence, view.paper, settled.matrix)
            if flat is not None:
                page, clear = flat
                seen = first.covered, first.misfit_mm, page.covered, page.noise_mm
                yield _Found(page, Signs(settled.snr, settled.likely, *seen, clear), without_ink)
                break


def _laid_flat(evidence: Plane, paper: Mask, matrix: Matrix) -> tuple[Refined, float] | None:
    """Lines followed at a second look, and how clear they are seen flat; ``None`` if they are lost or were chance."""
    refined = refine(evidence, paper, matrix, MAX_FLAT_MM)
    if refined is None or refined.covered <= MIN_COVER:
        return None
    clear = clearness(evidence, refined)
    # A few lines that agree by chance can be followed over the whole page; seen flat, it shows none.
    return None if clear < LEAST_CLEAR else (refined, clear)


def _cut(evidence: Plane, part: Window) -> Plane:
    """The evidence with all but a part of it blanked out."""
    if part == WHOLE:
        return evidence
    height, width = evidence.shape
    left, top, right, bottom = part
    window = slice(round(top * height), round(bottom * height)), slice(round(left * width), round(right * width))
    out = np.zeros_like(evidence)
    out[window] = evidence[window]
    return out


def _near_rim(paper: Mask) -> Bools:
    """Off the paper or close to its rim; the picture's own border is no rim."""
    if paper.all():
        return np.zeros(paper.shape, bool)
    wide = 2 * max(2, round(OFF_EDGE * max(paper.shape))) + 1
    inner = cv2.erode(paper, np.ones((wide, wide), np.uint8), borderType=cv2.BORDER_CONSTANT, borderValue=(255,))
    return np.asarray(inner < 128)


def flatten(
    view: View,
    matrix: Matrix,
    size_mm: tuple[float, float],
    trust: float,
    *,
    ruled: bool,
    bend: Plane | None = None,
) -> FlatPage:
    """Warp a view by ``matrix``, from its pixels to flat mm from 0 to ``size_mm``."""
    shape = round(size_mm[0] * FLAT_PX_PER_MM), round(size_mm[1] * FLAT_PX_PER_MM)
    x, y = sources(matrix, shape, bend)
    pixels = cv2.remap(view.pixels, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    height, width = view.paper.shape
    edge = 1.5
    valid = (x > edge) & (y > edge) & (x < width - 1 - edge) & (y < height - 1 - edge)
    if not view.paper.all():
        valid &= cv2.remap(view.paper, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE) > 127
    whole = matrix @ view.place
    paper = _as_quad(project(inverse(view.place), view.corners)) if view.corners is not None else None
    page = FlatPage(np.asarray(pixels, np.uint8), valid, whole, (0.0, 0.0), 0.0, trust, ruled, bend, paper)
    scale, turn = scale_in_the_middle(page)
    return replace(page, px_per_mm=scale, rotation_deg=turn)


def _as_quad(corners: Matrix | None) -> Quad | None:
    if corners is None:
        return None
    a, b, c, d = ((float(x), float(y)) for x, y in corners)
    return a, b, c, d


def believable(found: PaperMap, paper: Mask) -> bool:
    """A camera's view of a page never folds over, and its scale changes by less than half from end to end."""
    x, y, width, height = cv2.boundingRect(paper)
    corners = np.array([[x, y], [x + width, y], [x + width, y + height], [x, y + height]], float)
    depth = np.hstack([corners, np.ones((4, 1))]) @ found.matrix[2]
    return bool(depth.min() > 0 and depth.max() / depth.min() < 2.5)


def upright(matrix: Matrix, paper: Mask) -> bool:
    """Whether pixels are about as high as wide, or half or twice that, and the turn is under 50 degrees."""
    x, y, width, height = cv2.boundingRect(paper)
    scale, turn = local_scale(matrix, x + width / 2, y + height / 2)
    aspect = scale[0] / scale[1]
    return any(0.7 < aspect * times < 1.43 for times in (0.5, 1.0, 2.0)) and abs(turn) < 50.0
