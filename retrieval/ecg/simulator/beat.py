"""One heartbeat of one patient: kernels in seconds, with the intervals set exactly."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from retrieval.ecg.simulator.dipole import CENTRE, FALL, RISE, Array, X
from retrieval.ecg.simulator.shapes import Kernel, Shape, Vector

EDGE = 0.03
"""QRS begins and ends where its dipole passes this fraction of its largest magnitude."""
TANGENT = 2.0
"""The tangent at a Gaussian's steepest point meets the baseline this many standard deviations from the centre."""


@dataclass(frozen=True)
class BeatKernels:
    """Kernels ``[k, 6]`` in seconds from QRS onset (``p``: from P onset).

    Args:
        qrs: ventricular activation.
        t: T wave and other waves of recovery, at the mean QT.
        st: row of ``dipole.plateaus``.
        p: the two atria; empty where the rhythm has no P.
        qrs_s: duration of QRS.
        qt_s: QRS onset to the tangent end of T.
        peak_s: from QRS onset to the largest dipole.
    """

    qrs: Array
    t: Array
    st: Array
    p: Array
    qrs_s: float
    qt_s: float
    peak_s: float


def rows(kernels: tuple[Kernel, ...]) -> Array:
    """Kernels as ``[k, 6]``."""
    return np.array([(at, rise, fall, *vector) for at, rise, fall, vector in kernels], dtype=np.float64).reshape(
        -1, 6
    )


def dense(kernels: Array, time: Array) -> Array:
    """Dipole ``[3, n]`` at the times ``[n]``."""
    away = time - kernels[:, CENTRE, None]
    spread = np.where(away < 0, kernels[:, RISE, None], kernels[:, FALL, None])
    return kernels[:, X:].T @ np.exp(-0.5 * (away / spread) ** 2)


def fit_qrs(kernels: Array, qrs_s: float) -> tuple[Array, float]:
    """Stretch QRS kernels so that they begin at 0 and end at ``qrs_s``; also the time of the largest dipole.

    Begin and end are where the magnitude passes ``EDGE`` of its maximum, which rotation leaves unchanged.
    """
    spread = kernels[:, RISE : FALL + 1].max()
    time = np.linspace(kernels[:, CENTRE].min() - 4 * spread, kernels[:, CENTRE].max() + 4 * spread, 600)
    size = np.linalg.norm(dense(kernels, time), axis=0)
    over = np.flatnonzero(size >= EDGE * size.max())
    start, stop = time[over[0]], time[over[-1]]
    fitted = kernels.copy()
    fitted[:, CENTRE] -= start
    fitted[:, : FALL + 1] *= qrs_s / (stop - start)
    return fitted, float((time[size.argmax()] - start) * qrs_s / (stop - start))


def recovery(shape: Shape, qrs_s: float, qt_s: float) -> tuple[Array, Array]:
    """T wave and extra waves ``[k, 6]``, and the ST row ``[7]``, from QRS onset."""
    jt = qt_s - qrs_s
    fall, peak = shape.t_fall * jt, qt_s - TANGENT * shape.t_fall * jt
    waves = [(peak, shape.t_rise * jt, fall, *shape.t)]
    waves += [(qrs_s + at * jt, rise * jt, fell * jt, *vector) for at, rise, fell, vector in shape.extra]
    # The segment gives way to the T wave slowly, or it would stand in the trace as a box.
    st = np.array([qrs_s - 0.005, 0.006, qrs_s + 0.58 * jt, 0.10 * jt, *shape.st])
    return np.array(waves), st


def atrial(right: Vector, left: Vector, apart: float, p_s: float) -> Array:
    """P wave ``[2, 6]`` from its onset, lasting ``p_s`` between its tangents."""
    spread = p_s * (1 - apart) / (2 * TANGENT)
    return np.array(
        [(TANGENT * spread, spread, spread, *right), (TANGENT * spread + apart * p_s, spread, spread, *left)]
    )
