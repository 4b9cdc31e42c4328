"""What can be measured on the simulated signal, by means of this file's own, against what was set.

The measuring knows nothing of kernels: it finds beats by the steepness of all leads together, the ends of QRS where
the eight independent leads leave the level before it, P and T by tangents.
"""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from retrieval.ecg.recording import LEADS
from retrieval.ecg.simulator import simulate

RATE = 500.0
SEEDS = st.integers(0, 2**31 - 1)
REGULAR = ("normal", "sinus_bradycardia", "sinus_tachycardia", "av_block_1", "inferior_mi_old", "lafb", "t_flat")


def ms(duration):
    return round(duration * RATE / 1000)


def clean(seed, condition):
    return simulate(seed, condition, rate=RATE, noise=False)


def beats_of(signal):
    """Sample of the steepest point of each QRS, over all leads."""
    steep = np.sqrt((np.diff(signal, axis=1) ** 2).sum(axis=0))
    steep = np.convolve(steep, np.ones(ms(24)) / ms(24), "same")
    limit, found, at = 0.4 * np.quantile(steep, 0.99), [], 0
    while at < len(steep):
        if steep[at] > limit:
            found.append(at + int(steep[at : at + ms(200)].argmax()))
            at = found[-1] + ms(300)  # over the T wave of a wide beat, too
        else:
            at += 1
    return np.array(found)


def average(case):
    """A mean beat ``[12, n]`` that starts 450 ms before its QRS onset, levelled just before the QRS."""
    starts = [round(t * RATE) - ms(450) for t in case.truth.qrs_onsets_s]
    length = ms(450 + 620)
    cuts = [case.recording.signal[:, s : s + length] for s in starts if s >= 0 and s + length <= 5000]
    beat = np.mean(cuts, axis=0)
    return beat - beat[:, ms(440) : ms(447)].mean(axis=1, keepdims=True)


def qrs_of(case):
    """QRS part of the mean beat, ``{lead: samples}``."""
    beat = average(case)
    return dict(zip(LEADS, beat[:, ms(445) : ms(450 + case.truth.qrs_ms)], strict=True))


def r(part):
    return max(float(part.max()), 0.0)


def s(part):
    return max(float(-part.min()), 0.0)


def q(part):
    return max(float(-part[: part.argmax() + 1].min()), 0.0)


def st_level(case, lead):
    """80 ms after QRS, against the level before it."""
    return float(average(case)[LEADS.index(lead), ms(450 + case.truth.qrs_ms + 60)])


def t_wave(case, lead):
    wave = average(case)[LEADS.index(lead), ms(450 + case.truth.qrs_ms + 100) : ms(450 + case.truth.qt_ms + 20)]
    return float(wave[np.abs(wave).argmax()])


def axis(part):
    net_i, net_f = r(part["I"]) - s(part["I"]), r(part["aVF"]) - s(part["aVF"])
    return np.degrees(np.arctan2(net_f * 2 / np.sqrt(3), net_i))


@settings(max_examples=30, deadline=None)
@given(SEEDS, st.sampled_from([*REGULAR, "atrial_fibrillation", "pac", "lbbb", "rbbb", "av_block_3"]))
def test_beats_found_in_the_signal_are_those_of_the_truth(seed, condition):
    case = clean(seed, condition)
    found = beats_of(case.recording.signal) / RATE
    inside = [t for t in case.truth.r_times_s if 0.1 < t < 9.9]
    assert all(np.abs(found - t).min() < 0.09 for t in inside)
    # What an end cuts in two, at both of them, is no beat of the truth and may still be found.
    assert abs(np.count_nonzero((found > 0.1) & (found < 9.9)) - len(inside)) <= 1
    assert 60 / np.diff(found).mean() == pytest.approx(case.truth.heart_rate, rel=0.04)


@settings(max_examples=30, deadline=None)
@given(SEEDS, st.sampled_from([*REGULAR, "rbbb", "ivcd", "bifascicular", "lvh_voltage"]))
def test_qrs_duration_is_the_set_one(seed, condition):
    case = clean(seed, condition)
    steep = np.linalg.norm(np.gradient(average(case), axis=1), axis=0)
    quiet = steep < 0.05 * steep.max()
    at = int(steep.argmax())
    # Outwards from the steepest point until all leads have been quiet for 12 ms.
    start = next(i for i in range(at, 0, -1) if quiet[i - ms(12) : i].all())
    stop = next(i for i in range(at, len(steep)) if quiet[i : i + ms(12)].all())
    assert start / RATE * 1000 - 450 == pytest.approx(0, abs=16)
    assert stop / RATE * 1000 - 450 == pytest.approx(case.truth.qrs_ms, abs=20)


@settings(max_examples=30, deadline=None)
@given(SEEDS, st.sampled_from(["normal", "av_block_1", "sinus_bradycardia", "wpw", "right_atrial_enlargement"]))
def test_pr_interval_is_the_set_one(seed, condition):
    case = clean(seed, condition)
    # Where the P wave begins on the T wave before it, its onset cannot be seen.
    assume(60_000 / case.truth.heart_rate - case.truth.qt_ms - case.truth.pr_ms > 40)
    beat = average(case)
    lead = beat[LEADS.index("II")]
    start = ms(450 - case.truth.pr_ms - 25)
    rise = lead[start : ms(450 - 12)]
    level = rise[: ms(15)].mean()
    climb = np.gradient(rise)
    steepest = int(climb[: int(rise.argmax()) + 1].argmax())
    onset = steepest - (rise[steepest] - level) / climb[steepest]
    measured = 450 - (start + onset) / RATE * 1000
    assert measured == pytest.approx(case.truth.pr_ms, abs=20)


@settings(max_examples=30, deadline=None)
@given(SEEDS, st.sampled_from(["normal", "sinus_bradycardia", "long_qt", "lbbb", "rbbb", "hyperkalaemia"]))
def test_qt_interval_by_the_tangent_is_the_set_one(seed, condition):
    case = clean(seed, condition)
    beat = average(case)
    first = ms(450 + case.truth.qrs_ms + 80)
    late = beat[:, first : ms(450 + case.truth.qt_ms + 60)]
    lead = late[np.ptp(late, axis=1).argmax()]
    lead = lead * np.sign(lead[np.abs(lead).argmax()])
    fall = np.gradient(lead)
    peak = int(lead.argmax())
    steepest = peak + int(fall[peak:].argmin())
    end = steepest - lead[steepest] / fall[steepest]
    measured = (first + end) / RATE * 1000 - 450
    assert measured == pytest.approx(case.truth.qt_ms, abs=25)


@settings(max_examples=30, deadline=None)
@given(SEEDS, st.sampled_from(["normal", "lafb", "lpfb", "lbbb", "rvh", "inferior_mi_old"]))
def test_axis_is_the_set_one(seed, condition):
    case = clean(seed, condition)
    off = (axis(qrs_of(case)) - case.truth.axis_deg + 180) % 360 - 180
    assert abs(off) < 15


def criteria():
    """Condition, and what its leads must show, as a reader's handbook has it."""
    return {
        "normal": lambda c, p: s(p["V1"]) > r(p["V1"]) and r(p["V5"]) > s(p["V5"]) and t_wave(c, "II") > 0.05,
        "lbbb": lambda c, p: c.truth.qrs_ms > 120 and r(p["V1"]) < 0.15 < s(p["V1"]) and q(p["V6"]) < 0.06,
        "rbbb": lambda c, p: (
            c.truth.qrs_ms > 120 and r(p["V1"][len(p["V1"]) // 2 :]) > 0.3 and s(p["V6"][len(p["V6"]) // 2 :]) > 0.1
        ),
        "lafb": lambda c, p: axis(p) < -40 and s(p["II"]) > r(p["II"]) and r(p["aVL"]) > 0.25,
        "lpfb": lambda c, p: axis(p) > 88 and s(p["V1"]) > 0.2 and s(p["V1"]) > r(p["V1"]) and r(p["III"]) > 0.5,
        "lvh_strain": lambda c, p: s(p["V1"]) + max(r(p["V5"]), r(p["V6"])) > 3.5 and t_wave(c, "V6") < 0,
        "lvh_voltage": lambda c, p: s(p["V1"]) + max(r(p["V5"]), r(p["V6"])) > 3.5 and t_wave(c, "V6") > 0,
        "rvh": lambda c, p: axis(p) > 90 and r(p["V1"]) > s(p["V1"]) and s(p["V6"]) > 0.25 and t_wave(c, "V1") < 0,
        "wpw": lambda c, p: c.truth.pr_ms < 120 and c.truth.qrs_ms > 110,
        "anterior_stemi": lambda c, p: all(st_level(c, lead) > 0.15 for lead in ("V2", "V3", "V4")),
        "anteroseptal_mi_old": lambda c, p: all(r(p[lead]) < s(p[lead]) for lead in ("V1", "V2", "V3")),
        "inferior_stemi": lambda c, p: (
            all(st_level(c, lead) > 0.08 for lead in ("II", "III", "aVF")) and st_level(c, "aVL") < 0
        ),
        "inferior_mi_old": lambda c, p: all(q(p[lead]) > 0.2 * r(p[lead]) for lead in ("III", "aVF")),
        "lateral_mi": lambda c, p: all(q(p[lead]) > 0.2 * r(p[lead]) for lead in ("I", "aVL")),
        "posterior_mi": lambda c, p: r(p["V2"]) > s(p["V2"]) and st_level(c, "V2") < -0.04 and t_wave(c, "V2") > 0.1,
        "ischaemia_anterolateral": lambda c, p: st_level(c, "V5") < -0.04 and t_wave(c, "V5") < 0,
        "ischaemia_inferior": lambda c, p: st_level(c, "III") < -0.04 and t_wave(c, "III") < 0,
        "t_inversion_anterior": lambda c, p: t_wave(c, "V2") < -0.1 and t_wave(c, "V3") < -0.1,
        "pericarditis": lambda c, p: st_level(c, "II") > 0.06 and st_level(c, "V5") > 0.06 and st_level(c, "aVR") < 0,
        "hyperkalaemia": lambda c, p: max(t_wave(c, "V3"), t_wave(c, "V4")) > 0.8,
        "low_voltage": lambda c, p: all(np.ptp(p[lead]) < 0.55 for lead in LEADS[:6]),
        "long_qt": lambda c, p: c.truth.qt_ms / np.cbrt(60 / c.truth.heart_rate) > 470,
    }


@pytest.mark.parametrize("condition", sorted(criteria()))
def test_leads_show_what_the_condition_is_known_by(condition):
    shows = criteria()[condition]
    for seed in range(15):
        case = clean(seed, condition)
        assert shows(case, qrs_of(case)), seed


@pytest.mark.parametrize(
    "condition", ["lbbb", "inferior_stemi", "lvh_strain", "rbbb", "hyperkalaemia", "low_voltage"]
)
def test_a_normal_ecg_does_not_show_them(condition):
    shows = criteria()[condition]
    cases = [clean(seed, "normal") for seed in range(15)]
    assert not any(shows(case, qrs_of(case)) for case in cases)


@settings(max_examples=15, deadline=None)
@given(SEEDS)
def test_rhythms_are_coupled_as_their_names_say(seed):
    fibrillation = simulate(seed, "atrial_fibrillation", rate=100, seconds=30).truth
    gaps = np.diff(fibrillation.qrs_onsets_s)
    assert gaps.std() / gaps.mean() > 0.1
    assert not fibrillation.p_onsets_s
    block = simulate(seed, "av_block_3", rate=100, seconds=30).truth
    waits = [min(t - p for p in block.p_onsets_s if p <= t) for t in block.qrs_onsets_s if t > block.p_onsets_s[0]]
    assert len(block.p_onsets_s) > len(block.qrs_onsets_s)
    assert np.ptp(waits) > 0.2
    sinus = simulate(seed, "normal", rate=100, seconds=30).truth
    waits = [min(t - p for p in sinus.p_onsets_s if p <= t) for t in sinus.qrs_onsets_s if t > sinus.p_onsets_s[0]]
    assert np.allclose(np.array(waits) * 1000, sinus.pr_ms)


@settings(max_examples=15, deadline=None)
@given(SEEDS)
def test_wenckebach_lengthens_pr_until_a_beat_is_dropped(seed):
    truth = simulate(seed, "av_block_2_wenckebach", rate=100, seconds=30).truth
    qrs = np.array(truth.qrs_onsets_s)
    gap = np.diff(truth.p_onsets_s).mean()
    waits = [next((t - p for t in qrs if 0.1 < t - p < 0.75 * gap + 0.25), None) for p in truth.p_onsets_s]
    groups, group = [], []
    for p, nearest in zip(truth.p_onsets_s[:-1], waits, strict=False):
        conducted = nearest is not None and not any(p < other <= p + nearest - 0.1 for other in truth.p_onsets_s)
        if conducted:
            group.append(nearest)
        else:
            groups.append(group)
            group = []
    whole = [g for g in groups[1:] if len(g) > 1]
    assert len(whole) >= 3
    assert all(np.all(np.diff(g) > 0.01) for g in whole)
    assert len(truth.p_onsets_s) > len(qrs)


@settings(max_examples=25, deadline=None)
@given(SEEDS)
def test_ventricular_beats_come_early_and_are_broad(seed):
    case = clean(seed, "pvc")
    truth = case.truth
    onsets, ectopic = np.array(truth.qrs_onsets_s), np.array(truth.ectopic)
    assert 1 <= ectopic.sum() <= 3
    gaps = np.diff(onsets)
    usual = np.median(gaps)
    for i in np.flatnonzero(ectopic):
        if 0 < i < len(onsets) - 1:
            assert gaps[i - 1] < 0.93 * usual
            assert gaps[i] > 1.05 * usual
            # The pause is fully compensatory: the sinus node keeps its time.
            assert gaps[i - 1] + gaps[i] == pytest.approx(2 * usual, rel=0.12)
    bigeminy = np.array(simulate(seed, "bigeminy", rate=100).truth.ectopic)
    assert (bigeminy[1:] != bigeminy[:-1]).all()


@settings(max_examples=25, deadline=None)
@given(SEEDS)
def test_flutter_leaves_no_level_stretch_in_aVF(seed):
    flutter, normal = (simulate(seed, name, rate=100, noise=False) for name in ("atrial_flutter", "normal"))
    level = [float((np.abs(np.gradient(case.recording.lead("aVF"))) < 0.003).mean()) for case in (flutter, normal)]
    assert level[0] < 0.8 * level[1]
