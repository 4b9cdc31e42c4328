"""Opening ``cases.db`` for reading or writing, and SQLite's errors in the words of a user.

A writer works in WAL mode, so that readers go on beside it. When the last writer closes, the database goes back to a
single file: a gallery at rest can be copied, shipped and opened on a read-only medium without side files.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from index.errors import GalleryBusy, GalleryDamaged, GalleryError

DATABASE = "cases.db"
WAIT_S = 30.0
WAIT_FOR_WAL_S = 2.0


@contextlib.contextmanager
def translated(folder: Path) -> Iterator[None]:
    """Turn what SQLite raises inside into one clear sentence about the gallery in ``folder``."""
    try:
        yield
    except (sqlite3.Error, UnicodeDecodeError) as error:  # of a damaged name, SQLite's own message cannot be decoded
        raise _in_our_words(error, folder) from error


def _in_our_words(error: Exception, folder: Path) -> GalleryError:
    name = getattr(error, "sqlite_errorname", "") or ""
    if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
        return GalleryBusy(
            f"{folder}: another process is writing to the gallery ({error}); try again when it is done"
        )
    if name.startswith("SQLITE_FULL"):
        return GalleryError(f"{folder}: the disk is full; nothing was changed, make room and try again")
    if name.startswith(("SQLITE_READONLY", "SQLITE_CANTOPEN", "SQLITE_PERM", "SQLITE_IOERR")):
        return GalleryError(
            f"{folder}: {DATABASE} cannot be read or written here ({error}); check the rights and disk"
        )
    if "no such module" in str(error):
        return GalleryError(
            f"{folder}: the SQLite of this Python cannot search words ({error}); use a Python whose SQLite has FTS5"
        )
    if isinstance(error, UnicodeDecodeError):
        error = ValueError("the name of a table or column in it is no text")
    return GalleryDamaged(
        f"{folder}: {DATABASE} is damaged ({error}); restore the gallery from a copy or build it again"
    )


def connect_writer(database: Path, wait_s: float = WAIT_S) -> sqlite3.Connection:
    """A connection that may write: WAL, durable to power loss, deleted bytes overwritten."""
    connection = _connect(database, "rw", min(wait_s, WAIT_FOR_WAL_S))
    try:
        # A reader's long snapshot can hold this up; the rollback journal is as safe, only less concurrent.
        with contextlib.suppress(sqlite3.OperationalError):
            connection.execute("PRAGMA journal_mode = WAL").fetchone()
        connection.execute(f"PRAGMA busy_timeout = {int(wait_s * 1000)}")
        # FULL would not force the end of a rollback journal to the disk: a power cut could undo what was committed.
        connection.execute("PRAGMA synchronous = EXTRA")
        connection.execute("PRAGMA secure_delete = ON")
    except BaseException:
        connection.close()
        raise
    return connection


def connect_reader(database: Path) -> sqlite3.Connection:
    """A connection that cannot write.

    Raises:
        GalleryError: when the file may not be read, or a killed writer left what only one who may write can settle.
    """
    reader = _try_reader(database, "ro")
    if reader is None and not _has_bytes(database, "-wal") and not _has_bytes(database, "-journal"):
        # WAL mode needs side files that cannot be made here; but then nobody changes the file either.
        reader = _try_reader(database, "ro&immutable=1")
    if reader is None:
        # A writer was killed half-way: SQLite rolls back what it had not committed when one who may write looks in.
        settle_half_done(database)
        reader = _try_reader(database, "ro")
    if reader is None:
        raise GalleryError(
            f"{database}: it may not be read here, or an interrupted writer left changes that only one who may write "
            "here can settle; check the rights, or copy the gallery to a folder of your own"
        )
    return reader


def connect_healer(database: Path) -> sqlite3.Connection:
    """A connection by which a reader records a new cache file; it gives way at once to whoever is writing."""
    return _connect(database, "rw", 0.0)


def settle_half_done(database: Path) -> None:
    """Have SQLite roll back what a killed writer left half done, which a reader's connection may not do itself."""
    with contextlib.suppress(sqlite3.OperationalError), contextlib.closing(connect_healer(database)) as healer:
        _touch(healer)


def is_half_done(error: sqlite3.OperationalError) -> bool:
    """Whether a reader fails since a killed writer left something that only one who may write can settle."""
    return (getattr(error, "sqlite_errorname", "") or "").startswith("SQLITE_READONLY")


def format_of(connection: sqlite3.Connection) -> int:
    """The format of the gallery as this connection sees it now: a writer may bring it to the next one meanwhile."""
    return connection.execute("PRAGMA user_version").fetchone()[0]


def settle(connection: sqlite3.Connection) -> None:
    """Move everything into the one file and leave WAL mode, unless other processes have the gallery open."""
    with contextlib.suppress(sqlite3.Error, UnicodeDecodeError):
        connection.execute("PRAGMA busy_timeout = 0")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        connection.execute("PRAGMA journal_mode = DELETE").fetchone()


@contextlib.contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """All or nothing of what is written inside."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def _try_reader(database: Path, mode: str) -> sqlite3.Connection | None:
    """A connection that has read something, or None where SQLite would have to write before it could read."""
    with contextlib.ExitStack() as undo:
        try:
            connection = _connect(database, mode, WAIT_S)
            undo.callback(connection.close)
            _touch(connection)
        except sqlite3.OperationalError as error:
            if (getattr(error, "sqlite_errorname", "") or "").startswith(("SQLITE_READONLY", "SQLITE_CANTOPEN")):
                return None
            raise
        undo.pop_all()
        return connection


def _connect(database: Path, mode: str, wait_s: float) -> sqlite3.Connection:
    uri = f"{database.resolve().as_uri()}?mode={mode}"
    # Autocommit with explicit BEGIN; the gallery's own lock makes use from several threads safe.
    return sqlite3.connect(uri, uri=True, timeout=wait_s, isolation_level=None, check_same_thread=False)


def _touch(connection: sqlite3.Connection) -> None:
    connection.execute("SELECT count(*) FROM sqlite_master").fetchone()


def _has_bytes(database: Path, suffix: str) -> bool:
    side_file = database.with_name(database.name + suffix)
    return side_file.exists() and side_file.stat().st_size > 0
