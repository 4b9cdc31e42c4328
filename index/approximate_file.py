"""``approximate.faiss``, the file of the approximate index, and its record in the database.

The record stands in the table ``meta`` under ``approximate``: length, SHA-256, the bundle whose vectors they are, the
greatest case number, and the parameters with what was measured. As with the cache nothing is read that is not what
was recorded, and a gallery without the file answers too, exactly and later.
"""

from __future__ import annotations

import dataclasses
import importlib
import json
import logging
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from index.approximate import Approximate, Tuning
from index.blocks import Rows
from index.cache_file import mapped, write_durably
from index.case import CacheState
from index.choice import Method, method_for
from index.connection import transaction
from index.trust import is_verified
from index.tuning import keep_only, owned, prepared

APPROXIMATE = "approximate.faiss"
_KEY = "approximate"
_PIECE = 2**22

log = logging.getLogger("nearbeat.gallery")


@dataclass(frozen=True)
class IndexRecord:
    """What the database says about the index file it was last given."""

    length: int
    sha256: str
    bundle_sha256: str
    last: int
    tuning: Tuning


def read_index_record(connection: sqlite3.Connection) -> IndexRecord | None:
    """The record of the index file, if one was written for the vectors that the gallery has now."""
    found = connection.execute("SELECT value FROM meta WHERE key = ?", (_KEY,)).fetchone()
    if found is None:
        return None
    try:
        values = json.loads(found[0])
        record = IndexRecord(**{**values, "tuning": Tuning(**values["tuning"])})
    except (ValueError, TypeError, KeyError):  # of another version of this program
        return None
    return record if record.bundle_sha256 == bundle_now(connection) else None


def load_index(connection: sqlite3.Connection, folder: Path) -> tuple[CacheState, Approximate | None]:
    """The index where its file is what was recorded, and the state of that file."""
    record = read_index_record(connection)
    if record is None:
        return "absent", None
    try:
        with (folder / APPROXIMATE).open("rb") as file:
            if not is_verified(folder / APPROXIMATE, file, record.length, record.sha256):
                return "damaged", None
            buffer = mapped(file)
    except FileNotFoundError:
        return "absent", None
    except OSError:  # the disk does not give the bytes back
        return "damaged", None
    faiss: Any = importlib.import_module("faiss")
    try:
        index = faiss.read_index(faiss.ZeroCopyIOReader(faiss.swig_ptr(buffer), buffer.size))
    except RuntimeError:  # of a FAISS whose format this one does not know
        return "stale", None
    return "fresh", Approximate(index, record.last, record.tuning, buffer)


def save_index(connection: sqlite3.Connection, folder: Path, approximate: Approximate, bundle_sha256: str) -> bool:
    """Write the index file and its record; ``False`` when the gallery has moved to the vectors of another bundle.

    Raises:
        OSError: when the file cannot be written; the old one stands as it was.
    """
    with transaction(connection):
        if bundle_now(connection) != bundle_sha256:
            return False
        _write(connection, folder, approximate)
    return True


def forget_deleted(connection: sqlite3.Connection, folder: Path, rows: Rows) -> None:
    """Take what is not among the rows out of the index file; call it inside a transaction.

    A file without a record, as a writer leaves it that was killed, is removed.

    Raises:
        OSError: when the file cannot be written.
    """
    (folder / f"{APPROXIMATE}.new").unlink(missing_ok=True)
    found = load_index(connection, folder)[1]
    if found is None:
        (folder / APPROXIMATE).unlink(missing_ok=True)
        connection.execute("DELETE FROM meta WHERE key = ?", (_KEY,))
        return
    if found.kept(rows, None).bits is None:
        return
    index = owned(found)
    keep_only(index, rows)
    _write(connection, folder, Approximate(index, found.last, found.tuning))


class IndexKeeper:
    """Gives a gallery's searches the index that is right for them, read once for each version of its file.

    Args:
        folder: the gallery's.
        wanted: how it shall be searched.
    """

    def __init__(self, folder: Path, wanted: Method = "auto") -> None:
        self.folder = folder
        self.wanted: Method = wanted
        self.notice = ""
        self._record: IndexRecord | None = None
        self._index: Approximate | None = None

    def index_for(
        self, connection: sqlite3.Connection, rows: Rows, wanted: Method | None = None
    ) -> Approximate | None:
        """The index for a search of these rows; None where it is to be exact. ``notice`` says what is amiss."""
        if method_for(len(rows), rows.dim, wanted or self.wanted) == "exact":
            return None
        record = read_index_record(connection)
        if record != self._record or (record is None and not self.notice):
            state, self._index = load_index(connection, self.folder)
            self._record, self.notice = record, _sentence(self.folder, state)
        return self._index

    def prepare(self, connection: sqlite3.Connection, rows: Rows, seed: int = 0) -> Approximate | None:
        """Make or extend the index so that it fits these rows, and write it; None where searches stay exact.

        Takes minutes for a million cases. Where its size does not ask for one, the gallery gets none.

        Raises:
            OSError: when the file cannot be written.
        """
        if method_for(len(rows), rows.dim, self.wanted) == "exact":
            return None
        old, bundle = load_index(connection, self.folder)[1], bundle_now(connection)
        found = prepared(old, rows, seed=seed)
        if found is None:
            self.notice = f"{self.folder}: no approximate index reaches the goal here; every search is exact"
        elif found is not old:
            save_index(connection, self.folder, found, bundle)
            self._record, self.notice = None, ""  # also where the file was damaged and has the same bytes again
        return found


def _sentence(folder: Path, state: CacheState) -> str:
    return {
        "fresh": "",
        "absent": f"{folder}: it has no approximate index yet; searches are exact until one is prepared",
        "stale": f"{folder}: {APPROXIMATE} is of another FAISS; searches are exact until it is prepared",
        "damaged": f"{folder}: {APPROXIMATE} is not the file recorded; searches are exact until it is prepared",
    }[state]


def _write(connection: sqlite3.Connection, folder: Path, approximate: Approximate) -> None:
    length, sha256 = write_durably(folder / APPROXIMATE, _pieces(approximate))
    record = IndexRecord(length, sha256, bundle_now(connection), approximate.last, approximate.tuning)
    value = json.dumps(dataclasses.asdict(record), sort_keys=True)
    connection.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (_KEY, value))


def _pieces(approximate: Approximate) -> Iterator[bytes]:
    faiss: Any = importlib.import_module("faiss")
    whole: np.ndarray = faiss.serialize_index(approximate.index)
    for start in range(0, len(whole), _PIECE):
        yield whole[start : start + _PIECE].tobytes()


def bundle_now(connection: sqlite3.Connection) -> str:
    """By what the gallery tells the bundle that made its vectors."""
    return connection.execute("SELECT value FROM meta WHERE key = 'bundle_sha256'").fetchone()[0]
