"""A CSV of ECG files with their reports, as an archive hands it over: for the audit, and to build a gallery from."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from retrieval.errors import BadArgument, FileMissing

COLUMNS = ("path", "report", "statements", "patient", "age", "sex")
"""Columns that are read; only ``path`` must be there."""


@dataclass(frozen=True)
class ReportRow:
    """One line of the table: where the ECG lies and what was written about it."""

    path: Path
    file: str
    report: str = ""
    statements: Mapping[str, float | None] | None = None
    patient: str | None = None
    age: float | None = None
    sex: str | None = None


def read_reports(table: str | Path, folder: str | Path | None = None) -> tuple[ReportRow, ...]:
    """Read a table with the columns ``path, report[, statements][, patient][, age][, sex]``.

    Args:
        table: the CSV, UTF-8, with commas or semicolons.
        folder: what relative paths are relative to; by default the folder of the table.

    Raises:
        FileMissing: when there is no such table.
        BadArgument: when it is no CSV with a ``path`` column, or a cell cannot be understood (the line is named).
    """
    path = Path(table)
    if not path.is_file():
        raise FileMissing(f"no table of reports at {path}; expected a CSV with the columns path, report[, patient]")
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise BadArgument(f"{path} is not UTF-8 (byte {error.start}); save the table as CSV UTF-8") from error
    head = text.partition("\n")[0]
    reader = csv.DictReader(
        io.StringIO(text, newline=""), delimiter=";" if head.count(";") > head.count(",") else ","
    )
    named = [(name or "").strip().lower() for name in reader.fieldnames or ()]
    if "path" not in named:
        raise BadArgument(f"{path} has the columns {named}; it needs 'path', and 'report' where there are reports")
    reader.fieldnames = named
    root = Path(folder) if folder is not None else path.parent
    try:
        return tuple(_row(line, root, f"{path} line {i}") for i, line in enumerate(reader, start=2))
    except csv.Error as error:
        raise BadArgument(f"{path} cannot be read as CSV: {error}") from error


def parse_statements(text: str) -> dict[str, float | None]:
    """``"AFIB; IMI:80"`` or ``{"AFIB": null, "IMI": 80}`` as statement code to likelihood in per cent.

    A likelihood of 0 means, as in PTB-XL, that the certainty was not given, and becomes ``None``.

    Raises:
        BadArgument: when a likelihood is no number from 0 to 100.
    """
    if text.lstrip().startswith("{"):
        try:
            pairs = json.loads(text.replace("'", '"'))
        except json.JSONDecodeError as error:
            raise BadArgument(f"the statements '{text}' are no JSON object; write AFIB; IMI:80") from error
        return {str(code): _likelihood(value, text) for code, value in pairs.items()}
    statements: dict[str, float | None] = {}
    for part in filter(None, (part.strip() for part in text.replace(",", ";").split(";"))):
        code, _, likelihood = part.partition(":")
        statements[code.strip()] = _likelihood(likelihood.strip() or None, text)
    return statements


def _likelihood(value: object, text: str) -> float | None:
    try:
        number = 0.0 if value is None else float(str(value))
    except ValueError:
        number = -1.0
    if not 0 <= number <= 100:
        raise BadArgument(f"'{value}' in the statements '{text}' is no likelihood from 0 to 100")
    return number or None


def _row(line: Mapping[str, str | None], root: Path, place: str) -> ReportRow:
    cells = {name: (line.get(name) or "").strip() for name in COLUMNS}
    if not cells["path"]:
        raise BadArgument(f"{place} has no path")
    try:
        statements = parse_statements(cells["statements"]) if cells["statements"] else None
        age = float(cells["age"]) if cells["age"] else None
    except (BadArgument, ValueError) as error:
        raise BadArgument(f"{place}: {error}") from error
    sex = {"f": "female", "m": "male", "w": "female"}.get(cells["sex"].lower(), cells["sex"].lower())
    return ReportRow(
        path=root / cells["path"],
        file=cells["path"],
        report=cells["report"],
        statements=statements,
        patient=cells["patient"] or None,
        age=age,
        sex=sex or None,
    )
