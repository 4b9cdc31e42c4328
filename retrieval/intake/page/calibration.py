"""Paper speed and gain, from calibration pulses, from print, and from the length of the rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from retrieval.intake.correction import Correction
from retrieval.intake.page.flat import FLAT_PX_PER_MM
from retrieval.intake.page.marks import SPEEDS
from retrieval.intake.page.rows import Row, mm
from retrieval.intake.page.words import Words

Bools = NDArray[np.bool_]
Odds = NDArray[np.float64]
PULSE_MM = (3.5, 24.0)
FLAT_MM = 0.8
NARROWEST_MM, WIDEST_MM = 1.2, 16.0
PULSE_SECONDS = 0.2
GAINS = ((5.0, 5.0), (10.0, 10.0), (20.0, 20.0), (5.0, 10.0), (10.0, 5.0))
"""Of limb and chest leads, mm/mV."""
SPEED_PRIOR = (0.93, 0.065, 0.005)
GAIN_PRIOR = (0.07, 0.86, 0.03, 0.01, 0.03)
WORD_TRUST = 7.0
ROW_MM = 250.0
SPAN = 0.85, 1.03
"""Shares of ``ROW_MM`` that rows have where they were taken for it, with pulses at their ends or without."""
USUAL, FAST = 25.0, 50.0
CLOSEST_MM, CLOSEST_OF_MANY_MM, MANY_ROWS = 19.0, 12.0, 8
"""No rows stand closer, up to ``MANY_ROWS`` of them or more."""
SQUARE, PRINTED = 0.15, 0.8
"""Share by which the sides of a pulse may differ from 5 mm; and of belief with which a speed is taken for printed."""
FULL_SECONDS = (10.0, 5.0, 12.0, 2.5, 6.0, 8.0)
SURE = 0.92
"""Share that the likeliest speed or gain must have to count as found and not as assumed."""


@dataclass(frozen=True)
class Pulse:
    """A calibration pulse: the row beside which it stands, its box in pixels, levels and width of its roof in mm."""

    row: int
    left: int
    right: int
    levels: tuple[float, ...]
    width: float


@dataclass(frozen=True)
class Scale:
    """Speed in mm/s, gains in mm/mV of limb and chest leads, each with the share of belief that it has."""

    speed: float
    gain: float
    chest_gain: float
    speed_share: float
    gain_share: float


def find_pulses(mask: Bools, rows: tuple[Row, ...]) -> tuple[Pulse, ...]:
    """Pulses among the ink that the network takes for them."""
    whole = cv2.morphologyEx(mask.astype(np.uint8), cv2.MORPH_CLOSE, np.ones((mm(0.7), mm(0.5)), np.uint8))
    count, labels, boxes, _ = cv2.connectedComponentsWithStats(whole, connectivity=8)
    found = []
    for label, (left, top, wide, high, _) in enumerate(boxes[1:count].tolist(), start=1):
        if not PULSE_MM[0] <= high / FLAT_PX_PER_MM <= PULSE_MM[1] or not mm(1.0) <= wide <= mm(WIDEST_MM):
            continue
        pulse = _measure(labels[top : top + high, left : left + wide] == label)
        row = int(np.argmin([abs(row.baseline - top - high) for row in rows]))
        near = abs(rows[row].baseline - top - high) < mm(4.0)
        if pulse is not None and pulse[1] > NARROWEST_MM and near:
            found.append(Pulse(row, left, left + wide, *pulse))
    return tuple(found)


def _measure(box: Bools) -> tuple[tuple[float, ...], float] | None:
    """Levels of the roof over the foot from left to right, and its width between the middles of the walls."""
    tops = np.where(box.any(axis=0), box.argmax(axis=0), box.shape[0])
    roof = tops < box.shape[0] // 2
    pen = min(float(np.median(box.sum(axis=0)[roof])) if roof.any() else 2.0, mm(0.8))
    height = box.shape[0] - tops - pen
    high = np.flatnonzero(height > mm(2.0))
    if len(high) < mm(1.0):
        return None
    levels: list[float] = []
    for level in _flats(height[high]):
        if not levels or abs(levels[-1] - level) > 1.5:
            levels.append(level)
    if not 1 <= len(levels) <= 2:
        return None
    return tuple(levels), float(high[-1] - high[0] + 1 - pen) / FLAT_PX_PER_MM


def _flats(height: Odds) -> list[float]:
    """Heights in mm at which the roof stays level, from left to right."""
    out, start = [], 0
    for at in range(1, len(height) + 1):
        if at == len(height) or abs(height[at] - height[start]) > mm(0.4):
            if at - start >= mm(FLAT_MM):
                out.append(float(np.median(height[start:at])) / FLAT_PX_PER_MM)
            start = at
    return out


def measure_scale(pulses: tuple[Pulse, ...], words: Words, slots: Sequence[tuple[str, ...]], row_mm: float) -> Scale:
    """Weigh what speaks for each speed and gain; ``slots`` are the leads of each row, ``row_mm`` the rows' length."""
    speeds = np.log(SPEED_PRIOR) + WORD_TRUST * words.speeds + _speed_by_pulses(pulses) + _speed_by_length(row_mm)
    gains = np.log(GAIN_PRIOR) + WORD_TRUST * words.gains[[0, 1, 2, 3, 3]] + _gain_by_pulses(pulses, slots)
    speed_shares, gain_shares = _shares(speeds), _shares(gains)
    speed, gain = int(speed_shares.argmax()), int(gain_shares.argmax())
    return Scale(SPEEDS[speed], *GAINS[gain], float(speed_shares[speed]), float(gain_shares[gain]))


def assumed_size(
    rows: tuple[Row, ...], row_mm: float, pulses: tuple[Pulse, ...], words: Words, speed: float | None = None
) -> float:
    """By how much a page is larger than where its rows, ``row_mm`` long, were taken for ten seconds at 25 mm/s.

    The rows may have lost pulses and dirt that had passed for traces; or they run at 50 mm/s and are twice as long,
    of which a ``speed`` that was set by hand decides.
    """
    times = ROW_MM / row_mm if SPAN[0] < row_mm / ROW_MM < SPAN[1] else 1.0
    fast = speed == FAST if speed is not None else _runs_fast(pulses, words, times)
    return times * FAST / USUAL if fast and _too_close(rows, times) else times


def _too_close(rows: tuple[Row, ...], times: float) -> bool:
    """Whether rows on a page ``times`` as large stand closer than any that run at 25 mm/s."""
    apart = times * float(np.median(np.diff([row.baseline for row in rows]))) / FLAT_PX_PER_MM
    return apart < (CLOSEST_OF_MANY_MM if len(rows) > MANY_ROWS else CLOSEST_MM)


def _runs_fast(pulses: tuple[Pulse, ...], words: Words, times: float) -> bool:
    """Whether print says 50 mm/s, or pulses may: as wide as high they are of 10 mm/mV then, and else of 5 mm/mV."""
    if words.speeds[SPEEDS.index(FAST)] > PRINTED:
        return True
    sides = [(pulse.width, level) for pulse in pulses for level in pulse.levels]
    half = PULSE_SECONDS * USUAL
    return bool(sides) and bool(np.abs(times * np.median(sides, axis=0) / half - 1).max() < SQUARE)


def as_given(scale: Scale, given: Correction) -> Scale:
    """What was set by hand in the place of what was measured."""
    if given.speed is not None:
        scale = replace(scale, speed=given.speed, speed_share=1.0)
    if given.gain is not None:
        scale = replace(scale, gain=given.gain, chest_gain=given.gain, gain_share=1.0)
    return scale


def _shares(odds: Odds) -> Odds:
    powers = np.exp(odds - odds.max())
    return powers / powers.sum()


def _speed_by_pulses(pulses: tuple[Pulse, ...]) -> Odds:
    """A pulse lasts 0.2 s; some makers draw a shorter one, hardly any a longer one."""
    if not pulses:
        return np.zeros(len(SPEEDS))
    wide = float(np.median([pulse.width for pulse in pulses]))
    off = np.log(wide / (PULSE_SECONDS * np.array(SPEEDS)))
    short = np.exp(-0.5 * ((off + 0.7) / 0.25) ** 2) * 0.25
    return np.log(np.exp(-0.5 * (off / 0.12) ** 2) + short + 0.01)


def _speed_by_length(row_mm: float) -> Odds:
    """Rows of a whole page last a round number of seconds, ten most often."""
    seconds = row_mm / np.array(SPEEDS)
    fit = np.stack([np.exp(-0.5 * ((seconds - full) / (0.03 * full)) ** 2) for full in FULL_SECONDS])
    return np.log(np.maximum(fit[0], 0.4 * fit.max(axis=0)) + 0.1)


def _gain_by_pulses(pulses: tuple[Pulse, ...], slots: Sequence[tuple[str, ...]]) -> Odds:
    """A pulse is 1 mV high; of two levels the first is the limb leads', the second the chest leads'."""
    odds = np.zeros(len(GAINS))
    for pulse in pulses:
        leads = slots[pulse.row] if pulse.row < len(slots) else ()
        if leads:
            each = np.array([_pulse_odds(pulse, leads, gain) for gain in GAINS])
            odds += each / max(1.0, 0.25 * len(pulses))
    return odds


def _pulse_odds(pulse: Pulse, leads: tuple[str, ...], gain: tuple[float, float]) -> float:
    expected = [gain[leads[0].startswith("V")], gain[leads[-1].startswith("V")]]
    if expected[0] == expected[1]:
        expected = expected[:1]
    if len(expected) != len(pulse.levels):
        return -3.0
    off = np.log(np.array(pulse.levels) / np.array(expected))
    return float(np.log(np.exp(-0.5 * (off / 0.09) ** 2) + 0.005).mean())
