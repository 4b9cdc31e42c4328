"""A cohort: the cases of a search, or of a condition, as a table for other programs."""

from __future__ import annotations

import csv
import importlib
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from index import Case, CaseGallery
from retrieval.auditing.tables import beside, statements_text
from retrieval.engine import Engine, RankedBy, condition_of
from retrieval.errors import BadArgument, ExtraMissing
from retrieval.filling import Progress

COLUMNS = (
    "case_id",
    "rank",
    "score",
    "report",
    "statements",
    "patient_key",
    "age",
    "sex",
    "site",
    "device",
    "recorded",
    "source",
    "extra",
)
NUMBERS, COUNTS = ("score", "age"), ("rank",)
AT_ONCE = 1_000
Ranked = tuple[str, float | None]


@dataclass(frozen=True)
class Asked:
    """Which cases.

    Args:
        where: condition on a case (docs/where.md); None for no condition.
        text: a sentence; the cases are ranked by it, the first ``k`` of them.
        ecg: a file; the cases are ranked by how near they are to it, the first ``k`` of them.
        k: how many; by default all that meet the condition, or 100 of a ranking.
        by: what ranks by a sentence: ``vectors``, ``words`` or ``both``.
        patients: whether the patients' keys go along.
        as_written: take the sentence as it stands, and not in the usual terms of what it names as well.
    """

    where: str | None = None
    text: str | None = None
    ecg: str | Path | None = None
    k: int | None = None
    by: RankedBy = "both"
    patients: bool = True
    as_written: bool = False

    def __post_init__(self) -> None:
        if self.text is not None and self.ecg is not None:
            raise BadArgument("a cohort is ranked by a sentence or by an ECG; give one of them")


def write_cohort(engine: Engine, asked: Asked, path: str | Path, progress: Progress | None = None) -> int:
    """Write the cases of a cohort as a table; how many.

    Args:
        engine: an open gallery.
        asked: which cases.
        path: the table, ``.csv`` or ``.parquet``; it appears under its name when it is whole.
        progress: called with (cases done, all).

    Raises:
        BadArgument: when the table's name ends in neither.
        BadSearch: when the condition is none.
        ExtraMissing: when Parquet is asked for and pyarrow is not installed.
    """
    table = Path(path)
    writers: dict[str, Callable[[Path, Iterator[list[dict[str, Any]]]], None]] = {
        ".csv": _write_csv,
        ".parquet": _write_parquet,
    }
    if table.suffix.lower() not in writers:
        raise BadArgument(f"{table} ends in neither .csv nor .parquet; name the table so")
    ranked = _ranked(engine, asked)
    table.parent.mkdir(parents=True, exist_ok=True)
    writers[table.suffix.lower()](table, _rows(engine.gallery, ranked, asked.patients, progress))
    return len(ranked)


def _ranked(engine: Engine, asked: Asked) -> list[Ranked]:
    """Ids with their similarity, where they are ranked by one."""
    k = asked.k or 100
    if asked.text is not None:
        answer = engine.search(asked.text, k, where=asked.where, by=asked.by, as_written=asked.as_written)
    elif asked.ecg is not None:
        answer = engine.query(asked.ecg, k, where=asked.where)
    else:
        return [(case_id, None) for case_id in engine.gallery.ids(condition_of(asked.where))[: asked.k]]
    return [(hit.case_id, hit.score) for hit in answer.hits]


def _rows(
    gallery: CaseGallery, ranked: Sequence[Ranked], patients: bool, progress: Progress | None
) -> Iterator[list[dict[str, Any]]]:
    for start in range(0, len(ranked), AT_ONCE):
        part = ranked[start : start + AT_ONCE]
        cases = gallery.cases([case_id for case_id, _ in part])
        yield [
            _cells(case, start + i, score, patients)
            for i, (case, (_, score)) in enumerate(zip(cases, part, strict=True), 1)
        ]
        if progress:
            progress(start + len(part), len(ranked))


def _cells(case: Case, rank: int, score: float | None, patients: bool) -> dict[str, Any]:
    return {
        "case_id": case.case_id,
        "rank": rank,
        "score": score,
        "report": case.report,
        "statements": statements_text(case.statements),
        "patient_key": (case.patient_key or "") if patients else "",
        "age": case.age,
        "sex": case.sex or "",
        "site": case.site or "",
        "device": case.device or "",
        "recorded": case.recorded or "",
        "source": case.source,
        "extra": json.dumps(dict(case.extra), ensure_ascii=False, sort_keys=True) if case.extra else "",
    }


def _write_csv(path: Path, blocks: Iterator[list[dict[str, Any]]]) -> None:
    with beside(path) as scratch, scratch.open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file)
        table.writerow(COLUMNS)
        for block in blocks:
            table.writerows(["" if row[name] is None else row[name] for name in COLUMNS] for row in block)


def _write_parquet(path: Path, blocks: Iterator[list[dict[str, Any]]]) -> None:
    try:
        arrow: Any = importlib.import_module("pyarrow")
        parquet: Any = importlib.import_module("pyarrow.parquet")
    except ImportError as error:
        raise ExtraMissing("Parquet files need pyarrow; install it with pip install 'nearbeat[parquet]'") from error
    kinds = {**dict.fromkeys(NUMBERS, arrow.float64()), **dict.fromkeys(COUNTS, arrow.int64())}
    schema = arrow.schema([(name, kinds.get(name, arrow.string())) for name in COLUMNS])
    with beside(path) as scratch, parquet.ParquetWriter(scratch, schema, compression="zstd") as writer:
        for block in blocks:
            writer.write_table(arrow.Table.from_pylist(block, schema=schema))
