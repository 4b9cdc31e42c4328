"""What a page says about itself, held against its pixels: samples, texts, pulses, masks, the twin without text."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from retrieval.ecg.drawing import PageStyle, draw_page, draw_twin
from retrieval.ecg.recording import LEADS, Recording
from retrieval.errors import BadArgument
from tests.retrieval.ecg.tracing import CABRERA, PLANS, ink, waves

FULL = PageStyle(
    px_per_mm=6.0,
    header=("SIMULATED: Q. Testperson", "gyp 1950"),
    interpretation=("Sinus rhythm", "Überleitung (made up)"),
    separators=True,
    scale_text=True,
    chest_gain=5.0,
)
DPI = st.floats(72 / 25.4, 250 / 25.4)


def sampled(**settings_):
    return PageStyle(**{"grid": "none", "lead_names": False, "pulse": "none", **settings_})


@pytest.mark.parametrize("timing", ["sequential", "simultaneous"])
@pytest.mark.parametrize("layout", PLANS)
def test_each_sample_of_a_cell_is_told_with_its_time_its_value_and_its_place(layout, timing):
    """At 257 Hz most stretches begin between two samples; the place is worked out here from time and value alone."""
    recording = waves(rate=257.0)
    order = "cabrera" if layout in CABRERA else "standard"
    page = draw_page(recording, sampled(layout=layout, timing=timing, order=order, px_per_mm=4.0, chest_gain=5.0))
    for cell in page.cells:
        told = page.samples(cell)
        row = recording.lead(cell.lead).astype(float)
        numbers = np.rint(told.times * 257).astype(int)
        np.testing.assert_allclose(told.times, numbers / 257, atol=1e-12)
        np.testing.assert_allclose(told.values, row[numbers] - np.median(row), atol=1e-6)
        first = cell.start * recording.seconds
        inside = (np.arange(len(row)) / 257 > first - 1e-9) & (
            np.arange(len(row)) / 257 < cell.stop * recording.seconds + 1e-9
        )
        np.testing.assert_array_equal(numbers, np.flatnonzero(inside))
        up = (5.0 if cell.lead.startswith("V") else 10.0) * (-1 if cell.inverted else 1)
        np.testing.assert_allclose(told.points[:, 0], cell.x_mm + (told.times - first) * 25, atol=1e-6)
        np.testing.assert_allclose(told.points[:, 1], cell.baseline_mm - told.values * up, atol=1e-4)


@settings(max_examples=8, deadline=None)
@given(DPI, st.sampled_from(sorted(PLANS)), st.sampled_from([25.0, 50.0]))
def test_the_pixel_under_each_sample_is_inked(px_per_mm, layout, speed):
    page = draw_page(waves(), sampled(layout=layout, px_per_mm=px_per_mm, speed=speed, seconds=250 / speed))
    dark = ink(page.pixels)
    for cell in page.cells:
        x, y = np.rint(page.to_px(page.samples(cell).points)).astype(int).T
        assert dark[y, x].min() > 0.1  # a pen of one pixel, at its end, where four pixels meet


def test_sequential_cells_show_every_sample_once_but_where_two_meet():
    page = draw_page(waves(), sampled(layout="3x4"))
    for row in range(3):
        times = np.concatenate([page.samples(cell).times for cell in page.cells if cell.row == row])
        assert len(np.unique(times)) == 2500
        assert len(times) == 2503


@settings(max_examples=8, deadline=None)
@given(DPI, st.sampled_from(sorted(CABRERA)), st.sampled_from(["pink", "gray", "none"]))
def test_the_twin_differs_in_the_pixels_of_the_text_and_in_no_others(px_per_mm, layout, grid):
    style = replace(FULL, px_per_mm=px_per_mm, layout=layout, order="cabrera", grid=grid, seconds=5.0, row_mm=20.0)
    page, twin = draw_page(waves(), style), draw_twin(waves(), style)
    changed = (page.pixels != twin.pixels).any(axis=2)
    text = page.mask("text")
    assert twin.texts == ()
    assert twin.cells == page.cells
    assert not (changed & ~text).any()
    # Text over a trace of its own colour changes nothing, nor does the faintest rim of a letter.
    assert changed[page.mask("text", least=0.02) & ~page.mask("traces", "pulses", "separators")].all()


@pytest.mark.parametrize("px_per_mm", [72 / 25.4, 6.0, 400 / 25.4])
def test_the_box_of_a_text_holds_its_pixels_and_no_more(px_per_mm):
    """The first and last row and column of each box have ink, and no ink is left when all boxes are taken away."""
    page = draw_page(Recording(np.zeros((12, 2500)), 250.0), replace(FULL, px_per_mm=px_per_mm, layout="6x2"))
    text, rest = page.mask("text"), page.mask("text")
    for box in page.texts:
        edges = np.array([box.x_mm, box.y_mm, box.x_mm + box.width_mm, box.y_mm + box.height_mm]) * px_per_mm
        left, top, right, bottom = np.rint(edges).astype(int)
        np.testing.assert_allclose(edges, (left, top, right, bottom), atol=1e-6)
        part = text[top:bottom, left:right]
        assert part[0].any()
        assert part[-1].any()
        assert part[:, 0].any()
        assert part[:, -1].any()
        rest[top:bottom, left:right] = False
    assert not rest.any()
    assert [box.kind for box in page.texts] == ["lead"] * 12 + ["header"] * 2 + ["interpretation"] * 2 + ["scale"]


def test_the_masks_together_are_the_ink_of_the_page():
    page = draw_page(waves(), replace(FULL, grid="none", layout="6x2+1"))
    inked = page.pixels.min(axis=2) < 255
    every = page.mask("traces", "pulses", "separators", "text", least=0.01)
    assert not (every & ~inked).any()
    assert not (inked & ~page.mask("traces", "pulses", "separators", "text")).any()
    with pytest.raises(BadArgument, match="a page has no mask of"):
        page.mask("grid")


@pytest.mark.parametrize(("pulse", "side"), [("left", -1), ("right", 1), (True, -1)])
def test_the_pulse_stands_where_it_is_told_on_the_side_that_was_asked_for(pulse, side):
    page = draw_page(waves(), sampled(pulse=pulse, layout="3x4+1", gain=10.0, px_per_mm=5.0))
    dark = ink(page.pixels)
    assert [mark.row for mark in page.pulses] == [0, 1, 2, 3]
    for mark in page.pulses:
        cells = [cell for cell in page.cells if cell.row == mark.row]
        x, y = mark.points.T
        assert (x.max() < cells[0].x_mm) if side < 0 else (x.min() > cells[-1].x_mm + cells[-1].width_mm)
        assert (np.ptp(x), np.ptp(y)) == (pytest.approx(5), pytest.approx(10))
        column, row = np.rint(page.to_px(np.array([[x.mean(), y.min()]]))).astype(int)[0]
        assert dark[row - 1 : row + 2, column].max() > 0.7
    assert draw_page(waves(), sampled(pulse="none")).pulses == draw_page(waves(), sampled(pulse=False)).pulses == ()


def test_a_row_of_two_gains_has_a_stair_for_a_pulse():
    page = draw_page(waves(), sampled(pulse="left", layout="3x4+1", rhythm="V1", chest_gain=5.0))
    assert [mark.gains for mark in page.pulses] == [(10.0, 5.0)] * 3 + [(5.0,)]
    heights = 53 - page.pulses[1].points[:, 1]
    np.testing.assert_allclose(heights, [0, 10, 10, 5, 5, 0])


def test_separators_stand_between_the_columns_only():
    with_, without = (draw_page(waves(), sampled(layout="3x4+1", separators=on)).pixels for on in (True, False))
    columns = np.flatnonzero((with_ != without).any(axis=(0, 2))) / 6
    for edge in (8 + 62.5, 8 + 125, 8 + 187.5):
        near = np.abs(columns - edge) < 1
        assert near.any()
        columns = columns[~near]
    assert len(columns) == 0


def test_pixels_can_be_drawn_into_memory_that_is_there():
    first = draw_page(waves(), FULL)
    memory = np.zeros_like(first.pixels)
    second = draw_page(waves(), FULL, out=memory)
    assert second.pixels is memory
    assert memory.tobytes() == first.pixels.tobytes()
    with pytest.raises(BadArgument, match=r"^out is uint8 \[10, 10, 3\]; this page needs contiguous uint8 \["):
        draw_page(waves(), FULL, out=np.zeros((10, 10, 3), np.uint8))


def test_a_sheet_has_the_size_that_was_asked_for_or_the_page_is_refused():
    letter = PageStyle(px_per_mm=200 / 25.4, sheet_mm=(279.4, 215.9), row_mm=42)
    assert draw_page(waves(), letter).pixels.shape == (1700, 2200, 3)
    with pytest.raises(
        BadArgument, match=r"^the sheet is 279.4 x 215.9 mm and the page needs 528.0 x 184.0 mm; set a"
    ):
        draw_page(waves(20.0), letter)


def test_a_row_shows_the_seconds_that_were_asked_for():
    page = draw_page(waves(), sampled(layout="6x2", seconds=4.0, speed=50.0))
    assert {cell.width_mm for cell in page.cells} == {100.0}
    assert page.samples(page.cells[1]).times[[0, -1]].tolist() == [2.0, 4.0]
    assert [(cell.start, cell.stop) for cell in page.cells[:2]] == [(0, 0.2), (0.2, 0.4)]


def test_all_leads_are_those_of_a_recording():
    assert {cell.lead for cell in draw_page(waves(), sampled(layout="12x1", order="cabrera")).cells} == set(LEADS)
