"""The canonical page, read back from its pixels: which lead stands where, how high a millivolt is, and when."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from retrieval.ecg.page import CANONICAL, CanonicalPage, canonical_cells, canonical_page
from retrieval.ecg.recording import LEADS, Recording
from retrieval.ecg.simulator import simulate
from retrieval.errors import BadArgument
from tests.retrieval.ecg.tracing import PLANS, fitted, heights, ink, truth, wave, waves

PX_PER_MM, MM_PER_S, MM_PER_MV, LEFT_MM, TRACE_MM = 2.0, 25.0, 10.0, 6.0, 250.0


def baselines(rows):
    """First baseline and distance of rows in mm: 3x4 at a printer's 30 mm, more rows share the 128 mm of the page."""
    return (19.0, 30.0) if rows <= 4 else (0.75 * 128 / (rows + 0.5), 128 / (rows + 0.5))


def stretches(layout):
    """``(lead, x_mm, width_mm, baseline_mm, half the distance of rows, first second)`` of every stretch of trace."""
    plan = PLANS[layout]
    top, distance = baselines(len(plan))
    for number, leads in enumerate(row.split() for row in plan):
        width = TRACE_MM / len(leads)
        for place, lead in enumerate(leads):
            x_mm = LEFT_MM + place * width
            yield lead, x_mm, width, top + number * distance, distance / 2, place * 10 / len(leads)


def read(page, stretch, inset=1.0):
    """Times and millivolts of a stretch, without a millimetre at each end, where the next lead's line begins."""
    lead, x_mm, width, middle, half, first = stretch
    x, y = heights(page.pixels, PX_PER_MM, x_mm + inset, width - 2 * inset, middle, half)
    return lead, first + (x - x_mm) / MM_PER_S, (middle - y) / MM_PER_MV


@pytest.mark.parametrize("layout", PLANS)
def test_each_lead_is_where_it_belongs_at_the_right_scale(layout):
    """Gain within 1.5 %, zero within 2 microvolts, time within 2 ms, and no other lead fits."""
    recording = waves(rate=250.0)
    page = canonical_page(recording, layout)
    assert page.layout == layout
    for stretch in stretches(layout):
        lead, t, seen = read(page, stretch)
        assert len(t) >= stretch[2] * PX_PER_MM - 6
        gain, offset, lag, residual = fitted(lambda at, lead=lead: truth(recording, lead, at), t, seen)
        assert gain == pytest.approx(1, abs=0.015), lead
        assert (abs(offset) < 0.002, abs(lag) < 0.0025, residual < 0.006) == (True, True, True), (lead, offset, lag)
        departure = {name: np.abs(seen - truth(recording, name, t)).max() for name in LEADS}
        assert departure.pop(lead) < 0.03
        assert min(departure.values()) > 0.2


@pytest.mark.parametrize("layout", PLANS)
def test_the_cells_that_are_told_are_those_that_are_drawn(layout):
    told = [(c.lead, c.x_mm, c.width_mm, c.baseline_mm, c.start * 10) for c in canonical_cells(layout)]
    for cell, stretch in zip(told, stretches(layout), strict=True):
        assert cell[0] == stretch[0]
        assert cell[1:] == pytest.approx((*stretch[1:4], stretch[5]))


@pytest.mark.parametrize("layout", PLANS)
def test_nothing_but_the_traces_is_drawn(layout):
    """No grid, no text, no pulse: take the bands of ink around the twelve leads away and the page is white."""
    page = canonical_page(waves(), layout)
    rest = ink(page.pixels)
    x = (np.arange(512) + 0.5) / PX_PER_MM
    y = (np.arange(256) + 0.5) / PX_PER_MM
    for lead, x_mm, width, middle, _, first in stretches(layout):
        columns = (x > x_mm - 1) & (x < x_mm + width + 1)
        line = middle - MM_PER_MV * truth(waves(), lead, first + (x - x_mm) / MM_PER_S)
        rest[(np.abs(y[:, None] - line[None]) < 2.0) & columns[None]] = 0
    assert rest.max() == 0


@settings(max_examples=20)
@given(st.integers(0, 10_000))
def test_the_steep_parts_of_an_ecg_reach_as_far_as_they_should(seed):
    """In each column of pixels the ink spans what the signal spans there, and nothing that its neighbours do not."""
    signal = simulate(seed, rate=500.0).recording.signal
    # At most 1.3 mV from the baseline, so that no trace reaches into the next row.
    level = np.median(signal, axis=1, keepdims=True)
    recording = Recording(
        (signal - level) / np.maximum(np.abs(signal - level).max(axis=1, keepdims=True) / 1.3, 1), 500.0
    )
    dark = ink(canonical_page(recording).pixels) > 0.5
    for lead, x_mm, width, middle, half, first in stretches("3x4+1"):
        columns = np.arange(round((x_mm + 3) * 2), round((x_mm + width - 3) * 2))
        at = (columns[:, None] + np.linspace(0, 1, 41)) / PX_PER_MM - x_mm
        height = (middle - MM_PER_MV * truth(recording, lead, first + at / MM_PER_S)) * PX_PER_MM - 0.5
        top, bottom = height.min(axis=1), height.max(axis=1)
        band = dark[round((middle - half) * 2) : round((middle + half) * 2), columns[0] : columns[-1] + 1]
        highest = round((middle - half) * 2) + band.argmax(axis=0)
        lowest = round((middle + half) * 2) - 1 - band[::-1].argmax(axis=0)
        assert band.any(axis=0).all(), lead
        assert np.all((highest < top + 1.25) & (lowest > bottom - 1.25)), lead
        around = np.lib.stride_tricks.sliding_window_view
        assert np.all(highest[1:-1] > around(top, 3).min(axis=1) - 1.25), lead
        assert np.all(lowest[1:-1] < around(bottom, 3).max(axis=1) + 1.25), lead


@pytest.mark.parametrize("rate", [100.0, 360.0, 1000.0])
def test_the_sampling_rate_does_not_move_the_trace(rate):
    page = canonical_page(waves(rate=rate))
    for stretch in stretches("3x4+1"):
        lead, t, seen = read(page, stretch)
        level = np.median(wave(LEADS.index(lead), np.arange(0, 10, 1 / rate)))
        np.testing.assert_allclose(seen, wave(LEADS.index(lead), t) - level, atol=0.03)


def test_an_electrodes_offset_is_taken_away():
    plain = canonical_page(waves()).pixels
    moved = canonical_page(waves(offset=np.linspace(-3, 3, 12)[:, None])).pixels
    # The offset leaves rounding of float32 behind, which may move ink by a sixteenth of a pixel.
    assert np.abs(plain.astype(int) - moved).max() <= 20


def test_only_the_first_ten_seconds_are_drawn():
    """Up to where the baseline is taken from, which is the whole recording."""
    long = waves(seconds=14.0)
    first = Recording(long.signal - np.median(long.signal, axis=1, keepdims=True), 250.0).slice_seconds(0, 10)
    seen = canonical_page(long).pixels
    for stretch in stretches("3x4+1"):
        lead, t, millivolts = read(CanonicalPage(seen), stretch)
        at = np.arange(first.signal.shape[1]) / 250.0
        np.testing.assert_allclose(millivolts, np.interp(t, at, first.lead(lead)), atol=0.03)


def test_a_short_recording_leaves_paper_blank_and_keeps_its_scale():
    """Five seconds in four columns are 1.25 s of each lead, 31 mm of its 62."""
    recording = waves(seconds=5.0)
    page = canonical_page(recording)
    for stretch in stretches("3x4+1"):
        lead, t, seen = read(page, stretch)
        share = stretch[2] / TRACE_MM
        shown = t - stretch[5]
        assert shown.max() == pytest.approx(5.0 * share, abs=0.06)
        np.testing.assert_allclose(seen[:-2], truth(recording, lead, shown[:-2] + stretch[5] / 2), atol=0.03)


def test_a_flat_lead_is_a_line_on_its_baseline():
    signal = waves().signal.copy()
    signal[LEADS.index("V5")] = 1.2
    page = canonical_page(Recording(signal, 250.0))
    stretch = next(s for s in stretches("3x4+1") if s[0] == "V5")
    np.testing.assert_allclose(read(page, stretch)[2], 0, atol=0.005)


def test_the_page_is_256_by_128_millimetres_at_two_pixels():
    page = canonical_page(waves())
    assert (page.pixels.shape, page.pixels.dtype) == ((256, 512), np.uint8)
    assert (CANONICAL.px_per_mm, CANONICAL.speed, CANONICAL.gain) == (PX_PER_MM, MM_PER_S, MM_PER_MV)
    assert page.pixels.max() == 255
    assert page.pixels.min() < 40


def test_the_same_recording_gives_the_same_bytes():
    assert canonical_page(waves()).pixels.tobytes() == canonical_page(waves()).pixels.tobytes()


def test_an_unknown_layout_is_refused():
    with pytest.raises(BadArgument, match="no layout is called '5x5'"):
        canonical_page(waves(), "5x5")


@pytest.mark.parametrize(
    "pixels", [np.zeros((512, 256), np.uint8), np.zeros((256, 512)), np.zeros((256, 512, 3), np.uint8)]
)
def test_another_shape_or_type_is_no_canonical_page(pixels):
    with pytest.raises(ValueError, match="a canonical page is uint8"):
        CanonicalPage(pixels)
