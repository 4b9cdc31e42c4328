"""Phases of lines: demodulated as by the formula, and unwrapped the same way whichever way is taken."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from retrieval.intake.page.phase import MIN_COHERENCE, REACH, _agreed_turns, _followed, _unwrap, demodulate

Floats = NDArray[np.float64]
SHAPE = 18, 25


def wrapped(turns: Floats) -> Floats:
    return turns - np.round(turns)


def slope(rng: np.random.Generator, shape: tuple[int, int] = SHAPE) -> Floats:
    """A smooth surface in turns: neighbours differ by less than a quarter of one."""
    y, x = np.mgrid[0 : shape[0], 0 : shape[1]] / 8.0
    a, b, c, d = rng.uniform(-1, 1, 4)
    return a * x + b * y + 0.7 * np.sin(c * x + d * y + 1.0)


@given(st.integers(0, 10**6), st.floats(0.0, 0.6))
def test_both_ways_of_unwrapping_agree_where_neighbours_do(seed: int, missing: float) -> None:
    rng = np.random.default_rng(seed)
    true = slope(rng)
    trust = rng.uniform(MIN_COHERENCE, 1.0, SHAPE).astype(np.float32)
    trust[rng.random(SHAPE) < missing] = 0.1
    start = int(np.argmax(trust))
    turns = _agreed_turns(wrapped(true), trust >= MIN_COHERENCE, start)
    assert turns is not None
    found = wrapped(true) + turns
    np.testing.assert_array_equal(found, _followed(wrapped(true), trust, start))
    known = ~np.isnan(found)
    assert known.ravel()[start]
    # Unwrapped is the surface itself, but for the whole turns of the start.
    off = (found - true)[known]
    np.testing.assert_allclose(off, off[0], atol=1e-9)


def test_where_neighbours_disagree_the_most_trusted_are_followed() -> None:
    y, x = np.mgrid[0:10, 0:10] - 4.5
    vortex = np.arctan2(y, x) / (2 * np.pi)
    trust = np.full(vortex.shape, 0.9, np.float32)
    assert _agreed_turns(vortex, trust >= MIN_COHERENCE, 0) is None
    wave = np.exp(2j * np.pi * vortex).astype(np.complex64)
    assert not np.isnan(_unwrap(wave, trust)).any()


def test_a_start_that_is_not_trusted_stands_alone() -> None:
    wave = np.ones((4, 5), np.complex64)
    trust = np.full((4, 5), 0.1, np.float32)
    trust[2, 3] = 0.2
    assert np.flatnonzero(~np.isnan(_unwrap(wave, trust))).tolist() == [13]


@pytest.mark.parametrize("pitch", [2.4, 3.1, 5.0, 6.3, 11.7, 30.0])
@pytest.mark.parametrize("turn", [0.0, 0.3, 1.5])
def test_the_phase_is_that_of_the_formula(pitch: float, turn: float) -> None:
    """Held against the carrier's product, smoothed by an exact Gaussian at each point."""
    height, width = max(160, int(10 * pitch)), max(240, int(14 * pitch))
    rng = np.random.default_rng(5)
    carrier = np.array([np.cos(turn), np.sin(turn)]) / pitch
    y, x = np.mgrid[0:height, 0:width].astype(np.float64)
    lines = np.cos(2 * np.pi * (carrier[0] * x + carrier[1] * y) * 1.01 + 0.4)
    plane = (lines + 0.5 * lines**2 + rng.normal(0, 0.3, lines.shape)).astype(np.float32)
    ((wave, trust, step),) = demodulate(plane, carrier)
    sigma = float(np.hypot(0.5, max(REACH, 6.0 / pitch))) * pitch
    mixed = plane * np.exp(-2j * np.pi * (carrier[0] * x + carrier[1] * y))
    trusted = np.argwhere(trust >= MIN_COHERENCE).tolist()
    at = [(row, column) for row, column in trusted if _inside(row, column, step, (width, height), sigma)]
    assert len(at) > 0
    for row, column in at[:: max(1, len(at) // 12)]:
        middle = (column + 0.5) * step[0] - 0.5, (row + 0.5) * step[1] - 0.5
        weight = np.exp(-((x - middle[0]) ** 2 + (y - middle[1]) ** 2) / (2 * sigma**2))
        wanted = (mixed * weight).sum()
        assert abs(np.angle(wave[row, column] / wanted)) < 2 * np.pi * 0.01


def _inside(row: int, column: int, step: tuple[float, float], size: tuple[int, int], sigma: float) -> bool:
    x, y = (column + 0.5) * step[0], (row + 0.5) * step[1]
    return 2 * sigma < x < size[0] - 2 * sigma and 2 * sigma < y < size[1] - 2 * sigma


def test_carriers_that_are_asked_together_get_what_each_gets_alone() -> None:
    rng = np.random.default_rng(3)
    plane = rng.normal(size=(120, 170)).astype(np.float32)
    carriers = np.array([[0.2, 0.01], [-0.01, 0.2], [0.0, 0.05]])
    for carrier, (wave, trust, step) in zip(carriers, demodulate(plane, *carriers), strict=True):
        ((alone, own, size),) = demodulate(plane, carrier)
        np.testing.assert_array_equal(wave, alone)
        np.testing.assert_array_equal(trust, own)
        assert step == size
