"""A recording made ready for measuring: drift removed, at 100 Hz, and where its beats are."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from retrieval.ecg.recording import Recording

RATE = 100.0
"""Hz; that of PTB-XL's smaller records."""
DRIFT_HZ = 0.5
ALIAS_HZ = 46.0
_PAD_S = 3.0

Rows = NDArray[np.float64]


def at_100_hz(recording: Recording) -> Rows:
    """``[12, samples]`` in mV at 100 Hz, with its drift."""
    return recording.signal.astype(np.float64) if recording.rate == RATE else _filtered(recording, None, None)


def without_drift(recording: Recording, low_pass_hz: float | None = None) -> Rows:
    """``[12, samples]`` in mV at 100 Hz: drift below 0.5 Hz removed and, where asked, all above ``low_pass_hz``.

    The filters are Butterworth's of second order, run forth and back: such a zero-phase filter from 0.5 Hz on leaves
    the ST segment in its place.
    """
    return _filtered(recording, DRIFT_HZ, low_pass_hz)


def _filtered(recording: Recording, high_pass_hz: float | None, low_pass_hz: float | None) -> Rows:
    signal = recording.signal.astype(np.float64)
    pad = min(round(_PAD_S * recording.rate), signal.shape[1] - 1)
    head = 2 * signal[:, :1] - signal[:, pad:0:-1]
    tail = 2 * signal[:, -1:] - signal[:, -2 : -pad - 2 : -1]
    long = np.concatenate([head, signal, tail], axis=1)
    frequency = np.fft.rfftfreq(long.shape[1], 1 / recording.rate).astype(np.float64)
    gain = _gain(frequency, recording.rate, high_pass_hz, low_pass_hz)
    filtered = np.fft.irfft(np.fft.rfft(long, axis=1) * gain, long.shape[1], axis=1)[:, pad : pad + signal.shape[1]]
    return filtered if recording.rate == RATE else _resampled(filtered, recording.rate)


def find_beats(signal: Rows) -> NDArray[np.int64]:
    """Where beats have their R wave (or deepest S), as samples at 100 Hz, in order; none on a flat recording.

    Steepness, summed over the leads and over 0.1 s, has its peak in the QRS complex; within 60 ms of that the leads
    together reach farthest from their baseline.

    Args:
        signal: ``[leads, samples]`` in mV at 100 Hz, their baselines at 0.
    """
    steep = np.pad((np.diff(signal, axis=1) ** 2).sum(axis=0), (1, 0))
    energy = np.convolve(steep, np.ones(10), "same")
    around = np.lib.stride_tricks.sliding_window_view(np.pad(energy, 25), 51)
    peaks = np.flatnonzero((energy >= around.max(axis=1)) & (energy > 0))
    if not len(peaks):
        return peaks
    strong = peaks[energy[peaks] > 0.15 * np.percentile(energy[peaks], 90)]
    strong = strong[np.diff(strong, prepend=-100) > 25]
    height = np.pad(np.abs(signal).sum(axis=0), 6)
    near = np.lib.stride_tricks.sliding_window_view(height, 13)[strong]
    return strong - 6 + near.argmax(axis=1)


def _gain(frequency: Rows, rate: float, high_pass_hz: float | None, low_pass_hz: float | None) -> Rows:
    """Squared amplitude of the filters, which is what running them forth and back leaves."""
    top = frequency < rate / 2
    warped = np.where(top, np.tan(np.pi * np.where(top, frequency, 0.0) / rate), np.inf)

    def corner(hz: float) -> float:
        return float(np.tan(np.pi * hz / rate))

    gain: Any = np.ones(frequency.shape)
    if high_pass_hz is not None:
        with np.errstate(divide="ignore"):
            gain = gain / (1 + (corner(high_pass_hz) / warped) ** 4)
    if low_pass_hz is not None and rate > 2 * low_pass_hz:
        gain = gain / (1 + (warped / corner(low_pass_hz)) ** 4)
    if rate > RATE:
        gain = gain / (1 + (frequency / ALIAS_HZ) ** 24)
    return np.asarray(gain, dtype=np.float64)


def _resampled(signal: Rows, rate: float) -> Rows:
    own = np.arange(signal.shape[1]) / rate
    wanted = np.arange(int(signal.shape[1] / rate * RATE + 1e-6)) / RATE
    return np.stack([np.interp(wanted, own, row) for row in signal])
