"""Parts of pages, two pages in one picture, and light traces on a dark ground."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from retrieval.ecg.drawing import PageStyle, draw_page
from retrieval.ecg.recording import LEADS, Recording
from retrieval.ecg.simulator import simulate
from retrieval.errors import NotAnEcg
from retrieval.intake.correction import Correction
from retrieval.intake.page.cut import part_below, parts_across, width_odds
from retrieval.intake.page.naming import Naming
from retrieval.intake.page.negative import is_negative, positive_of
from retrieval.intake.page.reading import understand
from retrieval.intake.page.reporting import guessed_strips
from retrieval.intake.page.templates import Slot, templates
from tests.retrieval.intake.page.test_understand import boxes_off_mm

STYLE = PageStyle(layout="3x4+1", grid="red", px_per_mm=5.0)


@given(st.sampled_from(templates()), st.floats(20, 700))
def test_parts_are_columns_of_their_whole_that_follow_each_other(template, length_mm) -> None:
    for part in parts_across(template, length_mm):
        assert (part.name, part.order, part.grid) == (template.name, template.order, template.grid)
        assert part.prior < template.prior
        for row, whole in zip(part.rows, template.rows, strict=True):
            own = whole[part.first : part.first + part.columns] if len(whole) > 1 else whole
            assert row == own
            assert all(isinstance(slot, Slot) for slot in row)
        assert part.first == 0 if part.cut == "right" else part.first + part.columns == template.columns
        assert width_odds(part, length_mm) == 0.0


def test_only_layouts_whose_columns_have_a_width_are_cut() -> None:
    cut = {template.name for template in templates() for _ in parts_across(template, 180.0)}
    assert cut == {"3x4", "3x4+1", "3x4+2", "3x4+3", "6x2", "6x2+1"}
    assert not list(parts_across(templates()[0], 250.0)), "rows of ten seconds show all of it"
    below = {template.name for template in templates() for _ in part_below(template)}
    assert below == {"3x4+1", "3x4+2", "3x4+3"}, "two rows are no page"


@pytest.mark.parametrize(
    ("cut", "strip", "guessed"), [("left", "II", ("II",)), ("left", "V1", ()), ("right", "II", ()), ("", "II", ())]
)
def test_a_strip_whose_name_is_cut_away_is_a_guess_unless_its_lead_stands_above(
    cut: str, strip: str, guessed: tuple[str, ...]
) -> None:
    grid = tuple((Slot(f"V{i}"), Slot(f"V{i + 3}")) for i in (1, 2, 3))
    found = Naming("3x4+1", "standard", ((), *grid, (Slot(strip),)), {}, 0.9, cut=cut)
    assert guessed_strips(found) == guessed
    assert guessed_strips(replace(found, rows=((Slot(strip),),))) == (), "no columns, no strips beside them"


@pytest.mark.slow
@pytest.mark.parametrize(("first", "last"), [(0.0, 0.5), (0.27, 1.0)])
def test_a_cropped_page_shows_the_leads_that_are_left(heart: Recording, first: float, last: float) -> None:
    drawn = draw_page(heart, replace(STYLE, separators=True))
    strip = drawn.cells[-1]
    left = 0 if first == 0 else round((strip.x_mm + first * strip.width_mm) * drawn.px_per_mm)
    right = None if last == 1 else round((strip.x_mm + last * strip.width_mm) * drawn.px_per_mm)
    reading = understand(np.ascontiguousarray(drawn.pixels[:, left:right]))
    shown = {LEADS[i] for i in range(12) if first * 4 - 0.5 < i // 3 < last * 4 - 0.05}
    assert {lead.lead for lead in reading.report.leads[:-1]} == shown
    assert reading.report.layout == "3x4+1"
    kinds = {finding.kind for finding in reading.findings}
    assert {"cut_off", "lead_missing"} <= kinds


@pytest.mark.slow
def test_a_page_that_lost_its_first_row_is_not_read_one_row_too_high(heart: Recording) -> None:
    drawn = draw_page(heart, replace(STYLE, separators=True))
    second = next(cell.baseline_mm for cell in drawn.cells if cell.lead == "II")
    first = next(cell.baseline_mm for cell in drawn.cells if cell.lead == "I")
    top = round((first + 0.55 * (second - first)) * drawn.px_per_mm)
    reading = understand(np.ascontiguousarray(drawn.pixels[top:]))
    assert [lead.lead for lead in reading.report.leads] == ["II", "aVL", "V2", "V5", "III", "aVF", "V3", "V6", "II"]
    assert "cut_off" in {finding.kind for finding in reading.findings}


@pytest.mark.slow
def test_two_ecgs_in_one_picture_are_not_read_without_a_doubt(heart: Recording) -> None:
    pages = [draw_page(recording, STYLE).pixels for recording in (heart, simulate(71).recording)]
    for two in (np.vstack(pages), np.vstack([pages[0]] * 2)):
        try:
            reading = understand(two)
        except NotAnEcg:
            continue
        assert reading.report.certainty < 0.5


@pytest.mark.slow
@pytest.mark.parametrize(("grid", "colour"), [("red", "inverted"), ("gray", "night"), ("none", "green")])
def test_light_traces_on_a_dark_ground_are_read(heart: Recording, grid: str, colour: str) -> None:
    drawn = draw_page(heart, replace(STYLE, grid=grid))
    pixels = 255 - drawn.pixels
    if colour == "night":
        pixels = positive_of(drawn.pixels)
    elif colour == "green":
        gray = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)
        pixels = np.asarray(np.dstack([gray // 8, gray, gray // 6]), np.uint8)
    assert is_negative(pixels)
    reading = understand(pixels)
    assert boxes_off_mm(drawn, reading) < 3.0
    assert reading.report.layout == "3x4+1"
    assert "negative" in {finding.kind for finding in reading.findings}


@pytest.mark.parametrize("level", [1.0, 0.4])
def test_a_page_is_no_negative_however_dark_it_was_photographed(heart: Recording, level: float) -> None:
    pixels = (draw_page(heart, STYLE).pixels * level).astype(np.uint8)
    assert not is_negative(pixels)
    table = np.full((pixels.shape[0] * 2, pixels.shape[1] * 2, 3), 20, np.uint8)
    table[: pixels.shape[0], : pixels.shape[1]] = pixels
    assert not is_negative(table)


def test_what_is_no_ecg_is_refused_in_the_dark_too() -> None:
    rng = np.random.default_rng(3)
    stars = np.zeros((600, 900, 3), np.uint8)
    stars[rng.integers(0, 600, 400), rng.integers(0, 900, 400)] = 255
    with pytest.raises(NotAnEcg):
        understand(stars)


@pytest.mark.slow
def test_a_negative_is_read_with_a_layout_that_was_set_by_hand(heart: Recording) -> None:
    drawn = draw_page(heart, STYLE)
    reading = understand(255 - drawn.pixels, Correction(layout="3x4+1"))
    assert boxes_off_mm(drawn, reading) < 3.0
