"""Where each lead stands on a page: layouts as rows of cells, and their places in millimetres."""

from __future__ import annotations

from dataclasses import dataclass

from retrieval.errors import BadArgument


@dataclass(frozen=True)
class LeadCell:
    """One lead's stretch of paper.

    ``start`` and ``stop`` say which part of the recording is drawn, as fractions of its length. ``x_mm`` is where the
    stretch begins, ``baseline_mm`` the height of 0 mV from the top of the page, ``width_mm`` its length on paper.
    """

    lead: str
    row: int
    start: float
    stop: float
    x_mm: float
    baseline_mm: float
    width_mm: float


@dataclass(frozen=True)
class Layout:
    """Rows of leads, top to bottom; the leads of a row follow each other in time (sequential timing)."""

    name: str
    rows: tuple[tuple[str, ...], ...]

    @property
    def columns(self) -> int:
        """The largest number of leads in a row."""
        return max(len(row) for row in self.rows)

    def cells(self, x_mm: float, top_mm: float, row_mm: float, width_mm: float) -> tuple[LeadCell, ...]:
        """Place every lead: rows ``row_mm`` apart, the first baseline at ``top_mm``, each row ``width_mm`` long."""
        placed: list[LeadCell] = []
        for r, row in enumerate(self.rows):
            share = 1 / len(row)
            for c, lead in enumerate(row):
                left = x_mm + c * share * width_mm
                placed.append(
                    LeadCell(lead, r, c * share, (c + 1) * share, left, top_mm + r * row_mm, share * width_mm)
                )
        return tuple(placed)


_THREE_BY_FOUR = (("I", "aVR", "V1", "V4"), ("II", "aVL", "V2", "V5"), ("III", "aVF", "V3", "V6"))
_SIX_BY_TWO = (("I", "V1"), ("II", "V2"), ("III", "V3"), ("aVR", "V4"), ("aVL", "V5"), ("aVF", "V6"))

LAYOUTS: dict[str, Layout] = {
    layout.name: layout
    for layout in (
        Layout("3x4", _THREE_BY_FOUR),
        Layout("3x4+1", (*_THREE_BY_FOUR, ("II",))),
        Layout("3x4+3", (*_THREE_BY_FOUR, ("II",), ("V1",), ("V5",))),
        Layout("6x2", _SIX_BY_TWO),
        Layout("6x2+1", (*_SIX_BY_TWO, ("II",))),
        Layout(
            "12x1",
            tuple((lead,) for lead in ("I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6")),
        ),
    )
}


def layout_named(name: str) -> Layout:
    """The layout of that name.

    Raises:
        BadArgument: when there is none.
    """
    if name not in LAYOUTS:
        raise BadArgument(f"no layout is called '{name}'; there are {', '.join(LAYOUTS)}")
    return LAYOUTS[name]
