"""An archive against its neighbours: one row per ECG, to look first where report and cases differ."""

from __future__ import annotations

import csv
import os
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from retrieval.agreement import Agreement, judge_statements, judge_text
from retrieval.answer import Answer
from retrieval.engine import Engine
from retrieval.errors import BadArgument, BadInput, ExtraMissing, FileMissing
from retrieval.filling import Progress
from retrieval.intake import Intake
from retrieval.intake.worker import Reader, workers_for
from retrieval.reports_table import ReportRow, read_reports
from retrieval.vote import VotedStatement, vote

COLUMNS = (
    "file",
    "status",
    "verdict",
    "agreement",
    "judged_by",
    "reason",
    "nearest",
    "scores",
    "vote",
    "own_report",
    "own_statements",
    "kind",
    "warnings",
)
CHUNK = 16
ITSELF = 1 - 1e-6
"""A neighbour at this similarity is the ECG itself, which an archive's own gallery holds; it cannot testify."""
ITSELF_ROOM = 8
"""How many copies of the ECG itself are looked past."""
SAMPLE = 256
"""Other reports that a report's rank is taken among, when there are no statements."""
SAMPLE_SEED = 0
_COMPANIONS = (".dat", ".atr", ".mat", ".ann")


@dataclass(frozen=True)
class AuditRow:
    """One ECG's line: read and judged, or rejected with the reason.

    ``kind`` is the reader that took the file, or the kind of error that rejected it; ``nearest`` are case ids with
    their similarities; the rest is as in docs/audit.md.
    """

    file: str
    status: str
    reason: str
    kind: str
    verdict: str = ""
    agreement: float | None = None
    judged_by: str = ""
    nearest: tuple[tuple[str, float], ...] = ()
    ballots: tuple[VotedStatement, ...] = ()
    own: ReportRow | None = None
    warnings: tuple[str, ...] = ()

    @property
    def rejected(self) -> bool:
        """Whether the file could not be read."""
        return self.status == "rejected"

    def cells(self) -> dict[str, str]:
        """The row as text, by column."""
        own = self.own.statements if self.own and self.own.statements else {}
        return {
            "file": self.file,
            "status": self.status,
            "verdict": self.verdict,
            "agreement": "" if self.agreement is None else f"{self.agreement:.3f}",
            "judged_by": self.judged_by,
            "reason": self.reason,
            "nearest": "; ".join(case_id for case_id, _ in self.nearest),
            "scores": "; ".join(f"{score:.4f}" for _, score in self.nearest),
            "vote": "; ".join(f"{b.code} {b.share:.2f} (x{b.lift:.1f})" for b in self.ballots),
            "own_report": self.own.report if self.own else "",
            "own_statements": "; ".join(code if p is None else f"{code}:{p:g}" for code, p in own.items()),
            "kind": self.kind,
            "warnings": "; ".join(self.warnings),
        }


@dataclass(frozen=True)
class AuditSummary:
    """Where the table lies and how many ECGs fell into each class."""

    path: Path
    rows: tuple[AuditRow, ...]

    def count(self, verdict: str) -> int:
        """Rows of that verdict (``""``: read, without a report to judge)."""
        return sum(not row.rejected and row.verdict == verdict for row in self.rows)

    @property
    def rejected(self) -> tuple[AuditRow, ...]:
        """The files that could not be read."""
        return tuple(row for row in self.rows if row.rejected)


def audit(
    engine: Engine, source: str | Path, out: str | Path, k: int = 10, progress: Progress | None = None
) -> AuditSummary:
    """Judge every ECG of a folder or a CSV against its nearest cases, and write ``out/audit.csv``.

    The table appears under its name when it is whole. An ECG that the gallery itself holds, and the same patient's
    own ECGs where the patient is known, do not count among its neighbours.

    Args:
        engine: an open gallery.
        source: a folder of ECG files, or a CSV with the columns ``path, report[, patient][, statements]``.
        out: the folder for the table; made when absent.
        k: neighbours per ECG.
        progress: called with (ECGs done, all).

    Raises:
        FileMissing: when the source is not there.
        BadArgument: when it holds nothing to audit, or the CSV cannot be read.
    """
    entries = audit_entries(source)
    rows: list[AuditRow] = []
    auditor = _Auditor(engine, k)
    with Reader(workers_for(len(entries))) as reader:
        coming = reader.ahead(entry.path for entry in entries)
        for chunk in _chunks(entries, CHUNK):
            rows += auditor.judge(chunk, coming)
            if progress:
                progress(len(rows), len(entries))
    path = Path(out) / "audit.csv"
    write_table(path, rows)
    return AuditSummary(path, tuple(rows))


def audit_entries(source: str | Path) -> tuple[ReportRow, ...]:
    """The ECGs of a folder (every file but hidden ones and the companions of a WFDB header) or of a CSV."""
    path = Path(source)
    if path.is_dir():
        files = [
            file for file in sorted(path.rglob("*")) if file.is_file() and _is_entry(file.relative_to(path), file)
        ]
        entries = tuple(ReportRow(file, str(file.relative_to(path))) for file in files)
    elif path.exists():
        entries = read_reports(path)
    else:
        raise FileMissing(
            f"there is nothing at {path}; give a folder of ECG files, or a CSV with the columns path, report"
        )
    if not entries:
        raise BadArgument(f"{path} names no ECG to audit")
    return entries


def write_table(path: Path, rows: Iterable[AuditRow]) -> None:
    """Write the rows as CSV beside their place, and rename: a reader finds the old table or the whole new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, scratch = tempfile.mkstemp(prefix=".audit-", suffix=".csv", dir=path.parent)
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="") as file:
            table: csv.DictWriter[str] = csv.DictWriter(file, COLUMNS)
            table.writeheader()
            table.writerows(row.cells() for row in rows)
            file.flush()
            os.fsync(file.fileno())
        Path(scratch).chmod(0o644)
        Path(scratch).replace(path)
    except BaseException:
        Path(scratch).unlink(missing_ok=True)
        raise


class _Auditor:
    """Holds what every row needs: the engine, and a sample of other reports, encoded once and only when asked for."""

    def __init__(self, engine: Engine, k: int) -> None:
        self.engine, self.k = engine, k
        self._sample: tuple[tuple[str, ...], NDArray[np.float32]] | None = None

    def judge(self, entries: Sequence[ReportRow], coming: Iterator[Future[Intake]]) -> list[AuditRow]:
        """The rows of these ECGs, which the next of ``coming`` are."""
        rows: dict[int, AuditRow] = {}
        taken: dict[int, Intake] = {}
        for i, entry in enumerate(entries):
            try:
                got = next(coming).result()
                if not self.engine.towers.encoding.is_page:
                    self.engine.towers.checked(got.recording)
                taken[i] = got
            except (BadInput, ExtraMissing) as error:
                rows[i] = AuditRow(entry.file, "rejected", str(error), error.kind, own=entry)
        if taken:
            patients = [entries[i].patient for i in taken]
            answers = self.engine.query_all(list(taken.values()), self.k + ITSELF_ROOM, patient_keys=patients)
            for i, answer in zip(taken, answers, strict=True):
                rows[i] = self._row(entries[i], answer)
        return [rows[i] for i in range(len(entries))]

    def _row(self, entry: ReportRow, answer: Answer) -> AuditRow:
        hits = [hit for hit in answer.hits if hit.score < ITSELF][: self.k]
        counts, total = self.engine.statement_counts(), answer.gallery.cases
        ballots = vote(hits, counts, total)
        row = AuditRow(
            entry.file,
            "ok",
            "no report to compare with",
            answer.query.kind,
            nearest=tuple((hit.case_id, hit.score) for hit in hits),
            ballots=ballots,
            own=entry,
            warnings=answer.query.warnings,
        )
        judged: Agreement | None = None
        if entry.statements:
            judged = judge_statements(entry.statements, ballots, counts, total)
        elif any(letter.isalnum() for letter in entry.report):
            judged = self._by_text(entry.report, answer)
        if judged is None:
            return row
        return replace(row, verdict=judged.verdict, agreement=judged.value, judged_by=judged.by, reason=judged.reason)

    def _by_text(self, report: str, answer: Answer) -> Agreement | None:
        if answer.query.vector is None:
            return None
        texts, vectors = self._other_reports()
        others = vectors[[i for i, text in enumerate(texts) if text != report]]
        return judge_text(answer.query.vector, self.engine.towers.encode_texts([report])[0], others)

    def _other_reports(self) -> tuple[tuple[str, ...], NDArray[np.float32]]:
        if self._sample is None:
            ids = self.engine.gallery.ids()
            chosen = np.random.default_rng(SAMPLE_SEED).permutation(len(ids))[: 2 * SAMPLE]
            reports = (case.report.strip() for case in self.engine.gallery.cases([ids[i] for i in sorted(chosen)]))
            texts = tuple(dict.fromkeys(text for text in reports if text))[:SAMPLE]
            vectors = (
                self.engine.towers.encode_texts(texts) if texts else np.zeros((0, self.engine.towers.dim), np.float32)
            )
            self._sample = texts, vectors
        return self._sample


def _is_entry(inside: Path, file: Path) -> bool:
    if any(part.startswith(".") for part in inside.parts):
        return False
    return not (file.suffix.lower() in _COMPANIONS and file.with_suffix(".hea").is_file())


def _chunks(entries: Sequence[ReportRow], size: int) -> Iterator[list[ReportRow]]:
    stream = iter(entries)
    while chunk := list(islice(stream, size)):
        yield chunk
