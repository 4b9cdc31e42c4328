"""Pages drawn for the intake tests."""

from __future__ import annotations

import numpy as np
import pytest

from retrieval.ecg.recording import Recording, from_independent


@pytest.fixture(scope="session")
def heart() -> Recording:
    """Ten seconds at 250 Hz of a plain made-up rhythm whose leads all differ."""
    rate, seconds = 250.0, 10.0
    t = np.arange(int(rate * seconds)) / rate
    phase = (t % 0.85) - 0.3

    def wave(at: float, wide: float, high: float) -> np.ndarray:
        return high * np.exp(-(((phase - at) / wide) ** 2))

    amplitude = {"p": (0.1, 0.14, 0.06, 0.07, 0.08, 0.09, 0.09, 0.08), "r": (0.7, 1.1, 0.2, 0.5, 0.9, 1.4, 1.2, 0.9)}
    s = (-0.1, -0.15, -0.9, -1.2, -0.7, -0.4, -0.2, -0.1)
    tees = (0.2, 0.3, -0.1, 0.45, 0.4, 0.35, 0.3, 0.25)
    rows = [
        wave(-0.16, 0.03, p) + wave(0.0, 0.015, r) + wave(0.035, 0.015, down) + wave(0.27, 0.06, tee)
        for p, r, down, tee in zip(amplitude["p"], amplitude["r"], s, tees, strict=True)
    ]
    return Recording(from_independent(np.stack(rows)), rate)
