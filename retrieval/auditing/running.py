"""The audit itself: it streams an archive past a gallery, and goes on where it was stopped."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby, islice
from pathlib import Path

import numpy as np

from retrieval.auditing import page, tables
from retrieval.auditing.across import look_across
from retrieval.auditing.discoveries import LEVEL
from retrieval.auditing.entries import AT_ONCE, Archive, Entry, archive_of, archive_of_gallery
from retrieval.auditing.examining import Examiner
from retrieval.auditing.journal import NAME, Journal
from retrieval.auditing.judging import MISSING, PRIOR, TEXT_WEIGHT, VOTERS
from retrieval.auditing.marks import Marks, digest_of
from retrieval.auditing.pictures import keep_cards
from retrieval.auditing.settling import AGREES, DISAGREES, UNSURE, settle
from retrieval.engine import Engine, condition_of
from retrieval.errors import BadArgument
from retrieval.filling import Progress
from retrieval.intake.worker import Reader, workers_for

CHUNK = 16
"""ECGs that are encoded and committed together; what is cut off loses at most these."""
REFERENCE = 2_000
"""Cases of the gallery that the archive's p-values are counted among."""
PICTURES = 100
LISTED = 1_000
"""Rejected files that a summary lists."""


@dataclass(frozen=True)
class Plan:
    """What is asked of an audit.

    Args:
        source: a folder of ECG files, a CSV or Parquet manifest; None for the gallery against itself.
        k: neighbours that each row shows.
        level: the share of false flags that is aimed at.
        trusted: condition (docs/where.md) on the gallery's cases whose reports a person has checked; for a gallery
            against itself.
        pictures: ECGs that the page shows with pictures.
        anew: whether an unfinished audit of other arguments is given up.
    """

    source: str | Path | None
    k: int = 10
    level: float = LEVEL
    trusted: str | None = None
    pictures: int = PICTURES
    anew: bool = False

    def __post_init__(self) -> None:
        if not 0 < self.level < 1:
            raise BadArgument(f"the share of false flags is {self.level}; it must lie between 0 and 1")
        if self.trusted is not None and self.source is not None:
            raise BadArgument("--trusted is for a gallery against itself; a manifest has a column 'trusted'")


@dataclass(frozen=True)
class AuditSummary:
    """What an audit found.

    Args:
        folder: with ``audit.csv``, ``audit.parquet`` (where pyarrow is installed) and ``audit.html``.
        ecgs: how many there are; the following say how many of them fell where.
        reference: ``archive``, ``gallery`` or ``none``: whose reports were taken to belong.
        refused: file, kind and message of the first ``LISTED`` rejected ones.
        resumed: ECGs that an earlier start had done.
        parquet: whether ``audit.parquet`` was written.
    """

    folder: Path
    ecgs: int
    disagrees: int
    unsure: int
    agrees: int
    trusted: int
    not_judged: int
    rejected: int
    reference: str
    refused: tuple[tuple[str, str, str], ...]
    resumed: int
    parquet: bool


def audit(engine: Engine, plan: Plan, out: str | Path, progress: Progress | None = None) -> AuditSummary:
    """Judge every ECG of an archive against its nearest cases, and write tables and a page.

    Stopped at any time, the same arguments go on. An ECG that the gallery itself holds, and the same patient's own
    ECGs, do not count among its neighbours.

    Args:
        engine: an open gallery.
        plan: what is asked.
        out: the folder for the output; made when absent.
        progress: called with (ECGs done, all).

    Raises:
        FileMissing: when the source is not there.
        BadArgument: when it holds nothing to audit, cannot be read, or ``out`` holds an unfinished audit of other
            arguments.
    """
    archive = archive_for(engine, plan)
    folder = Path(out)
    with Journal(folder) as journal:
        resumed = take_up(journal, engine, plan, archive)
        examiner = Examiner(engine, plan.k)
        if not archive.gallery:
            refer(journal, examiner, progress)
        run_through(journal, examiner, archive, archive.after(0), progress)
        settle(journal, plan.level, archive.gallery)
        look_across(journal)
        keep_cards(journal, engine.gallery, _shown(journal, archive, plan.pictures))
        journal.put(finished="yes")
        return replace(export(folder, journal), resumed=resumed)


def archive_for(engine: Engine, plan: Plan) -> Archive:
    """The entries of a plan."""
    if plan.source is not None:
        return archive_of(plan.source)
    return archive_of_gallery(engine.gallery, _trusted(engine, plan.trusted))


def take_up(journal: Journal, engine: Engine, plan: Plan, archive: Archive) -> int:
    """Go on with the audit that the journal holds, or begin; how many ECGs are done.

    Raises:
        BadArgument: when it holds an unfinished one of other arguments.
    """
    info = engine.gallery.info()
    rules = repr((VOTERS, PRIOR, MISSING, TEXT_WEIGHT, REFERENCE))  # an older program's scores are not gone on with
    parts = (archive.name, info.path, str(info.generation), info.bundle_sha256, str(plan.k), str(plan.trusted), rules)
    mark = hashlib.sha256("\0".join(parts).encode("utf-8", "surrogateescape")).hexdigest()
    if journal.get("fingerprint") == mark:
        return journal.done()
    if journal.get("fingerprint") and journal.get("finished") != "yes" and not plan.anew:
        raise BadArgument(
            f"{journal.path.parent} holds an unfinished audit of other arguments ({journal.get('source')}); give "
            "another --out, or --anew to give it up"
        )
    journal.begin(
        fingerprint=mark,
        source=str(plan.source) if plan.source is not None else f"{info.path}, against itself",
        gallery=info.path,
        cases=str(info.cases),
        simulated="yes" if info.simulated else "no",
        bundle=f"{info.bundle_name} {info.bundle_sha256[:12]}",
        k=str(plan.k),
        total=str(archive.total),
        itself="yes" if archive.gallery else "no",
    )
    return 0


def refer(journal: Journal, examiner: Examiner, progress: Progress | None = None) -> None:
    """Judge a sample of the gallery's cases, each against the others: their reports are taken to belong."""
    gallery = examiner.engine.gallery
    ids = gallery.ids()
    chosen = np.random.default_rng(0).permutation(len(ids))[:REFERENCE]
    done = journal.referred()
    wanted = [ids[i] for i in sorted(chosen.tolist()) if ids[i] not in done]
    for start in range(0, len(wanted), 4 * CHUNK):
        part = wanted[start : start + 4 * CHUNK]
        entries = [
            Entry(0, case.case_id, None, case.report, case.statements or None, case.patient_key)
            for case in gallery.cases(part)
        ]
        found = examiner.judge_cases(entries)
        journal.keep_reference(
            (case_id, "" if one is None else one.by, None if one is None else round(one.score, 6))
            for case_id, one in zip(part, found, strict=True)
        )
        if progress:
            progress(len(done) + start + len(part), len(chosen))


def run_through(
    journal: Journal,
    examiner: Examiner,
    archive: Archive,
    entries: Iterable[Entry],
    progress: Progress | None = None,
    each: Callable[[int], None] | None = None,
) -> None:
    """Examine those of the entries that the journal does not hold, and commit them chunk by chunk.

    Args:
        journal: of this archive.
        examiner: of the gallery.
        archive: what the entries are of.
        entries: in rising order of their numbers.
        progress: called with (ECGs done, all).
        each: called after each chunk with how many ECGs it had.
    """
    done = journal.done()
    if progress:
        progress(done, archive.total)
    if done == archive.total:
        return
    with Reader(workers_for(archive.total)) as reader:
        for block in _blocks(journal, entries):
            coming = iter(()) if archive.gallery else reader.ahead(entry.path or "" for entry in block)
            # Chunks have fixed ends, so that an ECG meets the same ones in the tower however often it was stopped.
            for _, chunk in groupby(block, key=lambda entry: entry.number // CHUNK):
                part = list(chunk)
                found = examiner.cases(part) if archive.gallery else examiner.files(part, coming)
                journal.add(*found)
                done += len(part)
                if progress:
                    progress(done, archive.total)
                if each:
                    each(len(part))


def export(out: str | Path, journal: Journal | None = None) -> AuditSummary:
    """Write the tables and the page anew from what the journal of a finished audit holds, with the marks of now.

    Raises:
        BadArgument: when the folder holds no finished audit.
    """
    folder = Path(out)
    if journal is None:
        with _journal_of(folder) as own:
            return export(folder, own)
    if journal.get("finished") != "yes":
        raise BadArgument(f"the audit in {folder} is not finished; run it to its end first")
    marks = Marks(folder)
    tables.write_csv(journal, marks, folder / tables.CSV)
    parquet = tables.write_parquet(journal, marks, folder / tables.PARQUET)
    if not parquet:
        (folder / tables.PARQUET).unlink(missing_ok=True)  # one of an earlier run would be out of date
    page.write_page(journal, marks, folder / page.HTML)
    return _summary(folder, journal, parquet)


def reports_of(out: str | Path, files: Sequence[str]) -> dict[str, str]:
    """Those of these ECGs that an audit knows, each with the digest of its report.

    Raises:
        BadArgument: when the folder holds no audit.
    """
    with _journal_of(Path(out)) as journal:
        rows = (row for file in dict.fromkeys(files) for row in journal.rows("file = ?", (file,)))
        return {row.file: digest_of(row.facts) for row in rows}


def _journal_of(folder: Path) -> Journal:
    if not (folder / NAME).is_file():
        raise BadArgument(f"{folder} holds no audit; run nearbeat audit first")
    return Journal(folder)


def _trusted(engine: Engine, where: str | None) -> Callable[[list[str]], set[str]] | None:
    if where is None:
        return None
    found = set(engine.gallery.ids(condition_of(where)))
    return lambda ids: found.intersection(ids)


def _blocks(journal: Journal, entries: Iterable[Entry]) -> Iterator[list[Entry]]:
    """The entries that are not done, some at a time."""
    for block in _batches(entries):
        done = journal.has([entry.number for entry in block])
        if left := [entry for entry in block if entry.number not in done]:
            yield left


def _batches(entries: Iterable[Entry]) -> Iterator[list[Entry]]:
    block: list[Entry] = []
    for entry in entries:
        block.append(entry)
        if len(block) == AT_ONCE:
            yield block
            block = []
    if block:
        yield block


def _shown(journal: Journal, archive: Archive, pictures: int) -> list[Entry]:
    """The entries that the page shows with pictures, in the order of the archive."""
    wanted = {
        row.number for row in journal.rows("verdict IN (?, ?) AND place <= ?", (DISAGREES, UNSURE, pictures))
    } or {row.number for row in journal.rows("score IS NOT NULL AND place <= 20")}
    return [entry for entry in archive.after(0) if entry.number in wanted] if wanted else []


def _summary(folder: Path, journal: Journal, parquet: bool) -> AuditSummary:
    sql = "SELECT verdict, status, count(*) FROM rows GROUP BY verdict, status"
    counts = {(verdict, status): count for verdict, status, count in journal.connection.execute(sql)}
    refused = [
        (row.file, str(row.facts["kind"]), str(row.facts["against"]))
        for row in islice(journal.rows("status = 'rejected'"), LISTED)
    ]
    return AuditSummary(
        folder,
        sum(counts.values()),
        *(counts.get((verdict, "ok"), 0) for verdict in (DISAGREES, UNSURE, AGREES, "trusted", "")),
        rejected=counts.get(("", "rejected"), 0),
        reference=journal.get("reference") or "none",
        refused=tuple(refused),
        resumed=0,
        parquet=parquet,
    )
