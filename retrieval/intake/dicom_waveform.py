"""Read the rhythm waveforms of a DICOM ECG: never the median beat, and never the patient's name."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from retrieval.errors import BadSignal, DamagedFile, LeadsMissing, NoWaveform
from retrieval.intake.channels import Channel, assemble, check_amount, checked_rate, lead_of, unit_in_millivolts
from retrieval.intake.dicom_reader import patient
from retrieval.intake.opening import Opened, Recorded

SCPECG_LEADS: dict[str, str] = {
    "1": "I", "2": "II", "61": "III", "62": "aVR", "63": "aVL", "64": "aVF", "65": "-aVR",
    **{str(code): f"V{code - 2}" for code in range(3, 9)},
}  # fmt: skip
"""Numbers of leads in SCP-ECG (EN 1064), which DICOM context group 3001 writes as ``5.6.3-9-n``."""
MDC_LEADS: dict[str, str] = {f"2:{code}": lead for code, lead in SCPECG_LEADS.items()}
"""The same leads in the MDC scheme (ISO 11073), as later editions of DICOM write them."""
STORED_AS: dict[tuple[str, int], str] = {
    ("SB", 8): "i1", ("UB", 8): "u1", ("SS", 16): "i2", ("US", 16): "u2", ("SL", 32): "i4", ("UL", 32): "u4",
    ("SV", 64): "i8", ("UV", 64): "u8",
}  # fmt: skip
BEAT_SECONDS = 2.5
"""A derived group that is shorter is an averaged beat, whatever its label says."""

NEEDED = (
    "SamplingFrequency", "NumberOfWaveformSamples", "NumberOfWaveformChannels", "WaveformSampleInterpretation",
    "WaveformBitsAllocated", "ChannelDefinitionSequence",
)  # fmt: skip


def open_waveform(dataset: Any, name: str) -> Opened:
    """A DICOM waveform with a record for each rhythm group: those with twelve leads first, the longest before others.

    Raises:
        NoWaveform: a median beat only.
    """
    groups = _rhythm_groups(dataset, name)
    return Opened("dicom_waveform", len(groups), lambda number: _record(dataset, groups[number - 1], name))


def _rhythm_groups(dataset: Any, name: str) -> list[Any]:
    """Groups that hold a recorded rhythm, in the order in which they are tried; derived ones are averaged beats."""
    rhythm = [group for group in dataset.WaveformSequence if not _is_median_beat(group)]
    if not rhythm:
        raise NoWaveform(f"'{name}' holds a median beat only, which shows no rhythm; export the recorded ECG")
    return sorted(rhythm, key=lambda group: (_has_leads(group), _seconds(group)), reverse=True)


def _is_median_beat(group: Any) -> bool:
    label = str(group.get("MultiplexGroupLabel") or "").upper()
    derived = str(group.get("WaveformOriginality") or "").upper() == "DERIVED"
    return "MEDIAN" in label or "AVERAGE" in label or (derived and _seconds(group) < BEAT_SECONDS)


def _seconds(group: Any) -> float:
    return float(group.get("NumberOfWaveformSamples") or 0) / max(float(group.get("SamplingFrequency") or 0), 1e-9)


def _has_leads(group: Any) -> bool:
    """Whether the chest leads and two limb leads are among the channels, by name alone."""
    found = {lead for channel in group.get("ChannelDefinitionSequence") or [] if (lead := _label(channel))}
    bare = {lead.removeprefix("-") for lead in found}
    return all(f"V{i}" in bare for i in range(1, 7)) and len(bare & {"I", "II", "III", "aVR", "aVL", "aVF"}) >= 2


def _record(dataset: Any, group: Any, name: str) -> Recorded:
    absent = [element for element in NEEDED if element not in group]
    if absent:
        raise DamagedFile(f"the waveform of '{name}' lacks {', '.join(absent)} (truncated?); export it again")
    rate = checked_rate(float(group.get("SamplingFrequency") or 0), name)
    stored = _stored(group, name, ">" if _is_big_endian(dataset) else "<")
    definitions = list(group.ChannelDefinitionSequence)
    if len(definitions) != stored.shape[1]:
        raise DamagedFile(f"'{name}' defines {len(definitions)} of its {stored.shape[1]} channels; export it again")
    labels = [_label(channel) for channel in definitions]
    if not any(labels):
        raise LeadsMissing(f"'{name}' names none of its {len(labels)} channels as a lead of the ECG")
    channels = [
        Channel(label, _millivolts(stored[:, i], channel), rate, _skew(channel, rate))
        for i, (label, channel) in enumerate(zip(labels, definitions, strict=True))
        if label is not None
    ]
    age, sex = patient(dataset)
    return assemble(channels, name, age, sex)


def _is_big_endian(dataset: Any) -> bool:
    encoding = getattr(dataset, "original_encoding", (None, True))
    return encoding[1] is False


def _stored(group: Any, name: str, order: str) -> NDArray[np.float64]:
    """Stored values ``[samples, channels]``, NaN where the group's padding value marks that nothing was recorded."""
    samples, channels = int(group.NumberOfWaveformSamples), int(group.NumberOfWaveformChannels)
    check_amount(channels, samples, name, float(group.SamplingFrequency))
    key = str(group.WaveformSampleInterpretation), int(group.WaveformBitsAllocated)
    if key not in STORED_AS:
        raise DamagedFile(f"'{name}' stores its samples as {key[0]} of {key[1]} bits, expected SS of 16 or the like")
    kind, raw = np.dtype(order + STORED_AS[key]), bytes(group.get("WaveformData") or b"")
    if len(raw) < samples * channels * kind.itemsize or not samples * channels:
        raise DamagedFile(
            f"'{name}' ends early: {len(raw) // kind.itemsize} of {samples * channels} samples are there"
        )
    data = np.frombuffer(raw, kind, samples * channels).reshape(samples, channels)
    values, padding = data.astype(np.float64), group.get("WaveformPaddingValue")
    if isinstance(padding, bytes) and len(padding) >= kind.itemsize:
        values[data == np.frombuffer(padding, kind, 1)[0]] = np.nan
    return values


def _millivolts(stored: NDArray[np.float64], channel: Any) -> NDArray[np.float64]:
    """``stored * sensitivity * correction + baseline``, the baseline being in the unit already (PS3.3 C.10.9.1.4)."""
    if "ChannelSensitivity" not in channel:
        raise BadSignal("a channel of the waveform gives no sensitivity, so its millivolts are not known")
    units = channel.get("ChannelSensitivityUnitsSequence")
    unit = str(units[0].get("CodeValue") or "") if units else "uV"
    correction = channel.get("ChannelSensitivityCorrectionFactor")
    gain = float(channel.ChannelSensitivity) * (1.0 if correction is None else float(correction))
    baseline = float(channel.get("ChannelBaseline") or 0.0)
    return (stored * gain + baseline) * unit_in_millivolts(unit)


def _skew(channel: Any, rate: float) -> float:
    """Seconds by which a channel's samples are later than the group's: given in seconds, or in samples."""
    if "ChannelTimeSkew" in channel and channel.ChannelTimeSkew is not None:
        return float(channel.ChannelTimeSkew)
    return float(channel.get("ChannelSampleSkew") or 0.0) / rate


def _label(channel: Any) -> str | None:
    """Name of a channel's lead by its code, else by the words of its meaning or label; ``None`` for no lead."""
    sources = channel.get("ChannelSourceSequence") or []
    for source in sources:
        code = str(source.get("CodeValue") or "").strip()
        lead = SCPECG_LEADS.get(code.removeprefix("5.6.3-9-")) if code.startswith("5.6.3-9-") else MDC_LEADS.get(code)
        if lead is not None:
            return lead
    words = [str(source.get("CodeMeaning") or "") for source in sources] + [str(channel.get("ChannelLabel") or "")]
    return next((text for text in words if lead_of(text) is not None), None)
