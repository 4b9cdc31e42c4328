"""Names, units and repairs of channels."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from retrieval.ecg.recording import LEADS, Recording
from retrieval.errors import BadSignal, DamagedFile, LeadsMissing, TooLarge
from retrieval.intake.channels import (
    Channel,
    age_between,
    assemble,
    check_amount,
    known_age,
    known_sex,
    lead_of,
    unit_in_millivolts,
)


@pytest.mark.parametrize(
    ("label", "found"),
    [
        ("MDC_ECG_LEAD_AVR", ("aVR", 1)), ("MDC_ECG_LEAD_AVRNEG", ("aVR", -1)), ("-aVR", ("aVR", -1)),
        ("Lead I (Einthoven)", ("I", 1)), ("EKG V4", ("V4", 1)), ("ecg_iii", ("III", 1)), ("D2", ("II", 1)),
        ("C6", ("V6", 1)), ("V1 [uV]", ("V1", 1)), ("V7", None), ("MLII", None), ("V10", None), ("IIII", None),
        ("Resp", None), ("", None), ("aVR aVL", None), ("D4", None), ("VI", None),
    ],
)  # fmt: skip
def test_names_of_leads(label: str, found: tuple[str, int] | None) -> None:
    assert lead_of(label) == found


@given(st.sampled_from(LEADS), st.sampled_from(["", "ECG ", "lead_", "MDC_ECG_LEAD_", "EKG-"]), st.booleans())
def test_usual_spellings(lead: str, before: str, upper: bool) -> None:
    label = before + lead
    assert lead_of(label.upper() if upper else label) == (lead, 1)


@given(st.text(max_size=12))
def test_any_text_is_a_lead_or_none(label: str) -> None:
    found = lead_of(label)
    assert found is None or found[0] in LEADS


def test_units() -> None:
    assert [unit_in_millivolts(unit) for unit in (" mV", "uV", "µV", "μV", "V", "nV")] == [
        1,
        1e-3,
        1e-3,
        1e-3,
        1e3,
        1e-6,
    ]
    for unit in ("", "mmHg", "LSB"):
        with pytest.raises(BadSignal):
            unit_in_millivolts(unit)


def test_ages_and_sexes() -> None:
    assert [known_age(value) for value in (63, "63.5", "", None, "x", 0, -1, 300)] == [63, 63.5, *[None] * 6]
    assert known_age(6, 1 / 12) == 0.5
    assert age_between("19600615", "20240614") == 63
    assert age_between("1960-06-15", "20240615101500") == 64
    assert [age_between(*pair) for pair in (("", ""), ("1960", "2024"), ("20250101", "20240101"))] == [None] * 3
    assert [known_sex(text) for text in ("M", "female", "1", "2", "", None, "0", "X")] == [
        "male", "female", "male", "female", None, None, None, None,
    ]  # fmt: skip


def channels(heart: Recording) -> list[Channel]:
    return [Channel(lead, heart.lead(lead).astype(float), heart.rate) for lead in LEADS]


def test_inverted_avr_is_turned(heart: Recording) -> None:
    own = channels(heart)
    own[3] = Channel("-aVR", -own[3].samples, heart.rate)
    np.testing.assert_allclose(assemble(own, "x").recording.signal, heart.signal, atol=1e-6)


def test_rates_are_brought_together(heart: Recording) -> None:
    own = channels(heart)
    own[7] = Channel("V2", own[7].samples[::2], heart.rate / 2)
    done = assemble(own, "x")
    assert [finding.kind for finding in done.findings] == ["resampled"]
    assert "V2" in done.findings[0].message
    np.testing.assert_allclose(done.recording.signal[:, :2490:2], heart.signal[:, :2490:2], atol=1e-6)


def test_gaps(heart: Recording) -> None:
    own = channels(heart)
    own[0].samples[100:120] = np.nan
    assert np.isfinite(assemble(own, "x").recording.signal).all()
    own[0].samples[100:400] = np.nan
    with pytest.raises(BadSignal, match="lead I"):
        assemble(own, "x")


def test_leads_that_were_recorded_after_each_other(heart: Recording) -> None:
    own = channels(heart)
    own[6] = Channel("V1", own[6].samples, heart.rate, skew=2.5)
    with pytest.raises(BadSignal, match=r"V1 starts 2\.50 s apart"):
        assemble(own, "x")


def test_no_lead_at_all(heart: Recording) -> None:
    with pytest.raises(LeadsMissing, match="Pleth"):
        assemble([Channel("Pleth", np.zeros(10), 100.0)], "x")


def test_amounts() -> None:
    check_amount(12, 900_000, "x")
    for amount, error in (
        ((12, 900_001), TooLarge),
        ((513, 1), TooLarge),
        ((-1, 5), DamagedFile),
        ((1, -5), DamagedFile),
    ):
        with pytest.raises(error):
            check_amount(*amount, "x")
