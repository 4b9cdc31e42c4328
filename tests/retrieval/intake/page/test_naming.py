"""Layouts are named by the print, the columns and the laws; what nothing decides is not called certain."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from retrieval.ecg.layouts import layout_named
from retrieval.ecg.recording import LEADS
from retrieval.intake.page.columns import fit_columns
from retrieval.intake.page.evidence import PageEvidence
from retrieval.intake.page.marks import NAMES
from retrieval.intake.page.naming import name_layout
from retrieval.intake.page.rows import Row, mm
from retrieval.intake.page.templates import templates
from retrieval.intake.page.words import Name

LEFT, LENGTH = 60, 1500


def name_at(lead: str, x: float, y: float, share: float = 0.95) -> Name:
    shares = np.full(len(NAMES), (1 - share) / (len(NAMES) - 1), np.float32)
    shares[NAMES.index(lead)] = share
    return Name(x, y - 8, x + 20, y + 8, shares)


def page_of(layout: str, order: str = "standard", rhythm: str = "II", *, named: bool = True) -> PageEvidence:
    """A page without waves: only its rows and, if wanted, its names tell what it is."""
    plan = layout_named(layout, rhythm, order)
    rows, names = [], []
    for r, leads in enumerate(plan.rows):
        base = 100.0 + 150 * r
        rows.append(Row(base, 1.0, LEFT, LEFT + LENGTH))
        for c, lead in enumerate(leads):
            shown = "-aVR" if lead == "aVR" and order == "cabrera" else lead
            names.append(name_at(shown, LEFT + 8 + c * LENGTH / len(leads), base - 50))
    width = LEFT + LENGTH + 60
    nothing = np.full((len(rows), width), np.nan)
    return PageEvidence(tuple(rows), nothing, np.zeros(nothing.shape, np.float32), tuple(names) if named else ())


def beating(page: PageEvidence) -> np.ndarray:
    """Heights ``[rows, width]`` of rows that beat together."""
    beats = np.zeros(page.heights.shape[1])
    beats[100::150] = 60.0
    waves = np.tile(np.convolve(beats, np.hanning(12) / 6, "same"), (len(page.rows), 1))
    return waves + np.random.default_rng(4).normal(0, 0.1, waves.shape)


LAYOUTS = ["3x4", "3x4+1", "3x4+3", "6x2", "6x2+1", "12x1", "6x1-limb", "6x1-chest"]


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("order", ["standard", "cabrera"])
def test_names_decide(layout: str, order: str) -> None:
    if layout == "6x1-chest" and order == "cabrera":
        pytest.skip("chest leads have one order")
    naming = name_layout(page_of(layout, order))
    assert (naming.layout, naming.order) == (layout, order)
    assert naming.certainty > 0.9
    plan = layout_named(layout, order=order)
    assert [tuple(slot.lead for slot in row) for row in naming.rows] == [tuple(row) for row in plan.rows]


@pytest.mark.parametrize("rhythm", ["II", "V1", "V5"])
def test_the_strip_is_read(rhythm: str) -> None:
    naming = name_layout(page_of("3x4+1", rhythm=rhythm))
    assert naming.rows[-1][0].lead == rhythm


def test_a_row_that_does_not_beat_with_the_others_is_no_strip() -> None:
    page = page_of("3x4+1")
    rows = beating(page)
    names = tuple(name for name in page.names if name.middle < page.rows[3].baseline - 60)
    together = PageEvidence(page.rows, rows, page.evidence, names)
    assert name_layout(together).layout == "3x4+1"
    apart = rows.copy()
    apart[3] = np.random.default_rng(5).normal(0, 1, rows.shape[1])
    assert name_layout(PageEvidence(page.rows, apart, page.evidence, names)).layout == "3x4"


@pytest.mark.parametrize(("share", "lead"), [(0.6, "V5"), (0.99, "V6")])
def test_three_strips_are_the_usual_three_unless_a_name_says_otherwise(share: float, lead: str) -> None:
    page = page_of("3x4+3")
    last = page.rows[-1].baseline
    kept = [name for name in page.names if name.middle < page.rows[3].baseline - 60]
    misread = name_at("V6", LEFT + 8, last - 50, share)
    misread.shares[NAMES.index("V5")] = 0.95 - share if share < 0.95 else 0.001
    read = [name_at("II", LEFT + 8, last - 350), name_at("V1", LEFT + 8, last - 200), misread]
    naming = name_layout(PageEvidence(page.rows, page.heights, page.evidence, (*kept, *read)))
    assert [row[0].lead for row in naming.rows[3:]] == ["II", "V1", lead]


def test_no_lead_stands_in_two_strips() -> None:
    naming = name_layout(page_of("3x4+3", named=False), "3x4+3")
    assert sorted(row[0].lead for row in naming.rows[3:]) == ["II", "V1", "V5"]


def test_names_in_the_middle_of_long_rows_are_of_a_second_column() -> None:
    page = page_of("6x2")
    right = tuple(name for name in page.names if name.left > LEFT + LENGTH / 3)
    naming = name_layout(PageEvidence(page.rows, page.heights, page.evidence, right))
    assert naming.layout == "6x2"


@pytest.mark.parametrize("layout", ["3x4", "6x2"])
def test_a_level_line_below_the_rows_is_no_strip(layout: str) -> None:
    page = page_of(layout)
    below = replace(page.rows[-1], baseline=page.rows[-1].baseline + 150)
    heights = np.vstack([beating(page), np.zeros(page.heights.shape[1])])
    naming = name_layout(PageEvidence((*page.rows, below), heights, np.zeros(heights.shape, np.float32), page.names))
    assert naming.layout == layout
    assert naming.rows[-1] == ()


def test_one_lead_of_twelve_may_be_level() -> None:
    page = page_of("12x1")
    rows = beating(page)
    rows[4] = 0.0
    naming = name_layout(PageEvidence(page.rows, rows, page.evidence, page.names))
    assert naming.layout == "12x1"
    assert naming.rows[4][0].lead == "aVL"


def test_three_lines_that_may_not_beat_are_left_out() -> None:
    page = page_of("6x2")
    between = tuple(Row(row.baseline + 70, 1.0, LEFT, LEFT + LENGTH) for row in page.rows[1:4])
    rows = tuple(sorted((*page.rows, *between), key=lambda row: row.baseline))
    nothing = np.full((len(rows), page.heights.shape[1]), np.nan)
    naming = name_layout(PageEvidence(rows, nothing, np.zeros(nothing.shape, np.float32), page.names))
    assert naming.layout == "6x2"
    assert [bool(slots) for slots in naming.rows] == [row in page.rows for row in rows]


def test_three_lines_that_do_not_beat_with_the_others_are_left_out() -> None:
    page = page_of("6x2+1")
    between = tuple(Row(row.baseline + 70, 1.0, LEFT, LEFT + LENGTH) for row in page.rows[1:4])
    rows = tuple(sorted((*page.rows, *between), key=lambda row: row.baseline))
    noise = np.random.default_rng(5).normal(0, 1.0, (len(rows), page.heights.shape[1]))
    beats = iter(beating(page))
    heights = np.stack([next(beats) if row in page.rows else own for row, own in zip(rows, noise, strict=True)])
    naming = name_layout(PageEvidence(rows, heights, np.zeros(heights.shape, np.float32), page.names))
    assert naming.layout == "6x2+1"
    assert [bool(slots) for slots in naming.rows] == [row in page.rows for row in rows]


def test_six_rows_without_a_sign_are_not_certain() -> None:
    assert name_layout(page_of("6x2", named=False)).certainty < 0.7


def test_twenty_rows_are_unknown() -> None:
    page = page_of("12x1")
    rows = tuple(Row(100.0 + 60 * r, 1.0, LEFT, LEFT + LENGTH) for r in range(20))
    nothing = np.full((20, page.heights.shape[1]), np.nan)
    naming = name_layout(PageEvidence(rows, nothing, np.zeros(nothing.shape, np.float32), ()))
    assert naming.layout == "unknown"
    assert naming.certainty < 0.5


@pytest.mark.parametrize("template", templates(), ids=lambda t: f"{t.name} {t.order}")
def test_each_template_shows_each_of_its_leads_once_in_the_grid(template: object) -> None:
    shown = [slot.lead for row in template.rows[: template.grid] for slot in row if slot.lead]  # type: ignore[attr-defined]
    assert len(shown) == len(set(shown))
    assert set(shown) <= set(LEADS)
    assert len(shown) == (6 if "x1-" in template.name else 12)  # type: ignore[attr-defined]


def test_columns_are_found_at_gaps_in_line() -> None:
    evidence = np.zeros((3, LEFT + LENGTH + 60), np.float32)
    for k in (1, 2, 3):
        evidence[:, LEFT + 12 + k * 370 - 4 : LEFT + 12 + k * 370 + 4] = 1.0
    columns = fit_columns(4, (LEFT, LEFT + LENGTH), evidence, np.zeros(0))
    np.testing.assert_allclose(columns.edges[1:4], [LEFT + 12 + k * 370 for k in (1, 2, 3)], atol=mm(0.7))
    assert min(columns.support) > 0.5
