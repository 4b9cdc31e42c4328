"""The truth of drawn pages follows them into the picture, and the judge tells right from wrong."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from eval.bench.intake_pages import done_before, report
from eval.bench.pages.clean import CleanPage, PlacedLead, pictured
from eval.bench.pages.drawn import drawn_page
from eval.bench.pages.judging import PageScore, judge, score
from eval.bench.pages.plan import ROWS, SEEDS_A_ROW, make, pages_of, seed_of, spoil_as, tasks
from eval.bench.pages.renderers import print_page
from eval.bench.pages.tables import HEAD, figures
from eval.bench.truth import load_truth
from retrieval.intake.page.reading import PageReading, understand

SEED = 500_001  # beyond the seeds that are reported


@pytest.fixture(scope="module")
def page() -> CleanPage:
    return drawn_page(SEED)


@pytest.fixture(scope="module")
def reading(page: CleanPage) -> PageReading:
    return understand(page.pixels)


def test_seeds_stay_in_their_range() -> None:
    every = [seed_of(row, page) for row, page in tasks(2000)]
    assert len(set(every)) == len(every)
    assert max(seed_of(len(ROWS) - 1, SEEDS_A_ROW - 1), *every) < 100_000
    assert sum(pages_of(row, 2000) for row in ROWS) == 2000


def test_the_same_seed_gives_the_same_page(page: CleanPage) -> None:
    again = drawn_page(SEED)
    assert np.array_equal(again.pixels, page.pixels)
    assert again.leads == page.leads


def test_print_and_trace_do_not_share_a_pixel(page: CleanPage) -> None:
    assert page.text is not None
    assert page.traces is not None
    assert page.text.any()
    assert page.traces.any()
    assert not (page.text & page.traces).any()
    dark = page.pixels.min(axis=2) < 140
    assert dark[page.traces].mean() > 0.95


def test_where_things_lie_in_a_picture() -> None:
    leads = (PlacedLead("I", 0, 20, 100, 40), PlacedLead("II", 1, 20, 100, 80))
    clean = CleanPage(np.zeros((10, 10, 3), np.uint8), 4.0, "3x4", leads, 40.0)
    doubled = pictured(clean, lambda points: points * 2, (2000, 2000))
    assert doubled.px_per_mm == pytest.approx((8.0, 8.0))
    assert doubled.corners[0] == pytest.approx(2 * (np.array([20, 20]) * 4 - 0.5))
    cut = pictured(clean, lambda points: points, (320, 240))  # the picture ends at 80 x 60 mm
    assert [lead.lead for lead in cut.leads] == ["I"]
    assert cut.leads[0].box[1, 0] == pytest.approx(80 * 4 - 0.5, abs=4)


def test_the_scale_is_that_of_the_middle_and_not_of_a_dent() -> None:
    leads = (PlacedLead("I", 0, 0, 200, 50),)
    clean = CleanPage(np.zeros((10, 10, 3), np.uint8), 4.0, "3x4", leads, 100.0)

    def dented(points: np.ndarray) -> np.ndarray:
        """A dent 4 mm wide in the middle moves the paper by up to 1 mm."""
        return points + np.column_stack(
            [4 * np.exp(-((points[:, 0] - 400) ** 2) / 2 / 16**2) * np.sign(points[:, 0] - 400), 0 * points[:, 0]]
        )

    assert pictured(clean, dented, (900, 900)).px_per_mm[0] == pytest.approx(4.0, rel=0.01)


def test_what_is_read_is_judged(page: CleanPage, reading: PageReading) -> None:
    size = page.pixels.shape[1::-1]
    found = judge(reading, page, lambda points: points, size)
    assert found.verdict == "right"
    assert found.text_px > 100
    assert found.text_left <= 0.005 * found.text_px
    assert found.trace_kept >= 0.98 * found.trace_px


def test_the_judge_tells_what_is_wrong(page: CleanPage, reading: PageReading) -> None:
    size = page.pixels.shape[1::-1]

    def stay(points: np.ndarray) -> np.ndarray:
        return points

    scale = reading.report.px_per_mm_x
    off = replace(reading, report=replace(reading.report, px_per_mm_x=scale * 1.03, certainty=0.9))
    assert judge(off, page, stay, size).verdict == "nearly"
    off = replace(reading, report=replace(reading.report, px_per_mm_x=scale * 1.06, certainty=0.9))
    assert judge(off, page, stay, size).verdict == "wrong, silent"
    everything = replace(reading, kept=np.ones_like(reading.kept))
    leaked = judge(everything, page, stay, size)
    assert leaked.text_left > 0.99 * leaked.text_px
    nothing = replace(reading, kept=np.zeros_like(reading.kept))
    assert judge(nothing, page, stay, size).trace_kept == 0
    aside = judge(reading, page, lambda points: points + np.array([30 * page.px_per_mm, 0]), (10**5, 10**5))
    assert aside.boxes_right == 0
    assert aside.corner_mm == pytest.approx(30, abs=2)


def test_a_refusal_is_a_score(page: CleanPage) -> None:
    blank = np.full((400, 600, 3), 255, np.uint8)
    found = score(blank, page, lambda points: points)
    assert found.verdict == "refused"
    assert found.reason


@pytest.mark.parametrize("row", [i for i, row in enumerate(ROWS) if row.way in ("held out", "turned")][:2])
def test_a_row_is_spoiled_as_its_name_says(row: int, page: CleanPage) -> None:
    picture = spoil_as(ROWS[row], page, np.random.default_rng(0))
    assert picture.shows is not None
    there = picture.forward(np.array([[10.0, 10.0]]))
    assert there.shape == (1, 2)
    assert not np.array_equal(picture.pixels, page.pixels)


def test_pages_are_made_by_row_and_number() -> None:
    clean, picture = make(0, SEEDS_A_ROW - 1)
    assert np.array_equal(clean.pixels, picture.pixels)


def as_score(row: int, found: PageScore) -> dict[str, object]:
    return {"row": row, "page": 0, "drawn": {"layout": "3x4"}, **found.__dict__}


def test_tables_count_a_refusal_as_a_miss() -> None:
    right = PageScore("right", 1.0, "3x4", True, 0.01, 1.0, 12, 12, 12, 0, 0.9, True, 1000, 5, 1000, 990)
    refused = PageScore("refused", 3.0)
    cells = dict(zip(HEAD, figures([as_score(1, right), as_score(1, refused)]), strict=True))
    assert cells["pitch within 2 %"] == cells["layout"] == cells["right"] == cells["every box"] == "50.0 %"
    assert cells["refused"] == "50.0 %"
    assert (cells["text masked"], cells["traces kept"], cells["CPU s"]) == ("99.50 %", "99.00 %", "2.0")
    text = report([as_score(1, right), as_score(2, refused)])
    assert "| scan 1 |" in text
    assert "| scan, paper and fax | 2 |" in text


def test_a_run_that_was_cut_off_goes_on(tmp_path: Path) -> None:
    out = tmp_path / "scores.jsonl"
    out.write_text(json.dumps({"row": 0, "page": 0}) + '\n{"row": 0, "pa')
    assert done_before(out) == [{"row": 0, "page": 0}]
    assert done_before(tmp_path / "none.jsonl") == []


@pytest.mark.realdata
def test_a_real_print_is_judged(shared: Path) -> None:
    truth = load_truth()["10401_hr.pdf"]
    clean = print_page(shared / "prints" / truth.file, truth)
    found = score(clean.pixels, clean, lambda points: points)
    assert found.leads == 13
    assert found.pitch_error is not None
    assert found.pitch_error < 0.02
