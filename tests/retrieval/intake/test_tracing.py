"""Traces read back from canonical pages, held against the recording that was drawn."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from retrieval.ecg.page import CANONICAL, CanonicalPage, canonical_cells, canonical_page
from retrieval.ecg.recording import LEADS, Recording
from retrieval.ecg.simulator import simulate
from retrieval.intake.tracing import find_runs, lead_signals, lead_strips
from tests.retrieval.ecg.tracing import waves

TIMES = (np.arange(500) + 0.5) / 50


def truth(recording, lead):
    """Lead ``lead`` about its median at the middle of each column of pixels."""
    row = recording.signal[lead].astype(float)
    return np.interp(TIMES, np.arange(len(row)) / recording.rate, row - np.median(row))


def compared(recording, layout="3x4+1"):
    """Of each lead: the truth and what was read, where something was read."""
    signals, rate = lead_signals(canonical_page(recording, layout))
    assert (signals.shape, signals.dtype, rate) == ((12, 500), np.float32, 50.0)
    seen = np.isfinite(signals)
    return [(truth(recording, k)[seen[k]], signals[k][seen[k]].astype(float)) for k in range(12)]


@settings(max_examples=12, deadline=None)
@given(st.sampled_from([100.0, 250.0, 500.0]), st.floats(0.1, 0.6), st.floats(-2, 2))
def test_smooth_waves_come_back_to_a_third_of_a_pixel(rate, high, offset):
    for wanted, got in compared(waves(rate=rate, high=high, offset=offset)):
        assert np.sqrt(np.mean((wanted - got) ** 2)) < 0.017
        assert len(got) >= 110


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 5000))
def test_simulated_hearts_come_back(seed):
    recording = simulate(seed, rate=250.0).recording
    pairs = compared(recording)
    likeness = [np.corrcoef(wanted, got)[0, 1] for wanted, got in pairs if np.ptp(wanted) > 0.4]
    error = [np.sqrt(np.mean((wanted - got) ** 2)) for wanted, got in pairs]
    assert np.median(error) < 0.2
    if likeness:
        assert np.median(likeness) > 0.8


def test_narrow_peaks_keep_their_height():
    """A QRS of 40 ms is a stroke of one column or two; its tip, not its middle, is the height."""
    misses = []
    for seed in range(12):
        recording = simulate(seed, "normal", rate=500.0, noise=False).recording
        signals, _ = lead_signals(canonical_page(recording))
        signal = recording.signal - np.median(recording.signal, axis=1, keepdims=True)
        for k in range(12):
            seen = np.flatnonzero(np.isfinite(signals[k]))
            part = signal[k, round(TIMES[seen[0]] * 500) : round(TIMES[seen[-1]] * 500) + 1]
            misses += [signals[k][seen].max() - part.max(), signals[k][seen].min() - part.min()]
    assert np.percentile(np.abs(misses), 90) < 0.1


@pytest.mark.parametrize("layout", ["3x4", "3x4+1", "6x2", "6x2+1", "12x1"])
def test_what_is_not_plotted_is_nan(layout):
    signals, _ = lead_signals(canonical_page(waves(high=0.2), layout))
    for k, lead in enumerate(LEADS):
        shown = np.zeros(500, bool)
        for cell in canonical_cells(layout):
            if cell.lead == lead:
                shown[round(cell.start * 500) : round(cell.stop * 500)] = True
        assert not np.isfinite(signals[k][~shown]).any()
        assert np.isfinite(signals[k][shown]).mean() > 0.95


@pytest.mark.parametrize("layout", ["6x2", "12x1", "3x4+3"])
def test_other_layouts_come_back(layout):
    for wanted, got in compared(waves(high=0.2), layout):
        assert np.corrcoef(wanted, got)[0, 1] > 0.95


def test_a_blank_page_and_an_unknown_layout_give_nothing():
    blank = CanonicalPage(np.full(CANONICAL.shape, 255, np.uint8))
    assert np.isnan(lead_signals(blank)[0]).all()
    assert len(find_runs(blank).column) == 0
    unknown = CanonicalPage(canonical_page(waves()).pixels, "unknown")
    assert np.isnan(lead_signals(unknown)[0]).all()
    assert lead_strips(unknown) == []


def test_a_strip_of_another_lead_is_not_taken_for_lead_ii():
    """The fourth row of a page may be V1; then lead II is what stands in its own place, and unknown after that."""
    recording = waves(high=0.3)
    page = canonical_page(recording)
    other = recording.signal.copy()
    other[1] = recording.signal[6]
    foreign = page.pixels.copy()
    foreign[190:] = canonical_page(Recording(other, recording.rate)).pixels[190:]
    own, mixed = lead_signals(page)[0][1], lead_signals(CanonicalPage(foreign))[0][1]
    assert np.isfinite(own[:499]).all()
    assert np.isfinite(mixed[:125]).mean() > 0.95
    assert np.isnan(mixed[124:]).all()
    np.testing.assert_allclose(mixed[:124], own[:124], atol=0.06)


def test_crossing_traces_are_not_mixed_up():
    """A deep S of the first row through the second row: nothing is made up where they are one stroke."""
    signal = np.zeros((12, 2500), np.float32)
    t = np.arange(2500) / 250
    for r in np.arange(0.4, 10, 0.8):
        signal[0] -= 3.4 * np.exp(-(((t - r) / 0.012) ** 2))
        signal[1] += 0.5 * np.exp(-(((t - r - 0.3) / 0.05) ** 2))
    recording = Recording(signal.astype(np.float32), 250.0)
    one, two = compared(recording)[:2]
    assert np.sqrt(np.mean((two[0] - two[1]) ** 2)) < 0.03
    flat = np.abs(one[0]) < 0.05
    assert np.percentile(np.abs(one[1][flat]), 95) < 0.1
    assert len(one[1]) > 60


def test_gaps_stay_gaps_and_specks_are_no_trace():
    page = canonical_page(waves(high=0.2)).pixels.copy()
    page[:, 60:66] = 255
    page[70:72, 20:22] = 0
    signals, _ = lead_signals(CanonicalPage(page))
    assert np.isnan(signals[0][48:54]).all()
    clean, _ = lead_signals(canonical_page(waves(high=0.2)))
    np.testing.assert_allclose(signals[0][:40], clean[0][:40], atol=1e-6)
    np.testing.assert_allclose(signals[1][:40], clean[1][:40], atol=1e-6)
