"""The audit as tables: ``audit.csv``, and the same as ``audit.parquet`` where pyarrow is installed."""

from __future__ import annotations

import csv
import importlib
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from retrieval.auditing.across import DUPLICATES, PATIENTS
from retrieval.auditing.journal import Journal, Row
from retrieval.auditing.marks import Marks, digest_of
from retrieval.auditing.settling import AGREES, TRUSTED

CSV, PARQUET = "audit.csv", "audit.parquet"
AT_ONCE = 5_000
NUMBERS, COUNTS = ("p", "q", "score", "fit", "age"), ("rank",)
COLUMNS = (
    "rank",
    "file",
    "status",
    "verdict",
    "mark",
    "note",
    "p",
    "q",
    "score",
    "fit",
    "judged_by",
    "reason",
    "nearest",
    "scores",
    "vote",
    "own_report",
    "own_statements",
    "patient",
    "age",
    "sex",
    "site",
    "device",
    "reader",
    "recorded",
    "same_as",
    "duplicates",
    "patient_mismatch",
    "kind",
    "warnings",
)
Cells = dict[str, str | float | int | None]


@dataclass(frozen=True)
class Cross:
    """What was found across ECGs, by number: names of the same ECG, and what is odd about the patient's."""

    duplicates: Mapping[int, str]
    patients: Mapping[int, str]

    @classmethod
    def of(cls, journal: Journal) -> Cross:
        """As the journal holds it."""
        duplicates: dict[int, str] = {}
        for group in journal.findings(DUPLICATES):
            for number, file in zip(group["numbers"], group["files"], strict=True):
                duplicates[number] = "; ".join(other for other in group["files"] if other != file)
        patients = {number: one["what"] for one in journal.findings(PATIENTS) for number in one["numbers"]}
        return cls(duplicates, patients)


def cells(row: Row, marks: Marks, cross: Cross) -> Cells:
    """One ECG as values by column; None where there is none."""
    facts = row.facts
    mark = marks.of(row.file, digest_of(facts))
    nearest = facts.get("nearest") or []
    return {
        "rank": row.place,
        "file": row.file,
        "status": row.status,
        "verdict": row.verdict,
        "mark": mark.mark,
        "note": " ".join(filter(None, (mark.note, "(the report has changed since)" if mark.report else ""))),
        "p": row.p,
        "q": row.q,
        "score": row.score,
        "fit": facts.get("fit"),
        "judged_by": row.judged_by or "",
        "reason": reason_of(row),
        "nearest": "; ".join(case_id for case_id, _ in nearest),
        "scores": "; ".join(f"{score:.4f}" for _, score in nearest),
        "vote": "; ".join(
            f"{code} {cases} of {len(nearest)} (x{lift:.1f})" for code, cases, lift in facts.get("vote") or []
        ),
        "own_report": facts.get("report") or "",
        "own_statements": statements_text(facts.get("statements")),
        "patient": row.patient or "",
        "age": facts.get("age"),
        "sex": facts.get("sex") or "",
        "site": row.site or "",
        "device": row.device or "",
        "reader": row.reader or "",
        "recorded": facts.get("recorded") or "",
        "same_as": "; ".join(facts.get("same_as") or []),
        "duplicates": cross.duplicates.get(row.number, ""),
        "patient_mismatch": cross.patients.get(row.number, ""),
        "kind": facts.get("kind") or "",
        "warnings": "; ".join(facts.get("warnings") or []),
    }


def reason_of(row: Row) -> str:
    """The sentence that fits the verdict."""
    return str(row.facts.get("with" if row.verdict in (AGREES, TRUSTED) else "against") or "")


def statements_text(statements: Mapping[str, float | None] | None) -> str:
    """Statements as a manifest writes them: ``AFIB; IMI:80``."""
    return "; ".join(code if p is None else f"{code}:{p:g}" for code, p in (statements or {}).items())


def write_csv(journal: Journal, marks: Marks, path: Path) -> None:
    """Every ECG, the most suspicious first; the table appears under its name when it is whole."""
    with beside(path) as scratch, scratch.open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file)
        table.writerow(COLUMNS)
        for found in _all(journal, marks):
            table.writerow(["" if found[name] is None else found[name] for name in COLUMNS])


def write_parquet(journal: Journal, marks: Marks, path: Path) -> bool:
    """The same with numbers as numbers; False, and no file, where pyarrow is not installed."""
    try:
        arrow: Any = importlib.import_module("pyarrow")
        parquet: Any = importlib.import_module("pyarrow.parquet")
    except ImportError:
        return False
    schema = arrow.schema([(name, _kind(arrow, name)) for name in COLUMNS])
    with beside(path) as scratch, parquet.ParquetWriter(scratch, schema, compression="zstd") as writer:
        rest = _all(journal, marks)
        while part := list(islice(rest, AT_ONCE)):
            writer.write_table(arrow.Table.from_pylist(part, schema=schema))
    return True


class beside:  # noqa: N801  # reads as a word: with beside(path)
    """A file of another name in the same folder, which takes the place of ``path`` when the block ends well."""

    def __init__(self, path: Path) -> None:
        self.path = path
        handle, name = tempfile.mkstemp(prefix=".audit-", dir=path.parent)
        os.close(handle)
        self.scratch = Path(name)

    def __enter__(self) -> Path:
        """Give the other name."""
        return self.scratch

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        """Rename it, or remove it."""
        if kind is not None:
            self.scratch.unlink(missing_ok=True)
            return
        with self.scratch.open("rb") as file:
            os.fsync(file.fileno())
        self.scratch.chmod(0o644)
        self.scratch.replace(self.path)


def _all(journal: Journal, marks: Marks) -> Iterator[Cells]:
    cross = Cross.of(journal)
    for row in journal.rows(order="place"):
        yield cells(row, marks, cross)


def _kind(arrow: Any, name: str) -> Any:
    kinds: Mapping[bool, Callable[[], Any]] = {True: arrow.float64, False: arrow.string}
    return arrow.int64() if name in COUNTS else kinds[name in NUMBERS]()
