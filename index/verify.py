"""A check of every byte of a gallery that an answer could come from."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from index import records, store
from index.case import VerifyReport
from index.errors import GalleryDamaged
from index.rows import UNIT_TOLERANCE, is_intact
from index.vectors import CACHE, check_cache

MOST_PROBLEMS = 50


def verify_gallery(connection: sqlite3.Connection, folder: Path, dim: int) -> VerifyReport:
    """Check the database's pages, every case, every vector and the cache file.

    A stale or absent cache is no problem: it is built again. A damaged one is, since something altered the file.
    """
    problems: list[str] = []
    try:
        for problem in _all_problems(connection, folder, dim):
            problems.append(problem)
            if len(problems) == MOST_PROBLEMS:
                problems.append(f"and more; only the first {MOST_PROBLEMS} are listed")
                break
        cases, generation = store.count_cases(connection), store.generation(connection)
    except sqlite3.DatabaseError as error:
        problems.append(f"cases.db cannot be read to its end: {error}")
        cases, generation = -1, -1
    cache = "absent" if generation < 0 else check_cache(connection, folder)[0]
    if cache == "damaged":
        problems.append(f"{CACHE} is not the file that the database recorded; it is not used, and built again")
    return VerifyReport(not problems, tuple(problems), cases, generation, cache)


def _all_problems(connection: sqlite3.Connection, folder: Path, dim: int) -> Iterator[str]:
    for (message,) in connection.execute("PRAGMA integrity_check"):
        if message != "ok":
            yield f"cases.db: {message}"
    yield from _orphans(connection)
    yield from _case_problems(connection, folder)
    yield from _vector_problems(connection, dim)


def _orphans(connection: sqlite3.Connection) -> Iterator[str]:
    for table in ("statements", "vectors", "attachments"):
        sql = f"SELECT count(*) FROM {table} WHERE number NOT IN (SELECT number FROM cases)"  # noqa: S608
        if count := connection.execute(sql).fetchone()[0]:
            yield f"{count} rows of {table} belong to no case"
    bare = connection.execute("SELECT case_id FROM cases WHERE number NOT IN (SELECT number FROM vectors)")
    for (case_id,) in bare:
        yield f"case {case_id!r} has no vector"


def _case_problems(connection: sqlite3.Connection, folder: Path) -> Iterator[str]:
    numbers = [number for (number,) in connection.execute("SELECT number FROM cases ORDER BY number")]
    for number in numbers:
        try:
            case = next(records.read_cases(connection, folder, [number]))
        except GalleryDamaged as error:
            yield str(error)
            continue
        gone = (records.id_digest(case.case_id),)
        if connection.execute("SELECT 1 FROM retired WHERE case_id_sha256 = ?", gone).fetchone():
            yield f"case {case.case_id!r} bears an id that was deleted"


def _vector_problems(connection: sqlite3.Connection, dim: int) -> Iterator[str]:
    for number, vector, sha256 in connection.execute("SELECT number, vector, sha256 FROM vectors ORDER BY number"):
        if not is_intact(vector, sha256, dim):
            yield f"the vector of case number {number} is not what was added"
        elif abs(float(np.linalg.norm(np.frombuffer(vector, "<f4").astype(np.float64))) - 1) > UNIT_TOLERANCE:
            yield f"the vector of case number {number} is not of length 1"
