"""``nearbeat gallery build | add``: cases from PTB-XL, from files with a CSV of reports, or of the simulator."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from retrieval.app.console import out, print_json, progress_bar, say
from retrieval.app.opening import BundleOption, JsonOption
from retrieval.app.shared_options import spread
from retrieval.errors import BadArgument

if TYPE_CHECKING:
    from retrieval.filling import BuildReport, Reading
    from retrieval.streams import Stream

SOME_REFUSED = 3
BUILD_SCHEMA = "nearbeat.build/1"


class Engine(Enum):
    """Where cases are read and encoded."""

    LOCAL = "local"
    RAY = "ray"


@dataclass(frozen=True)
class Filling:
    """What to take into a gallery and how: the options that ``build`` and ``add`` share."""

    ptbxl: Annotated[Path | None, typer.Option(help="A PTB-XL folder, whole or in part.")] = None
    folds: Annotated[str, typer.Option(help="Folds of PTB-XL to take.")] = "1-8"
    files: Annotated[Path | None, typer.Option(help="A folder of ECG files; needs --reports.")] = None
    reports: Annotated[
        Path | None, typer.Option(help="CSV: path, report[, statements][, patient][, age][, sex].")
    ] = None
    simulated: Annotated[int | None, typer.Option(min=1, help="This many SIMULATED cases.")] = None
    engine: Annotated[Engine, typer.Option(help="Who reads and encodes: this process, or Ray (docs/ray.md).")] = (
        Engine.LOCAL
    )
    ray_address: Annotated[
        str | None, typer.Option(help="A Ray cluster: auto or HOST:PORT; without it, a Ray on this machine.")
    ] = None
    ray_workers: Annotated[
        int | None, typer.Option(min=1, help="Workers of Ray, a processor each; without it, all processors but one.")
    ] = None
    bundle: BundleOption = None
    as_json: JsonOption = False

    def stream(self) -> Stream:
        """The cases that were asked for.

        Raises:
            BadArgument: when there is not exactly one source.
        """
        from retrieval import streams

        if sum(source is not None for source in (self.ptbxl, self.files, self.simulated)) != 1:
            raise BadArgument("say what to take: exactly one of --ptbxl FOLDER, --files FOLDER, --simulated N")
        if (self.files is None) != (self.reports is None):
            raise BadArgument("--files FOLDER and --reports CSV belong together; one of them is missing")
        if self.ptbxl is not None:
            from retrieval.corpora.ptbxl import parse_folds

            return streams.ptbxl_stream(self.ptbxl, parse_folds(self.folds))
        if self.files is not None and self.reports is not None:
            return streams.files_stream(self.files, self.reports)
        return streams.simulated_stream(self.simulated or 0)

    def reading(self) -> Reading:
        """Who reads and encodes the cases.

        Raises:
            BadArgument: when Ray's options are given without Ray.
            ExtraMissing: when Ray is not installed.
        """
        from retrieval.filling import read_here

        if self.engine is Engine.LOCAL:
            if self.ray_address is not None or self.ray_workers is not None:
                raise BadArgument("--ray-address and --ray-workers belong to --engine ray, which was not given")
            return read_here
        from retrieval.ray_embedding import reading_on_ray
        from retrieval.ray_session import RaySettings

        return reading_on_ray(RaySettings(self.ray_address, self.ray_workers))


def register(group: typer.Typer) -> None:
    """Add the commands to the group."""
    group.command("build")(build)
    group.command("add")(add)


@spread(Filling)
def build(filling: Filling, to: Annotated[Path, typer.Option("--out", help="Folder to make.")]) -> None:
    """Build a gallery. Stopped at any time, the same command goes on where it was."""
    from retrieval.engine import load_towers
    from retrieval.galleries import build_gallery

    stream, reading = filling.stream(), filling.reading()
    towers = load_towers(filling.bundle)
    with progress_bar("Building the gallery") as progress:
        made = build_gallery(to, stream, towers, progress=progress, reading=reading)
    _report(made, filling.as_json)


@spread(Filling)
def add(
    filling: Filling,
    gallery: Annotated[Path, typer.Argument(metavar="GALLERY", help="Folder of the gallery.")],
    update: Annotated[
        bool, typer.Option("--update", help="A case whose id is there takes its place, instead of being refused.")
    ] = False,
) -> None:
    """Add cases to a gallery. Stopped at any time, the same command goes on; called twice, it adds nothing twice."""
    from retrieval.engine import load_towers
    from retrieval.galleries import add_to_gallery

    stream, reading = filling.stream(), filling.reading()
    towers = load_towers(filling.bundle)
    with progress_bar("Adding to the gallery") as progress:
        made = add_to_gallery(gallery, stream, towers, update=update, progress=progress, reading=reading)
    _report(made, filling.as_json)


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
