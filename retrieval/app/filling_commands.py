"""``nearbeat gallery build | add``: cases from PTB-XL, from files with a CSV of reports, or of the simulator."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from retrieval.app.console import out, print_json, progress_bar, say
from retrieval.app.opening import BundleOption, JsonOption
from retrieval.errors import BadArgument

if TYPE_CHECKING:
    from retrieval.filling import BuildReport
    from retrieval.streams import Stream

SOME_REFUSED = 3
BUILD_SCHEMA = "nearbeat.build/1"

PtbxlOption = Annotated[Path | None, typer.Option(help="A PTB-XL folder, whole or in part.")]
FoldsOption = Annotated[str, typer.Option(help="Folds of PTB-XL to take.")]
FilesOption = Annotated[Path | None, typer.Option(help="A folder of ECG files; needs --reports.")]
ReportsOption = Annotated[Path | None, typer.Option(help="CSV: path, report[, statements][, patient][, age][, sex].")]
SimulatedOption = Annotated[int | None, typer.Option(min=1, help="This many SIMULATED cases.")]


def register(group: typer.Typer) -> None:
    """Add the commands to the group."""
    group.command("build")(build)
    group.command("add")(add)


def build(
    to: Annotated[Path, typer.Option("--out", help="Folder to make.")],
    ptbxl: PtbxlOption = None,
    folds: FoldsOption = "1-8",
    files: FilesOption = None,
    reports: ReportsOption = None,
    simulated: SimulatedOption = None,
    bundle: BundleOption = None,
    as_json: JsonOption = False,
) -> None:
    """Build a gallery. Stopped at any time, the same command goes on where it was."""
    from retrieval.engine import load_towers
    from retrieval.galleries import build_gallery

    stream = _stream(ptbxl, folds, files, reports, simulated)
    towers = load_towers(bundle)
    with progress_bar("Building the gallery") as progress:
        made = build_gallery(to, stream, towers, progress=progress)
    _report(made, as_json)


def add(
    gallery: Annotated[Path, typer.Argument(metavar="GALLERY", help="Folder of the gallery.")],
    ptbxl: PtbxlOption = None,
    folds: FoldsOption = "1-8",
    files: FilesOption = None,
    reports: ReportsOption = None,
    simulated: SimulatedOption = None,
    update: Annotated[
        bool, typer.Option("--update", help="A case whose id is there takes its place, instead of being refused.")
    ] = False,
    bundle: BundleOption = None,
    as_json: JsonOption = False,
) -> None:
    """Add cases to a gallery. Stopped at any time, the same command goes on; called twice, it adds nothing twice."""
    from retrieval.engine import load_towers
    from retrieval.galleries import add_to_gallery

    stream = _stream(ptbxl, folds, files, reports, simulated)
    towers = load_towers(bundle)
    with progress_bar("Adding to the gallery") as progress:
        made = add_to_gallery(gallery, stream, towers, update=update, progress=progress)
    _report(made, as_json)


def _stream(
    ptbxl: Path | None, folds: str, files: Path | None, reports: Path | None, simulated: int | None
) -> Stream:
    from retrieval import streams

    if sum(source is not None for source in (ptbxl, files, simulated)) != 1:
        raise BadArgument("say what to take: exactly one of --ptbxl FOLDER, --files FOLDER, --simulated N")
    if (files is None) != (reports is None):
        raise BadArgument("--files FOLDER and --reports CSV belong together; one of them is missing")
    if ptbxl is not None:
        from retrieval.corpora.ptbxl import parse_folds

        return streams.ptbxl_stream(ptbxl, parse_folds(folds))
    if files is not None and reports is not None:
        return streams.files_stream(files, reports)
    return streams.simulated_stream(simulated or 0)


def _report(made: BuildReport, as_json: bool) -> None:
    for refusal in made.refused:
        say(f"refused {refusal.file}: {' '.join(refusal.message.split())}")
    refused = [{"file": one.file, "kind": one.kind, "message": one.message} for one in made.refused]
    if as_json:
        print_json(
            {
                "schema": BUILD_SCHEMA,
                "path": str(made.path),
                "cases": made.cases,
                "missing": made.missing,
                "resumed": made.resumed,
                "refused": refused,
            }
        )
    else:
        lack = f"; {made.missing} records of these folds have no files here" if made.missing else ""
        went_on = f"; {made.resumed} of these items were taken before" if made.resumed else ""
        sentence = f"{made.path}: {made.cases} cases{lack}; {len(refused)} files refused{went_on}"
        out().print(sentence, markup=False, soft_wrap=True)
    if refused:
        raise typer.Exit(SOME_REFUSED)
