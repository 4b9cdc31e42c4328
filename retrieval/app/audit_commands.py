"""``nearbeat audit``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from retrieval.app.console import out, print_json, progress_bar, say
from retrieval.app.opening import BundleOption, GalleryOption, JsonOption, NeighboursOption, open_engine

if TYPE_CHECKING:
    from retrieval.audit import AuditSummary

ALL_REFUSED, SOME_REFUSED = 2, 3
SCHEMA = "nearbeat.audit/1"


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("audit")(audit)


def audit(
    source: Annotated[
        Path,
        typer.Argument(
            metavar="FOLDER_OR_CSV", help="A folder of ECG files, or a CSV: path, report[, patient][, statements]."
        ),
    ],
    to: Annotated[Path, typer.Option("--out", help="Folder for audit.csv.")],
    k: NeighboursOption = 10,
    gallery: GalleryOption = None,
    bundle: BundleOption = None,
    as_json: JsonOption = False,
) -> None:
    """Run an archive through the search: a row for each ECG, with what its nearest cases say about its report.

    Exit code 0: every file was read; 2: none was; 3: some were refused, and stand in the table with the reason.
    """
    from retrieval.audit import audit as run
    from retrieval.audit import audit_entries

    audit_entries(source)  # a wrong path is refused before a gallery is opened or built
    with open_engine(gallery, bundle) as engine, progress_bar("Auditing") as progress:
        summary = run(engine, source, to, k, progress)
    for row in summary.rejected:
        say(f"refused {row.file}: {' '.join(row.reason.split())}")
    if as_json:
        print_json(_as_json(summary))
    else:
        _print(summary)
    if summary.rejected:
        raise typer.Exit(SOME_REFUSED if len(summary.rejected) < len(summary.rows) else ALL_REFUSED)


def _counts(summary: AuditSummary) -> dict[str, int]:
    return {
        "ecgs": len(summary.rows),
        "agrees": summary.count("agrees"),
        "unsure": summary.count("unsure"),
        "disagrees": summary.count("disagrees"),
        "not_judged": summary.count(""),
        "rejected": len(summary.rejected),
    }


def _as_json(summary: AuditSummary) -> dict[str, object]:
    rejected = [{"file": row.file, "kind": row.kind, "message": row.reason} for row in summary.rejected]
    return {"schema": SCHEMA, "table": str(summary.path), **_counts(summary), "refused": rejected}


def _print(summary: AuditSummary) -> None:
    from rich.markup import escape
    from rich.table import Table

    out().print("[bold]Reports beside their nearest cases[/bold]")
    table = Table(show_header=False)
    for name, number in _counts(summary).items():
        table.add_row(name.replace("_", " ").replace("ecgs", "ECGs"), str(number))
    out().print(table)
    worst = sorted(
        (row for row in summary.rows if row.verdict == "disagrees"), key=lambda row: (row.agreement or 0.0, row.file)
    )
    for row in worst[:5]:
        out().print(f"[bold]{escape(row.file)}[/bold]  {row.agreement or 0.0:.2f}  {escape(row.reason)}")
    out().print(f"Every row with its reason: {summary.path}", markup=False, soft_wrap=True)
    out().print("[dim]Research software: it chooses what to look at first, and decides nothing.[/dim]")
