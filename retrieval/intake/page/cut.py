"""Arrangements of which a picture shows a part: cropped, or taken of a page that runs on beyond its edge."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from retrieval.intake.page.templates import Template

COLUMN_MM = {"3x4": 62.5, "6x2": 125.0}
"""How wide the columns of a page of ten seconds are at 25 mm/s; strips below them change nothing."""
WHOLE, LEAST_COLUMN = 0.12, 0.08
"""Shares of a column: a page is whole where no more is lacking, and less of a column is none."""
LEAST_COLUMNS = 1.2
"""Of one column alone nothing tells which it is."""
UNUSUAL, SAME = -1.5, 0.06
"""Odds (as a logarithm) of columns of another width than the usual one, its half or its double; and within which
share a width counts as the same."""


def column_mm(template: Template) -> float | None:
    """How wide a column usually is, in mm; ``None`` where no width is usual."""
    return COLUMN_MM.get(template.name.partition("+")[0])


def parts_across(template: Template, length_mm: float) -> Iterator[Template]:
    """The beginning and the end of an arrangement, as many columns of it as rows of a length can show."""
    wide = column_mm(template)
    shown = length_mm / wide if wide else math.inf
    if not LEAST_COLUMNS <= shown <= template.columns - WHOLE:
        return
    count = math.ceil(shown - LEAST_COLUMN)
    for cut, first in (("right", 0), ("left", template.columns - count)):
        rows = tuple(row[first : first + count] if len(row) > 1 else row for row in template.rows)
        yield replace(template, rows=rows, columns=count, cut=cut, first=first)


def part_below(template: Template) -> Iterator[Template]:
    """An arrangement of three rows and strips without its first row: fewer are no page, of more others tell more."""
    if template.grid == 3 and len(template.rows) > 3 and column_mm(template):
        yield replace(template, rows=template.rows[1:], grid=2, cut="top")


def width_odds(template: Template, length_mm: float) -> float:
    """What the width of its columns says of a whole arrangement, as a logarithm: 0 for one that is usual.

    Half the usual width are five seconds, double of it 50 mm/s.
    """
    wide = column_mm(template)
    if wide is None or template.cut in {"left", "right"}:
        return 0.0
    times = length_mm / template.columns / wide
    return 0.0 if min(abs(np.log(times / usual)) for usual in (0.5, 1.0, 2.0)) < SAME else UNUSUAL
