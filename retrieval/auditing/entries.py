"""What is audited: a folder, a table or a gallery, as a stream that begins anywhere and never lies in memory."""

from __future__ import annotations

import csv
import hashlib
import importlib
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from index import CaseGallery
from retrieval.errors import BadArgument, ExtraMissing, FileMissing
from retrieval.reports_table import COMPANIONS, parse_statements
from retrieval.table_columns import NAMES, age_of, date_of, file_at, known_columns, sex_of

COLUMNS = (*NAMES, "reader", "trusted")
"""Columns that a manifest may have, under these names or those of ``retrieval.table_columns``; only ``path`` must."""
AT_ONCE = 1_000
_YES, _NO = ("1", "yes", "true", "ja", "x"), ("", "0", "no", "false", "nein")


@dataclass(frozen=True)
class Entry:
    """One ECG of an archive, with what the archive knows of it.

    ``path`` is None for a case of a gallery, whose id is ``file``; ``trusted`` says that a person has checked that
    the report belongs.
    """

    number: int
    file: str
    path: Path | None
    report: str = ""
    statements: Mapping[str, float | None] | None = None
    patient: str | None = None
    age: float | None = None
    sex: str | None = None
    site: str | None = None
    device: str | None = None
    reader: str | None = None
    recorded: str | None = None
    trusted: bool = False


@dataclass(frozen=True)
class Archive:
    """A source of entries.

    Args:
        name: what tells its content from any other's.
        total: how many entries it has.
        after: the entries from a number on, counted from 0; the same each time.
        gallery: whether the entries are the cases of the gallery that they are compared with.
    """

    name: str
    total: int
    after: Callable[[int], Iterator[Entry]]
    gallery: bool = False


def archive_of(source: str | Path) -> Archive:
    """A folder of ECG files, or a CSV or Parquet manifest; a manifest is read through once, and checked.

    Raises:
        FileMissing: when the source is not there.
        BadArgument: when it names no ECG, or a line cannot be understood (which is named).
        ExtraMissing: when a Parquet manifest is given and pyarrow is not installed.
    """
    path = Path(source)
    if not path.exists():
        raise FileMissing(
            f"there is nothing at {path}; give a folder of ECG files, or a table with the columns path, report"
        )
    found = _folder(path) if path.is_dir() else _manifest(path)
    if not found.total:
        raise BadArgument(f"{path} names no ECG to audit")
    return found


def archive_of_gallery(gallery: CaseGallery, trusted: Callable[[list[str]], set[str]] | None = None) -> Archive:
    """The cases of a gallery, to be compared with each other.

    Args:
        gallery: open; its content may not change meanwhile.
        trusted: tells which of some ids a person has checked.
    """
    info = gallery.info()

    def after(first: int) -> Iterator[Entry]:
        ids = gallery.ids()
        for start in range(first, len(ids), AT_ONCE):
            part = ids[start : start + AT_ONCE]
            sure = trusted(part) if trusted else set()
            for number, case in enumerate(gallery.cases(part), start):
                reader = case.extra.get("reader")
                yield Entry(
                    number=number,
                    file=case.case_id,
                    path=None,
                    report=case.report,
                    statements=case.statements or None,
                    patient=case.patient_key,
                    age=case.age,
                    sex=case.sex,
                    site=case.site,
                    device=case.device,
                    reader=reader,
                    recorded=case.recorded,
                    trusted=case.case_id in sure,
                )

    if not info.cases:
        raise BadArgument(f"{gallery.path} holds no case to audit")
    return Archive(f"gallery {info.path} {info.generation}", info.cases, after, gallery=True)


def _folder(path: Path) -> Archive:
    digest, total = hashlib.sha256(str(path.resolve()).encode()), 0
    for file in _files(path):
        facts = file.stat()
        digest.update(f"{file.relative_to(path)}\0{facts.st_size}\0{facts.st_mtime_ns}\n".encode("utf-8", "replace"))
        total += 1

    def after(first: int) -> Iterator[Entry]:
        for number, file in enumerate(islice(_files(path), first, None), first):
            yield Entry(number, str(file.relative_to(path)), file)

    return Archive(f"folder {digest.hexdigest()}", total, after)


def _files(path: Path) -> Iterator[Path]:
    """Every file but hidden ones and the companions of a WFDB header, in the order of their names."""
    for folder, folders, files in os.walk(path):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(files):
            file = Path(folder, name)
            companion = file.suffix.lower() in COMPANIONS and file.with_suffix(".hea").is_file()
            if not name.startswith(".") and not companion:
                yield file


def _manifest(path: Path) -> Archive:
    lines = _parquet_lines if _is_parquet(path) else _csv_lines
    total = sum(1 for _ in _entries(path, lines))
    with path.open("rb") as data:
        content = hashlib.file_digest(data, "sha256").hexdigest()
    return Archive(
        f"manifest {path.resolve()} {content}",
        total,
        lambda first: islice(_entries(path, lines), first, None),
    )


def _entries(path: Path, lines: Callable[[Path], Iterator[tuple[str, dict[str, str]]]]) -> Iterator[Entry]:
    for number, (place, cells) in enumerate(lines(path)):
        yield _entry(number, place, cells, path.parent)


def _is_parquet(path: Path) -> bool:
    with path.open("rb") as data:
        return data.read(4) == b"PAR1"


def _csv_lines(path: Path) -> Iterator[tuple[str, dict[str, str]]]:
    """Each line as text by column, with where it stands."""
    with path.open(encoding=_encoding(path), newline="") as file:
        try:
            head = file.readline()
            file.seek(0)
            table = csv.DictReader(file, delimiter=max(",;\t", key=head.count))
            table.fieldnames = known_columns(list(table.fieldnames or ()), path)
            for line in table:
                yield f"{path} line {table.line_num}", {name: (line.get(name) or "").strip() for name in COLUMNS}
        except UnicodeDecodeError as error:
            raise BadArgument(f"{path} is not UTF-8 (byte {error.start}); save the table as CSV UTF-8") from error
        except csv.Error as error:
            raise BadArgument(f"{path} cannot be read as CSV: {error}") from error


def _encoding(path: Path) -> str:
    with path.open("rb") as data:
        return "utf-16" if data.read(2) in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"


def _parquet_lines(path: Path) -> Iterator[tuple[str, dict[str, str]]]:
    try:
        parquet: Any = importlib.import_module("pyarrow.parquet")
        arrow: Any = importlib.import_module("pyarrow")
    except ImportError as error:
        raise ExtraMissing("Parquet files need pyarrow; install it with pip install 'nearbeat[parquet]'") from error
    try:
        with parquet.ParquetFile(path) as file:
            names = list(file.schema_arrow.names)
            own = dict(zip(known_columns(names, path), names, strict=True))
            wanted = [own[name] for name in COLUMNS if name in own]
            number = 0
            for batch in file.iter_batches(AT_ONCE, columns=wanted):
                for row in batch.to_pylist():
                    number += 1
                    cells = {name: "" if own.get(name) is None else _text(row[own[name]]) for name in COLUMNS}
                    yield f"{path} row {number}", cells
    except (arrow.ArrowInvalid, OSError) as error:
        raise BadArgument(f"{path} cannot be read as Parquet: {error}") from error


def _text(value: object) -> str:
    return "" if value is None else str(value).strip()


def _entry(number: int, place: str, cells: Mapping[str, str], root: Path) -> Entry:
    if not cells["path"]:
        raise BadArgument(f"{place} has no path")
    try:
        statements = parse_statements(cells["statements"]) if cells["statements"] else None
        age, sex, recorded = age_of(cells["age"]), sex_of(cells["sex"]), date_of(cells["recorded"])
        trusted = _yes(cells["trusted"])
    except BadArgument as error:
        raise BadArgument(f"{place}: {error}") from error
    return Entry(
        number=number,
        file=cells["path"],
        path=file_at((root,), cells["path"]),
        report=cells["report"],
        statements=statements,
        patient=cells["patient"] or None,
        age=age,
        sex=sex,
        site=cells["site"] or None,
        device=cells["device"] or None,
        reader=cells["reader"] or None,
        recorded=recorded,
        trusted=trusted,
    )


def _yes(text: str) -> bool:
    if text.lower() in _YES:
        return True
    if text.lower() in _NO:
        return False
    raise BadArgument(f"trusted is '{text}'; it must be yes or no")
