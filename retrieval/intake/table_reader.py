"""Read samples from CSV whose rate, unit and leads are declared: in comments, in the header, or beside the file."""

from __future__ import annotations

import io
import re
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from retrieval.errors import BadSignal, DamagedFile, TooLarge
from retrieval.intake.channels import Channel, assemble, check_amount, checked_rate, known_sex, lead_of
from retrieval.intake.declared import Declared, declared_in, sidecar
from retrieval.intake.limits import MAX_TABLE_BYTES
from retrieval.intake.opening import Opened, Recorded, Source

COMMENT = "#"
MAX_COMMENTS = 1_000
TIMES = {"s": 1.0, "sec": 1.0, "seconds": 1.0, "ms": 1e-3, "us": 1e-6}
_TIME = re.compile(r"(?:t|time|zeit|temps)[ _]*[(\[ _]*(s|sec|seconds|ms|us)[)\]]*")
_UNIT = re.compile(r"^(.*?)[ _]*(?:[(\[](.+)[)\]]|[ _](mv|uv|µv|μv))$", re.IGNORECASE)
_PAIR = re.compile(r"\s*([A-Za-z_ ]+?)\s*[:=]\s*(.+)")


@dataclass(frozen=True)
class Table:
    """A CSV file taken apart: ``columns`` names the columns where a header does, ``body`` holds the numbers."""

    said: Declared
    columns: tuple[str, ...] | None
    delimiter: str | None
    body: str


def open_table(source: Source, said: Declared) -> Opened:
    """A CSV file as one record: a column for each lead, and one of times if there is one.

    Raises:
        TooLarge: over 64 MB.
        DamagedFile: no text.
    """
    if len(source.data) > MAX_TABLE_BYTES:
        size = len(source.data) / 1e6
        raise TooLarge(f"'{source.name}' has {size:.0f} MB of text; at most {MAX_TABLE_BYTES // 10**6} are read")
    table = _taken_apart(source)
    said = said.over(sidecar(source.path).over(table.said, source.name), source.name)
    return Opened("csv", 1, lambda _: _record(table, said, source.name))


def _taken_apart(source: Source) -> Table:
    text = _text(source)
    said, at = {}, 0
    for _ in range(MAX_COMMENTS):
        end = text.find("\n", at)
        line = text[at : end if end >= 0 else len(text)].strip()
        if line and not line.startswith(COMMENT):
            break
        pair = _PAIR.fullmatch(line.lstrip(COMMENT))
        if pair is not None:
            said[pair[1]] = pair[2].strip()
        if end < 0:
            at = len(text)
            break
        at = end + 1
    end = text.find("\n", at)
    first = text[at : end if end >= 0 else len(text)].strip()
    delimiter = _delimiter(first)
    cells = tuple(cell.strip().strip("\"'") for cell in first.split(delimiter))
    is_header = any(lead_of(_bare(cell)) is not None for cell in cells)
    body = text[(end + 1 if end >= 0 else len(text)) :] if is_header else text[at:]
    return Table(declared_in(said, source.name), cells if is_header else None, delimiter, body)


def _text(source: Source) -> str:
    data = source.data
    codec = "utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    try:
        text = data.decode(codec)
    except UnicodeDecodeError:
        text = data.decode("latin-1")
    if "\0" in text:
        raise DamagedFile(f"'{source.name}' holds bytes that no text has; expected CSV")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _delimiter(line: str) -> str | None:
    """What stands between the cells; ``None`` means spaces."""
    return next((mark for mark in ("\t", ";", ",") if mark in line), None)


def _bare(cell: str) -> str:
    """A column's name without its unit."""
    found = _UNIT.match(cell)
    return found[1] if found else cell


def _record(table: Table, said: Declared, name: str) -> Recorded:
    values = _numbers(table, name)
    columns, findings = table.columns, ()
    if columns is None:
        columns, findings = said.lead_names(values.shape[1], name)
    elif len(columns) != values.shape[1]:
        raise DamagedFile(f"'{name}' names {len(columns)} columns and has {values.shape[1]}; export it again")
    rate = _rate(columns, values, said, name)
    channels = [
        Channel(_bare(column), values[:, i] * _factor(column, said, name), rate)
        for i, column in enumerate(columns)
        if lead_of(_bare(column)) is not None
    ]
    recorded = assemble(channels, name, said.age, known_sex(said.sex))
    return Recorded(recorded.recording, (*findings, *recorded.findings))


def _factor(column: str, said: Declared, name: str) -> float:
    """What one unit of a column is in mV: by its own name, else by what was said of the file."""
    found = _UNIT.match(column)
    own = (found[2] or found[3]) if found else None
    return Declared(unit=own).millivolts(name) if own else said.millivolts(name)


def _numbers(table: Table, name: str) -> NDArray[np.float64]:
    """``[samples, columns]``; numbers with a comma are understood where a semicolon or tab stands between them."""
    body = table.body.strip()
    width = len(body.partition("\n")[0].split(table.delimiter)) if body else 0
    if width < 2:
        raise DamagedFile(f"'{name}' has no rows of numbers; expected a column for each lead")
    check_amount(width, body.count("\n") + 1, name)
    if table.delimiter in {";", "\t"}:
        body = body.replace(",", ".")
    try:
        return np.loadtxt(io.StringIO(body), delimiter=table.delimiter, comments=COMMENT, ndmin=2)
    except ValueError as error:
        reason = str(error).split(";")[0].splitlines()[0]
        raise DamagedFile(f"'{name}' has a cell that is no number, or a row that is cut ({reason})") from error


def _rate(columns: tuple[str, ...], values: NDArray[np.float64], said: Declared, name: str) -> float:
    """Samples per second: as said, else from a column of times that names its unit."""
    timed = [(i, found[1]) for i, cell in enumerate(columns) if (found := _TIME.fullmatch(cell.strip().lower()))]
    if said.rate is not None or not timed:
        return checked_rate(said.samples_per_second(name), name)
    column, unit = timed[0]
    steps = np.diff(values[:, column]) * TIMES[unit]
    step = float(np.median(steps)) if len(steps) else 0.0
    if not step > 0 or np.abs(steps - step).max() > 0.51 * step:
        raise BadSignal(
            f"the times in '{name}' do not go on in even steps; resample it, or cut out a part without gaps"
        )
    return checked_rate(round(len(steps) / float(steps.sum()), 3), name)


def is_table(head: str) -> bool:
    """Whether a text begins like a table of leads: comments, then a row that names two of them or more."""
    for line in head.splitlines():
        if line.strip() and not line.startswith(COMMENT):
            cells = line.split(_delimiter(line))
            return sum(lead_of(_bare(cell.strip().strip("\"'"))) is not None for cell in cells) >= 2
    return False
