"""Read EDF, EDF+ (Kemp 1992, 2003) and BDF: the ECG channels alone, scaled as the header says."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from retrieval.errors import BadSignal, DamagedFile, NoWaveform
from retrieval.intake.channels import (
    Channel,
    age_between,
    assemble,
    check_amount,
    checked_rate,
    known_sex,
    lead_of,
    unit_in_millivolts,
)
from retrieval.intake.opening import Opened, Recorded, Source
from retrieval.intake.xml_tree import number_in

MAGIC = {b"0       ": 2, b"\xffBIOSEMI": 3}
"""First eight bytes, and the bytes of a sample: EDF has 16 bits, BDF 24."""
HEADER, SIGNAL_HEADER = 256, 256
FIELDS = {"label": 16, "transducer": 80, "unit": 8, "low": 8, "high": 8, "digital_low": 8, "digital_high": 8,
          "filter": 80, "samples": 8, "reserved": 32}  # fmt: skip
MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")


@dataclass(frozen=True)
class Signal:
    """One signal of the header; ``place`` is where its samples begin in each data record."""

    fields: dict[str, str]
    samples: int
    place: int


def open_edf(source: Source) -> Opened:
    """An EDF file as one record.

    Raises:
        DamagedFile: the header ends early or is not of EDF.
        TooLarge: more samples than a resting ECG has.
    """
    width = MAGIC[source.data[:8]]
    signals = _signals(source)
    return Opened("edf", 1, lambda _: _record(source, signals, width))


def _signals(source: Source) -> list[Signal]:
    data, name = source.data, source.name
    count = _whole(data[252:256], "the number of its signals", name)
    check_amount(count, 0, name)
    if count < 1 or len(data) < HEADER + SIGNAL_HEADER * count:
        raise DamagedFile(f"'{name}' ends within the header of its {count} signals; fetch it again")
    columns, at = {}, HEADER
    for field, size in FIELDS.items():
        columns[field] = [_text(data[at + i * size : at + (i + 1) * size]) for i in range(count)]
        at += size * count
    signals, place = [], 0
    for i in range(count):
        samples = _whole(columns["samples"][i].encode(), f"the samples of signal {i + 1}", name)
        check_amount(1, samples, name)
        signals.append(Signal({field: column[i] for field, column in columns.items()}, samples, place))
        place += samples
    return signals


def _record(source: Source, signals: list[Signal], width: int) -> Recorded:
    data, name = source.data, source.name
    leads = [signal for signal in signals if lead_of(signal.fields["label"]) is not None]
    if not leads:
        labels = ", ".join(signal.fields["label"] for signal in signals[:8])
        raise NoWaveform(f"'{name}' names no lead of an ECG (its signals: {labels}); bring the 12-lead ECG")
    duration = _number(data[244:252], "the duration of its data records", name)
    if duration <= 0:
        raise DamagedFile(f"'{name}' has data records of {duration:g} s; export it again")
    records = _data_records(source, signals, width)
    check_amount(len(leads), records * max(lead.samples for lead in leads), name)
    start = HEADER + SIGNAL_HEADER * len(signals)
    each = sum(signal.samples for signal in signals) * width
    raw = np.frombuffer(data, np.uint8, records * each, start).reshape(records, each)
    _check_without_gaps(raw, signals, duration, width, source)
    channels = [_channel(raw, lead, duration, width, name) for lead in leads]
    age, sex = _patient(data)
    return assemble(channels, name, age, known_sex(sex))


def _data_records(source: Source, signals: list[Signal], width: int) -> int:
    """Number of data records; -1 in the header of a recording that was not closed means as many as there are."""
    data, name = source.data, source.name
    given = _whole(data[236:244], "the number of its data records", name)
    each = sum(signal.samples for signal in signals) * width
    there = (len(data) - HEADER - SIGNAL_HEADER * len(signals)) // max(each, 1)
    if given < 0:
        given = there
    if given == 0 or there < given:
        raise DamagedFile(f"'{name}' is truncated: {there} of {given} data records are there; fetch it again")
    return given


def _channel(raw: NDArray[np.uint8], lead: Signal, duration: float, width: int, name: str) -> Channel:
    """Samples of one lead in mV: the digital range is laid onto the physical one."""
    label = lead.fields["label"]
    scale = {
        field: _number(lead.fields[field].encode(), f"the {field.replace('_', ' ')} limit of '{label}'", name)
        for field in ("low", "high", "digital_low", "digital_high")
    }
    digital = scale["digital_high"] - scale["digital_low"]
    if digital == 0 or scale["high"] == scale["low"]:
        raise DamagedFile(f"'{name}' gives '{label}' a range of nothing; export it again")
    gain = (scale["high"] - scale["low"]) / digital
    values = (_integers(raw, lead, width) - scale["digital_low"]) * gain + scale["low"]
    rate = checked_rate(lead.samples / duration, name)
    return Channel(label, values * unit_in_millivolts(lead.fields["unit"]), rate)


def _integers(raw: NDArray[np.uint8], signal: Signal, width: int) -> NDArray[np.float64]:
    own = np.ascontiguousarray(raw[:, signal.place * width : (signal.place + signal.samples) * width])
    if width == 2:
        return own.reshape(-1).view("<i2").astype(np.float64)
    parts = own.reshape(-1, 3).astype(np.int32)
    values = parts[:, 0] | parts[:, 1] << 8 | parts[:, 2] << 16
    return np.where(values >= 1 << 23, values - (1 << 24), values).astype(np.float64)


def _check_without_gaps(
    raw: NDArray[np.uint8], signals: list[Signal], duration: float, width: int, source: Source
) -> None:
    """EDF+D may leave time out between its data records, each of which says when it begins.

    Raises:
        BadSignal: a gap, or no times that could rule one out.
    """
    if source.data[192:197] not in {b"EDF+D", b"BDF+D"}:
        return
    marks = [signal for signal in signals if signal.fields["label"] in {"EDF Annotations", "BDF Annotations"}]
    onsets = [_onset(raw[i], marks[0], width) for i in range(len(raw))] if marks else []
    known = [onset for onset in onsets if onset is not None]
    if not onsets or len(known) < len(onsets) or np.abs(np.diff(known) - duration).max(initial=0.0) > duration / 1000:
        raise BadSignal(f"'{source.name}' is an interrupted recording (EDF+D) with gaps; cut out a part without one")


def _onset(record: NDArray[np.uint8], marks: Signal, width: int) -> float | None:
    text = bytes(record[marks.place * width : (marks.place + marks.samples) * width])
    found = re.match(rb"([+-]\d+(?:\.\d*)?)\x14", text)
    return float(found[1]) if found else None


def _patient(data: bytes) -> tuple[float | None, str]:
    """Age and sex of EDF+'s field ``code sex birthdate name``; code and name are not taken."""
    parts = _text(data[8:88]).split()
    if len(parts) < 3 or not _text(data[192:197]).startswith(("EDF+", "BDF+")):
        return None, ""
    day, month, year = (*parts[2].upper().split("-"), "", "", "")[:3]
    born = f"{year}{MONTHS.index(month) + 1:02d}{day:0>2}" if month in MONTHS else ""
    date = re.fullmatch(r"(\d\d)\.(\d\d)\.(\d\d)", _text(data[168:176]))
    begun = f"{('19' if date[3] >= '85' else '20') + date[3]}{date[2]}{date[1]}" if date else ""
    return age_between(born, begun), parts[1]


def _text(field: bytes) -> str:
    return field.decode("latin-1").strip(" \0")


def _number(field: bytes, what: str, name: str) -> float:
    return number_in(_text(field).replace(",", "."), what, name)


def _whole(field: bytes, what: str, name: str) -> int:
    return int(_number(field, what, name))
