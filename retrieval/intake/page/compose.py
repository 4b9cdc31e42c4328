"""Put the traces of a straightened page onto the canonical page, as lines of one width."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from retrieval.ecg.page import CANONICAL, INK, PAPER, CanonicalPage
from retrieval.intake.page.masking import Traces
from retrieval.intake.page.rows import Row, mm
from retrieval.intake.page.straighten import FLAT_PX_PER_MM

Bools = NDArray[np.bool_]
Mask = NDArray[np.uint8]
REDUCE = round(FLAT_PX_PER_MM / CANONICAL.px_per_mm)
CANVAS = (CANONICAL.height_px * REDUCE, CANONICAL.width_px * REDUCE)
LEFT = round(CANONICAL.left_mm * FLAT_PX_PER_MM)
QUARTER = round(CANONICAL.trace_mm / 4 * FLAT_PX_PER_MM)


def compose(traces: Traces, rows: tuple[Row, ...], layout: str) -> CanonicalPage:
    """Move each row as a strip onto its canonical row; of an unknown layout, paste the traces as they stand.

    Of the layouts other than 3x4 and 3x4+1 the stretches are taken that a 3x4+1 page shows.
    """
    canvas = np.zeros(CANVAS, np.uint8)
    rhythm = "3x4+1"
    if layout in {"3x4", "3x4+1"}:
        _place_rows(canvas, traces, rows, range(len(rows)))
        rhythm = layout
    elif layout in {"3x4+2", "3x4+3"}:
        _place_rows(canvas, traces, rows, [0, 1, 2, _same_as_second(traces, rows)])
    elif layout in {"6x2", "6x2+1"}:
        _place_six(canvas, traces, rows)
        rhythm = "3x4" if layout == "6x2" else "3x4+1"
    elif layout == "12x1":
        _place_twelve(canvas, traces, rows)
    else:
        _paste(canvas, traces, rows)
        rhythm = layout
    return CanonicalPage(to_canonical(canvas), rhythm)


def to_canonical(canvas: Mask) -> Mask:
    """Lines drawn anew 0.5 mm wide, whatever the pen, and averaged down to 2 px/mm: uint8 ``[256, 512]``."""
    lines = cv2.dilate(thin(canvas), np.ones((3, 3), np.uint8)).astype(np.float32)
    size = CANONICAL.width_px, CANONICAL.height_px
    share = cv2.resize(lines, size, interpolation=cv2.INTER_AREA)
    return np.rint(PAPER + (INK - PAPER) * np.clip(share, 0, 1)).astype(np.uint8)


def canonical_baseline(row: int) -> int:
    """Baseline of a row of the canonical 3x4+1 page, in pixels of the canvas."""
    top, apart = CANONICAL.rows(4)
    return round((top + row * apart) * FLAT_PX_PER_MM)


def _strip(canvas: Mask, mask: Bools, source: tuple[int, int, float], target: tuple[int, int]) -> None:
    """Copy columns ``source = (left, right, baseline)`` of a row's mask so that they begin at ``target = (x, y)``."""
    left, right, base = source
    right = min(right, left + CANVAS[1] - target[0], mask.shape[1])
    left = max(left, 0)
    shift = target[1] - round(base)
    top, bottom = max(0, -shift), min(mask.shape[0], CANVAS[0] - shift)
    if right <= left or bottom <= top:
        return
    place = canvas[top + shift : bottom + shift, target[0] : target[0] + right - left]
    np.maximum(place, mask[top:bottom, left:right].astype(np.uint8), out=place)


def _place_rows(canvas: Mask, traces: Traces, rows: tuple[Row, ...], chosen: range | list[int]) -> None:
    for target, number in enumerate(chosen):
        source = traces.left, traces.left + 4 * QUARTER, rows[number].baseline
        _strip(canvas, traces.masks[number], source, (LEFT, canonical_baseline(target)))


def _place_six(canvas: Mask, traces: Traces, rows: tuple[Row, ...]) -> None:
    """Rows hold two leads of five seconds; a quarter page of each is taken from the time at which 3x4 shows it."""
    for number in range(6):
        for half in (0, 1):
            column = 2 * half + number // 3
            left = traces.left + column * QUARTER
            target = LEFT + column * QUARTER, canonical_baseline(number % 3)
            _strip(canvas, traces.masks[number], (left, left + QUARTER, rows[number].baseline), target)
    long = 6 if len(rows) > 6 else 1
    reach = 4 if len(rows) > 6 else 2
    source = traces.left, traces.left + reach * QUARTER, rows[long].baseline
    _strip(canvas, traces.masks[long], source, (LEFT, canonical_baseline(3)))


def _place_twelve(canvas: Mask, traces: Traces, rows: tuple[Row, ...]) -> None:
    for number in range(12):
        column = number // 3
        left = traces.left + column * QUARTER
        target = LEFT + column * QUARTER, canonical_baseline(number % 3)
        _strip(canvas, traces.masks[number], (left, left + QUARTER, rows[number].baseline), target)
    source = traces.left, traces.left + 4 * QUARTER, rows[1].baseline
    _strip(canvas, traces.masks[1], source, (LEFT, canonical_baseline(3)))


def _paste(canvas: Mask, traces: Traces, rows: tuple[Row, ...]) -> None:
    """As it stands: the first row's baseline on the first canonical one, the rest where the paper has them."""
    together = np.asarray(traces.masks.any(axis=0))
    source = traces.left, traces.left + 4 * QUARTER, rows[0].baseline
    _strip(canvas, together, source, (LEFT, canonical_baseline(0)))


def _same_as_second(traces: Traces, rows: tuple[Row, ...]) -> int:
    """Which of the long rows shows lead II: the one that runs as the second row's first stretch does."""
    wanted = _heights(traces, rows, 1)
    scores = []
    for number in range(3, len(rows)):
        here = _heights(traces, rows, number)
        both = np.isfinite(wanted) & np.isfinite(here)
        far = np.abs(np.nan_to_num(wanted - here))[both]
        scores.append(float(np.median(far) + far.mean()) if both.sum() > mm(15.0) else np.inf)
    return 3 + int(np.argmin(scores)) if np.isfinite(min(scores)) else 3


def _heights(traces: Traces, rows: tuple[Row, ...], number: int) -> NDArray[np.float64]:
    """Height in pixels of a row's trace over its baseline in the first quarter, ``[columns]``; NaN in gaps."""
    mask = traces.masks[number][:, traces.left : traces.left + QUARTER - mm(2.0)]
    count = mask.sum(axis=0)
    level = np.arange(mask.shape[0])[:, None]
    centre = (mask * level).sum(axis=0) / np.maximum(count, 1)
    return np.where(count > 0, rows[number].baseline - centre, np.nan)


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
