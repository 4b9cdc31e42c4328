"""The fields that pyts makes of two series, kept beside the tests, since its import alone takes 40 s.

Written anew by ``uv pip install --target FOLDER pyts`` and
``PYTHONPATH=FOLDER python -m tests.retrieval.ecg.pyts_fields``.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

KEPT = Path(__file__).with_name("pyts_fields.npz")
STATES = (4, 8)
SMALL = 12
"""Pixels a side of the shrunk transition fields: a quarter of the series' samples."""


def two_series() -> NDArray[np.float64]:
    """Values ``[2, 48]`` from -1 to 1: one without any order, one that rises and falls."""
    values = np.random.default_rng(3).uniform(-1, 1, (2, 48))
    values[1] = np.sin(np.arange(48) / 5)
    return values.astype(np.float32).astype(np.float64)


def fields_by_pyts(series: NDArray[np.float64]) -> dict[str, NDArray[np.float32]]:
    """Every field by name; needs pyts."""
    from pyts.image import GramianAngularField, MarkovTransitionField, RecurrencePlot

    fields = {
        "gasf": GramianAngularField(sample_range=None).transform(series),
        "recurrence": RecurrencePlot().transform(series),
    }
    for states in STATES:
        fields[f"mtf_{states}"] = MarkovTransitionField(n_bins=states).transform(series)
        fields[f"mtf_{states}_small"] = MarkovTransitionField(image_size=SMALL, n_bins=states).transform(series)
    return {name: np.asarray(field, np.float32) for name, field in fields.items()}


def write() -> None:
    """Keep what the installed pyts makes."""
    series = two_series()
    np.savez_compressed(KEPT, series=series, **fields_by_pyts(series))


if __name__ == "__main__":
    write()
