"""``nearbeat cohort``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from retrieval.app.console import out, print_json, progress_bar
from retrieval.app.opening import (
    AsWrittenOption,
    BundleOption,
    GalleryOption,
    JsonOption,
    WhereOption,
    open_engine,
)

SCHEMA = "nearbeat.cohort/1"


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("cohort")(cohort)


def cohort(
    to: Annotated[Path, typer.Option("--out", help="The table to write: a name that ends in .csv or .parquet.")],
    text: Annotated[
        str | None, typer.Argument(metavar="TEXT", help="A sentence; the cases are ranked by it.")
    ] = None,
    ecg: Annotated[
        Path | None, typer.Option(help="An ECG file; the cases are ranked by how near they are to it.")
    ] = None,
    k: Annotated[
        int | None,
        typer.Option("-k", min=1, help="How many cases; by default all of a condition, or 100 of a ranking."),
    ] = None,
    where: WhereOption = None,
    by: Annotated[
        Literal["vectors", "words", "both"],
        typer.Option(help="What ranks by a sentence, as in nearbeat search."),
    ] = "both",
    as_written: AsWrittenOption = False,
    no_patients: Annotated[bool, typer.Option("--no-patients", help="Leave the patients' keys out.")] = False,
    gallery: GalleryOption = None,
    bundle: BundleOption = None,
    as_json: JsonOption = False,
) -> None:
    """Export the cases of a search or of a condition as a table: ids, reports, statements, metadata."""
    from retrieval.cohort import Asked, write_cohort
    from retrieval.engine import condition_of

    asked = Asked(where, text, ecg, k, by, not no_patients, as_written)
    condition_of(where)  # refused before a gallery is opened or built
    with open_engine(gallery, bundle) as engine, progress_bar("Exporting") as progress:
        count = write_cohort(engine, asked, to, progress)
    if as_json:
        print_json({"schema": SCHEMA, "table": str(to), "cases": count})
    else:
        out().print(f"{to}: {count} cases", markup=False, soft_wrap=True)
