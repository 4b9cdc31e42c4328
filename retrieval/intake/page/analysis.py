"""What is on a straightened page: kinds of ink, rows, names, layout, scale, leads; turned upright on the way."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from retrieval.errors import BadArgument, NotAnEcg
from retrieval.intake.correction import NOTHING, Correction
from retrieval.intake.page.boxes import LEAST_INK, Cell, between_columns, half_height, place_cells
from retrieval.intake.page.calibration import (
    PRINTED,
    Pulse,
    Scale,
    as_given,
    assumed_size,
    find_pulses,
    measure_scale,
)
from retrieval.intake.page.columns import boundary_evidence
from retrieval.intake.page.direction import is_unclear
from retrieval.intake.page.evidence import PageEvidence
from retrieval.intake.page.flat import FLAT_PX_PER_MM, FlatPage
from retrieval.intake.page.masking import InkKinds, separate
from retrieval.intake.page.naming import Naming, name_layout
from retrieval.intake.page.row_ends import reached
from retrieval.intake.page.rows import Row, find_rows, joined, mm, runs_upright, strokes_of
from retrieval.intake.page.sheet_edges import within_edges
from retrieval.intake.page.sight import Sight
from retrieval.intake.page.signals import row_heights
from retrieval.intake.page.words import Words, find_words

Bools = NDArray[np.bool_]
INK = 0.5
"""Share of the ink level from which a pixel is one of a stroke."""
MIN_ROWS = 3
MAX_ROWS = 16
MIN_TRACE_MM = 60.0
MIN_NAMES = 3
MIN_SIGNS = 4
"""Names where they belong, and twice the pulses that stand on their feet, with which a page stands upright."""
LEAST_NAMED = 0.2
"""Certainty of the arrangement under which these signs are not enough: pulses of a page on its head may stand too."""
FITS = 0.05
"""Certainty of an arrangement under which the page may lie otherwise than its strokes say."""
LAWFUL = 2.0
UNSIGNED = (
    "lines were found in rows, but no ruled paper, no lead names, no calibration pulse, no printed speed and "
    "gain and no limb leads that obey Einthoven's law; expected a page with a 12-lead ECG"
)
UPRIGHT, STANDING_TRUST = 2.0, 0.6
"""Odds (as a logarithm) that a picture was taken upright."""


def row_length_mm(rows: tuple[Row, ...]) -> float:
    """The middle of the rows' lengths."""
    return float(np.median([row.right - row.left for row in rows])) / FLAT_PX_PER_MM


class _NoRows(NotAnEcg):
    """Too few rows of traces, or too many: so it would be with the page on its head."""


class _FewRows(_NoRows):
    """Some, which may be waves that run into each other on a page that lies on its side."""


class Unsigned(NotAnEcg):
    """Rows of lines, and nothing that shows them to be an ECG."""


@dataclass(frozen=True)
class _Look:
    """What is seen of a page, what was set by hand, and whether strokes may be ``broken``."""

    sight: Sight
    given: Correction
    broken: bool


@dataclass(frozen=True)
class Analysis:
    """An upright page and what is on it.

    ``turns`` are the quarters, counter-clockwise, by which it was turned upright, ``upright_share`` how certain that
    is; ``masks`` bool ``[rows, height, width]`` the ink of each row; ``cells`` all places of leads, ``shown`` those
    that have ink; ``given`` what was set by hand.
    """

    page: FlatPage
    kinds: InkKinds
    words: Words
    rows: tuple[Row, ...]
    masks: Bools
    naming: Naming
    pulses: tuple[Pulse, ...]
    scale: Scale
    cells: tuple[Cell, ...]
    turns: int = 0
    upright_share: float = 1.0
    given: Correction = NOTHING

    @property
    def size(self) -> float:
        """How many times as large as it was taken for the page must be; 1 where a ruling tells."""
        if self.page.ruled:
            return 1.0
        traced_mm = row_length_mm(self.rows) - between_columns(self.naming, self.rows, self.masks)
        return assumed_size(self.rows, traced_mm, self.pulses, self.words, self.given.speed)

    @property
    def shown(self) -> tuple[Cell, ...]:
        """Cells with ink."""
        return tuple(cell for cell in self.cells if cell.inked >= LEAST_INK)


def analyse(sight: Sight, given: Correction = NOTHING, *, broken: bool = False) -> Analysis:
    """Read a page, turning it where it lies on its side or on its head, unless it was said to be upright.

    Args:
        sight: the straightened page and its ink.
        given: what was set by hand.
        broken: whether its rows are looked for with the gaps of broken strokes closed.

    Raises:
        NotAnEcg: with the reason.
        BadArgument: when the page cannot be what was set by hand.
    """
    look = _Look(sight, given, broken)
    if given.upright:
        return _analyse(look, 0)
    inked = sight.ink > INK
    first = 1 if runs_upright(strokes_of(inked)) else 0
    found, refusal = _either_end_up(look, first)
    if not found and sight.page.ruled and first == 0 and isinstance(refusal, _FewRows) and is_unclear(inked):
        found, _ = _either_end_up(look, 1)
    if first == 1 and not any(reading.naming.certainty > FITS for reading in found):
        # Tall waves that stand apart are long upright strokes too, beside a tangle of rows that says nothing.
        found = [*found, *_either_end_up(look, 0)[0]]
    if not found:
        raise refusal or NotAnEcg("no ECG was found in the picture")
    if len(found) == 1 and found[0].turns == 0 and _stands(found[0]):
        return found[0]
    found.sort(key=lambda reading: -_standing(reading))
    apart = _standing(found[0]) - (_standing(found[1]) if len(found) > 1 else 0.0)
    return replace(found[0], upright_share=float(1 / (1 + np.exp(-apart))))


def _either_end_up(look: _Look, first: int) -> tuple[list[Analysis], NotAnEcg | BadArgument | None]:
    """A page turned by ``first`` quarters, and on its head unless it plainly stands; and why neither can be read."""
    one, refusal = _try(look, first)
    if one is not None and first == 0 and _stands(one):
        return [one], None
    other = None if isinstance(refusal, _NoRows) else _try(look, first + 2)[0]
    return [reading for reading in (one, other) if reading is not None], refusal


def _stands(reading: Analysis) -> bool:
    """Whether a page needs not be tried on its head: its signs are there, and its rows are some arrangement's."""
    return reading.naming.named + 2 * len(reading.pulses) >= MIN_SIGNS and reading.naming.certainty > LEAST_NAMED


def _standing(reading: Analysis) -> float:
    """How much speaks for a page standing upright: what its layout is known by, and pulses that stand on their feet.

    The limb leads of a page on its head stand where others are looked for, and obey no law there.
    """
    prior = UPRIGHT if abs(reading.page.rotation_deg) < 45.0 else 0.0
    return float(STANDING_TRUST * reading.naming.odds + len(reading.pulses) + prior)


def _try(look: _Look, quarters: int) -> tuple[Analysis | None, NotAnEcg | BadArgument | None]:
    try:
        return _analyse(look, quarters), None
    except (NotAnEcg, BadArgument) as error:
        return None, error.with_traceback(None)  # which would keep every array while the page is tried again


def _analyse(look: _Look, quarters: int) -> Analysis:
    page, ink = look.sight.turned(quarters)
    (kinds, seen), given = look.sight.kinds(quarters, ink), look.given
    rows = _rows(kinds.trace, broken=look.broken)
    rows, inside = within_edges(page.pixels, rows)
    if not inside.all():
        # Beside an edge, which is darker and longer than any trace, weak rows do not count.
        kinds.trace[~inside] = False
        rows = _rows(kinds.trace, broken=look.broken)
    _refuse_unless_ecg(page, rows)
    words = find_words(ink, kinds.text, seen)
    traced, masks = _traced(kinds, rows)
    evidence = _evidence(kinds, words, traced, masks)
    naming = name_layout(evidence, given.layout)
    strange = tuple(number for number, slots in enumerate(naming.rows) if not slots)
    if strange and naming.layout != "unknown":
        rows, masks = _traced(kinds, rows, strange)
        naming = replace(naming, rows=tuple(slots for slots in naming.rows if slots))
    else:
        rows = traced
    pulses = find_pulses(kinds.pulse, rows)
    slots = [tuple(slot.lead or "V9" for slot in row) for row in naming.rows]
    scale = as_given(measure_scale(pulses, words, slots, row_length_mm(rows)), given)
    if given.layout is None and not _is_signed(page, naming, pulses, words):
        # Where rows beat together, and some were not seen because their strokes are broken, another look is worth it.
        more = evidence.beats and len(_rows(kinds.trace, broken=True)) > len(traced)
        raise (NotAnEcg if more else Unsigned)(UNSIGNED)
    cells = place_cells(naming, rows, masks)
    return Analysis(page, kinds, words, rows, masks, naming, pulses, scale, cells, quarters, given=given)


def _traced(kinds: InkKinds, rows: tuple[Row, ...], strange: tuple[int, ...] = ()) -> tuple[tuple[Row, ...], Bools]:
    """Rows with the ink that is theirs; ``strange`` ones are none of the layout's, they only keep ink from others."""
    masks = separate(kinds, rows, strange).masks
    kept = [number for number in range(len(rows)) if number not in strange]
    masks = masks[kept] if strange else masks
    return reached([rows[number] for number in kept], masks), masks


def _evidence(kinds: InkKinds, words: Words, rows: tuple[Row, ...], masks: Bools) -> PageEvidence:
    heights = np.stack([row_heights(mask, row.baseline) for mask, row in zip(masks, rows, strict=True)])
    bands = []
    for number, row in enumerate(rows):
        half = min(half_height(rows, number), mm(12.0))
        bands.append((max(0, round(row.baseline - half)), round(row.baseline + half)))
    return PageEvidence(rows, heights, boundary_evidence(masks, heights, kinds.rule, bands), words.names)


def _refuse_unless_ecg(page: FlatPage, rows: tuple[Row, ...]) -> None:
    """Refuse pictures without enough rows of connected traces, saying what was seen."""
    paper = "ruled paper" if page.ruled else "no ruling"
    if not rows:
        raise _NoRows(f"{paper} and no traces were found in the picture; expected a page with a 12-lead ECG")
    if len(rows) < MIN_ROWS:
        raise _FewRows(
            f"{paper} and {len(rows)} row{'s' * (len(rows) > 1)} of traces were found; a 12-lead page has {MIN_ROWS} "
            "or more: bring the whole page"
        )
    if len(rows) > MAX_ROWS:
        raise _NoRows(f"{paper} and {len(rows)} rows were found, more than an ECG has; is it a page of text?")
    longest = max(row.right - row.left for row in rows) / FLAT_PX_PER_MM
    if longest < MIN_TRACE_MM:
        raise _NoRows(f"the longest row spans {longest:.0f} mm; a lead of 2.5 s takes 62: bring the whole page")


def _rows(trace: Bools, *, broken: bool) -> tuple[Row, ...]:
    return find_rows(strokes_of(joined(trace) if broken else trace))


def _is_signed(page: FlatPage, naming: Naming, pulses: tuple[Pulse, ...], words: Words) -> bool:
    """Whether anything shows rows of lines on plain paper to be an ECG, and no chart, no score, no seismogram."""
    printed = min(float(words.speeds.max()), float(words.gains.max())) > PRINTED
    return bool(page.ruled or naming.named >= MIN_NAMES or pulses or printed or naming.lawful > LAWFUL)
