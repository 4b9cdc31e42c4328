"""MFER (ISO 11073-92001): a standard 12-lead ECG of 16 bits, big endian, in blocks."""

from __future__ import annotations

import struct

import numpy as np

from retrieval.ecg.recording import LEADS, Recording
from tests.retrieval.intake.makers.scp import CODES


def mfer(recording: Recording, microvolts: int = 5) -> bytes:
    rows = np.stack([np.round(recording.lead(lead) * 1000 / microvolts) for lead in LEADS]).astype(">i2")
    samples, interval = rows.shape[1], round(1e6 / recording.rate)
    parts = [
        _item(0x40, b"MFR Standard 12 leads ECG".ljust(32)),
        _item(0x01, b"\0"),
        _item(0x08, struct.pack(">H", 1)),
        _item(0x0B, struct.pack(">BbH", 1, -6, interval)),
        _item(0x0C, struct.pack(">BbH", 0, -6, microvolts)),
        _item(0x0A, b"\0"),
        _item(0x04, struct.pack(">I", samples)),
        _item(0x05, struct.pack(">I", 12)),
        _item(0x06, struct.pack(">I", 1)),
    ]
    for channel, lead in enumerate(LEADS):
        own = _item(0x09, bytes([CODES[lead]]))
        parts.append(bytes([0x3F, channel, len(own)]) + own)
    parts += [_item(0x84, b"\x02"), _item(0x1E, rows.tobytes()), b"\x80\0"]
    return b"".join(parts)


def _item(tag: int, value: bytes) -> bytes:
    size = bytes([len(value)]) if len(value) < 128 else b"\x84" + struct.pack(">I", len(value))
    return bytes([tag]) + size + value
