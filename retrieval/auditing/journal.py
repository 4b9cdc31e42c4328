"""What an audit has done so far, in one SQLite file beside its output: killed at any time, it goes on from there.

Every chunk of ECGs is committed as a whole, so that the journal holds each ECG once or not yet.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from retrieval.errors import DamagedFile

NAME = "audit.journal"
FORMAT = "1"
_SCHEMA = """
CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS reference (case_id TEXT PRIMARY KEY, judged_by TEXT, score REAL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS rows (
  number INTEGER PRIMARY KEY, file TEXT NOT NULL, status TEXT NOT NULL, judged_by TEXT, score REAL,
  trusted INTEGER NOT NULL, patient TEXT, site TEXT, device TEXT, reader TEXT, facts TEXT NOT NULL, vector BLOB,
  p REAL, q REAL, verdict TEXT NOT NULL DEFAULT '', place INTEGER);
CREATE INDEX IF NOT EXISTS rows_by_file ON rows (file);
CREATE INDEX IF NOT EXISTS rows_by_place ON rows (place);
CREATE INDEX IF NOT EXISTS rows_by_patient ON rows (patient) WHERE patient IS NOT NULL;
CREATE TABLE IF NOT EXISTS cards (number INTEGER PRIMARY KEY, content TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS findings (place INTEGER PRIMARY KEY, kind TEXT NOT NULL, content TEXT NOT NULL);
"""


@dataclass(frozen=True)
class Row:
    """One ECG as the journal keeps it.

    Args:
        number: its place in the archive, from 0.
        status: ``ok`` or ``rejected``.
        judged_by: what the score was made of; None where the report could not be judged.
        score: disagreement of its report with its nearest cases, higher for more.
        facts: everything else that the tables show, as texts and numbers.
        p, q: set at the end, for all ECGs that were judged.
        verdict: ``disagrees``, ``unsure``, ``agrees`` or empty.
        place: in the order in which to look, from 1.
    """

    number: int
    file: str
    status: str
    judged_by: str | None
    score: float | None
    trusted: bool
    patient: str | None
    site: str | None
    device: str | None
    reader: str | None
    facts: Mapping[str, Any]
    p: float | None = None
    q: float | None = None
    verdict: str = ""
    place: int | None = None


_ROW = tuple(field.name for field in fields(Row))


class Journal:
    """The journal of one folder; use it in a ``with`` block."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.path = folder / NAME
        self.connection = sqlite3.connect(self.path)
        try:
            self.connection.execute("PRAGMA journal_mode=WAL")
            self.connection.execute("PRAGMA synchronous=NORMAL")
            self.connection.executescript(_SCHEMA)
        except sqlite3.DatabaseError as error:
            self.connection.close()
            raise DamagedFile(f"{self.path} is no journal of an audit ({error}); delete it to begin anew") from error

    def __enter__(self) -> Journal:
        """Give the journal itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close it."""
        self.connection.close()

    def get(self, key: str) -> str | None:
        """A fact about the audit."""
        found = self.connection.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
        return None if found is None else found[0]

    def put(self, **facts: str) -> None:
        """Keep facts about the audit."""
        with self.connection:
            self.connection.executemany("INSERT OR REPLACE INTO meta VALUES (?, ?)", list(facts.items()))

    def begin(self, **facts: str) -> None:
        """Forget everything, and begin the audit of these facts."""
        with self.connection:
            for table in ("meta", "reference", "rows", "cards", "findings"):
                self.connection.execute(f"DELETE FROM {table}")  # noqa: S608  # fixed names
            self.connection.executemany("INSERT INTO meta VALUES (?, ?)", [("format", FORMAT), *facts.items()])

    def done(self) -> int:
        """How many ECGs it holds."""
        return self.connection.execute("SELECT count(*) FROM rows").fetchone()[0]

    def room(self) -> int:
        """Its bytes on disk once it is closed."""
        pages, size = (
            self.connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "page_size")
        )
        return pages * size

    def has(self, numbers: Sequence[int]) -> set[int]:
        """Those of these numbers that it holds."""
        if not numbers:
            return set()
        low, high = min(numbers), max(numbers)
        found = self.connection.execute("SELECT number FROM rows WHERE number BETWEEN ? AND ?", (low, high))
        return {number for (number,) in found}

    def add(self, rows: Sequence[Row], vectors: Sequence[NDArray[np.float32] | None]) -> None:
        """Keep a chunk of ECGs with their vectors, all or none."""
        values = [
            (
                *(row.number, row.file, row.status, row.judged_by, row.score, int(row.trusted)),
                *(row.patient, row.site, row.device, row.reader, json.dumps(dict(row.facts), ensure_ascii=False)),
                None if vector is None else np.asarray(vector, "<f4").tobytes(),
            )
            for row, vector in zip(rows, vectors, strict=True)
        ]
        with self.connection:
            self.connection.executemany(
                "INSERT INTO rows (number, file, status, judged_by, score, trusted, patient, site, device, reader, "
                "facts, vector) VALUES (?,?,?,?,?,?,?,?,?,?,?,?)",
                values,
            )

    def rows(self, where: str = "1", values: Sequence[Any] = (), order: str = "number") -> Iterator[Row]:
        """Rows that meet a condition of ours, in order; read as they are asked for."""
        sql = f"SELECT {', '.join(_ROW)} FROM rows WHERE {where} ORDER BY {order}"  # noqa: S608  # conditions of ours
        for found in self.connection.execute(sql, values):
            named = dict(zip(_ROW, found, strict=True))
            yield Row(**named | {"trusted": bool(named["trusted"]), "facts": json.loads(named["facts"])})

    def judged(self) -> Iterator[tuple[int, str, float, bool]]:
        """Number, judged by, score and trusted of every ECG whose report was judged."""
        sql = "SELECT number, judged_by, score, trusted FROM rows WHERE score IS NOT NULL ORDER BY number"
        for number, by, score, trusted in self.connection.execute(sql):
            yield number, by, score, bool(trusted)

    def unjudged(self) -> list[int]:
        """The numbers of the other ECGs, the rejected last."""
        sql = "SELECT number FROM rows WHERE score IS NULL ORDER BY status, number"
        return [number for (number,) in self.connection.execute(sql)]

    def settle(self, settled: Iterable[tuple[int, float | None, float | None, str, int]]) -> None:
        """Set number, p, q, verdict and place of ECGs."""
        values = ((p, q, verdict, place, number) for number, p, q, verdict, place in settled)
        with self.connection:
            self.connection.execute("UPDATE rows SET p = NULL, q = NULL, verdict = '', place = NULL")
            self.connection.executemany("UPDATE rows SET p=?, q=?, verdict=?, place=? WHERE number=?", values)

    def vectors(self, at_once: int = 4096) -> Iterator[tuple[list[int], NDArray[np.float32]]]:
        """Numbers and vectors ``[n, dim]``, in blocks."""
        cursor = self.connection.execute("SELECT number, vector FROM rows WHERE vector IS NOT NULL ORDER BY number")
        while block := cursor.fetchmany(at_once):
            yield [number for number, _ in block], np.stack([np.frombuffer(blob, "<f4") for _, blob in block])

    def vector(self, number: int) -> NDArray[np.float32] | None:
        """The vector of one ECG."""
        found = self.connection.execute("SELECT vector FROM rows WHERE number = ?", (number,)).fetchone()
        return None if found is None or found[0] is None else np.frombuffer(found[0], "<f4")

    def keep_reference(self, found: Iterable[tuple[str, str, float | None]]) -> None:
        """Keep case id, judged by and score of cases of the gallery."""
        with self.connection:
            self.connection.executemany("INSERT OR REPLACE INTO reference VALUES (?, ?, ?)", found)

    def reference(self) -> dict[str, list[float]]:
        """The kept scores, by what they were made of."""
        found: dict[str, list[float]] = {}
        for by, score in self.connection.execute("SELECT judged_by, score FROM reference WHERE score IS NOT NULL"):
            found.setdefault(by, []).append(score)
        return found

    def referred(self) -> set[str]:
        """The cases whose scores are kept."""
        return {case_id for (case_id,) in self.connection.execute("SELECT case_id FROM reference")}

    def keep_findings(self, findings: Iterable[tuple[str, Mapping[str, Any]]]) -> None:
        """Replace what was found across ECGs: duplicates and patients."""
        values = [(i, kind, json.dumps(dict(what), ensure_ascii=False)) for i, (kind, what) in enumerate(findings)]
        with self.connection:
            self.connection.execute("DELETE FROM findings")
            self.connection.executemany("INSERT INTO findings VALUES (?, ?, ?)", values)

    def findings(self, kind: str) -> list[dict[str, Any]]:
        """What was found of one kind."""
        found = self.connection.execute("SELECT content FROM findings WHERE kind = ? ORDER BY place", (kind,))
        return [json.loads(content) for (content,) in found]

    def keep_cards(self, cards: Iterable[tuple[int, Mapping[str, Any]]]) -> None:
        """Replace what the page shows of single ECGs, by number."""
        with self.connection:
            self.connection.execute("DELETE FROM cards")
            values = ((number, json.dumps(dict(card), ensure_ascii=False)) for number, card in cards)
            self.connection.executemany("INSERT INTO cards VALUES (?, ?)", values)

    def card(self, number: int) -> dict[str, Any] | None:
        """What the page shows of one ECG."""
        found = self.connection.execute("SELECT content FROM cards WHERE number = ?", (number,)).fetchone()
        return None if found is None else json.loads(found[0])
