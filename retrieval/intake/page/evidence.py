"""What speaks for an arrangement of leads: laws between them, the way beats point, strips that repeat a lead."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from math import exp, log

import numpy as np
from numpy.typing import NDArray

from retrieval.ecg.recording import LEADS
from retrieval.intake.page.columns import Columns
from retrieval.intake.page.polarity import polarity, polarity_odds
from retrieval.intake.page.rows import Row, mm
from retrieval.intake.page.signals import LAWS, Heights, Stretch, broken, in_time, stretch_of, unlike
from retrieval.intake.page.templates import Slot, Template
from retrieval.intake.page.words import Name

ROW_SLACK_MM = 2.5
EXTRA_ROW, NO_ROW, HARDLY_THERE = -4.0, 1.2, -0.5
"""Logarithm of the odds that a row is none of the arrangement which beats with the others, does not, or is hardly
there."""
BEATS = 0.2, 0.5
MISREAD = (0.5, 0.65, 0.85, 0.93, 0.97, 0.99), (0.0, 0.75, 0.40, 0.17, 0.12, 0.02)
"""How much rows beat together, by the middle of them; and the share of laws that are broken by over 0.25 all the
same, of 1,036 on 460 spoiled pages, mostly of the third strength, that no figure is reported for. Nothing is forgiven
rows that do not beat together: those of no ECG do not."""
OWN_LAWS, CABRERA_LAWS = ("I - II + III", "aVR + aVL + aVF"), ("aVL - 1.5 I - aVR", "II - 2 aVF + III")
"""Of the first and of the second three limb leads, in their own order and in Cabrera's."""
HALF_ROW = 0.65
MOST_ODDS, STRIP_ODDS, SAME_ODDS = 2.5, 4.0, 7.0
"""At most so much (as a logarithm) does a likeness of rows say for or against; so much does a long strip say for an
arrangement that has it; and so much for a lead beside the others that it shows the very beats of that lead."""
POINTS = 0.5
"""Weight of the ways in which the beats of leads point, which hang together: one heart moves them all."""


@dataclass(frozen=True)
class PageEvidence:
    """All that the arrangement of a page is judged by.

    Args:
        rows: baselines and reaches, top to bottom.
        heights: ``[rows, width]`` mm over the baselines; NaN where there is no ink.
        evidence: ``[rows, width]`` of ``boundary_evidence``.
        names: printed lead names.
    """

    rows: tuple[Row, ...]
    heights: Heights
    evidence: NDArray[np.float32]
    names: tuple[Name, ...]

    @cached_property
    def in_time(self) -> NDArray[np.float64]:
        """How much each row beats with the others; NaN where that cannot be told."""
        return in_time(self.heights, self._span)

    @cached_property
    def misread(self) -> float:
        """The share of limb leads that obey no law of theirs, by how much the rows of the page beat together."""
        return float(np.interp(self._together, *MISREAD))

    @property
    def beats(self) -> bool:
        """Whether half the rows beat together."""
        return self._together >= BEATS[1]

    @cached_property
    def _together(self) -> float:
        """How much the rows beat together, by the middle of them; 0 where that cannot be told."""
        known = self.in_time[np.isfinite(self.in_time)]
        return float(np.median(known)) if len(known) else 0.0

    def beating_beside(self, places: tuple[int, ...]) -> int:
        """How many other rows beat with those at ``places``, or with each other: another ECG's, or a part's."""
        others = [row for row in range(len(self.rows)) if row not in places]
        if not others:
            return 0
        span = self._span
        alone = in_time(self.heights[others], span)
        return sum(
            bool(alone[number] >= BEATS[1] or in_time(self.heights[[*places, row]], span)[-1] >= BEATS[1])
            for number, row in enumerate(others)
        )

    @property
    def _span(self) -> tuple[float, float]:
        """Where rows begin and end in pixels, by their middles."""
        left, right = (float(np.median([getattr(row, side) for row in self.rows])) for side in ("left", "right"))
        return left, right

    @cached_property
    def name_offsets(self) -> tuple[float, ...]:
        """Heights under the baselines, in pixels, at which names stand: the three with the most names."""
        bases = np.array([row.baseline for row in self.rows])
        tries = np.arange(-HALF_ROW * self.pitch, HALF_ROW * self.pitch, mm(0.5))
        off = np.array([name.middle for name in self.names])[:, None, None] - bases[None, :, None] - tries
        near = np.exp(-((off / mm(ROW_SLACK_MM)) ** 2)).max(axis=1).sum(axis=0)
        chosen: list[float] = []
        for at in np.argsort(-near):
            if len(chosen) < 3 and all(abs(tries[at] - other) > mm(4.0) for other in chosen):
                chosen.append(float(tries[at]))
        return tuple(chosen)

    @cached_property
    def _told(self) -> dict[tuple[object, ...], float]:
        """What arrangements have asked before: many of them look at the same stretches."""
        return {}

    @cached_property
    def _stretches(self) -> dict[tuple[int, int, int], Stretch]:
        """Those that were looked at before."""
        return {}

    def _stretch(self, row: int, left: int, right: int) -> Stretch:
        asked = row, left, right
        if asked not in self._stretches:
            self._stretches[asked] = stretch_of(self.heights[row, left:right])
        return self._stretches[asked]

    def apart(self, row: int, place: int, window: tuple[int, int], start: int) -> float:
        """``unlike`` of a window of a row and the stretch of another from ``start`` on; NaN where that is shorter."""
        asked = row, place, window, start
        if asked not in self._told:
            here = self._stretch(row, *window)
            there = self._stretch(place, start, start + window[1] - window[0])
            alike = here.waves.shape == there.waves.shape
            self._told[asked] = unlike(here, there) if alike else float("nan")
        return self._told[asked]

    def points(self, row: int, window: tuple[int, int], slot: Slot) -> float:
        """``polarity_odds`` of a row within a window of columns."""
        asked = row, window, slot
        if asked not in self._told:
            self._told[asked] = polarity_odds(self._way(row, window), slot)
        return self._told[asked]

    def _way(self, row: int, window: tuple[int, int]) -> float:
        """``polarity`` of a row within a window of columns."""
        asked = row, window
        if asked not in self._told:
            self._told[asked] = polarity(self._stretch(row, *window))
        return self._told[asked]

    def breach(self, law: str, rows: tuple[int, ...], window: tuple[int, int]) -> float:
        """How far rows are from obeying a law within a window of columns."""
        asked = law, rows, window
        if asked not in self._told:
            self._told[asked] = broken(LAWS[law], [self._stretch(row, *window) for row in rows])
        return self._told[asked]

    def reach(self, rows: list[int]) -> list[tuple[float, float]]:
        """Where rows begin and end in pixels."""
        return [(self.rows[row].left, self.rows[row].right) for row in rows]

    @property
    def pitch(self) -> float:
        """Distance of rows in pixels."""
        bases = [row.baseline for row in self.rows]
        return float(np.median(np.diff(bases))) if len(bases) > 1 else float(mm(30))


def law_odds(page: PageEvidence, columns: Columns, grid: tuple[int, ...], template: Template) -> float:
    """How much the limb leads of an arrangement obey the laws of Einthoven and Goldberger."""
    laws, others = (OWN_LAWS, CABRERA_LAWS) if template.order == "standard" else (CABRERA_LAWS, OWN_LAWS)
    if template.name == "6x1-chest":
        return 0.0
    odds = 0.0
    for number, (law, other) in enumerate(zip(laws, others, strict=True)):
        down = template.grid // 3
        # Threes of limb leads follow each other down the first column, or stand at the heads of the first two.
        column, first = (0, 3 * number) if down > 1 else (number, 0)
        column -= template.first
        if not 0 <= column < template.columns:
            continue
        rows = grid[first : first + 3]
        agree = 0.0
        for left, right in _windows(columns, column) if len(rows) == 3 else ():
            window = left + mm(1.5), right - mm(1.5)
            # Leads that obey the law of the other order are not badly read.
            obeyed = obeyed_odds(page.breach(other, rows, window), first=number == 0)
            misread = page.misread / (1.0 + exp(obeyed))
            agree += obeyed_odds(page.breach(law, rows, window), first=number == 0, misread=misread)
        odds += max(agree, -MOST_ODDS)  # dirt breaks a law in both halves of a row
    return odds


def obeyed_odds(breach: float, *, first: bool, misread: float = 0.0) -> float:
    """Log odds, within bounds, that leads obey a law, by their breach of it.

    The densities are those of 60 real pictures, read in three ways, and of 259 drawn pages that no figure is reported
    for: three of four are less than 0.01 from their own laws. In the other order the first three are mostly 0.04 to
    0.1 from its law, the others further than 0.25.

    Args:
        breach: as ``signals.broken`` gives it; NaN says nothing.
        first: whether the law is that of the first three leads.
        misread: the share of leads that are so badly read that they obey no law of theirs.
    """
    if not np.isfinite(breach):
        return 0.0
    own = 240.0 * exp(-breach / 0.003) + 5.7 * exp(-breach / 0.03) + 0.05
    others = exp(-(((breach - 0.7) / 0.35) ** 2) / 2) / 0.88 + 0.15
    if first:
        others = 0.6 * others + 8.0 * exp(-(((breach - 0.075) / 0.025) ** 2) / 2)
    return float(np.clip(log((1 - misread) * own / others + misread), -MOST_ODDS, MOST_ODDS))


def _windows(columns: Columns, column: int) -> list[tuple[int, int]]:
    """Where a law is looked at: a column, or both halves of a row that shows one lead to its end."""
    left, right = (round(edge) for edge in columns.edges[column : column + 2])
    middle = (left + right) // 2
    return [(left, middle), (middle, right)] if len(columns.edges) == 2 else [(left, right)]


def pointing_odds(page: PageEvidence, columns: Columns, grid: tuple[int, ...], template: Template) -> float:
    """How much the beats point the way in which those of an arrangement's leads usually do."""
    odds = 0.0
    if not page.beats:
        return odds
    for place, slots in zip(grid, template.rows, strict=False):
        for column, slot in enumerate(slots):
            left, right = (round(edge) for edge in columns.edges[column : column + 2])
            odds += page.points(place, (left + mm(1.5), right - mm(1.5)), slot)
    return POINTS * odds


def row_odds(page: PageEvidence, row: int) -> float:
    """Logarithm of the odds that a row is none of the arrangement: print, an edge of the paper, noise.

    Such rows do not beat with the others. Of 1,750 rows of drawn pages that no figure is reported for 99 in 100 reach
    ``BEATS[1]``; of 48 other lines that reach as far 13 stay under ``BEATS[0]``, 38 under ``BEATS[1]``.
    """
    beats = page.in_time[row]
    if not np.isfinite(beats):
        return HARDLY_THERE
    share = float(np.clip((beats - BEATS[0]) / (BEATS[1] - BEATS[0]), 0, 1))
    return share * EXTRA_ROW + (1 - share) * NO_ROW


def strip_odds(
    page: PageEvidence, columns: Columns, template: Template, places: tuple[int, ...], place: int
) -> NDArray[np.float64]:
    """For each lead, how much a long strip runs as that lead does in the grid, at its column or from the start.

    At most ``STRIP_ODDS``, however far that lead is ahead of others: rows may be alike on other pages, too.
    """
    odds = np.zeros(len(LEADS))
    start = round(columns.edges[0])
    # Where the beginning is cut off, the lead that a strip shows may be none of those that are left, but like one.
    begun = template.cut != "left"
    most = SAME_ODDS if begun else MOST_ODDS
    for row, slots in enumerate(template.rows[: template.grid]):
        for column, slot in enumerate(slots):
            if not slot.lead or slot.inverted:
                continue
            left, right = (round(edge) for edge in columns.edges[column : column + 2])
            window = left + mm(1.5), right - mm(1.5)
            starts = {left, start} if begun else {left}
            apart = [page.apart(places[row], place, window, at + mm(1.5)) for at in starts]
            apart = [value for value in apart if np.isfinite(value)]
            odds[LEADS.index(slot.lead)] = same_odds(min(apart), most) if apart else 0.0
    return odds - max(0.0, float(odds.max()) - STRIP_ODDS)


def same_odds(apart: float, most: float) -> float:
    """Log odds, within bounds, that a strip shows a lead, by how far apart they are where it would show its beats.

    The densities are those of the strips of 60 real pictures, read in three ways, and of 251 on drawn pages that no
    figure is reported for: two of three are less than 0.01 from their own lead, where it is the same ink twice, and
    1 in 1,000 as near to another; of the rest half are within 0.1, as 1 in 14 is to another.
    """
    same = 170.0 * exp(-apart / 0.004) + 4.0 * exp(-apart / 0.05) + 0.08
    other = 0.75 * (1.0 - exp(-apart / 0.02)) + 0.08
    return float(np.clip(log(same / other), -MOST_ODDS, most))
