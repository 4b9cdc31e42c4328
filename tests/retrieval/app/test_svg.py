"""Traces as SVG paths, read back to millivolts by a parser of its own."""

from __future__ import annotations

import re

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from retrieval.app import svg
from retrieval.ecg.page import canonical_cells
from retrieval.ecg.recording import LEADS
from tests.retrieval.conftest import heartbeats


def read_path(text):
    """The points of ``M x y l dx dy dx dy …`` paths, a list of arrays; an independent reading of the SVG grammar."""
    lines = []
    for part in filter(None, text.split("M")):
        head, _, rest = part.partition("l")
        points = [np.array([int(number) for number in re.findall(r"-?\d+", head)])]
        steps = [int(number) for number in re.findall(r"-?\d+", rest)]
        assert len(points[0]) == 2
        assert len(steps) % 2 == 0
        for dx, dy in zip(steps[::2], steps[1::2], strict=True):
            points.append(points[-1] + (dx, dy))
        lines.append(np.array(points))
    return lines


def test_every_lead_is_drawn_at_its_place_speed_and_gain():
    recording = heartbeats(3)
    drawing = svg.draw(recording)
    lines, cells = read_path(drawing.traces), canonical_cells()
    assert len(lines) == len(cells) == len(drawing.labels) == 13
    assert {label.lead for label in drawing.labels} == set(LEADS)
    for line, cell in zip(lines, cells, strict=True):
        x, y = line[:, 0] / svg.UNIT, line[:, 1] / svg.UNIT
        seconds = cell.start * 10 + (x - cell.x_mm) / 25
        trace = recording.lead(cell.lead)
        expected = np.interp(seconds, np.arange(len(trace)) / recording.rate, trace - np.median(trace))
        # Half a unit each way: 5 microvolts up or down, and 2 ms to the side on a steep stretch.
        slack = 0.006 + 0.002 * recording.rate * np.abs(np.diff(trace)).max()
        assert np.abs((cell.baseline_mm - y) / 10 - expected).max() < slack


def test_a_pulse_is_1_mv_high_and_200_ms_wide():
    for line in read_path(svg.draw(heartbeats(3)).pulses):
        assert np.ptp(line[:, 1]) == 10 * svg.UNIT
        assert np.ptp(line[:, 0]) == 5 * svg.UNIT


@given(st.lists(st.tuples(st.integers(-2560, 2560), st.integers(-1280, 1280)), min_size=1, max_size=60))
def test_a_path_keeps_every_corner(points):
    line = np.array(points) / svg.UNIT
    (back,) = read_path(svg.path(line))
    kept = [tuple(point) for point in back]
    assert kept[0] == points[0]
    assert kept[-1] == points[-1]
    assert set(kept) <= set(points)
    for before, at, after in zip(points, points[1:], points[2:], strict=False):
        one, two = np.subtract(at, before), np.subtract(after, at)
        turns = one[0] * two[1] != one[1] * two[0]
        if turns:
            assert at in kept


def test_straight_runs_cost_nothing():
    assert svg.path(np.array([(x / 10, 5.0) for x in range(500)])) == "M0 50l499 0"
    assert svg.path(np.zeros((0, 2))) == ""
    assert svg.path(np.array([(1.0, 2.0)])) == "M10 20"
