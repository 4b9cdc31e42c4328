"""Rulings that are not one even lattice of lines: of leads ruled apart, and of dots a pixel wide."""

from __future__ import annotations

import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from retrieval.intake.page.flat import FLAT_PX_PER_MM
from retrieval.intake.page.flattening import flatten_picture
from retrieval.intake.page.spacing import scale_about
from retrieval.intake.page.stretches import STRETCH_MM, agreed
from retrieval.intake.page.view import look, softened
from tests.retrieval.intake.page.test_rulings import PX, SIZE, Rgb, rows_of_traces, ruled


def panels(width_mm: float, gap_mm: float, size: tuple[int, int] = SIZE) -> Rgb:
    """Paper whose fields are each ruled from their own corner, with bare gaps between them, both ways."""
    picture = ruled(lambda points: points / PX % (width_mm + gap_mm), size)
    x, y = (np.arange(side) / PX % (width_mm + gap_mm) > width_mm for side in size)
    picture[:, x] = 255
    picture[y] = 255
    return picture


@pytest.mark.parametrize(("width_mm", "gap_mm"), [(40.0, 11.0), (60.0, 6.0), (62.5, 6.0), (60.0, 10.0)])
def test_fields_that_are_ruled_apart_have_the_scale_of_their_lines(width_mm: float, gap_mm: float) -> None:
    found = flatten_picture(panels(width_mm, gap_mm))
    assert found is not None
    field = ((200.0, 150.0), (900.0, 150.0), (900.0, 650.0), (200.0, 650.0))
    assert scale_about(found, field) == pytest.approx((PX, PX), rel=0.006)


def test_each_stretch_of_even_paper_shows_its_own_length_whichever_way_it_lies() -> None:
    found = flatten_picture(ruled(lambda points: points / PX))
    assert found is not None
    for quarters in range(4):
        page = found.turned(quarters)
        assert page.stretches is not None
        size = page.pixels.shape[1] / FLAT_PX_PER_MM, page.pixels.shape[0] / FLAT_PX_PER_MM
        for stretches in page.stretches:
            clear = stretches.weights > 0.5 * np.median(stretches.weights)
            np.testing.assert_allclose(np.median(stretches.ruled[clear]), STRETCH_MM, rtol=0.004)
            assert (stretches.middles > 0).all()
            assert (stretches.middles < size).all()


def test_stretches_turn_with_their_page() -> None:
    found = flatten_picture(panels(60.0, 6.0))
    assert found is not None
    field = ((200.0, 150.0), (900.0, 150.0), (900.0, 650.0), (200.0, 650.0))
    x, y = scale_about(found, field)
    for quarters in (1, 2, 3):
        assert scale_about(found.turned(quarters), field) == pytest.approx(
            (x, y) if quarters == 2 else (y, x), rel=2e-3
        )


@given(
    st.lists(st.floats(0.5, 0.9), min_size=5, max_size=30),
    st.lists(st.floats(1.1, 1.11), min_size=61, max_size=99),
    st.randoms(use_true_random=False),
)
def test_what_most_agree_upon_outvotes_all_others(few: list[float], many: list[float], order: random.Random) -> None:
    values = [*few, *many]
    order.shuffle(values)
    scale, share = agreed(np.array(values), np.ones(len(values)))
    assert scale == pytest.approx(np.mean(many))
    assert share == pytest.approx(len(many) / len(values))


def dotted(size: tuple[int, int], px_per_mm: float) -> Rgb:
    """Dots of a pixel each millimetre and each half one on every fifth line, as old printers rule."""
    page = np.full((size[1], size[0], 3), 255, np.uint8)
    fine = (
        np.rint(np.arange(0.0, size[0], px_per_mm)).astype(int),
        np.rint(np.arange(0.0, size[1], px_per_mm)).astype(int),
    )
    half = [np.rint(np.arange(0.0, side, px_per_mm / 2)).astype(int) for side in size]
    x, y, fine_x, fine_y = (
        places[places < side] for places, side in zip((*half, *fine), (*size, *size), strict=True)
    )
    page[np.ix_(fine_y, fine_x)] = 60
    page[np.ix_(y, fine_x[::5])] = 60
    page[np.ix_(fine_y[::5], x)] = 60
    return page


@pytest.mark.parametrize("px_per_mm", [6.0, 7.94])
def test_dots_of_a_pixel_are_a_ruling(px_per_mm: float) -> None:
    page = dotted((1106, 1100), px_per_mm)
    traces = rows_of_traces(5)[:1100, :1106]
    page[: traces.shape[0]] = np.minimum(page[: traces.shape[0]], traces)
    found = flatten_picture(page)
    assert found is not None
    assert found.ruled
    assert found.px_per_mm == pytest.approx((px_per_mm, px_per_mm), rel=0.015)


def test_a_picture_that_was_shrunk_is_soft_already() -> None:
    small, large = (look(np.full((600, side, 3), 250, np.uint8)) for side in (1700, 2000))
    soft = softened(small)
    assert soft is not None
    assert soft.soft
    assert soft.pixels is small.pixels
    assert softened(large) is None


def test_stretches_without_lines_agree_on_nothing() -> None:
    values = np.linspace(0.9, 1.1, 50)
    assert agreed(values, np.zeros(50)) == (pytest.approx(1.0), 0.0)
    assert agreed(values, np.where(np.arange(50) < 20, 1.0, 0.0))[1] == 0.0
