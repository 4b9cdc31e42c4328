"""A drawn page measured with a ruler: traces, ruling, calibration pulse and texts, read back from the pixels."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from retrieval.ecg.drawing import GRIDS, PageStyle, draw_page
from retrieval.ecg.recording import LEADS, Recording
from retrieval.errors import BadArgument
from tests.retrieval.ecg.tracing import PLANS, fitted, heights, ink, truth, waves

DENSITIES = st.floats(2.0, 12.0)
FLAT = Recording(np.zeros((12, 1000), np.float32), 100.0)


def plain(**settings_):
    return PageStyle(**{"grid": "none", "lead_names": False, "pulse": False, **settings_})


def read(page, cell, style, seconds=10.0):
    """Times and millivolts of a cell, without a millimetre at each end."""
    reach = style.row_mm / 2
    x, y = heights(page.pixels, page.px_per_mm, cell.x_mm + 1, cell.width_mm - 2, cell.baseline_mm, reach)
    return cell.start * seconds + (x - cell.x_mm) / style.speed, (cell.baseline_mm - y) / style.gain


def agrees(recording, page, style):
    """Every cell of a page shows its lead: gain within 2 %, zero within 10 microvolts, time within 3 ms."""
    for cell in page.cells:
        t, seen = read(page, cell, style, recording.seconds)
        assert len(t) >= (cell.width_mm - 2) * page.px_per_mm - 2
        gain, offset, lag, residual = fitted(lambda at, lead=cell.lead: truth(recording, lead, at), t, seen)
        assert gain == pytest.approx(1, abs=0.02), cell
        assert abs(offset) < 0.01, cell
        assert abs(lag) < 0.0035, cell
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


@settings(max_examples=25)
@given(DENSITIES, st.sampled_from([12.5, 25.0, 50.0]), st.sampled_from([5.0, 10.0, 20.0]), st.sampled_from(sorted(PLANS)))
def test_any_density_speed_and_gain(px_per_mm, speed, gain, layout):
    style = plain(px_per_mm=px_per_mm, speed=speed, gain=gain, layout=layout)
    agrees(waves(), draw_page(waves(), style), style)


@settings(max_examples=10)
@given(DENSITIES, st.floats(4, 20), st.sampled_from([100.0, 250.0, 1000.0]))
def test_any_length_and_rate(px_per_mm, seconds, rate):
    recording = waves(seconds=seconds, rate=rate)
    style = plain(px_per_mm=px_per_mm, layout="6x2")
    page = draw_page(recording, style)
    assert page.pixels.shape[1] >= (recording.seconds * 25 + 16) * px_per_mm - 1
    agrees(recording, page, style)


