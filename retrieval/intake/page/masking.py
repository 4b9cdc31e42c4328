"""Keep the traces and drop the rest: lead names, names of people, dates, printed interpretations, pulses, dirt."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from retrieval.intake.page.marks import PAPER, PULSE, RULE, TEXT, TRACE, Marks
from retrieval.intake.page.rows import CLEAR, FAINT, TRACE_MM, Component, Row, Strokes, mm, strokes_of
from retrieval.intake.page.split import split

Plane = NDArray[np.float32]
Bools = NDArray[np.bool_]
Kinds = NDArray[np.uint8]
"""Of each pixel ``TRACE`` to ``PULSE``, or ``PAPER`` where there is no ink."""
BAND_MM = 3.0
UP_MM, DOWN_MM = 26.0, 22.0
"""How far above and below its baseline a loose piece can still belong to a trace."""
FOLLOWED_MM = 12.0
LEVEL_RUN_MM, FRAME_MM, OFF_BASE_MM = 12.0, 40.0, 5.0
"""A line is level for this long, a frame's is this long or more and this far from every baseline."""
PAPER_SURE = 0.97
"""Share of paper above which ink is none."""
LETTERS_MM = 9.0
"""A loose piece no wider than this is one thing: letters, or ink of a trace, but not both."""


@dataclass(frozen=True)
class InkKinds:
    """Ink by what it is, bool ``[height, width]`` each."""

    trace: Bools
    text: Bools
    rule: Bools
    pulse: Bools

    @classmethod
    def of(cls, kinds: Kinds) -> InkKinds:
        """Each kind by itself."""
        return cls(kinds == TRACE, kinds == TEXT, kinds == RULE, kinds == PULSE)


@dataclass(frozen=True)
class Traces:
    """The ink of each row, bool ``[rows, height, width]``, with nothing else in it."""

    masks: Bools


def _likeliest(marks: Marks, shape: tuple[int, ...]) -> Kinds:
    """The likeliest kind but paper at each pixel; paper where that is sure. One plane at a time: pages are large."""
    size = shape[1], shape[0]
    best = np.full(shape, TRACE, np.uint8)
    most = cv2.resize(marks.kinds[TRACE], size, interpolation=cv2.INTER_LINEAR)
    for kind in range(TRACE + 1, PULSE + 1):
        share = cv2.resize(marks.kinds[kind], size, interpolation=cv2.INTER_LINEAR)
        best[share > most] = kind
        most = np.maximum(most, share)
    best[cv2.resize(marks.kinds[PAPER], size, interpolation=cv2.INTER_LINEAR) > PAPER_SURE] = PAPER
    return best


def sort_ink(ink: Plane, marks: Marks) -> Kinds:
    """Give each pixel of ink the kind that the network sees there; small loose pieces get one kind as a whole."""
    best = _likeliest(marks, ink.shape)
    inked = cv2.morphologyEx((ink > FAINT).astype(np.uint8), cv2.MORPH_CLOSE, np.ones((3, 3), np.uint8))
    best[inked == 0] = PAPER
    count, labels, boxes, _ = cv2.connectedComponentsWithStats(inked, connectivity=8)
    labels = np.asarray(labels, np.int32)
    clear = np.bincount(labels[ink > CLEAR], minlength=count)
    wide = np.maximum(boxes[:, cv2.CC_STAT_WIDTH], boxes[:, cv2.CC_STAT_HEIGHT])
    votes = np.stack([np.bincount(labels[best == kind], minlength=count) for kind in range(TRACE, PULSE + 1)])
    whole = votes.argmax(axis=0).astype(np.uint8) + TRACE
    whole[wide > mm(LETTERS_MM)] = PAPER  # too wide to be one thing
    one = whole[labels]
    best = np.where((one > 0) & (inked > 0), one, best)
    best[((clear < 3) | (wide < mm(0.7)))[labels]] = PAPER
    return best


def separate(kinds: InkKinds, rows: tuple[Row, ...], strange: tuple[int, ...] = ()) -> Traces:
    """Give each piece of the traces' ink to its row, or to none.

    Args:
        kinds: ink by what it is.
        rows: of the page.
        strange: numbers of rows that show no lead; of ink that joins them to others they get none.
    """
    parts = strokes_of(kinds.trace & ~_frames(kinds.trace, rows))
    owners: dict[int, list[int]] = {}
    loose: list[Component] = []
    for part in parts.components:
        owned = _anchored_at(parts, part, rows)
        if owned:
            owners[part.label] = [number for number in owned if number not in strange] or owned
        else:
            loose.append(part)
    masks = split(parts, owners, rows)
    pulses = cv2.dilate(kinds.pulse.astype(np.uint8), np.ones((mm(6.0), mm(2.0)), np.uint8)) > 0
    loose = [part for part in loose if not _touches(parts, part, pulses)]
    _join_loose(parts, loose, masks, rows)
    return Traces(masks)


def _frames(trace: Bools, rows: tuple[Row, ...]) -> Bools:
    """Long level lines away from every baseline: a frame around the field, which its traces touch.

    A trace that drifts so far off is parted by its beats.
    """
    level = cv2.morphologyEx(trace.astype(np.uint8), cv2.MORPH_OPEN, np.ones((1, mm(LEVEL_RUN_MM)), np.uint8))
    for row in rows:
        level[max(0, round(row.baseline) - mm(OFF_BASE_MM)) : round(row.baseline) + mm(OFF_BASE_MM)] = 0
    _, labels, boxes, _ = cv2.connectedComponentsWithStats(level, connectivity=8)
    long = boxes[:, cv2.CC_STAT_WIDTH] >= mm(FRAME_MM)
    long[0] = False
    if not long.any():
        return np.zeros_like(trace)
    lines = long[np.asarray(labels, np.int32)].astype(np.uint8)
    return np.asarray(cv2.dilate(lines, np.ones((5, 3), np.uint8)) > 0)


def _anchored_at(parts: Strokes, part: Component, rows: tuple[Row, ...]) -> list[int]:
    """Rows on whose baseline a piece runs for at least 3 mm."""
    if part.width_mm < 4.0:
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
        nearest = _nearest(part, rows)
        # A lead that drifted off its baseline is still a trace; a frame or an underline far away is not.
        if abs(rows[nearest].baseline - (part.top + part.bottom) / 2) < mm(15.0):
            owned.append(nearest)
    return owned


def _join_loose(parts: Strokes, loose: list[Component], masks: Bools, rows: tuple[Row, ...]) -> None:
    """Give small pieces of trace to the row in whose gap they lie, or whose end they carry on.

    A trace has one height at a time: where a row's trace is already there, a loose piece above or below it is none
    of it.
    """
    covered = np.asarray(masks.any(axis=1))
    ends = [[row.left, row.right] for row in rows]
    # From the middle outwards, so that a faint end is followed piece by piece.
    middle = float(np.mean([(row.left + row.right) / 2 for row in rows]))
    for part in sorted(loose, key=lambda part: abs((part.left + part.right) / 2 - middle)):
        number = _nearest(part, rows)
        left, right = ends[number]
        reach = mm(FOLLOWED_MM) if _at_base(part, rows[number]) else mm(3.0)
        inside = left - reach <= part.right and part.left <= right + reach
        free = 1.0 - float(covered[number, part.left : part.right].mean())
        if inside and free >= 0.6 and _within_reach(part, rows[number]):
            box = np.s_[part.top : part.bottom, part.left : part.right]
            masks[number][box] |= parts.labels[box] == part.label
            ends[number] = [min(left, part.left), max(right, part.right)]


def _touches(parts: Strokes, part: Component, pulses: Bools) -> bool:
    """Whether a small piece is a corner of a calibration pulse."""
    box = np.s_[part.top : part.bottom, part.left : part.right]
    mine = parts.labels[box] == part.label
    return bool((pulses[box] & mine).sum() > 0.3 * mine.sum())


def _at_base(part: Component, row: Row) -> bool:
    """Whether a piece lies flat beside its row's baseline, as a faint trace's do and other lines do not."""
    return part.width_mm > 1.5 and part.height_mm < 2.5 and abs((part.top + part.bottom) / 2 - row.baseline) < mm(4.0)


def _nearest(part: Component, rows: tuple[Row, ...]) -> int:
    middle = (part.top + part.bottom) / 2
    return int(np.argmin([abs(row.baseline - middle) for row in rows]))


def _within_reach(part: Component, row: Row) -> bool:
    return row.baseline - mm(UP_MM) <= part.top and part.bottom <= row.baseline + mm(DOWN_MM)
