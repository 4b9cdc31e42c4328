"""What printed names speak for an arrangement: each is held against the lead that it would stand beside."""

from __future__ import annotations

from dataclasses import dataclass
from math import log
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from retrieval.ecg.recording import LEADS
from retrieval.intake.page.columns import Columns
from retrieval.intake.page.evidence import ROW_SLACK_MM, PageEvidence
from retrieval.intake.page.marks import NAMES
from retrieval.intake.page.rows import mm
from retrieval.intake.page.templates import Slot, Template
from retrieval.intake.page.words import Name

NAME_LEFT_MM, NAME_BEFORE_MM = 12.0, 6.0
"""How far before the beginning of its row, and before that of its lead, a name can stand."""
NAME_IN, NAME_IN_MM = 0.65, 42.0
"""At most so much of its lead's width behind its beginning; beyond so far it may be another lead's, and speaks for
none."""
OUT_OF_LINE = 0.5
NAME_SLACK_MM = 5.0
STRAY_NAME = -1.0
READ_AGAIN = 0.7
STRIP_NAME = 2.0
"""Weight of the name beside a long strip: nothing else tells which lead it shows."""
AGREED = 1.0
SAME_IN_A_MIRROR = frozenset({"I", "II", "III"})
"""Names that read the same from the other side, and on their head."""
NAME_TRUST = 3.0
"""At most so much (as a logarithm) does one name say for or against a lead."""


@dataclass(frozen=True)
class NameMatch:
    """Odds of the grid's names, for each long strip the odds of each lead by its name, and how many names agree.

    ``one_way`` of these are other than ``SAME_IN_A_MIRROR``.
    """

    odds: float
    strips: tuple[NDArray[np.float64], ...]
    agreed: int = 0
    one_way: int = 0


def match_names(page: PageEvidence, columns: Columns, places: tuple[int, ...], template: Template) -> NameMatch:
    """Hold the names against an arrangement, at the height over or under the rows that suits it best."""
    strips = tuple(np.zeros(len(LEADS)) for _ in places[template.grid :])
    if not page.names:
        return NameMatch(0.0, strips)
    best: NameMatch | None = None
    for offset in page.name_offsets:
        match = _match_at(page, columns, places, template, offset)
        if best is None or _worth(match) > _worth(best):
            best = match
    return best or NameMatch(0.0, strips)


def _worth(match: NameMatch) -> float:
    return match.odds + sum(float(strip.max()) for strip in match.strips)


class _Placed(NamedTuple):
    """A name in its slot.

    Its weight is 1 at the same distance from its lead's beginning as the others; ``far`` is one so far from there
    that it may be another lead's.
    """

    name: Name
    weight: float
    far: bool


def _match_at(
    page: PageEvidence, columns: Columns, places: tuple[int, ...], template: Template, offset: float
) -> NameMatch:
    found = _placed(page, columns, places, template, offset)
    odds, agreed = 0.0, []
    strips = [np.zeros(len(LEADS)) for _ in places[template.grid :]]
    used = {id(placed.name) for placed in found.values()}
    odds += STRAY_NAME * sum(name.certainty for name in page.names if id(name) not in used and name.certainty > 0.5)
    for row, slots in enumerate(template.rows):
        for column, slot in enumerate(slots):
            if (row, column) not in found:
                continue
            name, weight, far = found[row, column]
            if slot.lead:
                says = min(name_odds(name, slot), 0.0 if far else NAME_TRUST)
                odds += weight * says
                if says > AGREED:
                    agreed.append(slot.lead)
            elif row >= template.grid:
                strips[row - template.grid] += [STRIP_NAME * weight * name_odds(name, Slot(lead)) for lead in LEADS]
    one_way = sum(lead not in SAME_IN_A_MIRROR for lead in agreed)
    return NameMatch(odds + _unread(found, template), tuple(strips), len(agreed), one_way)


def _unread(found: dict[tuple[int, int], _Placed], template: Template) -> float:
    """What slots without a name speak against an arrangement: the more, the better the names of a column are read."""
    grid = [(row, column) for row in range(template.grid) for column in range(template.columns)]
    read = [sum((row, column) in found for row in range(template.grid)) for column in range(template.columns)]
    # Where a picture begins in the middle of a column, its names are not in it.
    silent = sum(place not in found for place in grid if place[1] > 0 or template.cut != "left")
    return silent * log(1.0 - READ_AGAIN * max(read) / template.grid)


def _placed(
    page: PageEvidence, columns: Columns, places: tuple[int, ...], template: Template, offset: float
) -> dict[tuple[int, int], _Placed]:
    """The name in each slot."""
    near: list[tuple[int, int, float, Name]] = []
    for name in page.names:
        rows = [abs(name.middle - page.rows[place].baseline - offset) for place in places]
        row = int(np.argmin(rows))
        if rows[row] > 2 * mm(ROW_SLACK_MM):
            continue
        edges = columns.edges[:-1] if row < template.grid else columns.edges[:1]
        off = name.left - np.array(edges)
        # A name stands at the beginning of its lead or a little before it; some makers set them further in.
        column = max(0, int(np.searchsorted(-off, mm(NAME_BEFORE_MM))) - 1)
        wide = columns.edges[1] - columns.edges[0] if row < template.grid else mm(40.0)
        if -mm(NAME_LEFT_MM) < off[column] < NAME_IN * wide:
            near.append((row, column, float(off[column]), name))
    if not near:
        return {}
    usual = float(np.median([entry[2] for entry in near if entry[1] > 0] or [entry[2] for entry in near]))
    found: dict[tuple[int, int], _Placed] = {}
    for row, column, off, name in near:
        slack = mm(NAME_SLACK_MM) * (2.0 if column == 0 else 1.0)
        weight = 1.0 if abs(off - usual) < slack else OUT_OF_LINE
        known = found.get((row, column))
        if known is None or weight * name.certainty > known.weight * known.name.certainty:
            found[row, column] = _Placed(name, weight, off > mm(NAME_IN_MM))
    return found


def name_odds(name: Name, slot: Slot) -> float:
    """Logarithm of how much likelier the network's reading is if the slot's lead is printed there than by chance."""
    share = float(name.shares[NAMES.index(slot.lead)])
    if slot.lead == "aVR":  # the minus of -aVR is easily lost or seen where there is none
        other = float(name.shares[NAMES.index("-aVR")])
        share = 0.85 * other + 0.15 * share if slot.inverted else 0.97 * share + 0.03 * other
    return float(np.clip(log((0.97 * share + 0.03 / len(NAMES)) * len(NAMES)), -NAME_TRUST, NAME_TRUST))
