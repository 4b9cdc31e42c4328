"""A look at somebody's own folder of ECGs and its table of reports, before a gallery is built of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from retrieval.ecg.statements import STATEMENTS
from retrieval.errors import BadInput
from retrieval.reports_table import COMPANIONS, ReportRow, read_reports

Progress = Callable[[int, int], None]
"""Called with (done, all)."""
MOST_LISTED = 1_000


@dataclass(frozen=True)
class Trouble:
    """A file of the table that cannot become a case, as far as its first bytes tell."""

    file: str
    kind: str
    message: str


@dataclass(frozen=True)
class Looked:
    """What a folder and its table hold.

    Args:
        rows: lines of the table.
        filled: for each column how many lines have something in it.
        kinds: for each kind of file how many there are.
        troubles: files that are absent, empty or of no known kind, and those named twice.
        unnamed: files of the folder that the table does not name; the first ``MOST_LISTED``.
        unknown_statements: codes that are none of SCP-ECG; they are kept, and mean nothing to the vote's words.
    """

    rows: int
    filled: dict[str, int]
    kinds: dict[str, int]
    troubles: tuple[Trouble, ...]
    unnamed: tuple[str, ...] = ()
    unknown_statements: tuple[str, ...] = field(default=())


def look(folder: Path, table: Path, progress: Progress | None = None) -> Looked:
    """Read the table, and of each file its first bytes; no ECG is decoded.

    Raises:
        BadInput: when the table cannot be read.
    """
    from retrieval.intake.sniff import sniff

    rows = read_reports(table, folder)
    kinds: Counter[str] = Counter()
    troubles: list[Trouble] = []
    seen: set[str] = set()
    for done, row in enumerate(rows, start=1):
        try:
            kinds[sniff(row.path)] += 1
        except BadInput as error:
            troubles.append(Trouble(row.file, error.kind, str(error)))
        if row.file in seen:
            troubles.append(Trouble(row.file, "duplicate_case", f"{row.file} is named twice; the first is taken"))
        seen.add(row.file)
        if progress:
            progress(done, len(rows))
    codes = {code for row in rows for code in row.statements or ()}
    return Looked(
        rows=len(rows),
        filled=_filled(rows),
        kinds=dict(kinds),
        troubles=tuple(troubles),
        unnamed=tuple(_unnamed(folder, table, rows)),
        unknown_statements=tuple(sorted(codes - set(STATEMENTS))),
    )


def _filled(rows: tuple[ReportRow, ...]) -> dict[str, int]:
    fields = ("report", "statements", "patient", "age", "sex", "site", "device", "recorded")
    return {name: sum(bool(getattr(row, name)) for row in rows) for name in fields}


def _unnamed(folder: Path, table: Path, rows: tuple[ReportRow, ...]) -> Iterator[str]:
    """Files beside those of the table, but hidden ones, signal files of a named header, and the table."""
    named = {row.path.resolve() for row in rows}
    stems = {path.with_suffix("") for path in named}
    found = 0
    for file in sorted(folder.rglob("*")):
        parts = file.relative_to(folder).parts
        if not file.is_file() or any(part.startswith(".") for part in parts) or file.samefile(table):
            continue
        real = file.resolve()
        if real in named or (file.suffix.lower() in COMPANIONS and real.with_suffix("") in stems):
            continue
        found += 1
        if found > MOST_LISTED:
            return
        yield str(file.relative_to(folder))
