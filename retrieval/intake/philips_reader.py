"""Read Philips' ECG XML (root ``restingecgdata``, Sierra 1.03 to 1.04.02), packed with XLI or not."""

from __future__ import annotations

import base64
import binascii
from xml.etree.ElementTree import Element

import numpy as np
from numpy.typing import NDArray

from retrieval.ecg.recording import LEADS
from retrieval.errors import BadSignal, DamagedFile, NoWaveform, UnsupportedFormat
from retrieval.intake.channels import (
    Channel,
    age_between,
    assemble,
    check_amount,
    checked_rate,
    known_age,
    known_sex,
    lead_of,
)
from retrieval.intake.opening import Opened, Recorded, Source
from retrieval.intake.xli import decode_xli
from retrieval.intake.xml_tree import number_in, parse_xml, text_of

Stored = NDArray[np.int64]
FALSE = frozenset({"false", "0", "no"})


def open_philips(source: Source) -> Opened:
    """A Philips file, of which the parsed waveforms are the one record; representative beats are never read.

    Raises:
        NoWaveform: no parsed waveforms in it.
        DamagedFile: not well-formed.
    """
    root = parse_xml(source)
    waves = next(root.iter("parsedwaveforms"), None)
    if waves is None:
        raise NoWaveform(f"'{source.name}' holds no recorded waveform (parsedwaveforms); export the ECG with it")
    return Opened("philips", 1, lambda _: _record(root, waves, source.name))


def _record(root: Element, waves: Element, name: str) -> Recorded:
    signal = next(root.iter("signalcharacteristics"), None)
    given = waves.get("samplespersecond") or text_of(signal, "samplingrate")
    rate = checked_rate(number_in(given, "its sampling rate", name), name)
    duration = number_in(waves.get("durationperchannel") or "", "the duration of its leads", name)
    labels, samples = _labels(waves, signal, name), round(duration * rate / 1000)
    check_amount(len(labels), samples, name, rate)
    stored = _stored(waves, signal, labels, samples, name)
    microvolts = _resolution(waves, signal, name)
    zero = number_in(_given(waves, signal, "signaloffset") or "0", "the offset of its samples", name)
    channels = [
        Channel(label, (row.astype(np.float64) - zero) * (microvolts / 1000.0), rate)
        for label, row in zip(labels, stored, strict=True)
    ]
    age, sex = _patient(root)
    return assemble(channels, name, age, known_sex(sex))


def _labels(waves: Element, signal: Element | None, name: str) -> list[str]:
    """Names of the leads in their order; a standard set needs none."""
    names = (waves.get("leadlabels") or "").split()
    count = waves.get("numberofleads") if names else text_of(signal, "numberchannelsallocated")
    if count:
        check_amount(int(number_in(count, "the number of its leads", name)), 0, name)
    if names:
        return names[: int(float(count))] if count else names
    leads = text_of(signal, "acquisitiontype") or text_of(signal, "leadset")
    if leads.upper() not in {"STD-12", "10-WIRE"} or not count:
        raise DamagedFile(
            f"'{name}' neither names its leads nor says that they are the standard ones ('{leads[:20]}')"
        )
    return list(LEADS[: int(float(count))])


def _stored(waves: Element, signal: Element | None, labels: list[str], samples: int, name: str) -> list[Stored]:
    """Stored integers of each lead."""
    packing, text = _packing(waves), (waves.text or "")
    if packing not in {"", "XLI"}:
        raise UnsupportedFormat(f"'{name}' is packed with '{packing[:20]}'; XLI and none can be read")
    if (waves.get("dataencoding") or "Base64").lower() == "plain" and not packing:
        return _rows(np.array(text.split(), dtype=np.int64), len(labels), samples, name)
    try:
        data = base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError) as error:
        raise DamagedFile(f"the samples of '{name}' are cut ({error}); export it again") from error
    if packing:
        return _whole_limbs(decode_xli(data, len(labels), samples, name), labels, name)
    signed = _given(waves, signal, "signalsigned").lower() not in FALSE
    values = np.frombuffer(data[: len(data) // 2 * 2], "<i2" if signed else "<u2").astype(np.int64)
    return _rows(values, len(labels), samples, name)


def _packing(waves: Element) -> str:
    if (waves.get("compressflag") or "").lower() in FALSE:
        return ""
    method = (waves.get("compression") or waves.get("compressmethod") or "").upper()
    return "" if method in {"UNCOMPRESSED", "NONE"} else method


def _rows(values: Stored, leads: int, samples: int, name: str) -> list[Stored]:
    """One lead after the other."""
    if samples < 1 or len(values) < leads * samples:
        raise DamagedFile(f"'{name}' ends early: {len(values)} of {leads * samples} samples are there")
    return list(values[: leads * samples].reshape(leads, samples))


def _whole_limbs(rows: list[Stored], labels: list[str], name: str) -> list[Stored]:
    """XLI stores of four limb leads only what the other leads do not tell; halves are rounded down."""
    named = [lead_of(label) for label in labels[:6]]
    if named != [(lead, 1) for lead in LEADS[:6]]:
        if any(lead and lead[0] in LEADS[2:6] for lead in named):
            raise DamagedFile(f"'{name}' has its packed leads in an order that is not known: {' '.join(labels[:12])}")
        return rows
    one, two, three, avr, avl, avf = rows[:6]
    third = two - one - three
    limbs = [one, two, third, -avr - (one + two) // 2, (one - third) // 2 - avl, (two + third) // 2 - avf]
    return [*limbs, *rows[6:]]


def _resolution(waves: Element, signal: Element | None, name: str) -> float:
    """Microvolts of one step."""
    given = waves.get("resolution") or text_of(signal, "resolution") or text_of(signal, "signalresolution")
    if not given:
        raise BadSignal(f"'{name}' gives no resolution of its samples, so their millivolts are not known")
    return number_in(given, "the resolution of its samples", name)


def _given(waves: Element, signal: Element | None, name: str) -> str:
    return waves.get(name) or text_of(signal, name)


def _patient(root: Element) -> tuple[float | None, str]:
    """Age and sex; ``defaultage`` is a setting of the device and no patient's age."""
    person = next(root.iter("generalpatientdata"), None)
    acquired = next(root.iter("dataacquisition"), None)
    day = (acquired.get("date") or "") if acquired is not None else ""
    age = known_age(text_of(person, "age/years"))
    if age is None:
        age = age_between(text_of(person, "age/dateofbirth") or text_of(person, "dateofbirth"), day)
    return age, text_of(person, "sex")
