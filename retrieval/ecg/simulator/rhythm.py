"""When the atria and the ventricles fire: two point processes, coupled as each rhythm couples them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from retrieval.ecg.simulator.dipole import Array

LEAD_IN = 1.6
"""Seconds simulated before the window, so that its first sample already sees the tail of a beat."""
LEAD_OUT = 1.0

Atria = Literal["p", "fibrillation", "flutter"]


def _nothing() -> Array:
    return np.empty(0)


@dataclass(frozen=True)
class Timing:
    """What a rhythm needs to know of its patient, in seconds; ``rate`` in beats per minute."""

    rate: float
    pr: float
    qrs: float
    seconds: float

    @property
    def rr(self) -> float:
        """Mean interval between beats, s."""
        return 60.0 / self.rate


@dataclass(frozen=True)
class Timeline:
    """Onsets in seconds from the start of the window; some lie before and after it.

    Args:
        qrs: onsets of the ventricular complexes, ascending.
        ectopic: which of them arise in the ventricle.
        p: onsets of the P waves.
        p_ectopic: which of those arise outside the sinus node.
        spikes: pacing spikes.
        cycles: onsets of flutter waves.
        atria: what the atria do between the beats.
        pr: the constant PR interval; ``None`` where there is none.
    """

    qrs: Array
    ectopic: NDArray[np.bool_]
    p: Array = field(default_factory=_nothing)
    p_ectopic: NDArray[np.bool_] = field(default_factory=lambda: np.empty(0, bool))
    spikes: Array = field(default_factory=_nothing)
    cycles: Array = field(default_factory=_nothing)
    atria: Atria = "p"
    pr: float | None = None

    @property
    def rr(self) -> Array:
        """Interval before each beat; the first repeats the second."""
        gaps = np.diff(self.qrs)
        return np.concatenate([gaps[:1], gaps])


def _onsets(timing: Timing, rr: float, wobble: float, rng: np.random.Generator) -> Array:
    """Onsets of a pacemaker with respiratory variation by the fraction ``wobble`` and a little of its own."""
    count = int(np.ceil((timing.seconds + LEAD_IN + LEAD_OUT) / rr * (1 + wobble))) + 3
    breath, phase = rng.uniform(0.18, 0.32), rng.uniform(0, 2 * np.pi)
    swing = wobble * np.sin(2 * np.pi * breath * rr * np.arange(count) + phase)
    gaps = rr * (1 + swing + 0.006 * rng.standard_normal(count))
    times = np.cumsum(gaps) - LEAD_IN - rr * (1 + rng.uniform())
    return times[times < timing.seconds + LEAD_OUT]


def _conducted(p: Array, timing: Timing) -> Timeline:
    plain = np.zeros(len(p), bool)
    return Timeline(p + timing.pr, plain, p, plain, pr=timing.pr)


def sinus(timing: Timing, rng: np.random.Generator) -> Timeline:
    """Every P conducted after the same PR."""
    return _conducted(_onsets(timing, timing.rr, rng.uniform(0.005, 0.035), rng), timing)


def sinus_arrhythmia(timing: Timing, rng: np.random.Generator) -> Timeline:
    """Sinus rhythm that follows the breath by 12 to 22 %."""
    return _conducted(_onsets(timing, timing.rr, rng.uniform(0.12, 0.22), rng), timing)


def fibrillation(timing: Timing, rng: np.random.Generator) -> Timeline:
    """No P, and gamma-distributed intervals with a coefficient of variation of 17 to 26 %."""
    shape = 1 / rng.uniform(0.17, 0.26) ** 2
    count = int((timing.seconds + LEAD_IN + LEAD_OUT) / timing.rr * 1.6) + 6
    gaps = np.maximum(rng.gamma(shape, timing.rr / shape, count), 0.30)
    qrs = np.cumsum(gaps) - LEAD_IN - timing.rr
    qrs = qrs[qrs < timing.seconds + LEAD_OUT]
    return Timeline(qrs, np.zeros(len(qrs), bool), atria="fibrillation")


def flutter(timing: Timing, rng: np.random.Generator) -> Timeline:
    """Atrial cycles of 190 to 250 ms, conducted 2, 3 or 4 to 1, or alternately."""
    cycle = rng.uniform(0.19, 0.25)
    start = -LEAD_IN - cycle * rng.uniform()
    cycles = np.arange(start, timing.seconds + LEAD_OUT, cycle)
    ratios = [(4,), (4,), (3,), (2,), (2, 4)][int(rng.integers(5))]
    steps = np.resize(ratios, len(cycles))
    beats = np.concatenate([[0], np.cumsum(steps)])
    qrs = cycles[beats[beats < len(cycles)]] + rng.uniform(0.5, 0.8) * cycle
    return Timeline(qrs, np.zeros(len(qrs), bool), cycles=cycles, atria="flutter")


def supraventricular_tachycardia(timing: Timing, rng: np.random.Generator) -> Timeline:
    """Regular and fast; a retrograde P hides in the end of the QRS or follows it."""
    qrs = _onsets(timing, timing.rr, 0.0, rng)
    plain = np.zeros(len(qrs), bool)
    return Timeline(qrs, plain, qrs + timing.qrs * rng.uniform(0.5, 1.1), ~plain)


def wenckebach(timing: Timing, rng: np.random.Generator) -> Timeline:
    """PR grows from beat to beat, by less each time, until one P is not conducted (3:2 to 5:4)."""
    p = _onsets(timing, timing.rr, 0.01, rng)
    period = int(rng.integers(3, 6))
    place = (np.arange(len(p)) + int(rng.integers(period))) % period
    growth = np.cumsum([0.0, 0.085, 0.045, 0.025])
    conducted = place < period - 1
    qrs = p[conducted] + timing.pr + growth[place[conducted]]
    return Timeline(qrs, np.zeros(len(qrs), bool), p, np.zeros(len(p), bool))


def mobitz(timing: Timing, rng: np.random.Generator) -> Timeline:
    """Keep PR constant; every second, third or fourth P is not conducted."""
    whole = _conducted(_onsets(timing, timing.rr, 0.01, rng), timing)
    period = int(rng.integers(2, 5))
    keep = (np.arange(len(whole.qrs)) + int(rng.integers(period))) % period != 0
    return replace(whole, qrs=whole.qrs[keep], ectopic=whole.ectopic[keep])


def complete_block(timing: Timing, rng: np.random.Generator) -> Timeline:
    """Atria at 65 to 105 a minute, ventricles at their own slow rate, neither heeding the other."""
    ratio = rng.uniform(65, 105) / timing.rate
    # Near a whole ratio the two would march in step and look conducted.
    ratio = np.floor(ratio) + 0.2 + 0.6 * (ratio % 1)
    p = _onsets(timing, timing.rr / ratio, 0.02, rng)
    qrs = _onsets(timing, timing.rr, 0.0, rng)
    return Timeline(qrs, np.zeros(len(qrs), bool), p, np.zeros(len(p), bool))


def _sites(qrs: Array, seconds: float, rng: np.random.Generator) -> NDArray[np.int64]:
    """One to three beats, not neighbours and well inside the window, that are to come early."""
    inside = np.flatnonzero((qrs > 0.9) & (qrs < seconds - 1.6))
    if not len(inside):
        inside = np.flatnonzero((qrs > 0.0) & (qrs < seconds))
    inside = inside[int(rng.integers(min(2, len(inside)))) :: 2]
    return np.sort(rng.choice(inside, size=min(len(inside), int(rng.integers(1, 4))), replace=False))


def _replace_by_ventricular(
    base: Timeline, sites: NDArray[np.int64], timing: Timing, rng: np.random.Generator
) -> Timeline:
    """Put a premature ventricular beat in the place of each beat of ``sites``; the sinus node keeps its time."""
    sites = sites[sites > 0]
    coupling = float(np.clip(rng.uniform(0.58, 0.76) * timing.rr, 0.36, 0.62))
    qrs, ectopic = base.qrs.copy(), base.ectopic.copy()
    jitter = 0.012 * rng.standard_normal(len(sites))
    qrs[sites] = np.minimum(qrs[sites - 1] + coupling + jitter, qrs[sites] - 0.1 * timing.rr)
    ectopic[sites] = True
    return replace(base, qrs=qrs, ectopic=ectopic)


def ventricular_ectopy(timing: Timing, rng: np.random.Generator) -> Timeline:
    """Sinus rhythm with one to three premature ventricular beats, each with a full compensatory pause."""
    base = sinus(timing, rng)
    return _replace_by_ventricular(base, _sites(base.qrs, timing.seconds, rng), timing, rng)


def _every(nth: int) -> Callable[[Timing, np.random.Generator], Timeline]:
    def rhythm(timing: Timing, rng: np.random.Generator) -> Timeline:
        """Sinus rhythm in which every nth beat is a premature ventricular one."""
        base = sinus(timing, rng)
        sites = np.arange(1 + int(rng.integers(nth)), len(base.qrs), nth)
        return _replace_by_ventricular(base, sites, timing, rng)

    return rhythm


def atrial_ectopy(timing: Timing, rng: np.random.Generator) -> Timeline:
    """Sinus rhythm with one to three early P waves of another shape that reset the sinus node."""
    base = sinus(timing, rng)
    p, p_ectopic = base.p.copy(), base.p_ectopic.copy()
    for site in _sites(base.qrs, timing.seconds, rng):
        early = rng.uniform(0.22, 0.40) * timing.rr
        p[site:] -= early
        p[site + 1 :] += rng.uniform(0.02, 0.16) * timing.rr
        p_ectopic[site] = True
    qrs = p + timing.pr + np.where(p_ectopic, rng.uniform(0.0, 0.03), 0.0)
    return replace(base, qrs=qrs, p=p, p_ectopic=p_ectopic)


def paced(timing: Timing, rng: np.random.Generator) -> Timeline:
    """Set a spike before each QRS; in half of the patients the ventricle follows the patient's own P waves."""
    follows = rng.uniform() < 0.5
    base = (
        sinus(timing, rng) if follows else replace(fibrillation(timing, rng), qrs=_onsets(timing, timing.rr, 0, rng))
    )
    plain = np.zeros(len(base.qrs), bool)
    return replace(base, ectopic=plain, spikes=base.qrs - 0.008)


RHYTHMS: Mapping[str, Callable[[Timing, np.random.Generator], Timeline]] = MappingProxyType(
    {
        "sinus": sinus,
        "sinus_arrhythmia": sinus_arrhythmia,
        "fibrillation": fibrillation,
        "flutter": flutter,
        "supraventricular_tachycardia": supraventricular_tachycardia,
        "wenckebach": wenckebach,
        "mobitz": mobitz,
        "complete_block": complete_block,
        "ventricular_ectopy": ventricular_ectopy,
        "ventricular_bigeminy": _every(2),
        "ventricular_trigeminy": _every(3),
        "atrial_ectopy": atrial_ectopy,
        "paced": paced,
    }
)
"""Every rhythm by its name."""
