"""The stretch of a recording that is encoded: around the R wave of one beat, at 100 Hz."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from retrieval.ecg.beats import Rows, without_drift
from retrieval.ecg.recording import Recording

BEFORE = 0.35
"""Share of the window before the R wave, as published: 35 samples of 100."""
MUSCLE_HZ = 15.0
"""Where the published code ends the band. It takes the notches off a QRS and is done only to reproduce its images."""


def prepared(recording: Recording, *, published: bool) -> Rows:
    """``[12, samples]`` in mV at 100 Hz without drift; with ``published`` also without what lies above 15 Hz."""
    return without_drift(recording, MUSCLE_HZ if published else None)


def typical_beat(signal: Rows, beats: NDArray[np.int64], samples: int) -> int:
    """The beat whose window is nearest to the median of all windows: an extrasystole does not stand for all."""
    if not len(beats):
        return signal.shape[1] // 2
    windows = np.stack([cut(signal, int(beat), samples) for beat in beats])
    distance = np.abs(windows - np.median(windows, axis=0)).sum(axis=(1, 2))
    # A window that runs over the end holds zeros instead of a heart.
    first, last = window_bounds(beats, samples)
    over = np.maximum(0, -first) + np.maximum(0, last - signal.shape[1])
    return int(beats[np.lexsort((distance, over))[0]])


def window_bounds(beat: Any, samples: int) -> tuple[Any, Any]:
    """First sample and the one after the last, of a window around a beat or around each of several."""
    first = beat - round(BEFORE * samples)
    return first, first + samples


def cut(signal: Rows, beat: int, samples: int) -> Rows:
    """``[12, samples]`` around a beat; zero where the recording does not reach."""
    first, last = window_bounds(beat, samples)
    part = np.zeros((signal.shape[0], samples))
    inside = slice(max(0, first), min(signal.shape[1], last))
    if inside.stop > inside.start:
        part[:, inside.start - first : inside.stop - first] = signal[:, inside]
    return part
