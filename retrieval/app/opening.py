"""Options that commands share, and the opening of a gallery with a word about what it is."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from retrieval.app.console import progress_bar, remark, say

if TYPE_CHECKING:
    from retrieval.engine import Engine
    from retrieval.towers.bundle import Bundle

GalleryOption = Annotated[
    Path | None,
    typer.Option(
        "--gallery",
        "-g",
        help="Folder of the gallery, or its place in Milvus; without it, the embedded default of SIMULATED cases.",
    ),
]
BundleOption = Annotated[
    Path | None, typer.Option("--bundle", help="Folder of a model bundle; without it, the one that is shipped.")
]
NeighboursOption = Annotated[int, typer.Option("-k", "--neighbours", min=1, help="How many cases to show.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON (docs/json.md), one object a line.")]


WhereOption = Annotated[
    str | None,
    typer.Option("--where", help='Which cases may answer, such as "age >= 60 and has AFIB" (docs/where.md).'),
]
AsWrittenOption = Annotated[
    bool,
    typer.Option("--as-written", help="Ask in these words alone, not in the usual English and German terms as well."),
]
LogOption = Annotated[
    Path | None,
    typer.Option("--log", help="File in which each answer is put down; nearbeat replay gives it again from there."),
]


def open_engine(gallery: Path | None, bundle: Path | None, log: Path | None = None) -> Engine:
    """Open the gallery that was named, or the default, which is built on first use."""
    from retrieval.engine import load_towers, open_gallery

    towers = load_towers(bundle)
    if gallery is None:
        gallery = _default(towers)
    engine = open_gallery(gallery, towers, log)
    for notice in engine.gallery.notices:
        say(f"nearbeat: {notice}")
    return engine


def _default(towers: Bundle) -> Path:
    from retrieval.galleries import DEFAULT_CASES, default_gallery, default_path

    path = default_path(towers.sha256)
    remark(
        f"No --gallery given: searching {DEFAULT_CASES} SIMULATED cases, made by a program, of no patient ({path})."
    )
    if (path / "cases.db").is_file():
        return path
    with progress_bar("Building the simulated gallery, once") as progress:
        return default_gallery(towers, progress)
