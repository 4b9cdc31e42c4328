"""``nearbeat train``: a recipe to a bundle. Nothing heavy is imported before the command runs."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

from retrieval.errors import ExtraMissing

NEEDED = ("torch", "open_clip", "transformers", "timm", "onnx", "onnxscript", "yaml")


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("train")(train)


def train(
    recipe: Annotated[Path, typer.Argument(help="A YAML recipe; training/recipes holds examples.")],
    out: Annotated[Path, typer.Option(help="Folder of the run. One that holds a state is gone on with.")] = Path(
        "runs/run"
    ),
    bundle: Annotated[Path | None, typer.Option(help="Where the bundle is written; else bundle/ in the run.")] = None,
    untrained: Annotated[
        bool, typer.Option("--untrained", help="Do not train: export the towers as they start, as a baseline.")
    ] = False,
) -> None:
    """Train the towers of a recipe and export a bundle. Stop it at any time; the same command goes on."""
    absent = [name for name in NEEDED if find_spec(name) is None]
    if absent:
        raise ExtraMissing(f"training needs {', '.join(absent)}; install the extra: pip install 'nearbeat[train]'")
    from training.progress import Told
    from training.recipe import load_recipe
    from training.run import export_best, export_untrained, train_recipe

    settings, told = load_recipe(recipe), Told()
    target = bundle or out / "bundle"
    if untrained:
        made = export_untrained(settings, out, target, told)
    else:
        made = export_best(train_recipe(settings, out, told), target)
    typer.echo(str(made))
