"""What is written into ``cases.db`` and counted from it; each change is one transaction and one generation."""

from __future__ import annotations

import hashlib
import os
import sqlite3
from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from index import ingest, records, schema, words
from index.case import Case
from index.connection import DATABASE, format_of, transaction
from index.errors import DuplicateCase, GalleryExists
from index.ingest import Ingest


def create_database(folder: Path, meta: schema.Meta) -> None:
    """Make ``cases.db`` under a temporary name and rename it, so that no half-made gallery is ever found.

    Raises:
        GalleryExists: when the folder holds one already.
    """
    database = folder / DATABASE
    if database.exists():
        raise GalleryExists(f"{folder}: a gallery is there already; open it, or choose another folder")
    make_folder(folder)
    unfinished = folder / f"{DATABASE}.new"
    unfinished.unlink(missing_ok=True)
    with closing(sqlite3.connect(unfinished, isolation_level=None)) as connection:
        schema.create_tables(connection, meta)
    unfinished.replace(database)
    sync_folder(folder)


def make_folder(folder: Path) -> None:
    """Make a folder and those above it that are missing, each forced to the disk: else a power cut could take it."""
    if not folder.is_dir():
        make_folder(folder.parent)
        folder.mkdir(exist_ok=True)
        sync_folder(folder.parent)


def sync_folder(folder: Path) -> None:
    """Make a rename in the folder durable; only POSIX systems need it and can do it."""
    if os.name != "posix":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def generation(connection: sqlite3.Connection) -> int:
    """The number that each change raises by one."""
    return connection.execute("SELECT generation FROM state").fetchone()[0]


def add_cases(
    connection: sqlite3.Connection,
    folder: Path,
    meta: schema.Meta,
    cases: Sequence[Case],
    vectors: NDArray[np.float32],
    taken: Ingest | None = None,
) -> int:
    """Add cases with their vectors ``[n, dim]``, and how far their stream was taken, in one transaction.

    Returns:
        The generation, one higher when there were cases.

    Raises:
        DuplicateCase: when an id is given twice, is in the gallery, or was in it and deleted. Nothing is added then.
        WrongBundle: when the gallery is no longer of the bundle that ``meta`` names.
    """
    with transaction(connection):
        schema.refuse_moved(connection, folder, meta)
        _refuse_repeated_ids(folder, cases)
        _refuse_used_ids(connection, folder, cases)
        if taken is not None:
            ingest.write(connection, taken)
        return _insert_all(connection, cases, vectors)


def replace_cases(
    connection: sqlite3.Connection,
    folder: Path,
    meta: schema.Meta,
    cases: Sequence[Case],
    vectors: NDArray[np.float32],
) -> int:
    """Put cases with their vectors ``[n, dim]`` in the place of those of the same ids, in one transaction.

    They get new numbers, so that nobody who remembers an old number takes the new case for the old one.

    Raises:
        UnknownCase: when an id is not in the gallery. Nothing is replaced then.
        DuplicateCase: when an id is given twice.
        WrongBundle: when the gallery is no longer of the bundle that ``meta`` names.
    """
    with transaction(connection):
        schema.refuse_moved(connection, folder, meta)
        _refuse_repeated_ids(folder, cases)
        _remove(connection, records.known_numbers(connection, folder, [case.case_id for case in cases]))
        return _insert_all(connection, cases, vectors)


def delete_cases(connection: sqlite3.Connection, folder: Path, case_ids: Sequence[str]) -> int:
    """Delete cases with all that belongs to them in one transaction; the new generation.

    Raises:
        UnknownCase: when an id is not in the gallery. Nothing is deleted then.
    """
    with transaction(connection):
        numbers = records.known_numbers(connection, folder, case_ids)
        _remove(connection, numbers)
        retired = [(records.id_digest(case_id),) for case_id in case_ids]
        connection.executemany("INSERT OR IGNORE INTO retired VALUES (?)", retired)
        return raise_generation(connection) if numbers else generation(connection)


def count_cases(connection: sqlite3.Connection) -> int:
    """How many cases there are."""
    return connection.execute("SELECT count(*) FROM cases").fetchone()[0]


def added_in(connection: sqlite3.Connection, numbers: Sequence[int]) -> list[int]:
    """The generation in which each of these cases was added, 0 where it is not known."""
    if format_of(connection) < 2:
        return [0] * len(numbers)
    sql = "SELECT added FROM cases WHERE number = ?"
    return [connection.execute(sql, (number,)).fetchone()[0] for number in numbers]


def count_patients(connection: sqlite3.Connection) -> int:
    """How many different patient keys there are."""
    return connection.execute("SELECT count(DISTINCT patient_key) FROM cases").fetchone()[0]


def statement_counts(connection: sqlite3.Connection) -> dict[str, int]:
    """How many cases have each statement, the most frequent first."""
    found = connection.execute("SELECT code, count(DISTINCT number) FROM statements GROUP BY code")
    return dict(sorted(found, key=lambda pair: (-pair[1], pair[0])))


def patient_numbers(connection: sqlite3.Connection, patient_key: str) -> list[int]:
    """The numbers of a patient's cases, by date and then by id."""
    sql = "SELECT number FROM cases WHERE patient_key = ? ORDER BY recorded IS NULL, recorded, case_id"
    return [number for (number,) in connection.execute(sql, (patient_key,))]


def raise_generation(connection: sqlite3.Connection) -> int:
    """Count a change, inside its transaction; the new generation."""
    connection.execute("UPDATE state SET generation = generation + 1")
    return generation(connection)


def _refuse_repeated_ids(folder: Path, cases: Sequence[Case]) -> None:
    for case_id, count in Counter(case.case_id for case in cases).items():
        if count > 1:
            raise DuplicateCase(f"{folder}: the id {case_id!r} was given to {count} cases; each needs its own")


def is_retired(connection: sqlite3.Connection, case_id: str) -> bool:
    """Whether an id was deleted."""
    sql = "SELECT 1 FROM retired WHERE case_id_sha256 = ?"
    return connection.execute(sql, (records.id_digest(case_id),)).fetchone() is not None


def _refuse_used_ids(connection: sqlite3.Connection, folder: Path, cases: Sequence[Case]) -> None:
    ids = [case.case_id for case in cases]
    for case_id in records.numbers_of(connection, ids):
        raise DuplicateCase(f"{folder}: a case {case_id!r} is in the gallery already; delete it or give another id")
    for case_id in ids:
        if is_retired(connection, case_id):
            raise DuplicateCase(f"{folder}: the id {case_id!r} was deleted and is never used again; give another id")


def _insert_all(connection: sqlite3.Connection, cases: Sequence[Case], vectors: NDArray[np.float32]) -> int:
    if not cases:
        return generation(connection)
    added = generation(connection) + 1
    numbers = [
        _insert(connection, case, vector.astype("<f4").tobytes(), added)
        for case, vector in zip(cases, vectors, strict=True)
    ]
    words.insert(connection, zip(numbers, (case.report for case in cases), strict=True))
    return raise_generation(connection)


def _insert(connection: sqlite3.Connection, case: Case, vector: bytes, added: int) -> int | None:
    columns, statements = records.columns_of(case), records.statements_of(case)
    sha256 = records.digest(columns, statements, (case.waveform, case.page))
    names, marks = ", ".join(records.COLUMNS), ", ".join("?" * len(records.COLUMNS))
    sql = f"INSERT INTO cases ({names}, sha256, added) VALUES ({marks}, ?, ?)"  # noqa: S608
    number = connection.execute(sql, (*columns, sha256, added)).lastrowid
    rows = [(number, position, code, value) for position, (code, value) in enumerate(statements)]
    connection.executemany("INSERT INTO statements (number, position, code, likelihood) VALUES (?, ?, ?, ?)", rows)
    connection.execute("INSERT INTO vectors VALUES (?, ?, ?)", (number, vector, hashlib.sha256(vector).digest()))
    if case.waveform is not None or case.page is not None:
        connection.execute("INSERT INTO attachments VALUES (?, ?, ?)", (number, case.waveform, case.page))
    return number


def _remove(connection: sqlite3.Connection, numbers: Sequence[int]) -> None:
    bound = [(number,) for number in numbers]
    for table in ("statements", "vectors", "next_vectors", "attachments", "cases"):
        connection.executemany(f"DELETE FROM {table} WHERE number = ?", bound)  # noqa: S608
    words.delete(connection, numbers)
