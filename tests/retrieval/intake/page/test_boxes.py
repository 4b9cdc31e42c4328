"""Bare paper between the columns of leads, and how much paper a flat page may take."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from retrieval.intake.page.boxes import between_columns
from retrieval.intake.page.columns import Columns
from retrieval.intake.page.naming import Naming, Slot
from retrieval.intake.page.refine import LONGER, framed
from retrieval.intake.page.rows import Row, mm

EDGES = tuple(float(mm(5 + 66 * column)) for column in range(5))


def three_rows(gap_mm: float) -> NDArray[np.bool_]:
    """Four leads a row, each followed by a gap whose middle is the boundary."""
    masks = np.zeros((3, mm(40), mm(280)), bool)
    for row in range(3):
        for left, right in pairwise(EDGES):
            masks[row, mm(10 + 8 * row), round(left) + mm(gap_mm) // 2 : round(right) - mm(gap_mm) // 2] = True
    return masks


def between(masks: NDArray[np.bool_]) -> float:
    leads = ("I", "aVR", "V1", "V4")
    naming = Naming("3x4", "standard", tuple(tuple(map(Slot, leads)) for _ in range(3)), {4: Columns(EDGES, ())}, 0.9)
    rows = tuple(Row(float(mm(10 + 8 * row)), 1.0, EDGES[0], EDGES[-1]) for row in range(3))
    return between_columns(naming, rows, masks)


@pytest.mark.parametrize("gap_mm", [4.0, 6.0, 9.0])
def test_gaps_between_all_columns_are_added_up(gap_mm: float) -> None:
    masks = three_rows(gap_mm)
    masks[1, mm(20), round(EDGES[1]) : round(EDGES[1]) + mm(1)] = True  # a figure that is printed beside one row
    assert between(masks) == pytest.approx(3 * gap_mm, abs=0.8)


def test_a_gap_at_one_boundary_is_worn_ink() -> None:
    masks = three_rows(0.0)
    masks[:, :, round(EDGES[2]) - mm(3) : round(EDGES[2]) + mm(3)] = False
    assert between(masks) == 0.0


def test_leads_that_follow_each_other_leave_none() -> None:
    assert between(three_rows(0.0)) == between(three_rows(1.5)) == 0.0


@given(st.integers(20, 1500), st.integers(20, 1500))
def test_a_flat_page_takes_no_more_paper_than_its_square(width: int, height: int) -> None:
    limit = 580.0
    _, size = framed(np.eye(3), np.full((height, width), 255, np.uint8), limit)
    assert size[0] * size[1] <= limit**2
    assert max(size) <= LONGER * limit
    if width * height < 0.9 * limit**2 and max(width, height) < LONGER * limit - 5:
        assert size == pytest.approx((width, height), abs=5)
