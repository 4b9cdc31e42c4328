"""Read the XML that GE's MUSE exports (root ``RestingECG``): eight leads of 16-bit samples, the rhythm only."""

from __future__ import annotations

import base64
import binascii
import zlib
from xml.etree.ElementTree import Element

import numpy as np
from numpy.typing import NDArray

from retrieval.errors import DamagedFile, NoWaveform
from retrieval.intake.channels import Channel, assemble, check_amount, known_age, known_sex, unit_in_millivolts
from retrieval.intake.opening import Opened, Recorded, Source
from retrieval.intake.result import Finding
from retrieval.intake.xml_tree import number_in, parse_xml, text_of

AGE_UNITS = {"YEARS": 1.0, "MONTHS": 1 / 12, "WEEKS": 1 / 52.18, "DAYS": 1 / 365.25, "HOURS": 1 / 8766}


def open_muse(source: Source) -> Opened:
    """A MUSE file, with one record for each waveform of the type Rhythm; the median beat is never read.

    Raises:
        NoWaveform: no rhythm in it.
        DamagedFile: not well-formed.
    """
    root = parse_xml(source)
    waveforms = [wave for wave in root.iter("Waveform") if text_of(wave, "WaveformType").upper() != "MEDIAN"]
    if not waveforms:
        holds = "a median beat only" if root.find(".//Waveform") is not None else "no waveform"
        raise NoWaveform(f"'{source.name}' holds {holds}; export the ECG with its rhythm")
    return Opened("muse", len(waveforms), lambda number: _record(root, waveforms[number - 1], source))


def _record(root: Element, waveform: Element, source: Source) -> Recorded:
    name = source.name
    exponent = number_in(text_of(waveform, "SampleExponent") or "0", "the exponent of its rate", name)
    if abs(exponent) > 6:
        raise DamagedFile(f"'{name}' gives 10^{exponent:g} as the scale of its sampling rate; export it again")
    rate = number_in(text_of(waveform, "SampleBase"), "its sampling rate", name) * 10.0**exponent
    data = waveform.findall("LeadData")
    check_amount(len(data), 0, name)
    checked = [_matches_checksum(lead, name) for lead in data]
    if False in checked and True in checked:
        bad = ", ".join(text_of(lead, "LeadID") for lead, good in zip(data, checked, strict=True) if good is False)
        raise DamagedFile(f"lead {bad} of '{name}' does not match its checksum; export the ECG again")
    channels = [Channel(text_of(lead, "LeadID"), _millivolts(lead, name), rate) for lead in data]
    patient = root.find("PatientDemographics")
    age = known_age(text_of(patient, "PatientAge"), AGE_UNITS.get(text_of(patient, "AgeUnits").upper(), 1.0))
    recorded = assemble(channels, name, age, known_sex(text_of(patient, "Gender")))
    return Recorded(recorded.recording, (*recorded.findings, *_findings(data, False in checked)))


def _findings(data: list[Element], unchecked: bool) -> list[Finding]:
    found = [
        Finding("lead_off", f"the device noted that the electrode of lead {text_of(lead, 'LeadID')} was off")
        for lead in data
        if text_of(lead, "LeadOff").upper() == "TRUE"
    ]
    if unchecked:
        found.append(Finding("checksum", "no lead matches the checksum that the file gives for it", 0.3))
    return found


def _stored(lead: Element, name: str) -> bytes:
    """Bytes of a lead's samples."""
    text = text_of(lead, "WaveFormData")
    try:
        return base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError) as error:
        raise DamagedFile(f"the samples of lead {text_of(lead, 'LeadID')} in '{name}' are cut ({error})") from error


def _matches_checksum(lead: Element, name: str) -> bool | None:
    """Whether the CRC-32 is that of the bytes; ``None`` where the file gives none."""
    given = text_of(lead, "LeadDataCRC32")
    if not given.isdigit() or int(given) == 0:
        return None
    return zlib.crc32(_stored(lead, name)) == int(given)


def _millivolts(lead: Element, name: str) -> NDArray[np.float64]:
    """Samples of one lead: 16 bits, least significant byte first, times the amplitude of a bit."""
    data, label = _stored(lead, name), text_of(lead, "LeadID")
    size = text_of(lead, "LeadSampleSize") or "2"
    if size != "2":
        raise DamagedFile(f"lead {label} of '{name}' has samples of {size[:8]} bytes; 2 are expected")
    count = int(number_in(text_of(lead, "LeadSampleCountTotal") or str(len(data) // 2), "its samples", name))
    check_amount(12, count, name)
    if count < 1 or len(data) < 2 * count:
        raise DamagedFile(f"lead {label} of '{name}' ends early: {len(data) // 2} of {count} samples are there")
    units = number_in(text_of(lead, "LeadAmplitudeUnitsPerBit"), f"the amplitude of a bit of lead {label}", name)
    factor = unit_in_millivolts(text_of(lead, "LeadAmplitudeUnits") or "MICROVOLTS")
    return np.frombuffer(data, "<i2", count).astype(np.float64) * units * factor
