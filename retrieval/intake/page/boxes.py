"""Where each lead stands: in pixels of the flat page, and as quads in the picture."""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from retrieval.intake.page.flat import FLAT_PX_PER_MM, FlatPage
from retrieval.intake.page.naming import Naming
from retrieval.intake.page.rows import Row, mm
from retrieval.intake.result import Quad

Bools = NDArray[np.bool_]
LEAST_INK = 0.3
"""Share of a lead's columns that must have ink; with less it counts as missing."""
SNAP_MM = (2.0, 40.0)
"""A row that begins or ends this much short of the others has lost ink to wear."""
PAST_MM, BEFORE_MM = 1.5, 8.0
"""How far a row reaches beyond the others; and how far before them a long strip begins."""
ODD_MM, ODD_END = 2.5, 0.45
APART_MM, EDGE_MM, ALIKE, HALF = 2.5, 10.0, 1.5, 0.5
"""From how much bare paper columns stand apart, how near to their boundary it lies, and how much wider it may be at
one than at another, in so many rows."""
CLOSE_MM = 3.0
REGION_MM = 0.5


@dataclass(frozen=True)
class Cell:
    """One lead's stretch on the flat page, in pixels.

    ``inked`` is the share of its columns that have ink; ``sure`` is less than 1 at an end of a row that begins or
    ends elsewhere than the others do.
    """

    lead: str
    row: int
    column: int
    left: float
    right: float
    inked: float
    inverted: bool = False
    sure: float = 1.0


def place_cells(naming: Naming, rows: tuple[Row, ...], masks: Bools) -> tuple[Cell, ...]:
    """A cell for each slot that has a lead."""
    cells = []
    most = max((len(slots) for slots in naming.rows), default=0)
    grid = [row for row, slots in zip(rows, naming.rows, strict=True) if len(slots) == most]
    first, last = (float(np.median([getattr(row, side) for row in grid])) for side in ("left", "right"))
    for number, slots in enumerate(naming.rows):
        if not slots:
            continue
        inner = naming.columns[len(slots)].edges[1:-1] if len(slots) > 1 else ()
        strip = len(slots) < most
        start = _end(rows[number].left, first, 1.0, BEFORE_MM if strip else PAST_MM)
        edges = [start, *inner, _end(rows[number].right, last, -1.0, math.inf if strip else PAST_MM)]
        odd = abs(rows[number].left - first) > mm(ODD_MM), abs(rows[number].right - last) > mm(ODD_MM)
        covered = masks[number].any(axis=0)
        for column, slot in enumerate(slots):
            left, right = edges[column], edges[column + 1]
            part = covered[max(0, round(left)) : max(1, round(right))]
            inked = float(part.mean()) if len(part) else 0.0
            if slot.lead:
                astray = (column == 0 and odd[0]) or (column == len(slots) - 1 and odd[1])
                sure = ODD_END if astray else 1.0
                cells.append(Cell(slot.lead, number, column, left, right, inked, slot.inverted, sure))
    return tuple(cells)


def between_columns(naming: Naming, rows: tuple[Row, ...], masks: Bools) -> float:
    """Millimetres without ink between the columns of leads, together: what a row spans beside its leads.

    0 unless there is about as much at every boundary, as where each lead has a field of its own.
    """
    most = max((len(slots) for slots in naming.rows), default=0)
    if most < 2:
        return 0.0
    grid = [number for number, slots in enumerate(naming.rows) if len(slots) == most]
    # What is printed beside one row leaves most of them bare.
    inked = np.flatnonzero(masks[grid].any(axis=1).mean(axis=0) >= HALF)
    bare = np.diff(inked)
    gaps = []
    for edge in naming.columns[most].edges[1:-1]:
        near = (np.abs((inked[:-1] + inked[1:]) / 2 - edge) < mm(EDGE_MM)) & (bare > mm(APART_MM))
        gaps.append(float(bare[near].max(initial=0)) / FLAT_PX_PER_MM)
    return sum(gaps) if min(gaps) > 0 and max(gaps) < ALIKE * min(gaps) else 0.0


def _end(own: float, usual: float, inwards: float, past_mm: float) -> float:
    """A row's own end, or the usual one where ink of the row is lost there, or ink that is none of it joins it.

    Long strips may run on past the ends of the rows above them, and begin a little before them.
    """
    short = inwards * (own - usual)
    if mm(SNAP_MM[0]) < short < mm(SNAP_MM[1]) or -short > past_mm * FLAT_PX_PER_MM:
        return usual
    return own


def half_height(rows: tuple[Row, ...], number: int) -> float:
    """Half the distance to the neighbouring rows, in pixels."""
    bases = [row.baseline for row in rows]
    near = [abs(base - bases[number]) for i, base in enumerate(bases) if abs(i - number) == 1]
    return float(np.mean(near)) / 2 if near else float(mm(15.0))


def quad(page: FlatPage, left: float, top: float, right: float, bottom: float) -> Quad:
    """A box of the flat page as its corners in the picture."""
    corners = page.to_picture(np.array([[left, top], [right, top], [right, bottom], [left, bottom]], float))
    a, b, c, d = ((round(float(x), 1), round(float(y), 1)) for x, y in corners)
    return a, b, c, d


def field_of(page: FlatPage, rows: tuple[Row, ...], cells: tuple[Cell, ...]) -> Quad | None:
    """Corners of the field of traces."""
    if not cells:
        return None
    top = rows[0].baseline - half_height(rows, 0)
    bottom = rows[-1].baseline + half_height(rows, len(rows) - 1)
    return quad(page, min(c.left for c in cells), top, max(c.right for c in cells), bottom)


def print_regions(page: FlatPage, text: Bools) -> tuple[Quad, ...]:
    """Boxes around words of print."""
    wide = cv2.morphologyEx(text.astype(np.uint8), cv2.MORPH_CLOSE, np.ones((mm(1.0), mm(CLOSE_MM)), np.uint8))
    count, _, boxes, _ = cv2.connectedComponentsWithStats(wide, connectivity=8)
    edge = mm(REGION_MM)
    return tuple(
        quad(page, left - edge, top - edge, left + width + edge, top + height + edge)
        for left, top, width, height, area in boxes[1:count].tolist()
        if area > mm(0.7) ** 2
    )
