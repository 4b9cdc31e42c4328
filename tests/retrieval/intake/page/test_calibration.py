"""Pulses give speed and gain; print and the rows' length help where there are none."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from retrieval.intake.page.calibration import find_pulses, measure_scale
from retrieval.intake.page.flat import FLAT_PX_PER_MM
from retrieval.intake.page.rows import Row
from retrieval.intake.page.words import Words

NO_WORDS = Words((), np.zeros(3, np.float32), np.zeros(4, np.float32))
SLOTS = [("I", "aVR", "V1", "V4"), ("II", "aVL", "V2", "V5"), ("III", "aVF", "V3", "V6")]
BASES = (20.0, 50.0, 80.0)


def page_of(height: float, width: float, second: float | None = None) -> np.ndarray:
    """Pulses of that size in mm at the left of three rows, drawn with feet."""
    mask = np.zeros((600, 1600), np.uint8)
    for base in BASES:
        steps = [(3, 0), (5, 0), (5, height), (5 + width, height), (5 + width, 0), (7 + width, 0)]
        if second is not None:
            steps[3:4] = [(5 + width / 2, height), (5 + width / 2, second), (5 + width, second)]
        points = np.array([(x, base - y) for x, y in steps]) * FLAT_PX_PER_MM
        cv2.polylines(mask, [np.rint(points).astype(np.int32).reshape(-1, 1, 2)], False, 1, 2)
    return mask > 0


def rows() -> tuple[Row, ...]:
    return tuple(Row(base * FLAT_PX_PER_MM, 1.0, 100.0, 1590.0) for base in BASES)


@pytest.mark.parametrize("gain", [5.0, 10.0, 20.0])
@pytest.mark.parametrize(("speed", "length"), [(25.0, 250.0), (50.0, 250.0), (50.0, 500.0)])
def test_pulses_tell_speed_and_gain(gain: float, speed: float, length: float) -> None:
    pulses = find_pulses(page_of(gain, 0.2 * speed), rows())
    assert len(pulses) == 3
    scale = measure_scale(pulses, NO_WORDS, SLOTS, length)
    assert (scale.speed, scale.gain, scale.chest_gain) == (speed, gain, gain)
    assert scale.gain_share > 0.92


@pytest.mark.parametrize(("limb", "chest"), [(10.0, 5.0), (5.0, 10.0)])
def test_a_stair_tells_two_gains(limb: float, chest: float) -> None:
    scale = measure_scale(find_pulses(page_of(limb, 5.0, chest), rows()), NO_WORDS, SLOTS, 250.0)
    assert (scale.gain, scale.chest_gain) == (limb, chest)


def test_without_pulses_the_usual_is_assumed_and_not_certain() -> None:
    scale = measure_scale((), NO_WORDS, SLOTS, 250.0)
    assert (scale.speed, scale.gain) == (25.0, 10.0)
    assert scale.gain_share < 0.92


def test_print_outweighs_the_usual() -> None:
    words = Words((), np.array([0.02, 0.97, 0.0], np.float32), np.array([0.0, 0.01, 0.98, 0.0], np.float32))
    scale = measure_scale((), words, SLOTS, 250.0)
    assert (scale.speed, scale.gain) == (50.0, 20.0)


def test_a_spike_is_no_pulse() -> None:
    mask = np.zeros((600, 1600), np.uint8)
    cv2.line(mask, (200, 120), (200, 30), 1, 3)
    assert find_pulses(mask > 0, rows()) == ()
