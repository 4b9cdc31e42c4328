"""What the recorder adds: baseline wander, muscle and mains, electrode by electrode.

Each of the nine electrodes has a potential of its own; the leads are their differences, so that noise obeys
Einthoven's law as the heart does.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from retrieval.ecg.simulator.dipole import Array

ELECTRODES = ("RA", "LA", "LL", "V1", "V2", "V3", "V4", "V5", "V6")

_WILSON = np.array([1 / 3, 1 / 3, 1 / 3, 0, 0, 0, 0, 0, 0])
LEADS_OF_ELECTRODES: Array = np.stack(
    [
        np.array([-1.0, 1, 0, 0, 0, 0, 0, 0, 0]),
        np.array([-1.0, 0, 1, 0, 0, 0, 0, 0, 0]),
        *(np.eye(9)[3 + chest] - _WILSON for chest in range(6)),
    ]
)
"""I, II and V1 to V6 from the nine electrode potentials, ``[8, 9]``."""


@dataclass(frozen=True)
class NoiseLevel:
    """Amplitudes in mV: standard deviation of wander and muscle per electrode, peak of the mains."""

    wander: float
    muscle: float
    mains: float
    mains_hz: float = 50.0


def draw_level(rng: np.random.Generator) -> NoiseLevel:
    """Draw how noisy a recording is: most are clean, some are not, few are bad."""
    wander = 0.025 * float(rng.lognormal(0.0, 0.7))
    muscle = 0.006 * float(rng.lognormal(0.0, 0.6))
    mains = 0.008 * float(rng.lognormal(0.0, 0.6)) if rng.uniform() < 0.25 else 0.0
    return NoiseLevel(
        min(wander, 0.12), min(muscle, 0.03), min(mains, 0.03), float(rng.choice([50.0, 50.0, 50.0, 60.0]))
    )


def noise(level: NoiseLevel, samples: int, rate: float, rng: np.random.Generator) -> Array:
    """Noise in the eight independent leads, ``[8, samples]`` in mV."""
    time = np.arange(samples) / rate
    electrodes = _wander(level.wander, time, rng) + _muscle(level.muscle, samples, rate, rng)
    if level.mains > 0 and level.mains_hz < 0.45 * rate:
        strength = level.mains * rng.uniform(0.2, 1.0, len(ELECTRODES))
        electrodes += strength[:, None] * np.sin(2 * np.pi * level.mains_hz * time + rng.uniform(0, 2 * np.pi))
    return LEADS_OF_ELECTRODES @ electrodes


def _wander(level: float, time: Array, rng: np.random.Generator) -> Array:
    """Breath and two slower drifts, each electrode with its own share of them."""
    hertz = np.array([rng.uniform(0.18, 0.32), rng.uniform(0.08, 0.16), rng.uniform(0.03, 0.07)])
    share = level * rng.standard_normal((len(ELECTRODES), 6))
    angle = 2 * np.pi * hertz[:, None] * time
    return share @ np.concatenate([np.sin(angle), np.cos(angle)])


def _muscle(level: float, samples: int, rate: float, rng: np.random.Generator) -> Array:
    """White noise without its slow part, swelling and fading in some recordings."""
    white = rng.standard_normal((len(ELECTRODES), samples + 1), dtype=np.float32)
    rough = (white[:, 1:] - 0.6 * white[:, :-1]) / np.sqrt(1.36)
    swell = np.ones(samples)
    if rng.uniform() < 0.3:
        centre, wide = rng.uniform(0, samples / rate), rng.uniform(0.5, 2.0)
        swell += 1.5 * np.exp(-0.5 * ((np.arange(samples) / rate - centre) / wide) ** 2)
    strength = level * rng.uniform(0.5, 1.5, len(ELECTRODES))
    return rough * swell * strength[:, None]
