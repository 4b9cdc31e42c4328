"""Limb electrodes that were exchanged, told from the median beat of the leads.

The rules and their limits were chosen on real ECGs of PTB-XL's folds 1 to 8 whose leads were exchanged by arithmetic,
and measured on folds 9 and 10: docs/findings.md. A certainty is the share of right warnings, by those figures, where
one ECG in a hundred has the fault. An exchange of left arm and left leg is not looked for: it gives an ECG that
another heart could have.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from retrieval.ecg.beats import RATE, Rows, find_beats
from retrieval.ecg.recording import LEADS
from retrieval.intake.result import Finding

BEFORE, AFTER = 30, 45
"""Samples at 100 Hz of a beat that are looked at, before and after its R wave."""
_QRS, _P, _PR = slice(BEFORE - 6, BEFORE + 8), slice(BEFORE - 24, BEFORE - 8), slice(BEFORE - 12, BEFORE - 7)
_REST = slice(0, 6)
OPPOSED_ARMS, OPPOSED_LEG = -0.2, -0.4
"""Likeness with V6 (cosine of the median beats) under which a limb lead counts as upside down."""
NO_P_MV = 0.05
FLAT_SHARE = 0.12
"""Of the larger of the two other bipolar leads; in the 1,499 ECGs that it was chosen on none lay under 0.165."""
OPPOSITE_MV_S = 0.008
"""Area of a QRS complex that points the other way than the median's, and is no noise."""
LEAST_MV = 0.05
"""Root mean square of a lead over the beat, under which it shows nothing to compare with."""

ARMS = Finding(
    "limb_lead_reversal", "lead I is upside down against V6: the arm electrodes may be exchanged", certainty=0.8
)
ARM_AND_LEG = Finding(
    "limb_lead_reversal",
    "lead II is upside down against V6 and aVR is upright: the electrodes of the right arm and the left leg may be "
    "exchanged",
    certainty=0.8,
)
_FLAT_BY = {
    "I": "the electrodes of both arms may be on the legs",
    "II": "the right arm's electrode may be on the right leg",
    "III": "the left arm's electrode may be on the right leg",
}


def median_beat(groups: Sequence[tuple[tuple[str, ...], Rows]], least: int, *, steady: bool = False) -> Rows:
    """The median beat of each lead, ``[12, 75]`` in mV about the PR segment; NaN for a lead without ``least`` beats.

    Args:
        groups: leads that were recorded together, with their signals ``[leads, samples]`` at 100 Hz.
        least: beats that must lie wholly inside a group's signal.
        steady: pass over leads of which a beat points the other way than the median: where few beats are seen, one
            extrasystole among them could stand for all.
    """
    beat = np.full((len(LEADS), BEFORE + AFTER), np.nan)
    for leads, signal in groups:
        peaks = find_beats(signal)
        peaks = peaks[(peaks >= BEFORE) & (peaks + AFTER <= signal.shape[1])]
        if len(peaks) < least:
            continue
        windows = np.stack([signal[:, at - BEFORE : at + AFTER] for at in peaks])
        windows = windows - np.median(windows[:, :, _PR], axis=2, keepdims=True)
        middle = np.median(windows, axis=0)
        if steady:
            areas, usual = windows[:, :, _QRS].sum(axis=2) / RATE, middle[:, _QRS].sum(axis=1) / RATE
            middle[((areas * np.sign(usual)) < -OPPOSITE_MV_S).any(axis=0)] = np.nan
        beat[[LEADS.index(lead) for lead in leads]] = middle
    return beat


def exchanged_electrodes(beat: Rows, blur_mv: float = 0.0) -> tuple[Finding, ...]:
    """What the median beat says about the limb electrodes; at most one exchange is named.

    Args:
        beat: ``[12, 75]`` in mV, as of ``median_beat``.
        blur_mv: what reading adds to a lead of nothing, root mean square.
    """
    named = {lead: beat[k] for k, lead in enumerate(LEADS)}
    flat = _flat_limb_lead(named, blur_mv)
    if flat is not None:
        return (flat,)
    if not _seen(named["V6"]):
        return ()
    if _seen(named["I"]) and _arms(named["I"], named["V6"]):
        return (ARMS,)
    if _seen(named["II"]) and _seen(named["aVR"]) and _arm_and_leg(named["II"], named["aVR"], named["V6"]):
        return (ARM_AND_LEG,)
    return ()


def _arms(one: Rows, six: Rows) -> bool:
    """P, QRS and T of lead I upside down, while V6, which looks from the same side, has its QRS upright."""
    return _likeness(one, six) < OPPOSED_ARMS and _net(one) < 0 < _net(six) and _p_wave(one) < NO_P_MV


def _arm_and_leg(two: Rows, right: Rows, six: Rows) -> bool:
    upside_down = _likeness(two, six) < OPPOSED_LEG and _net(two) < 0 and _p_wave(two) < -NO_P_MV
    return upside_down and _net(right) > 0 and _net(six) > 0


def _flat_limb_lead(named: dict[str, Rows], blur_mv: float) -> Finding | None:
    """A bipolar limb lead without a heart in it, between the electrode on a leg and the other leg's."""
    power = {lead: float(np.mean(named[lead] ** 2)) - blur_mv**2 for lead in _FLAT_BY}
    size = {lead: np.sqrt(np.maximum(value, 0)) for lead, value in power.items()}
    for lead, reason in _FLAT_BY.items():
        others = [other for other in _FLAT_BY if other != lead]
        largest = max(size[other] for other in others)
        if largest > LEAST_MV and size[lead] < FLAT_SHARE * largest:
            text = f"lead {lead} is nearly flat while {others[0]} and {others[1]} are not: {reason}"
            return Finding("limb_lead_reversal", text, certainty=0.8)
    return None


def _likeness(one: Rows, other: Rows) -> float:
    return float(one @ other / max(np.linalg.norm(one) * np.linalg.norm(other), 1e-12))


def _net(lead: Rows) -> float:
    """Area of the QRS complex in mV s, positive where it is upright."""
    return float(lead[_QRS].sum() / RATE)


def _p_wave(lead: Rows) -> float:
    """The farthest excursion in mV where a P wave would be, from the rest before it."""
    wave = lead[_P] - np.median(lead[_REST])
    return float(wave[np.abs(wave).argmax()])


def _seen(lead: NDArray[np.float64]) -> bool:
    return bool(np.isfinite(lead).all()) and float(np.sqrt(np.mean(lead**2))) > LEAST_MV / 2
