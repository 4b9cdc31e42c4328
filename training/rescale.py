"""Amplitudes for records whose leads were z-scored: exact ratios of the limb leads, an estimate for the rest.

Z-scoring multiplies each lead by an unknown number. Einthoven's and Goldberger's identities still tie the limb leads,
so their six numbers are known up to one common factor. That factor and those of V1 to V6 are estimated by ridge
regression on the shape of the leads, learned from records that kept their amplitude.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from retrieval.ecg.recording import LEADS, derive_limb_leads

LIMB = 6
RIDGE = 30.0
_FLOOR = 0.02
Wide = NDArray[np.float64]


def limb_ratios(scored: NDArray[np.floating]) -> Wide:
    """The factors ``[6]`` of the limb leads up to a common one, from z-scored ``[12, samples]``.

    They are the direction in which all four identities hold best: the eigenvector of the least eigenvalue.
    """
    rows = np.asarray(scored[:LIMB], dtype=np.float64)
    products = rows @ rows.T
    total = np.zeros((LIMB, LIMB))
    for identity in _identities():
        total += identity[:, None] * identity[None, :] * products
    direction = np.linalg.eigh(total)[1][:, 0]
    return np.maximum(direction * np.sign(direction.sum()), 1e-3)


def _identities() -> Wide:
    """Four rows of coefficients ``[4, 6]`` whose products with the limb leads vanish."""
    derived = np.eye(LIMB)
    limb = derive_limb_leads(np.eye(LIMB)[0], np.eye(LIMB)[1]).astype(np.float64)
    return derived[2:] - limb[2:]


@dataclass(frozen=True)
class AmplitudeModel:
    """Ridge regression from the shape of z-scored leads to the logarithm of each lead's standard deviation in mV."""

    centre: Wide
    spread: Wide
    weights: Wide
    mean: Wide

    @classmethod
    def fit(cls, signals: NDArray[np.floating]) -> AmplitudeModel:
        """Learn from records ``[n, 12, samples]`` in mV."""
        deviation = np.maximum(np.asarray(signals, dtype=np.float64).std(axis=2, keepdims=True), 1e-3)
        scored = (signals - signals.mean(axis=2, keepdims=True)) / deviation
        shapes = np.array([_shape(record) for record in scored])
        target = np.log(deviation[..., 0])
        centre, spread, mean = shapes.mean(axis=0), shapes.std(axis=0) + 1e-6, target.mean(axis=0)
        x = (shapes - centre) / spread
        weights = np.linalg.solve(x.T @ x + RIDGE * np.eye(x.shape[1]), x.T @ (target - mean))
        return cls(centre, spread, weights, mean)

    def restore(self, scored: NDArray[np.floating]) -> NDArray[np.float32]:
        """``[12, samples]`` in mV from a z-scored record; the limb leads obey their identities."""
        x = np.clip((_shape(scored) - self.centre) / self.spread, -4, 4)
        factors = np.exp(x @ self.weights + self.mean)
        ratios = limb_ratios(scored)
        factors[:LIMB] = ratios * np.exp(np.mean(np.log(factors[:LIMB]) - np.log(np.maximum(ratios, _FLOOR))))
        return (scored * factors[:, None]).astype(np.float32)


def _shape(scored: NDArray[np.floating]) -> Wide:
    """What the form of the leads says about their size: peaks, steepness, moments, limb ratios and correlations."""
    x = np.asarray(scored, dtype=np.float64)
    upper = np.triu_indices(len(LEADS), 1)
    parts = [
        np.log(np.maximum(limb_ratios(x), _FLOOR)),
        x.max(axis=1),
        -x.min(axis=1),
        np.abs(np.diff(x, axis=1)).mean(axis=1),
        np.log((x**4).mean(axis=1) + 1e-9),
        (x**3).mean(axis=1),
        np.corrcoef(x + 1e-9 * np.arange(x.shape[1]))[upper],
    ]
    return np.nan_to_num(np.concatenate(parts))
