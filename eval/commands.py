"""``nearbeat evaluate``: the protocol on a PTB-XL folder. Nothing heavy is imported before the command runs."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from retrieval.app.console import progress_bar, remark, say
from retrieval.errors import BadArgument, ExtraMissing

if TYPE_CHECKING:
    from eval.figures import Figure
    from eval.protocol import Result

__all__ = ["register"]

SIZES = "2000,100000"


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("evaluate")(evaluate)


def evaluate(
    ptbxl: Annotated[Path, typer.Option(help="A PTB-XL folder, whole or in part.")],
    bundle: Annotated[Path | None, typer.Option(help="Bundle to measure; else the shipped one.")] = None,
    untrained: Annotated[
        Path | None, typer.Option(help="Bundle of the same towers before training, as a baseline.")
    ] = None,
    signal: Annotated[
        Path | None,
        typer.Option(help="Bundle of a network on the samples of the same records: a reference."),
    ] = None,
    encoding: Annotated[
        Path | None, typer.Option(help="Bundle of the same tower on GASF, RP and MTF images, as a baseline.")
    ] = None,
    out: Annotated[Path, typer.Option(help="Folder for the report, its figures and what is kept.")] = Path(
        "evaluation"
    ),
    bootstrap: Annotated[int, typer.Option(min=0, help="Bootstrap draws by patient; 0 for no intervals.")] = 1000,
    robust_ecgs: Annotated[
        int,
        typer.Option(
            min=0,
            help="ECGs of fold 10 that are drawn, spoiled and read back in 12 looks, about 30 s of one core each; "
            "0 leaves the task out. A run that is stopped goes on where it was.",
        ),
    ] = 200,
    prints: Annotated[
        Path | None, typer.Option(help="Folder of PDF prints of records of fold 10, named by their ecg_id.")
    ] = None,
    search: Annotated[
        str, typer.Option(help="Sizes of the galleries whose search is timed, with commas between; 0 for none.")
    ] = SIZES,
    workers: Annotated[int, typer.Option(min=0, help="Processes that read pages; 0 for one per core.")] = 0,
) -> None:
    """Measure retrieval on PTB-XL by the protocol, with tables and figures."""
    from eval.plan import Options
    from eval.protocol import evaluate as run
    from eval.report import write_report
    from eval.tables import headline
    from retrieval.corpora.ptbxl import PtbXl
    from retrieval.towers.bundle import Bundle

    sizes = gallery_sizes(search)
    corpus = PtbXl.open(ptbxl)
    measured = Bundle.load(bundle)
    before, samples, coded = (None if path is None else Bundle.load(path) for path in (untrained, signal, encoding))
    if before is None:
        remark("No --untrained bundle given: that baseline is left out.")
    options = Options(before, samples, coded, out, bootstrap, robust_ecgs, prints, sizes, workers)
    result = run(corpus, measured, options, progress_bar=progress_bar)
    folders = {"bundle": bundle, "untrained": untrained, "signal": signal, "encoding": encoding, "prints": prints}
    given = {name: path for name, path in folders.items() if path is not None}
    counts = {"bootstrap": bootstrap, "robust-ecgs": robust_ecgs, "search": search}
    command = _command({"ptbxl": ptbxl, **given, "out": out}, counts)
    numbers, table = write_report(result, out, command, _figures(result, out))
    for sentence in result.remarks:
        say(sentence)
    if result.unreadable:
        say(f"{len(result.unreadable)} records could not be read and took no part; results.json lists them.")
    typer.echo(headline(result.measures))
    remark(f"Every number is in {numbers}, every table in {table}.")


def gallery_sizes(given: str) -> tuple[int, ...]:
    """The sizes in ``"2000,100000"``; none for 0.

    Raises:
        BadArgument: when one is no number, or a gallery would be too small for ten neighbours.
    """
    words = [word.strip() for word in given.split(",") if word.strip()]
    wrong = [word for word in words if not word.isdigit() or 0 < int(word) < 10]
    if wrong:
        raise BadArgument(f"--search {given}: '{wrong[0]}' is no size of a gallery; give numbers from 10 on, or 0")
    return tuple(int(word) for word in words if int(word))


def _figures(result: Result, out: Path) -> list[Figure]:
    """The figures, or a remark how to get them."""
    from eval.figures import draw_figures

    try:
        with progress_bar("Drawing the figures") as progress:
            figures = draw_figures(result, out)
            progress(1, 1)
    except ExtraMissing as error:
        remark(f"No figures: {error}")
        return []
    return figures


def _command(folders: dict[str, Path], values: dict[str, int | str]) -> str:
    """The command as another machine would type it: folders by their last name."""
    words = ["nearbeat", "evaluate"]
    for name, path in folders.items():
        words += [f"--{name}", path.name or str(path)]
    for name, value in values.items():
        words += [f"--{name}", str(value)]
    return shlex.join(words)
