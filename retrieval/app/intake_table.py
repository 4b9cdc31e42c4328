"""What was read from a file, as a table for the terminal."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from retrieval.intake.caption import finding_line, layout_line, percent, pitch_line, recording_line, speed_line

if TYPE_CHECKING:
    from retrieval.intake.result import Intake, IntakeReport


def print_intake(console: Console, intake: Intake) -> None:
    """The file's line, what was found, and a line for each finding."""
    page = f", page {intake.number} of {intake.pages}" if intake.pages > 1 or intake.number > 1 else ""
    console.print(f"[bold]{escape(intake.file)}[/bold] (read as {intake.kind}{page})")
    table = Table(show_header=False, pad_edge=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in _rows(intake):
        table.add_row(name, escape(value))
    console.print(table)
    for finding in intake.findings:
        console.print(f"[yellow]{escape(finding.kind)}:[/yellow] {escape(finding_line(finding))}")


def _rows(intake: Intake) -> Iterator[tuple[str, str]]:
    if intake.report is not None:
        yield from _page_rows(intake.report)
        return
    yield "recording", recording_line(intake)
    own = intake.recording
    if own is not None and (own.age is not None or own.sex):
        yield (
            "patient",
            ", ".join(part for part in (f"{own.age:.0f} y" if own.age is not None else "", own.sex) if part),
        )


def _page_rows(report: IntakeReport) -> Iterator[tuple[str, str]]:
    yield "layout", layout_line(report)
    if report.leads:
        yield "leads", _leads(report)
    yield "paper", speed_line(report)
    yield "scale", pitch_line(report)
    if report.rotation_deg:
        yield (
            "turned",
            f"{abs(report.rotation_deg):.1f}° {'counter-clockwise' if report.rotation_deg > 0 else 'clockwise'}",
        )
    yield "certainty", percent(report.certainty)
    yield "assumed", ", ".join(report.assumed) or "nothing"
    if report.paper is not None:
        yield "sheet", "its edges were found in the picture"
    yield "left out", f"{len(report.masked)} regions of print" if report.masked else "no print was found"


def _leads(report: IntakeReport) -> str:
    """A line for each row of the page, a question mark after what is unsure."""
    ordered = sorted(report.leads, key=lambda lead: lead.row)  # stable: within a row as they stand
    return "\n".join(
        " ".join(
            f"{'-' * lead.inverted}{lead.lead}{'?' * (lead.certainty < 0.5)} ({lead.seconds:.1f} s)" for lead in row
        )
        for _, row in groupby(ordered, key=lambda lead: lead.row)
    )
