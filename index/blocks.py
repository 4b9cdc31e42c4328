"""Vectors in the form in which FAISS scans them where they lie: in memory, or in a mapped file.

A block is the bytes that FAISS itself would write for an ``IndexFlatIP``, read back without a copy. So the same code
serves a gallery of a hundred cases and one of a million whose vectors stay on the disk until they are looked at.
"""

from __future__ import annotations

import importlib
import struct
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import compress
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Bytes = NDArray[np.uint8]
Matrix = NDArray[np.float32]
Numbers = NDArray[np.int64]

_CACHE_LINE = 64


@dataclass(frozen=True)
class Block:
    """A run of cases with their vectors.

    Args:
        numbers: ``[n]`` case numbers, ascending.
        case_ids: their ids.
        index: a ``faiss.IndexFlatIP`` over their vectors.
        buffer: the bytes that ``index`` reads; held here, since FAISS keeps a bare pointer into them.
    """

    numbers: Numbers
    case_ids: Sequence[str]
    index: Any  # faiss has no types
    buffer: Bytes

    @property
    def matrix(self) -> Matrix:
        """``[n, dim]``, a view of what FAISS reads; do not write into it."""
        return vectors_in(self.buffer, len(self.numbers), self.index.d)


@dataclass(frozen=True)
class Rows:
    """The vectors of one generation: blocks one after another, whose rows are counted through.

    Args:
        generation: the generation they belong to.
        blocks: the first may be older than this generation; the last holds the cases added since.
        alive: ``[n]``, the rows whose case was not deleted since; all where None.
        mapped: whether the first block is the cache file itself.
    """

    generation: int
    blocks: tuple[Block, ...]
    alive: NDArray[np.bool_] | None = None
    mapped: bool = False

    def __len__(self) -> int:
        """How many cases there are; with deleted ones among them there are more rows."""
        return len(self.numbers) if self.alive is None else int(np.count_nonzero(self.alive))

    @cached_property
    def numbers(self) -> Numbers:
        """``[n]`` case numbers of all rows, ascending, deleted ones among them."""
        if len(self.blocks) == 1:
            return self.blocks[0].numbers
        return np.concatenate([block.numbers for block in self.blocks])

    @cached_property
    def starts(self) -> list[int]:
        """The row at which each block begins."""
        return np.cumsum([0, *(len(block.numbers) for block in self.blocks[:-1])]).tolist()

    @property
    def dim(self) -> int:
        """The length of a vector."""
        return self.blocks[0].index.d

    def positions(self, numbers: ArrayLike) -> Numbers:
        """The rows of those case numbers that are in this generation, in the order given."""
        wanted = np.asarray(numbers, dtype=np.int64)
        found = np.searchsorted(self.numbers, wanted)
        inside = found < len(self.numbers)
        found, wanted = found[inside], wanted[inside]
        found = found[self.numbers[found] == wanted]
        return found if self.alive is None else found[self.alive[found]]

    def case_id(self, row: int) -> str:
        """The id of the case in a row."""
        block = bisect_right(self.starts, row) - 1
        return self.blocks[block].case_ids[row - self.starts[block]]

    def all_ids(self) -> Iterator[str]:
        """The ids of the cases there are, in the order of their numbers."""
        for start, block in zip(self.starts, self.blocks, strict=True):
            here = None if self.alive is None else self.alive[start : start + len(block.numbers)].tolist()
            yield from block.case_ids if here is None else compress(block.case_ids, here)

    def vectors(self, rows: ArrayLike | None = None) -> Matrix:
        """The vectors ``[m, dim]`` of those rows, or of every case in the order of their numbers; a copy."""
        if rows is None:
            if self.alive is None:
                return np.concatenate([block.matrix for block in self.blocks])
            rows = np.flatnonzero(self.alive)
        wanted = np.asarray(rows, dtype=np.int64)
        found = np.empty((len(wanted), self.dim), np.float32)
        for start, block in zip(self.starts, self.blocks, strict=True):
            here = (wanted >= start) & (wanted < start + len(block.numbers))
            found[here] = block.matrix[wanted[here] - start]
        return found


def flat_header(count: int, dim: int) -> bytes:
    """What FAISS writes before the vectors ``[count, dim]`` of an ``IndexFlatIP``.

    Taken from an empty index of this FAISS, with the two counts put in: of vectors, and of numbers in them.
    """
    import faiss

    header = bytearray(faiss.serialize_index(faiss.IndexFlatIP(dim)).tobytes())
    struct.pack_into("<q", header, 8, count)
    struct.pack_into("<Q", header, len(header) - 8, count * dim)
    return bytes(header)


def empty_buffer(count: int, dim: int) -> Bytes:
    """The bytes of an ``IndexFlatIP`` of ``count`` vectors still to be filled in, which begin on a cache line."""
    header = flat_header(count, dim)
    size = len(header) + 4 * count * dim
    room = np.empty(size + _CACHE_LINE, np.uint8)
    shift = -(room.ctypes.data + len(header)) % _CACHE_LINE
    buffer = room[shift : shift + size]
    buffer[: len(header)] = np.frombuffer(header, np.uint8)
    return buffer


def vectors_in(buffer: Bytes, count: int, dim: int) -> Matrix:
    """The vectors ``[count, dim]`` at the end of the bytes of an ``IndexFlatIP``, a view."""
    return buffer[len(buffer) - 4 * count * dim :].view("<f4").reshape(count, dim)


def block_over(buffer: Bytes, numbers: Numbers, case_ids: Sequence[str]) -> Block:
    """A block over the bytes of an ``IndexFlatIP``, which are not copied.

    Raises:
        RuntimeError: when this FAISS does not know them.
    """
    faiss: Any = importlib.import_module("faiss")  # its stubs lack this reader
    reader = faiss.ZeroCopyIOReader(faiss.swig_ptr(buffer), buffer.size)
    return Block(numbers, case_ids, faiss.read_index(reader), buffer)


def block_of(matrix: Matrix, numbers: Numbers, case_ids: Sequence[str]) -> Block:
    """A block in memory of the vectors ``[n, dim]``, which are copied."""
    buffer = empty_buffer(*matrix.shape)
    vectors_in(buffer, *matrix.shape)[:] = matrix
    return block_over(buffer, numbers, case_ids)
