"""The vectors of one generation, read from the database: all of them, or those that an earlier one does not have."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from index.blocks import Block, Matrix, Numbers, Rows, block_over, empty_buffer, vectors_in
from index.choice import is_small
from index.errors import BadVector, GalleryDamaged
from index.store import count_cases

UNIT_TOLERANCE = 1e-4
"""How far a vector's length may be from 1; float32 rounding of a 1,024-long unit vector stays below 1e-6."""
_READ_AT_ONCE = 4096


def unit_rows(vectors: ArrayLike, dim: int, what: str) -> NDArray[np.float32]:
    """``vectors`` as contiguous float32 ``[n, dim]``, checked.

    Raises:
        BadVector: when the shape is another, a value is not finite, or a row is not of length 1.
    """
    found = np.ascontiguousarray(vectors, dtype=np.float32)
    if found.ndim != 2 or found.shape[1] != dim:
        raise BadVector(f"{what} have the shape {list(found.shape)}; this gallery needs [n, {dim}]")
    bad = np.flatnonzero(~np.isfinite(found).all(axis=1))
    if bad.size:
        raise BadVector(f"{what}: row {bad[0]} holds values that are not finite numbers")
    length = np.sqrt(np.square(found, dtype=np.float64).sum(axis=1))
    bad = np.flatnonzero(np.abs(length - 1) > UNIT_TOLERANCE)
    if bad.size:
        raise BadVector(f"{what}: row {bad[0]} has the length {length[bad[0]]:.6g}; divide each row by its length")
    return found


def is_intact(vector: object, sha256: object, dim: int) -> bool:
    """Whether a stored vector is what was added; a damaged database may give a value of any kind."""
    return isinstance(vector, bytes) and len(vector) == 4 * dim and hashlib.sha256(vector).digest() == sha256


def read_rows(connection: sqlite3.Connection, folder: Path, dim: int, generation: int, old: Rows | None) -> Rows:
    """The rows of the database's present generation; those that ``old`` has are not read again.

    A case number is never used twice and its vector never changes, so an old row is right as long as its case exists.
    A small last block is copied into one with the new cases; others stay where they are, with those rows marked whose
    case was deleted.

    Raises:
        GalleryDamaged: when a vector is not what was added, naming its case.
    """
    last = int(old.numbers[-1]) if old is not None and len(old.numbers) else 0
    numbers, case_ids = _read_numbers(connection, last)
    vectors = _read_vectors(connection, folder, dim, numbers)
    if old is None:
        return Rows(generation, (_filled(dim, numbers, case_ids, vectors),))
    alive = _alive(connection, folder, old, count_cases(connection) - len(numbers))
    kept = old.blocks[:-1] if is_small(len(old.blocks[-1].numbers), dim) else old.blocks
    start = sum(len(block.numbers) for block in kept)
    moved = np.arange(start, len(old.numbers)) if alive is None else start + np.flatnonzero(alive[start:])
    case_ids = [old.case_id(row) for row in moved.tolist()] + case_ids
    vectors = chain([old.vectors(moved)], vectors)
    tail = _filled(dim, np.concatenate([old.numbers[moved], numbers]), case_ids, vectors)
    if not kept:
        return Rows(generation, (tail,))
    if alive is not None:
        alive = np.concatenate([alive[:start], np.ones(len(tail.numbers), bool)])
    blocks = (*kept, tail) if len(tail.numbers) else kept
    return Rows(generation, blocks, None if alive is None or alive.all() else alive, old.mapped)


def _alive(connection: sqlite3.Connection, folder: Path, old: Rows, expected: int) -> NDArray[np.bool_] | None:
    """Which of the old rows have a case still; None where all have. ``expected`` is how many cases they should be."""
    if expected == len(old):
        return old.alive  # numbers are never used again, so as many as before are the same as before
    last = int(old.numbers[-1]) if len(old.numbers) else 0
    # Found in the smallest of the table's indexes; the cases themselves would be far more to read.
    found = connection.execute("SELECT number FROM cases")
    there = np.fromiter((number for (number,) in found), np.int64)
    alive = np.isin(old.numbers, there[there <= last], assume_unique=True)
    if np.count_nonzero(alive) != expected:
        raise GalleryDamaged(
            f"{folder}: {expected} cases are older than the last change, yet {np.count_nonzero(alive)} of them have "
            "vectors; restore cases.db from a copy"
        )
    return alive


def _filled(dim: int, numbers: Numbers, case_ids: list[str], parts: Iterable[Matrix]) -> Block:
    """A block whose vectors come in parts, written where FAISS will read them, so that none is held twice."""
    buffer = empty_buffer(len(numbers), dim)
    matrix, start = vectors_in(buffer, len(numbers), dim), 0
    for part in parts:
        matrix[start : start + len(part)] = part
        start += len(part)
    return block_over(buffer, numbers, case_ids)


def _read_numbers(connection: sqlite3.Connection, after: int) -> tuple[Numbers, list[str]]:
    """The numbers of all cases after one, ascending, and their ids."""
    found = connection.execute("SELECT number, case_id FROM cases WHERE number > ? ORDER BY number", (after,))
    pairs = found.fetchall()
    return np.fromiter((number for number, _ in pairs), np.int64, len(pairs)), [case_id for _, case_id in pairs]


def _read_vectors(connection: sqlite3.Connection, folder: Path, dim: int, numbers: Numbers) -> Iterator[Matrix]:
    """The vectors of those numbers, ascending, a part ``[m, dim]`` at a time."""
    if not len(numbers):
        return
    sql = "SELECT number, vector, sha256 FROM vectors WHERE number >= ? ORDER BY number"
    found = connection.execute(sql, (int(numbers[0]),))
    for start in range(0, len(numbers), _READ_AT_ONCE):
        expected = numbers[start : start + _READ_AT_ONCE].tolist()
        part = found.fetchmany(len(expected))
        for wanted, (number, vector, sha256) in zip(expected, part, strict=False):
            if number != wanted or not is_intact(vector, sha256, dim):
                raise GalleryDamaged(
                    f"{folder}: the vector of case number {wanted} is not what was added; restore cases.db"
                )
        if len(part) < len(expected):
            raise GalleryDamaged(f"{folder}: a case has no vector; restore cases.db from a copy")
        yield np.frombuffer(b"".join(vector for _, vector, _ in part), "<f4").reshape(-1, dim)
    if found.fetchone() is not None:
        raise GalleryDamaged(f"{folder}: a vector belongs to no case; restore cases.db from a copy")
