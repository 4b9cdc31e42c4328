"""What each shape must show in the leads: the simulator redraws a patient until its own beat meets them.

Without this a wide draw of axis, gain and rotation would now and then give a record that its label does not fit.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from retrieval.ecg.recording import LEADS
from retrieval.ecg.simulator.beat import BeatKernels, dense
from retrieval.ecg.simulator.dipole import Array, frontal_axis, plateaus

_STEP = 0.004
_PLACE = {lead: i for i, lead in enumerate(LEADS)}
LIMB = ("I", "II", "III", "aVR", "aVL", "aVF")


@dataclass(frozen=True)
class LeadMeasures:
    """Amplitudes of one beat by lead, mV, each ``[12]``; depths are positive.

    Args:
        r: height of the highest positive deflection of QRS.
        s: depth of the deepest negative one after that height.
        q: depth of the deepest negative one before it.
        st: level 60 ms past the J point.
        t: the T wave, signed, where it is largest.
        p: likewise the P wave.
        axis: QRS axis in degrees.
    """

    r: Array
    s: Array
    q: Array
    st: Array
    t: Array
    p: Array
    axis: float

    def of(self, what: str, *leads: str) -> Array:
        """One measure in some leads."""
        return getattr(self, what)[[_PLACE[lead] for lead in leads]]

    @property
    def sokolow(self) -> float:
        """Sokolow-Lyon index: S (or QS) in V1 plus the larger R of V5 and V6, mV."""
        deep = max(self.of("s", "V1")[0], self.of("q", "V1")[0])
        return float(deep + self.of("r", "V5", "V6").max())


def _twelve(eight: Array) -> Array:
    one, two = eight[0], eight[1]
    return np.concatenate(
        [np.stack([one, two, two - one, -(one + two) / 2, one - two / 2, two - one / 2]), eight[2:]]
    )


def measure(beat: BeatKernels, leads: Array) -> LeadMeasures:
    """Amplitudes of a noise-free beat seen through the matrix ``leads [8, 3]``."""
    count = int(np.ceil((beat.qt_s + 0.04) / _STEP))
    time = np.arange(count, dtype=np.float64) * _STEP
    activation = _twelve(leads @ dense(beat.qrs, time[: int(beat.qrs_s / _STEP) + 2]))
    later = leads @ (dense(beat.t, time) + plateaus(beat.st[None], count, 1 / _STEP))
    later = _twelve(later)
    columns, peak = np.arange(activation.shape[1]), activation.argmax(axis=1)
    before = np.where(columns < peak[:, None], activation, 0.0)
    after = np.where(columns > peak[:, None], activation, 0.0)
    wave = later[:, int((beat.qrs_s + 0.1) / _STEP) :]
    rows = np.arange(12)
    return LeadMeasures(
        r=np.maximum(activation.max(axis=1), 0.0),
        s=-after.min(axis=1),
        q=-before.min(axis=1),
        st=later[:, min(int((beat.qrs_s + 0.06) / _STEP), count - 1)],
        t=wave[rows, np.abs(wave).argmax(axis=1)],
        p=_p_wave(beat, leads),
        axis=frontal_axis(activation[0], activation[1]),
    )


def _p_wave(beat: BeatKernels, leads: Array) -> Array:
    if not len(beat.p):
        return np.zeros(12)
    wave = _twelve(leads @ dense(beat.p, np.arange(0.0, 0.16, _STEP)))
    return wave[np.arange(12), np.abs(wave).argmax(axis=1)]


def _upright(m: LeadMeasures) -> bool:
    return bool((m.of("t", "I", "II", "V4", "V5", "V6") > 0.08).all() and (m.of("t", "V2", "V3") > 0.05).all())


def _narrow_chest(m: LeadMeasures) -> bool:
    """R grows from V1 to V4, and S fades from V2 to V6."""
    r, s = m.of("r", "V1", "V2", "V3", "V4"), m.of("s", "V1", "V2", "V5", "V6")
    grows = r[0] < r[2] and r[1] < r[3] and r[0] > 0.04
    return bool(grows and (s[:2] > 1.2 * r[:2]).all() and (m.of("r", "V5", "V6") > 1.5 * s[2:]).all())


def _small_q(m: LeadMeasures) -> bool:
    leads = ("I", "II", "aVF", "V2", "V3", "V4", "V5", "V6")
    return bool((m.of("q", *leads) < 0.2 * m.of("r", *leads) + 0.02).all())


def _calm_st(m: LeadMeasures) -> bool:
    st = m.of("st", "I", "II", "III", "aVL", "aVF", "V4", "V5", "V6")
    return bool((st > -0.05).all() and (st < 0.09).all() and (m.of("st", "V1", "V2", "V3") < 0.18).all())


def _voltage(m: LeadMeasures) -> bool:
    tallest = (m.r + np.maximum(m.s, m.q))[: len(LIMB)].max()
    return bool(tallest > 0.6 and m.sokolow < 3.4 and m.of("r", "aVL")[0] < 1.05)


def _plain_qrs(m: LeadMeasures) -> bool:
    return _narrow_chest(m) and _small_q(m) and _voltage(m)


def _normal(m: LeadMeasures) -> bool:
    return _plain_qrs(m) and _upright(m) and _calm_st(m)


def _left_block(m: LeadMeasures) -> bool:
    qs = max(m.of("s", "V1")[0], m.of("q", "V1")[0])
    upright = (m.of("r", "I", "V6") > 0.3).all() and (m.of("q", "I", "V6") < 0.03).all()
    return bool(qs > 0.5 and m.of("r", "V1")[0] < 0.12 and upright and m.of("t", "V6")[0] < 0 < m.of("t", "V1")[0])


def _right_block(m: LeadMeasures) -> bool:
    return bool(m.of("r", "V1")[0] > 0.35 and (m.of("s", "I", "V6") > 0.12).all() and m.of("t", "V6")[0] > 0.03)


def _incomplete_right(m: LeadMeasures) -> bool:
    return bool(0.1 < m.of("r", "V1")[0] < 0.8 and m.of("q", "V1")[0] > 0.15 and m.of("t", "V6")[0] > 0.05)


def _anterior_fascicle(m: LeadMeasures) -> bool:
    left = m.axis < -44 and m.of("r", "aVL")[0] > 0.3 and m.of("q", "aVL")[0] > 0.02
    return bool(left and (m.of("r", "II", "III", "aVF") < m.of("s", "II", "III", "aVF")).all())


def _posterior_fascicle(m: LeadMeasures) -> bool:
    right = m.axis > 92 and m.of("s", "I")[0] > m.of("r", "I")[0] > 0.03 and m.of("q", "III")[0] > 0.03
    chest = m.of("s", "V1")[0] > max(0.25, 1.5 * m.of("r", "V1")[0]) and m.of("r", "V6")[0] > m.of("s", "V6")[0]
    return bool(right and chest and m.of("r", "III")[0] > 0.6)


def _delta(m: LeadMeasures) -> bool:
    return bool((m.of("q", "I", "V4", "V5", "V6") < 0.03).all() and (m.of("r", "I", "V5") > 0.5).all())


def _left_hypertrophy(m: LeadMeasures) -> bool:
    return m.sokolow > 3.6 and _narrow_chest(m)


def _strain(m: LeadMeasures) -> bool:
    sagging = (m.of("st", "V5", "V6") < -0.05).all() and (m.of("t", "I", "V5", "V6") < -0.08).all()
    return _left_hypertrophy(m) and bool(sagging)


def _right_hypertrophy(m: LeadMeasures) -> bool:
    tall = m.of("r", "V1")[0] > max(0.6, 1.2 * m.of("s", "V1")[0]) and m.of("s", "V6")[0] > 0.3
    return bool(tall and m.axis > 95 and m.of("t", "V1")[0] < -0.05)


def _elevated(*leads: str, by: float = 0.1, lowered: tuple[str, ...] = ()) -> Callable[[LeadMeasures], bool]:
    def criterion(m: LeadMeasures) -> bool:
        return bool((m.of("st", *leads) > by).all() and (m.of("st", *lowered) < -0.02).all())

    return criterion


def _q_waves(*leads: str, share: float = 0.25) -> Callable[[LeadMeasures], bool]:
    def criterion(m: LeadMeasures) -> bool:
        deep = np.maximum(m.of("q", *leads), np.where(m.of("r", *leads) < 0.06, m.of("s", *leads), 0.0))
        return bool((deep > 0.1).all() and (deep > share * m.of("r", *leads)).all())

    return criterion


def _inverted(*leads: str, by: float = 0.08) -> Callable[[LeadMeasures], bool]:
    return lambda m: bool((m.of("t", *leads) < -by).all())


def _depressed(*leads: str, by: float = 0.06) -> Callable[[LeadMeasures], bool]:
    return lambda m: bool((m.of("st", *leads) < -by).all())


def _all(*criteria: Callable[[LeadMeasures], bool]) -> Callable[[LeadMeasures], bool]:
    return lambda m: all(criterion(m) for criterion in criteria)


def _posterior(m: LeadMeasures) -> bool:
    tall = m.of("r", "V2")[0] > 1.0 * m.of("s", "V2")[0] and m.of("t", "V2")[0] > 0.15
    return bool(tall and (m.of("st", "V1", "V2", "V3") < -0.05).all())


def _low_voltage(m: LeadMeasures) -> bool:
    return bool((m.r + np.maximum(m.s, m.q))[: len(LIMB)].max() < 0.48 and _small_q(m))


def _flat(m: LeadMeasures) -> bool:
    return bool((np.abs(m.of("t", "I", "II", "V4", "V5", "V6")) < 0.12).all())


def _tented(m: LeadMeasures) -> bool:
    return bool(m.of("t", "V3", "V4").max() > 0.9 and m.of("t", "II")[0] > 0.4)


def _left_atrium(m: LeadMeasures) -> bool:
    return bool(m.of("p", "V1")[0] < -0.1)


def _right_atrium(m: LeadMeasures) -> bool:
    return bool(m.of("p", "II")[0] > 0.24)


CRITERIA: Mapping[str, Callable[[LeadMeasures], bool]] = MappingProxyType(
    {
        "normal": _normal,
        "low_voltage": _low_voltage,
        "lbbb": _left_block,
        "rbbb": _right_block,
        "irbbb": _incomplete_right,
        "lafb": _anterior_fascicle,
        "lpfb": _posterior_fascicle,
        "rbbb_lafb": _all(_right_block, lambda m: m.axis < -40),
        "wpw": _delta,
        "lvh_strain": _strain,
        "lvh_voltage": _all(_left_hypertrophy, _upright),
        "rvh": _right_hypertrophy,
        "left_atrium": _all(_plain_qrs, _left_atrium),
        "right_atrium": _all(_plain_qrs, _right_atrium),
        "anterior_stemi": _elevated("V2", "V3", "V4", by=0.18),
        "anteroseptal_old": _q_waves("V1", "V2", "V3"),
        "anterolateral_mi": _all(_q_waves("V2", "V3", "V4", "aVL"), _elevated("V3", "V4", "V5", by=0.06)),
        "inferior_stemi": _all(
            _elevated("II", "III", "aVF", lowered=("aVL",)),
            _q_waves("III", "aVF"),
            lambda m: m.of("st", "I")[0] < 0.03,
        ),
        "inferior_old": _q_waves("III", "aVF"),
        "inferolateral_mi": _q_waves("II", "III", "aVF", "V6"),
        "lateral_mi": _all(_q_waves("I", "aVL"), _elevated("I", "aVL", by=0.06, lowered=("III",))),
        "posterior_mi": _posterior,
        "pericarditis": _all(_plain_qrs, _elevated("II", "V4", "V5", by=0.08, lowered=("aVR",))),
        "ischaemia_anterolateral": _all(_plain_qrs, _depressed("V4", "V5", "V6"), _inverted("I", "V5", "V6")),
        "ischaemia_inferior": _all(_plain_qrs, _depressed("II", "III", "aVF"), _inverted("III", "aVF")),
        "injury_subendocardial": _all(_plain_qrs, _depressed("I", "II", "V4", "V5", by=0.08)),
        "t_inversion_anterior": _all(_plain_qrs, _inverted("V2", "V3", by=0.12)),
        "t_flat": _all(_plain_qrs, _flat),
        "long_qt": _all(_plain_qrs, _upright),
        "hyperkalaemia": _tented,
        "hypokalaemia": _plain_qrs,
        "digitalis": _all(_plain_qrs, _depressed("II", "V5", "V6", by=0.04)),
    }
)
"""The test that a beat of each shape must pass, by the shape's name; a shape that is not here passes."""
