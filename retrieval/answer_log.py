"""Answers put down so that they can be given again: what was asked, of what, and the ids and scores that came.

No pixels, no file names and no patient's key: an ECG is kept as its vector, the patient whose ECGs were left out as
the ids of these. The words of a sentence and of a condition are kept as typed, since the answer depends on them.
"""

from __future__ import annotations

import contextlib
import json
import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from index import Filter
from index.errors import NearBeatError

VERSION = 1
_APPLICATION_ID = 0x4E42414C
"""``NBAL`` in SQLite's header."""
_WAIT_S = 30.0
_TABLE = """
CREATE TABLE answers (
  id INTEGER PRIMARY KEY AUTOINCREMENT, at TEXT NOT NULL,
  gallery TEXT NOT NULL, generation INTEGER NOT NULL, cases INTEGER NOT NULL,
  bundle_name TEXT NOT NULL, bundle_sha256 TEXT NOT NULL,
  vector BLOB NOT NULL, words TEXT NOT NULL, ranked_by TEXT NOT NULL, k INTEGER NOT NULL,
  condition TEXT NOT NULL, excluded TEXT NOT NULL, exact INTEGER NOT NULL, hits TEXT NOT NULL
)
"""
_COLUMNS = (
    "at, gallery, generation, cases, bundle_name, bundle_sha256, vector, words, ranked_by, k, condition, excluded, "
    "exact, hits"
)


class BadLog(NearBeatError):
    """A log of answers that cannot be used, or has no such answer."""

    kind = "bad_log"


@dataclass(frozen=True)
class LoggedAnswer:
    """One answer as it was given.

    Args:
        gallery: the path that answered, at ``generation`` with so many ``cases``.
        bundle_name, bundle_sha256: whose towers made the vectors.
        vector: the question, float32 ``[dim]``.
        words: the sentence that was asked and the terms that were added to it, empty for an ECG.
        ranked_by: what ordered the hits, as in ``Answer.ranked_by``.
        k: how many cases were asked for.
        where: which cases might answer, as it was given; None for all.
        excluded: ids that were left out, being the asker's own earlier ECGs.
        exact: whether the search compared with every case.
        hits: ``(case id, score)``, best first.
        at: when, ISO 8601 in UTC.
        log_id: its number, 0 before it is kept.
    """

    gallery: str
    generation: int
    cases: int
    bundle_name: str
    bundle_sha256: str
    vector: NDArray[np.float32]
    words: str
    ranked_by: str
    k: int
    where: str | Filter | None
    excluded: tuple[str, ...]
    exact: bool
    hits: tuple[tuple[str, float], ...]
    at: str = ""
    log_id: int = 0


class AnswerLog:
    """A file of answers, an SQLite database that any number of processes may write to.

    Args:
        path: the file; made when absent.

    Raises:
        BadLog: when it cannot be written, or is something else.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        with self._open(make=True):
            pass

    def append(self, answer: LoggedAnswer) -> int:
        """Keep an answer, durably; its number."""
        row = (
            datetime.now(UTC).isoformat(timespec="seconds"),
            answer.gallery,
            answer.generation,
            answer.cases,
            answer.bundle_name,
            answer.bundle_sha256,
            np.asarray(answer.vector, "<f4").tobytes(),
            answer.words,
            answer.ranked_by,
            answer.k,
            json.dumps(asdict(answer.where) if isinstance(answer.where, Filter) else answer.where),
            json.dumps(answer.excluded),
            int(answer.exact),
            hits_json(answer.hits),
        )
        marks = ", ".join("?" * len(row))
        with self._open() as connection:
            return int(connection.execute(f"INSERT INTO answers ({_COLUMNS}) VALUES ({marks})", row).lastrowid or 0)  # noqa: S608

    def read(self, log_id: int) -> LoggedAnswer:
        """The answer of a number.

        Raises:
            BadLog: when there is none, or it cannot be understood.
        """
        with self._open() as connection:
            row = connection.execute(f"SELECT {_COLUMNS} FROM answers WHERE id = ?", (log_id,)).fetchone()  # noqa: S608
            last = connection.execute("SELECT max(id) FROM answers").fetchone()[0]
        if row is None:
            there = f"it has 1 to {last}" if last else "it is empty"
            raise BadLog(f"{self.path} has no answer {log_id}; {there}")
        at, *of_whom, vector, words, ranked_by, k, where, excluded, exact, hits = row
        try:
            given = json.loads(where)
            return LoggedAnswer(
                *of_whom,
                vector=np.frombuffer(vector, "<f4").copy(),
                words=words,
                ranked_by=ranked_by,
                k=k,
                where=Filter(**given) if isinstance(given, dict) else given,
                excluded=tuple(json.loads(excluded)),
                exact=bool(exact),
                hits=tuple((str(case_id), float(score)) for case_id, score in json.loads(hits)),
                at=at,
                log_id=log_id,
            )
        except (TypeError, ValueError, NearBeatError) as error:
            raise BadLog(f"{self.path}: answer {log_id} is damaged ({error}); restore the log from a copy") from error

    @contextlib.contextmanager
    def _open(self, make: bool = False) -> Iterator[sqlite3.Connection]:
        try:
            mode = "rwc" if make else "rw"
            uri = f"{self.path.resolve().as_uri()}?mode={mode}"
            with contextlib.closing(sqlite3.connect(uri, uri=True, timeout=_WAIT_S)) as connection:
                connection.execute("PRAGMA synchronous = FULL")
                with connection:  # commits, or rolls back
                    _prepare(connection, self.path)
                    yield connection
        except sqlite3.Error as error:
            raise BadLog(f"{self.path} cannot be used as a log of answers ({error}); name another file") from error


def hits_json(hits: Sequence[tuple[str, float]]) -> str:
    """Ids and scores in the one form in which they are kept and compared, byte for byte."""
    return json.dumps([[case_id, score] for case_id, score in hits], ensure_ascii=True)


def _prepare(connection: sqlite3.Connection, path: Path) -> None:
    application = connection.execute("PRAGMA application_id").fetchone()[0]
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if application == _APPLICATION_ID and version == VERSION:
        return
    if application == _APPLICATION_ID:
        raise BadLog(f"{path} is a log of format {version}, this NearBeat knows {VERSION}; update NearBeat")
    connection.execute("BEGIN IMMEDIATE")
    if connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
        if connection.execute("PRAGMA application_id").fetchone()[0] == _APPLICATION_ID:
            return  # another process made it meanwhile
        raise BadLog(f"{path} is a database, yet no log of answers; name another file")
    connection.execute(_TABLE)
    connection.execute(f"PRAGMA application_id = {_APPLICATION_ID}")
    connection.execute(f"PRAGMA user_version = {VERSION}")
