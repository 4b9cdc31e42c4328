"""Heart rate and intervals of an ECG: what can be measured, and nothing where it cannot.

Beats are found on a recording by all of its leads together, on a page by its long strip, or column by column where
it has none, since columns need not follow each other in time. They count only where they resemble each other.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from retrieval.ecg.beats import RATE, find_beats, without_drift
from retrieval.ecg.page import CanonicalPage
from retrieval.ecg.recording import Recording
from retrieval.intake.tracing import lead_signals

Rows = NDArray[np.float64]
Times = NDArray[np.float64]
LEAST_SECONDS = 1.0
LEAST_BEATS, LEAST_DISTANCES = 3, 3
ALIKE = 0.6
"""Median correlation of beats with their own median; of noise it stays under 0.5, of ECGs it is over 0.8."""
AROUND = 20
"""Samples at 100 Hz about a beat's peak that are compared: the QRS complex and what is next to it."""
RATES = 20.0, 300.0
"""Beats a minute beyond which something else was counted."""
STRIP_SHARE = 0.75
"""Share of the page's columns in which a lead must be followed to be its long strip."""
COLUMNS = 4


@dataclass(frozen=True)
class Measurement:
    """What was measured; ``None`` is what was not.

    Args:
        rate_bpm: beats per minute: 60 over the mean distance of R peaks.
        rr_ms: median distance of R peaks.
        pr_ms, qrs_ms, qt_ms: intervals of the median beat of lead II.
        qtc_ms: ``QT / RR^(1/3)``, RR in seconds (Fridericia, Acta Med. Scand. 53 (1920) 469).
        method: what measured them, such as ``"beats"`` or ``"beats; openecg 0.11.0, lead II"``.
    """

    rate_bpm: float | None = None
    rr_ms: float | None = None
    pr_ms: float | None = None
    qrs_ms: float | None = None
    qt_ms: float | None = None
    qtc_ms: float | None = None
    method: str = ""

    def as_json(self) -> dict[str, Any]:
        """The fields as an object."""
        return vars(self).copy()


def measure(recording: Recording | None, page: CanonicalPage | None) -> Measurement | None:
    """Rate and intervals of a recording, or the rate alone of a page.

    Intervals need the extra ``measure``; without it they are None, as on pages, whose 50 columns a second are few.

    Args:
        recording: the samples, where there are any; the page is not looked at then.
        page: the canonical page.

    Returns:
        None where not even a rate could be measured.
    """
    if recording is None:
        return None if page is None else _rate_of(_beats_of_page(page), "beats of the page")
    found = _rate_of([_beats_of_recording(recording)], "beats")
    return None if found is None else _with_intervals(found, recording)


def beat_times(recording: Recording | None, page: CanonicalPage | None) -> NDArray[np.float64]:
    """Seconds of the R peaks from the beginning of the recording, or from the left end of a page's rows; in order."""
    if recording is not None:
        return _beats_of_recording(recording)
    runs = [] if page is None else _beats_of_page(page)
    return np.sort(np.concatenate(runs)) if runs else np.zeros(0)


def _with_intervals(found: Measurement, recording: Recording) -> Measurement:
    from retrieval.evidence.intervals import intervals_of, is_installed

    if not is_installed() or found.rate_bpm is None or found.rr_ms is None:
        return found
    more = intervals_of(recording, found.rate_bpm)
    if not more.method:
        return found
    corrected = None if more.qt_ms is None else round(more.qt_ms / (found.rr_ms / 1000) ** (1 / 3), 1)
    method = f"{found.method}; {more.method}"
    return replace(found, pr_ms=more.pr_ms, qrs_ms=more.qrs_ms, qt_ms=more.qt_ms, qtc_ms=corrected, method=method)


def _beats_of_recording(recording: Recording) -> Times:
    """Seconds of the R peaks; none of a recording whose beats do not resemble each other."""
    return np.zeros(0) if recording.seconds < LEAST_SECONDS else _alike(without_drift(recording))


def _beats_of_page(page: CanonicalPage) -> list[Times]:
    """Seconds of the R peaks in each run of time: that of the long strip, or those of the columns."""
    signals, rate = lead_signals(page)
    seen = np.isfinite(signals)
    strips = np.flatnonzero(seen.mean(axis=1) >= STRIP_SHARE)
    if len(strips):
        times = _alike(np.stack([_at_100_hz(signals[lead], rate) for lead in strips]))
        return [(times * rate + 0.5) / rate] if len(times) else []
    edges = np.linspace(0, signals.shape[1], COLUMNS + 1).round().astype(int)
    runs = []
    for left, right in pairwise(edges):
        part = signals[:, left:right]
        rows = [_at_100_hz(row, rate) for row in part if np.isfinite(row).mean() >= STRIP_SHARE]
        if rows:
            # Two or three beats cannot be compared with their median: the columns are judged together.
            runs.append(find_beats(np.stack(rows)) / RATE + (left + 0.5) / rate)
    return [run for run in runs if len(run)]


def _alike(rows: Rows) -> Times:
    """Beats of ``[leads, samples]`` at 100 Hz in seconds; none where they are not one heart's."""
    beats = find_beats(rows)
    inside = beats[(beats >= AROUND) & (beats < rows.shape[1] - AROUND)]
    if len(inside) < LEAST_BEATS:
        return np.zeros(0)
    parts = np.stack([rows[:, beat - AROUND : beat + AROUND + 1].ravel() for beat in inside])
    usual = np.median(parts, axis=0)
    both = np.array([_correlation(part, usual) for part in parts])
    return beats / RATE if float(np.median(both)) >= ALIKE else np.zeros(0)


def _correlation(one: Rows, other: Rows) -> float:
    spread = float(one.std() * other.std())
    return float(((one - one.mean()) * (other - other.mean())).mean()) / spread if spread > 0 else 0.0


def _at_100_hz(row: NDArray[np.floating], rate: float) -> Rows:
    """A traced lead without gaps, its level at 0."""
    known = np.flatnonzero(np.isfinite(row))
    at = np.arange(0, len(row), rate / RATE)
    return np.interp(at, known, row[known]) - np.median(row[known])


def _rate_of(runs: list[Times], method: str) -> Measurement | None:
    apart = np.concatenate([np.diff(run) for run in runs]) if runs else np.zeros(0)
    if len(apart) < LEAST_DISTANCES - (len(runs) == 1):
        return None
    rate = 60 / float(apart.mean())
    if not RATES[0] <= rate <= RATES[1]:
        return None
    return Measurement(round(rate, 1), round(1000 * float(np.median(apart)), 1), method=method)
