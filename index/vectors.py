"""``vectors.faiss``, a cache of one generation: checked before it is trusted, written so that it is old or new."""

from __future__ import annotations

import hashlib
import os
import sqlite3
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from index.case import CacheState
from index.connection import transaction
from index.rows import Rows, read_numbers
from index.store import generation, sync_folder

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


def check_cache(connection: sqlite3.Connection, folder: Path) -> tuple[CacheState, bytes]:
    """The state of the cache file, and its bytes when they are those that the database recorded.

    Nothing of the file is interpreted here: 400 of 400 FAISS files with one flipped bit load without an error.
    """
    record = read_record(connection)
    try:
        if record is None:
            return "absent", b""
        if record.generation != generation(connection):
            return ("stale" if (folder / CACHE).exists() else "absent"), b""
        content = (folder / CACHE).read_bytes()
    except FileNotFoundError:
        return "absent", b""
    except OSError:  # the disk does not give the bytes back
        return "damaged", b""
    intact = len(content) == record.length and hashlib.sha256(content).hexdigest() == record.sha256
    return ("fresh", content) if intact else ("damaged", b"")


def load_cache(connection: sqlite3.Connection, folder: Path, dim: int) -> tuple[CacheState, Rows | None]:
    """The rows in the cache when it is fresh, else its state alone."""
    state, content = check_cache(connection, folder)
    if state != "fresh":
        return state, None
    import faiss

    try:
        index: Any = faiss.deserialize_index(np.frombuffer(content, np.uint8))
    except RuntimeError:  # the bytes that were recorded, by a FAISS whose format this one does not know
        return "stale", None
    numbers, case_ids = read_numbers(connection)
    if type(index) is not faiss.IndexFlatIP or (index.ntotal, index.d) != (len(numbers), dim):
        return "damaged", None
    return "fresh", Rows(generation(connection), numbers, case_ids, index)


def save_cache(connection: sqlite3.Connection, folder: Path, rows: Rows) -> bool:
    """Write the cache file and its record; ``False`` when the gallery has moved on to another generation.

    The database's write lock is held throughout, so that one process at a time writes the file. A crash between the
    rename and the commit leaves a record that does not fit the file, which the next one to open finds.

    Raises:
        OSError: when the file cannot be written; the old one stands as it was.
    """
    with transaction(connection):
        if generation(connection) != rows.generation:
            return False
        content = _serialized(rows)
        write_durably(folder, content)
        record = (rows.generation, len(content), hashlib.sha256(content).hexdigest())
        connection.execute("UPDATE state SET cache_generation = ?, cache_length = ?, cache_sha256 = ?", record)
    return True


def write_durably(folder: Path, content: bytes) -> None:
    """Write ``vectors.faiss`` under another name, force it to the disk and rename it over the old one."""
    unfinished = folder / UNFINISHED
    try:
        with unfinished.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(folder / CACHE)
    except OSError:
        unfinished.unlink(missing_ok=True)
        raise
    sync_folder(folder)


def _serialized(rows: Rows) -> bytes:
    import faiss

    return faiss.serialize_index(rows.index).tobytes()
