"""Findings fire on the fault that was put in, name it in a plain sentence, and are silent on ECGs as they are."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from eval.bench.findings import (
    FAULTS,
    exchange_arm_and_leg,
    exchange_arms,
    hum,
    left_arm_on_right_leg,
    right_arm_on_right_leg,
    wilson,
)
from retrieval.ecg.page import CANONICAL, CanonicalPage, canonical_page
from retrieval.ecg.recording import LEADS, Recording, derive_limb_leads, einthoven_error
from retrieval.ecg.simulator import simulate
from retrieval.intake.electrodes import exchanged_electrodes, median_beat
from retrieval.intake.findings import page_findings, recording_findings
from retrieval.intake.result import IntakeReport
from tests.retrieval.ecg.tracing import waves

RNG = np.random.default_rng(0)
QUIET = ("normal", "rbbb", "lbbb", "atrial_fibrillation", "inferior_mi_old", "lvh_strain", "pvc", "rvh", "lafb")


@pytest.fixture(scope="module")
def heart():
    return simulate(1, "normal", rate=250.0).recording


def kinds(findings):
    return {finding.kind for finding in findings}


def report(certainty=0.9, layout="3x4+1"):
    return IntakeReport(6.0, 6.0, 0.0, layout, certainty)


# --- silence ---


@pytest.mark.parametrize("condition", QUIET)
@pytest.mark.parametrize("rate", [100.0, 500.0])
def test_an_ecg_without_a_fault_is_left_alone(condition, rate):
    recording = simulate(17, condition, rate=rate).recording
    assert recording_findings(recording) == ()
    assert page_findings(canonical_page(recording)) == ()


@pytest.mark.realdata
def test_real_ecgs_are_left_alone(shared):
    """Of the first 60 records of fold 10, at most one finding: the rates proper are in docs/findings.md."""
    from itertools import islice

    from retrieval.corpora.ptbxl import PtbXl

    rows = islice(PtbXl.open(shared / "ptbxl").recordings([10]), 60)
    found = [recording_findings(recording) for row, recording in rows if "PACE" not in row.statements]
    assert sum(map(bool, found)) <= 1


# --- electrodes ---


def test_exchanged_arms_are_named(heart):
    swapped = replace(heart, signal=exchange_arms(heart.signal, RNG))
    sentence = "lead I is upside down against V6: the arm electrodes may be exchanged"
    for found in (recording_findings(swapped), page_findings(canonical_page(swapped), report())):
        assert [(f.kind, f.message) for f in found] == [("limb_lead_reversal", sentence)]
        assert 0 < found[0].certainty < 1


def test_a_right_arm_on_the_leg_is_named(heart):
    leg = replace(heart, signal=right_arm_on_right_leg(heart.signal, np.random.default_rng(1)))
    (found,) = recording_findings(leg)
    assert found.kind == "limb_lead_reversal"
    assert found.message.startswith("lead II is nearly flat while I and III are not: the right arm's electrode")


def test_a_left_arm_on_the_leg_is_named(heart):
    leg = replace(heart, signal=left_arm_on_right_leg(heart.signal, np.random.default_rng(1)))
    (found,) = recording_findings(leg)
    assert "lead III is nearly flat while I and II are not: the left arm's electrode" in found.message


def test_an_arm_and_a_leg_exchanged_are_named():
    found = [
        kinds(recording_findings(replace(r, signal=exchange_arm_and_leg(r.signal, RNG))))
        for r in (simulate(seed, "normal").recording for seed in range(8))
    ]
    assert sum(k == {"limb_lead_reversal"} for k in found) >= 5


def test_twice_exchanged_is_as_it_was(heart):
    """Guards the arithmetic of the benchmark: each exchange undoes itself and keeps Einthoven's law."""
    for exchange in (exchange_arms, exchange_arm_and_leg):
        once = exchange(heart.signal.copy(), RNG)
        assert einthoven_error(once) < 1e-5
        np.testing.assert_allclose(exchange(once, RNG), heart.signal, atol=1e-5)
    arms = exchange_arms(heart.signal.copy(), RNG)
    np.testing.assert_allclose(arms[3], heart.signal[4], atol=1e-5)  # aVR and aVL change places
    np.testing.assert_allclose(arms[5], heart.signal[5], atol=1e-5)


def test_only_leads_that_are_there_are_compared(heart):
    """Without V6 nothing is known of the arms; without beats nothing at all."""
    beat = median_beat([(LEADS, exchange_arms(heart.signal.copy(), RNG).astype(float))], 3)
    beat[11] = np.nan
    assert exchanged_electrodes(beat) == ()
    assert np.isnan(median_beat([(LEADS, np.zeros((12, 1000)))], 1)).all()
    assert exchanged_electrodes(np.full((12, 75), np.nan)) == ()


# --- leads ---


def test_a_flat_lead_is_named_and_the_electrodes_are_not_judged(heart):
    signal = exchange_arms(heart.signal.copy(), RNG)
    signal[8] = 0.3
    found = recording_findings(replace(heart, signal=signal))
    assert [f.message for f in found] == ["lead V3 is flat"]
    assert "lead_flat" in kinds(page_findings(canonical_page(replace(heart, signal=signal))))


def test_all_leads_flat():
    assert len(recording_findings(Recording(np.zeros((12, 1000), np.float32), 100.0))) == 12


def test_a_lead_shown_twice_is_named(heart):
    signal = heart.signal.copy()
    signal[7] = signal[6]
    both = replace(heart, signal=signal)
    for found in (recording_findings(both), page_findings(canonical_page(both))):
        assert [f.message for f in found] == ["leads V1 and V2 show the same trace: one may be shown twice"]


def test_leads_that_are_not_on_the_page_are_named(heart):
    page = canonical_page(heart).pixels.copy()
    left, right = 12 + 375, 512
    page[:190, left:right] = 255
    found = page_findings(CanonicalPage(page))
    assert [(f.kind, f.message) for f in found] == [("lead_missing", "leads V4, V5, V6 were not found")]
    page[:70, 12:130] = 255
    assert page_findings(CanonicalPage(page))[0].message == "leads I, V4, V5, V6 were not found"


def test_one_missing_lead_is_one_lead(heart):
    page = canonical_page(heart).pixels.copy()
    page[:70, 12:135] = 255
    assert "lead I was not found" in [f.message for f in page_findings(CanonicalPage(page))]


def test_nothing_is_said_of_leads_whose_names_are_not_sure(heart):
    swapped = canonical_page(replace(heart, signal=exchange_arms(heart.signal.copy(), RNG)))
    assert page_findings(swapped, report(certainty=0.3)) == ()
    assert page_findings(CanonicalPage(swapped.pixels, "unknown"), report(layout="unknown")) == ()
    assert page_findings(CanonicalPage(swapped.pixels, "unknown")) == ()
    assert kinds(page_findings(swapped, report())) == {"limb_lead_reversal"}


def test_a_blank_page_lacks_every_lead():
    (found,) = page_findings(CanonicalPage(np.full(CANONICAL.shape, 255, np.uint8)))
    assert found.message == f"leads {', '.join(LEADS)} were not found"


def test_limb_leads_that_break_einthoven_are_named_and_not_judged(heart):
    signal = exchange_arms(heart.signal.copy(), RNG)
    signal[2] = -signal[2] + 0.5
    found = kinds(recording_findings(replace(heart, signal=signal)))
    assert "limb_leads_disagree" in found
    assert "limb_lead_reversal" not in found


# --- size, noise, range ---


@pytest.mark.parametrize(("factor", "size"), [(8.0, "large"), (0.1, "small")])
def test_an_unusual_amplitude_is_named(heart, factor, size):
    found = recording_findings(replace(heart, signal=heart.signal * factor))
    assert [f.kind for f in found] == ["unusual_amplitude"]
    assert f"unusually {size}" in found[0].message
    assert "check the gain" in found[0].message


@pytest.mark.parametrize("hertz", [50, 60])
def test_mains_are_named_with_their_frequency(hertz):
    recording = simulate(2, "normal", rate=500.0).recording
    wave = 0.1 * np.sin(2 * np.pi * hertz * np.arange(5000) / 500)
    limb = derive_limb_leads(recording.signal[0] + wave, recording.signal[1])
    signal = np.concatenate([limb, recording.signal[6:]])
    (found,) = recording_findings(replace(recording, signal=signal.astype(np.float32)))
    assert found.kind == "mains_noise"
    assert found.message.startswith(f"noise of the mains ({hertz} Hz) up to 0.1")


def test_mains_are_measured_in_millivolts():
    signal = np.zeros((12, 5000), np.float32) + simulate(2, "normal", rate=500.0, noise=False).recording.signal
    noisy = hum(signal, np.random.default_rng(0))
    (found,) = (f for f in recording_findings(Recording(noisy, 500.0)) if f.kind == "mains_noise")
    assert 0.1 <= float(found.message.split(" up to ")[1].split()[0]) <= 0.2  # III has the difference of two


def test_slow_recordings_cannot_hold_mains_noise(heart):
    slow = simulate(2, "normal", rate=100.0).recording
    noise = 0.2 * np.sin(2 * np.pi * 49 * np.arange(1000) / 100)
    assert "mains_noise" not in kinds(
        recording_findings(replace(slow, signal=(slow.signal + noise).astype(np.float32)))
    )


def test_a_signal_that_is_cut_off_is_named(heart):
    signal = np.clip(heart.signal, -0.6, 0.6)
    limb = derive_limb_leads(signal[0], signal[1])
    found = recording_findings(replace(heart, signal=np.concatenate([limb, signal[6:]])))
    (cut,) = (f for f in found if f.kind == "saturated")
    assert "mV" in cut.message


# --- pacing ---


@pytest.mark.parametrize("rate", [250.0, 500.0])
def test_pacemaker_spikes_are_seen_in_recordings(rate):
    found = [kinds(recording_findings(simulate(seed, "paced", rate=rate).recording)) for seed in range(12)]
    assert sum("paced" in k for k in found) >= 6


def test_a_page_does_not_claim_pacing():
    assert all(
        "paced" not in kinds(page_findings(canonical_page(simulate(seed, "paced").recording))) for seed in range(6)
    )


# --- the benchmark ---


def test_every_fault_of_the_benchmark_changes_the_signal(heart):
    for fault in FAULTS:
        changed = fault.put_in(heart.signal.copy(), np.random.default_rng(0))
        assert changed.shape == heart.signal.shape
        assert changed.dtype == np.float32
        assert np.abs(changed - heart.signal).max() > 0.05


def test_wilsons_limit_by_hand():
    """0 of 100 at 95 %: 3.70 %; 5 of 100: 11.2 % (Newcombe 1998)."""
    assert wilson(0, 100) == pytest.approx(0.0370, abs=2e-4)
    assert wilson(5, 100) == pytest.approx(0.1118, abs=5e-4)


def test_waves_without_beats_are_no_ecg_with_a_fault():
    assert "limb_lead_reversal" not in kinds(recording_findings(waves()))
