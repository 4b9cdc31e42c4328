"""The arrangements of leads that a page can have, those of makers and those found in life."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from math import log

from retrieval.ecg.layouts import layout_named
from retrieval.ecg.recording import LEADS

PRIOR = {
    "3x4": 0.14, "3x4+1": 0.40, "3x4+2": 0.03, "3x4+3": 0.12, "3x5": 0.003, "6x2": 0.10, "6x2+1": 0.08, "12x1": 0.08,
    "6x1-limb": 0.02, "6x1-chest": 0.02,
}  # fmt: skip
"""How often each is met, roughly; what is seen on the page soon outweighs it."""
CABRERA = 0.08
CUT = 0.02
"""How often a picture shows one certain part of its page alone."""
RHYTHM: dict[str, float] = {lead: 0.02 for lead in LEADS} | {"II": 0.6, "V1": 0.15, "V5": 0.06}
"""Which lead a long strip shows."""
USUAL_THREE, TOGETHER = ("II", "V1", "V5"), 3.0
"""The three that stand together on most pages with three long strips, and by how much (as a logarithm of the odds)
that makes each order of them likelier than its leads are one by one: to three quarters of all such pages."""


@dataclass(frozen=True)
class Slot:
    """One lead's place; ``lead`` is ``""`` for a strip that may show any lead, ``inverted`` for -aVR."""

    lead: str
    inverted: bool = False


@dataclass(frozen=True)
class Template:
    """Rows of slots from top to bottom; ``grid`` rows hold ``columns`` leads each, those below are long strips.

    Where a picture shows a part of it, ``cut`` is the side that is lacking: ``"left"``, ``"right"`` or ``"top"``; and
    ``first`` is how many whole columns are lacking on the left.
    """

    name: str
    order: str
    rows: tuple[tuple[Slot, ...], ...]
    grid: int
    columns: int
    cut: str = ""
    first: int = 0

    @property
    def prior(self) -> float:
        """Logarithm of how often it is met."""
        order = CABRERA if self.order == "cabrera" else 1 - CABRERA
        return log(PRIOR[self.name] * order * (CUT if self.cut else 1.0))


@cache
def templates() -> tuple[Template, ...]:
    """All of them."""
    return tuple(_template(name, order) for name in PRIOR for order in _orders(name))


def _orders(name: str) -> tuple[str, ...]:
    return ("standard",) if name in {"6x1-chest", "3x5"} else ("standard", "cabrera")


def _template(name: str, order: str) -> Template:
    """Rows of a layout of ours, or of one of ours with a strip or a column more."""
    base = {"3x4+2": "3x4", "3x5": "3x4", "3x4+1": "3x4", "3x4+3": "3x4", "6x2+1": "6x2"}.get(name, name)
    plan = layout_named(base, order=order)
    rows = [tuple(Slot(lead, lead == "aVR" and order == "cabrera") for lead in row) for row in plan.rows]
    grid, columns = len(rows), len(rows[0])
    if name == "3x5":
        # Five columns are a fax of fifteen leads: behind the twelve stand V7 to V9 or leads of the right side.
        return Template(name, order, tuple((*row, Slot("")) for row in rows), grid, columns + 1)
    strips = int(name.partition("+")[2] or 0)
    return Template(name, order, (*rows, *((Slot(""),) for _ in range(strips))), grid, columns)
