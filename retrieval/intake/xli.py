"""Undo XLI, the compression of Philips' ECG files: LZW with codes of ten bits over second differences of 16 bits.

Each lead is a block: eight bytes of header (bytes that follow, int32; two unused; a start value, int16), then LZW.
Its codes are read from the most significant bit on; the dictionary stops growing when it is full. What comes out
holds the high bytes of all words first and the low bytes after them. The first two words are samples, each later one
belongs to the sample after it: ``s[i] = 2 s[i-1] - s[i-2] - (w[i-1] - 64)``, where the start value stands for
``w[1] - 64``.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from retrieval.errors import DamagedFile

CODE_BITS = 10
LAST_CODE = (1 << CODE_BITS) - 2
HEADER_BYTES = 8


def decode_xli(data: bytes, leads: int, samples: int, name: str) -> list[NDArray[np.int64]]:
    """The first ``samples`` of each of ``leads`` blocks, as stored integers.

    Raises:
        DamagedFile: fewer blocks or samples than the file says.
    """
    found, at = [], 0
    for lead in range(leads):
        header = data[at : at + HEADER_BYTES]
        size = int.from_bytes(header[:4], "little", signed=True)
        if len(header) < HEADER_BYTES or not 0 < size <= len(data) - at - HEADER_BYTES:
            raise DamagedFile(f"'{name}' ends early: {lead} of {leads} leads are whole; export it again")
        block = data[at + HEADER_BYTES : at + HEADER_BYTES + size]
        words = _words(unpack_lzw(block, 2 * samples + 64, name))
        if len(words) < max(samples, 2):
            raise DamagedFile(f"lead {lead + 1} of '{name}' ends early: {len(words)} of {samples} samples are there")
        found.append(_samples(words, int.from_bytes(header[6:8], "little", signed=True))[:samples])
        at += HEADER_BYTES + size
    return found


def unpack_lzw(data: bytes, limit: int, name: str) -> bytes:
    """LZW with codes of ten bits, refused when it unpacks to more than ``limit`` bytes.

    Raises:
        DamagedFile: a code that cannot stand where it does, or more bytes than the limit.
    """
    table = [bytes([value]) for value in range(256)]
    out, before = bytearray(), b""
    for code in _codes(data):
        if code > LAST_CODE:
            break
        if code < len(table):
            entry = table[code]
        elif code == len(table) and before:
            entry = before + before[:1]
        else:
            raise DamagedFile(f"'{name}' is damaged: its packed samples hold a code that cannot stand there")
        if before and len(table) <= LAST_CODE:
            table.append(before + entry[:1])
        out += entry
        before = entry
        if len(out) > limit:
            raise DamagedFile(f"'{name}' is damaged: a lead unpacks to more samples than the file says it has")
    return bytes(out)


def _codes(data: bytes) -> list[int]:
    """Ten bits at a time, the most significant first; bits left over at the end are padding."""
    bits = np.unpackbits(np.frombuffer(data, np.uint8))
    whole = bits[: len(bits) // CODE_BITS * CODE_BITS].reshape(-1, CODE_BITS)
    return (whole @ (1 << np.arange(CODE_BITS - 1, -1, -1))).tolist()


def _words(raw: bytes) -> NDArray[np.int64]:
    values = np.frombuffer(raw + b"\0" * (len(raw) % 2), np.uint8)
    half = len(values) // 2
    words = (values[:half].astype(np.uint16) << 8) | values[half:]
    return words.view(np.int16).astype(np.int64)


def _samples(words: NDArray[np.int64], start: int) -> NDArray[np.int64]:
    bends = np.concatenate([[start], words[2:-1] - 64])[: len(words) - 2]
    slopes = (words[1] - words[0]) - np.cumsum(bends)
    return np.concatenate([words[:2], words[1] + np.cumsum(slopes)])
