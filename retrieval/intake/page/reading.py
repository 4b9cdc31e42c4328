"""From a picture to the canonical page: straighten, part traces from print, name the leads, or refuse."""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from retrieval.ecg.page import CanonicalPage
from retrieval.errors import BadArgument, NotAnEcg
from retrieval.intake.correction import NOTHING, Correction
from retrieval.intake.findings import page_findings
from retrieval.intake.heartbeat import CommonBeats, common_beats
from retrieval.intake.page.analysis import Analysis, Unsigned, analyse
from retrieval.intake.page.compose import compose, paste
from retrieval.intake.page.direction import may_run_down
from retrieval.intake.page.flat import FlatPage
from retrieval.intake.page.flattening import MIN_RANGE, flatten_picture
from retrieval.intake.page.mirror import FEW_NAMES, LAWFUL, MIRRORED, MUCH_LIKELIER, mirrored
from retrieval.intake.page.naming import Naming
from retrieval.intake.page.negative import NEGATIVE, is_negative, positive_of
from retrieval.intake.page.part import Part, flat_of_picture, part_of, report_of_picture
from retrieval.intake.page.reporting import DOUBTED, UNRULED_AT_MOST, page_notes, report_of
from retrieval.intake.page.sight import Sight
from retrieval.intake.page.spectrum import Rgb
from retrieval.intake.patience import patience
from retrieval.intake.result import Finding, IntakeReport
from retrieval.intake.tracing import LeadSignals, lead_signals

Refusal = NotAnEcg | BadArgument
NO_CLOSER_LOOK = Finding(
    "no_closer_look",
    "the picture takes so long to read that there was no time for a closer look; bring the page alone",
    1.0,
)

MIN_SIDE = 160
"""Pixels; a page of ten seconds on fewer has under one column per two samples of a heart's wave."""
HOPELESS = 0.02
"""Certainty below which no lead of a drawn page was ever at its place: nothing of it would help anyone."""
LEAST_SECONDS = 1.0
"""Of the longest lead: a column of four takes 1.25 s where five seconds run at 50 mm/s."""
WORTH_SIZING = 0.01
"""Share by which the assumed size of a page must be off for it to be read again."""
WELL_NAMED = 6
"""Printed names at their leads' places that no page of other curves has."""
SURE, MUCH_SURER, LEAST_OTHERWISE = 0.5, 0.1, 0.2
"""Certainty under which a page is looked at otherwise, too; by how much that must be surer then; and what it must
reach where the page was refused before."""


@dataclass(frozen=True)
class PageReading:
    """A page and how it was understood.

    Args:
        flat: the straightened picture, gray uint8 ``[height, width]``.
        kept: ink of traces that is kept, bool ``[height, width]`` on the flat picture.
        straight: the straightened page; ``to_picture`` goes through it.
        report: what was found.
        findings: what the user should know.
        page: the canonical page.
        named: how many printed names stand where the arrangement has them, less those that a mirror leaves alike.
        odds: all that speaks for the arrangement, as a logarithm.
        lawful: the part of it that the laws of the limb leads have.
    """

    flat: NDArray[np.uint8]
    kept: NDArray[np.bool_]
    straight: FlatPage
    report: IntakeReport
    findings: tuple[Finding, ...]
    page: CanonicalPage
    named: int = 0
    odds: float = 0.0
    lawful: float = 0.0

    def to_picture(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """Pixels ``[n, 2]`` of the flat page as pixels of the picture."""
        return self.straight.to_picture(points)


def read_page(
    rgb: Rgb, correction: Correction | None = None
) -> tuple[CanonicalPage, IntakeReport, tuple[Finding, ...]]:
    """Read a picture ``[height, width, 3]`` uint8 of an ECG page.

    Args:
        rgb: the picture.
        correction: what a person sets by hand; the report still counts in the pixels of the whole picture.

    Returns:
        The canonical page, what was found in the picture, and what the user should know.

    Raises:
        NotAnEcg: with the reason, when no ruling or no rows of traces are there.
        BadArgument: when the page cannot be what was set by hand.
    """
    reading = understand(rgb) if correction is None else understand_as_set(rgb, correction)
    return reading.page, reading.report, reading.findings


def understand_as_set(rgb: Rgb, correction: Correction) -> PageReading:
    """As ``understand`` for what was set by hand.

    Raises:
        NotAnEcg: with the reason.
        BadArgument: when the page cannot be what was set by hand.
    """
    part = part_of(rgb, correction)
    return _of_picture(understand(part.pixels, correction), part, correction.finding())


def _of_picture(reading: PageReading, part: Part, finding: Finding) -> PageReading:
    """The reading of a part of a picture as one of the whole picture, with what is to be said of that."""
    straight = flat_of_picture(reading.straight, part)
    report = report_of_picture(reading.report, straight, part)
    return replace(reading, straight=straight, report=report, findings=(finding, *reading.findings))


def understand(rgb: Rgb, given: Correction = NOTHING) -> PageReading:
    """As ``read_page``, with the straightened page and the mask of what is kept.

    Args:
        rgb: the picture, or the part of it that was marked.
        given: what was set by hand of direction, layout, speed and gain.

    Raises:
        NotAnEcg: with the reason.
        BadArgument: when the page cannot be what was set by hand.
    """
    if min(rgb.shape[:2]) < MIN_SIDE:
        raise NotAnEcg(
            f"the picture has {rgb.shape[1]} x {rgb.shape[0]} pixels; a page can be read from {MIN_SIDE} a side"
        )
    if int(rgb.max()) - int(rgb.min()) < MIN_RANGE:
        raise NotAnEcg("the picture is blank, without ruled paper or traces; expected a page with a 12-lead ECG")
    limit = patience()
    limit.begin()
    reading, refusal = _dark_on_light_or_not(rgb, given)
    hurried = limit.missed > 0
    if reading is None:
        refusal = refusal or NotAnEcg("no ECG was found in the picture")
        raise type(refusal)(f"{refusal}; there was no time for a closer look") if hurried else refusal
    return replace(reading, findings=(*reading.findings, NO_CLOSER_LOOK)) if hurried else reading


def _dark_on_light_or_not(rgb: Rgb, given: Correction) -> tuple[PageReading | None, Refusal | None]:
    """What is read of a picture, where it is dark as a negative too, or why nothing is."""
    reading, refusal = _read_or_refused(rgb, given)
    if is_negative(rgb) and (reading is None or reading.report.certainty < SURE):
        other, _ = _read_or_refused(positive_of(rgb), given)
        if other is not None and _most_certain(reading, other) is other:
            return replace(other, findings=(NEGATIVE, *other.findings)), None
    return reading, refusal


def _read_or_refused(rgb: Rgb, given: Correction) -> tuple[PageReading | None, Refusal | None]:
    try:
        return _either_way_round(rgb, given), None
    except (NotAnEcg, BadArgument) as refusal:
        return None, refusal.with_traceback(None)  # which would keep every array of the page while it is read again


def _either_way_round(rgb: Rgb, given: Correction) -> PageReading:
    """As ``_understand``; a page without names also as it is in a mirror, which counts where it has some there."""
    reading = _understand(rgb, given)
    if reading.named >= FEW_NAMES:
        return reading
    mirror = mirrored(rgb)
    other = _at_first_sight(mirror.pixels, given)
    if other is None or not _told_in_a_mirror(reading, other):
        return reading
    whole = _of_picture(other, mirror, MIRRORED)
    turn = -other.report.rotation_deg  # by which the paper leans in the picture, whichever way round it is
    straight = replace(whole.straight, rotation_deg=turn)
    return replace(whole, straight=straight, report=replace(whole.report, rotation_deg=turn))


def _told_in_a_mirror(reading: PageReading, other: PageReading) -> bool:
    """Whether the ``other`` reading, in a mirror, is the right way round, by names or by one and the limb leads."""
    told = other.named >= FEW_NAMES or (other.named > 0 and reading.lawful < 0.0 and other.lawful >= LAWFUL)
    return told and other.odds >= reading.odds + MUCH_LIKELIER


def _at_first_sight(rgb: Rgb, given: Correction) -> PageReading | None:
    """A picture read without looking at it otherwise: what has no names is often no ECG, and takes long as it is."""
    page = _straightened(rgb, given)
    return None if page is None else _tried(Sight(page), (rgb.shape[1], rgb.shape[0]), given)[0]


def _straightened(rgb: Rgb, given: Correction) -> FlatPage | None:
    """The page of a picture, as upright as the picture where that was said to be upright; None without one."""
    page = flatten_picture(rgb)
    return page if page is None or not given.upright else page.turned(round(page.rotation_deg / 90))


def _understand(rgb: Rgb, given: Correction) -> PageReading:
    """As ``understand``, of a picture whose traces are darker than its ground."""
    page = _straightened(rgb, given)
    if page is None:
        raise NotAnEcg("no ruled paper and no traces were found in the picture; expected a page with a 12-lead ECG")
    size = rgb.shape[1], rgb.shape[0]
    best, refusal = _as_it_lies(page, size, given)
    if _unsure(best) and not given.upright and page.ruled and may_run_down(page.pixels, page.valid):
        # A page whose strokes tell no direction may lie on its side.
        side = page.turned(1)
        upright, _ = _tried(Sight(side), size, given)
        best = _most_certain(best, upright)
        if upright is not None and upright.report.certainty < SURE:
            best = _most_certain(best, _tried(Sight(side, faded=True), size, given)[0])
    if best is None or (refusal is not None and _hardly_read(best)):
        raise refusal or NotAnEcg("no ECG was found in the picture")
    return best


def _as_it_lies(
    page: FlatPage, size: tuple[int, int], given: Correction
) -> tuple[PageReading | None, Refusal | None]:
    """The surest of up to three looks at a page, and why nothing was read at the first, if so."""
    best, refusal = _tried(Sight(page), size, given)
    # Of what is in the way of certainty, only the scale is no better known at another look.
    if best is not None and best.report.certainty >= SURE * (1.0 if page.ruled else UNRULED_AT_MOST):
        return best, None
    # Traces may have faded, then be broken. What is no ECG by any sign is not looked at again: it takes the longest.
    again, faded = refusal, Sight(page, faded=True)
    if not isinstance(refusal, Unsigned):
        second, again = _tried(faded, size, given)
        best = _most_certain(best, second)
    # A layout that was set by hand fits whatever is joined.
    if _unsure(best) and given.layout is None and not isinstance(again, Unsigned):
        best = _most_certain(best, _tried(faded, size, given, broken=True)[0])
    return best, refusal


def _unsure(reading: PageReading | None) -> bool:
    return reading is None or reading.report.certainty < LEAST_OTHERWISE


def _hardly_read(reading: PageReading) -> bool:
    """Whether a page that was refused at first is to be refused all the same."""
    return reading.report.certainty <= LEAST_OTHERWISE and reading.named < WELL_NAMED


def _tried(
    sight: Sight, size: tuple[int, int], given: Correction, *, broken: bool = False
) -> tuple[PageReading | None, Refusal | None]:
    """What is read at a look, or why nothing is; neither where there is no time for it."""
    if not patience().for_another():
        return None, None
    try:
        with patience().look():
            return _read(sight, size, given, broken=broken), None
    except (NotAnEcg, BadArgument) as error:
        return None, error.with_traceback(None)  # which would keep every array of the page while it is read again


def _most_certain(one: PageReading | None, other: PageReading | None) -> PageReading | None:
    """The first reading, or the other where that is clearly surer of itself."""
    if one is None or other is None:
        return other if one is None else one
    return one if one.report.certainty + MUCH_SURER >= other.report.certainty else other


def _read(sight: Sight, size: tuple[int, int], given: Correction, *, broken: bool = False) -> PageReading:
    """Read a straightened page of a picture of ``size`` (width, height)."""
    found = _sized(analyse(sight, given, broken=broken), sight, given, broken=broken)
    report = report_of(found, size)
    if found.naming.layout == "unknown":
        canonical = paste(found.masks, found.rows, min(row.left for row in found.rows))
    else:
        canonical = compose(found.masks, found.rows, found.shown, found.scale)
    traced = lead_signals(canonical)
    beats = common_beats(canonical, traced)
    report = _doubted(report, beats, found.naming, forced=given.layout is not None, ruled=found.page.ruled)
    kept = _kept(found)
    gray = np.asarray(cv2.cvtColor(found.page.pixels, cv2.COLOR_RGB2GRAY), np.uint8)
    findings = _findings(found, report, canonical, traced, beats)
    naming = found.naming
    told = naming.one_way, naming.odds, naming.lawful
    return PageReading(gray, kept, found.page, report, findings, canonical, *told)


def _sized(found: Analysis, sight: Sight, given: Correction, *, broken: bool = False) -> Analysis:
    """The page as it is read at the size that its own marks show, where that was assumed wrongly."""
    if abs(found.size - 1.0) < WORTH_SIZING:
        return found
    try:
        again = analyse(Sight(sight.page.sized(found.size), faded=sight.faded), given, broken=broken)
    except (NotAnEcg, BadArgument):
        return found
    return again if again.naming.layout == found.naming.layout else found


def _doubted(
    report: IntakeReport, beats: CommonBeats, naming: Naming, *, forced: bool = False, ruled: bool = True
) -> IntakeReport:
    """The report, less certain where the traces may not be one heart's; refused where they cannot be or fit none.

    Where names, as they are printed, stand at their leads' places, only doubt is left: a tachycardia without any
    rest between its beats, or dirt, leaves little that moves together. A layout that was set by hand is ``forced``:
    who set it sees how badly it fits, and is not refused.
    """
    hopeless = report.certainty < HOPELESS or (beats.doubtful and naming.certainty < HOPELESS)
    if hopeless and not forced:
        raise (NotAnEcg if ruled or naming.named else Unsigned)(
            f"lines were found in {len(report.rows)} rows, but they fit no arrangement of leads (certainty "
            f"{report.certainty:.2f}); expected a page with a 12-lead ECG: bring it alone, upright and whole"
        )
    longest = max((lead.seconds for lead in report.leads), default=LEAST_SECONDS)
    if longest < LEAST_SECONDS:
        raise NotAnEcg(
            f"the longest lead would show {longest:.1f} s; a page shows 1.2 s or more of each: bring the page alone, "
            "upright and whole"
        )
    if beats.strange and report.layout != "unknown" and naming.named < WELL_NAMED and not forced:
        raise NotAnEcg(
            f"the traces in the picture do not move together (agreement {beats.agreement:.2f}; those of one "
            "heart reach 0.5 or more); expected a page with a 12-lead ECG: bring it alone, upright and whole"
        )
    return replace(report, certainty=min(report.certainty, DOUBTED)) if beats.doubtful else report


def _findings(
    found: Analysis, report: IntakeReport, canonical: CanonicalPage, traced: LeadSignals, beats: CommonBeats
) -> tuple[Finding, ...]:
    """What the page's layout and scale give cause to say, then what its traces do."""
    notes = page_notes(found, report)
    if beats.doubtful:
        message = "no beat was found that the leads have in common; is this a 12-lead ECG of one person?"
        notes = (*notes, Finding("no_common_beat", message, 0.5))
    known = {note.kind for note in notes}
    # A lead whose place is empty has been named already.
    return (*notes, *(note for note in page_findings(canonical, report, traced) if note.kind not in known))


def _kept(found: Analysis) -> NDArray[np.bool_]:
    return np.asarray(found.masks.any(axis=0))
