"""Read the rhythm waveform of a DICOM ECG: never the median beat, and never the patient's name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from retrieval.ecg.recording import Recording, Sex, from_leads
from retrieval.errors import BadSignal, DamagedFile, LeadsMissing, NoWaveform, TooLarge

MILLIVOLTS: dict[str, float] = {"mv": 1.0, "uv": 1e-3, "µv": 1e-3, "v": 1e3, "nv": 1e-6}
SCPECG_LEADS: dict[str, str] = {
    "1": "I", "2": "II", "61": "III", "62": "aVR", "63": "aVL", "64": "aVF",
    **{str(code): f"V{code - 2}" for code in range(3, 9)},
}  # fmt: skip
"""Numbers of leads in SCP-ECG (EN 1064), which DICOM context group 3001 writes as ``5.6.3-9-n``."""
MDC_LEADS: dict[str, str] = {
    "2:1": "I", "2:2": "II", "2:61": "III", "2:62": "aVR", "2:63": "aVL", "2:64": "aVF",
    **{f"2:{code}": f"V{code - 2}" for code in range(3, 9)},
}  # fmt: skip
"""The same leads in the MDC scheme (ISO 11073), as later editions of DICOM write them."""
MAX_SAMPLES = 12 * 1000 * 3600


def read_dicom(path: Path) -> Recording:
    """Read the 12-lead rhythm group of a DICOM file, in mV.

    Each sample is ``(stored + baseline) * sensitivity * correction`` in the channel's unit (PS3.3 C.10.9.1.4.2);
    the baseline is given in that unit already.

    Raises:
        NoWaveform: a DICOM object without a waveform, or with a median beat only.
        LeadsMissing: no rhythm group from which the 12 leads can be had.
        DamagedFile: not to be parsed, or its samples end early.
    """
    dataset = _dataset(path)
    groups = _rhythm_groups(dataset, path.name)
    missing: LeadsMissing | None = None
    for group in groups:
        try:
            signal = from_leads(_leads(group, path.name))
        except LeadsMissing as error:
            missing = missing or error
            continue
        age, sex = _patient(dataset)
        return Recording(signal, float(group.SamplingFrequency), age, sex)
    raise missing or NoWaveform(f"'{path.name}' holds no rhythm waveform")


def _dataset(path: Path) -> Any:
    import pydicom

    try:
        return pydicom.dcmread(path, force=True)
    except Exception as error:  # pydicom raises whatever its parser stumbles over
        raise DamagedFile(f"'{path.name}' cannot be parsed as DICOM (truncated?): {error}") from error


def _rhythm_groups(dataset: Any, name: str) -> list[Any]:
    """Groups that hold a recorded rhythm, the longest first; derived ones are averaged beats."""
    if not len(dataset) or "SOPClassUID" not in dataset:
        raise DamagedFile(f"'{name}' is not a whole DICOM object: it lacks its SOP class; export it again")
    groups = list(dataset.get("WaveformSequence") or [])
    if not groups:
        kind = dataset.SOPClassUID.name
        raise NoWaveform(
            f"'{name}' is a DICOM object ({kind}) without a waveform; export the ECG as 12-lead waveform"
        )
    rhythm = [group for group in groups if not _is_median_beat(group)]
    if not rhythm:
        raise NoWaveform(f"'{name}' holds a median beat only, which shows no rhythm; export the recorded ECG")
    return sorted(rhythm, key=_seconds, reverse=True)


def _is_median_beat(group: Any) -> bool:
    label = str(group.get("MultiplexGroupLabel") or "").upper()
    derived = str(group.get("WaveformOriginality") or "").upper() == "DERIVED"
    return "MEDIAN" in label or "AVERAGE" in label or (derived and _seconds(group) < 2.5)


def _seconds(group: Any) -> float:
    return float(group.get("NumberOfWaveformSamples") or 0) / max(float(group.get("SamplingFrequency") or 0), 1e-9)


def _leads(group: Any, name: str) -> dict[str, np.ndarray]:
    """Leads of a group by name, each ``[samples]`` in mV."""
    stored = _stored(group, name)
    leads: dict[str, np.ndarray] = {}
    for i, channel in enumerate(group.ChannelDefinitionSequence):
        lead = _channel_lead(channel)
        if lead is not None:
            leads.setdefault(lead, _millivolts(stored[:, i], channel))
    return leads


def _stored(group: Any, name: str) -> np.ndarray:
    """Stored integers ``[samples, channels]``, as float64."""
    samples, channels = int(group.NumberOfWaveformSamples), int(group.NumberOfWaveformChannels)
    if samples * channels > MAX_SAMPLES:
        raise TooLarge(f"'{name}' holds {_seconds(group) / 60:.0f} minutes; cut out 10 seconds")
    kinds = {
        ("SB", 8): "i1",
        ("UB", 8): "u1",
        ("SS", 16): "<i2",
        ("US", 16): "<u2",
        ("SL", 32): "<i4",
        ("UL", 32): "<u4",
    }
    key = str(group.WaveformSampleInterpretation), int(group.WaveformBitsAllocated)
    if key not in kinds:
        raise DamagedFile(f"'{name}' stores its samples as {key[0]} of {key[1]} bits, expected SS of 16 or the like")
    data = np.frombuffer(group.WaveformData, dtype=kinds[key])
    if len(data) < samples * channels:
        raise DamagedFile(f"'{name}' ends early: {len(data)} of {samples * channels} samples are there")
    return data[: samples * channels].reshape(samples, channels).astype(np.float64)


def _millivolts(stored: np.ndarray, channel: Any) -> np.ndarray:
    if "ChannelSensitivity" not in channel:
        raise BadSignal("a channel of the waveform gives no sensitivity, so its millivolts are not known")
    units = channel.get("ChannelSensitivityUnitsSequence")
    unit = str(units[0].CodeValue) if units else "uV"
    if unit.lower() not in MILLIVOLTS:
        raise BadSignal(f"a channel of the waveform is in '{unit}'; an ECG is in one of {', '.join(MILLIVOLTS)}")
    correction = channel.get("ChannelSensitivityCorrectionFactor")
    gain = float(channel.ChannelSensitivity) * (1.0 if correction is None else float(correction))
    baseline = float(channel.get("ChannelBaseline") or 0.0)
    return (stored * gain + baseline) * MILLIVOLTS[unit.lower()]


def _channel_lead(channel: Any) -> str | None:
    """Name of a channel's lead by its code, else by the words of its meaning or label."""
    sources = channel.get("ChannelSourceSequence") or []
    for source in sources:
        code = str(source.get("CodeValue") or "")
        lead = SCPECG_LEADS.get(code.removeprefix("5.6.3-9-")) if code.startswith("5.6.3-9-") else MDC_LEADS.get(code)
        if lead is not None:
            return lead
    words = [str(source.get("CodeMeaning") or "") for source in sources] + [str(channel.get("ChannelLabel") or "")]
    return next((lead for text in words if (lead := _named(text)) is not None), None)


def _named(text: str) -> str | None:
    known = {lead.upper(): lead for lead in SCPECG_LEADS.values()}
    bare = text.upper().replace("LEAD", " ").replace("(EINTHOVEN)", " ").strip(" _-")
    return known.get(bare)


def _patient(dataset: Any) -> tuple[float | None, Sex | None]:
    """Age in years and sex; ages in months, weeks and days are years in part (PS3.5, VR AS)."""
    text = str(dataset.get("PatientAge") or "")
    years = {"Y": 1.0, "M": 1 / 12, "W": 1 / 52.18, "D": 1 / 365.25}.get(text[-1:])
    age = int(text[:-1]) * years if years and text[:-1].isdigit() else None
    known: dict[str, Sex] = {"F": "female", "M": "male"}
    return age, known.get(str(dataset.get("PatientSex") or ""))
