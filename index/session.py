"""An open gallery's hold on its folder: the connection, the lock, the vectors in memory and their cache."""

from __future__ import annotations

import contextlib
import logging
import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path

from index import store, vectors
from index.case import CacheState
from index.connection import DATABASE, connect_healer, settle, translated
from index.errors import GalleryBusy, GalleryError, NearBeatError
from index.rows import Rows, read_rows

log = logging.getLogger("nearbeat.gallery")


class Session:
    """One connection to ``cases.db``, shared by the threads of a process, and the vectors of one generation."""

    def __init__(self, folder: Path, connection: sqlite3.Connection, dim: int, *, read_only: bool) -> None:
        self.folder = folder
        self.dim = dim
        self.read_only = read_only
        self.notices: list[str] = []
        self._connection: sqlite3.Connection | None = connection
        self._rows: Rows | None = None
        self._cached_generation = -1
        self._lock = threading.RLock()

    @contextlib.contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """One unchanging view of the database; inside another one, that one."""
        with self._lock, translated(self.folder):
            connection = self._open_connection()
            if connection.in_transaction:
                yield connection
                return
            connection.execute("BEGIN")
            try:
                store.generation(connection)  # SQLite takes its snapshot at the first read, not at BEGIN
                yield connection
            finally:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")

    @contextlib.contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """The connection for a change; what runs inside opens its own transaction."""
        with self._lock, translated(self.folder):
            connection = self._open_connection()
            if self.read_only:
                raise GalleryError(f"{self.folder}: the gallery was opened for reading; open it with read_only=False")
            if connection.in_transaction:
                raise GalleryError(f"{self.folder}: a gallery cannot be changed inside a snapshot; leave it first")
            yield connection

    def rows(self, connection: sqlite3.Connection) -> Rows:
        """The vectors of the generation that ``connection`` sees; call it inside :meth:`reading`."""
        generation = store.generation(connection)
        if self._rows is None or self._rows.generation != generation:
            self._rows = read_rows(connection, self.folder, self.dim, generation, self._rows)
        return self._rows

    def load(self) -> None:
        """Take the vectors from the cache when it is what the database recorded, else from the database."""
        state: CacheState = "absent"
        for _ in range(2):  # a second look tells a damaged file from one that a writer was just replacing
            with self.reading() as connection:
                state, self._rows = vectors.load_cache(connection, self.folder, self.dim)
            if state != "damaged":
                break
        if state == "damaged":
            self._notice(
                f"{self.folder}: {vectors.CACHE} is damaged and was not used; it is built again from cases.db"
            )
        with self.reading() as connection:
            rows = self.rows(connection)
        if state == "fresh":
            self._cached_generation = rows.generation
        elif self.read_only:
            self._save_beside(rows)
        else:
            self.save()

    def save(self, *, must: bool = False) -> None:
        """Bring the cache file up to the present generation.

        Raises:
            GalleryError: when it must be written and cannot be; without ``must`` that is a notice.
        """
        with self.reading() as connection:
            rows = self.rows(connection)
        if rows.generation == self._cached_generation and not must:
            return
        try:
            with self.writing() as connection:
                saved = vectors.save_cache(connection, self.folder, rows)
        except OSError as error:
            if must:
                raise GalleryError(_unwritten(self.folder, error)) from error
            self._notice(_unwritten(self.folder, error))
            return
        if saved:
            self._cached_generation = rows.generation
        elif must:
            raise GalleryBusy(f"{self.folder}: another process changed the gallery meanwhile; try again")

    def close(self) -> None:
        """Save the cache (writers), settle the database into one file, let go of it; once is enough."""
        with self._lock:
            connection = self._connection
            if connection is None:
                return
            try:
                if not self.read_only:
                    self.save()
            except NearBeatError as error:  # the cache is only a cache: closing never fails for it
                self._notice(str(error))
            finally:
                if not self.read_only:
                    settle(connection)
                connection.close()
                self._connection = self._rows = None

    def _open_connection(self) -> sqlite3.Connection:
        if self._connection is None:
            raise GalleryError(f"{self.folder}: the gallery was closed; open it again")
        return self._connection

    def _save_beside(self, rows: Rows) -> None:
        """Write the cache for the readers to come, unless a writer is at work, who will do it."""
        try:
            with translated(self.folder), contextlib.closing(connect_healer(self.folder / DATABASE)) as connection:
                vectors.save_cache(connection, self.folder, rows)
        except GalleryBusy as error:
            log.info("the cache is left to the writer: %s", error)
        except (OSError, GalleryError) as error:
            self._notice(_unwritten(self.folder, error))

    def _notice(self, sentence: str) -> None:
        if sentence not in self.notices:
            self.notices.append(sentence)
            log.warning(sentence)


def _unwritten(folder: Path, error: Exception) -> str:
    reason = error.strerror if isinstance(error, OSError) else error.__cause__ or error
    return f"{folder}: {vectors.CACHE} could not be written ({reason}); answers stay right, opening takes longer"
