"""Moving a gallery to the vectors of another bundle while the old ones serve.

The new vectors are put beside the old ones a few at a time, in as many sittings as it takes; then one transaction
puts them all in the place of the old ones. Until then every search is answered from the old vectors.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from index import records, schema, store
from index.connection import transaction
from index.errors import BadVector, GalleryDamaged, NoReembed, ReembedUnderWay, UnknownCase
from index.rows import is_intact, unit_rows
from index.session import Session

_KEYS = ("next_bundle_name", "next_bundle_sha256", "next_dim")
_WAITING = "FROM cases WHERE number NOT IN (SELECT number FROM next_vectors)"


@dataclass(frozen=True)
class NextBundle:
    """The bundle to which a gallery is being moved."""

    bundle_name: str
    bundle_sha256: str
    dim: int


def next_bundle(connection: sqlite3.Connection) -> NextBundle | None:
    """The bundle of the re-embedding under way, if one is."""
    values = dict(connection.execute("SELECT key, value FROM meta WHERE key GLOB 'next_*'"))
    if not values:
        return None
    try:
        return NextBundle(values["next_bundle_name"], values["next_bundle_sha256"], int(values["next_dim"]))
    except (KeyError, ValueError) as error:
        raise GalleryDamaged(f"the table meta of cases.db lacks {error}; restore cases.db from a copy") from None


def clear(connection: sqlite3.Connection) -> None:
    """Forget the re-embedding under way, inside a transaction."""
    connection.execute("DELETE FROM next_vectors")
    connection.executemany("DELETE FROM meta WHERE key = ?", [(key,) for key in _KEYS])


class Reembedding:
    """The part of a :class:`~index.gallery.Gallery` that moves it to another bundle."""

    path: Path
    _session: Session
    _asked: dict[str, int]
    """The number that each case had when :meth:`reembed_pending` named it."""
    _embedded_to: int
    """No case up to this number waited when last seen: where to look next, which at a million saves a scan a call."""

    def reembedding(self) -> NextBundle | None:
        """The bundle to which the gallery is being moved, or None."""
        with self._session.reading() as connection:
            return next_bundle(connection)

    def reembed_begin(self, bundle_name: str, bundle_sha256: str, dim: int) -> int:
        """Begin to move to another bundle, or go on with it; how many cases wait for their new vector.

        Raises:
            ReembedUnderWay: when a move to a third bundle is under way; finish or cancel that one.
            NoReembed: when the gallery is of that bundle already.
        """
        if dim < 1:
            raise BadVector(f"vectors of length {dim} cannot be; dim must be 1 or more")
        wanted = NextBundle(bundle_name, bundle_sha256, dim)
        with self._session.writing() as connection, transaction(connection):
            present = schema.read_meta(connection, str(self.path))
            if present.bundle_sha256 == bundle_sha256:
                raise NoReembed(f"{self.path}: its vectors are those of {bundle_name} already; nothing is to be done")
            under_way = next_bundle(connection)
            if under_way not in (None, wanted):
                raise ReembedUnderWay(
                    f"{self.path}: it is being moved to {under_way}; go on with that bundle, or cancel that first"
                )
            values = zip(_KEYS, (bundle_name, bundle_sha256, str(dim)), strict=True)
            connection.executemany("INSERT OR REPLACE INTO meta VALUES (?, ?)", values)
            self._embedded_to = 0
            return _count_waiting(connection)

    def reembed_pending(self, limit: int) -> list[str]:
        """The ids of at most ``limit`` cases that wait for their new vector; none when none waits.

        They come in the order in which they were added, unless another process began the move anew meanwhile.

        Raises:
            NoReembed: when no move was begun.
        """
        with self._session.reading() as connection:
            _require_next(self.path, connection)
            self._asked = _waiting_after(connection, self._embedded_to, limit)
            if not self._asked:  # another process may have begun anew
                self._asked = _waiting_after(connection, 0, limit)
            return list(self._asked)

    def reembed_put(self, ids: Sequence[str], vectors: ArrayLike) -> None:
        """Put new vectors ``[n, dim of the new bundle]``, unit rows, of these cases beside the old ones; all or none.

        Raises:
            BadVector: when a vector has another length, is not finite or not of length 1.
            UnknownCase: when a case was deleted, or replaced since :meth:`reembed_pending` named it; ask again.
            NoReembed: when no move was begun, or another process finished it.
        """
        ids = list(ids)
        with self._session.writing() as connection, transaction(connection):
            bundle = _require_next(self.path, connection)
            matrix = unit_rows(vectors if ids else np.empty((0, bundle.dim)), bundle.dim, "the new vectors")
            if len(matrix) != len(ids):
                raise BadVector(f"{len(ids)} cases came with {len(matrix)} vectors; give one for each")
            numbers = records.known_numbers(connection, self.path, ids)
            _refuse_replaced(self.path, ids, numbers, self._asked)
            _put(connection, numbers, matrix)
        if self._asked and self._asked.keys() <= set(ids):
            self._embedded_to = max(self._asked.values())

    def reembed_finish(self) -> int:
        """Put all new vectors in the place of the old ones, in one transaction; the new generation.

        This gallery goes on with the new bundle. Those that others have open refuse their next search.

        Raises:
            ReembedUnderWay: when cases still wait for their new vector, such as those that were added meanwhile.
            NoReembed: when no move was begun.
        """
        with self._session.writing() as connection:
            with transaction(connection):
                generation = _swap(connection, self.path)
            self._session.adopt(connection)
        self._session.save()
        return generation

    def reembed_cancel(self) -> None:
        """Give the move up and drop the new vectors; the old ones stay. Without one under way nothing happens."""
        with self._session.writing() as connection, transaction(connection):
            clear(connection)


def _count_waiting(connection: sqlite3.Connection) -> int:
    return connection.execute(f"SELECT count(*) {_WAITING}").fetchone()[0]


def _waiting_after(connection: sqlite3.Connection, number: int, limit: int) -> dict[str, int]:
    sql = f"SELECT case_id, number {_WAITING} AND number > ? ORDER BY number LIMIT ?"
    return dict(connection.execute(sql, (number, limit)))


def _require_next(folder: Path, connection: sqlite3.Connection) -> NextBundle:
    found = next_bundle(connection)
    if found is None:
        raise NoReembed(f"{folder}: no move to another bundle is under way; begin one first")
    return found


def _refuse_replaced(folder: Path, ids: Sequence[str], numbers: Sequence[int], asked: dict[str, int]) -> None:
    """A vector made from what a case was before it was replaced must not become that of the new case."""
    for case_id, number in zip(ids, numbers, strict=True):
        if asked.get(case_id, number) != number:
            raise UnknownCase(f"{folder}: the case {case_id!r} was replaced meanwhile; ask for what is pending again")


def _put(connection: sqlite3.Connection, numbers: Sequence[int], matrix: NDArray[np.float32]) -> None:
    vectors = [row.astype("<f4").tobytes() for row in matrix]
    rows = [(n, vector, hashlib.sha256(vector).digest()) for n, vector in zip(numbers, vectors, strict=True)]
    connection.executemany("INSERT OR REPLACE INTO next_vectors VALUES (?, ?, ?)", rows)


def _refuse_damaged(connection: sqlite3.Connection, folder: Path, dim: int) -> None:
    """The old vectors are gone after the swap, so every new one is looked at before."""
    for number, vector, sha256 in connection.execute("SELECT number, vector, sha256 FROM next_vectors"):
        if not is_intact(vector, sha256, dim):
            raise GalleryDamaged(
                f"{folder}: the new vector of case number {number} is not what was put; cancel the move, begin again"
            )


def _swap(connection: sqlite3.Connection, folder: Path) -> int:
    bundle = _require_next(folder, connection)
    if waiting := _count_waiting(connection):
        raise ReembedUnderWay(
            f"{folder}: {waiting} cases have no vector of {bundle.bundle_name} yet; embed those that are pending"
        )
    _refuse_damaged(connection, folder, bundle.dim)
    connection.execute("DELETE FROM vectors")
    connection.execute("INSERT INTO vectors SELECT number, vector, sha256 FROM next_vectors")
    clear(connection)
    # The case numbers stay, so what a cache of before says of them must not be believed.
    connection.execute("UPDATE state SET cache_generation = NULL, cache_length = NULL, cache_sha256 = NULL")
    connection.execute("DELETE FROM meta WHERE key = 'approximate'")
    generation = store.raise_generation(connection)
    now = {
        "bundle_name": bundle.bundle_name,
        "bundle_sha256": bundle.bundle_sha256,
        "dim": str(bundle.dim),
        "vectors_since": str(generation),
    }
    connection.executemany("INSERT OR REPLACE INTO meta VALUES (?, ?)", now.items())
    return generation
