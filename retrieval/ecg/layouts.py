"""Where each lead stands on a page: layouts as rows of cells, and their places in millimetres."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from retrieval.ecg.recording import LEADS
from retrieval.errors import BadArgument

Order = Literal["standard", "cabrera"]
Timing = Literal["sequential", "simultaneous"]
ORDERS: tuple[str, ...] = get_args(Order)
TIMINGS: tuple[str, ...] = get_args(Timing)


@dataclass(frozen=True)
class LeadCell:
    """One lead's stretch of paper.

    ``start`` and ``stop`` say which part of the recording is drawn, as fractions of its length. ``x_mm`` is where the
    stretch begins, ``baseline_mm`` the height of 0 mV from the top of the page, ``width_mm`` its length on paper.
    ``inverted`` leads are drawn upside down, as Cabrera's order shows aVR.
    """

    lead: str
    row: int
    start: float
    stop: float
    x_mm: float
    baseline_mm: float
    width_mm: float
    inverted: bool = False

    @property
    def printed(self) -> str:
        """The name that stands on paper."""
        return f"-{self.lead}" if self.inverted else self.lead


@dataclass(frozen=True)
class Layout:
    """Rows of leads, top to bottom; the leads of a row share its width in equal parts."""

    name: str
    rows: tuple[tuple[str, ...], ...]
    order: str = "standard"

    @property
    def columns(self) -> int:
        """The largest number of leads in a row."""
        return max(len(row) for row in self.rows)

    def cells(
        self,
        x_mm: float,
        top_mm: float,
        row_mm: float,
        width_mm: float,
        timing: str = "sequential",
        part: float = 1.0,
    ) -> tuple[LeadCell, ...]:
        """Place every lead: rows ``row_mm`` apart, the first baseline at ``top_mm``, each row ``width_mm`` long.

        With sequential timing the leads of a row follow each other in time. With simultaneous timing each begins
        with the recording, so that the columns show the same beats. A full row shows ``part`` of the recording.
        """
        placed: list[LeadCell] = []
        for r, row in enumerate(self.rows):
            share, baseline = 1 / len(row), top_mm + r * row_mm
            for c, lead in enumerate(row):
                first = c if timing == "sequential" else 0
                times = first * share * part, (first + 1) * share * part
                inverted = lead == "aVR" and self.order == "cabrera"
                left = x_mm + c * share * width_mm
                placed.append(LeadCell(lead, r, *times, left, baseline, share * width_mm, inverted))
        return tuple(placed)


_LIMB: dict[str, tuple[str, ...]] = {
    "standard": ("I", "II", "III", "aVR", "aVL", "aVF"),
    "cabrera": ("aVL", "I", "aVR", "II", "aVF", "III"),
}
"""Down the columns of a page. Cabrera's goes round the frontal plane from -30 to 120 degrees, with aVR inverted."""
_CHEST = ("V1", "V2", "V3", "V4", "V5", "V6")
_COLUMNS = {"3x4": 4, "6x2": 2, "12x1": 1}
_STRIPS = {"": (), "+1": ("II",), "+3": ("II", "V1", "V5")}


def _rows(name: str, rhythm: str, order: str) -> tuple[tuple[str, ...], ...]:
    if name.startswith("6x1"):
        return tuple((lead,) for lead in (_LIMB[order] if name == "6x1-limb" else _CHEST))
    grid, plus, strips = name.partition("+")
    leads = (*_LIMB[order], *_CHEST)
    deep = len(leads) // _COLUMNS[grid]
    below = (rhythm,) if plus + strips == "+1" else _STRIPS[plus + strips]
    return (*(leads[r::deep] for r in range(deep)), *((lead,) for lead in below))


_NAMES = ("3x4", "3x4+1", "3x4+3", "6x2", "6x2+1", "12x1", "6x1-limb", "6x1-chest")
LAYOUTS: dict[str, Layout] = {name: Layout(name, _rows(name, "II", "standard")) for name in _NAMES}
"""Each layout in the standard order, with lead II below where it has one rhythm strip."""


def layout_named(name: str, rhythm: str = "II", order: str = "standard") -> Layout:
    """The layout of that name.

    Args:
        name: one of ``LAYOUTS``.
        rhythm: the lead of the strip of a layout that ends in ``+1``; the other layouts do not use it.
        order: of the limb leads, ``"standard"`` or ``"cabrera"`` (aVL, I, -aVR, II, aVF, III).

    Raises:
        BadArgument: when there is no such layout, lead or order, or no limb lead that could be put in order.
    """
    if name not in LAYOUTS:
        raise BadArgument(f"no layout is called '{name}'; there are {', '.join(LAYOUTS)}")
    if rhythm not in LEADS:
        raise BadArgument(f"the rhythm strip cannot show '{rhythm}'; it must be one of {', '.join(LEADS)}")
    if order not in ORDERS:
        raise BadArgument(f"the order of leads is '{order}'; it must be one of {', '.join(ORDERS)}")
    if order == "cabrera" and name == "6x1-chest":
        raise BadArgument("6x1-chest has no limb leads that Cabrera's order could change; leave order='standard'")
    return Layout(name, _rows(name, rhythm, order), order)
