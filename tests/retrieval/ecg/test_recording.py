"""Lead algebra against values worked out by hand, spelling of leads, and which lead a refusal names."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from retrieval.ecg.recording import (
    INDEPENDENT_LEADS,
    LEADS,
    Recording,
    check,
    derive_limb_leads,
    einthoven_error,
    from_independent,
    from_leads,
    lead_name,
)
from retrieval.errors import BadSignal, LeadsMissing

BY_HAND = {
    "I": (0.6, -0.2),
    "II": (1.0, 0.4),
    "III": (0.4, 0.6),
    "aVR": (-0.8, -0.1),
    "aVL": (0.1, -0.4),
    "aVF": (0.7, 0.5),
}
"""Two moments of six limb leads: III = II - I, aVR = -(I + II) / 2, aVL = I - II / 2, aVF = II - I / 2."""
CHEST = {f"V{i}": (0.1 * i, -0.1 * i) for i in range(1, 7)}
EIGHT = arrays(np.float32, (8, 20), elements=st.floats(-8, 8, width=32))


def good(seconds=10.0, rate=250.0):
    """Twelve leads of 1 mV peaks that obey Einthoven."""
    t = np.arange(round(seconds * rate)) / rate
    return from_independent([np.sin(2 * np.pi * t * (1 + 0.1 * i)) for i in range(8)])


def test_the_order_of_leads_is_the_one_of_every_printer():
    assert LEADS == ("I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6")
    assert INDEPENDENT_LEADS == ("I", "II", "V1", "V2", "V3", "V4", "V5", "V6")


def test_limb_leads_by_hand():
    limb = derive_limb_leads(BY_HAND["I"], BY_HAND["II"])
    assert limb.dtype == np.float32
    np.testing.assert_allclose(limb, list(BY_HAND.values()), atol=1e-6)


def test_twelve_leads_from_eight_by_hand():
    twelve = from_independent([BY_HAND["I"], BY_HAND["II"], *CHEST.values()])
    np.testing.assert_allclose(twelve, [*BY_HAND.values(), *CHEST.values()], atol=1e-6)


@given(EIGHT)
def test_derived_leads_obey_einthoven_and_goldberger(eight):
    """Stated otherwise than the code states it: I + III = II, the augmented leads sum to 0, aVL = (I - III) / 2."""
    lead = dict(zip(LEADS, from_independent(eight).astype(np.float64), strict=True))
    np.testing.assert_allclose(lead["I"] + lead["III"], lead["II"], atol=1e-5)
    np.testing.assert_allclose(lead["aVR"] + lead["aVL"] + lead["aVF"], 0, atol=1e-5)
    np.testing.assert_allclose(lead["aVL"], (lead["I"] - lead["III"]) / 2, atol=1e-5)
    np.testing.assert_allclose(lead["aVF"], (lead["II"] + lead["III"]) / 2, atol=1e-5)


@given(EIGHT)
def test_einthoven_error_is_nothing_for_derived_leads_and_the_offset_for_a_moved_one(eight):
    twelve = from_independent(eight)
    assert einthoven_error(twelve) < 1e-5
    twelve[2] += 0.5
    assert einthoven_error(twelve) == pytest.approx(0.5, abs=1e-5)


@given(EIGHT, st.lists(st.sampled_from(LEADS[:6]), min_size=2, max_size=6, unique=True))
def test_any_two_limb_leads_give_the_other_four(eight, kept):
    twelve = dict(zip(LEADS, from_independent(eight), strict=True))
    some = {lead: row for lead, row in twelve.items() if lead in kept or lead in CHEST}
    np.testing.assert_allclose(from_leads(some), list(twelve.values()), atol=2e-5)


def test_leads_that_were_recorded_are_kept_as_they_are():
    """A device's own aVR stays, also when it disagrees with I and II."""
    leads = {lead: np.full(4, float(i)) for i, lead in enumerate(LEADS)}
    np.testing.assert_array_equal(from_leads(leads), np.repeat(np.arange(12)[:, None], 4, 1))


def test_leads_come_in_any_order_and_spelling_and_strangers_are_passed_over():
    leads = {
        "MCL1": (9, 9),
        **dict(reversed(CHEST.items())),
        "AVF": (0.7, 0.5),
        " ii ": (1, 0.4),
        "Lead I": (0.6, -0.2),
    }
    np.testing.assert_allclose(from_leads(leads), [*BY_HAND.values(), *CHEST.values()], atol=1e-6)


def test_missing_leads_are_named():
    with pytest.raises(
        LeadsMissing, match=r"3 of 12 leads are here \(I, V1, V2\); II, V3, V4, V5, V6 can be neither"
    ):
        from_leads({"I": [0], "V1": [0], "V2": [0]})
    with pytest.raises(LeadsMissing, match=r"0 of 12 leads are here \(none\)"):
        from_leads({"resp": [0]})


def test_leads_of_different_lengths_are_refused():
    with pytest.raises(BadSignal, match=r"differ in length: \[2, 3\] samples"):
        from_leads({**BY_HAND, **CHEST, "V6": (0, 0, 0)})


def test_eight_leads_are_eight():
    with pytest.raises(BadSignal, match=r"\[8, samples\].*got \[7, 5\]"):
        from_independent(np.zeros((7, 5)))


@given(
    st.sampled_from(LEADS), st.sampled_from(["{}", " {} ", "Lead {}", "LEAD_{}", "lead-{}", "lead{}"]), st.booleans()
)
def test_spellings_of_a_lead(lead, form, loud):
    name = form.format(lead)
    assert lead_name(name.upper() if loud else name.lower()) == lead


@pytest.mark.parametrize("name", ["", "IV", "V7", "V0", "aVX", "MLII", "V1R", "-aVR", "Lead -aVR", "lead", "I II"])
def test_no_lead_of_the_twelve(name):
    """Among them Cabrera's upside-down aVR: taken for aVR it would turn the lead over."""
    with pytest.raises(LeadsMissing, match="is none of the twelve leads"):
        lead_name(name)


def test_a_recording_knows_its_length_and_leads():
    recording = Recording(good(4.0), 250.0, age=71.0, sex="female", patient_key="p1")
    assert recording.seconds == 4.0
    assert recording.signal.dtype == np.float32
    np.testing.assert_array_equal(recording.lead("avl"), recording.signal[4])


@given(st.floats(-2, 12), st.floats(-2, 12))
def test_a_slice_is_what_was_recorded_between_two_moments(start, stop):
    recording = Recording(np.tile(np.arange(1000, dtype=np.float32), (12, 1)), 100.0, 50.0, "male", "p")
    part = recording.slice_seconds(start, stop)
    inside = [i for i in range(1000) if round(start * 100) <= i < round(stop * 100)]
    np.testing.assert_array_equal(part.lead("I"), inside)
    assert (part.rate, part.age, part.sex, part.patient_key) == (100.0, 50.0, "male", "p")


@pytest.mark.parametrize("shape", [(12,), (11, 100), (100, 12), (1, 12, 100)])
def test_a_signal_of_another_shape_is_refused(shape):
    with pytest.raises(BadSignal, match=r"needs the shape \[12, samples\]"):
        Recording(np.zeros(shape, np.float32), 100.0)


@pytest.mark.parametrize("rate", [0.0, -100.0, float("nan"), float("inf")])
def test_a_rate_that_is_none_is_refused(rate):
    with pytest.raises(BadSignal, match="sampling rate is"):
        Recording(good(), rate)


@given(st.sampled_from(LEADS), st.sampled_from([np.nan, np.inf, -np.inf]))
def test_values_that_are_not_numbers_are_refused_by_lead(lead, value):
    signal = good()
    signal[LEADS.index(lead), 7] = value
    with pytest.raises(BadSignal, match=rf"^lead {lead} holds values that are not numbers"):
        Recording(signal, 250.0)


def test_a_good_recording_has_no_warnings():
    assert check(Recording(good(), 250.0)) == ()


@given(st.sampled_from(LEADS))
def test_a_flat_lead_is_named(lead):
    signal = good()
    signal[LEADS.index(lead)] = 0.3
    assert check(Recording(signal, 250.0)) == (f"lead {lead} is flat",)


def test_two_microvolts_of_noise_are_flat_and_ten_are_not():
    signal = good()
    signal[6] = 0.002 * signal[7]
    assert check(Recording(signal, 250.0)) == ("lead V1 is flat",)
    signal[6] = 0.010 * signal[7]
    assert check(Recording(signal, 250.0)) == ()


def test_all_leads_flat_is_refused():
    with pytest.raises(BadSignal, match="all twelve leads are flat"):
        check(Recording(np.full((12, 1000), 0.7, np.float32), 100.0))


@given(st.sampled_from(LEADS))
def test_a_lead_in_microvolts_is_named(lead):
    signal = good()
    signal[LEADS.index(lead)] *= 1000
    with pytest.raises(BadSignal, match=rf"^lead {lead} reaches \d+ mV; .*microvolts: divide by 1,000"):
        check(Recording(signal, 250.0))


def test_an_offset_of_the_electrodes_is_not_taken_for_microvolts():
    assert check(Recording(from_independent(good()[[0, 1, 6, 7, 8, 9, 10, 11]] + 120.0), 250.0)) == ()


def test_limb_leads_that_contradict_each_other_are_warned_of():
    signal = good()
    signal[[0, 1]] = signal[[1, 0]]
    (warning,) = check(Recording(signal, 250.0))
    assert warning.startswith("the limb leads depart from Einthoven's law by")


def test_too_short_is_refused():
    with pytest.raises(BadSignal, match=r"lasts 1\.50 s; at least 2 s"):
        check(Recording(good(1.5), 250.0))
    with pytest.raises(BadSignal, match=r"lasts 0\.00 s"):
        check(Recording(np.zeros((12, 0), np.float32), 250.0))
