"""XLI as Philips' devices write it: second differences, high bytes before low ones, LZW with codes of ten bits."""

from __future__ import annotations

import struct
from collections.abc import Sequence

import numpy as np

FULL = (1 << 10) - 2


def pack_xli(leads: Sequence[np.ndarray]) -> bytes:
    blocks = []
    for lead in leads:
        values = lead.astype(np.int64)
        words = np.empty(len(values), np.int64)
        words[:2] = values[:2]
        bends = 2 * values[1:-1] - values[:-2] - values[2:]
        words[2:-1] = bends[1:] + 64
        words[-1] = 64
        words = words.astype(np.int16).view(np.uint16)
        raw = (words >> 8).astype(np.uint8).tobytes() + (words & 255).astype(np.uint8).tobytes()
        body = pack_lzw(raw)
        blocks.append(struct.pack("<ihh", len(body), 0, int(bends[0])) + body)
    return b"".join(blocks)


def pack_lzw(data: bytes) -> bytes:
    table = {bytes([value]): value for value in range(256)}
    codes, word = [], b""
    for value in data:
        longer = word + bytes([value])
        if longer in table:
            word = longer
            continue
        codes.append(table[word])
        if len(table) <= FULL:
            table[longer] = len(table)
        word = bytes([value])
    codes += [table[word]] if word else []
    codes.append(1023)
    bits = "".join(f"{code:010b}" for code in codes)
    bits += "0" * (-len(bits) % 8)
    return int(bits, 2).to_bytes(len(bits) // 8, "big")
