"""Channels as files name and scale them -> a recording of twelve leads, with a word on all that was mended."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from retrieval.ecg.recording import LEADS, Recording, Sex, from_leads
from retrieval.errors import BadSignal, DamagedFile, LeadsMissing, TooLarge
from retrieval.intake.limits import MAX_CHANNELS, MAX_RATE, MAX_VALUES
from retrieval.intake.opening import Recorded
from retrieval.intake.result import Finding

Samples = NDArray[np.float64]
MILLIVOLTS: dict[str, float] = {
    "mv": 1.0, "millivolt": 1.0, "millivolts": 1.0,
    "uv": 1e-3, "µv": 1e-3, "μv": 1e-3, "microvolt": 1e-3, "microvolts": 1e-3,
    "nv": 1e-6, "nanovolt": 1e-6, "nanovolts": 1e-6,
    "v": 1e3, "volt": 1e3, "volts": 1e3,
}  # fmt: skip
"""What one unit is in millivolts; the micro sign and the Greek letter are two characters that look the same."""
_AROUND = re.compile(r"^(MDC_ECG_LEAD_|MDC_ECG_|LEAD|ECG|EKG|CHANNEL)[ _:.-]*|[ _]*[(\[].*[)\]]$|[ _.-]+$")
_LEAD = re.compile(r"(-?)(?:D?(I{1,3})|D([123])|(AVR|AVL|AVF)|[VC]([1-6]))")
SHORT_GAP = 0.02
"""Share of a lead that may be lost and is bridged by straight lines."""
LARGEST_SKEW = 0.1
"""Seconds by which channels that an amplifier samples in turn can lie apart; more means one after the other."""


@dataclass(frozen=True)
class Channel:
    """One channel of a file.

    Args:
        label: what the file calls it.
        samples: ``[samples]`` in mV, NaN where a sample was lost.
        rate: samples per second.
        skew: seconds by which its first sample is later than the recording's start.
    """

    label: str
    samples: Samples
    rate: float
    skew: float = 0.0


def unit_in_millivolts(unit: str) -> float:
    """What one of ``unit`` is in mV.

    Raises:
        BadSignal: no unit of voltage.
    """
    factor = MILLIVOLTS.get(unit.strip().lower())
    if factor is None:
        raise BadSignal(f"a channel is in '{unit}'; an ECG is in one of mV, uV, nV, V")
    return factor


def lead_of(label: str) -> tuple[str, int] | None:
    """Lead and sign that a label stands for: ``ECG AVR`` is ``("aVR", 1)``, ``-aVR`` ``("aVR", -1)``.

    ``DI`` and ``D1`` (French, Spanish) are I; ``C1`` to ``C6`` (IEC's electrodes) V1 to V6. A modified lead such as
    ``MLII`` is none of the twelve.
    """
    text, before = label.strip().upper(), None
    while text != before:
        before, text = text, _AROUND.sub("", text).strip()
    if text == "AVRNEG":
        return "aVR", -1
    found = _LEAD.fullmatch(text)
    if found is None:
        return None
    sign, roman, digit, augmented, chest = found.groups()
    limb = f"a{augmented[1:]}" if augmented else roman or "I" * int(digit or 0)
    return limb or f"V{chest}", -1 if sign else 1


def check_amount(channels: int, samples: int, name: str, rate: float = 0.0) -> None:
    """Refuse more samples than a resting ECG can have, before they are decoded.

    Raises:
        TooLarge: more than a quarter of an hour of twelve leads at 1000 Hz, or over 512 channels.
        DamagedFile: a number below zero.
    """
    if channels < 0 or samples < 0:
        raise DamagedFile(f"'{name}' says it has {channels} channels of {samples} samples; export it again")
    if channels > MAX_CHANNELS:
        raise TooLarge(f"'{name}' has {channels:,} channels; at most {MAX_CHANNELS} are read")
    if channels * samples > MAX_VALUES:
        long = f"{samples / rate / 60:.0f} minutes" if rate > 0 else f"{samples:,} samples"
        raise TooLarge(f"'{name}' holds {long} of {channels} channels; cut out the 10 seconds that you look for")


def checked_rate(rate: float, name: str) -> float:
    """A sampling rate, refused where no ECG has it.

    Raises:
        DamagedFile: not a number from above 0 to 100,000 Hz.
    """
    if not (math.isfinite(rate) and 0 < rate <= MAX_RATE):
        raise DamagedFile(f"'{name}' gives {rate:g} samples per second; an ECG has 100 to 8,000")
    return rate


def assemble(channels: Sequence[Channel], name: str, age: float | None = None, sex: Sex | None = None) -> Recorded:
    """The recording that the channels of a file make up.

    Leads are found by their labels and put in order, limb leads derived from two others; channels that are no lead of
    the twelve are left out. What is more than that is said in a finding.

    Raises:
        LeadsMissing: fewer than I, II and V1 to V6 can be had.
        BadSignal: a lead with long gaps, or channels that were not recorded together.
    """
    leads, findings = _by_lead(channels)
    if not leads:
        labels = ", ".join(channel.label for channel in channels[:8]) or "none"
        raise LeadsMissing(f"'{name}' names no lead of an ECG (its channels: {labels}); bring the 12-lead ECG")
    rate = max(channel.rate for channel in leads.values())
    checked_rate(rate, name)
    if any(channel.rate != rate for channel in leads.values()):
        slow = ", ".join(lead for lead, channel in leads.items() if channel.rate != rate)
        findings.append(Finding("resampled", f"lead {slow} had fewer samples per second; resampled to {rate:g} Hz"))
    leads, lost = _without_lost(leads)
    findings += [Finding("lead_lost", f"lead {lead} holds no sample; it was derived from others") for lead in lost]
    rows = {lead: _at_rate(_bridged(channel), rate) for lead, channel in leads.items()}
    recording = Recording(from_leads(_same_length(rows, name)), rate, age, sex)
    return Recorded(recording, tuple(findings))


def _by_lead(channels: Sequence[Channel]) -> tuple[dict[str, Channel], list[Finding]]:
    """The first channel of each lead, upright; another of the same lead is told of where it differs."""
    leads: dict[str, Channel] = {}
    findings = []
    for channel in channels:
        named = lead_of(channel.label)
        if named is None:
            continue
        lead, sign = named
        upright = Channel(channel.label, sign * channel.samples, channel.rate, channel.skew)
        first = leads.setdefault(lead, upright)
        if first is not upright and not np.array_equal(first.samples, upright.samples, equal_nan=True):
            note = f"the file holds lead {lead} twice and they differ; the first was taken"
            findings.append(Finding("lead_named_twice", note))
    return leads, findings


def _without_lost(leads: dict[str, Channel]) -> tuple[dict[str, Channel], list[str]]:
    """Leave out limb leads without a single sample, which others determine."""
    lost = [lead for lead, channel in leads.items() if not np.isfinite(channel.samples).any()]
    limb = [lead for lead in leads if lead in LEADS[:6] and lead not in lost]
    derived = [lead for lead in lost if lead in LEADS[:6]] if len(limb) >= 2 else []
    chest = [lead for lead in lost if lead not in derived]
    if chest:
        raise LeadsMissing(f"lead {', '.join(chest)} holds no sample; bring the 12-lead ECG")
    return {lead: channel for lead, channel in leads.items() if lead not in derived}, derived


def _bridged(channel: Channel) -> Channel:
    """A gap of a few samples is bridged by a straight line; a longer one stays, for ``Recording`` to refuse."""
    gap = ~np.isfinite(channel.samples)
    if not gap.any() or gap.mean() >= SHORT_GAP:
        return channel
    at = np.arange(len(gap))
    whole = np.where(gap, np.interp(at, at[~gap], channel.samples[~gap]), channel.samples)
    return Channel(channel.label, whole, channel.rate, channel.skew)


def _at_rate(channel: Channel, rate: float) -> Samples:
    """Samples at the moments of a common clock, between neighbours on a straight line."""
    if abs(channel.skew) > LARGEST_SKEW:
        raise BadSignal(
            f"{channel.label} starts {channel.skew:.2f} s apart from the others; leads must be recorded together"
        )
    if (channel.rate == rate and not channel.skew) or not len(channel.samples):
        return channel.samples
    count = round(len(channel.samples) * rate / channel.rate)
    own = np.arange(len(channel.samples)) / channel.rate + channel.skew
    return np.interp(np.arange(count) / rate, own, channel.samples)


def _same_length(rows: dict[str, Samples], name: str) -> dict[str, Samples]:
    """Resampling may leave one sample more or less; leads that differ by more are refused by ``from_leads``."""
    lengths = [len(row) for row in rows.values()]
    if min(lengths) == 0:
        raise DamagedFile(f"'{name}' holds no samples; export it again")
    if max(lengths) - min(lengths) <= 1:
        return {lead: row[: min(lengths)] for lead, row in rows.items()}
    return rows


def known_sex(text: str | None) -> Sex | None:
    """``M``, ``male`` and ``1`` (ISO 5218) or ``F``, ``female`` and ``2``; anything else is not known."""
    known: dict[str, Sex] = {
        "m": "male",
        "male": "male",
        "1": "male",
        "f": "female",
        "female": "female",
        "2": "female",
    }
    return known.get((text or "").strip().lower())


def known_age(value: float | str | None, years: float = 1.0) -> float | None:
    """An age in years from a number of units of ``years`` each; ``None`` where no person has it."""
    try:
        age = float(value) * years if value not in (None, "") else math.nan
    except ValueError:
        return None
    return age if 0 < age <= 120 else None


def age_between(birth: str, day: str) -> float | None:
    """Whole years from a day of birth to the day of the ECG, both ``YYYYMMDD...`` or with dashes."""
    numbers = [re.sub(r"\D", "", text)[:8] for text in (birth, day)]
    if any(len(number) != 8 for number in numbers):
        return None
    (born, recorded) = ((int(number[:4]), int(number[4:])) for number in numbers)
    return known_age(recorded[0] - born[0] - (recorded[1] < born[1]))
