"""Polylines of cells: from edge to edge at any rate, against numpy's own interpolation."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from retrieval.ecg.layouts import LeadCell
from retrieval.ecg.recording import LEADS
from retrieval.ecg.traces import cell_polyline, pulse_polyline


@given(
    st.integers(200, 4000),
    st.floats(90.0, 1000.0),
    st.floats(0.0, 0.7),
    st.floats(0.05, 0.3),
    st.booleans(),
    st.sampled_from([25.0, 50.0]),
)
def test_a_polyline_runs_from_edge_to_edge_through_every_sample_between(samples, rate, start, share, inverted, speed):
    signal = np.random.default_rng(samples).normal(0, 1, (12, samples)).astype(np.float32)
    seconds = samples / rate
    cell = LeadCell("aVR", 0, start, start + share, 30.0, 50.0, share * seconds * speed, inverted)
    line = cell_polyline(signal, rate, cell, speed, 10.0)
    times = start * seconds + (line[:, 0] - 30.0) / speed
    row = signal[LEADS.index("aVR")] * (-1 if inverted else 1)
    np.testing.assert_allclose(50.0 - line[:, 1], 10 * np.interp(times * rate, np.arange(samples), row), atol=2e-2)
    assert line[0, 0] == pytest.approx(30.0, abs=1e-4)
    last = min(cell.stop * samples, samples - 1) / rate
    assert times[-1] == pytest.approx(last, abs=1e-5)
    whole = np.arange(int(np.ceil(start * samples + 1e-3)), int(last * rate - 1e-3) + 1) / rate
    assert np.isin(np.rint(whole * rate), np.rint(times * rate)).all()
    assert np.all(np.diff(line[:, 0]) > 0)


def test_a_pulse_is_a_box_or_a_stair():
    assert pulse_polyline(5, 20, 10, 25).tolist() == [[5, 20], [5, 10], [10, 10], [10, 20]]
    assert pulse_polyline(5, 20, 10, 25, 5).tolist() == [[5, 20], [5, 10], [7.5, 10], [7.5, 15], [10, 15], [10, 20]]
