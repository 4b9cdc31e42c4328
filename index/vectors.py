"""``vectors.faiss``, a cache of one generation: checked before it is trusted, written so that it is old or new.

A large one is not written anew for a few changes: it is read with the cases added since beside it and the deleted
ones left out, until they are too many.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from pathlib import Path

from index.approximate_file import bundle_now, forget_deleted
from index.blocks import Block, Rows
from index.cache_file import block_in, cache_bytes, mapped, write_durably
from index.case import CacheState
from index.choice import worth_writing
from index.connection import transaction
from index.rows import read_rows
from index.store import count_cases, generation
from index.trust import is_intact_file, is_verified

CACHE = "vectors.faiss"
UNFINISHED = f"{CACHE}.new"


@dataclass(frozen=True)
class CacheRecord:
    """What the database says about the cache file it was last given."""

    generation: int
    length: int
    sha256: str


def read_record(connection: sqlite3.Connection) -> CacheRecord | None:
    """The record of the cache file, if one was ever written."""
    found = connection.execute("SELECT cache_generation, cache_length, cache_sha256 FROM state").fetchone()
    return None if None in found else CacheRecord(*found)


def check_cache(connection: sqlite3.Connection, folder: Path) -> tuple[CacheState, CacheRecord | None]:
    """The state of the cache file, every byte of it read, and what the database recorded of it.

    Nothing of the file is interpreted here: 400 of 400 FAISS files with one flipped bit load without an error.
    """
    record = read_record(connection)
    if record is None:
        return "absent", None
    try:
        with (folder / CACHE).open("rb") as file:
            if record.generation != generation(connection):
                return "stale", record
            return ("fresh" if is_intact_file(file, record.length, record.sha256) else "damaged"), record
    except FileNotFoundError:
        return "absent", record
    except OSError:  # the disk does not give the bytes back
        return "damaged", record


def load_cache(connection: sqlite3.Connection, folder: Path, dim: int) -> tuple[CacheState, Rows | None]:
    """The rows of the database's generation with the state of the cache file; the state alone where it is no help.

    ``fresh`` is also a large file of an earlier generation that few changes separate from this one.

    Raises:
        GalleryDamaged: when a vector that was added since is not what was added, naming its case.
    """
    record, present = read_record(connection), generation(connection)
    if record is None:
        return "absent", None
    try:
        with (folder / CACHE).open("rb") as file:
            if not is_verified(folder / CACHE, file, record.length, record.sha256):
                # The file of a later generation whose writer was killed before it recorded it is no damage.
                return ("damaged" if record.generation == present else "stale"), None
            block = block_in(mapped(file), dim, bundle_now(connection))
    except FileNotFoundError:
        return "absent", None
    except OSError:  # the disk does not give the bytes back
        return "damaged", None
    return _up_to_date(connection, folder, record.generation, block, dim)


def save_cache(connection: sqlite3.Connection, folder: Path, rows: Rows, *, must: bool = True) -> bool:
    """Write the cache file and its record; ``False`` when the gallery has moved on to another generation.

    Without ``must`` a large file that few changes separate from ``rows`` stays as it is.

    The database's write lock is held throughout, so that one process at a time writes the file. A crash between the
    rename and the commit leaves a record that does not fit the file, which the next one to open finds.

    Raises:
        OSError: when the file cannot be written; the old one stands as it was.
    """
    with transaction(connection):
        if generation(connection) != rows.generation:
            return False
        if not must and not worth_writing(rows) and read_record(connection) is not None:
            return True
        length, sha256 = write_durably(folder / CACHE, cache_bytes(rows, bundle_now(connection)))
        record = (rows.generation, length, sha256)
        connection.execute("UPDATE state SET cache_generation = ?, cache_length = ?, cache_sha256 = ?", record)
        forget_deleted(connection, folder, rows)
    return True


def _up_to_date(
    connection: sqlite3.Connection, folder: Path, cached: int, block: Block | None, dim: int
) -> tuple[CacheState, Rows | None]:
    if block is None:  # the bytes that were recorded, in a layout that this program or its FAISS does not know
        return "stale", None
    rows, present = Rows(cached, (block,), mapped=True), generation(connection)
    if cached == present:
        # A case that the database has lost is found by reading all of it, and told.
        return ("fresh", rows) if count_cases(connection) == len(rows) else ("damaged", None)
    rows = read_rows(connection, folder, dim, present, rows)
    return ("stale" if worth_writing(rows) else "fresh"), rows
