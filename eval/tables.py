"""The Markdown report: the headline first, then a section for each task, chance and ceiling beside each score."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from eval.bootstrap import Estimate
from eval.figures import Figure
from eval.measures import Measure, Unit
from eval.protocol import Result
from eval.slices import left_out
from eval.systems import (
    BM25,
    CHANCE,
    CHECKED,
    E5,
    ENCODED,
    HYBRID,
    MINILM,
    ORACLE,
    PIXELS,
    SIGNAL,
    UNTRAINED,
    WORDED,
)
from eval.tasks.search import HOW_MIXED, SearchFigures

__all__ = ["TITLES", "as_markdown", "change_table", "headline", "markdown_table", "search_table"]

TITLES = {
    CHECKED: "this bundle",
    WORDED: "asked in usual terms as well",
    HYBRID: "bundle and reports",
    UNTRAINED: "untrained tower",
    PIXELS: "PCA of pixels",
    ENCODED: "GASF/RP/MTF encoding",
    CHANCE: "chance",
    SIGNAL: "signal reference",
    BM25: "BM25 on reports",
    E5: "e5 on reports",
    MINILM: "MiniLM on reports",
    ORACLE: "oracle",
}
TASK_TITLES = {
    1: "Task 1: page to case (gallery folds 1 to 8, queries fold 10)",
    2: "Task 2: page to report and report to page (fold 10 alone)",
    3: "Task 3: text to case (fold 10 alone)",
    4: "Task 4: what the neighbours say (gallery folds 1 to 8, queries fold 10)",
    5: "Task 5: robustness (the same ECGs of fold 10 as pictures, read back by intake)",
    6: "Task 6: search",
    7: "Knowing when not to answer",
}
ROBUSTNESS, SEARCH, SLICED = 5, 6, (1, 4)
NOTES = (
    "Brackets: 95 % interval of {draws:,} bootstrap draws by patient, the gallery held fixed. Equal scores take "
    "their expected place. Chance is exact, all scores being equal, or drawn where equal texts stand in blocks. "
    "Perfect: what the best possible ranking reaches; a dash means the end of the scale. Ahead: better than every "
    "baseline in the row with intervals that do not touch. References know more than a page shows and are no "
    "baselines: the oracle the superclasses and the recorder, the signal reference the samples, searches on reports "
    "the reports. Asked in usual terms as well: from images alone, with the usual English and German terms of what a "
    "sentence names beside it, as a search asks. The same patient's other ECGs are never neighbours."
)
ROBUSTNESS_NOTES = (
    "Each ECG is drawn as an everyday page, spoiled, and read back by intake; galleries stay clean. Change: the "
    "paired difference from the same ECGs drawn from their samples, which is what tasks 1, 2 and 4 ask with, so it "
    "holds what intake costs and what the look costs. A refused page finds nothing: 0 in nDCG and recall, and each "
    "pair of ECGs that it belongs to counts half in the AUROC. Where pages were refused, a second line leaves them "
    "out, of the clean side as well. Everything from the layouts on was held out of the training of the towers."
)
SEARCH_NOTES = (
    "Measured on this machine ({machine}): one query at a time through the gallery's own search, canonical ranking "
    "included. Recall@10 is against an exhaustive search in float64 that shares no code with it. Bytes on disk are "
    "of the whole gallery with reports and statements, without waveforms and pages. {mixed}"
)


def as_markdown(result: Result, command: str, figures: Sequence[Figure] = ()) -> str:
    """The whole report."""
    parts = [*_head(result, command), "## Headline", headline(result.measures)]
    for task, title in TASK_TITLES.items():
        lines = [measure for measure in result.measures if measure.task == task]
        if task == ROBUSTNESS and lines:
            parts += [f"## {title}", ROBUSTNESS_NOTES, *_robustness(lines)]
        elif lines:
            parts += [f"## {title}", markdown_table(lines), *_chosen(lines)]
            parts += [" ".join(left)] if task in SLICED and (left := left_out(result.split.queries)) else []
        elif task == SEARCH and result.search:
            parts += [f"## {title}", search_table(result.search), _search_notes()]
        parts += [f"![{one.title}]({one.files[0]})\n\n*{one.caption}*" for one in figures if one.task == task]
    return "\n\n".join(parts) + "\n"


def _head(result: Result, command: str) -> list[str]:
    gallery, _, queries = result.split.parts
    lines = [
        "# Retrieval quality",
        f"`{command}`",
        f"Bundle {result.bundle.name} {result.bundle.version} (sha256 {result.bundle.sha256[:12]}), "
        f"{len(gallery.rows):,} gallery ECGs of folds 1 to 8 ({gallery.absent:,} without files here), "
        f"{len(queries.rows):,} queries of fold 10 ({queries.absent:,} without files), "
        f"{len(set(queries.patients)):,} patients, split sha256 {result.split.sha256[:12]}.",
        NOTES.format(draws=result.options.draws),
    ]
    absent = [f"{TITLES[name]} (`{option}`)" for name, option in _not_given(result)]
    if absent:
        lines.append("Not measured, because no bundle or folder was given: " + ", ".join(absent) + ".")
    if result.remarks:
        lines.append(" ".join(f"{remark.rstrip('.')}." for remark in result.remarks))
    return lines


def _not_given(result: Result) -> Iterable[tuple[str, str]]:
    options = result.options
    for name, option, given in (
        (UNTRAINED, "--untrained", options.untrained),
        (SIGNAL, "--signal", options.signal),
        (ENCODED, "--encoding", options.encoded),
    ):
        if given is None:
            yield name, option


def headline(measures: Sequence[Measure]) -> str:
    """The short tables: one for tasks 1, 2 and 4, and one for each that compares other systems."""
    short = [measure for measure in measures if measure.headline]
    tables: list[str] = []
    for tasks in ((1, 2, 4), *((task,) for task in TASK_TITLES if task not in (1, 2, 4))):
        lines = [measure for measure in short if measure.task in tasks]
        if lines and tasks == (ROBUSTNESS,):
            rows = [(f"{measure.setting}: {measure.metric}", measure) for measure in lines]
            tables.append(change_table("the same ECGs as pictures", rows))
        elif lines:
            tables.append(markdown_table(lines))
    return "\n\n".join(tables)


def _chosen(lines: Sequence[Measure]) -> list[str]:
    """What fold 9 chose for each system: the vote, the fusion, the threshold."""
    notes = sorted({f"{TITLES[name]}: {note}" for m in lines for name, note in m.notes.items() if name != CHANCE})
    return ["Chosen on fold 9: " + "; ".join(notes) + "."] if notes else []


def _robustness(lines: Sequence[Measure]) -> list[str]:
    """A table for each metric, with a row for each look."""
    metrics = dict.fromkeys(measure.metric for measure in lines)
    return [change_table(metric, [(m.setting, m) for m in lines if m.metric == metric]) for metric in metrics]


def change_table(title: str, rows: Sequence[tuple[str, Measure]]) -> str:
    """What pictures of the same ECGs reach, and the paired change from their clean pages."""
    names = [name for name in TITLES if any(name in measure.scores for _, measure in rows)]
    others = [name for name in names if name != CHECKED]
    unit = {_unit(measure.unit) for _, measure in rows}
    title += unit.pop() if len(unit) == 1 else ""
    table = [[title, "ECGs", "refused", TITLES[CHECKED], "change", *(TITLES[name] for name in others)]]
    table.append(["---"] + ["---:"] * (len(table[0]) - 1))
    for name, measure in rows:
        ours, change = measure.scores.get(CHECKED), measure.change.get(CHECKED)
        refused = "–" if measure.refused is None else str(measure.refused)
        cells = [_cell(measure.scores.get(other), measure.unit) for other in others]
        count = "–" if ours is None else f"{ours.queries:,}"
        table.append([name, count, refused, _cell(ours, measure.unit), _change(change, measure.unit), *cells])
    return _pipes(table)


def markdown_table(measures: Sequence[Measure]) -> str:
    """A pipe table, a row per measure and a column per system."""
    names = [name for name in TITLES if any(name in measure.scores for measure in measures)]
    rows = [["measure", *(TITLES[name] for name in names), "perfect", "ahead"]]
    rows.append(["---"] + ["---:"] * (len(names) + 1) + [":---:"])
    for measure in measures:
        cells = [_cell(measure.scores.get(name), measure.unit) for name in names]
        ceiling = "–" if measure.ceiling is None else _number(measure.ceiling, measure.unit)
        rows.append([f"{measure.setting}: {measure.metric}{_unit(measure.unit)}", *cells, ceiling, _ahead(measure)])
    return _pipes(rows)


def search_table(sizes: Sequence[SearchFigures]) -> str:
    """A row for each size of gallery."""
    head = ["cases", "of the bundle", "mixed", "dim", "index", "recall@10 (%)", "p50 (ms)", "p95 (ms)"]
    rows = [[*head, "index, bytes a case", "disk, bytes a case", "build (s)"]]
    rows.append(["---:"] * len(rows[0]))
    for one in sizes:
        counts = [f"{one.cases:,}", f"{one.own:,}", f"{one.cases - one.own:,}", str(one.dim)]
        kind = "exact" if one.exact else "approximate"
        times = [f"{100 * one.recall:.2f}", f"{one.p50_ms:.2f}", f"{one.p95_ms:.2f}"]
        rows.append(
            [*counts, kind, *times, f"{one.index_bytes:,.0f}", f"{one.disk_bytes:,.0f}", f"{one.build_s:.1f}"]
        )
    return _pipes(rows)


def _search_notes() -> str:
    import os
    import platform

    return SEARCH_NOTES.format(machine=f"{platform.machine()}, {os.cpu_count()} cores", mixed=HOW_MIXED)


def _pipes(rows: Sequence[Sequence[str]]) -> str:
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)


def _ahead(measure: Measure) -> str:
    return {True: "yes", False: "no", None: "–"}[measure.leads()]


def _unit(unit: Unit) -> str:
    return " (%)" if unit == "%" else ""


def _cell(score: Estimate | None, unit: Unit) -> str:
    if score is None or math.isnan(score.value):
        return "–"
    value, low, high = (_number(figure, unit) for figure in (score.value, *score.interval))
    return value if low == value == high else f"{value} [{low}, {high}]"


def _change(change: Estimate | None, unit: Unit) -> str:
    """Signed, with a true minus."""
    if change is None or math.isnan(change.value):
        return "–"
    value, low, high = (_signed(figure, unit) for figure in (change.value, *change.interval))
    return value if low == value == high else f"{value} [{low}, {high}]"


def _signed(value: float, unit: Unit) -> str:
    digits = f"{abs(value):.3f}".removeprefix("0") if unit == "area" else f"{100 * abs(value):.1f}"
    if not float(digits):
        return digits
    return ("−" if value < 0 else "+") + digits


def _number(value: float, unit: Unit) -> str:
    if unit == "place":
        return f"{value:,.0f}"
    if unit == "area":
        return f"{value:.3f}".removeprefix("0")
    return f"{100 * value:.2f}" if value < 0.1 else f"{100 * value:.1f}"
