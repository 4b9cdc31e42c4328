"""Pacemaker spikes in a recording: a narrow deflection of all leads well before the tallest wave of its QRS.

A spike lasts a millisecond or two, so at 100 Hz it is a wiggle of two samples, larger in one beat than in the next.
What tells it from the notch of a bundle branch block is its place: sharper than anything that follows, and 70 ms or
more before the largest deflection. On a page of 50 columns a second nothing of it is left, so pages are not judged.
Limits chosen on PTB-XL's folds 1 to 8 (the ECGs without a pacemaker) and 1 to 9 (ten with one); docs/findings.md.
"""

from __future__ import annotations

import numpy as np

from retrieval.ecg.beats import Rows, find_beats
from retrieval.intake.result import Finding

LEAST_BEATS = 3
LEAD_TIME = 7
"""Samples at 100 Hz from the spike to the tallest wave, in the median of the beats."""
SHARPER = 0.8
"""Sharpness of the spike by that of the sharpest part of the QRS after it."""
SHARP_MV, OVER_REST = 0.28, 5.0
PACED = Finding(
    "paced",
    "sharp spikes stand before wide QRS complexes: the rhythm may be paced",
    certainty=0.9,
)


def paced(signal: Rows) -> tuple[Finding, ...]:
    """Whether ``[12, samples]`` in mV at 100 Hz, without drift, shows pacemaker spikes."""
    sharp = np.zeros(signal.shape[1])
    sharp[1:-1] = np.sqrt((np.diff(signal, 2, axis=1) ** 2).mean(axis=0))
    beats = find_beats(signal)
    beats = beats[(beats >= 30) & (beats + 15 <= signal.shape[1])]
    if len(beats) < LEAST_BEATS:
        return ()
    lead_time, spike, after, before = np.median([_around(sharp, int(beat)) for beat in beats], axis=0)
    found = lead_time >= LEAD_TIME and spike >= SHARP_MV
    return (PACED,) if found and after >= SHARPER and before >= OVER_REST else ()


def _around(sharp: Rows, beat: int) -> tuple[float, float, float, float]:
    """Of one beat: samples from spike to R, the spike's sharpness in mV, by what follows, by what was before."""
    start = beat - 14
    at = start + int(sharp[start : beat - 2].argmax())
    spike = float(sharp[at])
    # 5 microvolts are one step of a common converter: less sharpness than that cannot be told from none.
    after = float(sharp[at + 4 : beat + 12].max()) + 0.005
    before = float(np.median(sharp[at - 10 : at - 2])) + 0.005
    return float(beat - at), spike, spike / after, spike / before
