"""The traces of an ECG as numbers, for the viewer that draws leads of two ECGs at one scale."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from index import Case
from retrieval.ecg.page import CanonicalPage
from retrieval.ecg.recording import LEADS, Recording
from retrieval.errors import NearBeatError
from retrieval.web.shelf import Entry

SECONDS = 10.0
"""Of a recording that are shown, from its beginning: what a page shows."""
MAX_RATE = 1000.0
"""Samples a second that are sent; more would not be seen at 100 mm/s."""

Ecg = tuple[Recording | None, CanonicalPage | None]
"""An ECG as samples, or as a page where there are none; neither where nothing is kept."""


def ecg_of(entry: Entry, which: str) -> Ecg:
    """An ECG of an entry: ``query``, or a hit by its rank, or ``contrary``."""
    if which == "query":
        query = entry.answer.query if entry.answer is not None else None
        source = query or entry.intake
        return (source.recording, source.page) if source is not None else (None, None)
    case = case_of(entry, which)
    return (recording_of(case), None) if case is not None else (None, None)


def case_of(entry: Entry, which: str) -> Case | None:
    """The case of a hit by its rank, of ``contrary``, of an earlier ECG (``earlier-1``), or that was asked about."""
    answer, contrary = entry.answer, entry.evidence.contrary if entry.evidence else None
    if which == "query":
        return entry.case
    if which == "contrary":
        return contrary.hit.case if contrary else None
    kind, _, place = which.rpartition("-")
    cases = [hit.case for hit in answer.hits] if answer else []
    if kind == "earlier":
        cases = list(answer.earlier) if answer else []
    elif kind:
        return None
    return cases[int(place) - 1] if place.isdecimal() and 0 < int(place[:4]) <= len(cases) else None


def recording_of(case: Case) -> Recording | None:
    """The recording that a case keeps; ``None`` where it keeps none or it is damaged."""
    from retrieval.waveforms import unpack

    if case.waveform is None:
        return None
    try:
        return unpack(case.waveform)
    except NearBeatError:
        return None


def traces_json(recording: Recording | None, page: CanonicalPage | None) -> dict[str, Any]:
    """The leads as whole microvolts, and the R peaks in seconds.

    Of a recording its first ten seconds about each lead's median; of a page what is traced back from its ink, 50
    samples a second, ``null`` where nothing was plotted. ``start`` is the time of a lead's first sample.
    """
    from retrieval.evidence.measuring import beat_times

    if recording is None and page is None:
        return {"traced": False, "leads": {}, "beats": []}
    beats = [round(float(at), 4) for at in beat_times(recording, None if recording is not None else page)]
    if recording is not None:
        signal, rate = _first_seconds(recording)
        leads = {lead: _whole(row, rate, 0.0) for lead, row in zip(LEADS, signal, strict=True)}
        return {"traced": False, "leads": leads, "beats": [at for at in beats if at < SECONDS]}
    return {"traced": True, "leads": _traced(page), "beats": beats}


def _first_seconds(recording: Recording) -> tuple[NDArray[np.float64], float]:
    rate = recording.rate
    signal = recording.signal[:, : round(SECONDS * rate)].astype(np.float64)
    signal -= np.median(signal, axis=1, keepdims=True)
    if rate <= MAX_RATE:
        return signal, rate
    own = np.arange(signal.shape[1]) / rate
    wanted = np.arange(int(own[-1] * MAX_RATE) + 1) / MAX_RATE
    return np.stack([np.interp(wanted, own, row) for row in signal]), MAX_RATE


def _traced(page: CanonicalPage | None) -> dict[str, Any]:
    """The leads of a page that could be followed for half a second at least."""
    from retrieval.intake.tracing import lead_signals

    if page is None:
        return {}
    signals, rate = lead_signals(page)
    leads = {}
    for lead, row in zip(LEADS, signals, strict=True):
        there = np.flatnonzero(np.isfinite(row))
        if len(there) >= rate / 2:
            part = row[there[0] : there[-1] + 1].astype(np.float64)
            leads[lead] = _whole(part - np.nanmedian(part), rate, (there[0] + 0.5) / rate)
    return leads


def _whole(row: NDArray[np.float64], rate: float, start: float) -> dict[str, Any]:
    micro = [None if not np.isfinite(value) else round(value) for value in (row * 1000).tolist()]
    return {"rate": rate, "start": round(start, 4), "uv": micro}
