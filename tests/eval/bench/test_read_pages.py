"""Drawn and spoiled pages that were once cut off or turned, read by the judge that makes the figures."""

from __future__ import annotations

import pytest

from eval.bench.pages import plan
from eval.bench.pages.judging import score

pytestmark = pytest.mark.slow

NO_FIGURE_FROM = 500_000
"""Seeds from here on belong to no figure; these pages were looked at while the reader was mended."""


@pytest.mark.parametrize(
    ("row", "page", "layout"),
    [
        ("paper 2", 701, "12x1"),  # a shaded fold was taken for the sheet's edge, and the rest cut off
        ("photo 2", 802, "3x4+3"),  # lines fade at its left, where it was cut off as a table beside the sheet
        ("photo turned 2", 837, "3x4+3"),  # on its head, where its pulses seem to stand on their feet
        ("photo 2", 809, "6x1-chest"),  # clutter on the table was taken for the beginnings of its rows
        ("paper 2", 704, "3x4+3"),  # tall waves tie all rows together: it was turned on its side
        ("scan 3", 1_000_071, "6x1-limb"),  # faint and without ruling: the length of its broken traces was half of it
        ("scan 3", 1_000_111, "3x4"),  # three streaks of the copier were taken for rows
        ("scan 3", 1_000_148, "3x4+3"),  # without ruling, two of its rows faded in the middle
        ("scan 3", 1_000_023, "6x1-chest"),  # tall waves, a streak, and turned on its side
        ("scan 3", 1_200_007, "3x4"),  # troughs that stand apart were taken for rows of a page on its side
        ("scan 3", 1_200_041, "6x1-chest"),  # copied to dashes: two of six rows were not found, and nothing signed it
    ],
)
def test_pages_that_were_once_refused(row: str, page: int, layout: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plan, "seed_of", lambda row, page: NO_FIGURE_FROM + row * plan.SEEDS_A_ROW + page)
    clean, picture = plan.make([one.name for one in plan.ROWS].index(row), page)
    found = score(picture.pixels, clean, picture.forward, picture.shows)
    assert (found.layout, found.layout_right) == (layout, True)
    assert found.pitch_error is not None
    assert found.pitch_error < 0.02
    assert found.placed == found.leads
