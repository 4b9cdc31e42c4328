"""Scores as Markdown tables."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

Score = dict[str, Any]
"""A ``PageScore`` as JSON has it."""

HEAD = (
    "pages",
    "pitch within 2 %",
    "corners, median",
    "corners under 2 mm",
    "layout",
    "every box",
    "right",
    "nearly",
    "wrong, said",
    "wrong, silent",
    "refused",
    "text masked",
    "traces kept",
    "CPU s",
)


def figures(scores: Sequence[Score]) -> tuple[str, ...]:
    """The cells of a row; shares are of all pages, so that a refused one counts as a miss."""
    read = [s for s in scores if s["pitch_error"] is not None]
    corners = [s["corner_mm"] for s in read if s["corner_mm"] is not None]
    crashed = sum(s["verdict"] == "crashed" for s in scores)
    return (
        str(len(scores)),
        _share(scores, lambda s: s["pitch_error"] is not None and s["pitch_error"] <= 0.02),
        f"{np.median(corners):.1f} mm" if corners else "",
        _share(scores, lambda s: s["corner_mm"] is not None and s["corner_mm"] < 2.0),
        _share(scores, lambda s: s["layout_right"]),
        _share(read, lambda s: s["boxes_right"] == s["leads"] and not s["extra"], len(scores)),
        *(_share(scores, _is(verdict)) for verdict in ("right", "nearly", "wrong, said", "wrong, silent")),
        _share(scores, _is("refused")) + (f" + {crashed} crashed" if crashed else ""),
        _left(scores, "text_px", lambda s: s["text_px"] - s["text_left"]),
        _left(scores, "trace_px", lambda s: s["trace_kept"]),
        f"{np.mean([s['cpu_s'] for s in scores]):.1f}",
    )


def _is(verdict: str) -> Callable[[Score], bool]:
    return lambda score: score["verdict"] == verdict


def _share(scores: Sequence[Score], good: Callable[[Score], bool], number: int | None = None) -> str:
    number = len(scores) if number is None else number
    return f"{100 * sum(map(good, scores)) / number:.1f} %" if number else ""


def _left(scores: Sequence[Score], of: str, good: Callable[[Score], int]) -> str:
    total = sum(s[of] for s in scores)
    return f"{100 * sum(map(good, scores)) / total:.2f} %" if total else ""


def table(title: str, groups: Iterable[tuple[str, Sequence[Score]]]) -> str:
    """A Markdown table with a line for each group of scores."""
    lines = [f"| {title} | {' | '.join(HEAD)} |", "|" + " --- |" * (len(HEAD) + 1)]
    lines += [f"| {name} | {' | '.join(figures(scores))} |" for name, scores in groups if scores]
    return "\n".join(lines)
