"""Answers as tables for the terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from retrieval.answer import NOTICE, SIMULATED, Answer, Hit
from retrieval.app.wording import (
    ORDERS,
    ballot_line,
    describe_statement,
    percentile,
    person,
    short_source,
    vote_line,
)

if TYPE_CHECKING:
    from retrieval.evidence import Evidence

SAID = ("simulated", "approximate")
"""Cautions that stand beside the table in words of their own."""


def print_answer(
    console: Console,
    answer: Answer,
    counts: Mapping[str, int],
    title: str | None = None,
    evidence: Evidence | None = None,
) -> None:
    """The query's line, its warnings, the nearest cases, what they have in common, and what speaks against it."""
    console.print()
    console.print(f"[bold]{escape(title or query_title(answer))}[/bold]")
    if answer.query.also:
        console.print(f"Also asked as: {escape(', '.join(answer.query.also))}")
    for warning in answer.query.warnings:
        console.print(f"[yellow]warning:[/yellow] {escape(warning)}")
    if not answer.hits:
        console.print("No case of the gallery may answer this query.")
        return
    if evidence is not None and evidence.strange is not None:
        console.print(f"[bold white on red] NOTHING LIKE THIS [/] {escape(evidence.strange.sentence)}")
    console.print(_table(answer, evidence))
    _print_making(console, answer)
    if evidence is not None:
        _print_evidence(console, evidence, len(answer.hits))
    else:
        common = vote_line(answer.hits, counts, answer.gallery.cases)
        if common:
            console.print(f"In common: {escape(common)}")
    _print_notes(console, answer)


def _print_making(console: Console, answer: Answer) -> None:
    """How the hits are ordered, and which of them no patient has."""
    if answer.ranked_by in ORDERS:
        console.print(f"Ordered by {ORDERS[answer.ranked_by]}.")
    made = sum(hit.simulated for hit in answer.hits)
    if made:
        console.print(
            f"[bold black on yellow] {SIMULATED.upper()} [/] {made} of these {len(answer.hits)} cases were made by a "
            "program; no patient has them."
        )


def _print_notes(console: Console, answer: Answer) -> None:
    """The patient's own ECGs, how the search went, and what this is not."""
    if answer.earlier:
        ids = ", ".join(case.case_id for case in answer.earlier)
        console.print(f"Earlier recordings of the same patient, not counted as neighbours: {escape(ids)}")
    if answer.recall is not None:
        console.print(f"An approximate search, which finds {answer.recall:.1%} of the ten nearest here.")
    if answer.log_id is not None:
        console.print(f"Put down in the log as answer {answer.log_id}.")
    console.print(f"[dim]{NOTICE.replace('below', 'above')}[/dim]")


def _print_evidence(console: Console, evidence: Evidence, hits: int) -> None:
    """The vote, the contrary case and the cautions that stand nowhere else."""
    line = ballot_line(evidence.ballots, hits)
    if line:
        console.print(f"In common: {escape(line)}")
    if evidence.contrary is not None:
        console.print(f"Contrary: {escape(evidence.contrary.sentence)}")
    for caution in evidence.cautions:
        if caution.kind not in SAID:
            console.print(f"[yellow]caution:[/yellow] {escape(caution.sentence)}")


def query_title(answer: Answer) -> str:
    """The query in a line."""
    if answer.query.text is not None and answer.query.kind == "text":
        return f"“{answer.query.text}”"
    if answer.query.text is not None:
        return f"{answer.query.file or 'ECG'} (read as {answer.query.kind}) and “{answer.query.text}”"
    return f"{answer.query.file or 'ECG'} (read as {answer.query.kind})"


def _table(answer: Answer, evidence: Evidence | None) -> Table:
    table = Table(show_lines=True, expand=False, pad_edge=False)
    table.add_column("#", justify="right", no_wrap=True)
    near = evidence.percentiles if evidence is not None else ()
    # Whether a number is high is told by how many random pairs are less similar.
    table.add_column("similarity", justify="right", no_wrap=True, min_width=7)
    if near:
        table.add_column("of pairs", justify="right", no_wrap=True, min_width=6)
    table.add_column("statements", ratio=3, min_width=16)
    table.add_column("report", ratio=4, min_width=16)
    table.add_column("source", ratio=2, min_width=11)
    for place, hit in enumerate(answer.hits):
        more = (percentile(near[place]),) if near else ()
        table.add_row(
            str(hit.rank), f"{hit.score:.3f}", *more, _statements(hit), escape(hit.report) or "-", _source(hit)
        )
    return table


def _statements(hit: Hit) -> str:
    return escape("\n".join(describe_statement(code, sure) for code, sure in hit.statements.items())) or "-"


def _source(hit: Hit) -> str:
    named = "[bold black on yellow] SIMULATED [/]" if hit.simulated else escape(short_source(hit.source))
    ids = "" if hit.source == hit.case_id else escape(hit.case_id)
    return "\n".join(part for part in (named, ids, person(hit.case)) if part)
