"""From a seed to a labelled ECG: condition, patient, rhythm, beats, leads, noise, statements and reports."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from retrieval.ecg.recording import Recording, from_independent
from retrieval.ecg.simulator.beat import BeatKernels
from retrieval.ecg.simulator.condition import Condition
from retrieval.ecg.simulator.dipole import CENTRE, Array, X, plateaus, render
from retrieval.ecg.simulator.mix import condition_named, draw_condition
from retrieval.ecg.simulator.noise import draw_level
from retrieval.ecg.simulator.noise import noise as noise_of
from retrieval.ecg.simulator.patient import Patient, draw_patient
from retrieval.ecg.simulator.rhythm import RHYTHMS, Timeline, Timing
from retrieval.ecg.simulator.wording import Findings, write_report
from retrieval.errors import BadArgument

_SPIKE_S = 0.002
_ECTOPIC_P = np.array([[0.032, 0.016, 0.020, 0.02, -0.06, 0.06], [0.058, 0.018, 0.016, 0.05, -0.03, -0.04]])
"""An atrial ectopic's P from its onset: low atrial, negative in III and aVF."""


@dataclass(frozen=True)
class SimulatedTruth:
    """What was set, to hold a measurement against.

    Args:
        heart_rate: ventricular beats a minute over the window.
        pr_ms: P onset to QRS onset; ``None`` where it is not constant or there is no P.
        qrs_ms: duration of the usual beat.
        qt_ms: QRS onset to the tangent end of T, at the mean rate.
        axis_deg: frontal QRS axis of the usual beat.
        r_times_s: largest dipole of each beat in the window.
        qrs_onsets_s: QRS onset of each of those beats.
        ectopic: which of them are premature ventricular beats.
        p_onsets_s: P onsets in the window, conducted or not.
    """

    heart_rate: float
    pr_ms: float | None
    qrs_ms: float
    qt_ms: float
    axis_deg: float
    r_times_s: tuple[float, ...]
    qrs_onsets_s: tuple[float, ...]
    ectopic: tuple[bool, ...]
    p_onsets_s: tuple[float, ...]


@dataclass(frozen=True)
class SimulatedCase:
    """A simulated ECG with its labels and its report in two languages."""

    recording: Recording
    statements: dict[str, float | None]
    report_en: str
    report_de: str
    condition: str
    truth: SimulatedTruth


def simulate(
    seed: int, condition: str | None = None, rate: float = 250.0, seconds: float = 10.0, noise: bool = True
) -> SimulatedCase:
    """Simulate a labelled 12-lead ECG.

    Args:
        seed: same seed, same case, in any process. Patient, beats and words do not depend on ``rate`` or ``noise``.
        condition: one of ``CONDITIONS``, or two joined by ``+`` (a shape and a rhythm); ``None`` draws from the mix.
        rate: samples per second, Hz.
        seconds: length.
        noise: with baseline wander, muscle and mains, or without.

    Raises:
        BadArgument: for a condition that does not exist, a negative seed, or a window that no ECG has.
    """
    if seed < 0 or not 50 <= rate <= 5000 or not 2 <= seconds <= 120:
        raise BadArgument(
            f"seed {seed}, rate {rate} Hz, {seconds} s: the seed is at least 0, the rate 50 to 5,000 Hz, "
            "the length 2 to 120 s"
        )
    patient_rng, rhythm_rng, noise_rng, word_rng = (np.random.default_rng([seed, part]) for part in range(4))
    name = condition if condition is not None else draw_condition(patient_rng)
    chosen = condition_named(name)
    patient = draw_patient(chosen, patient_rng)
    timing = Timing(patient.rate, patient.pr_s, patient.beat.qrs_s, seconds)
    timeline = RHYTHMS[chosen.rhythm](timing, rhythm_rng)
    samples = round(seconds * rate)
    eight = patient.leads @ _dipole(patient, timeline, samples, rate, rhythm_rng)
    if noise:
        eight = eight + noise_of(draw_level(noise_rng), samples, rate, noise_rng)
    truth = _truth(patient, timeline, seconds)
    statements = _statements(chosen, truth)
    reports = _reports(chosen, statements, truth, word_rng)
    recording = Recording(from_independent(eight), rate, patient.age, patient.sex, f"simulated-{seed}")
    return SimulatedCase(recording, statements, *reports, name, truth)


def _dipole(patient: Patient, timeline: Timeline, samples: int, rate: float, rng: np.random.Generator) -> Array:
    qt = patient.qtc_s * np.cbrt(0.75 * np.median(timeline.rr) + 0.25 * timeline.rr)
    usual, early = ~timeline.ectopic, timeline.ectopic
    kernels = [
        _beats(patient.beat, timeline.qrs[usual], qt[usual], rng),
        _beats(patient.ectopic, timeline.qrs[early], np.full(early.sum(), patient.ectopic.qt_s), rng),
        _repeated(patient.beat.p, timeline.p[~timeline.p_ectopic]),
        _repeated(_ECTOPIC_P, timeline.p[timeline.p_ectopic]),
        _repeated(_flutter_wave(timeline, rng), timeline.cycles),
        _repeated(np.array([[0.0, _SPIKE_S, _SPIKE_S, -0.5, 0.8, 0.3]]), timeline.spikes),
    ]
    dipole = render(np.concatenate(kernels), samples, rate)
    segments = [_segments(patient.beat, timeline.qrs[usual], qt[usual])]
    segments.append(_segments(patient.ectopic, timeline.qrs[early], np.full(early.sum(), patient.ectopic.qt_s)))
    dipole += plateaus(np.concatenate(segments), samples, rate)
    if timeline.atria == "fibrillation":
        dipole += _fibrillation(np.arange(samples) / rate, rng)
    return dipole


def _repeated(kernels: Array, onsets: Array) -> Array:
    """Kernels ``[k, 6]`` at each onset, ``[n * k, 6]``."""
    copies = np.repeat(kernels[None], len(onsets), axis=0)
    copies[:, :, CENTRE] += onsets[:, None]
    return copies.reshape(-1, 6)


def _beats(beat: BeatKernels, onsets: Array, qt: Array, rng: np.random.Generator) -> Array:
    """QRS and recovery kernels of each beat: QT by its own interval, size with the breath."""
    recovery = np.repeat(beat.t[None], len(onsets), axis=0)
    stretch = ((qt - beat.qrs_s) / (beat.qt_s - beat.qrs_s))[:, None]
    recovery[:, :, CENTRE] = beat.qrs_s + (recovery[:, :, CENTRE] - beat.qrs_s) * stretch
    recovery[:, :, 1:X] *= stretch[:, :, None]
    recovery[:, :, CENTRE] += onsets[:, None]
    activation = np.repeat(beat.qrs[None], len(onsets), axis=0)
    activation[:, :, CENTRE] += onsets[:, None]
    breath = 1 + rng.uniform(0.01, 0.05) * np.sin(2 * np.pi * rng.uniform(0.18, 0.32) * onsets)
    activation[:, :, X:] *= breath[:, None, None]
    return np.concatenate([activation.reshape(-1, 6), recovery.reshape(-1, 6)])


def _segments(beat: BeatKernels, onsets: Array, qt: Array) -> Array:
    """ST rows ``[n, 7]`` of each beat."""
    segments = np.repeat(beat.st[None], len(onsets), axis=0)
    stretch = (qt - beat.qrs_s) / (beat.qt_s - beat.qrs_s)
    segments[:, 2] = beat.qrs_s + (segments[:, 2] - beat.qrs_s) * stretch
    segments[:, 3] *= stretch
    segments[:, (0, 2)] += onsets[:, None]
    return segments


def _flutter_wave(timeline: Timeline, rng: np.random.Generator) -> Array:
    """One flutter cycle: a slow fall and a steep rise in the inferior leads, upright in V1."""
    if len(timeline.cycles) < 2:
        return np.empty((0, 6))
    cycle, size = float(timeline.cycles[1] - timeline.cycles[0]), rng.uniform(0.5, 1.1)
    return np.array(
        [
            [0.30 * cycle, 0.18 * cycle, 0.10 * cycle, -0.03 * size, -0.21 * size, 0.03 * size],
            [0.62 * cycle, 0.10 * cycle, 0.20 * cycle, 0.02 * size, 0.11 * size, -0.10 * size],
        ]
    )


def _fibrillation(time: Array, rng: np.random.Generator) -> Array:
    """Fibrillatory waves ``[3, n]``: three harmonics of a wandering 4.5 to 7.5 Hz, largest towards V1.

    The amplitudes per axis (15 to 45, 15 to 40, 25 to 70 microvolts) are those that Bachi et al. (2023) report.
    """
    hertz, size = rng.uniform(4.5, 7.5), rng.uniform(0.5, 1.4)
    amplitude = size * np.array([rng.uniform(0.015, 0.045), rng.uniform(0.015, 0.040), rng.uniform(0.025, 0.070)])
    slow = rng.uniform(0.1, 0.4, 3)[:, None] * time + rng.uniform(0, 1, 3)[:, None]
    phase = 2 * np.pi * (hertz * (1 + rng.uniform(-0.06, 0.06, 3)))[:, None] * time + 1.6 * np.sin(2 * np.pi * slow)
    wave = np.sin(phase) + 0.4 * np.sin(2 * phase) + 0.2 * np.sin(3 * phase)
    swell = 1 + 0.4 * np.sin(2 * np.pi * 0.7 * slow + 1.0)
    return amplitude[:, None] * swell * wave


def _truth(patient: Patient, timeline: Timeline, seconds: float) -> SimulatedTruth:
    peaks = timeline.qrs + np.where(timeline.ectopic, patient.ectopic.peak_s, patient.beat.peak_s)
    inside = (peaks >= 0) & (peaks < seconds)
    gap = float(np.diff(timeline.qrs[inside]).mean()) if inside.sum() > 1 else 60 / patient.rate
    return SimulatedTruth(
        heart_rate=60 / gap,
        pr_ms=None if timeline.pr is None else timeline.pr * 1000,
        qrs_ms=patient.beat.qrs_s * 1000,
        qt_ms=patient.qtc_s * float(np.cbrt(np.median(timeline.rr))) * 1000,
        axis_deg=patient.axis,
        r_times_s=tuple(peaks[inside].tolist()),
        qrs_onsets_s=tuple(timeline.qrs[inside].tolist()),
        ectopic=tuple(timeline.ectopic[inside].tolist()),
        p_onsets_s=tuple(timeline.p[(timeline.p >= 0) & (timeline.p < seconds)].tolist()),
    )


_SINUS = frozenset({"sinus", "ventricular_ectopy", "atrial_ectopy", "ventricular_bigeminy", "ventricular_trigeminy"})


def _statements(condition: Condition, truth: SimulatedTruth) -> dict[str, float | None]:
    """Add the sinus rhythm's code by its rate; as in PTB-XL, SBRAD or STACH stands in the place of SR."""
    statements = dict(condition.statements)
    if condition.rhythm in _SINUS:
        slow, fast = truth.heart_rate < 60, truth.heart_rate > 100
        plain = condition.rhythm != "sinus" or not (slow or fast)
        statements["SR" if plain else "SBRAD" if slow else "STACH"] = None
    return statements


def _reports(
    condition: Condition, statements: dict[str, float | None], truth: SimulatedTruth, rng: np.random.Generator
) -> tuple[str, str]:
    values = {"rate": f"{truth.heart_rate:.0f}", "qrs": f"{truth.qrs_ms:.0f}", "qt": f"{truth.qt_ms:.0f}"}
    values["pr"] = f"{truth.pr_ms:.0f}" if truth.pr_ms is not None else "-"
    findings = Findings(statements, truth.axis_deg, condition.remarks, values)
    return write_report(findings, "en", rng), write_report(findings, "de", rng)
