"""The report on a page and its findings, from what was found on it."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from retrieval.ecg.recording import LEADS
from retrieval.intake.page.analysis import Analysis
from retrieval.intake.page.boxes import Cell, field_of, half_height, print_regions, quad
from retrieval.intake.page.calibration import SURE
from retrieval.intake.page.flat import FLAT_PX_PER_MM
from retrieval.intake.page.naming import Naming
from retrieval.intake.page.rows import Row, mm
from retrieval.intake.page.spacing import scale_about
from retrieval.intake.result import Finding, FoundLead, IntakeReport

FULL_SECONDS = 10.0
UPRIGHT, GUESSED = 0.9, 0.45
DOUBTED = 0.45
"""No more is claimed for a page whose rows or beats cannot be what they were taken for."""
UNRULED_AT_MOST = 0.3
"""Nor for one whose scale is taken from the length of its traces."""
SHORT, BESIDE = 0.85, 0.5
"""Rows of less than this share of ten seconds, beside which the picture goes on for this share of their length."""
UNEVEN, ASTRAY_MM, HALF_INKED = 1.75, 25.0, 0.5
"""Rows whose distances differ by this factor, one that begins or ends this far from the others, or a lead of which
less than this share of the columns shows ink, are signs of a mistaken row; one maker's distances differ by 1.5."""
AT_LEAST = 0.3
"""Certainty of an arrangement that is well ahead of all others, of rows that beat together but show no other sign of
being understood: an ECG to be looked at, not one to be refused."""
ANOTHER = 2
"""So many rows of traces beside the layout's own are another ECG's, or the layout is a larger one."""
LEAST_NAMES = 2
"""Printed names with which six rows of one lead each are told to be limb or chest leads, or limb leads to be such
though they obey no law of theirs."""
ASSUMED = 0.5
"""Under this certainty what is said is more assumed than found."""


def report_of(found: Analysis, picture: tuple[int, int]) -> IntakeReport:
    """What was found, in the picture's pixels."""
    page, scale = found.page, found.scale
    certainty = _certainty(found, picture)
    field = field_of(page, found.rows, found.shown)
    px_per_mm = scale_about(page, field)
    return IntakeReport(
        px_per_mm_x=round(px_per_mm[0], 4),
        px_per_mm_y=round(px_per_mm[1], 4),
        rotation_deg=round(page.rotation_deg, 2),
        layout=found.naming.layout,
        certainty=round(certainty, 3),
        assumed=tuple(_assumed(found)),
        rows=tuple(round(row.baseline / FLAT_PX_PER_MM, 1) for row in found.rows),
        picture=picture,
        speed=scale.speed,
        gain=scale.gain,
        chest_gain=scale.chest_gain,
        order=found.naming.order,
        corners=field,
        paper=page.paper,
        leads=tuple(_lead(found, cell, certainty) for cell in found.shown),
        masked=print_regions(page, found.kinds.text),
    )


def _certainty(found: Analysis, picture: tuple[int, int]) -> float:
    sure = found.page.trust if found.page.ruled else UNRULED_AT_MOST
    placed = float(np.mean([cell.sure for cell in found.shown])) if found.shown else 0.0
    upright = found.upright_share if found.upright_share >= UPRIGHT else min(found.upright_share, GUESSED)
    naming = found.naming
    named = max(naming.certainty, AT_LEAST * naming.ahead) if naming.beating else naming.certainty
    certainty = float(np.clip(sure * named * upright * placed, 0, 1))
    doubted = doubts(naming, found.rows, found.cells) or cut_short(found, picture) or naming.others >= ANOTHER
    return min(certainty, DOUBTED) if doubted or guessed_strips(naming) else certainty


def guessed_strips(naming: Naming) -> tuple[str, ...]:
    """Leads of long strips of which nothing tells that it is they.

    Where the beginning of the rows is not in the picture, neither is a strip's name, and where the strip shows none
    of the leads above it there is nothing to compare it with.
    """
    if naming.cut != "left":
        return ()
    above = {slot.lead for row in naming.rows if len(row) > 1 for slot in row}
    return tuple(row[0].lead for row in naming.rows if len(row) == 1 and above and row[0].lead not in above)


def cut_short(found: Analysis, picture: tuple[int, int]) -> bool:
    """Whether the rows end early in a picture that goes on: a blot, glare or a thing lies on the rest of them.

    A sheet whose own edges are all seen may well be short.
    """
    if not found.shown or found.naming.layout == "unknown" or found.page.paper is not None:
        return False
    left, right = min(cell.left for cell in found.shown), max(cell.right for cell in found.shown)
    if (right - left) / FLAT_PX_PER_MM / found.scale.speed >= SHORT * FULL_SECONDS:
        return False
    middle, beside = float(np.mean([row.baseline for row in found.rows])), BESIDE * (right - left)
    there = found.page.to_picture(np.array([[left - beside, middle], [right + beside, middle]]))
    return bool(((there >= 0) & (there < np.array(picture))).all(axis=1).any())


def doubts(naming: Naming, rows: tuple[Row, ...], cells: tuple[Cell, ...]) -> bool:
    """Whether rows cannot be what they were taken for: one was lost between others, is no trace or half of one.

    The bounds lie beyond what was seen on 230 drawn pages that were read right and that no figure is reported
    for.
    """
    most = max((len(slots) for slots in naming.rows), default=0)
    grid = [row for row, slots in zip(rows, naming.rows, strict=True) if len(slots) == most]
    apart = np.diff([row.baseline for row in grid])
    uneven = len(apart) > 1 and bool(apart.max() > UNEVEN * apart.min())
    ends = np.array([[row.left, row.right] for row in grid]).reshape(-1, 2)
    astray = len(ends) > 0 and bool(np.abs(ends - np.median(ends, axis=0)).max() > mm(ASTRAY_MM))
    # Limb leads of six rows may be told by their laws, but what stands on such a page is told by its names.
    # Where limb leads break the laws that tie them together, nothing else than names tells that they are they.
    telling = not naming.layout.startswith("6x1") and naming.lawful >= 0.0
    unnamed = naming.named < LEAST_NAMES and not telling
    return uneven or astray or unnamed or any(cell.inked < HALF_INKED for cell in cells)


def _assumed(found: Analysis) -> Iterator[str]:
    if not found.page.ruled:
        yield "scale"
    if found.scale.speed_share < SURE:
        yield "speed"
    if found.scale.gain_share < SURE:
        yield "gain"
    if found.naming.certainty < ASSUMED and found.given.layout is None:
        yield "layout"
    if found.upright_share < UPRIGHT:
        yield "orientation"


def _lead(found: Analysis, cell: Cell, certainty: float) -> FoundLead:
    base, half = found.rows[cell.row].baseline, half_height(found.rows, cell.row)
    box = quad(found.page, cell.left, base - half, cell.right, base + half)
    seconds = (cell.right - cell.left) / FLAT_PX_PER_MM / found.scale.speed
    return FoundLead(cell.lead, cell.row, box, round(seconds, 2), cell.inverted, round(certainty * cell.sure, 3))


def page_notes(found: Analysis, report: IntakeReport) -> tuple[Finding, ...]:
    """What the user should know."""
    return (*_assumptions(found, report), *_scale_notes(found, report), *_lead_notes(found, report))


def _assumptions(found: Analysis, report: IntakeReport) -> Iterator[Finding]:
    if "scale" in report.assumed:
        yield Finding(
            "scale_assumed", "no ruling was found; the scale is taken from the length of the traces, 10 s at 25 mm/s"
        )
    if found.naming.better:
        yield Finding(
            "layout_fits_badly",
            f"the rows fit the layout {report.layout}, which was set by hand, worse than {found.naming.better}",
        )
    if report.layout == "unknown":
        yield Finding(
            "layout_unknown", f"{len(report.rows)} rows of traces fit no known layout; they are shown as they stand"
        )
    elif "layout" in report.assumed:
        rival = f"; it could also be {found.naming.rival}" if found.naming.rival not in ("", report.layout) else ""
        yield Finding("layout_assumed", f"the layout {report.layout} is assumed; the page does not decide it{rival}")
    if "orientation" in report.assumed:
        yield Finding(
            "orientation_assumed", "neither names nor pulses tell which way up the page is; turn the picture upright"
        )


def _scale_notes(found: Analysis, report: IntakeReport) -> Iterator[Finding]:
    scale = found.scale
    if "speed" in report.assumed:
        note = f"nothing on the page tells its speed for certain; {scale.speed:g} mm/s is assumed"
        yield Finding("speed_assumed", note, round(1 - scale.speed_share, 2))
    elif scale.speed != 25.0:
        note = f"the paper ran at {scale.speed:g} mm/s; the page is shown at 25"
        yield Finding("unusual_speed", note, round(scale.speed_share, 2))
    if "gain" in report.assumed:
        note = f"no calibration pulse and no print tells the gain; {scale.gain:g} mm/mV is assumed"
        yield Finding("gain_assumed", note, round(1 - scale.gain_share, 2))
    elif (scale.gain, scale.chest_gain) != (10.0, 10.0):
        both = f"{scale.gain:g} mm/mV" + (
            f" and {scale.chest_gain:g} for the chest leads" if scale.chest_gain != scale.gain else ""
        )
        yield Finding(
            "unusual_gain", f"the traces were drawn at {both}; the page is shown at 10", round(scale.gain_share, 2)
        )


def _lead_notes(found: Analysis, report: IntakeReport) -> Iterator[Finding]:
    naming = found.naming
    if naming.layout == "unknown":
        return
    if naming.others >= ANOTHER:
        note = f"beside the rows that were read {naming.others} more beat: is there another ECG in the picture?"
        yield Finding("other_traces", note, DOUBTED)
    for lead in guessed_strips(naming):
        note = f"the name of the long strip is not in the picture; that it shows {lead} is assumed"
        yield Finding("strip_assumed", note, DOUBTED)
    shown = {cell.lead for cell in found.shown}
    expected = {cell.lead for cell in found.cells}
    lost = [lead for lead in LEADS if lead in expected and lead not in shown]
    if lost:
        yield Finding("lead_missing", f"the place of {', '.join(lost)} is empty", round(naming.certainty, 2))
    absent = [lead for lead in LEADS if lead not in expected]
    if absent:
        yield Finding("lead_missing", f"the page does not show {', '.join(absent)}", round(naming.certainty, 2))
    longest = max((cell.right - cell.left for cell in found.shown), default=0.0)
    row = max((row.right - row.left for row in found.rows), default=longest)
    seconds = row / FLAT_PX_PER_MM / found.scale.speed
    if cut_short(found, report.picture):
        note = f"the rows end after {seconds:.1f} s while the picture goes on: part of the page may be covered"
        yield Finding("cut_off", note)
    elif naming.cut in {"left", "right"}:
        part = {"left": "end", "right": "beginning"}[naming.cut]
        note = f"the rows are {seconds:.1f} s long where 10 are usual: they are read as the {part} of a page"
        yield Finding("cut_off", note)
    elif naming.cut == "top":
        yield Finding("cut_off", "the first row of leads is not in the picture: it is read as a page without it")
    elif seconds < SHORT * FULL_SECONDS and found.page.ruled and not 4.7 <= seconds <= 5.3:
        note = f"the rows are {seconds:.1f} s long where 10 are usual: the page may be cut off"
        yield Finding("cut_off", note)
