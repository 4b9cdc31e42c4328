"""Galleries from PTB-XL, from a folder of files with a CSV of reports, and of simulated cases (the default).

A gallery is built beside its place and renamed into it: whoever looks finds no gallery, or a whole one.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from index import Case, Gallery
from index.errors import DuplicateCase, GalleryError, GalleryExists, NearBeatError
from retrieval.answer import SIMULATED
from retrieval.ecg.page import CanonicalPage, canonical_page
from retrieval.errors import BadArgument, BadInput, CorpusError, ExtraMissing, NoWaveform
from retrieval.waveforms import pack

if TYPE_CHECKING:
    from concurrent.futures import Future

    from retrieval.corpora.ptbxl import PtbXl, PtbXlRow
    from retrieval.ecg.recording import Recording
    from retrieval.engine import Progress
    from retrieval.intake import Intake
    from retrieval.reports_table import ReportRow
    from retrieval.towers.bundle import Bundle

CHUNK = 32
"""Cases that are encoded and stored together; a build that is cut off loses nothing but itself."""
DEFAULT_CASES = 400
_DEFAULT_RECIPE = 1
"""Raise it when the simulator or the choice of cases changes, so that old default galleries are left alone."""


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


@dataclass(frozen=True)
class BuildReport:
    """What a build did: the gallery's place, its cases, the files it refused and the records that were absent."""

    path: Path
    cases: int
    refused: tuple[Refusal, ...] = ()
    missing: int = 0


def build_gallery(
    path: str | Path,
    items: Iterable[NewCase | Refusal],
    towers: Bundle,
    *,
    total: int = 0,
    simulated: bool = False,
    replace: bool = False,
    progress: Progress | None = None,
) -> BuildReport:
    """Encode cases and store them in a new gallery.

    Args:
        path: the folder to make.
        items: cases, and files that were refused on the way.
        towers: the bundle; its hash is written into the gallery.
        total: how many items to expect, for ``progress``.
        simulated: whether every case is a program's.
        replace: take the place of a gallery that stands there.
        progress: called with (items done, total).

    Raises:
        GalleryExists: when something stands there and ``replace`` is not given.
        GalleryError: when not one case could be used.
    """
    target = Path(path)
    _check_target(target, replace)
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{target.name}.", dir=target.parent) as scratch:
        made = Path(scratch) / "gallery"
        count, refused = _fill(made, items, towers, total, simulated, progress)
        if not count:
            raise GalleryError(_nothing_usable(refused))
        _move_into_place(made, target, replace)
    return BuildReport(target, count, tuple(refused))


def build_from_ptbxl(
    folder: str | Path, folds: Sequence[int], path: str | Path, towers: Bundle, progress: Progress | None = None
) -> BuildReport:
    """A gallery of the records of these folds that are there; the others are counted.

    Raises:
        CorpusError: when the folder is no PTB-XL, or holds no record of the folds.
    """
    from retrieval.corpora.ptbxl import PtbXl

    corpus = PtbXl.open(folder)
    rows = [row for row in corpus.of_folds(folds) if corpus.present(row)]
    missing = corpus.missing(folds)
    if not rows:
        raise CorpusError(f"{folder} holds the files of none of the {missing} records of folds {list(folds)}")
    report = build_gallery(path, _ptbxl_cases(corpus, rows), towers, total=len(rows), progress=progress)
    return BuildReport(report.path, report.cases, report.refused, missing)


def build_from_files(
    folder: str | Path, table: str | Path, path: str | Path, towers: Bundle, progress: Progress | None = None
) -> BuildReport:
    """A gallery of the files that a CSV of reports names; bad files are refused one by one.

    The columns of the table are those of ``retrieval.reports_table``.

    Raises:
        BadInput: when the table cannot be read.
    """
    from retrieval.reports_table import read_reports

    if not Path(folder).is_dir():
        raise BadArgument(f"{folder} is no folder; give the one that the paths of the table are relative to")
    from retrieval.intake.worker import Reader, workers_for

    rows = read_reports(table, folder)
    with Reader(workers_for(len(rows))) as reader:
        coming = reader.ahead(row.path for row in rows)
        items = (_case_of(row, taken) for row, taken in zip(rows, coming, strict=True))
        return build_gallery(path, items, towers, total=len(rows), progress=progress)


def build_simulated(
    path: str | Path,
    towers: Bundle,
    cases: int = DEFAULT_CASES,
    *,
    replace: bool = False,
    progress: Progress | None = None,
) -> BuildReport:
    """A gallery of simulated cases, each condition equally often."""
    if cases < 1:
        raise BadArgument(f"a gallery of {cases} simulated cases was asked for; it needs at least 1")
    return build_gallery(
        path, simulated_cases(cases), towers, total=cases, simulated=True, replace=replace, progress=progress
    )


def default_gallery(towers: Bundle, progress: Progress | None = None) -> Path:
    """The embedded default: simulated cases, built once for each bundle under the user's cache directory."""
    path = default_path(towers.sha256)
    if not (path / "cases.db").is_file():
        with suppress(GalleryExists):  # when another process was quicker, it built the same cases
            build_simulated(path, towers, DEFAULT_CASES, progress=progress)
    return path


def default_path(bundle_sha256: str) -> Path:
    """Where the default gallery of a bundle stands, whether it is built or not."""
    cache = os.environ.get("XDG_CACHE_HOME") or ""
    root = Path(cache) if Path(cache).is_absolute() else Path.home() / ".cache"
    return root / "nearbeat" / "galleries" / f"simulated-{DEFAULT_CASES}-r{_DEFAULT_RECIPE}-{bundle_sha256[:16]}"


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


def _fill(
    path: Path,
    items: Iterable[NewCase | Refusal],
    towers: Bundle,
    total: int,
    simulated: bool,
    progress: Progress | None,
) -> tuple[int, list[Refusal]]:
    refused: list[Refusal] = []
    seen: set[str] = set()
    cases = done = 0
    with Gallery.create(
        path, bundle_name=towers.name, bundle_sha256=towers.sha256, dim=towers.dim, simulated=simulated
    ) as gallery:
        stream = iter(items)
        while chunk := list(islice(stream, CHUNK)):
            refused += [item for item in chunk if isinstance(item, Refusal)]
            usable = _new_only([item for item in chunk if isinstance(item, NewCase)], seen, refused)
            images = _images(usable, towers, refused)
            usable = [item for item in usable if item.case.case_id in images]
            if usable:
                gallery.add([item.case for item in usable], towers.encode_pages(list(images.values())))
            cases += len(usable)
            done += len(chunk)
            if progress:
                progress(done, max(total, done))
    return cases, refused


def _images(items: Sequence[NewCase], towers: Bundle, refused: list[Refusal]) -> dict[str, NDArray[np.uint8]]:
    """What the tower reads of each case, by its id; a picture has nothing for a tower of encodings and is refused."""
    images: dict[str, NDArray[np.uint8]] = {}
    for item in items:
        try:
            images[item.case.case_id] = towers.image_of(item.page, item.recording)
        except NoWaveform as error:
            refused.append(Refusal.of(item.case.case_id, error))
    return images


def _new_only(items: Sequence[NewCase], seen: set[str], refused: list[Refusal]) -> list[NewCase]:
    """Cases whose id did not come before; the others are refused by name."""
    fresh: list[NewCase] = []
    for item in items:
        case_id = item.case.case_id
        if case_id in seen:
            refused.append(
                Refusal(case_id, DuplicateCase.kind, f"{case_id} is named twice; the first mention was taken")
            )
            continue
        seen.add(case_id)
        fresh.append(item)
    return fresh


def _check_target(target: Path, replace: bool) -> None:
    if not target.exists() or (target.is_dir() and not any(target.iterdir())):
        return
    if not replace:
        raise GalleryExists(f"{target} is there already; name a new folder, or remove that one first")
    if not (target / "cases.db").exists():
        raise GalleryExists(
            f"{target} holds something that is no gallery, and is not overwritten; name another folder"
        )


def _move_into_place(made: Path, target: Path, replace: bool) -> None:
    if replace and target.exists():
        target.rename(made.parent / "replaced")
        shutil.rmtree(made.parent / "replaced")
    try:
        made.rename(target)  # takes the place of an empty folder, never of a full one
    except OSError as error:
        raise GalleryExists(f"{target} appeared while its gallery was built; remove it and build again") from error


def _nothing_usable(refused: Sequence[Refusal]) -> str:
    if not refused:
        return "there is no case to put into the gallery; the table of reports has no line"
    first = refused[0]
    return f"not one of {len(refused)} files could be used; the first, {first.file}: {first.message}"
