"""How far the ruling reaches.

A shadow taken for the sheet's edge is undone by the lines beyond it; what lies well beside the ruled field, a table
or another sheet, is left out.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np

from retrieval.intake.page.flat import MAX_FLAT_MM, inverse
from retrieval.intake.page.phase import RULE_MM, SURE_TRUST, Mask, Matrix, demodulate
from retrieval.intake.page.refine import COARSE_PX_PER_MM, framed
from retrieval.intake.page.spectrum import Plane
from retrieval.intake.page.view import View

WORTH_SHARE = 0.05
"""Share of the paper from which ruled ground beyond its edge makes that edge a false one."""
CLOSED_MM = 14.0
SPILL_MM, FAINT_SPILL_MM = 12, 10
SOLID_MM = 9
WHOLE_FIELD = 0.93
"""Share of its hull on which lines are seen, from which they are taken to end where they are not seen any more."""
LEAST_FIELD_MM2 = 8000.0
MOST_OF_FIELD, RECTANGULAR, TABLE_TRUST = 0.8, 0.95, 0.14
"""Share of a hull, about a rectangle, from which ground is left out that shows no more of the lines than a table."""
FADED_TRUST = 0.2
"""Beside ruled fields of photographs it was 0.07 to 0.14 in the middle, where the lines only faded 0.25 to 0.3."""
BESIDE_MM = 4
"""Millimetres beyond the ruled field in which traces and print may still stand."""


@dataclass(frozen=True)
class Reach:
    """Where both families of lines are seen.

    Args:
        seen: uint8, 1 where they are, a pixel per millimetre.
        trust: float32 of the same shape, how clearly the fainter family is seen.
        matrix: ``[3, 3]`` from pixels of the view to those millimetres.
    """

    seen: Mask
    trust: Plane
    matrix: Matrix


def reach_of(view: View, matrix: Matrix) -> Reach:
    """Where in a view the ruling is seen; ``matrix`` takes pixels of the view to flat millimetres."""
    evidence = view.lines(without_ink=True)
    moved, size = framed(matrix, np.full_like(view.paper, 255), MAX_FLAT_MM)
    into = np.diag([COARSE_PX_PER_MM, COARSE_PX_PER_MM, 1.0]) @ moved
    shape = round(size[0] * COARSE_PX_PER_MM), round(size[1] * COARSE_PX_PER_MM)
    flat = np.asarray(cv2.warpPerspective(evidence, into, shape, flags=cv2.INTER_LINEAR), np.float32)
    best = np.zeros((int(size[1]), int(size[0])), np.float32)
    seen = np.zeros(best.shape, np.uint8)
    for harmonic in (5, 1):
        even = harmonic / (RULE_MM * COARSE_PX_PER_MM)
        (_, across, _), (_, along, _) = demodulate(flat, np.array([even, 0.0]), np.array([0.0, even]))
        both = np.minimum(across, along)
        sure = (both > SURE_TRUST).astype(np.uint8)
        seen = np.maximum(seen, cv2.resize(sure, best.shape[::-1], interpolation=cv2.INTER_NEAREST))
        best = np.maximum(best, cv2.resize(both, best.shape[::-1], interpolation=cv2.INTER_LINEAR))
    return Reach(np.asarray(seen, np.uint8), np.asarray(best, np.float32), moved)


def with_ruled(view: View, reach: Reach) -> View | None:
    """The view with ruled ground beyond the sheet's supposed edge taken into its paper; ``None`` without any."""
    wide = round(CLOSED_MM)
    near = cv2.morphologyEx(reach.seen, cv2.MORPH_CLOSE, np.ones((wide, wide), np.uint8))
    # Chance agrees with the lines here and there on a table, never over a few centimetres.
    near = cv2.morphologyEx(near, cv2.MORPH_OPEN, np.ones((2 * wide, 2 * wide), np.uint8))
    near = _into_shadow(np.asarray(near, np.uint8), reach.trust)
    # The smoothing carries lines beyond the paper's edge: that much is taken back, but at the picture's own border.
    spill = np.ones((2 * SPILL_MM + 1, 2 * SPILL_MM + 1), np.uint8)
    near = cv2.erode(near, spill, borderType=cv2.BORDER_CONSTANT, borderValue=(1,))
    whole = np.maximum(_shown(np.asarray(near, np.uint8), view, reach), view.paper)
    if float((whole > view.paper).sum()) < WORTH_SHARE * float((view.paper > 0).sum()):
        return None
    return replace(view, paper=whole, corners=None)


def _into_shadow(near: Mask, trust: Plane) -> Mask:
    """Ruled ground with what is joined to it and shows the lines faintly, as in a shadow."""
    wide = round(CLOSED_MM)
    faint = (cv2.blur(trust, (wide, wide)) > FADED_TRUST).astype(np.uint8)
    faint = cv2.morphologyEx(faint, cv2.MORPH_OPEN, np.ones((2 * wide, 2 * wide), np.uint8))
    parts = np.asarray(cv2.connectedComponents(np.maximum(faint, near), connectivity=4)[1], np.int32)
    joined = np.bincount(parts[near > 0], minlength=int(parts.max()) + 1) > 0
    grown = np.asarray(joined[parts] & (parts > 0), np.uint8)
    # Where lines are strong the smoothing carries a faint rest of them far beyond the edge.
    spill = np.ones((2 * FAINT_SPILL_MM + 1, 2 * FAINT_SPILL_MM + 1), np.uint8)
    inner = cv2.erode(grown, spill, borderType=cv2.BORDER_CONSTANT, borderValue=(1,))
    return np.asarray(np.maximum(inner, near), np.uint8)


def beside_ruling(view: View, reach: Reach) -> Mask:
    """Pixels of the view, uint8 like its paper, that are 255 well beyond a field on which lines are seen all over.

    None where lines are seen in parts only, and none where they fade in a shadow or out of focus instead of ending;
    where glare hides some of the field, only what shows no trace of them.
    """
    sure = cv2.morphologyEx(reach.seen, cv2.MORPH_OPEN, np.ones((SOLID_MM, SOLID_MM), np.uint8))
    points = np.argwhere(sure > 0)[:, ::-1].astype(np.int32)
    if len(points) < LEAST_FIELD_MM2:
        return np.zeros_like(view.paper)
    hull = cv2.convexHull(np.ascontiguousarray(points).reshape(-1, 1, 2))
    field = cv2.fillConvexPoly(np.zeros_like(reach.seen), hull, (1,))
    share = float(sure[field > 0].mean())
    _, _, broad, high = cv2.boundingRect(hull)
    # Where a corner of the page fades, the hull cuts it off; glare in its midst leaves it a rectangle.
    if share < (MOST_OF_FIELD if float(field.sum()) > RECTANGULAR * broad * high else WHOLE_FIELD):
        return np.zeros_like(view.paper)
    faded = FADED_TRUST if share >= WHOLE_FIELD else TABLE_TRUST
    wide = 2 * BESIDE_MM + 1
    near = np.asarray(cv2.dilate(field, np.ones((wide, wide), np.uint8)), np.uint8)
    paper = cv2.warpPerspective(view.paper, reach.matrix, near.shape[::-1], flags=cv2.INTER_NEAREST) > 127
    count, parts = cv2.connectedComponents((paper & (near == 0)).astype(np.uint8), connectivity=4)
    for part in range(1, count):
        if float(np.median(reach.trust[parts == part])) > faded:
            near[parts == part] = 1
    return np.asarray(255 - _shown(near, view, reach), np.uint8)


def _shown(mask: Mask, view: View, reach: Reach) -> Mask:
    """A 0/1 mask a pixel per millimetre as 0/255 on the view's pixels."""
    back = inverse(reach.matrix) @ np.array([[1, 0, 0.5], [0, 1, 0.5], [0, 0, 1.0]])
    shown = cv2.warpPerspective(mask * np.uint8(255), back, view.paper.shape[::-1], flags=cv2.INTER_LINEAR)
    return np.where(shown > 127, 255, 0).astype(np.uint8)
