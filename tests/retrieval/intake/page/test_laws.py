"""The laws between leads are obeyed by leads of one heart, in their order, and by nothing else."""

from __future__ import annotations

import numpy as np
import pytest

from retrieval.ecg.recording import LEADS
from retrieval.ecg.simulator import simulate
from retrieval.intake.page.flat import FLAT_PX_PER_MM
from retrieval.intake.page.signals import LAWS, Stretch, broken, in_time, row_heights, smooth, stretch_of, unlike

SECOND = 25 * FLAT_PX_PER_MM


def heights(seed: int, *names: str) -> list[np.ndarray]:
    """2.5 s of leads as columns of the flat page, in mm at 10 mm/mV; a minus turns a lead over."""
    recording = simulate(seed, noise=False).recording
    t = np.arange(int(2.5 * SECOND)) / SECOND
    at = np.arange(recording.signal.shape[1]) / recording.rate
    out = []
    for name in names:
        wave = np.interp(t, at, recording.signal[LEADS.index(name.lstrip("-"))])
        out.append(10 * wave * (-1 if name.startswith("-") else 1))
    return out


def stretches(seed: int, *names: str) -> list[Stretch]:
    """The same as stretches of rows."""
    return [stretch_of(wave) for wave in heights(seed, *names)]


OBEYED = {
    "I - II + III": ("I", "II", "III"),
    "aVR + aVL + aVF": ("aVR", "aVL", "aVF"),
    "aVL - 1.5 I - aVR": ("aVL", "I", "-aVR"),
    "II - 2 aVF + III": ("II", "aVF", "III"),
}


@pytest.mark.parametrize("law", list(LAWS))
@pytest.mark.parametrize("seed", [3, 4, 5])
def test_a_law_holds_for_its_own_leads_only(law: str, seed: int) -> None:
    assert broken(LAWS[law], stretches(seed, *OBEYED[law])) < 0.01
    assert broken(LAWS[law], stretches(seed, "V1", "V4", "V2")) > 0.2


def test_a_law_is_not_judged_on_a_few_columns() -> None:
    rows = [np.full(400, np.nan) for _ in range(3)]
    for row in rows:
        row[:30] = 1.0
    assert np.isnan(broken(LAWS["I - II + III"], [stretch_of(row) for row in rows]))


def test_likeness_ignores_a_shift_of_the_baseline_and_small_gaps() -> None:
    (wave,) = heights(7, "II")
    other = wave + 2.0
    other[100:110] = np.nan
    assert unlike(stretch_of(wave), stretch_of(other)) < 0.02
    assert unlike(stretch_of(wave), *stretches(7, "aVR")) > 1.0


def test_row_heights_are_the_middle_of_the_ink() -> None:
    mask = np.zeros((120, 50), bool)
    mask[40:44, 10:30] = True
    found = row_heights(mask, 71.5)
    assert np.isnan(found[:10]).all()
    np.testing.assert_allclose(found[10:30], 30 / FLAT_PX_PER_MM)


def test_smoothing_keeps_a_slow_wave() -> None:
    t = np.arange(900) / SECOND
    slow = np.sin(2 * np.pi * 0.8 * t)
    np.testing.assert_allclose(smooth(slow)[60:-60], (slow - np.median(slow))[60:-60], atol=0.1)


def test_a_line_that_is_no_trace_does_not_beat_with_the_others() -> None:
    rows = np.stack(heights(3, "I", "II", "V1", "V4", "V6"))
    rng = np.random.default_rng(3)
    other = np.interp(
        np.arange(rows.shape[1]), np.arange(0, rows.shape[1], 9), rng.normal(0, 2, -(-rows.shape[1] // 9))
    )
    found = in_time(np.tile(np.vstack([rows, other]), 4), (0, 4 * rows.shape[1]))
    assert (found[:5] > 0.5).all()
    assert found[5] < 0.25


def test_rows_that_are_hardly_there_are_not_judged() -> None:
    rows = np.tile(np.stack(heights(3, "I", "II", "V1")), 4)
    rows[2, rows.shape[1] // 8 :] = np.nan
    assert np.isfinite(in_time(rows, (0, rows.shape[1]))).tolist() == [True, True, False]
