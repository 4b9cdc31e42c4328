"""Reading a drawn page back: from ink to millivolts and milliseconds, knowing nothing of how it was drawn."""

from __future__ import annotations

import numpy as np

from retrieval.ecg.recording import LEADS, Recording

PLANS = {
    "3x4": ["I aVR V1 V4", "II aVL V2 V5", "III aVF V3 V6"],
    "3x4+1": ["I aVR V1 V4", "II aVL V2 V5", "III aVF V3 V6", "II"],
    "3x4+3": ["I aVR V1 V4", "II aVL V2 V5", "III aVF V3 V6", "II", "V1", "V5"],
    "6x2": ["I V1", "II V2", "III V3", "aVR V4", "aVL V5", "aVF V6"],
    "6x2+1": ["I V1", "II V2", "III V3", "aVR V4", "aVL V5", "aVF V6", "II"],
    "12x1": ["I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6"],
    "6x1-limb": ["I", "II", "III", "aVR", "aVL", "aVF"],
    "6x1-chest": ["V1", "V2", "V3", "V4", "V5", "V6"],
}
"""What stands where on paper, row by row, as printers have it; written down apart from the program's own table."""

CABRERA = {
    "3x4": ["aVL II V1 V4", "I aVF V2 V5", "-aVR III V3 V6"],
    "3x4+1": ["aVL II V1 V4", "I aVF V2 V5", "-aVR III V3 V6", "II"],
    "3x4+3": ["aVL II V1 V4", "I aVF V2 V5", "-aVR III V3 V6", "II", "V1", "V5"],
    "6x2": ["aVL V1", "I V2", "-aVR V3", "II V4", "aVF V5", "III V6"],
    "6x2+1": ["aVL V1", "I V2", "-aVR V3", "II V4", "aVF V5", "III V6", "II"],
    "12x1": ["aVL", "I", "-aVR", "II", "aVF", "III", "V1", "V2", "V3", "V4", "V5", "V6"],
    "6x1-limb": ["aVL", "I", "-aVR", "II", "aVF", "III"],
}
"""The same in Cabrera's order, with the names as they are printed."""


def waves(seconds=10.0, rate=250.0, high=0.35, offset=0.0):
    """A recording whose leads are sines of twelve frequencies: each can be told from the others in 2.5 s."""
    return Recording(
        np.array([wave(k, np.arange(round(seconds * rate)) / rate, high) for k in range(12)]) + offset, rate
    )


def wave(k, t, high=0.35):
    """Lead ``k`` at the times ``t`` in mV."""
    return high * np.sin(2 * np.pi * (0.7 + 0.13 * k) * np.asarray(t) + 0.9 * k)


def truth(recording, lead, t):
    """What a page must show of ``lead`` at the times ``t``: mV about the lead's median."""
    row = recording.signal[LEADS.index(lead)].astype(np.float64)
    return np.interp(t, np.arange(len(row)) / recording.rate, row - np.median(row))


def ink(pixels):
    """0 for paper to 1 for black, ``[height, width]``."""
    gray = pixels if pixels.ndim == 2 else pixels.max(axis=2)
    return (255.0 - gray) / 255.0


def heights(pixels, px_per_mm, x_mm, width_mm, middle_mm, half_mm):
    """``(x, y)`` in mm of a trace: the centre of the ink in each column of a band that has any."""
    x = (np.arange(pixels.shape[1]) + 0.5) / px_per_mm
    y = (np.arange(pixels.shape[0]) + 0.5) / px_per_mm
    columns = np.flatnonzero((x > x_mm) & (x < x_mm + width_mm))
    rows = np.flatnonzero(np.abs(y - middle_mm) < half_mm)
    band = ink(pixels[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1])
    total = band.sum(axis=0)
    seen = total > 0.3
    return x[columns][seen], (y[rows] @ band)[seen] / total[seen]


def fitted(expected, t, seen):
    """``(gain, offset in mV, lag in s, residual in mV)`` of ``seen`` against the function ``expected`` of time.

    By least squares of gain x expected(t) + offset - lag x slope(t), so the lag is meant to be small.
    """
    step = 0.002
    slope = (expected(t + step) - expected(t - step)) / (2 * step)
    there = np.stack([expected(t), np.ones(len(t)), -slope], axis=1)
    answer = np.linalg.solve(there.T @ there, there.T @ seen)
    residual = float(np.sqrt(np.mean((there @ answer - seen) ** 2)))
    return float(answer[0]), float(answer[1]), float(answer[2] / answer[0]), residual
