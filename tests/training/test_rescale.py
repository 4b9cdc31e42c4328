"""Amplitudes that z-scoring took away: exact where identities tie the leads, near where they were learned."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from retrieval.ecg.recording import einthoven_error, from_independent
from retrieval.ecg.simulator import simulate
from training.rescale import RIDGE, AmplitudeModel, limb_ratios


def scored(signal):
    """Each lead less its mean, over its standard deviation, as the corpus was made."""
    signal = np.asarray(signal, dtype=np.float64)
    return (signal - signal.mean(axis=-1, keepdims=True)) / signal.std(axis=-1, keepdims=True)


@pytest.fixture(scope="module")
def simulated():
    return np.stack([simulate(seed, rate=100.0).recording.signal[:, 2:985] for seed in range(500, 740)])


@pytest.fixture(scope="module")
def model(simulated):
    return AmplitudeModel.fit(simulated[:180])


@given(arrays(np.float64, (2, 50), elements=st.floats(-2, 2)), st.integers(0, 1000))
def test_limb_ratios_are_exact(bends, seed):
    """Of any two leads and the four that follow from them, whatever their size."""
    noise = np.random.default_rng(seed).normal(size=(8, 50))
    signal = from_independent(np.concatenate([bends, np.zeros((6, 50))]) + noise).astype(np.float64)
    deviation = signal[:6].std(axis=1)
    ratios = limb_ratios(scored(signal))
    np.testing.assert_allclose(ratios / ratios[0], deviation / deviation[0], rtol=1e-4)
    assert (ratios > 0).all()


@given(st.lists(st.floats(0.05, 20), min_size=12, max_size=12))
def test_ratios_undo_any_scaling_of_the_leads(factors):
    """Not of z-scored leads alone: lead k multiplied by f comes back divided by f."""
    signal = from_independent(np.random.default_rng(3).normal(size=(8, 400))).astype(np.float64)
    ratios = limb_ratios(signal * np.array(factors)[:, None])
    wanted = 1 / np.array(factors[:6])
    np.testing.assert_allclose(ratios / ratios[0], wanted / wanted[0], rtol=1e-3)


def test_the_fit_is_ridge_regression(simulated, model):
    """Against scikit-learn's, on the same features."""
    linear = pytest.importorskip("sklearn.linear_model")
    from training.rescale import _shape

    shapes = np.array([_shape(record) for record in scored(simulated[:180])])
    x = (shapes - shapes.mean(axis=0)) / (shapes.std(axis=0) + 1e-6)
    target = np.log(simulated[:180].astype(np.float64).std(axis=2))
    reference = linear.Ridge(alpha=RIDGE).fit(x, target)
    np.testing.assert_allclose(model.weights, reference.coef_.T, atol=1e-4)
    np.testing.assert_allclose(model.mean, reference.intercept_, atol=1e-6)


def test_restored_leads_keep_their_shape(simulated, model):
    for signal in simulated[180:190]:
        restored = model.restore(scored(signal))
        assert restored.dtype == np.float32
        np.testing.assert_allclose(scored(restored), scored(signal), atol=1e-3)


def test_restored_limb_leads_obey_einthoven(simulated, model):
    for signal in simulated[180:]:
        restored = model.restore(scored(signal))
        assert einthoven_error(restored) < 0.003 * np.abs(restored[:6]).max()


def test_restored_amplitudes_are_nearer_than_a_guess(simulated, model):
    """On records that were not learned from: typically within a quarter, and nearer than the mean of all records."""
    deviation = simulated[180:].astype(np.float64).std(axis=2)
    restored = np.stack([model.restore(scored(signal)) for signal in simulated[180:]]).std(axis=2)
    error = np.abs(np.log(restored / deviation))
    guess = np.abs(model.mean - np.log(deviation))
    assert np.median(error) < np.log(1.25)
    assert error.mean() < 0.8 * guess.mean()


def test_the_whole_limb_scale_is_one_number(simulated, model):
    """What is wrong with one limb lead's amplitude is wrong with all: their ratios are known."""
    for signal in simulated[180:200]:
        restored = model.restore(scored(signal))
        ratio = restored[:6].std(axis=1) / signal[:6].std(axis=1)
        np.testing.assert_allclose(ratio / ratio[0], 1, rtol=0.02)


def test_a_flat_lead_gives_no_nonsense(simulated, model):
    signal = scored(simulated[200])
    signal[8] = 0
    restored = model.restore(signal)
    assert np.isfinite(restored).all()
    assert np.abs(restored).max() < 20
