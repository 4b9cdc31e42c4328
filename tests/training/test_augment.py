"""Pages as training sees them: canonical at strength 0, varied by the generator alone, never of a held-out layout."""

from collections import Counter

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from retrieval.ecg.layouts import LAYOUTS
from retrieval.ecg.page import canonical_page
from retrieval.ecg.recording import Recording
from retrieval.ecg.simulator import simulate
from retrieval.ecg.spoil import HELD_OUT as SPOILED_HELD_OUT
from retrieval.ecg.spoil import Recipe
from training.augment import RESIDUE, TRAINING_LAYOUTS, Variation, _worn, varied_page, vary_signal

HELD_OUT = {"12x1", "6x2+1"}
RATE = 100.0
SIGNAL = simulate(11, rate=RATE).recording.signal[:, 2:985]
OFF = Variation(strength=0.0)
FULL = Variation(strength=1.0)


def rng(seed):
    return np.random.default_rng(seed)


def page_of(seed, variation, signal=SIGNAL):
    source = rng(seed)
    return varied_page(vary_signal(signal, RATE, source, variation.strength), RATE, source, variation)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10**6), st.integers(0, 10**6))
def test_strength_0_is_the_canonical_page(case, seed):
    """Nothing is cut either: all 983 samples are drawn. Float32 may round to the next sixteenth of a pixel."""
    signal = simulate(case, rate=RATE).recording.signal[:, 2:985]
    page, layout = page_of(seed, OFF, signal)
    assert layout == "3x4+1"
    departure = np.abs(page.astype(int) - canonical_page(Recording(signal, RATE)).pixels)
    assert departure.max() <= 24
    assert (departure > 0).mean() < 0.001


@given(st.integers(0, 10**6))
def test_strength_0_changes_the_signal_by_its_median_alone(seed):
    varied = vary_signal(SIGNAL, RATE, rng(seed), 0.0)
    np.testing.assert_array_equal(varied, SIGNAL - np.median(SIGNAL, axis=1, keepdims=True))


def test_layouts_are_those_of_training_and_held_out_ones_are_never_drawn():
    seen = Counter(page_of(seed, FULL)[1] for seed in range(600))
    assert set(seen) == {name for name, _ in TRAINING_LAYOUTS}
    assert not set(seen) & HELD_OUT
    assert set(LAYOUTS) >= HELD_OUT
    for name, share in TRAINING_LAYOUTS:  # four standard deviations of a binomial count
        assert seen[name] == pytest.approx(600 * share, abs=4 * np.sqrt(600 * share * (1 - share)))


def test_shares_sum_to_1():
    assert sum(share for _, share in TRAINING_LAYOUTS) == pytest.approx(1)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6), st.floats(0, 1))
def test_the_generator_alone_decides(seed, strength):
    np.random.seed(seed % 2**32)
    page, layout = page_of(seed, Variation(strength))
    np.random.seed(1)
    again, name = page_of(seed, Variation(strength))
    assert (page.shape, page.dtype) == ((256, 512), np.uint8)
    assert (again.tobytes(), name) == (page.tobytes(), layout)


def test_the_signal_that_was_given_is_not_changed():
    before = SIGNAL.copy()
    for seed in range(40):
        page_of(seed, FULL)
    np.testing.assert_array_equal(SIGNAL, before)


def test_pages_differ_from_each_other():
    assert len({page_of(seed, FULL)[0].tobytes() for seed in range(30)}) == 30


def test_a_page_keeps_most_of_its_paper_and_some_of_its_ink():
    for seed in range(60):
        page = page_of(seed, FULL)[0].astype(float)
        assert np.median(page) > 170
        assert np.percentile(page, 1) < np.median(page) - 30


def cut_of(varied):
    """Where a variation begins: the shift at which lead II fits best."""
    return SIGNAL.shape[1] - varied.shape[1]


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.floats(0.1, 1))
def test_a_variation_is_the_rest_of_the_record_with_a_little_noise(seed, strength):
    varied = vary_signal(SIGNAL, RATE, rng(seed), strength)
    assert varied.dtype == np.float32
    assert 0 <= cut_of(varied) <= 0.8 * strength * RATE
    clean = SIGNAL[:, cut_of(varied) :]
    clean = clean - np.median(clean, axis=1, keepdims=True)
    # Steep parts survive the slow waves and the noise that were added: gains of all leads are one number.
    steep = np.abs(np.diff(clean, axis=1)) > 0.1
    gains = [
        np.diff(v)[s] @ np.diff(c)[s] / (np.diff(c)[s] @ np.diff(c)[s])
        for v, c, s in zip(varied, clean, steep, strict=True)
    ]
    lost = [i for i, gain in enumerate(gains) if abs(gain) < 0.3]
    assert len(lost) <= 1
    kept = np.delete(np.array(gains), lost)
    assert np.ptp(kept) < 0.35
    assert 0.7 < np.median(kept) < 1.4


def test_a_lead_is_lost_now_and_then():
    lost = 0
    for seed in range(300):
        varied = vary_signal(SIGNAL, RATE, rng(seed), 1.0)
        lost += bool(
            (np.abs(np.diff(varied, axis=1)).max(axis=1) < 0.3 * np.abs(np.diff(SIGNAL, axis=1)).max(axis=1)).any()
        )
    assert 10 <= lost <= 60


def spoiled_pages(monkeypatch, number, variation=FULL):
    """The effects of each page that was spoiled among so many."""
    seen = []
    whole = Recipe.spoil

    def spy(self, *args, **kwargs):
        spoiled = whole(self, *args, **kwargs)
        seen.append(spoiled.effects)
        return spoiled

    monkeypatch.setattr(Recipe, "spoil", spy)
    for seed in range(number):
        page_of(seed, variation)
    return seen


def test_pages_are_spoiled_but_never_as_the_evaluation_does(monkeypatch):
    seen = spoiled_pages(monkeypatch, 250)
    assert len(seen) == pytest.approx(250 * FULL.spoiled, abs=4 * np.sqrt(250 * 0.21))
    drawn = {name for effects in seen for name in effects}
    assert not drawn & SPOILED_HELD_OUT
    assert drawn == {step.effect for step in RESIDUE.steps} - SPOILED_HELD_OUT
    # They are left out by the constant, not by chance.
    everything = spoiled_pages(monkeypatch, 250, Variation(leave_out=frozenset()))
    assert {name for effects in everything for name in effects} >= SPOILED_HELD_OUT


def test_without_spoiling_no_page_is_spoiled(monkeypatch):
    assert not spoiled_pages(monkeypatch, 60, Variation(spoiled=0.0))
    assert not spoiled_pages(monkeypatch, 10, OFF)


def test_a_spoiled_page_keeps_its_frame_and_is_levelled():
    """Every page in the worst state: white paper, and ink where the traces were."""
    worn = Variation(spoiled=1.0)
    clean = canonical_page(Recording(SIGNAL, RATE)).pixels
    for seed in range(30):
        page = _worn(clean.copy(), rng(seed), worn.leave_out)
        assert page.shape == clean.shape
        assert np.median(page) > 235
        ink = 255.0 - cv2.GaussianBlur(page, (0, 0), 2)
        assert np.corrcoef(ink.ravel(), 255.0 - cv2.GaussianBlur(clean, (0, 0), 2).ravel())[0, 1] > 0.35
