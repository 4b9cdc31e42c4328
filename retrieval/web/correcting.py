"""What the page for correcting by hand shows: the picture with what was found, and each value to choose."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from retrieval.intake.correction import LAYOUT_NAMES, Correction
from retrieval.web.asked import UNITS, Form, first
from retrieval.web.language import Words
from retrieval.web.shelf import Entry
from retrieval.web.views import points

if TYPE_CHECKING:
    from retrieval.intake.result import IntakeReport
    from retrieval.web.showing import Shown

SPEEDS, GAINS = ("12.5", "25", "50", "100"), ("2.5", "5", "10", "20")
Point = tuple[float, float]


def correct_values(entry: Entry, picture: Shown | None, t: Words, typed: Form | None = None) -> dict[str, Any]:
    """The values of the page: what was found, what was set by hand before, and what was typed just now."""
    intake = entry.intake
    report = intake.report if intake is not None else None
    given = entry.asked.correction or Correction()
    size = picture.size if picture is not None else (0, 0)
    corners = given.corners or _corners(report, size)
    values = {
        "turns": str(given.turns % 4 or 4) if given.turns else "0",
        "layout": given.layout or "",
        "speed": f"{given.speed:g}" if given.speed is not None else "",
        "gain": f"{given.gain:g}" if given.gain is not None else "",
        "use_corners": given.corners is not None,
    }
    values |= {"rate": "", "unit": ""}
    if typed is not None:
        values |= {name: first(typed, name) for name in ("turns", "layout", "speed", "gain", "rate", "unit")}
        values["use_corners"] = first(typed, "use_corners") == "1"
        corners = _typed(typed, corners)
    return {
        "number": entry.number,
        "problem": "",
        "picture": f"/answers/{entry.number}/picture" if picture is not None else "",
        "wide": size[0],
        "high": size[1],
        "boxes": [points(lead.box) for lead in report.leads] if report is not None else [],
        "corners": [(round(x, 1), round(y, 1)) for x, y in corners],
        "corners_text": " ".join(f"{x:.1f},{y:.1f}" for x, y in corners),
        "tabular": entry.asked.upload is not None and entry.asked.upload.tabular,
        "units": UNITS,
        "layouts": LAYOUT_NAMES,
        "speeds": _with(SPEEDS, values["speed"]),
        "gains": _with(GAINS, values["gain"]),
        "found": _found(report, t),
        "pages": intake.pages if intake is not None else 1,
        "page": intake.number if intake is not None else 1,
        **values,
    }


def _found(report: IntakeReport | None, t: Words) -> dict[str, str]:
    if report is None:
        return dict.fromkeys(("layout", "speed", "gain"), t("correct.nothing"))
    return {"layout": report.layout, "speed": f"{report.speed:g} mm/s", "gain": f"{report.gain:g} mm/mV"}


def _corners(report: IntakeReport | None, size: tuple[int, int]) -> Sequence[Point]:
    """Where the corners stand at first: on the sheet's where they were seen, else a little within the picture's."""
    if report is not None and report.paper is not None:
        return report.paper
    wide, high = size
    left, top, right, bottom = 0.02 * wide, 0.02 * high, 0.98 * wide, 0.98 * high
    return (left, top), (right, top), (right, bottom), (left, bottom)


def _typed(typed: Form, corners: Sequence[Point]) -> Sequence[Point]:
    try:
        return [(float(first(typed, f"x{i}")), float(first(typed, f"y{i}"))) for i in range(4)]
    except ValueError:
        return corners


def _with(choices: tuple[str, ...], value: str) -> tuple[str, ...]:
    return choices if not value or value in choices else (*choices, value)
