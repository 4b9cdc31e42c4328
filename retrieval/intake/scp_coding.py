"""Undo what SCP-ECG (EN 1064, ISO 11073-91064) does to samples: Huffman codes and differences."""

from __future__ import annotations

import struct
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from retrieval.errors import DamagedFile

Samples = NDArray[np.int64]
DEFAULT_TABLE = 19999
"""Number of tables in section 2 that means the standard's own table."""
MAX_CODES = 4_096


@dataclass(frozen=True)
class Code:
    """One code of a table: after its prefix follow ``extra`` bits of a number, or the table is switched."""

    extra: int
    value: int
    switches: bool = False


Table = dict[tuple[int, int], Code]
"""Codes by length and bits of their prefix."""


def default_table() -> Table:
    """The standard's table: small differences in 1 to 10 bits, others as numbers of 8 or 16 bits."""
    table = {(1, 0): Code(0, 0)}
    for size in range(1, 9):
        ones = (1 << size) - 1
        table[size + 2, ones << 2] = Code(0, size)
        table[size + 2, (ones << 2) | 1] = Code(0, -size)
    return table | {(10, 0b1111111110): Code(8, 0), (10, 0b1111111111): Code(16, 0)}


def read_tables(section: bytes, name: str) -> list[Table]:
    """Tables of section 2.

    Raises:
        DamagedFile: it ends early or holds a code that cannot be.
    """
    (count,) = struct.unpack_from("<H", section)
    if count == DEFAULT_TABLE:
        return [default_table()]
    tables, at, total = [], 2, 0
    for _ in range(count):
        (codes,) = struct.unpack_from("<H", section, at)
        total += codes
        if total > MAX_CODES or at + 2 + 9 * codes > len(section):
            raise DamagedFile(f"the Huffman tables of '{name}' end early; export it again")
        tables.append(dict(_code(section, at + 2 + 9 * i, name) for i in range(codes)))
        at += 2 + 9 * codes
    if not tables or not tables[0]:
        raise DamagedFile(f"'{name}' has no Huffman table although its samples need one; export it again")
    return tables


def _code(section: bytes, at: int, name: str) -> tuple[tuple[int, int], Code]:
    """A code of nine bytes; its prefix is stored with the first bit as the least significant."""
    prefix, whole, mode, value, stored = struct.unpack_from("<BBBhI", section, at)
    prefix, whole = min(prefix, whole), max(prefix, whole)
    if not 1 <= prefix <= 32 or whole - prefix > 32:
        raise DamagedFile(f"'{name}' has a Huffman code of {prefix} bits; export it again")
    bits = int(f"{stored & ((1 << prefix) - 1):0{prefix}b}"[::-1], 2)
    return (prefix, bits), Code(whole - prefix, value, mode == 0)


def unpack_huffman(data: bytes, count: int, tables: list[Table], name: str) -> Samples:
    """``count`` numbers from a stream of codes, the most significant bit of each byte first.

    Raises:
        DamagedFile: the stream ends early or holds no code of the table.
    """
    bits = np.unpackbits(np.frombuffer(data, np.uint8)).tolist()
    longest = [max(length for length, _ in table) if table else 0 for table in tables]
    out, at, number = np.zeros(count, np.int64), 0, 0
    have = 0
    while have < count:
        code, prefix = None, 0
        table = tables[number]
        for length in range(1, longest[number] + 1):
            if at + length > len(bits):
                raise _ends_early(name, have, count)
            prefix = prefix << 1 | bits[at + length - 1]
            code = table.get((length, prefix))
            if code is not None:
                at += length
                break
        if code is None:
            raise DamagedFile(f"'{name}' is damaged: sample {have + 1} of a lead is no code of its Huffman table")
        if code.switches:
            number = _switched(code.value, tables, name)
            continue
        if at + code.extra > len(bits):
            raise _ends_early(name, have, count)
        out[have] = code.value + _number(bits[at : at + code.extra])
        at += code.extra
        have += 1
    return out


def _switched(number: int, tables: list[Table], name: str) -> int:
    if not 1 <= number <= len(tables):
        raise DamagedFile(f"'{name}' is damaged: it asks for Huffman table {number} of {len(tables)}")
    return number - 1


def _number(bits: list[int]) -> int:
    """A number in two's complement."""
    value = 0
    for bit in bits:
        value = value << 1 | bit
    return value - (1 << len(bits)) if bits and bits[0] else value


def _ends_early(name: str, have: int, count: int) -> DamagedFile:
    return DamagedFile(f"'{name}' ends early: {have} of {count} samples of a lead are there; export it again")


def undo_differences(values: Samples, order: int) -> Samples:
    """Samples from their first or second differences; they are of 16 bits and wrap around as their writer's did."""
    if order == 0 or len(values) < 2:
        return values
    if order == 1:
        whole = np.cumsum(values)
    else:
        slopes = np.cumsum(np.concatenate([[values[1] - values[0]], values[2:]]))
        whole = np.concatenate([values[:1], values[0] + np.cumsum(slopes)])
    return whole.astype(np.int16).astype(np.int64)
