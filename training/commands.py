"""``nearbeat train`` and ``nearbeat pack``. Nothing heavy is imported before a command runs."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

from retrieval.errors import BadArgument, ExtraMissing

NEEDED = ("torch", "open_clip", "transformers", "timm", "onnx", "onnxscript", "yaml")


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("train")(train)
    app.command("average")(average)
    app.command("pack")(pack)


def train(
    recipe: Annotated[Path, typer.Argument(help="A YAML recipe; training/recipes holds examples.")],
    out: Annotated[Path, typer.Option(help="Folder of the run. One that holds a state is gone on with.")] = Path(
        "runs/run"
    ),
    bundle: Annotated[Path | None, typer.Option(help="Where the bundle is written; else bundle/ in the run.")] = None,
    untrained: Annotated[
        bool, typer.Option("--untrained", help="Do not train: export the towers as they start, as a baseline.")
    ] = False,
    rehearse: Annotated[
        int | None,
        typer.Option(min=1, help="Take so many steps of each stage, say how long the whole takes, and keep nothing."),
    ] = None,
) -> None:
    """Train the towers of a recipe and export a bundle. Stop it at any time; the same command goes on."""
    _need(NEEDED)
    from training.progress import Told
    from training.recipe import load_recipe
    from training.run import export_best, export_untrained, train_recipe

    settings, told = load_recipe(recipe), Told()
    if rehearse is not None and untrained:
        raise BadArgument("--rehearse takes steps and --untrained takes none; give one of them")
    if rehearse is not None:
        from training.rehearsal import lines
        from training.rehearsal import rehearse as rehearsed

        found = rehearsed(settings, out, rehearse, told)
        for line in lines(found) if found is not None else ():
            typer.echo(line)
        return
    target = bundle or out / "bundle"
    if untrained:
        made = export_untrained(settings, out, target, told)
    else:
        trainer = train_recipe(settings, out, told)
        if not trainer.ranks.main:
            return  # of several processes, the first one writes the bundle
        made = export_best(trainer, target)
    typer.echo(str(made))


def average(
    runs: Annotated[list[Path], typer.Argument(help="Folders of two or more finished runs that started alike.")],
    out: Annotated[Path, typer.Option(help="Folder of the mean, which a recipe can start from.")],
    bundle: Annotated[
        Path | None, typer.Option(help="Where the bundle is written; else bundle/ in the folder.")
    ] = None,
) -> None:
    """Export the mean of several runs that started from the same towers: often better than each of them."""
    _need(NEEDED)
    from training.average import average_runs
    from training.progress import Told

    typer.echo(str(average_runs(runs, out, bundle or out / "bundle", Told())))


def pack(
    source: Annotated[Path, typer.Argument(help="A folder in PTB-XL's layout, or a recipe: its records.")],
    out: Annotated[Path, typer.Argument(help="Folder of the shards. One that was begun is gone on with.")],
) -> None:
    """Pack a corpus into shards, which training reads one case at a time, however many there are."""
    _need(("datasets", "pyarrow", "yaml"))
    from training.pack import pack as pack_sources
    from training.pack import sources_of
    from training.progress import Told

    told = Told()
    with told.busy("looking for records"):
        sources = sources_of(source)
    typer.echo(f"{out}: {pack_sources(sources, out, told)} records")


def _need(packages: tuple[str, ...]) -> None:
    absent = [name for name in packages if find_spec(name) is None]
    if absent:
        raise ExtraMissing(f"training needs {', '.join(absent)}; install the extra: pip install 'nearbeat[train]'")
