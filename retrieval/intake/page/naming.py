"""Name the layout of a page from its rows and from where small print stands beside them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from retrieval.intake.page.masking import Traces
from retrieval.intake.page.rows import Row, mm

BY_ROWS: dict[int, str] = {3: "3x4", 4: "3x4+1", 5: "3x4+2", 7: "6x2+1", 12: "12x1"}
FULL_MM = 250.0
"""Ten seconds at 25 mm/s."""


@dataclass(frozen=True)
class Naming:
    """A layout's name, or ``"unknown"``, how certain it is (0 to 1), and whether it was assumed."""

    layout: str
    certainty: float
    assumed: bool


def name_layout(rows: tuple[Row, ...], traces: Traces) -> Naming:
    """Name the layout by the number of rows; six rows by where the lead names stand."""
    number = len(rows)
    if number == 6:
        return _six_rows(rows, traces)
    if number not in BY_ROWS:
        return Naming("unknown", 0.2, assumed=True)
    cover = float(np.mean([row.cover for row in rows]))
    return Naming(BY_ROWS[number], min(1.0, 0.3 + 0.7 * cover), assumed=False)


def _six_rows(rows: tuple[Row, ...], traces: Traces) -> Naming:
    """3x4+3 has names at the quarters of its upper three rows, 6x2 in the middle of its lower three."""
    quarters = sum(_named_at(rows, traces, r, share) for r in range(3) for share in (0.25, 0.75))
    halves = 2 * sum(_named_at(rows, traces, r, 0.5) for r in range(3, 6))
    layout = "3x4+3" if quarters > halves else "6x2"
    apart = abs(quarters - halves) / 6
    return Naming(layout, min(1.0, 0.4 + 0.6 * apart), assumed=apart < 0.3)


def _named_at(rows: tuple[Row, ...], traces: Traces, row: int, share: float) -> bool:
    """Whether small print stands beside a row where the stretch at ``share`` of its length begins."""
    at = traces.left + share * (traces.right - traces.left)
    base = rows[row].baseline
    return any(
        at - mm(4.0) <= part.left <= at + mm(11.0)
        and abs((part.top + part.bottom) / 2 - base) < mm(14.0)
        and 1.0 <= part.height_mm <= 5.0
        for part in traces.names
    )
