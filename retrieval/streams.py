"""Cases on their way into a gallery: streams that can be taken up where they were left."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from index import Case
from index.errors import NearBeatError
from retrieval.answer import SIMULATED
from retrieval.ecg.page import CanonicalPage, canonical_page
from retrieval.errors import BadArgument, BadInput, CorpusError, ExtraMissing
from retrieval.waveforms import pack

if TYPE_CHECKING:
    from concurrent.futures import Future

    from retrieval.corpora.ptbxl import PtbXl, PtbXlRow
    from retrieval.ecg.recording import Recording
    from retrieval.intake import Intake
    from retrieval.reports_table import ReportRow


@dataclass(frozen=True)
class NewCase:
    """A case on its way into a gallery.

    ``page`` (uint8 ``[256, 512]``) is what an image tower of pages reads; one of encodings reads ``recording``.
    """

    case: Case
    page: NDArray[np.uint8]
    recording: Recording | None = None


@dataclass(frozen=True)
class Refusal:
    """A file that could not become a case."""

    file: str
    kind: str
    message: str

    @classmethod
    def of(cls, file: str, error: NearBeatError) -> Refusal:
        """From the error that its reading raised."""
        return cls(file, error.kind, str(error))


Part = Callable[[], Iterator[NewCase | Refusal]]
"""Reads some items of a stream; holds no more than it needs for them, since it may travel to another machine."""


@dataclass(frozen=True)
class Stream:
    """Cases in an order that is the same each time, so that who took the first n goes on with the next.

    Args:
        name: the source with everything that decides which items come; two streams of one name give the same items.
        total: how many items there are.
        after: the items from number ``n`` on, counted from 0.
        simulated: whether every case is a program's.
        missing: records of the source that have no files here.
        part: the items from number ``n`` to before ``m``, as what can be sent to another process and called there;
            None for a stream that only its own process can read.
        named: the ids in the first ``n`` items, without reading them; None where no id can come twice.
    """

    name: str
    total: int
    after: Callable[[int], Iterator[NewCase | Refusal]]
    simulated: bool = False
    missing: int = 0
    part: Callable[[int, int], Part] | None = None
    named: Callable[[int], set[str]] | None = None

    @classmethod
    def in_parts(
        cls,
        name: str,
        total: int,
        part: Callable[[int, int], Part],
        *,
        simulated: bool = False,
        missing: int = 0,
        named: Callable[[int], set[str]] | None = None,
    ) -> Stream:
        """A stream of which any part can be read anywhere."""
        return cls(name, total, lambda first: part(first, total)(), simulated, missing, part, named)

    @classmethod
    def of(cls, items: Iterable[NewCase | Refusal], *, simulated: bool = False) -> Stream:
        """Items that are in memory."""
        listed = list(items)
        names = [item.case.case_id if isinstance(item, NewCase) else item.file for item in listed]

        def part(first: int, last: int) -> Part:
            return partial(iter, listed[first:last])

        def named(number: int) -> set[str]:
            return {item.case.case_id for item in listed[:number] if isinstance(item, NewCase)}

        return cls.in_parts(_name("listed", *names), len(listed), part, simulated=simulated, named=named)


def ptbxl_stream(folder: str | Path, folds: Sequence[int]) -> Stream:
    """The records of these folds of a PTB-XL folder that are there.

    Raises:
        CorpusError: when the folder is no PTB-XL, or holds no record of the folds.
    """
    from retrieval.corpora.ptbxl import PtbXl

    corpus = PtbXl.open(folder)
    rows = [row for row in corpus.of_folds(folds) if corpus.present(row)]
    missing = corpus.missing(folds)
    if not rows:
        raise CorpusError(f"{folder} holds the files of none of the {missing} records of folds {list(folds)}")
    name = _name("ptbxl", *(row.path for row in rows))
    files = replace(corpus, rows=())

    def part(first: int, last: int) -> Part:
        return partial(_ptbxl_cases, files, rows[first:last])

    return Stream.in_parts(name, len(rows), part, missing=missing)


def files_stream(folder: str | Path, table: str | Path) -> Stream:
    """The files that a CSV of reports names, whose columns are those of ``retrieval.reports_table``.

    Raises:
        BadArgument: when the folder is none.
        BadInput: when the table cannot be read.
    """
    from retrieval.reports_table import read_reports

    if not Path(folder).is_dir():
        raise BadArgument(f"{folder} is no folder; give the one that the paths of the table are relative to")
    rows = read_reports(table, folder)
    content = hashlib.sha256(Path(table).read_bytes()).hexdigest()

    def part(first: int, last: int) -> Part:
        return partial(_file_cases, rows[first:last])

    def named(number: int) -> set[str]:
        return {row.file for row in rows[:number]}

    return Stream.in_parts(_name("files", str(Path(folder).resolve()), content), len(rows), part, named=named)


def simulated_stream(cases: int, first_seed: int = 0) -> Stream:
    """Cases of the simulator, each condition equally often."""
    if cases < 1:
        raise BadArgument(f"a gallery of {cases} simulated cases was asked for; it needs at least 1")
    name = _name("simulated", str(first_seed), str(cases))

    def part(first: int, last: int) -> Part:
        return partial(simulated_cases, last - first, first_seed + first)

    return Stream.in_parts(name, cases, part, simulated=True)


def simulated_cases(number: int, first_seed: int = 0) -> Iterator[NewCase]:
    """``number`` cases of the simulator, its conditions in turn; deterministic by seed."""
    from retrieval.ecg.simulator import CONDITIONS, simulate

    for seed in range(first_seed, first_seed + number):
        made = simulate(seed, CONDITIONS[seed % len(CONDITIONS)])
        case = Case(
            case_id=f"sim-{seed:06d}",
            report=made.report_en,
            statements=made.statements,
            patient_key=f"simulated-{seed}",
            source=SIMULATED,
            age=made.recording.age,
            sex=made.recording.sex,
            extra={"condition": made.condition},
            waveform=pack(made.recording),
        )
        yield NewCase(case, canonical_page(made.recording).pixels, made.recording)


def page_png(page: CanonicalPage) -> bytes:
    """A canonical page as PNG, at a level that packs line art well and quickly."""
    import cv2

    _, data = cv2.imencode(".png", page.pixels, [cv2.IMWRITE_PNG_COMPRESSION, 6])
    return data.tobytes()


def _name(kind: str, *parts: str) -> str:
    return f"{kind} {hashlib.sha256(json.dumps(parts).encode()).hexdigest()}"


def _file_cases(rows: Sequence[ReportRow]) -> Iterator[NewCase | Refusal]:
    from retrieval.intake.worker import Reader, workers_for

    with Reader(workers_for(len(rows))) as reader:
        coming = reader.ahead(row.path for row in rows)
        for row, taken in zip(rows, coming, strict=True):
            yield _case_of(row, taken)


def _case_of(row: ReportRow, coming: Future[Intake]) -> NewCase | Refusal:
    """One file of a table of reports as a case."""
    try:
        taken = coming.result()
    except (BadInput, ExtraMissing) as error:
        return Refusal.of(row.file, error)
    own = taken.recording
    case = Case(
        case_id=row.file,
        report=row.report,
        statements=row.statements or {},
        patient_key=row.patient or (own.patient_key if own else None),
        source=row.file,
        age=row.age if row.age is not None or own is None else own.age,
        sex=row.sex or (own.sex if own else None),
        site=row.site,
        device=row.device,
        recorded=row.recorded,
        waveform=pack(own) if own else None,
        page=None if own else page_png(taken.page),
    )
    return NewCase(case, taken.page.pixels, own)


def _ptbxl_cases(corpus: PtbXl, rows: Iterable[PtbXlRow]) -> Iterator[NewCase | Refusal]:
    for row in rows:
        try:
            recording = corpus.recording(row)
            page = canonical_page(recording)
        except NearBeatError as error:
            yield Refusal.of(row.path, error)
            continue
        case = Case(
            case_id=row.case_id,
            report=row.report,
            statements=row.statements,
            patient_key=row.patient_key,
            source="PTB-XL",
            age=row.age,
            sex=row.sex,
            site=row.site,
            device=row.device,
            recorded=row.recorded,
            extra={"fold": str(row.fold)},
            waveform=pack(recording),
        )
        yield NewCase(case, page.pixels, recording)
