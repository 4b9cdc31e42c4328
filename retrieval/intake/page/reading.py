"""From a picture to the canonical page: straighten, find ink, rows and layout, mask text, or refuse with a reason."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from retrieval.ecg.page import CanonicalPage
from retrieval.errors import NotAnEcg
from retrieval.intake.page.compose import compose
from retrieval.intake.page.ink import find_ink
from retrieval.intake.page.masking import Traces, count_pulses, separate
from retrieval.intake.page.naming import FULL_MM, Naming, name_layout
from retrieval.intake.page.rows import Row, Strokes, find_rows, runs_upright, strokes, without_separators
from retrieval.intake.page.spectrum import Rgb, shrink
from retrieval.intake.page.straighten import FLAT_PX_PER_MM, FlatPage, straighten
from retrieval.intake.page.unruled import assume_scale
from retrieval.intake.result import Finding, IntakeReport

MIN_SIDE = 160
"""Pixels; a page of ten seconds on fewer has under one column per two samples of a heart's wave."""
MIN_RANGE = 8
"""Levels of 255 from the darkest to the lightest value; a picture with less shows no pen."""
MIN_ROWS = 3
MAX_ROWS = 13
MIN_TRACE_MM = 60.0


@dataclass(frozen=True)
class _Understood:
    """What was made of a picture that was taken to be upright."""

    page: FlatPage
    parts: Strokes
    rows: tuple[Row, ...]


def read_page(rgb: Rgb) -> tuple[CanonicalPage, IntakeReport, tuple[Finding, ...]]:
    """Read a picture ``[height, width, 3]`` uint8 of an ECG page.

    A page that lies on its side or on its head is turned where its calibration pulses tell; without pulses a page on
    its side is taken to have been turned clockwise, and the report says that this was assumed.

    Returns:
        The canonical page, what was found in the picture, and what the user should know.

    Raises:
        NotAnEcg: with the reason, when no ruling or no rows of traces are there.
    """
    if min(rgb.shape[:2]) < MIN_SIDE:
        raise NotAnEcg(
            f"the picture has {rgb.shape[1]} x {rgb.shape[0]} pixels; a page can be read from {MIN_SIDE} a side"
        )
    found, quarters, sure = _upright(rgb)
    traces = separate(found.parts, found.rows)
    naming = name_layout(found.rows, traces)
    report = _report(found.page, found.rows, traces, naming)
    if quarters:
        turned = (report.rotation_deg - 90.0 * quarters + 180.0) % 360.0 - 180.0
        report = replace(report, rotation_deg=round(turned, 2))
    if not sure:
        report = replace(report, assumed=(*report.assumed, "orientation"), certainty=min(report.certainty, 0.45))
    return compose(traces, found.rows, naming.layout), report, _findings(report, traces)


def _upright(rgb: Rgb) -> tuple[_Understood, int, bool]:
    """The page turned upright, the quarter turns (counter-clockwise) that took, and whether that is certain."""
    small, factor = shrink(rgb)
    if int(small.max()) - int(small.min()) < MIN_RANGE:
        raise NotAnEcg("the picture is blank, without ruled paper or traces; expected a page with a 12-lead ECG")
    refusal: NotAnEcg | None = None
    ruled = True
    for quarters in (0, 1):
        page = _flat(_turned(small, quarters), factor, ruled=ruled)
        # A ruling looks the same from the side: where there was none, none is sought again.
        ruled = page is not None and page.ruled
        try:
            found = _understand(page)
        except NotAnEcg as error:
            refusal = refusal or error
            continue
        standing = count_pulses(found.parts, found.rows)
        hanging = count_pulses(found.parts, found.rows, upside_down=True)
        if hanging >= 2 and hanging > 2 * standing:
            page = _flat(_turned(small, quarters + 2), factor, ruled=ruled)
            return _understand(page), quarters + 2, True
        return found, quarters, quarters == 0 or standing >= 2
    raise refusal or NotAnEcg("no ECG was found in the picture")


def _turned(rgb: Rgb, quarters: int) -> Rgb:
    return np.ascontiguousarray(np.rot90(rgb, quarters))


def _flat(small: Rgb, factor: float, *, ruled: bool) -> FlatPage | None:
    return (straighten(small, factor) if ruled else None) or assume_scale(small, factor)


def _understand(page: FlatPage | None) -> _Understood:
    if page is None:
        raise NotAnEcg("no ruled paper and no traces were found in the picture; expected a page with a 12-lead ECG")
    parts = strokes(without_separators(find_ink(page)))
    if runs_upright(parts):
        raise NotAnEcg("the traces in the picture run from top to bottom; turn it upright")
    rows = find_rows(parts)
    _refuse_unless_ecg(page, rows)
    return _Understood(page, parts, rows)


def _refuse_unless_ecg(page: FlatPage, rows: tuple[Row, ...]) -> None:
    """Refuse pictures without enough rows of connected traces, saying what was seen."""
    paper = "ruled paper" if page.ruled else "no ruling"
    if not rows:
        raise NotAnEcg(f"{paper} and no traces were found in the picture; expected a page with a 12-lead ECG")
    if len(rows) < MIN_ROWS:
        raise NotAnEcg(
            f"{paper} and {len(rows)} row{'s' * (len(rows) > 1)} of traces were found; a 12-lead page has {MIN_ROWS} "
            "or more: bring the whole page"
        )
    if len(rows) > MAX_ROWS:
        raise NotAnEcg(f"{paper} and {len(rows)} rows were found, more than an ECG has; is it a page of text?")
    longest = max(row.right - row.left for row in rows) / FLAT_PX_PER_MM
    if longest < MIN_TRACE_MM:
        raise NotAnEcg(f"the longest row spans {longest:.0f} mm; a lead of 2.5 s takes 62: bring the whole page")


def _report(page: FlatPage, rows: tuple[Row, ...], traces: Traces, naming: Naming) -> IntakeReport:
    length = (traces.right - traces.left) / FLAT_PX_PER_MM
    assumed = [] if page.ruled else ["scale"]
    if abs(length - FULL_MM) > 8.0 or not page.ruled:
        assumed.append("speed")
    if not traces.pulse:
        assumed.append("gain")
    if naming.assumed:
        assumed.append("layout")
    sure = page.trust if page.ruled else 0.3
    return IntakeReport(
        px_per_mm_x=round(page.px_per_mm[0], 4),
        px_per_mm_y=round(page.px_per_mm[1], 4),
        rotation_deg=round(page.rotation_deg, 2),
        layout=naming.layout,
        certainty=round(float(np.clip(sure * naming.certainty, 0, 1)), 3),
        assumed=tuple(assumed),
        rows=tuple(round(row.baseline / FLAT_PX_PER_MM, 1) for row in rows),
    )


def _findings(report: IntakeReport, traces: Traces) -> tuple[Finding, ...]:
    found = []
    if "scale" in report.assumed:
        note = "no ruling was found; the scale is taken from the length of the traces, 10 s at 25 mm/s"
        found.append(Finding("scale_assumed", note))
    if report.layout == "unknown":
        note = f"{len(report.rows)} rows of traces fit no known layout; they are shown as they stand"
        found.append(Finding("layout_unknown", note))
    elif "layout" in report.assumed:
        note = f"the layout {report.layout} is assumed; the names beside the traces could not decide it"
        found.append(Finding("layout_assumed", note))
    if "orientation" in report.assumed:
        note = "the page lies on its side and no pulse tells which way up it is; turn the picture upright"
        found.append(Finding("orientation_assumed", note))
    length = (traces.right - traces.left) / FLAT_PX_PER_MM
    if length < 0.85 * FULL_MM and "scale" not in report.assumed:
        note = f"the rows are {length:.0f} mm long, 10 s at 25 mm/s take 250: the page may be cut off"
        found.append(Finding("cut_off", note))
    return tuple(found)
