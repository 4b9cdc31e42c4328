"""Keep the traces and drop the rest: lead names, names of people, dates, printed interpretations, pulses, dirt."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from retrieval.intake.page.rows import TRACE_MM, Component, Row, Strokes, looks_written, mm

Bools = NDArray[np.bool_]
BAND_MM = 3.0
PULSE_MM = 10.0
UP_MM, DOWN_MM = 22.0, 18.0
"""How far above and below its baseline a loose piece can still belong to a trace."""


@dataclass(frozen=True)
class Traces:
    """The ink of each row, ``masks`` bool ``[rows, height, width]``, the others' and all text left out.

    ``left`` and ``right`` are where the traces begin and end, in pixels; ``pulse`` tells whether a calibration pulse
    of 10 mm was seen; ``names`` are the boxes of small pieces beside the traces, most of them lead names.
    """

    masks: Bools
    left: int
    right: int
    pulse: bool
    names: tuple[Component, ...]


def separate(parts: Strokes, rows: tuple[Row, ...]) -> Traces:
    """Give each piece of ink to its row, or to none."""
    owners: dict[int, list[int]] = {}
    loose: list[Component] = []
    for part in parts.components:
        owned = _anchored_at(parts, part, rows)
        if owned:
            owners[part.label] = owned
        else:
            loose.append(part)
    masks = _split(parts, owners, rows)
    left, right, pulse = _extent(masks, rows)
    pulse = pulse or 2 * count_pulses(parts, rows) >= len(rows)
    masks[:, :, :left] = False
    masks[:, :, right:] = False
    names = _join_loose(parts, loose, masks, rows, (left, right))
    return Traces(masks, left, right, pulse, names)


def _anchored_at(parts: Strokes, part: Component, rows: tuple[Row, ...]) -> list[int]:
    """Rows on whose baseline a piece runs for at least 3 mm; a letter does not."""
    if part.width_mm < 4.0:
        return []
    if part.width_mm < TRACE_MM and _is_pulse(parts, part):
        return []
    if part.width_mm < 25.0 and part.height_mm > 1.5 and looks_written(parts, part):
        return []
    box = parts.labels[part.top : part.bottom, part.left : part.right] == part.label
    owned = []
    for number, row in enumerate(rows):
        low, high = round(row.baseline) - mm(BAND_MM) - part.top, round(row.baseline) + mm(BAND_MM) - part.top
        if high <= 0 or low >= box.shape[0]:
            continue
        if box[max(0, low) : high].any(axis=0).sum() >= mm(3.0):
            owned.append(number)
    if not owned and part.width_mm >= TRACE_MM:
        middle = (part.top + part.bottom) / 2
        nearest = int(np.argmin([abs(row.baseline - middle) for row in rows]))
        # A lead that drifted off its baseline is still a trace; a frame or an underline far away is not.
        if abs(rows[nearest].baseline - middle) < mm(15.0) and part.height_mm > 1.0:
            owned.append(nearest)
    return owned


def count_pulses(parts: Strokes, rows: tuple[Row, ...], *, upside_down: bool = False) -> int:
    """Rows beside which a calibration pulse stands by itself, upright or, if asked, hanging upside down."""
    found = set()
    for part in parts.components:
        if part.width_mm > TRACE_MM or not _is_pulse(parts, part, upside_down=upside_down):
            continue
        foot = part.top if upside_down else part.bottom
        near = [number for number, row in enumerate(rows) if abs(row.baseline - foot) < mm(3.0)]
        found.update(near[:1])
    return len(found)


def _is_pulse(parts: Strokes, part: Component, *, upside_down: bool = False) -> bool:
    """A piece as high as 1 mV with a flat roof and nothing under it."""
    if not 8.8 <= part.height_mm <= 11.6 or part.width_mm < 1.5:
        return False
    box = parts.labels[part.top : part.bottom, part.left : part.right] == part.label
    if upside_down:
        box = box[::-1]
    roof = box[: mm(1.2)].any(axis=0)
    under = box[mm(1.6) : -mm(1.6)].any(axis=0)
    return bool(roof.sum() >= mm(1.5) and (roof & ~under).sum() >= mm(0.6))


def _split(parts: Strokes, owners: dict[int, list[int]], rows: tuple[Row, ...]) -> Bools:
    """Masks of rows; a piece that runs through several rows is cut halfway between their baselines."""
    masks = np.zeros((len(rows), *parts.labels.shape), bool)
    single = np.full(int(parts.labels.max()) + 1, -1)
    for label, owned in owners.items():
        if len(owned) == 1:
            single[label] = owned[0]
    owner = single[parts.labels]
    for number in range(len(rows)):
        masks[number] = (owner == number) & (parts.labels > 0)
    for part in parts.components:
        owned = owners.get(part.label, [])
        if len(owned) < 2:
            continue
        cuts = [
            0,
            *(round((rows[a].baseline + rows[b].baseline) / 2) for a, b in pairwise(owned)),
        ]
        for number, top, bottom in zip(owned, cuts, [*cuts[1:], parts.labels.shape[0]], strict=True):
            masks[number, top:bottom] |= parts.labels[top:bottom] == part.label
    return masks


def _extent(masks: Bools, rows: tuple[Row, ...]) -> tuple[int, int, bool]:
    """Where the traces begin and end without their pulses, by the middle of what the rows say."""
    starts, ends, pulses = [], [], 0
    for mask, row in zip(masks, rows, strict=True):
        columns = np.nonzero(mask.any(axis=0))[0]
        if not len(columns):
            continue
        left, right = int(columns[0]), int(columns[-1]) + 1
        head = _pulse(mask[:, left : left + mm(14.0)], row)
        tail = _pulse(mask[:, max(0, right - mm(14.0)) : right][:, ::-1], row)
        pulses += bool(head or tail)
        starts.append(left + head)
        ends.append(right - tail)
    if not starts:
        return 0, masks.shape[2], False
    return int(np.median(starts)), int(np.median(ends)), pulses * 2 >= len(rows)


def _pulse(head: Bools, row: Row) -> int:
    """Columns that a calibration pulse joined to the head of a trace takes: a hollow box 10 mm high."""
    base = round(row.baseline)
    roof = head[max(0, base - mm(PULSE_MM + 1.5)) : max(0, base - mm(PULSE_MM - 1.5))].any(axis=0)
    inside = head[max(0, base - mm(PULSE_MM - 2.5)) : max(0, base - mm(2.0))].sum(axis=0)
    hollow = roof & (inside <= 1)
    if hollow.sum() < mm(2.0):
        return 0
    end = int(np.nonzero(hollow)[0][-1])
    walls = np.nonzero(inside[end : end + mm(2.0)] > mm(3.0))[0]
    return end + (int(walls[-1]) + 2 if len(walls) else mm(1.0))


def _join_loose(
    parts: Strokes, loose: list[Component], masks: Bools, rows: tuple[Row, ...], extent: tuple[int, int]
) -> tuple[Component, ...]:
    """Give small pieces to the row in whose gap they lie; the rest, text for the most part, is returned.

    A trace has one height at a time: where a row's trace is already there, a loose piece above or below it is none
    of it.
    """
    covered = np.asarray(masks.any(axis=1))
    names = []
    joins: list[tuple[Component, int]] = []
    for part in loose:
        number = _nearest(part, rows)
        inside = extent[0] <= part.left and part.right <= extent[1]
        free = 1.0 - float(covered[number, part.left : part.right].mean())
        if inside and free >= 0.6 and _within_reach(part, rows[number]):
            joins.append((part, number))
        else:
            names.append(part)
    for part, number in joins:
        box = np.s_[part.top : part.bottom, part.left : part.right]
        masks[number][box] |= parts.labels[box] == part.label
    return tuple(names)


def _nearest(part: Component, rows: tuple[Row, ...]) -> int:
    middle = (part.top + part.bottom) / 2
    return int(np.argmin([abs(row.baseline - middle) for row in rows]))


def _within_reach(part: Component, row: Row) -> bool:
    return row.baseline - mm(UP_MM) <= part.top and part.bottom <= row.baseline + mm(DOWN_MM)
