"""``nearbeat gallery build | info | verify``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from retrieval.app.console import out, print_json, progress_bar, say
from retrieval.app.opening import BundleOption, JsonOption
from retrieval.errors import BadArgument

if TYPE_CHECKING:
    from retrieval.engine import Progress
    from retrieval.galleries import BuildReport
    from retrieval.towers.bundle import Bundle

SOME_REFUSED = 3
BUILD_SCHEMA, INFO_SCHEMA, VERIFY_SCHEMA = "nearbeat.build/1", "nearbeat.gallery/1", "nearbeat.verify/1"

GalleryArgument = Annotated[Path, typer.Argument(metavar="GALLERY", help="Folder of the gallery.")]


def register(app: typer.Typer) -> None:
    """Add the group of commands."""
    group = typer.Typer(help="Build a gallery of documented cases, look at it, check it.", no_args_is_help=True)
    group.command("build")(build)
    group.command("info")(info)
    group.command("verify")(verify)
    app.add_typer(group, name="gallery")


def build(
    to: Annotated[Path, typer.Option("--out", help="Folder to make.")],
    ptbxl: Annotated[Path | None, typer.Option(help="A PTB-XL folder, whole or in part.")] = None,
    folds: Annotated[str, typer.Option(help="Folds of PTB-XL to take.")] = "1-8",
    files: Annotated[Path | None, typer.Option(help="A folder of ECG files; needs --reports.")] = None,
    reports: Annotated[
        Path | None, typer.Option(help="CSV: path, report[, statements][, patient][, age][, sex].")
    ] = None,
    simulated: Annotated[int | None, typer.Option(min=1, help="This many SIMULATED cases.")] = None,
    bundle: BundleOption = None,
    as_json: JsonOption = False,
) -> None:
    """Build a gallery from PTB-XL, from files with a CSV of reports, or of simulated cases."""
    if sum(source is not None for source in (ptbxl, files, simulated)) != 1:
        raise BadArgument("say what to build from: exactly one of --ptbxl FOLDER, --files FOLDER, --simulated N")
    if (files is None) != (reports is None):
        raise BadArgument("--files FOLDER and --reports CSV belong together; one of them is missing")
    from retrieval.engine import load_towers

    towers = load_towers(bundle)
    with progress_bar("Building the gallery") as progress:
        made = _build(to, ptbxl, folds, files, reports, simulated, towers, progress)
    _report(made, as_json)
    if made.refused:
        raise typer.Exit(SOME_REFUSED)


def info(gallery: GalleryArgument, as_json: JsonOption = False) -> None:
    """What a gallery holds, and which bundle made its vectors."""
    from index import Gallery

    with Gallery.open(gallery, read_only=True) as opened:
        found = opened.info()
        common = sorted(opened.statement_counts().items(), key=lambda pair: (-pair[1], pair[0]))
    facts: dict[str, object] = {
        "path": str(found.path),
        "generation": found.generation,
        "cases": found.cases,
        "patients": found.patients,
        "simulated": found.simulated,
        "bundle": found.bundle_name,
        "bundle_sha256": found.bundle_sha256,
        "dim": found.dim,
        "bytes": found.bytes,
    }
    if as_json:
        print_json({"schema": INFO_SCHEMA, **facts, "statements": dict(common)})
        return
    from retrieval.agreement import name_of

    shown = ", ".join(f"{name_of(code)} {number}" for code, number in common[:8])
    _print_facts("Gallery", {**facts, "commonest statements": shown or "none"})


def verify(gallery: GalleryArgument, as_json: JsonOption = False) -> None:
    """Check a gallery from end to end. Exit code 2 when something is damaged."""
    from index import Gallery

    with Gallery.open(gallery, read_only=True) as opened:
        # Opening heals the cache; what it found before it did so belongs into this report.
        notices = opened.notices
        report = opened.verify()
    problems = [*notices, *report.problems]
    facts = {
        "path": str(gallery),
        "ok": not problems,
        "cases": report.cases,
        "generation": report.generation,
        "cache": report.cache,
        "problems": problems,
    }
    if as_json:
        print_json({"schema": VERIFY_SCHEMA, **facts})
    else:
        _print_facts("Check of the gallery", {**facts, "problems": "; ".join(problems) or "none"})
    if problems:
        more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
        say(f"nearbeat: the check of {gallery} found: {problems[0]}{more}")
        raise typer.Exit(2)


def _build(
    to: Path,
    ptbxl: Path | None,
    folds: str,
    files: Path | None,
    reports: Path | None,
    simulated: int | None,
    towers: Bundle,
    progress: Progress,
) -> BuildReport:
    from retrieval import galleries

    if ptbxl is not None:
        from retrieval.corpora.ptbxl import parse_folds

        return galleries.build_from_ptbxl(ptbxl, parse_folds(folds), to, towers, progress)
    if files is not None and reports is not None:
        return galleries.build_from_files(files, reports, to, towers, progress)
    return galleries.build_simulated(to, towers, simulated or 0, progress=progress)


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
                "refused": refused,
            }
        )
        return
    lack = f"; {made.missing} records of these folds have no files here" if made.missing else ""
    out().print(f"{made.path}: {made.cases} cases{lack}; {len(refused)} files refused", markup=False, soft_wrap=True)


def _print_facts(title: str, facts: dict[str, object]) -> None:
    from rich.markup import escape
    from rich.table import Table

    out().print(f"[bold]{title}[/bold]")
    table = Table(show_header=False)
    table.add_column(style="bold")
    table.add_column(overflow="fold")
    for name, value in facts.items():
        shown = {True: "yes", False: "no"}.get(value, str(value)) if isinstance(value, bool) else str(value)
        table.add_row(name.replace("_", " "), escape(shown))
    out().print(table)
