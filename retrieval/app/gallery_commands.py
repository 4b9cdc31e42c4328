"""``nearbeat gallery info | verify``, and the group that the other commands of a gallery join."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from retrieval.app import change_commands, filling_commands
from retrieval.app.console import out, print_json, say
from retrieval.app.opening import JsonOption

MOST_PAIRS = 10
INFO_SCHEMA, VERIFY_SCHEMA = "nearbeat.gallery/1", "nearbeat.verify/1"

GalleryArgument = Annotated[Path, typer.Argument(metavar="GALLERY", help="Folder of the gallery.")]


def register(app: typer.Typer) -> None:
    """Add the group of commands."""
    group = typer.Typer(
        help="Galleries of documented cases: build, add, look, check, copy, forget.", no_args_is_help=True
    )
    filling_commands.register(group)
    change_commands.register(group)
    group.command("info")(info)
    group.command("verify")(verify)
    app.add_typer(group, name="gallery")


def info(gallery: GalleryArgument, as_json: JsonOption = False) -> None:
    """What a gallery holds, and which bundle made its vectors."""
    from index import open_at

    with open_at(gallery) as opened:
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
    from retrieval.ecg.statements import name_of

    shown = ", ".join(f"{name_of(code)} {number}" for code, number in common[:8])
    _print_facts("Gallery", {**facts, "commonest statements": shown or "none"})


def verify(gallery: GalleryArgument, as_json: JsonOption = False) -> None:
    """Check a gallery from end to end. Exit code 2 when something is damaged."""
    from index import open_at

    with open_at(gallery) as opened:
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
    alike = [[pair.case_id, pair.other_id, pair.score] for pair in report.near_duplicates]
    if as_json:
        print_json({"schema": VERIFY_SCHEMA, **facts, "near_duplicates": alike})
    else:
        pairs = "; ".join(f"{one} and {other}" for one, other, _ in alike[:MOST_PAIRS]) or "none"
        more = f" and {report.near_count - MOST_PAIRS} more pairs" if report.near_count > MOST_PAIRS else ""
        shown = {"problems": "; ".join(problems) or "none", "all but alike, of different patients": pairs + more}
        _print_facts("Check of the gallery", {**facts, **shown})
    if problems:
        more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
        say(f"nearbeat: the check of {gallery} found: {problems[0]}{more}")
        raise typer.Exit(2)


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
