"""One simulated patient: age and sex, the place of heart and electrodes, the intervals, the shape of a beat."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import cast

import numpy as np

from retrieval.ecg.recording import Sex
from retrieval.ecg.simulator.beat import BeatKernels, atrial, dense, fit_qrs, recovery, rows
from retrieval.ecg.simulator.condition import DEFAULT_AXIS, Condition, Range
from retrieval.ecg.simulator.criteria import CRITERIA, measure
from retrieval.ecg.simulator.dipole import DOWER, Array, X, frontal_axis, rotation, turned
from retrieval.ecg.simulator.shapes import SHAPES, Shape, Vector

ATTEMPTS = 24
"""Draws before the unperturbed shape is taken; each draw strays a little less than the one before."""
_PVC_SHAPES = ("pvc_left", "pvc_outflow", "pvc_apex")
_TIME = np.linspace(0.0, 1.0, 80)


@dataclass(frozen=True)
class Patient:
    """Everything about a simulated patient that stays the same from beat to beat.

    Args:
        age: years.
        sex: ``"female"`` or ``"male"``.
        leads: matrix ``[8, 3]`` from the dipole to I, II and V1 to V6.
        rate: ventricular rate that the rhythm aims at, beats a minute.
        pr_s: PR interval, s.
        qtc_s: QT at 60 a minute after Fridericia, s.
        beat: the usual beat, its QT at the mean rate.
        ectopic: a premature ventricular beat.
        axis: frontal QRS axis of the usual beat, degrees.
    """

    age: float
    sex: Sex
    leads: Array
    rate: float
    pr_s: float
    qtc_s: float
    beat: BeatKernels
    ectopic: BeatKernels
    axis: float


def _uniform(limits: Range, rng: np.random.Generator) -> float:
    return float(rng.uniform(*limits))


def draw_patient(condition: Condition, rng: np.random.Generator) -> Patient:
    """Draw a patient with that condition, again and again until the beat shows what the condition is known by."""
    age, sex = round(_uniform(condition.age, rng)), cast(Sex, ("female", "male")[int(rng.integers(2))])
    rate, pr_s = _uniform(condition.rate, rng), _uniform(condition.pr, rng) / 1000
    qtc_s = (_uniform(condition.qtc, rng) + (6 if sex == "female" else -6)) / 1000
    patient = _draw_once(condition, age, sex, rate, pr_s, qtc_s, 1.0, rng)
    for attempt in range(1, ATTEMPTS + 1):
        if _shows(condition, patient):
            break
        patient = _draw_once(condition, age, sex, rate, pr_s, qtc_s, 1 - attempt / ATTEMPTS, rng)
    return patient


def _shows(condition: Condition, patient: Patient) -> bool:
    """Whether axis and leads are those of the condition."""
    if not condition.axis[0] - 1 <= patient.axis <= condition.axis[1] + 1:
        return False
    fits = CRITERIA.get(condition.shape)
    return fits is None or fits(measure(patient.beat, patient.leads))


def _draw_once(
    condition: Condition,
    age: int,
    sex: Sex,
    rate: float,
    pr_s: float,
    qtc_s: float,
    stray: float,
    rng: np.random.Generator,
) -> Patient:
    shape = SHAPES[condition.shape]
    leads = _draw_leads(stray, rng)
    gain = _gain(condition.gain, age, stray, rng)
    qrs_s = _uniform(condition.qrs, rng) / 1000
    place = rotation(*(stray * np.array([4.0, 5.0, 7.0]) * rng.standard_normal(3)))
    qrs, peak_s = fit_qrs(_jittered(rows(shape.qrs), stray, rng), qrs_s)
    qrs = turned(qrs, gain * place)
    qrs, turn = _turn_to(qrs, leads, _target_axis(condition.axis, age, rng), stray, condition.axis)
    soft = place @ rotation(float(np.clip(0.45 * turn, -18, 18)), 0, 0)
    t, st = recovery(_recovery_of(shape, gain, stray, rng), qrs_s, qtc_s * np.cbrt(60 / rate))
    p = atrial(shape.p_right, shape.p_left, shape.p_apart, _p_duration(shape, pr_s, rng))
    p[:, X:] *= 1 + stray * rng.uniform(-0.25, 0.35)
    st = np.concatenate([st[:4], soft @ st[4:]])
    beat = BeatKernels(qrs, turned(t, soft), st, turned(p, place), qrs_s, qtc_s * float(np.cbrt(60 / rate)), peak_s)
    return Patient(age, sex, leads, rate, pr_s, qtc_s, beat, _draw_ectopic(gain, rng), _axis_of(qrs, leads))


def _draw_leads(stray: float, rng: np.random.Generator) -> Array:
    """Dower's matrix for another chest: electrodes shifted along their row, each lead with a gain of its own."""
    leads = DOWER.copy()
    neighbours = np.gradient(DOWER[2:], axis=0)
    leads[2:] += stray * 0.22 * rng.standard_normal() * neighbours
    leads *= 1 + stray * 0.09 * rng.standard_normal((8, 1))
    return leads + stray * 0.035 * rng.standard_normal((8, 3))


def _gain(limits: Range, age: float, stray: float, rng: np.random.Generator) -> float:
    """Voltage falls with age, by about a fifth from 20 to 80."""
    middle = sum(limits) / 2
    return (middle + stray * (_uniform(limits, rng) - middle)) * (1.08 - 0.0032 * (age - 20) * stray)


def _jittered(kernels: Array, stray: float, rng: np.random.Generator) -> Array:
    """Each kernel a little earlier or later, wider or narrower, larger or smaller, and turned."""
    moved = kernels.copy()
    count = len(kernels)
    moved[:, 0] += stray * 1.2 * rng.standard_normal(count)
    moved[:, 1:3] *= np.exp(stray * 0.07 * rng.standard_normal((count, 1)))
    size = np.abs(kernels[:, X:]).max()
    moved[:, X:] *= np.exp(stray * 0.13 * rng.standard_normal((count, 1)))
    moved[:, X:] += stray * 0.045 * size * rng.standard_normal((count, 3))
    return moved


def _axis_of(qrs: Array, leads: Array) -> float:
    seen = leads[:2] @ dense(qrs, _TIME * (qrs[:, 0].max() + 3 * qrs[:, 2].max()))
    return frontal_axis(seen[0], seen[1])


def _target_axis(limits: Range, age: float, rng: np.random.Generator) -> float:
    """Draw an axis; it turns to the left with age where the condition does not fix it."""
    if limits != DEFAULT_AXIS:
        return _uniform(limits, rng)
    return float(np.clip(68 - 0.6 * (age - 20) + 20 * rng.standard_normal(), *limits))


def _turn_to(qrs: Array, leads: Array, target: float, stray: float, limits: Range) -> tuple[Array, float]:
    """Turn the QRS in the frontal plane until its axis is the target; also by how many degrees.

    With less stray the target lies nearer to the axis that the shape has by itself, always within the limits.
    """
    turn, own = 0.0, _axis_of(qrs, leads)
    target = float(np.clip(own + stray * (target - own), limits[0] + 1, limits[1] - 1))
    for _ in range(4):
        short = (target - _axis_of(qrs, leads) + 180) % 360 - 180
        qrs, turn = turned(qrs, rotation(short, 0, 0)), turn + short
    return qrs, turn


def _recovery_of(shape: Shape, gain: float, stray: float, rng: np.random.Generator) -> Shape:
    """Give the shape ST, T and further waves of this patient's own size."""
    soft = min(gain, 1.4) ** 0.7
    t, st = (np.exp(stray * spread * rng.standard_normal()) for spread in (0.22, 0.16))
    tilt = stray * 0.03 * rng.standard_normal(3)
    width = np.exp(stray * 0.08 * rng.standard_normal())
    return replace(
        shape,
        t=_vector(np.array(shape.t) * t * soft + tilt),
        st=_vector(np.array(shape.st) * st * soft),
        extra=tuple((*kernel[:3], _vector(np.array(kernel[3]) * st * soft)) for kernel in shape.extra),
        t_rise=shape.t_rise * width,
        t_fall=shape.t_fall * width,
    )


def _vector(values: Array) -> Vector:
    return (float(values[0]), float(values[1]), float(values[2]))


def _p_duration(shape: Shape, pr_s: float, rng: np.random.Generator) -> float:
    """P lasts 85 to 112 ms, 122 to 142 where the left atrium lags; never longer than PR leaves room for."""
    long = shape.p_apart >= 0.4
    return min(rng.uniform(0.122, 0.142) if long else rng.uniform(0.085, 0.112), pr_s - 0.005)


def _draw_ectopic(gain: float, rng: np.random.Generator) -> BeatKernels:
    """Draw a premature ventricular beat: broad, tall, its T opposed to its QRS."""
    shape = SHAPES[_PVC_SHAPES[int(rng.integers(len(_PVC_SHAPES)))]]
    qrs_s, qt_s = rng.uniform(0.138, 0.172), rng.uniform(0.40, 0.44)
    qrs, peak_s = fit_qrs(_jittered(rows(shape.qrs), 1.0, rng), qrs_s)
    size = max(gain, 0.6) * rng.uniform(0.85, 1.2)
    t, st = recovery(shape, qrs_s, qt_s)
    t[:, X:] *= size
    st[4:] *= size
    return BeatKernels(turned(qrs, size * np.eye(3)), t, st, np.empty((0, 6)), qrs_s, qt_s, peak_s)
