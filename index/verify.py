"""A check of every byte of a gallery that an answer could come from."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal

import numpy as np

from index import records, store, words
from index.case import VerifyReport
from index.connection import format_of
from index.duplicates import near_duplicates
from index.errors import BadSearch, GalleryDamaged
from index.reembed import next_bundle
from index.rows import UNIT_TOLERANCE, is_intact
from index.vectors import CACHE, check_cache

MOST_PROBLEMS = 50
_AT_ONCE = 500
NEAR_FROM = 0.9999
MOST_COMPARED = 50_000
"""Cases up to which near-duplicates are looked for unasked: the work grows with the square of their number."""

Near = float | Literal["auto"] | None


def verify_gallery(connection: sqlite3.Connection, folder: Path, dim: int, near: Near = None) -> VerifyReport:
    """Check the database's pages, every case, every vector, the words and the cache file.

    A stale or absent cache is no problem: it is built again. A damaged one is, since something altered the file.

    Args:
        near: from which cosine similarity on pairs across patients are reported; see ``Gallery.verify``.
    """
    problems = database_problems(connection, folder, dim)
    found, count, near_from = [], 0, None
    try:
        cases, generation = store.count_cases(connection), store.generation(connection)
        near_from = _near_from(near, cases)
        if near_from is not None:
            found, count = near_duplicates(connection, dim, near_from)
    except (sqlite3.DatabaseError, UnicodeDecodeError):  # database_problems has said it
        cases, generation = -1, -1
    cache = "absent" if generation < 0 else check_cache(connection, folder)[0]
    if cache == "damaged":
        problems.append(f"{CACHE} is not the file that the database recorded; it is not used, and built again")
    return VerifyReport(
        not problems, tuple(problems), cases, generation, cache, tuple(found), near_from, near_count=count
    )


def database_problems(connection: sqlite3.Connection, folder: Path, dim: int) -> list[str]:
    """What is wrong with ``cases.db``, as sentences; the first ``MOST_PROBLEMS`` of them."""
    problems: list[str] = []
    try:
        for problem in _all_problems(connection, folder, dim):
            if len(problems) == MOST_PROBLEMS:
                problems.append(f"and more; only the first {MOST_PROBLEMS} are listed")
                break
            problems.append(problem)
        store.count_cases(connection)
        store.generation(connection)
    except (sqlite3.DatabaseError, UnicodeDecodeError) as error:
        problems.append(f"cases.db cannot be read to its end: {error}")
    return problems


def _near_from(near: Near, cases: int) -> float | None:
    if near == "auto":
        return NEAR_FROM if cases <= MOST_COMPARED else None
    if near is not None and not 0 < near <= 1:
        raise BadSearch(f"the similarity of near-duplicates is {near!r}; it must be above 0 and at most 1")
    return near


def _all_problems(connection: sqlite3.Connection, folder: Path, dim: int) -> Iterator[str]:
    for (message,) in connection.execute("PRAGMA integrity_check"):
        if message != "ok":
            yield f"cases.db: {message}"
    yield from _orphans(connection)
    yield from _case_problems(connection, folder)
    yield from _vector_problems(connection, "vectors", dim, "the vector")
    if format_of(connection) >= words.FIRST_FORMAT:
        yield from _word_problems(connection)
        yield from _reembed_problems(connection)


def _orphans(connection: sqlite3.Connection) -> Iterator[str]:
    for table in ("statements", "vectors", "attachments"):
        yield from _orphans_of(connection, table)
    bare = connection.execute("SELECT case_id FROM cases WHERE number NOT IN (SELECT number FROM vectors)")
    for (case_id,) in bare:
        yield f"case {case_id!r} has no vector"


def _case_problems(connection: sqlite3.Connection, folder: Path) -> Iterator[str]:
    numbers = [number for (number,) in connection.execute("SELECT number FROM cases ORDER BY number")]
    for start in range(0, len(numbers), _AT_ONCE):
        chunk = numbers[start : start + _AT_ONCE]
        try:
            ids = [case.case_id for case in records.read_cases(connection, folder, chunk)]
        except GalleryDamaged:
            ids = []
            yield from _each_case(connection, folder, chunk)
        yield from _ids_used_again(connection, ids)


def _each_case(connection: sqlite3.Connection, folder: Path, numbers: Sequence[int]) -> Iterator[str]:
    """The same one by one, to name every case that is damaged."""
    for number in numbers:
        try:
            case = next(records.read_cases(connection, folder, [number]))
        except GalleryDamaged as error:
            yield str(error)
        else:
            yield from _ids_used_again(connection, [case.case_id])


def _ids_used_again(connection: sqlite3.Connection, ids: Sequence[str]) -> Iterator[str]:
    digests = {records.id_digest(case_id): case_id for case_id in ids}
    marks = ", ".join("?" * len(digests))
    sql = f"SELECT case_id_sha256 FROM retired WHERE case_id_sha256 IN ({marks})"  # noqa: S608
    for (digest,) in connection.execute(sql, list(digests)):
        yield f"case {digests[digest]!r} bears an id that was deleted"


def _orphans_of(connection: sqlite3.Connection, table: str, column: str = "number") -> Iterator[str]:
    sql = f"SELECT count(*) FROM {table} WHERE {column} NOT IN (SELECT number FROM cases)"  # noqa: S608
    if count := connection.execute(sql).fetchone()[0]:
        yield f"{count} rows of {table} belong to no case"


def _vector_problems(connection: sqlite3.Connection, table: str, dim: int, what: str) -> Iterator[str]:
    sql = f"SELECT number, vector, sha256 FROM {table} ORDER BY number"  # noqa: S608
    for number, vector, sha256 in connection.execute(sql):
        if not is_intact(vector, sha256, dim):
            yield f"{what} of case number {number} is not what was added"
        elif abs(float(np.linalg.norm(np.frombuffer(vector, "<f4").astype(np.float64))) - 1) > UNIT_TOLERANCE:
            yield f"{what} of case number {number} is not of length 1"


def _word_problems(connection: sqlite3.Connection) -> Iterator[str]:
    """The table ``words`` must hold what the reports say, and FTS5's segments what the table holds."""
    yield from _orphans_of(connection, "words", "rowid")
    sql = (
        "SELECT c.case_id, c.report, w.report FROM cases c LEFT JOIN words w ON w.rowid = c.number ORDER BY c.number"
    )
    for case_id, report, held in connection.execute(sql):
        if held != words.searchable(report):
            yield f"the words of case {case_id!r} are not those of its report; compact the gallery"
    problem = words.problem_of_index(connection)
    if problem is not None:
        yield problem


def _reembed_problems(connection: sqlite3.Connection) -> Iterator[str]:
    """What a move to another bundle has put beside the vectors."""
    yield from _orphans_of(connection, "next_vectors")
    try:
        bundle = next_bundle(connection)
    except GalleryDamaged as error:
        yield str(error)
        return
    if bundle is not None:
        yield from _vector_problems(connection, "next_vectors", bundle.dim, f"the vector for {bundle.bundle_name}")
    elif connection.execute("SELECT 1 FROM next_vectors LIMIT 1").fetchone():
        yield "there are vectors of another bundle, yet no move to one is under way; cancel the re-embedding"
