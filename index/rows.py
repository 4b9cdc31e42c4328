"""The vectors of one generation in memory: which row is which case, and the FAISS index that scans them."""

from __future__ import annotations

import hashlib
import sqlite3
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from index.errors import BadVector, GalleryDamaged

UNIT_TOLERANCE = 1e-4
"""How far a vector's length may be from 1; float32 rounding of a 1,024-long unit vector stays below 1e-6."""


@dataclass(frozen=True)
class Rows:
    """The vectors of one generation, in the order in which the cases were added.

    Args:
        generation: the generation they belong to.
        numbers: ``[n]`` case numbers, ascending.
        case_ids: their ids.
        index: a ``faiss.IndexFlatIP`` over the same rows.
    """

    generation: int
    numbers: NDArray[np.int64]
    case_ids: list[str]
    index: Any  # faiss has no types

    @property
    def matrix(self) -> NDArray[np.float32]:
        """``[n, dim]``, a view of what FAISS holds; do not write into it."""
        count, dim = self.index.ntotal, self.index.d
        if not count:
            return np.empty((0, dim), np.float32)
        import faiss

        return faiss.rev_swig_ptr(self.index.get_xb(), count * dim).reshape(count, dim)

    def positions(self, numbers: ArrayLike) -> NDArray[np.int64]:
        """The rows of those case numbers that are in this generation."""
        wanted = np.asarray(numbers, dtype=np.int64)
        found = np.searchsorted(self.numbers, wanted)
        inside = found < len(self.numbers)
        found, wanted = found[inside], wanted[inside]
        return found[self.numbers[found] == wanted]


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


def read_numbers(connection: sqlite3.Connection) -> tuple[NDArray[np.int64], list[str]]:
    """The numbers of all cases, ascending, and their ids."""
    found = connection.execute("SELECT number, case_id FROM cases ORDER BY number").fetchall()
    return np.fromiter((number for number, _ in found), np.int64, len(found)), [case_id for _, case_id in found]


def read_rows(connection: sqlite3.Connection, folder: Path, dim: int, generation: int, old: Rows | None) -> Rows:
    """The rows of the database's present generation; those that ``old`` has are not read again.

    A case number is never used twice and its vector never changes, so an old row is right as long as its case exists.

    Raises:
        GalleryDamaged: when a vector is not what was added, naming its case.
    """
    numbers, case_ids = read_numbers(connection)
    last = int(old.numbers[-1]) if old is not None and len(old.numbers) else 0
    kept = old.matrix[np.isin(old.numbers, numbers, assume_unique=True)] if old is not None else None
    fresh = _read_vectors(connection, folder, dim, numbers[numbers > last])
    matrix = fresh if kept is None else np.concatenate([kept, fresh])
    if len(matrix) != len(numbers):
        raise GalleryDamaged(
            f"{folder}: {len(numbers)} cases, yet {len(matrix)} vectors; restore cases.db from a copy"
        )
    return Rows(generation, numbers, case_ids, flat_index(matrix))


def flat_index(matrix: NDArray[np.float32]) -> Any:
    """An exact inner-product index over ``[n, dim]``."""
    import faiss

    index = faiss.IndexFlatIP(matrix.shape[1])
    index.add(np.ascontiguousarray(matrix))
    return index


def _read_vectors(
    connection: sqlite3.Connection, folder: Path, dim: int, numbers: NDArray[np.int64]
) -> NDArray[np.float32]:
    matrix = np.empty((len(numbers), dim), np.float32)
    first = int(numbers[0]) if len(numbers) else 0
    sql = "SELECT number, vector, sha256 FROM vectors WHERE number >= ? ORDER BY number"
    found = connection.execute(sql, (first,)) if len(numbers) else ()
    expected = iter(numbers.tolist())
    for row, (number, vector, sha256) in enumerate(found):
        if number != next(expected, None) or not is_intact(vector, sha256, dim):
            raise GalleryDamaged(
                f"{folder}: the vector of case number {number} is not what was added; restore cases.db"
            )
        matrix[row] = np.frombuffer(vector, "<f4")
    if next(expected, None) is not None:
        raise GalleryDamaged(f"{folder}: a case has no vector; restore cases.db from a copy")
    return matrix
