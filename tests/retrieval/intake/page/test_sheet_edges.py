"""The edge of the sheet is no row of traces, wherever it lies and whatever lies beyond it."""

from __future__ import annotations

import numpy as np
import pytest

from retrieval.intake.page.rows import Row, mm
from retrieval.intake.page.sheet_edges import Rgb, within_edges

PAPER, WOOD, GRAY = (235, 232, 225), (120, 85, 60), (150, 150, 150)
ROWS = tuple(Row(float(mm(30 + 25 * number)), 1.0, float(mm(10)), float(mm(260))) for number in range(4))


def sheet(beyond: tuple[int, int, int], top_mm: float, bottom_mm: float, lean_mm: float = 0.0) -> Rgb:
    """A sheet 280 mm wide on a page of 150 mm, with four thin lines; its edges rise by ``lean_mm`` to the right."""
    page = np.full((mm(150), mm(280), 3), beyond, np.uint8)
    lean = np.linspace(lean_mm / 2, -lean_mm / 2, page.shape[1]) * mm(1.0)
    y = np.arange(page.shape[0])[:, None]
    page[(y > mm(top_mm) + lean) & (y < mm(bottom_mm) + lean)] = PAPER
    for row in ROWS:
        page[round(row.baseline) - 1 : round(row.baseline) + 2, mm(10) : mm(260)] = (30, 30, 40)
    return page


def edge(at_mm: float) -> Row:
    return Row(float(mm(at_mm)), 1.0, float(mm(5)), float(mm(275)))


@pytest.mark.parametrize("beyond", [WOOD, GRAY])
@pytest.mark.parametrize("lean_mm", [0.0, 2.0])
def test_edges_above_and_below_are_none_and_all_beyond_them_is_left_out(
    beyond: tuple[int, int, int], lean_mm: float
) -> None:
    rows, inside = within_edges(sheet(beyond, 10, 130, lean_mm), (edge(10), *ROWS, edge(130)))
    assert rows == ROWS
    assert not inside[: mm(10)].any()
    assert not inside[mm(130) :].any()
    assert inside[mm(14) : mm(126)].all()


def test_a_row_of_traces_stays_whatever_lies_near() -> None:
    pixels = sheet(WOOD, 22, 120)  # 8 mm above the first row
    rows, inside = within_edges(pixels, ROWS)
    assert rows == ROWS
    assert inside.all()


def test_a_line_on_paper_is_no_edge() -> None:
    pixels = sheet(PAPER, 0, 150)
    pixels[mm(140) : mm(140) + 3] = 0
    assert within_edges(pixels, (*ROWS, edge(140)))[0] == (*ROWS, edge(140))


def test_between_two_strips_only_the_edge_is_left_out() -> None:
    pixels = sheet(PAPER, 0, 150)
    pixels[mm(62) : mm(74)] = WOOD
    rows, inside = within_edges(pixels, (*ROWS[:2], edge(62), edge(74), *ROWS[2:]))
    assert rows == ROWS
    assert inside[: mm(59)].all()
    assert inside[mm(77) :].all()
    assert not inside[mm(62)]
    assert not inside[mm(74)]


def test_the_shadow_of_a_fold_along_a_row_is_no_edge() -> None:
    pixels = sheet(PAPER, 0, 150)
    pixels[round(ROWS[2].baseline) :] = pixels[round(ROWS[2].baseline) :] * 0.87
    assert within_edges(pixels, ROWS)[0] == ROWS


@pytest.mark.parametrize("at_mm", [0, 2, 148, 150])
def test_at_the_rim_of_the_page_nothing_is_seen_beyond(at_mm: float) -> None:
    assert within_edges(sheet(WOOD, 0, 150), (*ROWS, edge(at_mm)))[0] == (*ROWS, edge(at_mm))
