"""What the auditor decided: a table beside the output that people may edit, and that survives every further run."""

from __future__ import annotations

import csv
import hashlib
import io
import os
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, get_args

from retrieval.errors import BadArgument, FileMissing

NAME = "marks.csv"
COLUMNS = ("file", "mark", "note", "report")
Decision = Literal["confirmed", "dismissed", "open"]
DECISIONS: tuple[str, ...] = get_args(Decision)


@dataclass(frozen=True)
class Mark:
    """What the auditor decided about one ECG.

    Args:
        file: as the archive names it.
        mark: ``confirmed`` (the report is wrong), ``dismissed`` (it belongs), or ``open``.
        note: why.
        report: digest of the report that was judged, where it is known: when the report is another one at the next
            run, the mark stands there as ``changed``.
    """

    file: str
    mark: str = "open"
    note: str = ""
    report: str = ""


class Marks:
    """The marks of one folder.

    Args:
        folder: where ``marks.csv`` lies, or will.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / NAME
        known = read_marks(self.path) if self.path.is_file() else []
        self._marks: dict[str, Mark] = {mark.file: mark for mark in known}

    def __len__(self) -> int:
        return len(self._marks)

    def of(self, file: str, report: str = "") -> Mark:
        """The mark of an ECG; ``open`` where there is none. Its digest is emptied while the report is the same."""
        mark = self._marks.get(file, Mark(file))
        return replace(mark, report="" if mark.report in ("", report) else "changed")

    def set(self, marks: Iterable[Mark]) -> None:
        """Put marks down, over older ones of the same ECGs, and write the table."""
        for mark in marks:
            self._marks[mark.file] = mark
        self.write()

    def write(self) -> None:
        """Write the table beside its place, and rename."""
        text = io.StringIO(newline="")
        table = csv.writer(text)
        table.writerow(COLUMNS)
        table.writerows(
            [mark.file, mark.mark, mark.note, mark.report]
            for mark in sorted(self._marks.values(), key=lambda mark: mark.file)
        )
        write_whole(self.path, text.getvalue().encode("utf-8"))


def read_marks(path: Path) -> list[Mark]:
    """Marks of a CSV with the columns ``file, mark[, note][, report]``.

    Raises:
        FileMissing: when there is none.
        BadArgument: when it is no such table, or a mark is none of ``DECISIONS``; the line is named.
    """
    if not path.is_file():
        raise FileMissing(f"no table of marks at {path}; expected a CSV with the columns file, mark[, note]")
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            head = file.readline()
            file.seek(0)
            table = csv.DictReader(file, delimiter=";" if head.count(";") > head.count(",") else ",")
            if not {"file", "mark"} <= set(table.fieldnames or ()):
                raise BadArgument(f"{path} has the columns {table.fieldnames}; it needs 'file' and 'mark'")
            return [_mark(line, f"{path} line {table.line_num}") for line in table]
    except (UnicodeDecodeError, csv.Error) as error:
        raise BadArgument(f"{path} cannot be read as CSV UTF-8: {error}") from error


def digest_of(facts: Mapping[str, object]) -> str:
    """What tells a report from another one: eight signs."""
    return hashlib.sha256(f"{facts.get('report')}|{facts.get('statements')}".encode()).hexdigest()[:8]


def write_whole(path: Path, data: bytes) -> None:
    """Write a file beside its place, and rename: a reader finds the old one or the whole new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, scratch = tempfile.mkstemp(prefix=".audit-", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        Path(scratch).chmod(0o644)
        Path(scratch).replace(path)
    except BaseException:
        Path(scratch).unlink(missing_ok=True)
        raise


def checked(mark: str, place: str) -> str:
    """A decision as it is written.

    Raises:
        BadArgument: when it is none.
    """
    if mark.strip().lower() not in DECISIONS:
        raise BadArgument(f"{place}: the mark is '{mark}'; it must be one of {', '.join(DECISIONS)}")
    return mark.strip().lower()


def _mark(line: Mapping[str, str | None], place: str) -> Mark:
    file = line.get("file") or ""
    if not file:
        raise BadArgument(f"{place} names no file")
    mark = checked(line.get("mark") or "open", place)
    return Mark(file, mark, (line.get("note") or "").strip(), (line.get("report") or "").strip())
