"""The heart as one turning dipole: Gaussian kernels in X, Y, Z, seen by the leads through Dower's matrix.

X points to the patient's left, Y to the feet, Z to the back. Times are seconds, amplitudes millivolts. The leads I,
II and V1 to V6 are Dower's (Dower, Machado and Osborne 1980); the other limb leads follow from I and II, so that
Einthoven's law holds by construction.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

DOWER: Array = np.array(
    [
        [0.632, -0.235, 0.059],
        [0.235, 1.066, -0.132],
        [-0.515, 0.157, -0.917],
        [0.044, 0.164, -1.387],
        [0.882, 0.098, -1.277],
        [1.213, 0.127, -0.601],
        [1.125, 0.127, -0.086],
        [0.831, 0.076, 0.230],
    ]
)
"""Rows I, II, V1 to V6; columns X, Y, Z."""

CENTRE, RISE, FALL, X, Y, Z = range(6)
"""Columns of a kernel row: centre, standard deviation before and after it, and the dipole at the centre."""
REACH = 4.5
"""A Gaussian is followed to this many standard deviations: 0.04 per mille of its height."""
_SHORT = 0.02


def render(kernels: Array, samples: int, rate: float) -> Array:
    """Sum of the kernels as a dipole ``[3, samples]``.

    Args:
        kernels: ``[m, 6]``, columns as above; a centre outside the window gives what of it reaches inside.
        samples: length of the window, which starts at 0 s.
        rate: in Hz.
    """
    width = np.maximum(kernels[:, RISE], kernels[:, FALL])
    dipole = np.zeros((3, samples))
    for part in (kernels[width <= _SHORT], kernels[width > _SHORT]):
        if len(part):
            dipole += _render_alike(part, samples, rate)
    return dipole


def _render_alike(kernels: Array, samples: int, rate: float) -> Array:
    """Render kernels of similar width over one common window length, without a loop over kernels."""
    half = int(np.ceil(REACH * float(kernels[:, RISE : FALL + 1].max()) * rate))
    first = np.floor(kernels[:, CENTRE] * rate).astype(np.int64) - half
    inside = (first < samples) & (first + 2 * half + 2 > 0)
    kernels, first = kernels[inside], first[inside]
    index = first[:, None] + np.arange(2 * half + 2)
    away = index / rate - kernels[:, CENTRE, None]
    spread = np.where(away < 0, kernels[:, RISE, None], kernels[:, FALL, None])
    return _scatter(np.exp(-0.5 * (away / spread) ** 2), index, kernels[:, X:], samples)


def plateaus(rows: Array, samples: int, rate: float) -> Array:
    """ST segments as a dipole ``[3, samples]``: smooth steps up at the J point and down under the T wave.

    Args:
        rows: ``[m, 7]``: start, its softness, stop, its softness (all s), x, y, z.
        samples: length of the window.
        rate: in Hz.
    """
    rows = rows[np.abs(rows[:, 4:]).max(axis=1, initial=0.0) > 0]
    if not len(rows):
        return np.zeros((3, samples))
    length = int(np.ceil(float((rows[:, 2] - rows[:, 0] + 6 * rows[:, 1] + 6 * rows[:, 3]).max()) * rate)) + 2
    first = np.floor((rows[:, 0] - 6 * rows[:, 1]) * rate).astype(np.int64)
    inside = (first < samples) & (first + length > 0)
    rows, first = rows[inside], first[inside]
    index = first[:, None] + np.arange(length)
    time = index / rate
    up = _step((time - rows[:, 0, None]) / rows[:, 1, None])
    down = _step((rows[:, 2, None] - time) / rows[:, 3, None])
    return _scatter(up * down, index, rows[:, 4:], samples)


def _step(x: Array) -> Array:
    return 0.5 + 0.5 * np.tanh(0.5 * x)


def _scatter(shape: Array, index: NDArray[np.int64], vectors: Array, samples: int) -> Array:
    """Add ``shape [m, w] * vectors [m, 3]`` at ``index [m, w]``; what falls outside the window is dropped."""
    place = np.clip(index, -1, samples).ravel() + 1
    sums = [np.bincount(place, (shape * vectors[:, axis, None]).ravel(), samples + 2)[1:-1] for axis in range(3)]
    return np.asarray(sums, dtype=np.float64)


def rotation(roll: float, pitch: float, yaw: float) -> Array:
    """Matrix ``[3, 3]`` that turns a dipole, angles in degrees.

    Args:
        roll: in the frontal plane; positive turns the axis clockwise, from the left arm to the feet.
        pitch: in the sagittal plane; positive turns the feet to the back.
        yaw: in the horizontal plane; positive turns the left to the back.
    """
    a, b, c = np.radians([roll, pitch, yaw])
    frontal = np.array([[np.cos(a), -np.sin(a), 0], [np.sin(a), np.cos(a), 0], [0, 0, 1]])
    sagittal = np.array([[1, 0, 0], [0, np.cos(b), -np.sin(b)], [0, np.sin(b), np.cos(b)]])
    horizontal = np.array([[np.cos(c), 0, -np.sin(c)], [0, 1, 0], [np.sin(c), 0, np.cos(c)]])
    return frontal @ sagittal @ horizontal


def turned(kernels: Array, matrix: Array) -> Array:
    """Kernels with their dipoles turned by ``matrix``."""
    return np.concatenate([kernels[:, :X], kernels[:, X:] @ matrix.T], axis=1)


def frontal_axis(lead_i: Array, lead_ii: Array) -> float:
    """QRS axis in degrees from the net amplitudes (peak plus trough) of I and aVF, each ``[samples]``.

    aVF is a shorter lead than I by the factor ``sqrt(3) / 2``; the formula takes that out.
    """
    foot = lead_ii - lead_i / 2
    net_i, net_foot = (float(lead.max(initial=0.0) + lead.min(initial=0.0)) for lead in (lead_i, foot))
    return float(np.degrees(np.arctan2(net_foot * 2 / np.sqrt(3), net_i)))
