"""Ink of traces is given to its rows; frames that touch them are left out."""

from __future__ import annotations

import numpy as np

from retrieval.intake.page.masking import InkKinds, separate
from retrieval.intake.page.rows import Row, mm


def page_with_frame(above: float) -> tuple[InkKinds, Row, np.ndarray, np.ndarray]:
    """One level trace with beats, 120 mm long, and a frame that its ends touch, so many mm above it."""
    trace = np.zeros((mm(50), mm(140)), bool)
    base, left, right = mm(30), mm(10), mm(130)
    trace[base : base + 3, left:right] = True
    for beat in range(left + mm(8), right, mm(20)):
        trace[base - mm(9) : base, beat : beat + 3] = True
    frame = np.zeros_like(trace)
    top = base - mm(above)
    frame[top : top + 2, left:right] = True
    frame[top:base, left : left + 2] = frame[top:base, right - 2 : right] = True
    nothing = np.zeros_like(trace)
    return InkKinds(trace | frame, nothing, nothing, nothing), Row(base + 1.0, 1.0, left, right), trace, frame


def test_a_frame_that_touches_a_trace_is_none_of_it() -> None:
    kinds, row, trace, frame = page_with_frame(14.0)
    (mask,) = separate(kinds, (row,)).masks
    assert mask[trace].mean() > 0.99
    inner = frame & ~trace
    inner[:, : mm(12)] = inner[:, -mm(12) :] = False
    assert not mask[inner].any()


def test_a_level_trace_beside_its_baseline_is_kept() -> None:
    kinds, row, _, frame = page_with_frame(4.0)
    (mask,) = separate(kinds, (row,)).masks
    assert mask[frame].mean() > 0.99


def test_a_row_that_shows_no_lead_gets_no_ink_of_others() -> None:
    kinds, row, trace, _ = page_with_frame(14.0)
    strange = Row(row.baseline - mm(8), 1.0, row.left, row.right)
    joined = InkKinds(kinds.trace.copy(), kinds.text, kinds.rule, kinds.pulse)
    joined.trace[round(strange.baseline), mm(10) : mm(30)] = True
    own = separate(joined, (strange, row), strange=(0,)).masks[1]
    assert own[trace].mean() > 0.99
