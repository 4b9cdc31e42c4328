"""``nearbeat query`` and ``nearbeat search``."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from retrieval.app.console import out, print_json, remark, say
from retrieval.app.correction_options import (
    CornersOption,
    GainOption,
    LayoutOption,
    SpeedOption,
    TurnOption,
    correction_from,
)
from retrieval.app.declaring import RateOption, UnitOption
from retrieval.app.opening import (
    AsWrittenOption,
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
    from collections.abc import Callable
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
    text: Annotated[
        str | None, typer.Option("--text", help="What is sought beside the ECG; both count alike.")
    ] = None,
    as_written: AsWrittenOption = False,
    rate: RateOption = None,
    unit: UnitOption = None,
    turn: TurnOption = 0,
    corners: CornersOption = None,
    layout: LayoutOption = None,
    speed: SpeedOption = None,
    gain: GainOption = None,
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
    from retrieval.engine import condition_of, sentence
    from retrieval.intake.declared import Declared
    from retrieval.intake.worker import Reader

    condition_of(where)  # refused before a file is read
    words = None if text is None else sentence(text)
    correction = correction_from(turn, corners, layout, speed, gain)
    with Reader() as reader:
        taken = reader.ahead(files, correction, Declared(rate, unit))  # the first file is read while the towers load
        with open_engine(gallery, bundle, log) as engine:
            ask = partial(engine.query, k=k, patient_key=patient, where=where, text=words, as_written=as_written)
            answers = [
                _one(engine, str(file), coming, ask, as_json) for file, coming in zip(files, taken, strict=True)
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
    as_written: AsWrittenOption = False,
    log: LogOption = None,
    as_json: JsonOption = False,
    html: HtmlOption = None,
) -> None:
    """Find the documented cases whose ECGs and reports fit a sentence."""
    from retrieval.engine import condition_of, sentence

    words = sentence(text)  # refused before a gallery is opened or built
    condition_of(where)
    with open_engine(gallery, bundle, log) as engine:
        answer = engine.search(words, k, where=where, by=by, as_written=as_written)
        _print(engine, answer, as_json)
        if html is not None:
            _write_page(engine, [answer], html, False)


def _one(
    engine: Engine,
    file: str,
    coming: Future[Intake],
    ask: Callable[[Intake], Answer],
    as_json: bool,
) -> Answer | None:
    from retrieval.answer import refusal_json

    try:
        answer = ask(coming.result())
    except (BadInput, ExtraMissing) as error:
        message = " ".join(str(error).split())
        say(f"nearbeat: {message}" if Path(file).name in message else f"nearbeat: {file}: {message}")
        if as_json:
            print_json(refusal_json(file, error))
        return None
    _print(engine, answer, as_json)
    return answer


def _print(engine: Engine, answer: Answer, as_json: bool) -> None:
    from retrieval.evidence import weigh

    evidence = weigh(engine, answer)
    if as_json:
        print_json({**answer.as_json(), "evidence": evidence.as_json()})
        return
    from retrieval.app.tables import print_answer

    print_answer(out(), answer, engine.statement_counts(), evidence=evidence)


def _write_page(engine: Engine, answers: list[Answer], path: Path, show_original: bool) -> None:
    from retrieval.app.html import Section, picture_of, write_page
    from retrieval.evidence import weigh

    sections = [
        Section(
            answer,
            picture=picture_of(answer.query.file) if show_original else None,
            evidence=weigh(engine, answer),
        )
        for answer in answers
    ]
    write_page(path, sections, engine.statement_counts())
    remark(f"Page written to {path}")
