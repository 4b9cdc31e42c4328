"""Answers as tables for the terminal."""

from __future__ import annotations

from collections.abc import Mapping

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from retrieval.answer import NOTICE, SIMULATED, Answer, Hit
from retrieval.app.wording import ORDERS, describe_statement, person, short_source, vote_line


def print_answer(console: Console, answer: Answer, counts: Mapping[str, int], title: str | None = None) -> None:
    """The query's line, its warnings, the nearest cases, and what they have in common."""
    console.print()
    console.print(f"[bold]{escape(title or query_title(answer))}[/bold]")
    for warning in answer.query.warnings:
        console.print(f"[yellow]warning:[/yellow] {escape(warning)}")
    if not answer.hits:
        console.print("No case of the gallery may answer this query.")
        return
    console.print(_table(answer))
    if answer.ranked_by in ORDERS:
        console.print(f"Ordered by {ORDERS[answer.ranked_by]}.")
    made = sum(hit.simulated for hit in answer.hits)
    if made:
        console.print(
            f"[bold black on yellow] {SIMULATED.upper()} [/] {made} of these {len(answer.hits)} cases were made by a "
            "program; no patient has them."
        )
    common = vote_line(answer.hits, counts, answer.gallery.cases)
    if common:
        console.print(f"In common: {escape(common)}")
    if answer.earlier:
        ids = ", ".join(case.case_id for case in answer.earlier)
        console.print(f"Earlier recordings of the same patient, not counted as neighbours: {escape(ids)}")
    if answer.recall is not None:
        console.print(f"An approximate search, which finds {answer.recall:.1%} of the ten nearest here.")
    if answer.log_id is not None:
        console.print(f"Put down in the log as answer {answer.log_id}.")
    console.print(f"[dim]{NOTICE.replace('below', 'above')}[/dim]")


def query_title(answer: Answer) -> str:
    """The query in a line."""
    if answer.query.text is not None:
        return f"“{answer.query.text}”"
    return f"{answer.query.file or 'ECG'} (read as {answer.query.kind})"


def _table(answer: Answer) -> Table:
    table = Table(show_lines=True, expand=False, pad_edge=False)
    table.add_column("#", justify="right", no_wrap=True)
    table.add_column("similarity", justify="right", no_wrap=True, min_width=7)
    table.add_column("statements", ratio=3, min_width=16)
    table.add_column("report", ratio=4, min_width=16)
    table.add_column("source", ratio=2, min_width=11)
    for hit in answer.hits:
        table.add_row(str(hit.rank), f"{hit.score:.3f}", _statements(hit), escape(hit.report) or "-", _source(hit))
    return table


def _statements(hit: Hit) -> str:
    return escape("\n".join(describe_statement(code, sure) for code, sure in hit.statements.items())) or "-"


def _source(hit: Hit) -> str:
    named = "[bold black on yellow] SIMULATED [/]" if hit.simulated else escape(short_source(hit.source))
    ids = "" if hit.source == hit.case_id else escape(hit.case_id)
    return "\n".join(part for part in (named, ids, person(hit.case)) if part)
