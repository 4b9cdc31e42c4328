"""Leads of one heart move together; traces that have nothing in common are told from them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from retrieval.ecg.page import CANONICAL, PAPER, CanonicalPage, canonical_page
from retrieval.ecg.recording import Recording
from retrieval.ecg.simulator import CONDITIONS, simulate
from retrieval.intake.heartbeat import common_beats


@pytest.mark.parametrize("condition", CONDITIONS)
def test_every_simulated_heart_beats_in_all_leads(condition: str) -> None:
    beats = common_beats(canonical_page(simulate(7, condition).recording))
    assert not beats.strange
    assert not beats.doubtful
    assert beats.pairs >= 9


@pytest.mark.parametrize("seed", range(5))
def test_leads_of_twelve_hearts_do_not(seed: int) -> None:
    """The same kind of trace in each row, but each lead of another heart at another time."""
    hearts = [simulate(100 * seed + i, "normal").recording for i in range(12)]
    signal = np.stack([np.roll(heart.signal[1], 211 * i) for i, heart in enumerate(hearts)])
    mixed = common_beats(canonical_page(replace(hearts[0], signal=signal.astype(np.float32))))
    one = common_beats(canonical_page(hearts[0]))
    assert mixed.doubtful
    assert mixed.agreement < one.agreement - 0.3


def test_noise_is_strange() -> None:
    rng = np.random.default_rng(3)
    noise = np.cumsum(rng.normal(0, 0.05, (12, 2500)), axis=1)
    noise -= np.array([np.convolve(row, np.full(250, 1 / 250), "same") for row in noise])
    assert common_beats(canonical_page(Recording(noise.astype(np.float32), 250.0))).strange


def test_an_empty_page_has_no_pair() -> None:
    beats = common_beats(CanonicalPage(np.full(CANONICAL.shape, PAPER, np.uint8)))
    assert (beats.agreement, beats.pairs) == (0.0, 0)
    assert beats.doubtful
    assert not beats.strange


def test_agreement_is_the_mean_correlation_of_speeds() -> None:
    """Against numpy's own correlation, on a page of flat lines with equal bumps in two leads."""
    signal = np.zeros((12, 2500), np.float32)
    bump = np.sin(np.linspace(0, np.pi, 100, dtype=np.float32))
    for start in (100, 350):
        signal[0, start : start + 100] = bump
        signal[1, start : start + 100] = 0.5 * bump
    beats = common_beats(canonical_page(Recording(signal, 250.0)))
    assert beats.pairs == 1
    assert beats.agreement == pytest.approx(1.0, abs=0.1)
