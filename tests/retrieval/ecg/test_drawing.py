"""A drawn page measured with a ruler: traces, ruling, calibration pulse and texts, read back from the pixels."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from retrieval.ecg.drawing import GRIDS, PageStyle, draw_page
from retrieval.ecg.recording import LEADS, Recording
from retrieval.errors import BadArgument
from tests.retrieval.ecg.tracing import CABRERA, PLANS, fitted, heights, ink, truth, waves

DENSITIES = st.floats(2.0, 12.0)
FLAT = Recording(np.zeros((12, 1000), np.float32), 100.0)
SHORT = Recording(np.zeros((12, 200), np.float32), 100.0)


def plain(**settings_):
    return PageStyle(**{"grid": "none", "lead_names": False, "pulse": False, **settings_})


def read(page, cell, style, seconds=10.0):
    """Times and millivolts of a cell, without a millimetre at each end."""
    reach = style.row_mm / 2
    x, y = heights(page.pixels, page.px_per_mm, cell.x_mm + 1, cell.width_mm - 2, cell.baseline_mm, reach)
    gain = style.chest_gain if style.chest_gain and cell.lead[0] == "V" else style.gain
    up = -gain if cell.inverted else gain
    return cell.start * seconds + (x - cell.x_mm) / style.speed, (cell.baseline_mm - y) / up


def agrees(recording, page, style):
    """Every cell of a page shows its lead: zero within 10 microvolts, gain and time as well as can be read.

    A column of pixels and the width of the pen blur a sine of 2.13 Hz, the fastest here, by the square of its turn
    in that time. The time is true to 3 ms at any rate: a stretch begins at its edge, not with the next sample.
    """
    turn = 2 * np.pi * 2.13 / style.speed * (1 / page.px_per_mm + max(style.trace_mm, 1 / page.px_per_mm))
    for cell in page.cells:
        t, seen = read(page, cell, style, recording.seconds)
        assert len(t) >= (cell.width_mm - 2) * page.px_per_mm - 2
        gain, offset, lag, residual = fitted(lambda at, lead=cell.lead: truth(recording, lead, at), t, seen)
        assert gain == pytest.approx(1, abs=0.012 + turn**2 / 7), cell
        assert abs(offset) < 0.01, cell
        assert abs(lag) < 0.003, cell
        assert residual < 0.015, cell
        departure = {lead: np.abs(seen - truth(recording, lead, t)).max() for lead in LEADS}
        assert departure.pop(cell.lead) < 0.05
        assert min(departure.values()) > 0.15


@pytest.mark.parametrize("px_per_mm", [2.0, 6.0, 11.811])
@pytest.mark.parametrize("layout", PLANS)
def test_each_lead_is_where_it_belongs_at_the_right_scale(layout, px_per_mm):
    style = plain(layout=layout, px_per_mm=px_per_mm)
    page = draw_page(waves(), style)
    assert [cell.lead for cell in page.cells] == " ".join(PLANS[layout]).split()
    agrees(waves(), page, style)


@pytest.mark.parametrize("layout", PLANS)
def test_rows_and_columns_stand_in_true_millimetres(layout):
    """8 mm of margin and 12 mm for the pulse at the left; rows 30 mm apart; the columns share 250 mm."""
    cells = iter(draw_page(waves(), PageStyle(layout=layout)).cells)
    for number, row in enumerate(PLANS[layout]):
        leads = row.split()
        for place, lead in enumerate(leads):
            cell = next(cells)
            told = (cell.x_mm, cell.width_mm, cell.baseline_mm, cell.start, cell.stop)
            width = 250 / len(leads)
            share = place / len(leads), (place + 1) / len(leads)
            assert cell.lead == lead
            assert told == pytest.approx((20 + place * width, width, 8 + 15 + 30 * number, *share))


@settings(max_examples=15, deadline=None)
@given(
    st.floats(72 / 25.4, 400 / 25.4),
    st.sampled_from([25.0, 33.3, 50.0]),
    st.sampled_from([(5.0, None), (10.0, None), (20.0, None), (10.0, 5.0), (20.0, 10.0)]),
    st.sampled_from([*((name, "standard") for name in PLANS), *((name, "cabrera") for name in CABRERA)]),
    st.sampled_from(["sequential", "simultaneous"]),
    st.sampled_from(["II", "V1"]),
)
def test_any_density_speed_gain_order_and_timing(px_per_mm, speed, gains, layout, timing, rhythm):
    """10 s at 25 mm/s, less where the paper runs faster, so that no page is longer than 250 mm of trace."""
    gain, chest = gains
    style = plain(px_per_mm=px_per_mm, speed=speed, gain=gain, chest_gain=chest, layout=layout[0], order=layout[1])
    style = replace(style, timing=timing, rhythm=rhythm, seconds=250 / speed)
    page = draw_page(waves(), style)
    shown = " ".join((CABRERA if layout[1] == "cabrera" else PLANS)[layout[0]]).split()
    shown[-1] = rhythm if layout[0].endswith("+1") else shown[-1]
    assert [cell.printed for cell in page.cells] == shown
    agrees(waves(), page, style)


@pytest.mark.parametrize("layout", sorted(PLANS))
@pytest.mark.parametrize("timing", ["sequential", "simultaneous"])
@pytest.mark.parametrize(("speed", "gain", "chest"), [(25.0, 10.0, 5.0), (50.0, 20.0, None), (25.0, 5.0, None)])
def test_every_layout_in_both_timings(layout, timing, speed, gain, chest):
    style = plain(px_per_mm=5.0, layout=layout, timing=timing, speed=speed, gain=gain, chest_gain=chest)
    style = replace(style, order="standard" if layout == "6x1-chest" else "cabrera", seconds=250 / speed)
    agrees(waves(), draw_page(waves(), style), style)


@settings(max_examples=10, deadline=None)
@given(DENSITIES, st.floats(4, 20), st.sampled_from([100.0, 250.0, 257.0, 1000.0]))
def test_any_length_and_rate(px_per_mm, seconds, rate):
    recording = waves(seconds=seconds, rate=rate)
    style = plain(px_per_mm=px_per_mm, layout="6x2")
    page = draw_page(recording, style)
    assert page.pixels.shape[1] >= (recording.seconds * 25 + 16) * px_per_mm - 1
    agrees(recording, page, style)


def ruled(style, page=None, down=False):
    """Mean darkness of the ruling across the paper above the first trace, or down the paper at its left."""
    pixels = (page or draw_page(FLAT, style)).pixels
    pixels = pixels.swapaxes(0, 1) if down else pixels
    margin = pixels[round(0.5 * style.px_per_mm) : round(4.5 * style.px_per_mm)]
    return 255.0 - margin.min(axis=2).mean(axis=0)


def line_at(dark, px_per_mm, near):
    """Where the line close to ``near`` mm has its centre, in mm."""
    x = (np.arange(len(dark)) + 0.5) / px_per_mm
    close = np.abs(x - near) < 0.45
    weight = dark[close] - dark[close].min()
    return float((weight * x[close]).sum() / weight.sum())


@settings(max_examples=25, deadline=None)
@given(st.floats(5.0, 12.0), st.sampled_from(sorted(GRIDS)))
def test_the_ruling_is_a_millimetre_to_a_quarter_pixel_all_over_the_page(px_per_mm, grid):
    style = PageStyle(px_per_mm=px_per_mm, grid=grid, lead_names=False, pulse=False)
    page = draw_page(FLAT, style)
    for dark in (ruled(style, page), ruled(style, page, down=True)):
        lines = np.arange(1, int(len(dark) / px_per_mm))
        found = np.array([line_at(dark, px_per_mm, near) for near in lines])
        np.testing.assert_allclose(found, lines, atol=0.25 / px_per_mm)
        assert np.polyfit(lines, found, 1)[0] == pytest.approx(1, abs=1e-4)


def test_each_fifth_line_is_bold():
    dark = ruled(PageStyle(px_per_mm=8.0, lead_names=False, pulse=False))
    deep = [dark[round(8 * near) - 1 : round(8 * near) + 1].mean() for near in range(1, 260)]
    assert min(deep[4::5]) > 1.5 * max(value for i, value in enumerate(deep, 1) if i % 5)


def test_without_a_grid_the_paper_is_white():
    page = draw_page(FLAT, plain())
    assert set(np.unique(page.pixels[: 6 * 15])) == {255}


@settings(max_examples=20, deadline=None)
@given(
    st.floats(4.0, 14.0),
    st.sampled_from([25.0, 50.0]),
    st.sampled_from([5.0, 10.0, 20.0]),
    st.sampled_from(sorted(PLANS)),
)
def test_the_calibration_pulse_is_one_millivolt_for_a_fifth_of_a_second(px_per_mm, speed, gain, layout):
    """10 mm high and 5 mm wide at 10 mm/mV and 25 mm/s, to a quarter of a pixel, at the left of each row."""
    style = plain(px_per_mm=px_per_mm, speed=speed, gain=gain, layout=layout, pulse=True, row_mm=30.0)
    dark = ink(draw_page(SHORT, style).pixels[:, : int(19.5 * px_per_mm)])
    x, y = ((np.arange(size) + 0.5) / px_per_mm for size in dark.shape[::-1])
    for number in range(len(PLANS[layout])):
        zero = 23 + 30 * number
        walls = dark[np.abs(y - (zero - gain / 2)) < gain / 4].sum(axis=0)
        split = (walls * x).sum() / walls.sum()
        edges = [(walls[part] * x[part]).sum() / walls[part].sum() for part in (x < split, x > split)]
        assert edges[1] - edges[0] == pytest.approx(0.2 * speed, abs=0.25 / px_per_mm)
        near = np.abs(y - (zero - gain)) < gain / 4
        roof = dark[near][:, np.abs(x - split) < 0.05 * speed].sum(axis=1)
        assert (roof * y[near]).sum() / roof.sum() == pytest.approx(zero - gain, abs=0.25 / px_per_mm)


def test_no_pulse_no_ink_at_the_left():
    assert ink(draw_page(FLAT, plain()).pixels)[:, : round(7.5 * 6)].max() == 0


@pytest.mark.parametrize("px_per_mm", [4.0, 6.0, 11.811])
@pytest.mark.parametrize("layout", PLANS)
def test_texts_stand_in_their_boxes_and_nowhere_else(layout, px_per_mm):
    """To half a millimetre, and 1 mm below for letters that hang."""
    header = ("Report gyp 63 (SIMULATED)", "second line")
    style = {"px_per_mm": px_per_mm, "layout": layout}
    page = draw_page(FLAT, plain(**style, lead_names=True, header=header))
    bare = draw_page(FLAT, plain(**style, header=("", "")))
    written = np.abs(ink(page.pixels) - ink(bare.pixels)) > 0.05
    assert [box.text for box in page.texts] == [*" ".join(PLANS[layout]).split(), *header]
    for box in page.texts:
        rows = slice(round((box.y_mm - 0.5) * px_per_mm), round((box.y_mm + box.height_mm + 1) * px_per_mm))
        columns = slice(round((box.x_mm - 0.5) * px_per_mm), round((box.x_mm + box.width_mm + 0.5) * px_per_mm))
        assert written[rows, columns].sum() > 0.5 * px_per_mm**2 * 0.3 * len(box.text)
        written[rows, columns] = False
    assert not written.any()


def test_the_name_stands_above_the_start_of_its_own_lead():
    page = draw_page(waves(), PageStyle())
    for cell, box in zip(page.cells, page.texts, strict=True):
        assert box.text == cell.lead
        assert cell.x_mm < box.x_mm < cell.x_mm + 3
        assert cell.baseline_mm - 15 < box.y_mm < box.y_mm + box.height_mm < cell.baseline_mm


@pytest.mark.parametrize("grid", GRIDS)
def test_the_trace_is_darker_than_any_ruling(grid):
    """So that it can be told from the ruling by its darkest channel, and then reads as on white paper."""
    style = PageStyle(grid=grid, lead_names=False, pulse=False, px_per_mm=8.0)
    page = draw_page(waves(), style)
    alone = np.where(page.pixels.max(axis=2) < 120, 0, 255).astype(np.uint8)
    for cell in page.cells:
        x, y = heights(alone, 8.0, cell.x_mm + 1, cell.width_mm - 2, cell.baseline_mm, 15)
        t = cell.start * 10 + (x - cell.x_mm) / 25
        assert len(x) >= (cell.width_mm - 2) * 8 - 2
        np.testing.assert_allclose((cell.baseline_mm - y) / 10, truth(waves(), cell.lead, t), atol=0.03)


def test_a_page_is_as_large_as_the_recording_needs():
    """250 mm of ten seconds, 8 + 12 mm left of them, 8 right, up to whole big squares; four rows of 30 mm."""
    page = draw_page(FLAT, PageStyle(px_per_mm=4.0))
    assert page.pixels.shape == (140 * 4, 280 * 4, 3)
    assert draw_page(FLAT, PageStyle(px_per_mm=4.0, header=("a", "b"))).pixels.shape[0] == 150 * 4
    assert draw_page(waves(20.0), PageStyle(px_per_mm=4.0)).pixels.shape[1] == 530 * 4
    assert (page.px_per_mm, page.layout, page.pixels.dtype) == (4.0, "3x4+1", np.uint8)


@pytest.mark.parametrize("name", ["px_per_mm", "speed", "gain", "row_mm", "trace_mm"])
@pytest.mark.parametrize("value", [0.0, -6.0, float("nan"), float("inf")])
def test_a_size_that_is_none_is_refused(name, value):
    with pytest.raises(BadArgument, match=rf"^{name} is {value}; it must be"):
        PageStyle(**{name: value})


def test_an_unknown_grid_or_layout_is_refused_in_one_sentence():
    with pytest.raises(BadArgument, match=r"^no grid is called 'plaid'; there are pink, .* and none$"):
        PageStyle(grid="plaid")
    with pytest.raises(BadArgument, match=r"^no layout is called '4x4'; there are 3x4, "):
        draw_page(FLAT, PageStyle(layout="4x4"))
