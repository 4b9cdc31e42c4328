"""``results.json`` with every number, and a Markdown table with chance and ceiling beside each score."""

from __future__ import annotations

import json
import math
import os
import platform
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from eval.bootstrap import Estimate
from eval.measures import Measure, Unit
from eval.protocol import Result
from eval.split import Part
from eval.systems import CHANCE, CHECKED, ORACLE, PIXELS, UNTRAINED
from retrieval.towers.bundle import Bundle

__all__ = ["SCHEMA", "as_json", "as_markdown", "write_report"]

SCHEMA = "nearbeat.evaluation/1"
TITLES = {
    CHECKED: "this bundle",
    UNTRAINED: "untrained tower",
    PIXELS: "PCA of pixels",
    CHANCE: "chance",
    ORACLE: "oracle",
}
TASK_TITLES = {
    1: "Task 1: page to case (gallery folds 1 to 8, queries fold 10)",
    2: "Task 2: page to report and report to page (fold 10 alone)",
    4: "Task 4: what the neighbours say (gallery folds 1 to 8, queries fold 10)",
}
PACKAGES = ("nearbeat", "numpy", "onnxruntime", "tokenizers", "opencv-python-headless", "wfdb")
NOTES = (
    "Brackets: 95 % interval of {draws:,} bootstrap draws by patient, the gallery held fixed. Equal scores take "
    "their expected place. Chance is exact, all scores being equal, or drawn where equal texts stand in blocks. "
    "Perfect: what the best possible ranking reaches; a dash means the end of the scale. Oracle: knows the "
    "superclasses and the recorder, and nothing else. Ahead: better than every baseline in the row with "
    "intervals that do not touch. The same patient's other ECGs are never neighbours."
)


def write_report(result: Result, out: Path, command: str) -> tuple[Path, Path]:
    """Write ``results.json`` and ``results.md`` under ``out``; returns both paths."""
    out.mkdir(parents=True, exist_ok=True)
    facts = as_json(result, command)
    numbers, table = out / "results.json", out / "results.md"
    numbers.write_text(json.dumps(facts, indent=1, allow_nan=False, ensure_ascii=False) + "\n", encoding="utf-8")
    table.write_text(as_markdown(result, command), encoding="utf-8")
    return numbers, table


def as_json(result: Result, command: str) -> dict[str, Any]:
    """Every number, with what is needed to measure it again."""
    gallery, validation, queries = result.split.parts
    return {
        "schema": SCHEMA,
        "command": command,
        "machine": _machine(),
        "versions": _versions(),
        "bundle": _bundle(result.bundle),
        "untrained": None if result.untrained is None else _bundle(result.untrained),
        "split": {
            "sha256": result.split.sha256,
            "gallery": _part(gallery, "1-8"),
            "validation": _part(validation, "9"),
            "queries": _part(queries, "10"),
            "unreadable": list(result.unreadable),
        },
        "bootstrap": {"draws": result.draws, "seed": result.seed, "unit": "patient"},
        "measures": [_measure(measure) for measure in result.measures],
    }


def as_markdown(result: Result, command: str) -> str:
    """The tables: the headline first, then every task in full."""
    gallery, _, queries = result.split.parts
    head = [
        "# Retrieval quality",
        f"`{command}`",
        f"Bundle {result.bundle.name} {result.bundle.version} (sha256 {result.bundle.sha256[:12]}), "
        f"{len(gallery.rows):,} gallery ECGs of folds 1 to 8 ({gallery.absent:,} without files here), "
        f"{len(queries.rows):,} queries of fold 10 ({queries.absent:,} without files), "
        f"{len(set(queries.patients)):,} patients, split sha256 {result.split.sha256[:12]}.",
        NOTES.format(draws=result.draws),
    ]
    if result.untrained is None:
        head.append("The untrained tower was not measured: no bundle of it was given (`--untrained`).")
    headline = [measure for measure in result.measures if measure.headline]
    parts = [*head, "## Headline", markdown_table(headline)]
    for task, title in TASK_TITLES.items():
        lines = [measure for measure in result.measures if measure.task == task]
        if lines:
            parts += [f"## {title}", markdown_table(lines)]
        notes = sorted({f"{TITLES[name]}: {note}" for m in lines for name, note in m.notes.items() if name != CHANCE})
        if notes:
            parts.append("The vote, chosen on fold 9: " + "; ".join(notes) + ".")
    return "\n\n".join(parts) + "\n"


def markdown_table(measures: Sequence[Measure]) -> str:
    """A pipe table, a row per measure and a column per system."""
    names = [name for name in TITLES if any(name in measure.scores for measure in measures)]
    rows = [["measure", *(TITLES[name] for name in names), "perfect", "ahead"]]
    rows.append(["---"] + ["---:"] * (len(names) + 1) + [":---:"])
    for measure in measures:
        cells = [_cell(measure.scores.get(name), measure.unit) for name in names]
        ceiling = "–" if measure.ceiling is None else _number(measure.ceiling, measure.unit)
        rows.append([f"{measure.setting}: {measure.metric}{_unit(measure.unit)}", *cells, ceiling, _ahead(measure)])
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


def _number(value: float, unit: Unit) -> str:
    if unit == "place":
        return f"{value:,.0f}"
    if unit == "area":
        return f"{value:.3f}".removeprefix("0")
    return f"{100 * value:.2f}" if value < 0.1 else f"{100 * value:.1f}"


def _measure(measure: Measure) -> dict[str, Any]:
    ours = measure.scores.get(CHECKED)
    return {
        "task": measure.task,
        "setting": measure.setting,
        "metric": measure.metric,
        "unit": measure.unit,
        "headline": measure.headline,
        "ceiling": measure.ceiling,
        "ahead": measure.leads(),
        "scores": {name: _estimate(score) for name, score in measure.scores.items()},
        "bundle_minus": {
            name: _estimate(ours.minus(score)) for name, score in measure.scores.items() if ours and name != CHECKED
        },
        "notes": dict(measure.notes),
    }


def _estimate(score: Estimate) -> dict[str, Any]:
    low, high = score.interval
    return {
        "value": _finite(score.value),
        "low": _finite(low),
        "high": _finite(high),
        "queries": score.queries,
        "classes": score.classes or None,
    }


def _finite(value: float) -> float | None:
    return round(float(value), 6) if math.isfinite(value) else None


def _bundle(towers: Bundle) -> dict[str, str]:
    return {"name": towers.name, "version": str(towers.version), "sha256": towers.sha256}


def _part(part: Part, folds: str) -> dict[str, Any]:
    return {
        "folds": folds,
        "ecgs": len(part.rows),
        "patients": len(set(part.patients)),
        "absent": part.absent,
    }


def _machine() -> dict[str, Any]:
    return {"system": platform.system(), "processor": platform.machine(), "cores": os.cpu_count()}


def _versions() -> dict[str, str]:
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found
