"""An open gallery's hold on its folder: the connection, the lock, the vectors in memory and their cache."""

from __future__ import annotations

import contextlib
import logging
import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path

from index import schema, store, vectors, words
from index.approximate import Approximate
from index.approximate_file import APPROXIMATE, IndexKeeper
from index.blocks import Rows
from index.case import CacheState
from index.choice import Method
from index.connection import DATABASE, connect_healer, is_half_done, settle, settle_half_done, translated
from index.errors import GalleryBusy, GalleryDamaged, GalleryError, NearBeatError
from index.masks import Masks
from index.rows import read_rows

log = logging.getLogger("nearbeat.gallery")


class Session:
    """One connection to ``cases.db``, shared by the threads of a process, and the vectors of one generation."""

    def __init__(
        self,
        folder: Path,
        connection: sqlite3.Connection,
        meta: schema.Meta,
        *,
        read_only: bool,
        index: Method = "auto",
    ) -> None:
        self.folder = folder
        self.meta = meta
        self.read_only = read_only
        self.notices: list[str] = []
        self._connection: sqlite3.Connection | None = connection
        self._rows: Rows | None = None
        self._cached_generation = -1
        self.words_left = False
        """Whether words of reports that were taken out are in the database until :meth:`close` merges them away."""
        self._lock = threading.RLock()
        self.masks = Masks()
        self._keeper = IndexKeeper(folder, index)

    @property
    def dim(self) -> int:
        """The length of a vector."""
        return self.meta.dim

    @contextlib.contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """One unchanging view of the database; inside another one, that one."""
        with self._lock, translated(self.folder):
            connection = self._open_connection()
            if connection.in_transaction:
                yield connection
                return
            try:
                self._take_snapshot(connection)
                yield connection
            finally:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")

    def _take_snapshot(self, connection: sqlite3.Connection) -> None:
        connection.execute("BEGIN")
        try:
            store.generation(connection)  # SQLite takes its snapshot at the first read, not at BEGIN
        except sqlite3.OperationalError as error:
            if not self.read_only or not is_half_done(error):
                raise
            connection.execute("ROLLBACK")
            settle_half_done(self.folder / DATABASE)
            connection.execute("BEGIN")
            store.generation(connection)

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
        """The vectors of the generation that ``connection`` sees; call it inside :meth:`reading`.

        Raises:
            WrongBundle: when a re-embedding has moved the gallery to another bundle since it was opened.
        """
        generation = store.generation(connection)
        if self._rows is None or self._rows.generation != generation:
            schema.refuse_moved(connection, self.folder, self.meta)
            self._rows = read_rows(connection, self.folder, self.dim, generation, self._rows)
        return self._rows

    def index_for(self, connection: sqlite3.Connection, rows: Rows) -> Approximate | None:
        """The approximate index for a search of these rows; None where it is to be exact."""
        found = self._keeper.index_for(connection, rows)
        if self._keeper.notice:
            self._notice(self._keeper.notice)
        return found

    def prepare_index(self, seed: int = 0) -> Approximate | None:
        """Make or extend the approximate index, where the size of the gallery or its user asks for one."""
        with self.reading() as connection:
            rows = self.rows(connection)
        with self.writing() as connection:
            try:
                found = self._keeper.prepare(connection, rows, seed)
            except OSError as error:
                raise GalleryError(_unwritten(self.folder, error, APPROXIMATE)) from error
        if self._keeper.notice:
            self._notice(self._keeper.notice)
        return found

    def adopt(self, connection: sqlite3.Connection) -> None:
        """Go on with the vectors that a re-embedding by this very gallery has put in the place of the old ones."""
        self.meta = schema.read_meta(connection, str(self.folder))
        self._rows = None
        self._cached_generation = -1

    def load(self) -> None:
        """Take the vectors from the cache when it is what the database recorded, else from the database."""
        state: CacheState = "absent"
        for _ in range(2):  # a second look tells a damaged file from one that a writer was just replacing
            with self.reading() as connection:
                schema.refuse_moved(connection, self.folder, self.meta)
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
            GalleryError: when it must be written and cannot be; without ``must`` that is a notice, since what was
                committed before stands.
        """
        with self.reading() as connection:
            rows = self.rows(connection)
        if rows.generation == self._cached_generation and not must:
            return
        try:
            with self.writing() as connection:
                saved = vectors.save_cache(connection, self.folder, rows, must=must)
        except (OSError, GalleryError) as error:
            if isinstance(error, GalleryDamaged) or (must and isinstance(error, GalleryError)):
                raise
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
                    self._merge_words()
            except NearBeatError as error:  # the cache is only a cache: closing never fails for it
                self._notice(str(error))
            finally:
                if not self.read_only:
                    settle(connection)
                connection.close()
                self._connection = self._rows = None

    def _merge_words(self) -> None:
        if self.words_left:
            with self.writing() as connection:
                words.merge(connection)
            self.words_left = False

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


def _unwritten(folder: Path, error: Exception, name: str = vectors.CACHE) -> str:
    reason = error.strerror if isinstance(error, OSError) else error.__cause__ or error
    return f"{folder}: {name} could not be written ({reason}); answers stay right, opening takes longer"
