"""``nearbeat audit`` and ``nearbeat audit-mark``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from retrieval.app import cohort_command
from retrieval.app.console import out, print_json, progress_bar, remark, say
from retrieval.app.opening import BundleOption, GalleryOption, JsonOption, NeighboursOption, open_engine
from retrieval.errors import BadArgument

if TYPE_CHECKING:
    from retrieval.auditing import AuditSummary, Estimate

ALL_REFUSED, SOME_REFUSED = 2, 3
SCHEMA, MARK_SCHEMA = "nearbeat.audit/2", "nearbeat.audit-mark/1"
SAID = 20
"""Rejected files that are named on stderr; all stand in the table."""


def register(app: typer.Typer) -> None:
    """Add the commands, and that of a cohort, which researchers take from the same gallery."""
    app.command("audit")(audit)
    app.command("audit-mark")(mark)
    cohort_command.register(app)


def audit(
    to: Annotated[Path, typer.Option("--out", help="Folder for the tables, the page and the marks.")],
    source: Annotated[
        Path | None,
        typer.Argument(
            metavar="SOURCE",
            help="A folder of ECG files; or a CSV or Parquet manifest: path, report[, statements][, patient][, age]"
            "[, sex][, site][, device][, reader][, recorded][, trusted]; or a gallery.",
        ),
    ] = None,
    k: NeighboursOption = 10,
    itself: Annotated[
        bool, typer.Option("--itself", help="Audit the gallery's own cases, each against the others.")
    ] = False,
    level: Annotated[float, typer.Option("--fdr", help="Share of false flags that is aimed at, such as 0.1.")] = 0.1,
    trusted: Annotated[
        str | None,
        typer.Option(help="With --itself: the cases whose reports a person has checked (docs/where.md)."),
    ] = None,
    sample: Annotated[
        int | None,
        typer.Option(min=1, help="Only examine a random sample of so many, and say what the whole would take."),
    ] = None,
    price: Annotated[
        float | None, typer.Option(min=0.0, help="With --sample: price of a processor hour, in any currency.")
    ] = None,
    pictures: Annotated[int, typer.Option(min=0, help="ECGs that the page shows with pictures.")] = 100,
    anew: Annotated[
        bool, typer.Option("--anew", help="Give up an unfinished audit of other arguments in that folder.")
    ] = False,
    gallery: GalleryOption = None,
    bundle: BundleOption = None,
    as_json: JsonOption = False,
) -> None:
    """Run an archive through the search: which reports disagree with their nearest cases, and why.

    Writes audit.csv, audit.parquet (extra 'parquet') and audit.html. Stopped at any time, the same command goes on.
    Exit code 0: every file was read; 2: none was; 3: some were refused, and stand in the tables with the reason.
    """
    from retrieval.auditing import Plan, archive_of, estimate
    from retrieval.auditing import audit as run

    if source is not None and gallery is None and _is_gallery(source):
        source, gallery, itself = None, source, True
    if (source is None) is not itself:
        raise BadArgument("say what to audit: either a folder or table, or --itself for the gallery's own cases")
    plan = Plan(source, k, level, trusted, pictures, anew)
    if source is not None:
        archive_of(source)  # a wrong path is refused before a gallery is opened or built
    with open_engine(gallery, bundle) as engine, progress_bar("Auditing") as progress:
        if sample is not None:
            _print_estimate(estimate(engine, plan, to, sample, progress), price, as_json)
            return
        summary = run(engine, plan, to, progress)
    _report(summary, as_json)


def mark(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="The folder that nearbeat audit wrote.")],
    file: Annotated[str | None, typer.Argument(metavar="FILE", help="The ECG, as the tables name it.")] = None,
    decision: Annotated[str | None, typer.Argument(metavar="DECISION", help="confirmed, dismissed or open.")] = None,
    note: Annotated[str, typer.Option(help="Why.")] = "",
    table: Annotated[
        Path | None, typer.Option("--import", help="Take the marks of a CSV: file, mark[, note].")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Mark flags of an audit as confirmed, dismissed or open, and write its tables and page anew.

    The marks lie in DIR/marks.csv, which survives every further run and may be edited by hand; without FILE, marks
    that were edited are taken into the tables and the page.
    """
    from retrieval.auditing import Mark, Marks, export, read_marks
    from retrieval.auditing.marks import checked
    from retrieval.auditing.running import reports_of

    if (file is None) is not (decision is None):
        raise BadArgument("a mark needs both: the ECG and one of confirmed, dismissed, open")
    given = [] if table is None else read_marks(table)
    if file is not None and decision is not None:
        given.append(Mark(file, checked(decision, file), note))
    known = reports_of(folder, [one.file for one in given])
    if lost := [one.file for one in given if one.file not in known]:
        raise BadArgument(f"{folder} has no ECG '{lost[0]}'; name it as audit.csv does")
    marks = Marks(folder)
    if given:
        marks.set(Mark(one.file, one.mark, one.note, known[one.file]) for one in given)
    export(folder)
    if as_json:
        print_json({"schema": MARK_SCHEMA, "folder": str(folder), "set": len(given), "marks": len(marks)})
    else:
        out().print(f"{folder}: {len(given)} marks set, {len(marks)} in all", markup=False, soft_wrap=True)


def _is_gallery(path: Path) -> bool:
    return (path / "cases.db").is_file()


def _report(summary: AuditSummary, as_json: bool) -> None:
    for file, _, message in summary.refused[:SAID]:
        say(f"refused {file}: {message}")
    if summary.rejected > SAID:
        say(f"refused {summary.rejected - SAID} more; audit.csv has them all")
    if not summary.parquet:
        remark("audit.parquet was not written: it needs pyarrow, pip install 'nearbeat[parquet]'")
    if as_json:
        print_json(_as_json(summary))
    else:
        _print(summary)
    if summary.rejected:
        raise typer.Exit(SOME_REFUSED if summary.rejected < summary.ecgs else ALL_REFUSED)


def _counts(summary: AuditSummary) -> dict[str, int]:
    names = ("ecgs", "disagrees", "unsure", "agrees", "trusted", "not_judged", "rejected")
    return {name: getattr(summary, name) for name in names}


def _as_json(summary: AuditSummary) -> dict[str, object]:
    refused = [{"file": file, "kind": kind, "message": message} for file, kind, message in summary.refused]
    return {
        "schema": SCHEMA,
        "folder": str(summary.folder),
        "table": str(summary.folder / "audit.csv"),
        "page": str(summary.folder / "audit.html"),
        **_counts(summary),
        "reference": summary.reference,
        "resumed": summary.resumed,
        "refused": refused,
    }


def _print(summary: AuditSummary) -> None:
    from rich.table import Table

    out().print("[bold]Reports beside their nearest cases[/bold]")
    table = Table(show_header=False)
    for name, number in _counts(summary).items():
        table.add_row(name.replace("_", " ").replace("ecgs", "ECGs"), str(number))
    out().print(table)
    if summary.reference == "none":
        out().print("No share of false flags can be promised here; see --trusted.", markup=False)
    elif summary.reference == "gallery" and summary.disagrees:
        said = (
            "Flags were counted among the gallery's cases; if those are unlike the archive, more of them are false."
        )
        out().print(said, markup=False, soft_wrap=True)
    out().print(f"To look at, with pictures: {summary.folder / 'audit.html'}", markup=False, soft_wrap=True)
    out().print(f"Every row with its reason: {summary.folder / 'audit.csv'}", markup=False, soft_wrap=True)
    out().print("[dim]Research software: it chooses what to look at first, and decides nothing.[/dim]")


def _print_estimate(found: Estimate, price: float | None, as_json: bool) -> None:
    hours = found.processor_seconds.times(1 / 3600)
    if as_json:
        cost = {} if price is None else {"cost": hours.times(price).__dict__}
        print_json(found.as_json() | cost)
        return
    lines = [
        f"{found.done} of {found.total} ECGs are done; the audit goes on from them.",
        f"Time to the end: {_time(found.seconds.value)} ({_time(found.seconds.low)} to {_time(found.seconds.high)})",
        f"Processor hours: {hours.value:.2f} ({hours.low:.2f} to {hours.high:.2f})",
        f"Room on disk: {found.megabytes:.0f} MB",
        f"Cannot be read: {found.rejected.value:.1%} ({found.rejected.low:.1%} to {found.rejected.high:.1%})",
    ]
    if price is not None:
        cost = hours.times(price)
        lines.append(f"Cost: {cost.value:.2f} ({cost.low:.2f} to {cost.high:.2f})")
    for line in lines:
        out().print(line, markup=False, soft_wrap=True)


def _time(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"
