"""``nearbeat query`` and ``nearbeat search``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from retrieval.app.console import out, print_json, say
from retrieval.app.opening import (
    BundleOption,
    GalleryOption,
    JsonOption,
    LogOption,
    NeighboursOption,
    WhereOption,
    open_engine,
)
from retrieval.errors import BadInput, ExtraMissing

if TYPE_CHECKING:
    from concurrent.futures import Future

    from retrieval.answer import Answer
    from retrieval.engine import Engine
    from retrieval.intake import Intake

ALL_REFUSED, SOME_REFUSED = 2, 3

HtmlOption = Annotated[
    Path | None, typer.Option("--html", help="Also write one self-contained page with the pictures.")
]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("query")(query)
    app.command("search")(search)


def query(
    files: Annotated[
        list[Path], typer.Argument(metavar="FILE", help="ECGs: photo, scan, PDF, DICOM or WFDB record (its .hea).")
    ],
    k: NeighboursOption = 10,
    gallery: GalleryOption = None,
    bundle: BundleOption = None,
    patient: Annotated[
        str | None, typer.Option(help="Key of the patient; their own ECGs are listed apart, never as neighbours.")
    ] = None,
    where: WhereOption = None,
    log: LogOption = None,
    as_json: JsonOption = False,
    html: HtmlOption = None,
    show_original: Annotated[
        bool,
        typer.Option("--show-original", help="Put the picture itself on the page, with whatever is printed on it."),
    ] = False,
) -> None:
    """Find the documented cases that are nearest to an ECG.

    Exit code 0: every file was answered; 2: none was; 3: some were refused, and the others answered.
    """
    from retrieval.engine import condition_of
    from retrieval.intake.worker import Reader

    condition_of(where)  # refused before a file is read
    with Reader() as reader:
        taken = reader.ahead(files)  # the first file is read while the towers load
        with open_engine(gallery, bundle, log) as engine:
            answers = [
                _one(engine, str(file), coming, k, patient, where, as_json)
                for file, coming in zip(files, taken, strict=True)
            ]
            answered = [answer for answer in answers if answer is not None]
            if html is not None and answered:
                _write_page(engine, answered, html, show_original)
    if len(answered) < len(answers):
        raise typer.Exit(SOME_REFUSED if answered else ALL_REFUSED)


def search(
    text: Annotated[str, typer.Argument(help='What to look for, such as "inferior infarct with RBBB".')],
    k: NeighboursOption = 10,
    gallery: GalleryOption = None,
    bundle: BundleOption = None,
    by: Annotated[
        Literal["vectors", "words", "both"],
        typer.Option(help="vectors: how near the ECGs lie; words: whether the reports have its words; both: fused."),
    ] = "both",
    where: WhereOption = None,
    log: LogOption = None,
    as_json: JsonOption = False,
    html: HtmlOption = None,
) -> None:
    """Find the documented cases whose ECGs and reports fit a sentence."""
    from retrieval.engine import condition_of, sentence

    words = sentence(text)  # refused before a gallery is opened or built
    condition_of(where)
    with open_engine(gallery, bundle, log) as engine:
        answer = engine.search(words, k, where=where, by=by)
        _print(engine, answer, as_json)
        if html is not None:
            _write_page(engine, [answer], html, False)


def _one(
    engine: Engine,
    file: str,
    coming: Future[Intake],
    k: int,
    patient: str | None,
    where: str | None,
    as_json: bool,
) -> Answer | None:
    from retrieval.answer import refusal_json

    try:
        answer = engine.query(coming.result(), k, patient_key=patient, where=where)
    except (BadInput, ExtraMissing) as error:
        message = " ".join(str(error).split())
        say(f"nearbeat: {message}" if Path(file).name in message else f"nearbeat: {file}: {message}")
        if as_json:
            print_json(refusal_json(file, error))
        return None
    _print(engine, answer, as_json)
    return answer


def _print(engine: Engine, answer: Answer, as_json: bool) -> None:
    if as_json:
        print_json(answer.as_json())
        return
    from retrieval.app.tables import print_answer

    print_answer(out(), answer, engine.statement_counts())


def _write_page(engine: Engine, answers: list[Answer], path: Path, show_original: bool) -> None:
    from retrieval.app.html import Section, picture_of, write_page

    sections = [
        Section(answer, picture=picture_of(answer.query.file) if show_original else None) for answer in answers
    ]
    write_page(path, sections, engine.statement_counts())
    say(f"Page written to {path}")
