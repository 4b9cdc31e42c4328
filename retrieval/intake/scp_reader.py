"""Read SCP-ECG (EN 1064, ISO 11073-91064): sections 1, 3 and 6, with 2, 4 and 5 where section 6 needs them."""

from __future__ import annotations

import binascii
import math
import struct
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from retrieval.ecg.recording import Sex
from retrieval.errors import DamagedFile, NoWaveform, TooLarge, UnsupportedFormat
from retrieval.intake.channels import Channel, age_between, assemble, check_amount, known_age, known_sex
from retrieval.intake.opening import Opened, Recorded, Source
from retrieval.intake.result import Finding
from retrieval.intake.scp_coding import Table, read_tables, undo_differences, unpack_huffman

Samples = NDArray[np.int64]
HEADER = 16
"""Bytes before the content of a section: its checksum, number, length, versions and six reserved ones."""
LEAD_NAMES: dict[int, str] = {
    1: "I", 2: "II", **{code: f"V{code - 2}" for code in range(3, 9)},
    61: "III", 62: "aVR", 63: "aVL", 64: "aVF", 65: "-aVR",
}  # fmt: skip
MAX_SECTIONS = 1_000
MAX_BEATS = 5_000
AGE_YEARS = {1: 1.0, 2: 1 / 12, 3: 1 / 52.18, 4: 1 / 365.25, 5: 1 / 8766}
SUBTRACTED = 1
"""Bit of section 3: a reference beat was taken away from each beat of the rhythm."""


@dataclass(frozen=True)
class Lead:
    """One lead of section 3: samples from ``start`` to ``end``, counted from 1."""

    code: int
    start: int
    end: int

    @property
    def samples(self) -> int:
        """How many there are."""
        return self.end - self.start + 1


@dataclass(frozen=True)
class Block:
    """Decoded samples of section 5 or 6: nanovolts of a step, microseconds of a sample, and a row for each lead."""

    nanovolts: int
    microseconds: int
    rows: list[Samples]


def open_scp(source: Source) -> Opened:
    """An SCP-ECG file, of which the rhythm in section 6 is the one record.

    Raises:
        NoWaveform: no rhythm in it; a reference beat is never read as one.
        DamagedFile: its sections do not lie where the file says.
    """
    sections = _sections(source)
    if 6 not in sections or 3 not in sections:
        lacks = "rhythm (section 6)" if 6 not in sections else "list of leads (section 3)"
        raise NoWaveform(f"'{source.name}' is an SCP-ECG file without {lacks}; export the recorded ECG")
    return Opened("scp", 1, lambda _: _record(sections, source))


def is_scp(head: bytes, size: int) -> bool:
    """Whether the first bytes are those of an SCP-ECG record: section 0, which names itself since version 1.0."""
    if len(head) < 6 + HEADER or head[8:10] != b"\0\0":
        return False
    (record,) = struct.unpack_from("<I", head, 2)
    (length,) = struct.unpack_from("<I", head, 10)
    named = head[16:22] == b"SCPECG"
    return named or (record == size and HEADER <= length < size and length % 10 == 6)


def _sections(source: Source) -> dict[int, bytes]:
    """Content of each section by its number, without its header."""
    data, name = source.data, source.name
    (length,) = struct.unpack_from("<I", data, 10)
    if not HEADER <= length <= min(len(data) - 6, HEADER + 10 * MAX_SECTIONS):
        raise DamagedFile(f"'{name}' has a list of sections of {length:,} bytes; it is truncated or damaged")
    found = {}
    for at in range(6 + HEADER, 6 + length - 9, 10):
        number, size, place = struct.unpack_from("<HII", data, at)
        if size <= HEADER or number in found or number > 11:
            continue
        if not 1 <= place <= len(data) - size + 1:
            raise DamagedFile(f"section {number} of '{name}' ends behind the file: it is truncated; fetch it again")
        section = data[place - 1 : place - 1 + size]
        if struct.unpack_from("<H", section, 2)[0] != number:
            raise DamagedFile(f"section {number} of '{name}' does not lie where the file says; export it again")
        found[number] = section[HEADER:]
    return found


def _record(sections: dict[int, bytes], source: Source) -> Recorded:
    name = source.name
    leads, flags = _leads(sections[3], name)
    tables = read_tables(sections[2], name) if 2 in sections else None
    rhythm = _block(sections[6], [lead.samples for lead in leads], tables, name)
    if sections[6][5] and source.data[14] < 30 and _interval(sections.get(5)) not in (None, rhythm.microseconds):
        raise UnsupportedFormat(f"'{name}' is packed bimodally, which cannot be read; export it as XML, DICOM or PDF")
    nanovolts, rows = rhythm.nanovolts, rhythm.rows
    if flags & SUBTRACTED:
        nanovolts, rows = _with_beats(sections, leads, rhythm, tables, name)
    if nanovolts <= 0:
        raise DamagedFile(f"'{name}' says a step of its samples is 0 nanovolts; export it again")
    channels = _channels(leads, rows, nanovolts, 1e6 / rhythm.microseconds)
    age, sex = _patient(sections.get(1, b""))
    return _with_checksum(assemble(channels, name, age, sex), source)


def _channels(leads: list[Lead], rows: list[Samples], nanovolts: int, rate: float) -> list[Channel]:
    """Leads in mV; one whose samples begin later than the others' is told so."""
    first, millivolts = min(lead.start for lead in leads), nanovolts * 1e-6
    return [
        Channel(
            LEAD_NAMES.get(lead.code, f"code {lead.code}"),
            row.astype(np.float64) * millivolts,
            rate,
            (lead.start - first) / rate,
        )
        for lead, row in zip(leads, rows, strict=True)
    ]


def _leads(section: bytes, name: str) -> tuple[list[Lead], int]:
    """Leads of section 3, and its flags."""
    count, flags = section[0], section[1]
    check_amount(count, 0, name)
    if count == 0 or len(section) < 2 + 9 * count:
        raise DamagedFile(f"'{name}' lists {count} leads in {len(section)} bytes; export it again")
    leads = []
    for i in range(count):
        start, end, code = struct.unpack_from("<IIB", section, 2 + 9 * i)
        if start < 1 or end < start:
            raise DamagedFile(f"lead {i + 1} of '{name}' goes from sample {start} to {end}; export it again")
        leads.append(Lead(code, start, end))
    check_amount(count, max(lead.samples for lead in leads), name)
    return leads, flags


def _interval(section: bytes | None) -> int | None:
    return struct.unpack_from("<H", section, 2)[0] if section and len(section) >= 6 else None


def _block(section: bytes, counts: list[int], tables: list[Table] | None, name: str) -> Block:
    """Samples of section 5 or 6."""
    if len(section) < 6 + 2 * len(counts):
        raise DamagedFile(f"'{name}' ends early: the sizes of its leads are not there; fetch it again")
    nanovolts, microseconds, order = struct.unpack_from("<HHB", section)
    sizes = struct.unpack_from(f"<{len(counts)}H", section, 6)
    if microseconds == 0 or order > 2:
        raise DamagedFile(f"'{name}' has samples of {microseconds} microseconds and differences of order {order}")
    at, rows = 6 + 2 * len(counts), []
    for count, size in zip(counts, sizes, strict=True):
        packed = section[at : at + size]
        rows.append(undo_differences(_numbers(packed, count, tables, name), order))
        at += size
    return Block(nanovolts, microseconds, rows)


def _numbers(packed: bytes, count: int, tables: list[Table] | None, name: str) -> Samples:
    if count > 8 * len(packed):  # no code is shorter than a bit
        raise DamagedFile(f"'{name}' ends early: a lead of {count:,} samples has {len(packed):,} bytes")
    if tables is not None:
        return unpack_huffman(packed, count, tables, name)
    if len(packed) < 2 * count:
        raise DamagedFile(f"'{name}' ends early: {len(packed) // 2} of {count} samples of a lead are there")
    return np.frombuffer(packed, "<i2", count).astype(np.int64)


def _with_beats(
    sections: dict[int, bytes], leads: list[Lead], rhythm: Block, tables: list[Table] | None, name: str
) -> tuple[int, list[Samples]]:
    """Nanovolts and rows after the reference beat was put back where section 4 says that it was taken away."""
    if 4 not in sections or 5 not in sections:
        raise DamagedFile(
            f"'{name}' lacks the reference beat (sections 4 and 5) that its samples need; export it again"
        )
    milliseconds, fiducial, beats = struct.unpack_from("<HHH", sections[4])
    if beats > MAX_BEATS:
        raise TooLarge(f"'{name}' lists {beats:,} beats; a resting ECG has under a hundred")
    interval = _interval(sections[5])
    if interval != rhythm.microseconds:
        raise UnsupportedFormat(f"'{name}' has beat and rhythm at two rates, which cannot be read; export it as XML")
    count = round(milliseconds * 1000 / rhythm.microseconds)
    check_amount(len(leads), count, name)
    beat = _block(sections[5], [count] * len(leads), tables, name)
    step = math.gcd(beat.nanovolts, rhythm.nanovolts)
    if step == 0 or 0 in (beat.nanovolts, rhythm.nanovolts):
        raise DamagedFile(f"'{name}' says a step of its samples is 0 nanovolts; export it again")
    spans = [struct.unpack_from("<HIII", sections[4], 6 + 14 * i) for i in range(beats)]
    rows = [
        _put_back(row * (rhythm.nanovolts // step), one * (beat.nanovolts // step), lead, spans, fiducial)
        for row, one, lead in zip(rhythm.rows, beat.rows, leads, strict=True)
    ]
    return step, rows


def _put_back(row: Samples, beat: Samples, lead: Lead, spans: list[tuple[int, ...]], fiducial: int) -> Samples:
    """Add the beat of type 0 wherever it was subtracted; places are counted from 1."""
    row = row.copy()
    for kind, start, place, end in spans:
        if kind != 0:
            continue
        offset = place - fiducial
        first, last = max(start, lead.start, offset + 1), min(end, lead.end, offset + len(beat))
        if last >= first:
            row[first - lead.start : last - lead.start + 1] += beat[first - offset - 1 : last - offset]
    return row


def _patient(section: bytes) -> tuple[float | None, Sex | None]:
    """Age and sex of section 1; the other fields, names among them, are passed over."""
    tags = _tags(section)
    age, sex = None, known_sex(str(tags[8][0])) if tags.get(8) else None
    if len(tags.get(4, b"")) >= 3:
        number, unit = struct.unpack_from("<HB", tags[4])
        age = known_age(number, AGE_YEARS[unit]) if unit in AGE_YEARS else None
    if age is None and min(len(tags.get(tag, b"")) for tag in (5, 25)) >= 4:
        born, recorded = ("{:04d}{:02d}{:02d}".format(*struct.unpack_from("<HBB", tags[tag])) for tag in (5, 25))
        age = age_between(born, recorded)
    return age, sex


def _tags(section: bytes) -> dict[int, bytes]:
    """Fields of section 1 by their number, the first of each."""
    tags: dict[int, bytes] = {}
    at = 0
    while at + 3 <= len(section) and section[at] != 255:
        (size,) = struct.unpack_from("<H", section, at + 1)
        tags.setdefault(section[at], section[at + 3 : at + 3 + size])
        at += 3 + size
    return tags


def _with_checksum(recorded: Recorded, source: Source) -> Recorded:
    """Say it where the checksum of the record (CRC-CCITT) is not that of its bytes: exporters forget it."""
    given, size = struct.unpack_from("<HI", source.data)
    record = source.data[2:size] if 6 < size <= len(source.data) else source.data[2:]
    if checksum(record) == given:
        return recorded
    note = "the checksum of the file is not that of its content, which may have been changed"
    return Recorded(recorded.recording, (*recorded.findings, Finding("checksum", note, 0.5)))


def checksum(data: bytes) -> int:
    """CRC-CCITT of EN 1064: polynomial 0x1021, start value 0xFFFF."""
    return binascii.crc_hqx(data, 0xFFFF)
