"""GASF, RP and MTF: by hand, by the definition written out in loops, by pyts, and averaged as pixels ought to be."""

from __future__ import annotations

from itertools import pairwise

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from retrieval.ecg.encodings.fields import (
    area_weights,
    gasf,
    markov_transition_field,
    quantile_states,
    recurrence,
)
from tests.retrieval.ecg.pyts_fields import KEPT, SMALL, STATES, fields_by_pyts, two_series

series = arrays(np.float32, st.integers(2, 40), elements=st.floats(-1, 1, width=32))


def block_means(field, height, width):
    """Means over whole blocks, written apart from the area weights."""
    down, across = field.shape[-2] // height, field.shape[-1] // width
    return field.reshape(*field.shape[:-2], height, down, width, across).mean(axis=(-3, -1))


# --- by hand ---


def test_a_gasf_by_hand():
    """arccos of 1, 0, -1 is 0, 90 and 180 degrees; the field is the cosine of the sums."""
    wanted = [[1, 0, -1], [0, -1, 0], [-1, 0, 1]]
    np.testing.assert_allclose(gasf([1, 0, -1]), wanted, atol=1e-7)
    half = np.cos(np.deg2rad(120))  # arccos 0.5 is 60 degrees
    np.testing.assert_allclose(gasf([0.5, 0.5]), np.full((2, 2), half), atol=1e-7)
    np.testing.assert_allclose(gasf([0.5, 0.0])[0, 1], np.cos(np.deg2rad(150)), atol=1e-7)


def test_a_recurrence_plot_by_hand():
    np.testing.assert_allclose(recurrence([0.0, 1.5, -0.5]), [[0, 1.5, 0.5], [1.5, 0, 2], [0.5, 2, 0]])
    np.testing.assert_allclose(
        recurrence([0.0, 1.5, -0.5], ceiling=1.0), [[0, 1, 0.5], [1, 0, 1], [0.5, 1, 0]], rtol=1e-6
    )


def test_a_transition_field_by_hand():
    """0 0 1 0 1 1: state 0 is left three times, once to itself; state 1 twice, once to itself."""
    field = markov_transition_field([0, 0, 1, 0, 1, 1], 2)
    stays, changes, back, remains = 1 / 3, 2 / 3, 1 / 2, 1 / 2
    np.testing.assert_allclose(field[0], [stays, stays, changes, stays, changes, changes], rtol=1e-6)
    np.testing.assert_allclose(field[2], [back, back, remains, back, remains, remains], rtol=1e-6)
    assert np.array_equal(field[0], field[1])
    assert np.array_equal(field[0], field[3])


def test_a_state_that_is_never_left_is_followed_by_nothing():
    """0 1 2: the last state has no follower, so its row is 0."""
    np.testing.assert_array_equal(markov_transition_field([0, 1, 2], 3), [[0, 1, 0], [0, 0, 1], [0, 0, 0]])


def test_quantile_states_by_hand():
    assert quantile_states([3.0, 1.0, 2.0, 4.0], 4).tolist() == [2, 0, 1, 3]
    assert quantile_states([5.0, 5.0, 5.0], 4).tolist() == [0, 0, 0]


def test_area_weights_by_hand():
    np.testing.assert_allclose(area_weights(4, 2), [[0.5, 0.5, 0, 0], [0, 0, 0.5, 0.5]])
    np.testing.assert_allclose(area_weights(3, 2), [[2 / 3, 1 / 3, 0], [0, 1 / 3, 2 / 3]], atol=1e-6)
    np.testing.assert_allclose(area_weights(2, 4), [[1, 0], [1, 0], [0, 1], [0, 1]])


# --- by definition ---


@settings(max_examples=40, deadline=None)
@given(series)
def test_fields_are_what_their_definitions_say(x):
    angle = np.arccos(x.astype(np.float64))
    n = len(x)
    states = quantile_states(x, 4)
    counts = np.zeros((4, 4))
    for a, b in pairwise(states):
        counts[a, b] += 1
    sums, gaps, follows = np.zeros((n, n)), np.zeros((n, n)), np.zeros((n, n))
    for i in range(n):
        for j in range(n):
            sums[i, j] = np.cos(angle[i] + angle[j])
            gaps[i, j] = abs(float(x[i]) - float(x[j]))
            follows[i, j] = counts[states[i], states[j]] / max(1, counts[states[i]].sum())
    np.testing.assert_allclose(gasf(x), sums, atol=2e-6)
    np.testing.assert_allclose(recurrence(x), gaps, atol=1e-6)
    np.testing.assert_allclose(markov_transition_field(states, 4), follows, atol=1e-6)


@settings(max_examples=30, deadline=None)
@given(arrays(np.float64, st.integers(5, 30), elements=st.floats(-3, 3)), st.integers(2, 8))
def test_quantile_states_hold_equal_shares_and_keep_the_order(x, number):
    states = quantile_states(x, number)
    assert states.min() >= 0
    assert states.max() < number
    order = np.argsort(x, kind="stable")
    assert (np.diff(states[order]) >= 0).all()
    if len(np.unique(x)) == len(x):
        assert np.bincount(states, minlength=number).max() <= -(-len(x) // number) + 1


# --- many at once, and as pixels ---


def test_all_leads_at_once_are_each_alone():
    rng = np.random.default_rng(0)
    x = rng.uniform(-1, 1, (12, 60)).astype(np.float32)
    states = quantile_states(x, 5)
    for shape in (None, (20, 30), (37, 100)):
        together = gasf(x, shape), recurrence(x, shape, 0.8), markov_transition_field(states, 5, shape)
        for k in range(12):
            alone = gasf(x[k], shape), recurrence(x[k], shape, 0.8), markov_transition_field(states[k], 5, shape)
            for many, one in zip(together, alone, strict=True):
                assert many.dtype == one.dtype == np.float32
                np.testing.assert_allclose(many[k], one, atol=2e-6)


@pytest.mark.parametrize(("height", "width"), [(60, 60), (20, 30), (10, 4), (1, 1)])
def test_a_pixel_is_the_mean_of_what_it_covers(height, width):
    rng = np.random.default_rng(1)
    x = rng.uniform(-1, 1, (3, 60)).astype(np.float32)
    states = quantile_states(x, 6)
    pairs = [
        (gasf(x), gasf(x, (height, width))),
        (recurrence(x, None, 0.5), recurrence(x, (height, width), 0.5)),
        (markov_transition_field(states, 6), markov_transition_field(states, 6, (height, width))),
    ]
    for full, small in pairs:
        np.testing.assert_allclose(small, block_means(full, height, width), atol=3e-6)


def test_fractions_of_a_sample_are_shared_as_opencv_shares_them():
    x = np.random.default_rng(2).uniform(-1, 1, 100).astype(np.float32)
    wanted = cv2.resize(gasf(x), (42, 85), interpolation=cv2.INTER_AREA)
    np.testing.assert_allclose(gasf(x, (85, 42)), wanted, atol=1e-5)


@settings(max_examples=50, deadline=None)
@given(st.integers(1, 80), st.integers(1, 80))
def test_area_weights_are_means_and_use_every_sample_alike(samples, pixels):
    weights = area_weights(samples, pixels)
    assert weights.shape == (pixels, samples)
    np.testing.assert_allclose(weights.sum(axis=1), 1, atol=1e-5)
    np.testing.assert_allclose(weights.sum(axis=0), pixels / samples, rtol=1e-4)


def test_shared_weights_cannot_be_changed():
    with pytest.raises(ValueError, match="read-only"):
        area_weights(10, 5)[0, 0] = 1


def test_values_outside_their_range_are_refused():
    with pytest.raises(ValueError, match=r"takes values from -1 to 1; 1\.5 was given"):
        gasf([0.0, 1.5])
    with pytest.raises(ValueError, match="states run from 0 to 2; 0 to 3 were given"):
        markov_transition_field([0, 3], 3)


# --- by pyts ---


def test_fields_are_those_of_pyts():
    kept = np.load(KEPT)
    series = kept["series"]
    np.testing.assert_allclose(gasf(series), kept["gasf"], atol=2e-6)
    np.testing.assert_allclose(recurrence(series), kept["recurrence"], atol=1e-6)
    for bins in STATES:
        states = quantile_states(series, bins)
        np.testing.assert_allclose(markov_transition_field(states, bins), kept[f"mtf_{bins}"], atol=1e-6)
        small = markov_transition_field(states, bins, (SMALL, SMALL))
        np.testing.assert_allclose(small, kept[f"mtf_{bins}_small"], atol=2e-6)


@pytest.mark.slow
def test_what_is_kept_is_what_pyts_makes():
    """Where pyts is installed, see ``pyts_fields``."""
    pytest.importorskip("pyts.image")
    kept = np.load(KEPT)
    np.testing.assert_array_equal(kept["series"], two_series())
    for name, field in fields_by_pyts(two_series()).items():
        np.testing.assert_allclose(field, kept[name], atol=1e-7, err_msg=name)
