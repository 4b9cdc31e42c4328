"""Intervals of a recording by openecg (the extra ``measure``), kept only where nothing speaks against them.

openecg reads one lead; lead II shows P waves best. docs/evidence.md has how far it is from cardiologists' marks.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from retrieval.ecg.recording import Recording
from retrieval.errors import ExtraMissing
from retrieval.intake.faults import flat_leads, limb_leads_disagree, mains_noise, saturated

RATE = 500
LEAD = "II"
LEAST_SECONDS = 5.0
LEAST_RATE = 100.0
"""Hz; of fewer samples a wave's beginning is not seen to 10 ms."""
SAME_RATE = 0.08
"""Share by which openecg's heart rate may differ from ours; else it saw other beats."""
PR_MS, QRS_MS, QT_MS = (80.0, 400.0), (50.0, 240.0), (220.0, 640.0)
"""Beyond these a wave was mistaken for another one."""
DOUBTS = ("low_amplitude", "too_few_beats", "codec_unavailable", "codec_error")
WITH_P = ("sinus", "avb", "bbb")
"""Rhythms of openecg in which a P wave leads a QRS complex."""


@dataclass(frozen=True)
class Intervals:
    """In ms; None is what was not measured. ``method`` names program and version, empty when nothing was."""

    pr_ms: float | None = None
    qrs_ms: float | None = None
    qt_ms: float | None = None
    method: str = ""


def intervals_of(recording: Recording, rate_bpm: float) -> Intervals:
    """PR, QRS and QT of a recording of sufficient quality whose heart rate is known.

    Raises:
        ExtraMissing: when openecg is not installed.
    """
    openecg = _openecg()
    if not _is_good(recording):
        return Intervals()
    lead = recording.lead(LEAD).astype(np.float64)
    report = openecg.report(_at_500_hz(lead - lead.mean(), recording.rate), fs=RATE, model="onnx")
    if any(flag.startswith(DOUBTS) for flag in report.flags):
        return Intervals()
    if abs(float(report.heart_rate["bpm"]) - rate_bpm) > max(2.0, SAME_RATE * rate_bpm):
        return Intervals()
    found = report.intervals_ms
    atrial = report.rhythm["label"] in WITH_P and not report.afib_check["is_afib"]
    pr = _within(found.get("pr"), PR_MS) if atrial else None
    qrs, qt = _within(found.get("qrs_duration"), QRS_MS), _within(found.get("qt"), QT_MS)
    if qt is not None and qt > 0.9 * 60_000 / rate_bpm:
        qt = None  # the T wave of another beat
    known = pr is not None or qrs is not None or qt is not None
    return Intervals(pr, qrs, qt, f"openecg {openecg.__version__}, lead {LEAD}" if known else "")


def is_installed() -> bool:
    """Whether intervals can be measured here."""
    from importlib.util import find_spec

    return find_spec("openecg") is not None


def _openecg() -> Any:
    try:
        import openecg
    except ImportError as error:
        raise ExtraMissing("intervals need openecg; pip install 'nearbeat[measure]'") from error
    return openecg


def _is_good(recording: Recording) -> bool:
    """Whether the lead is there, long and clean enough, and the electrodes are where they are said to be."""
    if recording.seconds < LEAST_SECONDS or recording.rate < LEAST_RATE:
        return False
    signal, rate = recording.signal, recording.rate
    if LEAD in flat_leads(signal):
        return False
    return not (limb_leads_disagree(signal) or saturated(signal, rate) or mains_noise(signal, rate))


def _at_500_hz(lead: NDArray[np.float64], rate: float) -> NDArray[np.float32]:
    """Resample by Fourier interpolation; a straight line from end to end is taken off, which would ring."""
    samples = round(len(lead) * RATE / rate)
    if samples == len(lead):
        return lead.astype(np.float32)
    line = np.linspace(lead[0], lead[-1], len(lead))
    more = np.fft.irfft(np.fft.rfft(lead - line), samples) * samples / len(lead)
    return (more + np.linspace(lead[0], lead[-1], samples)).astype(np.float32)


def _within(value: object, bounds: tuple[float, float]) -> float | None:
    if not isinstance(value, int | float) or not bounds[0] <= value <= bounds[1]:
        return None
    return float(value)
