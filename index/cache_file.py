"""The file ``vectors.faiss``: what FAISS writes for an ``IndexFlatIP``, and behind it which row is which case.

``faiss.read_index`` reads the file and does not look at what follows. All of it is mapped into memory and nothing is
interpreted before it is needed, so that a million cases open as quickly as ten.

Layout, little-endian: the FAISS index; ``n`` case numbers (int64); ``n + 1`` ends of the ids in the text (uint64,
from 0); the ids (UTF-8, one after another); the tail: ``NBTROWS1``, ``n``, ``dim``, bytes of text (uint64 each), and
the SHA-256 of the name by which the gallery tells the bundle that made the vectors.
"""

from __future__ import annotations

import hashlib
import os
import struct
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import BinaryIO, overload

import numpy as np
from numpy.typing import NDArray

from index.blocks import Block, Bytes, Rows, block_over, flat_header
from index.store import sync_folder

TAIL = struct.Struct("<8sQQQ32s")
MAGIC = b"NBTROWS1"
_CHUNK_BYTES = 2**22


class PackedIds(Sequence[str]):
    """The ids of a mapped file: one is read when it is asked for.

    Args:
        ends: ``[n + 1]`` where each id ends in the text, from 0.
        text: the ids, UTF-8.
    """

    def __init__(self, ends: NDArray[np.uint64], text: Bytes) -> None:
        self._ends = ends
        self._text = text

    def __len__(self) -> int:
        return len(self._ends) - 1

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> list[str]: ...
    def __getitem__(self, index: int | slice) -> str | list[str]:
        if isinstance(index, slice):
            return [self[place] for place in range(*index.indices(len(self)))]
        if not 0 <= index < len(self):
            raise IndexError(index)
        return self._text[int(self._ends[index]) : int(self._ends[index + 1])].tobytes().decode()


def cache_bytes(rows: Rows, bundle: str) -> Iterator[bytes]:
    """The content of the file for the cases of ``rows``, a piece at a time: no second copy of the vectors is made."""
    count, dim = len(rows), rows.dim
    yield flat_header(count, dim)
    every = np.arange(len(rows.numbers)) if rows.alive is None else np.flatnonzero(rows.alive)
    at_once = max(1, _CHUNK_BYTES // (4 * dim))
    for start in range(0, count, at_once):
        yield rows.vectors(every[start : start + at_once]).astype("<f4", copy=False).tobytes()
    yield rows.numbers[every].astype("<i8").tobytes()
    ids = [case_id.encode() for case_id in rows.all_ids()]
    yield np.cumsum([0, *map(len, ids)], dtype="<u8").tobytes()
    text = b"".join(ids)
    yield text
    yield TAIL.pack(MAGIC, count, dim, len(text), hashlib.sha256(bundle.encode()).digest())


def write_durably(path: Path, content: Iterable[bytes]) -> tuple[int, str]:
    """Write a file under another name, force it to the disk, rename it over the old one; its length and SHA-256.

    Raises:
        OSError: when it cannot be written; the old file stands as it was.
    """
    unfinished = path.with_name(f"{path.name}.new")
    length, whole = 0, hashlib.sha256()
    try:
        with unfinished.open("wb") as file:
            for piece in content:
                file.write(piece)
                whole.update(piece)
                length += len(piece)
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(path)
    except OSError:
        unfinished.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)
    return length, whole.hexdigest()


def mapped(file: BinaryIO) -> Bytes:
    """The bytes of an open file, read when they are looked at; the file may be closed or replaced meanwhile."""
    if os.name == "nt":  # a mapped file cannot be replaced there
        return np.frombuffer(file.read(), np.uint8)
    # Copy-on-write: FAISS takes its bytes as writable, and nothing may ever reach the file.
    return np.memmap(file, np.uint8, "c")


def block_in(content: Bytes, dim: int, bundle: str) -> Block | None:
    """The block in a whole cache file; ``None`` when its layout is not this one or its vectors are another bundle's.

    The bytes must be those that were written: FAISS loads damaged ones without a word.
    """
    if len(content) < TAIL.size:
        return None
    magic, count, width, text, digest = TAIL.unpack(content[-TAIL.size :].tobytes())
    if (magic, width, digest) != (MAGIC, dim, hashlib.sha256(bundle.encode()).digest()):
        return None
    stop = len(content) - TAIL.size - text
    ends_at = stop - 8 * (count + 1)
    numbers_at = ends_at - 8 * count
    if numbers_at != len(flat_header(count, dim)) + 4 * count * dim:
        return None
    numbers = content[numbers_at:ends_at].view("<i8").astype(np.int64)  # aligned, since every search looks into it
    ids = PackedIds(content[ends_at:stop].view("<u8"), content[stop : stop + text])
    try:
        return block_over(content[:numbers_at], numbers, ids)
    except RuntimeError:  # a FAISS that writes another format
        return None
