"""SCP-ECG: sections 0, 1, 3 and 6, with a Huffman table, differences and a subtracted reference beat on demand."""

from __future__ import annotations

import struct
from collections.abc import Sequence

import numpy as np

from retrieval.ecg.recording import LEADS, Recording
from retrieval.intake.scp_reader import checksum
from tests.retrieval.intake.makers.xml import stored

CODES = {"I": 1, "II": 2, "III": 61, "aVR": 62, "aVL": 63, "aVF": 64} | {f"V{i}": i + 2 for i in range(1, 7)}


def scp(
    recording: Recording, microvolts: float = 5.0, leads: Sequence[str] = LEADS, order: int = 0,
    huffman: str = "", beats: Sequence[int] = (), tables: int = 19999, bimodal: bool = False,
) -> bytes:  # fmt: skip
    """``huffman`` is empty, ``default`` or ``own``; ``beats`` are fiducial samples at which a beat is taken away."""
    rows = [stored(recording, microvolts)[lead].astype(np.int64) for lead in leads]
    interval, step = round(1e6 / recording.rate), round(microvolts * 1000)
    sections = {1: _patient(), 3: _lead_list(leads, rows[0].size, bool(len(beats)))}
    if huffman:
        sections[2] = struct.pack("<H", tables) if huffman == "default" else own_table()
    if len(beats):
        before, after = 20, 60
        shapes = [row[beats[0] - before : beats[0] + after].copy() for row in rows]
        spans = [(0, at - before + 1, at + 1, at + after) for at in beats]
        for row, shape in zip(rows, shapes, strict=True):
            for at in beats:
                row[at - before : at + after] -= shape
        length = round((before + after) * interval / 1000)
        sections[4] = struct.pack("<HHH", length, before + 1, len(spans))
        sections[4] += b"".join(struct.pack("<HIII", *span) for span in spans)
        sections[5] = _samples(shapes, step, interval, order, huffman, 0)
    sections[6] = _samples(rows, step, interval, order, huffman, int(bimodal))
    return record_of(sections)


def record_of(sections: dict[int, bytes]) -> bytes:
    whole = {number: _section(number, body) for number, body in sections.items()}
    size = 16 + 10 * 12
    at, pointers, parts = 6 + size + 1, [struct.pack("<HII", 0, size, 7)], []
    for number in range(1, 12):
        part = whole.get(number, b"")
        pointers.append(struct.pack("<HII", number, len(part), at if part else 0))
        parts.append(part)
        at += len(part)
    record = _section(0, b"".join(pointers), b"SCPECG") + b"".join(parts)
    record = struct.pack("<I", len(record) + 6) + record
    return struct.pack("<H", checksum(record)) + record


def _section(number: int, body: bytes, reserved: bytes = bytes(6)) -> bytes:
    body += bytes(len(body) % 2)
    head = struct.pack("<HIBB", number, len(body) + 16, 20, 20) + reserved
    return struct.pack("<H", checksum(head + body)) + head + body


def _patient() -> bytes:
    tags = {0: b"Mustermann\0", 4: struct.pack("<HB", 58, 1), 8: b"\x02", 2: b"4711\0"}
    return b"".join(struct.pack("<BH", tag, len(value)) + value for tag, value in tags.items()) + b"\xff\0\0"


def _lead_list(leads: Sequence[str], samples: int, subtracted: bool) -> bytes:
    flags = int(subtracted) | 4 | (len(leads) << 3)
    body = struct.pack("<BB", len(leads), flags)
    return body + b"".join(struct.pack("<IIB", 1, samples, CODES[lead]) for lead in leads)


def _samples(rows: Sequence[np.ndarray], step: int, interval: int, order: int, huffman: str, bimodal: int) -> bytes:
    packed = []
    for row in rows:
        values = row.copy()
        for _ in range(order):
            values[1:] = np.diff(values)
        if order == 2:  # the first two numbers are samples, as the standard has it
            values[1] = row[1]
        packed.append(_huffman(values, huffman) if huffman else values.astype("<i2").tobytes())
    packed = [part + bytes(len(part) % 2) for part in packed]
    head = struct.pack("<HHBB", step, interval, order, bimodal)
    return head + struct.pack(f"<{len(packed)}H", *map(len, packed)) + b"".join(packed)


def own_table() -> bytes:
    """One table of two codes: ``0`` means 0 and ``1`` is followed by a number of 16 bits."""
    codes = [(1, 1, 1, 0, 0), (1, 17, 1, 0, 1)]
    return struct.pack("<HH", 1, len(codes)) + b"".join(struct.pack("<BBBhI", *code) for code in codes)


def _huffman(values: np.ndarray, kind: str) -> bytes:
    bits = "".join(_code(int(value)) if kind == "default" else _own_code(int(value)) for value in values)
    bits += "0" * (-len(bits) % 8)
    return int(bits, 2).to_bytes(len(bits) // 8, "big")


def _code(value: int) -> str:
    if value == 0:
        return "0"
    if abs(value) <= 8:
        return "1" * abs(value) + "0" + str(int(value < 0))
    if -128 <= value < 128:
        return "1111111110" + f"{value & 0xFF:08b}"
    return "1111111111" + f"{value & 0xFFFF:016b}"


def _own_code(value: int) -> str:
    return "0" if value == 0 else "1" + f"{value & 0xFFFF:016b}"
