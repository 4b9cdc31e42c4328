"""``nearbeat evaluate``: the protocol on a PTB-XL folder. Nothing heavy is imported before the command runs."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer

from retrieval.app.console import progress_bar, say

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("evaluate")(evaluate)


def evaluate(
    ptbxl: Annotated[Path, typer.Option(help="A PTB-XL folder, whole or in part.")],
    bundle: Annotated[Path | None, typer.Option(help="Bundle to measure; else the shipped one.")] = None,
    untrained: Annotated[
        Path | None, typer.Option(help="Bundle of the same towers before training, as a baseline.")
    ] = None,
    out: Annotated[Path, typer.Option(help="Folder for results.json, results.md and the cached vectors.")] = Path(
        "evaluation"
    ),
    bootstrap: Annotated[int, typer.Option(min=0, help="Bootstrap draws by patient; 0 for no intervals.")] = 1000,
) -> None:
    """Measure retrieval on PTB-XL by the protocol: page to case, page and report, neighbour vote."""
    from eval.protocol import evaluate as run
    from eval.report import markdown_table, write_report
    from retrieval.corpora.ptbxl import PtbXl
    from retrieval.towers.bundle import Bundle

    corpus = PtbXl.open(ptbxl)
    measured = Bundle.load(bundle)
    before = None if untrained is None else Bundle.load(untrained)
    if before is None:
        say("No --untrained bundle given: that baseline is left out.")
    result = run(corpus, measured, untrained=before, cache=out, draws=bootstrap, progress_bar=progress_bar)
    numbers, table = write_report(result, out, _command(ptbxl, bundle, untrained, out, bootstrap))
    if result.unreadable:
        say(f"{len(result.unreadable)} records could not be read and took no part; results.json lists them.")
    typer.echo(markdown_table([measure for measure in result.measures if measure.headline]))
    say(f"Every number is in {numbers}, every table in {table}.")


def _command(ptbxl: Path, bundle: Path | None, untrained: Path | None, out: Path, bootstrap: int) -> str:
    """The command as another machine would type it: folders by their last name."""
    words = ["nearbeat", "evaluate", "--ptbxl", _last(ptbxl)]
    words += [] if bundle is None else ["--bundle", _last(bundle)]
    words += [] if untrained is None else ["--untrained", _last(untrained)]
    return shlex.join([*words, "--out", _last(out), "--bootstrap", str(bootstrap)])


def _last(path: Path) -> str:
    return path.name or str(path)
