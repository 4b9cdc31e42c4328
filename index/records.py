"""A case as rows of the tables, and the digest that tells whether they are still what was added."""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TypeVar

from index.case import Case
from index.errors import GalleryDamaged, UnknownCase

COLUMNS = ("case_id", "patient_key", "report", "source", "age", "sex", "site", "device", "recorded", "extra")
_ASK_AT_ONCE = 500
"""SQLite allows 999 bound values in its oldest supported builds."""

T = TypeVar("T")
Value = str | float | None
Statement = tuple[str, float | None]


def columns_of(case: Case) -> tuple[Value, ...]:
    """The values of ``COLUMNS``."""
    extra = json.dumps(dict(case.extra), ensure_ascii=False, sort_keys=True)
    age = None if case.age is None else float(case.age)
    fields = (case.case_id, case.patient_key, case.report, case.source, age)
    return (*fields, case.sex, case.site, case.device, case.recorded, extra)


def statements_of(case: Case) -> list[Statement]:
    """The statements in the order given."""
    return [(code, None if value is None else float(value)) for code, value in case.statements.items()]


def digest(columns: Sequence[Value], statements: Sequence[Statement], blobs: Sequence[bytes | None]) -> bytes:
    """SHA-256 of everything a case holds but its vector: 32 bytes."""
    head = json.dumps([list(columns), [list(pair) for pair in statements]], separators=(",", ":"))
    whole = hashlib.sha256(head.encode())
    for blob in blobs:
        whole.update(b"\x00" if blob is None else b"\x01%d:" % len(blob) + blob)
    return whole.digest()


def id_digest(case_id: str) -> bytes:
    """What is kept of a deleted id: enough to refuse it, not the id itself."""
    return hashlib.sha256(case_id.encode()).digest()


def numbers_of(connection: sqlite3.Connection, case_ids: Iterable[str]) -> dict[str, int]:
    """The numbers of those ids that are in the gallery."""
    found: dict[str, int] = {}
    for ids in _chunks(list(case_ids)):
        marks = ",".join("?" * len(ids))
        found.update(connection.execute(f"SELECT case_id, number FROM cases WHERE case_id IN ({marks})", ids))  # noqa: S608
    return found


def known_numbers(connection: sqlite3.Connection, folder: Path, case_ids: Sequence[str]) -> list[int]:
    """The number of each id, in order.

    Raises:
        UnknownCase: naming the first id that is not in the gallery.
    """
    found = numbers_of(connection, case_ids)
    for case_id in case_ids:
        if case_id not in found:
            raise UnknownCase(
                f"{folder}: there is no case {case_id!r}, or it was deleted; ids() lists those there are"
            )
    return [found[case_id] for case_id in case_ids]


def read_cases(connection: sqlite3.Connection, folder: Path, numbers: Sequence[int]) -> Iterator[Case]:
    """The cases of these numbers, in order, each checked against its digest.

    Raises:
        GalleryDamaged: when a case is not what was added, naming it.
    """
    columns = ", ".join(f"c.{name}" for name in COLUMNS)
    sql = (
        f"SELECT c.number, c.sha256, a.waveform, a.page, {columns} FROM cases c "  # noqa: S608
        "LEFT JOIN attachments a USING (number) WHERE c.number IN ({marks})"
    )
    for chunk in _chunks(numbers):
        marks = ",".join("?" * len(chunk))
        statements = _statements(connection, chunk, marks)
        rows = {row[0]: row[1:] for row in connection.execute(sql.replace("{marks}", marks), chunk)}
        for number in chunk:
            if number not in rows:
                raise GalleryDamaged(f"{folder}: case number {number} cannot be read back; restore it from a copy")
            yield _checked_case(folder, rows[number], statements.get(number, []))


def _statements(connection: sqlite3.Connection, numbers: Sequence[int], marks: str) -> dict[int, list[Statement]]:
    sql = f"SELECT number, code, likelihood FROM statements WHERE number IN ({marks}) ORDER BY number, position"  # noqa: S608
    found: dict[int, list[Statement]] = {}
    for number, code, likelihood in connection.execute(sql, numbers):
        found.setdefault(number, []).append((code, likelihood))
    return found


def _checked_case(folder: Path, row: tuple, statements: list[Statement]) -> Case:
    sha256, waveform, page, *columns = row
    try:
        intact = digest(columns, statements, (waveform, page)) == sha256
    except (TypeError, ValueError):  # a damaged value of another kind than was stored
        intact = False
    if not intact:
        raise GalleryDamaged(f"{folder}: case {columns[0]!r} is not what was added; restore cases.db from a copy")
    values = dict(zip(COLUMNS, columns, strict=True))
    extra = json.loads(values.pop("extra"))
    return Case(**values, statements=dict(statements), extra=extra, waveform=waveform, page=page)


def _chunks(items: Sequence[T]) -> Iterator[Sequence[T]]:
    for start in range(0, len(items), _ASK_AT_ONCE):
        yield items[start : start + _ASK_AT_ONCE]
