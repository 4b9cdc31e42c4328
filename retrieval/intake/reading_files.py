"""From a path to what is read of it: the kind of file, its reader, its pages in order, and a word on each."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from index.errors import NearBeatError
from retrieval.ecg.page import CANONICAL, canonical_page
from retrieval.ecg.recording import check
from retrieval.errors import BadArgument, BadInput, ExtraMissing, NotAnEcg
from retrieval.intake.correction import Correction
from retrieval.intake.declared import Declared
from retrieval.intake.limits import MAX_PAGES
from retrieval.intake.opening import Contents, Opened, Recorded, Refusal, Sheet, Source, load_source, understood
from retrieval.intake.result import Finding, Intake
from retrieval.intake.sniff import sniff

Opener = Callable[[Source], Opened]


def opened_file(path: str | Path, declared: Declared | None = None) -> Opened:
    """Open a file by its kind; errors as ``retrieval.intake.read``."""
    file = Path(path)
    with _named(file):
        kind = sniff(file)
        opened = understood(kind, file.name, lambda: _open(file, kind, declared or Declared()))
    return replace(opened, load=_guarded(opened, file))


def _guarded(opened: Opened, file: Path) -> Callable[[int], Sheet | Recorded]:
    """The same loading, whose errors are ours and name the file."""

    def load(number: int) -> Sheet | Recorded:
        with _named(file):
            if not 1 <= number <= opened.pages:
                raise BadArgument(f"'{file.name}' has {_pages(opened)}; there is no {number}")
            return understood(opened.kind, file.name, lambda: opened.load(number))

    return load


def read_file(
    path: str | Path,
    page: int | None = None,
    declared: Declared | None = None,
    correction: Correction | None = None,
) -> Intake:
    """One page of a file, by default the first with an ECG; errors as ``retrieval.intake.read``."""
    file = Path(path)
    opened = opened_file(file, declared)
    given = correction if correction is not None and correction.given else None
    with _named(file):
        return _first(opened, path, given) if page is None else _read_page(opened, page, path, given)


def read_whole_file(path: str | Path, declared: Declared | None = None) -> Contents:
    """All pages of a file, as far as the limit; errors as ``retrieval.intake.read_all``."""
    opened = opened_file(path, declared)
    intakes: list[Intake] = []
    refusals: list[Refusal] = []
    for number in range(1, opened.pages + 1):
        if number > MAX_PAGES:
            sentence = f"page {number} was not looked at: {MAX_PAGES} are; name it to read it"
            refusals.append(Refusal(number, "not_looked_at", sentence))
            continue
        try:
            with _named(Path(path)):
                intakes.append(_read_page(opened, number, path))
        except (BadInput, ExtraMissing) as error:
            refusals.append(Refusal(number, error.kind, str(error)))
    return Contents(str(path), opened.kind, opened.pages, tuple(intakes), tuple(refusals))


def _first(opened: Opened, path: str | Path, correction: Correction | None) -> Intake:
    """The first page or record that can be read, with a word on those before it; the first's reason if none can."""
    before: list[NearBeatError] = []
    looked_at = min(opened.pages, MAX_PAGES)
    for number in range(1, looked_at + 1):
        try:
            intake = _read_page(opened, number, path, correction)
        except (BadInput, ExtraMissing) as error:
            before.append(error)
            continue
        return _with_findings(intake, _about_others(opened, number, before))
    first, name = before[0], Path(path).name
    if opened.pages == 1 and not isinstance(first, NotAnEcg):
        raise first
    if looked_at == 1:
        raise NotAnEcg(
            f"page 1 of '{name}': {first}" if opened.kind in {"pdf", "dicom_pdf"} else str(first)
        ) from first
    same = all(type(error) is type(first) for error in before)
    kind = type(first) if same else NotAnEcg
    rest = "" if opened.pages <= MAX_PAGES else f"; the other {opened.pages - MAX_PAGES} were not looked at"
    raise kind(f"none of the first {looked_at} pages of '{name}' could be read{rest}; page 1: {first}") from first


def _about_others(opened: Opened, number: int, before: list[NearBeatError]) -> tuple[Finding, ...]:
    """What became of the pages that were not taken."""
    if opened.pages == 1:
        return ()
    unit = "page" if opened.kind in {"pdf", "tiff", "dicom_pdf", "dicom_image"} else "record"
    later = opened.pages - number
    rest = f"; {later} more {'was' if later == 1 else 'were'} not looked at" if later else ""
    if number == 1:
        return (Finding("first_page", f"the file has {opened.pages} {unit}s, of which the first was read{rest}"),)
    reason = (
        f"the {unit} before: {before[-1]}"
        if number == 2
        else f"the {number - 1} before, such as the first: {before[0]}"
    )
    return (Finding("later_page", f"the ECG was found on {unit} {number}{rest}; not on {reason}"),)


def _read_page(opened: Opened, number: int, path: str | Path, correction: Correction | None = None) -> Intake:
    content = opened.load(number)
    if isinstance(content, Recorded):
        note = () if correction is None else correction.of_recording()
        return _with_findings(_of_recording(content, opened, number, path), note)
    from retrieval.intake.page import read_page

    page, report, findings = read_page(content.rgb, correction)
    whole = (*content.findings, *findings)
    return Intake(str(path), opened.kind, page, None, whole, report, number, opened.pages)


def _of_recording(content: Recorded, opened: Opened, number: int, path: str | Path) -> Intake:
    from retrieval.intake.findings import recording_findings

    recording = content.recording
    check(recording)  # refuses what cannot be an ECG; what it warns of stands among the findings below
    findings = (*content.findings, *recording_findings(recording))
    shown = CANONICAL.trace_mm / CANONICAL.speed
    if recording.seconds > 1.5 * shown:
        note = f"the ECG lasts {recording.seconds:.0f} s; the page shows its first {shown:.0f}"
        findings = (*findings, Finding("long_recording", note))
    page = canonical_page(recording)
    return Intake(str(path), opened.kind, page, recording, findings, None, number, opened.pages)


def _with_findings(intake: Intake, more: tuple[Finding, ...]) -> Intake:
    return replace(intake, findings=(*intake.findings, *more))


def _pages(opened: Opened) -> str:
    return "1 page" if opened.pages == 1 else f"{opened.pages} pages"


@contextmanager
def _named(file: Path) -> Iterator[None]:
    """Each message names the file, in one line whatever a library put into it."""
    try:
        yield
    except (BadInput, ExtraMissing) as error:
        sentence = " ".join(str(error).split())
        if file.name not in sentence and file.stem not in sentence:
            sentence = f"'{file.name}': {sentence}"
        if sentence == str(error):
            raise
        raise type(error)(sentence) from error


def _open(file: Path, kind: str, declared: Declared) -> Opened:
    """Hand the file to the reader of its kind, imported only now: each brings its own libraries."""
    if kind == "wfdb":
        from retrieval.intake.wfdb_reader import open_wfdb

        return open_wfdb(file)
    source = load_source(file)
    if kind in {"csv", "npy", "npz"}:
        return _open_declared(source, kind, declared)
    if kind in {"mfer", "ishne", "mortara"}:
        from retrieval.intake.ecgdatakit_reader import open_other

        return open_other(source, kind)
    return _opener(kind)(source)


def _open_declared(source: Source, kind: str, declared: Declared) -> Opened:
    if kind == "csv":
        from retrieval.intake.table_reader import open_table

        return open_table(source, declared)
    from retrieval.intake.array_reader import open_npy, open_npz

    return (open_npy if kind == "npy" else open_npz)(source, declared)


OPENERS = {
    "image": "image_reader:open_image",
    "tiff": "tiff_reader:open_tiff",
    "pdf": "pdf_reader:open_pdf",
    "heic": "heic_reader:open_heic",
    "dicom": "dicom_reader:open_dicom",
    "aecg": "aecg_reader:open_aecg",
    "muse": "muse_reader:open_muse",
    "philips": "philips_reader:open_philips",
    "scp": "scp_reader:open_scp",
    "edf": "edf_reader:open_edf",
}
"""Kind of file -> module and function of its reader."""


def _opener(kind: str) -> Opener:
    from importlib import import_module

    module, _, function = OPENERS[kind].partition(":")
    return getattr(import_module(f"retrieval.intake.{module}"), function)
