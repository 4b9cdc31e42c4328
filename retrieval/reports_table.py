"""A CSV of ECG files with their reports, as an archive hands it over: for the audit, and to build a gallery from."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from retrieval.errors import BadArgument, FileMissing
from retrieval.table_columns import NAMES, age_of, date_of, file_at, known_columns, sex_of

COLUMNS = tuple(NAMES)
"""Columns that are read; only ``path`` must be there."""
_MARKS = ((b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"))


COMPANIONS = frozenset({".dat", ".atr", ".mat", ".ann"})
"""Files that belong to the WFDB header of the same name and are no ECGs of their own."""


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
    site: str | None = None
    device: str | None = None
    recorded: str | None = None


def read_reports(table: str | Path, folder: str | Path | None = None) -> tuple[ReportRow, ...]:
    """Read a table of ECG files: ``path, report`` and what else of ``COLUMNS`` there is.

    Args:
        table: the CSV, UTF-8 or UTF-16, with commas, semicolons or tabs; columns may have the names of
            ``retrieval.table_columns``.
        folder: what relative paths are relative to; by default, and where there is no such file in it, the folder of
            the table.

    Raises:
        FileMissing: when there is no such table.
        BadArgument: when it is no CSV with a column of files, or a cell cannot be understood (the line is named).
    """
    path = Path(table)
    reader = csv.DictReader(io.StringIO(text := text_of(path), newline=""), delimiter=_delimiter(text))
    reader.fieldnames = known_columns(list(reader.fieldnames or ()), path)
    roots = (path.parent,) if folder is None else (Path(folder), path.parent)
    try:
        return tuple(_row(line, roots, f"{path} line {reader.line_num}") for line in reader)
    except csv.Error as error:
        raise BadArgument(f"{path} cannot be read as CSV: {error}") from error


def text_of(path: Path) -> str:
    """The text of a table.

    Raises:
        FileMissing: when there is none.
        BadArgument: when it is of an encoding that cannot be told for sure.
    """
    if not path.is_file():
        raise FileMissing(f"no table of reports at {path}; expected a CSV with the columns path, report[, patient]")
    data = path.read_bytes()
    if data.startswith(b"PK\x03\x04"):
        raise BadArgument(f"{path} is a spreadsheet; save it as 'CSV UTF-8' and name that file")
    encoding = next((name for mark, name in _MARKS if data.startswith(mark)), "utf-8-sig")
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        raise BadArgument(
            f"{path} is not UTF-8 (byte {error.start}); save the table as 'CSV UTF-8', or, if it comes from Windows, "
            f"convert it: iconv -f WINDOWS-1252 -t UTF-8 '{path.name}'"
        ) from error


def _delimiter(text: str) -> str:
    head = text.partition("\n")[0]
    return max(",;\t", key=head.count)


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


def _row(line: Mapping[str, str | None], roots: Sequence[Path], place: str) -> ReportRow:
    cells = {name: (line.get(name) or "").strip() for name in COLUMNS}
    if not cells["path"]:
        raise BadArgument(f"{place} has no path")
    try:
        statements = parse_statements(cells["statements"]) if cells["statements"] else None
        age, sex, recorded = age_of(cells["age"]), sex_of(cells["sex"]), date_of(cells["recorded"])
    except BadArgument as error:
        raise BadArgument(f"{place}: {error}") from error
    return ReportRow(
        path=file_at(roots, cells["path"]),
        file=cells["path"],
        report=cells["report"],
        statements=statements,
        patient=cells["patient"] or None,
        age=age,
        sex=sex,
        site=cells["site"] or None,
        device=cells["device"] or None,
        recorded=recorded,
    )
