"""Heart rate and intervals of the query beside those of its neighbours, with differences worth a look marked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from retrieval.web.language import Words
from retrieval.web.shelf import Entry
from retrieval.web.traces import ecg_of

if TYPE_CHECKING:
    from retrieval.evidence.measuring import Measurement

MARGINS: Mapping[str, tuple[str, float]] = MappingProxyType(
    {
        "rate_bpm": ("/min", 10.0),
        "pr_ms": ("ms", 20.0),
        "qrs_ms": ("ms", 12.0),
        "qt_ms": ("ms", 30.0),
        "qtc_ms": ("ms", 30.0),
    }
)
"""What is shown, its unit, and from which difference on it is marked: about what two readers of one ECG differ by."""
NONE = "-"


@dataclass(frozen=True)
class Cell:
    """A value as shown, its difference to the query's, and whether that is marked."""

    value: str
    difference: str = ""
    marked: bool = False


def measured(entry: Entry) -> dict[str, Measurement | None]:
    """What can be measured of the query and of each hit; ``None`` where nothing can. It is measured once."""
    if "measured" not in entry.memo:
        entry.memo["measured"] = _measured(entry)
    return entry.memo["measured"]


def _measured(entry: Entry) -> dict[str, Measurement | None]:
    from retrieval.evidence.measuring import measure

    hits = entry.answer.hits if entry.answer is not None else ()
    whiches = ["query", *(str(hit.rank) for hit in hits)]
    found: dict[str, Measurement | None] = {}
    for which in whiches:
        recording, page = ecg_of(entry, which)
        found[which] = measure(recording, page) if recording is not None or page is not None else None
    return found


def table_of(entry: Entry, found: Mapping[str, Measurement | None], t: Words) -> dict[str, Any]:
    """The table as its template shows it."""
    own = found.get("query")
    names = {str(hit.rank): f"{hit.rank} · {hit.case_id}" for hit in (entry.answer.hits if entry.answer else ())}
    heads = [{"name": t(f"measure.{name}"), "unit": unit} for name, (unit, _) in MARGINS.items()]
    return {
        "heads": heads,
        "rows": [_row(w, one, own, names.get(w, t("measure.query")), t) for w, one in found.items()],
    }


def _row(which: str, one: Measurement | None, own: Measurement | None, name: str, t: Words) -> dict[str, Any]:
    query = which == "query"
    cells = [cell(one, None if query else own, field, t) for field in MARGINS]
    parts = [
        f"{t(f'measure.{field}')} {made.value} {unit}{f' ({made.difference})' if made.difference else ''}"
        for (field, (unit, _)), made in zip(MARGINS.items(), cells, strict=True)
        if made.value != NONE
    ]
    method = one.method if one is not None and parts else NONE
    return {"which": which, "query": query, "name": name, "cells": cells, "method": method, "line": " · ".join(parts)}


def cell(one: Measurement | None, own: Measurement | None, field: str, t: Words) -> Cell:
    """One value beside the query's; ``-`` for what was not measured, and never a difference to that."""
    value = getattr(one, field) if one is not None else None
    if value is None:
        return Cell(NONE)
    other = getattr(own, field) if own is not None else None
    if other is None:
        return Cell(t.number(value))
    difference = round(value) - round(other)
    sign = "+" if difference > 0 else ""
    return Cell(t.number(value), f"{sign}{t.number(difference)}" if difference else "±0", _far(value, other, field))


def _far(value: float, other: float, field: str) -> bool:
    return abs(value - other) >= MARGINS[field][1]
