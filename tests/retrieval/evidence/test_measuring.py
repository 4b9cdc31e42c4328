"""Heart rates against known ones, intervals only where they can be had, and nothing of noise or flat lines."""

from __future__ import annotations

import sys
from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from retrieval.ecg.drawing import PageStyle, draw_page
from retrieval.ecg.page import canonical_page
from retrieval.ecg.recording import Recording, from_independent
from retrieval.evidence.intervals import intervals_of
from retrieval.evidence.measuring import beat_times, measure
from retrieval.intake.page import read_page


def beating(rate_bpm: float, rate: float = 250.0, seed: int = 0, seconds: float = 10.0) -> Recording:
    """P, QRS and T of known distance, with some noise; the first beat 0.35 s after the beginning."""
    t = np.arange(round(seconds * rate)) / rate
    phase = np.mod(t - 0.35, 60 / rate_bpm)
    phase = np.where(phase > 60 / rate_bpm - 0.25, phase - 60 / rate_bpm, phase)
    rng = np.random.default_rng(seed)
    high = rng.uniform(0.4, 1.4, (8, 1))

    def wave(at: float, wide: float, much: float) -> np.ndarray:
        return much * np.exp(-(((phase - at) / wide) ** 2))[None]

    rows = high * (wave(-0.16, 0.03, 0.12) + wave(0, 0.012, 1.0) + wave(0.03, 0.012, -0.25) + wave(0.22, 0.05, 0.25))
    return Recording(from_independent(rows + rng.normal(0, 0.01, rows.shape)), rate)


@given(st.floats(35, 150), st.sampled_from([100.0, 250.0, 500.0]), st.integers(0, 99))
@settings(max_examples=40, deadline=None)
def test_the_rate_of_a_recording(rate_bpm: float, rate: float, seed: int) -> None:
    with patch("retrieval.evidence.intervals.is_installed", return_value=False):
        found = measure(beating(rate_bpm, rate, seed), None)
    assert found is not None
    assert found.rate_bpm == pytest.approx(rate_bpm, rel=0.01)
    assert found.rr_ms == pytest.approx(60_000 / rate_bpm, abs=12)
    assert found.method.startswith("beats")


@given(st.floats(45, 140), st.sampled_from(["3x4", "3x4+1"]), st.integers(0, 99))
@settings(max_examples=25, deadline=None)
def test_the_rate_of_a_page(rate_bpm: float, layout: str, seed: int) -> None:
    recording = beating(rate_bpm, seed=seed)
    page = canonical_page(recording, layout)
    found = measure(None, page)
    if layout == "3x4" and rate_bpm < 75 and found is None:
        return  # columns of 2.5 s may hold too few beats
    assert found is not None
    assert found.rate_bpm == pytest.approx(rate_bpm, rel=0.03)
    assert (found.pr_ms, found.qrs_ms, found.qt_ms, found.qtc_ms) == (None, None, None, None)


def test_beats_are_where_they_were_drawn() -> None:
    recording = beating(72, seed=3)
    true = 0.35 + np.arange(12) * 60 / 72
    true = true[true < 10]
    assert np.abs(beat_times(recording, None) - true).max() < 0.025
    on_page = beat_times(None, canonical_page(recording))
    near = np.abs(on_page[:, None] - true[None]).min(axis=1)
    assert near.max() < 0.05
    assert len(on_page) >= len(true) - 1


@pytest.mark.slow
def test_the_rate_of_a_page_that_was_read_from_a_picture() -> None:
    drawn = draw_page(beating(88, seed=5), PageStyle())
    found = measure(None, read_page(drawn.pixels)[0])
    assert found is not None
    assert found.rate_bpm == pytest.approx(88, rel=0.03)


@pytest.mark.parametrize("seed", range(6))
def test_noise_and_flat_lines_have_no_rate(seed: int) -> None:
    rng = np.random.default_rng(seed)
    noise = Recording(from_independent(rng.normal(0, 0.3, (8, 2500))), 250.0)
    flat = Recording(np.zeros((12, 2500), np.float32), 250.0)
    hum = np.sin(2 * np.pi * 3 * np.arange(2500) / 250)[None] * rng.normal(0, 0.2, (8, 2500))
    assert measure(noise, None) is None
    assert measure(flat, None) is None
    assert measure(Recording(from_independent(hum), 250.0), None) is None
    assert measure(None, None) is None
    assert measure(None, canonical_page(flat)) is None
    assert len(beat_times(noise, None)) == len(beat_times(None, None)) == 0


def test_two_beats_are_no_rate() -> None:
    assert measure(beating(30, seconds=3.0), None) is None


def test_without_the_extra_there_is_the_rate_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("retrieval.evidence.intervals.is_installed", lambda: False)
    found = measure(beating(70), None)
    assert found is not None
    assert (found.rate_bpm, found.method) == (pytest.approx(70, rel=0.01), "beats")
    assert (found.pr_ms, found.qrs_ms, found.qt_ms, found.qtc_ms) == (None, None, None, None)


@pytest.mark.slow
class TestIntervals:
    """With openecg, where it is installed."""

    @pytest.fixture(autouse=True)
    def _openecg(self) -> None:
        pytest.importorskip("openecg")

    def test_intervals_of_a_plain_rhythm(self) -> None:
        found = measure(beating(70, 500.0), None)
        assert found is not None
        assert "openecg" in found.method
        assert found.qrs_ms is not None
        assert 40 < found.qrs_ms < 130
        assert found.qt_ms is not None
        assert found.qt_ms == pytest.approx(310, abs=60)
        assert found.rr_ms is not None
        assert found.qtc_ms == pytest.approx(found.qt_ms / (found.rr_ms / 1000) ** (1 / 3), abs=0.06)
        assert found.pr_ms is None or found.pr_ms == pytest.approx(170, abs=60)

    def test_nothing_of_a_lead_that_is_off(self) -> None:
        recording = beating(70)
        off = recording.signal.copy()
        off[1] = 0.0
        assert intervals_of(Recording(off, recording.rate), 70.0).method == ""

    def test_nothing_where_it_saw_other_beats(self) -> None:
        assert intervals_of(beating(70, 500.0), 140.0).method == ""

    def test_nothing_of_a_short_or_coarse_recording(self) -> None:
        assert intervals_of(beating(70, seconds=4.0), 70.0).method == ""
        assert intervals_of(beating(70, 90.0), 70.0).method == ""

    def test_it_brings_no_torch(self) -> None:
        import subprocess

        code = (
            "import sys; from tests.retrieval.evidence.test_measuring import beating;"
            "from retrieval.evidence.measuring import measure; m = measure(beating(70, 500.0), None);"
            "assert 'openecg' in m.method; sys.exit('torch' in sys.modules)"
        )
        assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
