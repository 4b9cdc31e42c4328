"""One picture of a page whose truth is known: what intake made of it."""

from __future__ import annotations

import time
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from eval.bench.boxes import agreement, corner_error_mm
from eval.bench.pages.clean import CleanPage, Forward, Mask, Points, Rgb, pictured
from retrieval.errors import NotAnEcg
from retrieval.intake import IntakeReport
from retrieval.intake.page.reading import PageReading, understand

CERTAIN = 0.5
RIGHT_PITCH, NEARLY_PITCH = 0.02, 0.05
KEPT_WITHIN_PX = 1
"""A trace counts as kept when the mask has ink at its place or one pixel beside it on the flat page (0.17 mm)."""
SAMPLE = 60_000
"""Pixels of each mask that are followed into the picture."""


@dataclass(frozen=True)
class PageScore:
    """What intake made of one picture.

    Args:
        verdict: ``right``, ``nearly``, ``wrong, silent``, ``wrong, said``, ``refused`` or ``crashed``.
        cpu_s: processor seconds of reading.
        layout: as found.
        layout_right: the same name as drawn.
        pitch_error: the larger of both directions, as a share.
        corner_mm: mean error of the four corners; ``None`` where none were found.
        leads: how many are on the page.
        boxes_right: how many of them were found with a right box.
        placed: how many were named at their place.
        extra: leads that were found and are not there.
        certainty: of the report.
        scale_right: speed and both gains as drawn.
        text_px: pixels of print that were followed.
        text_left: how many of them the mask keeps.
        trace_px: pixels of traces that were followed.
        trace_kept: how many of them the mask keeps.
        reason: of a refusal or a crash.
    """

    verdict: str
    cpu_s: float
    layout: str = ""
    layout_right: bool = False
    pitch_error: float | None = None
    corner_mm: float | None = None
    leads: int = 0
    boxes_right: int = 0
    placed: int = 0
    extra: int = 0
    certainty: float = 0.0
    scale_right: bool = False
    text_px: int = 0
    text_left: int = 0
    trace_px: int = 0
    trace_kept: int = 0
    reason: str = ""


def score(picture: Rgb, page: CleanPage, forward: Forward, shows: Mask | None = None) -> PageScore:
    """Read a picture and judge it.

    Args:
        picture: of the page, spoiled.
        page: as it was drawn.
        forward: the way from the page's pixels into the picture.
        shows: pixels of the picture that show the page; ``None`` for all.
    """
    start = time.process_time()
    try:
        reading = understand(picture)
    except NotAnEcg as error:
        return PageScore("refused", time.process_time() - start, leads=len(page.leads), reason=str(error))
    except Exception as error:  # a crash is a result of the bench, not its end
        reason = f"{type(error).__name__}: {error}"
        return PageScore("crashed", time.process_time() - start, leads=len(page.leads), reason=reason)
    return judge(reading, page, forward, picture.shape[1::-1], shows, time.process_time() - start)


def judge(
    reading: PageReading,
    page: CleanPage,
    forward: Forward,
    size: tuple[int, ...],
    shows: Mask | None = None,
    cpu_s: float = 0.0,
) -> PageScore:
    """Hold a reading against the truth; ``size`` is the picture's (width, height)."""
    report = reading.report
    truth = pictured(page, forward, (size[0], size[1]))
    found_scale = report.px_per_mm_x, report.px_per_mm_y
    pitch = max(abs(f / t - 1) for f, t in zip(found_scale, truth.px_per_mm, strict=True))
    places = agreement(report.leads, truth.leads, truth.px_per_mm)
    corners = None if report.corners is None else np.asarray(report.corners, np.float64)
    layout_right = report.layout == page.layout
    if pitch <= RIGHT_PITCH and layout_right and places.all_right:
        verdict = "right"
    elif pitch <= NEARLY_PITCH and places.all_placed:
        verdict = "nearly"
    else:
        verdict = "wrong, silent" if report.certainty >= CERTAIN else "wrong, said"
    masking = _masking(reading, page, forward, size, shows)
    return PageScore(
        verdict=verdict,
        cpu_s=cpu_s,
        layout=report.layout,
        layout_right=layout_right,
        pitch_error=pitch,
        corner_mm=None if corners is None else corner_error_mm(corners, truth.corners, truth.px_per_mm),
        leads=places.leads,
        boxes_right=places.right,
        placed=places.placed,
        extra=places.extra,
        certainty=report.certainty,
        scale_right=_scale_right(report, page),
        text_px=masking["text_px"],
        text_left=masking["text_left"],
        trace_px=masking["trace_px"],
        trace_kept=masking["trace_kept"],
    )


def _scale_right(report: IntakeReport, page: CleanPage) -> bool:
    names = {lead.lead.startswith("V") for lead in page.leads}
    gains = (report.chest_gain == page.chest_gain or True not in names) and (
        report.gain == page.gain or False not in names
    )
    return report.speed == page.speed and gains


def _masking(
    reading: PageReading, page: CleanPage, forward: Forward, size: tuple[int, ...], shows: Mask | None
) -> dict[str, int]:
    """How much print the mask keeps, and how much of the traces."""
    counts = {"text_px": 0, "text_left": 0, "trace_px": 0, "trace_kept": 0}
    if page.text is not None:
        there = _followed(page.text, forward, size, shows)
        counts["text_px"], counts["text_left"] = len(there), int(_kept(reading, reading.kept, there).sum())
    if page.traces is not None:
        side = 2 * KEPT_WITHIN_PX + 1
        near = cv2.dilate(reading.kept.astype(np.uint8), np.ones((side, side), np.uint8)) > 0
        there = _followed(page.traces, forward, size, shows)
        counts["trace_px"], counts["trace_kept"] = len(there), int(_kept(reading, near, there).sum())
    return counts


def _followed(mask: Mask, forward: Forward, size: tuple[int, ...], shows: Mask | None) -> Points:
    """Where the pixels of a mask of the page are in the picture, as far as they are seen there."""
    y, x = np.nonzero(mask)
    step = max(1, len(x) // SAMPLE)
    there = forward(np.column_stack([x[::step], y[::step]]).astype(np.float64))
    at = np.rint(there).astype(int)
    seen = np.asarray((at >= 0).all(axis=1) & (at < np.asarray(size[:2])).all(axis=1))
    if shows is not None:
        seen[seen] = shows[at[seen, 1], at[seen, 0]]
    return there[seen]


def _kept(reading: PageReading, mask: Mask, there: Points) -> NDArray[np.bool_]:
    """Whether the mask of the flat page is set at points of the picture; beyond the flat page nothing is kept."""
    if not len(there):
        return np.zeros(0, bool)
    at = np.rint(reading.straight.to_flat(there)).astype(int)
    inside = (at >= 0).all(axis=1) & (at < [mask.shape[1], mask.shape[0]]).all(axis=1)
    kept = np.zeros(len(there), bool)
    kept[inside] = mask[at[inside, 1], at[inside, 0]]
    return kept
