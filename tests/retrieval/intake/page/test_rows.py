"""A lead that hardly beats is a row in line with others; pulses at the ends of rows are none of them."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from retrieval.intake.page.row_ends import reached
from retrieval.intake.page.rows import Row, find_rows, joined, mm, runs_upright, strokes_of

Bools = NDArray[np.bool_]
LEFT, RIGHT = mm(30), mm(250)
BASES = tuple(mm(30 + 25 * number) for number in range(4))


def with_trace(page: Bools, base: int, *, high_mm: float, phase: int = 0) -> Bools:
    """A level trace with a beat every 20 mm."""
    page[base - 1 : base + 2, LEFT:RIGHT] = True
    for beat in range(LEFT + mm(9) + phase, RIGHT, mm(20)):
        page[base - mm(high_mm) : base, beat : beat + 3] = high_mm > 0
    return page


def page_of(heights_mm: tuple[float, ...]) -> Bools:
    page = np.zeros((mm(150), mm(280)), bool)
    for base, high in zip(BASES, heights_mm, strict=True):
        with_trace(page, base, high_mm=high)
    return page


@pytest.mark.parametrize("flat", range(4))
def test_a_flat_lead_in_line_with_the_others_is_a_row(flat: int) -> None:
    page = page_of(tuple(0.0 if number == flat else 8.0 for number in range(4)))
    assert [row.baseline for row in find_rows(strokes_of(page))] == pytest.approx(BASES, abs=mm(0.5))


@pytest.mark.parametrize("at_mm", [10, 118, 140])
def test_a_level_line_out_of_line_is_none(at_mm: int) -> None:
    page = page_of((8.0, 8.0, 8.0, 8.0))
    page[mm(at_mm) : mm(at_mm) + 3, LEFT:RIGHT] = True
    assert [row.baseline for row in find_rows(strokes_of(page))] == pytest.approx(BASES, abs=mm(0.5))


def masks_of(pulse_at: int | None, *, together: bool = True) -> tuple[list[Row], Bools]:
    """A mask for each of four rows, each with a step of 5 x 10 mm joined to one end."""
    masks = np.zeros((4, mm(150), mm(280)), bool)
    for number, (mask, base) in enumerate(zip(masks, BASES, strict=True)):
        with_trace(mask, base, high_mm=8.0, phase=mm(4 * number))
        if pulse_at is not None:
            high, at = mm(10), pulse_at if together else pulse_at - mm(3 * number)
            step = slice(at, at + mm(5))
            first, last = min(at - mm(2), LEFT), max(at + mm(7), RIGHT)
            mask[base - 1 : base + 2, first:last] = True
            mask[base - 1 : base + 2, step] = False
            mask[base - high : base - high + 3, step] = True
            mask[base - high : base, [step.start, step.stop]] = True
    rows = [Row(float(base), 1.0, *_ends(mask)) for base, mask in zip(BASES, masks, strict=True)]
    return rows, masks


def _ends(mask: Bools) -> tuple[float, float]:
    columns = np.flatnonzero(mask.any(axis=0))
    return float(columns[0]), float(columns[-1] + 1)


@pytest.mark.parametrize("side", ["left", "right"])
def test_a_pulse_at_the_end_of_all_rows_is_none_of_them(side: str) -> None:
    rows, masks = masks_of(LEFT - mm(8) if side == "left" else RIGHT + mm(3))
    for row in reached(rows, masks):
        assert getattr(row, side) == pytest.approx(LEFT if side == "left" else RIGHT, abs=mm(3.5))


def test_steps_at_other_places_of_each_row_stay() -> None:
    rows, masks = masks_of(LEFT - mm(8), together=False)
    assert all(row.left < LEFT - mm(7) for row in reached(rows, masks))


def test_rows_without_pulses_stay_as_they_are() -> None:
    rows, masks = masks_of(None)
    before = masks.copy()
    assert [(row.left, row.right) for row in reached(rows, masks)] == [(LEFT, RIGHT)] * 4
    np.testing.assert_array_equal(masks, before)


def test_tips_of_waves_at_one_height_are_no_row_of_their_own() -> None:
    page = page_of((8.0, 8.0, 8.0, 8.0))
    for beat in range(
        LEFT + mm(11), RIGHT - mm(6), mm(20)
    ):  # blunt waves down to where the next row's beats reach up
        tip = BASES[1] + mm(16)
        page[tip - 1 : tip + 2, beat : beat + mm(7)] = True
        page[BASES[1] : tip, [beat, beat + mm(7)]] = True
    assert [row.baseline for row in find_rows(strokes_of(page))] == pytest.approx(BASES, abs=mm(0.5))


def test_rows_that_stand_close_are_rows() -> None:
    page = np.zeros((mm(150), mm(280)), bool)
    bases = [mm(20 + 15 * number) for number in range(8)]
    for base in bases:
        with_trace(page, base, high_mm=8.0)
    assert [row.baseline for row in find_rows(strokes_of(page))] == pytest.approx(bases, abs=mm(0.5))


def test_a_page_lies_on_its_side_by_its_traces_and_not_by_streaks() -> None:
    page = page_of((8.0, 8.0, 8.0, 8.0))
    for beside in (8, 14, 20, 256, 264, 272):
        page[:, mm(beside) : mm(beside) + 3] = True
    page[:, LEFT :: mm(30)] = False  # pieces too short to say which way they run
    assert not runs_upright(strokes_of(page))
    whole = page_of((8.0, 8.0, 8.0, 8.0))
    assert not runs_upright(strokes_of(whole))
    assert runs_upright(strokes_of(np.ascontiguousarray(whole.T)))


def test_dashes_of_a_row_count_once_they_are_joined() -> None:
    page = page_of((8.0, 8.0, 8.0, 8.0))
    for x in range(LEFT, RIGHT, mm(6)):
        page[BASES[2] - mm(10) : BASES[2] + mm(5), x : x + mm(1.5)] = False
    whole = [base for base in BASES if base != BASES[2]]
    assert [row.baseline for row in find_rows(strokes_of(page))] == pytest.approx(whole, abs=mm(0.5))
    assert [row.baseline for row in find_rows(strokes_of(joined(page)))] == pytest.approx(BASES, abs=mm(0.5))


def test_words_with_wider_gaps_are_not_joined() -> None:
    page = np.zeros((mm(20), mm(60)), bool)
    page[mm(10) : mm(11), mm(5) : mm(10)] = page[mm(10) : mm(11), mm(13) : mm(18)] = True
    assert np.array_equal(joined(page), page)
