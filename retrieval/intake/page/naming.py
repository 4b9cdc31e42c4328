"""Name the layout of a page: every known arrangement is held against the names, columns and laws seen on it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from itertools import combinations, permutations

import numpy as np
from numpy.typing import NDArray

from retrieval.ecg.recording import LEADS
from retrieval.errors import BadArgument
from retrieval.intake.page.columns import Columns, Cut, fit_columns
from retrieval.intake.page.cut import column_mm, part_below, parts_across, width_odds
from retrieval.intake.page.evidence import BEATS, PageEvidence, law_odds, pointing_odds, row_odds, strip_odds
from retrieval.intake.page.flat import FLAT_PX_PER_MM
from retrieval.intake.page.printed import match_names
from retrieval.intake.page.templates import RHYTHM, TOGETHER, USUAL_THREE, Slot, Template, templates

MOST_EXTRA, MOST_DOUBTED, MOST_TRIED = 2, 2, 6
LEAST_ODDS = 0.5
"""An arrangement with less is hardly likelier than a page of which nothing was understood: of drawn pages that
were read right 2 in 100 have less than 0.6, of those whose rows were mistaken half have less than 4."""
NO_COLUMN = -1.2, -0.7
"""Odds (as a logarithm) of an edge between columns that nothing speaks for, where rows do not beat together and where
they do: the beats of an ECG that is hardly seen hide it."""
MUCH_BETTER = 4.0
"""Odds (as a logarithm) by which another layout must fit better for the one that was set by hand to be doubted."""
SURE = 0.9
"""Weight of the logarithms: signs on one page are not independent of each other."""


@dataclass(frozen=True)
class Naming:
    """What the page shows.

    Args:
        layout: its name, or ``"unknown"``.
        order: ``"standard"`` or ``"cabrera"``.
        rows: for each row that was found, its slots; empty for a row that is none of the layout's.
        columns: for each number of leads in a row, where they begin and end.
        certainty: from 0 to 1, that layout, order and names are right.
        missing: how many rows of the layout are not on the page.
        rival: the name of the arrangement that comes next.
        named: how many printed names stand where this arrangement has them.
        one_way: how many of these would not be the same in a mirror.
        lawful: odds (as a logarithm) that the limb leads obey the laws which tie them together.
        odds: all that speaks for this arrangement, as a logarithm; of the likeliest one where one was set by hand,
            since which way up a page is does not depend on that.
        better: the layout that the page looks much more like than the one that was set by hand; else empty.
        ahead: as ``certainty``, of this arrangement among all that are known, whether or not it is any of them.
        beating: whether all of the arrangement's rows beat together, as hardly anything else does than one heart's.
        cut: the side on which the picture ends before the page does: ``"left"``, ``"right"``, ``"top"`` or ``""``.
        others: how many rows that are none of the arrangement beat with it or with each other.
    """

    layout: str
    order: str
    rows: tuple[tuple[Slot, ...], ...]
    columns: dict[int, Columns]
    certainty: float
    missing: int = 0
    rival: str = ""
    named: int = 0
    lawful: float = 0.0
    odds: float = 0.0
    better: str = ""
    ahead: float = 0.0
    beating: bool = False
    cut: str = ""
    others: int = 0
    one_way: int = 0


@dataclass(frozen=True)
class _Candidate:
    template: Template
    places: tuple[int, ...]
    odds: float
    slots: tuple[tuple[Slot, ...], ...]
    named: int
    lawful: float
    sure: float
    one_way: int = 0


def name_layout(page: PageEvidence, layout: str | None = None) -> Naming:
    """The likeliest arrangement of the rows of a page.

    Args:
        page: what is seen on it.
        layout: the one that was set by hand; only its orders and rhythm leads are weighed then.

    Raises:
        BadArgument: when the layout has more rows than the page.
    """
    fits = _Fits(page)
    found = [_weigh(page, fits, template, places) for template, places in _alignments(page, layout)]
    found.sort(key=lambda candidate: -candidate.odds)
    better, odds = "", found[0].odds if found else 0.0
    if layout is not None:
        likeliest, found = found[:1], _only(found, layout, len(page.rows))
        if likeliest[0].odds > found[0].odds + MUCH_BETTER:
            better = likeliest[0].template.name
    if not found:
        return Naming("unknown", "standard", tuple(() for _ in page.rows), {}, 0.2)
    best = found[0]
    others = [c for c in found[1:] if c.slots != best.slots]
    rivals = np.array([c.odds for c in others])
    share = 1.0 / (1.0 + float(np.exp(SURE * (rivals - best.odds)).sum())) if len(rivals) else 1.0
    plausible = 1.0 / (1.0 + float(np.exp(LEAST_ODDS - best.odds)))
    columns = {len(row): fits.of(len(row), best.template, best.places) for row in best.slots if row}
    missing = len(best.template.rows) - len(best.places)
    rival = others[0].template.name if others else ""
    return Naming(
        best.template.name,
        best.template.order,
        best.slots,
        columns,
        share * best.sure * plausible,
        missing,
        rival,
        best.named,
        best.lawful,
        odds,
        better,
        share * best.sure,
        bool((page.in_time[list(best.places)] >= BEATS[1]).all()),
        best.template.cut,
        page.beating_beside(best.places),
        best.one_way,
    )


def _only(found: list[_Candidate], layout: str, rows: int) -> list[_Candidate]:
    """The candidates of one layout; as a page without its first row only where it looks most like that."""
    own = [candidate for candidate in found if candidate.template.name == layout]
    if own and own[0] is not found[0]:
        own = [candidate for candidate in own if candidate.template.cut != "top"]
    if not own:
        most = max(len(template.rows) for template in templates() if template.name == layout)
        raise BadArgument(
            f"the layout {layout} has {most} rows, and {rows} rows of traces were found on the page; set another "
            "layout, or corners that show them all"
        )
    return own


def _alignments(page: PageEvidence, layout: str | None = None) -> Iterator[tuple[Template, tuple[int, ...]]]:
    """Arrangements, and for each of their rows in turn the row of the page that shows it.

    Up to two rows of the page may be none of the arrangement: an edge, an underline; two more where so many do not
    beat with the others, or it cannot be told whether they do. Those are left out whose absence leaves the others at
    even distances. Of the layout that was set by hand, any number may.
    """
    number = len(page.rows)
    doubted = int((~(page.in_time >= BEATS[1])).sum())  # where it cannot be told, too
    extra = MOST_EXTRA + min(MOST_DOUBTED, doubted)
    for template in _all_templates(page):
        most = len(template.rows)
        if most == number:
            yield template, tuple(range(number))
        if 1 <= number - most <= (number if template.name == layout else extra):
            bases = np.array([row.baseline for row in page.rows])
            kept = sorted(combinations(range(number), most), key=lambda places: _uneven(bases[list(places)]))
            yield from ((template, places) for places in kept[:MOST_TRIED])


def _all_templates(page: PageEvidence) -> Iterator[Template]:
    """All arrangements, and the parts of them that the rows of a page are long enough for."""
    length = _length_mm(page)
    for template in templates():
        yield template
        yield from parts_across(template, length)
        yield from part_below(template)


def _length_mm(page: PageEvidence) -> float:
    """The middle of the rows' lengths."""
    return float(np.median([row.right - row.left for row in page.rows])) / FLAT_PX_PER_MM


def _uneven(bases: NDArray[np.float64]) -> float:
    """How much the distances of rows differ from each other."""
    apart = np.diff(bases)
    return float(apart.std() / apart.mean()) if len(apart) > 1 else 0.0


class _Fits:
    """Columns of each arrangement's grid, fitted once."""

    def __init__(self, page: PageEvidence) -> None:
        self._page = page
        self._known: dict[tuple[int, tuple[int, ...], str], Columns] = {}

    def of(self, count: int, template: Template, places: tuple[int, ...]) -> Columns:
        """Edges of rows with ``count`` leads."""
        rows = places[: template.grid] if count == template.columns else places[template.grid :]
        side = template.cut if template.cut in {"left", "right"} and count > 1 else ""
        key = count, rows, side
        if key not in self._known:
            chosen = list(rows)
            lefts, rights = (np.median([edge[i] for edge in self._page.reach(chosen)]) for i in (0, 1))
            cut = Cut(side, (column_mm(template) or 0.0) * FLAT_PX_PER_MM) if side else None
            self._known[key] = fit_columns(
                count, (float(lefts), float(rights)), self._page.evidence[chosen], self._lefts(chosen), cut
            )
        return self._known[key]

    def _lefts(self, rows: list[int]) -> NDArray[np.float64]:
        """Left edges of the names that stand nearest to some of the rows."""
        bases = np.array([row.baseline for row in self._page.rows])
        near = [int(np.abs(bases - name.middle).argmin()) for name in self._page.names]
        return np.array([name.left for name, row in zip(self._page.names, near, strict=True) if row in rows])


def _weigh(page: PageEvidence, fits: _Fits, template: Template, places: tuple[int, ...]) -> _Candidate:
    """Odds of an arrangement: how often it is met, and what names, columns, laws and strips say."""
    columns = fits.of(template.columns, template, places)
    grid = places[: template.grid]
    odds = template.prior + sum(row_odds(page, number) for number in range(len(page.rows)) if number not in places)
    odds += _column_odds(columns, NO_COLUMN[page.beats])
    odds += width_odds(template, (columns.edges[-1] - columns.edges[0]) / FLAT_PX_PER_MM)
    names = match_names(page, columns, places, template)
    lawful = law_odds(page, columns, grid, template)
    odds += names.odds + lawful + pointing_odds(page, columns, grid, template)
    slots: list[tuple[Slot, ...]] = [() for _ in page.rows]
    for place, row in zip(places, template.rows, strict=True):
        slots[place] = row
    strips = [
        _strip(page, columns, template, places, names.strips[strip], place)
        for strip, place in enumerate(places[template.grid :])
    ]
    chosen, sure, told = _different(strips)
    for place, lead in zip(places[template.grid :], chosen, strict=True):
        slots[place] = (Slot(LEADS[lead]),)
    return _Candidate(template, places, odds + told, tuple(slots), names.agreed, lawful, sure, names.one_way)


def _different(strips: list[NDArray[np.float64]]) -> tuple[tuple[int, ...], float, float]:
    """The likeliest leads of long strips, none of them twice, their share among all choices, and the odds of all."""
    if not strips:
        return (), 1.0, 0.0
    worth = _beside_each_other(len(strips)).copy()
    for number, strip in enumerate(strips):
        worth += strip.reshape([-1 if axis == number else 1 for axis in range(len(strips))])
    most = float(worth.max())
    total = most + float(np.log(np.exp(worth - most).sum()))
    chosen = np.unravel_index(int(worth.argmax()), worth.shape)
    return tuple(int(lead) for lead in chosen), float(np.exp(most - total)), total


@cache
def _beside_each_other(strips: int) -> NDArray[np.float64]:
    """Odds ``[leads, …]`` of leads standing in so many strips together, beyond those of each by itself."""
    worth = np.zeros((len(LEADS),) * strips)
    if strips == len(USUAL_THREE):
        for leads in permutations(LEADS.index(lead) for lead in USUAL_THREE):
            worth[leads] = TOGETHER
    places = np.indices(worth.shape)
    for one, other in combinations(range(strips), 2):
        worth[places[one] == places[other]] = -np.inf
    return worth


def _strip(
    page: PageEvidence,
    columns: Columns,
    template: Template,
    places: tuple[int, ...],
    named: NDArray[np.float64],
    place: int,
) -> NDArray[np.float64]:
    """Odds of each lead being the one that a long strip shows."""
    prior = np.log([RHYTHM[lead] for lead in LEADS])
    return prior + named + strip_odds(page, columns, template, places, place)


def _column_odds(columns: Columns, least: float) -> float:
    return float(sum(np.clip(8.0 * (support - 0.15), least, 2.0) for support in columns.support))
