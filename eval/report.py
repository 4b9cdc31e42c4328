"""``results.json`` with every number."""

from __future__ import annotations

import json
import math
import os
import platform
from collections.abc import Sequence
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from eval.bootstrap import Estimate
from eval.details import Details
from eval.figures import Figure
from eval.measures import Measure
from eval.protocol import Result
from eval.split import Part
from eval.systems import CHECKED
from eval.tables import as_markdown
from eval.tasks.search import HOW_MIXED
from retrieval.towers.bundle import Bundle

__all__ = ["SCHEMA", "as_json", "write_report"]

SCHEMA = "nearbeat.evaluation/2"
PACKAGES = ("nearbeat", "numpy", "faiss-cpu", "onnxruntime", "tokenizers", "opencv-python-headless", "wfdb")


def write_report(result: Result, out: Path, command: str, figures: Sequence[Figure] = ()) -> tuple[Path, Path]:
    """Write ``results.json`` and ``results.md``, which shows the figures, under ``out``; returns both paths."""
    out.mkdir(parents=True, exist_ok=True)
    facts = as_json(result, command)
    facts["figures"] = [{"title": one.title, "caption": one.caption, "files": list(one.files)} for one in figures]
    numbers, table = out / "results.json", out / "results.md"
    numbers.write_text(json.dumps(facts, indent=1, allow_nan=False, ensure_ascii=False) + "\n", encoding="utf-8")
    table.write_text(as_markdown(result, command, figures), encoding="utf-8")
    return numbers, table


def as_json(result: Result, command: str) -> dict[str, Any]:
    """Every number, with what is needed to measure it again."""
    gallery, validation, queries = result.split.parts
    options = result.options
    return {
        "schema": SCHEMA,
        "command": command,
        "machine": _machine(),
        "versions": _versions(),
        "bundle": _bundle(result.bundle),
        "compared": {name: _bundle(one) for name, one in options.towers(result.bundle).items() if name != CHECKED},
        "split": {
            "sha256": result.split.sha256,
            "gallery": _part(gallery, "1-8"),
            "validation": _part(validation, "9"),
            "queries": _part(queries, "10"),
            "unreadable": list(result.unreadable),
        },
        "bootstrap": {"draws": options.draws, "seed": options.seed, "unit": "patient"},
        "measures": [_measure(measure) for measure in result.measures],
        "search": {"mixed": HOW_MIXED, "sizes": [asdict(figures) for figures in result.search]},
        "refusals": {look: list(reasons) for look, reasons in result.refusals.items()},
        "remarks": list(result.remarks),
        "details": _details(result.details),
    }


def _measure(measure: Measure) -> dict[str, Any]:
    ours = measure.scores.get(CHECKED)
    facts: dict[str, Any] = {
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
    if measure.refused is not None:
        facts["refused"] = measure.refused
        facts["change"] = {name: _estimate(change) for name, change in measure.change.items()}
    return facts


def _details(details: Details) -> dict[str, Any]:
    reliability = details.reliability
    return {
        "statements": [
            {
                "code": one.code,
                "kind": one.kind,
                "queries": one.queries,
                "gallery": one.gallery,
                "mean_ap": _estimate(one.mean_ap),
                "chance": _finite(one.chance),
            }
            for one in details.statements
        ],
        "reliability": None
        if reliability is None
        else {
            "error": _finite(reliability.error),
            "bins": [
                {"predicted": _finite(one.predicted), "observed": _estimate(one.observed), "votes": one.votes}
                for one in reliability.bins
            ],
        },
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
