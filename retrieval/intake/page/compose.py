"""Put the traces of a straightened page onto the canonical page, at its speed and gain, as by a pen of one width."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from retrieval.ecg.page import CANONICAL, INK, PAPER, CanonicalPage, canonical_cells
from retrieval.intake.page.boxes import Cell
from retrieval.intake.page.calibration import Scale
from retrieval.intake.page.flat import FLAT_PX_PER_MM
from retrieval.intake.page.rows import Row

Bools = NDArray[np.bool_]
Mask = NDArray[np.uint8]
REDUCE = round(FLAT_PX_PER_MM / CANONICAL.px_per_mm)
CANVAS = (CANONICAL.height_px * REDUCE, CANONICAL.width_px * REDUCE)
LEFT = round(CANONICAL.left_mm * FLAT_PX_PER_MM)
QUARTER = CANONICAL.trace_mm / 4 / CANONICAL.speed
"""Seconds that each lead of the grid shows."""
PEN_MM = 0.83
"""Width of a trace by its area and the length of its middle: that of a clean page, whose steep parts are broad."""
LEAST_STRIP_SECONDS = 4.0
SHRUNK_SHARE = 0.3


def compose(masks: Bools, rows: tuple[Row, ...], cells: tuple[Cell, ...], scale: Scale) -> CanonicalPage:
    """Move each lead to its place on the 3x4+1 page; leads that were not found leave their place empty.

    Of a lead that is shown for longer, the stretch is taken that a page shows whose columns follow each other in
    time. Below goes the longest strip of lead II, or of another lead where no long one of II was found.
    """
    canvas = np.zeros(CANVAS, np.uint8)
    places = canonical_cells("3x4+1")
    for place in places[:12]:
        found = [cell for cell in cells if cell.lead == place.lead]
        if found:
            # The grid's own cell is the shortest; a long strip may repeat it.
            cell = min(found, key=lambda cell: (cell.right - cell.left, cell.row))
            _put(
                canvas, masks, rows, cell, scale, (place.x_mm, place.baseline_mm, QUARTER, place.start * 4 * QUARTER)
            )
    strip = _strip(cells, scale)
    if strip is not None:
        _put(canvas, masks, rows, strip, scale, (places[12].x_mm, places[12].baseline_mm, 4 * QUARTER, 0.0))
    return CanonicalPage(to_canonical(canvas), "3x4" if strip is None else "3x4+1")


def paste(masks: Bools, rows: tuple[Row, ...], left: float) -> CanonicalPage:
    """Of an unknown layout the traces as they stand, the first baseline on the first canonical one."""
    canvas = np.zeros(CANVAS, np.uint8)
    together = np.asarray(masks.any(axis=0))
    down = round(canonical_cells("3x4+1")[0].baseline_mm * FLAT_PX_PER_MM - rows[0].baseline)
    _lay(canvas, together[:, max(0, round(left)) :], LEFT, down)
    return CanonicalPage(to_canonical(canvas), "unknown")


def to_canonical(canvas: Mask) -> Mask:
    """Traces as if by one pen, and averaged down to 2 px/mm: uint8 ``[256, 512]``."""
    size = CANONICAL.width_px, CANONICAL.height_px
    share = cv2.resize(of_one_pen(canvas).astype(np.float32), size, interpolation=cv2.INTER_AREA)
    return np.rint(PAPER + (INK - PAPER) * np.clip(share, 0, 1)).astype(np.uint8)


def of_one_pen(canvas: Mask) -> Mask:
    """Traces ``PEN_MM`` wide on the whole, whatever drew them, as a 0/1 mask of the same shape.

    All ink grows or shrinks alike, so that what a pen does stays: where a trace runs up and down it is broad, and
    where it trembles. Lines drawn anew along the middle of the ink lose that, and with it the page's own neighbours.
    """
    middle = thin(canvas)
    length = int(middle.sum())
    if not length:
        return canvas
    off = (PEN_MM * FLAT_PX_PER_MM - float(canvas.sum()) / length) / 2
    inked = canvas > 0
    away = cv2.distanceTransform((inked if off < 0 else ~inked).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_5)
    # The first pixel beyond an edge is 1 away, and its middle a half.
    changed = away > 0.5 - off if off < 0 else away <= off + 0.5
    return np.asarray(changed | (cv2.dilate(middle, np.ones((3, 3), np.uint8)) > 0), np.uint8)


def _strip(cells: tuple[Cell, ...], scale: Scale) -> Cell | None:
    """The cell for the long strip: of lead II if one of four seconds or more is there, else the longest strip."""
    long = [cell for cell in cells if (cell.right - cell.left) / FLAT_PX_PER_MM / scale.speed >= LEAST_STRIP_SECONDS]
    if not long:
        return None
    return max(long, key=lambda cell: (cell.lead == "II", cell.column == 0 and cell.inked, cell.row))


def _put(
    canvas: Mask,
    masks: Bools,
    rows: tuple[Row, ...],
    cell: Cell,
    scale: Scale,
    place: tuple[float, float, float, float],
) -> None:
    """Draw a cell at ``place``: x and baseline in mm, seconds to show, and the time at which they begin."""
    x_mm, baseline_mm, seconds, begin = place
    second = scale.speed * FLAT_PX_PER_MM
    length = (cell.right - cell.left) / second
    begin = begin % (seconds * max(1, round(length / seconds)))
    begin = min(begin, max(0.0, length - seconds))
    left = round(cell.left + begin * second)
    right = min(round(left + seconds * second), round(cell.right))
    part = masks[cell.row][:, max(0, left) : max(1, right)].astype(np.uint8)
    gain = scale.chest_gain if cell.lead.startswith("V") else scale.gain
    across, down = CANONICAL.speed / scale.speed, CANONICAL.gain / gain
    base = rows[cell.row].baseline
    if (across, down) != (1.0, 1.0):
        size = max(1, round(part.shape[1] * across)), max(1, round(part.shape[0] * down))
        part = (cv2.resize(part * 255, size, interpolation=cv2.INTER_AREA) > SHRUNK_SHARE * 255).astype(np.uint8)
        base *= down
    if cell.inverted:
        part, base = part[::-1], part.shape[0] - 1 - base
    _lay(canvas, part > 0, round(x_mm * FLAT_PX_PER_MM), round(baseline_mm * FLAT_PX_PER_MM - base))


def _lay(canvas: Mask, part: Bools, x: int, y: int) -> None:
    """Add ink with its top left corner at ``(x, y)`` of the canvas, cut to it."""
    width = min(part.shape[1], canvas.shape[1] - x)
    top, bottom = max(0, -y), min(part.shape[0], canvas.shape[0] - y)
    if width <= 0 or bottom <= top:
        return
    place = canvas[top + y : bottom + y, x : x + width]
    np.maximum(place, part[top:bottom, :width].astype(np.uint8), out=place)


_NEIGHBOURS = np.array([[1, 2, 4], [128, 0, 8], [64, 32, 16]], np.float32)


def _thinning_tables() -> tuple[Mask, Mask]:
    """For each pattern of the eight neighbours, whether Zhang and Suen (1984) take the pixel, in each half-step."""
    tables = np.zeros((2, 256), np.uint8)
    for code in range(256):
        around = [(code >> bit) & 1 for bit in (1, 2, 3, 4, 5, 6, 7, 0)]  # from north, clockwise
        steps = sum(a == 0 and b == 1 for a, b in zip(around, [*around[1:], around[0]], strict=True))
        north, east, south, west = around[0], around[2], around[4], around[6]
        if 2 <= sum(around) <= 6 and steps == 1:
            tables[0, code] = north * east * south == 0 and east * south * west == 0
            tables[1, code] = north * east * west == 0 and north * south * west == 0
    return tables[0], tables[1]


_TABLES = _thinning_tables()


def thin(mask: Mask) -> Mask:
    """Skeleton of a 0/1 mask, one pixel wide, by Zhang and Suen, Comm. ACM 27 (1984) 236."""
    skeleton = np.pad(mask, 1).astype(np.uint8)
    for _ in range(40):
        before = int(skeleton.sum())
        for table in _TABLES:
            code = cv2.filter2D(skeleton, -1, _NEIGHBOURS, borderType=cv2.BORDER_CONSTANT)
            skeleton[(cv2.LUT(code, table) > 0) & (skeleton > 0)] = 0
        if int(skeleton.sum()) == before:
            break
    return skeleton[1:-1, 1:-1]
