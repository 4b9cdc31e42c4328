"""What counts as a right box: moved, stretched, misnamed and missing ones."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from eval.bench.boxes import TrueLead, agreement, at_place, box_right, corner_error_mm, overlap
from retrieval.intake import FoundLead

SCALE = (4.0, 5.0)
TRUE = np.array([(100, 100), (340, 100), (340, 220), (100, 220)], np.float64)  # 60 x 24 mm


def moved(x_mm: float, y_mm: float) -> NDArray[np.float64]:
    return TRUE + np.array([x_mm * SCALE[0], y_mm * SCALE[1]])


def found(lead: str, box: NDArray[np.float64]) -> FoundLead:
    a, b, c, d = ((float(x), float(y)) for x, y in box)
    return FoundLead(lead, 0, (a, b, c, d), 2.5)


@pytest.mark.parametrize(
    ("x_mm", "y_mm", "right"),
    [
        (0, 0, True),
        (5.9, 0, True),
        (-5.9, 5.9, True),
        (7, 0, False),
        (-20, 0, False),
        (0, 6.5, False),
        (0, -9, False),
    ],
)
def test_a_box_moved_too_far_is_wrong(x_mm: float, y_mm: float, right: bool) -> None:
    assert box_right(moved(x_mm, y_mm), TRUE, SCALE) is right


def test_both_ends_count_also_on_a_long_strip() -> None:
    strip = TRUE.copy()
    strip[[1, 2], 0] = 100 + 250 * SCALE[0]
    short = strip.copy()
    short[[1, 2], 0] -= 9 * SCALE[0]  # 9 of 250 mm are missing at the right
    assert overlap(short, strip) > 0.95
    assert not box_right(short, strip, SCALE)


def test_the_height_counts() -> None:
    narrow = TRUE.copy()
    narrow[:2, 1], narrow[2:, 1] = 150, 170  # a sixth of the height, at the same ends
    assert not box_right(narrow, TRUE, SCALE)


def test_along_and_across_follow_a_turned_page() -> None:
    quarter = np.array([[0.0, 1.0], [-1.0, 0.0]])
    turned = TRUE @ quarter
    scale = (SCALE[0], SCALE[1])
    assert box_right(moved(5.5, 0) @ quarter, turned, scale)
    assert not box_right(moved(6.5, 0) @ quarter, turned, scale)
    assert box_right(moved(0, 5.5) @ quarter, turned, scale)
    assert not box_right(moved(0, 6.5) @ quarter, turned, scale)


@settings(max_examples=30, deadline=None)
@given(
    st.tuples(st.floats(-40, 40), st.floats(-20, 20)), st.floats(0.3, 2.0), st.floats(0.3, 2.0), st.floats(-0.3, 0.3)
)
def test_overlap_against_counted_pixels(shift: tuple[float, float], wide: float, high: float, shear: float) -> None:
    """An independent reference: the share of points of a fine grid that lie in both boxes."""
    corners = np.array([(0, 0), (60, 0), (60, 24), (0, 24)], np.float64)
    other = corners * [wide, high] + shift
    other[:, 0] += shear * other[:, 1]
    x, y = np.meshgrid(np.arange(-110, 190, 1.0) + 0.5, np.arange(-35, 80, 1.0) + 0.5)

    def inside(box: NDArray[np.float64]) -> NDArray[np.bool_]:
        sides = zip(box, np.roll(box, -1, axis=0), strict=True)
        return np.all([(b[0] - a[0]) * (y - a[1]) - (b[1] - a[1]) * (x - a[0]) >= 0 for a, b in sides], axis=0)

    one, two = inside(corners), inside(other)
    counted = (one & two).sum() / (one | two).sum()
    assert overlap(corners, other) == pytest.approx(counted, abs=0.06)


def test_a_lead_must_stand_at_its_place() -> None:
    assert at_place(moved(10, 5), TRUE)
    assert not at_place(moved(0, 13), TRUE)


def test_leads_are_paired_by_name_and_place() -> None:
    below = moved(0, 24)
    truth = [TrueLead("II", 0, TRUE), TrueLead("II", 1, below)]
    both = agreement([found("II", below), found("II", TRUE)], truth, SCALE)
    assert both.all_right
    assert both.all_placed
    one = agreement([found("II", TRUE)], truth, SCALE)
    assert (one.right, one.placed, one.extra) == (1, 1, 0)
    misnamed = agreement([found("II", TRUE), found("V1", below)], truth, SCALE)
    assert (misnamed.right, misnamed.extra, misnamed.all_placed) == (1, 1, False)
    swapped = agreement([found("I", TRUE), found("III", below)], truth, SCALE)
    assert (swapped.right, swapped.placed, swapped.extra) == (0, 0, 2)


def test_a_lead_too_many_is_not_right() -> None:
    more = agreement([found("II", TRUE), found("II", moved(0, 100))], [TrueLead("II", 0, TRUE)], SCALE)
    assert more.right == 1
    assert not more.all_right


def test_corner_error_is_in_millimetres_of_both_directions() -> None:
    assert corner_error_mm(moved(3, 4), TRUE, SCALE) == pytest.approx(5.0)
    assert corner_error_mm(None, TRUE, SCALE) == float("inf")
