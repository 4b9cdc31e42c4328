"""Drawn pages of many kinds are read back: every lead's box, speed and gain, and print masked with traces kept."""

from __future__ import annotations

import traceback
from dataclasses import replace
from typing import Any

import cv2
import numpy as np
import pytest

from eval.bench.refusals.pictures import face
from retrieval.ecg.drawing import DrawnPage, PageStyle, draw_page
from retrieval.ecg.page import canonical_page
from retrieval.ecg.recording import Recording
from retrieval.errors import NotAnEcg
from retrieval.intake.correction import Correction
from retrieval.intake.heartbeat import CommonBeats, common_beats
from retrieval.intake.page import analysis, reading
from retrieval.intake.page.analysis import analyse
from retrieval.intake.page.flattening import flatten_picture
from retrieval.intake.page.naming import Naming
from retrieval.intake.page.reading import HOPELESS, PageReading, _doubted, _sized, understand, understand_as_set
from retrieval.intake.page.reporting import DOUBTED, doubts, report_of
from retrieval.intake.page.rows import Row
from retrieval.intake.page.sight import Sight
from tests.retrieval.intake.test_pages import likeness

pytestmark = pytest.mark.slow

TEXT = ("NAME: Q. Testperson 1.1.1950", "Inferior infarct, old")


def boxes_off_mm(drawn: DrawnPage, reading: PageReading) -> float:
    """The largest distance in mm of an end or a baseline from where it was drawn; infinite if a lead is missing."""
    found = {(lead.lead, lead.row): lead for lead in reading.report.leads}
    worst = 0.0
    for cell in drawn.cells:
        lead = found.get((cell.lead, cell.row))
        if lead is None or lead.inverted != cell.inverted:
            return float("inf")
        corners = (np.array(lead.box) + 0.5) / drawn.px_per_mm
        left, right, middle = corners[[0, 3], 0].mean(), corners[[1, 2], 0].mean(), corners[:, 1].mean()
        ends = left - cell.x_mm, right - cell.x_mm - cell.width_mm, middle - cell.baseline_mm
        worst = max(worst, *(abs(float(end)) for end in ends))
    return worst


def masks_on_flat(drawn: DrawnPage, reading: PageReading) -> tuple[float, float]:
    """Share of the traces' pixels that is kept, and of the print's that is not masked."""
    height, width = reading.kept.shape
    y, x = np.mgrid[0:height, 0:width]
    places = reading.to_picture(np.stack([x.ravel(), y.ravel()], axis=1).astype(float)).astype(np.float32)
    at = places.reshape(height, width, 2)

    def flat(name: str) -> np.ndarray:
        ink = drawn.mask(name, least=0.5).astype(np.float32)
        return cv2.remap(ink, at[..., 0], at[..., 1], cv2.INTER_LINEAR) > 0.5

    traces, text = flat("traces"), flat("text")
    text &= ~(cv2.dilate(traces.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0)
    return float(reading.kept[traces].mean()), float(reading.kept[text].mean())


@pytest.mark.parametrize(
    "style",
    [
        PageStyle(layout="3x4", order="cabrera", row_mm=34),
        PageStyle(layout="3x4+1", rhythm="V1", separators=True),
        PageStyle(layout="3x4+3", pulse="right", row_mm=24, grid="blue"),
        PageStyle(layout="6x2", timing="simultaneous", row_mm=22),
        PageStyle(layout="6x2+1", order="cabrera", row_mm=22, header=TEXT),
        PageStyle(layout="12x1", row_mm=16, pulse="none"),
        PageStyle(layout="6x1-limb", row_mm=25, grid="green"),
        PageStyle(layout="6x1-chest", row_mm=28, interpretation=TEXT),
    ],
    ids=lambda style: f"{style.layout} {style.order}",
)
def test_layout_and_boxes(heart: Recording, style: PageStyle) -> None:
    drawn = draw_page(heart, style)
    reading = understand(drawn.pixels)
    assert (reading.report.layout, reading.report.order) == (style.layout, style.order)
    assert reading.report.certainty > 0.5
    assert boxes_off_mm(drawn, reading) < 2.0


@pytest.mark.parametrize(
    ("speed", "gain", "chest"), [(50.0, 10.0, None), (25.0, 5.0, None), (25.0, 20.0, None), (25.0, 10.0, 5.0)]
)
def test_speed_and_gain_are_found_and_taken_out(
    heart: Recording, speed: float, gain: float, chest: float | None
) -> None:
    style = PageStyle(speed=speed, gain=gain, chest_gain=chest, row_mm=40)
    reading = understand(draw_page(heart, style).pixels)
    report = reading.report
    assert (report.speed, report.gain, report.chest_gain) == (speed, gain, chest or gain)
    kinds = {finding.kind for finding in reading.findings}
    assert ("unusual_speed" in kinds) == (speed != 25.0)
    assert ("unusual_gain" in kinds) == (gain != 10.0 or chest is not None)
    assert likeness(reading.page.pixels, canonical_page(heart).pixels) > 0.75


def test_print_is_masked_and_traces_are_kept(heart: Recording) -> None:
    drawn = draw_page(heart, PageStyle(header=TEXT, interpretation=TEXT, scale_text=True, separators=True))
    kept, left = masks_on_flat(drawn, understand(drawn.pixels))
    assert kept > 0.97
    assert left < 0.005


def test_print_regions_cover_the_header(heart: Recording) -> None:
    drawn = draw_page(heart, PageStyle(header=TEXT))
    reading = understand(drawn.pixels)
    boxes = [np.array(region) for region in reading.report.masked]
    for text in drawn.texts:
        middle = np.array([text.x_mm + text.width_mm / 2, text.y_mm + text.height_mm / 2]) * drawn.px_per_mm
        inside = [(box.min(axis=0) <= middle).all() and (middle <= box.max(axis=0)).all() for box in boxes]
        assert any(inside) or text.text in {"I", "II", "III"}, text.text


def test_without_pulse_and_print_the_gain_is_assumed(heart: Recording) -> None:
    reading = understand(draw_page(heart, PageStyle(pulse="none", lead_names=False)).pixels)
    assert "gain" in reading.report.assumed
    assert "gain_assumed" in {finding.kind for finding in reading.findings}


def test_an_empty_place_is_reported(heart: Recording) -> None:
    drawn = draw_page(heart, PageStyle(grid="none", px_per_mm=6.0))
    cell = next(cell for cell in drawn.cells if cell.lead == "V2")
    left, right = round(cell.x_mm * 6 + 6), round((cell.x_mm + cell.width_mm) * 6 - 6)
    drawn.pixels[round(cell.baseline_mm * 6 - 84) : round(cell.baseline_mm * 6 + 84), left:right] = 255
    reading = understand(drawn.pixels)
    assert "V2" not in {lead.lead for lead in reading.report.leads}
    assert any(f.kind == "lead_missing" and "V2" in f.message for f in reading.findings)


def test_rows_of_lines_without_any_sign_of_an_ecg_are_refused() -> None:
    rng = np.random.default_rng(5)
    page = np.full((900, 1400, 3), 255, np.uint8)
    for base in range(120, 860, 120):
        line = base + np.cumsum(rng.normal(0, 2.5, 1200)) * 0.3 + 8 * rng.standard_normal(1200)
        points = np.stack([np.arange(100, 1300), line], axis=1).astype(np.int32).reshape(-1, 1, 2)
        cv2.polylines(page, [points], False, (20, 20, 20), 2, cv2.LINE_AA)
    with pytest.raises(NotAnEcg):
        understand(page)


@pytest.mark.parametrize("layout", ["12x1", "6x2"])
def test_a_page_half_of_which_is_covered_is_not_certain(heart: Recording, layout: str) -> None:
    drawn = draw_page(heart, PageStyle(layout=layout, row_mm=20))
    drawn.pixels[:, drawn.pixels.shape[1] // 2 :] = 128
    reading = understand(drawn.pixels)
    assert reading.report.certainty < 0.5
    assert "cut_off" in {finding.kind for finding in reading.findings}


CLEAR = Naming("3x4", "standard", (), {}, certainty=0.98)


def test_a_page_that_fits_no_arrangement_is_refused(heart: Recording) -> None:
    reading = understand(draw_page(heart, PageStyle(layout="3x4")).pixels)
    beats = common_beats(reading.page)
    assert _doubted(reading.report, beats, CLEAR) == reading.report
    with pytest.raises(NotAnEcg, match=r"^lines were found in 3 rows, but they fit no arrangement of leads"):
        _doubted(replace(reading.report, certainty=0.01), beats, CLEAR)
    short = tuple(replace(lead, seconds=0.5) for lead in reading.report.leads)
    with pytest.raises(NotAnEcg, match=r"^the longest lead would show 0\.5 s"):
        _doubted(replace(reading.report, leads=short), beats, CLEAR)


def test_rows_of_no_arrangement_must_beat_together_on_the_canonical_page_too(heart: Recording) -> None:
    report = replace(understand(draw_page(heart, PageStyle(layout="3x4")).pixels).report, certainty=0.3)
    unclear = replace(CLEAR, certainty=0.001)
    assert _doubted(report, CommonBeats(agreement=0.8, pairs=12), unclear) == report
    with pytest.raises(NotAnEcg, match="fit no arrangement"):
        _doubted(report, CommonBeats(agreement=0.35, pairs=12), unclear)


def test_names_at_their_places_leave_doubt_where_nothing_moves_together(heart: Recording) -> None:
    report = understand(draw_page(heart, PageStyle(layout="3x4")).pixels).report
    strange = CommonBeats(agreement=0.0, pairs=12)
    with pytest.raises(NotAnEcg, match="do not move together"):
        _doubted(report, strange, replace(CLEAR, named=2))
    assert _doubted(report, strange, replace(CLEAR, named=9)).certainty == DOUBTED


def test_rows_that_beat_together_without_another_sign_are_read_and_doubted(heart: Recording) -> None:
    flat = flatten_picture(draw_page(heart, PageStyle(layout="6x2", row_mm=28)).pixels)
    assert flat is not None
    found = analyse(Sight(flat))
    assert found.naming.beating
    unclear = replace(found.naming, certainty=0.001)
    beating, not_beating = (
        report_of(replace(found, naming=replace(unclear, beating=beats)), (1500, 1500)).certainty
        for beats in (True, False)
    )
    assert not_beating < HOPELESS < beating < 0.5


def test_faded_traces_are_looked_for_again_under_streaks_and_dirt(heart: Recording) -> None:
    drawn = draw_page(heart, PageStyle(layout="3x4+1", px_per_mm=6.0))
    page = drawn.pixels.astype(np.float32)
    ink = drawn.mask("traces").astype(np.float32)[..., None]
    page += 0.72 * ink * (255 - page)
    rng = np.random.default_rng(8)
    for y, x in rng.integers(10, np.array(page.shape[:2]) - 10, (260, 2)):
        cv2.circle(page, (int(x), int(y)), int(rng.integers(2, 6)), (10, 10, 10), -1)
    picture = page.astype(np.uint8)
    flat = flatten_picture(picture)
    assert flat is not None
    with pytest.raises(NotAnEcg):
        analyse(Sight(flat))
    reading = understand(picture)
    assert reading.report.layout == "3x4+1"
    assert boxes_off_mm(drawn, reading) < 3.0
    by_hand = understand_as_set(np.ascontiguousarray(np.rot90(picture, -1)), Correction(turns=1))
    assert by_hand.report.layout == "3x4+1"


def test_an_assumed_size_is_mended_by_the_rows_that_are_left(heart: Recording) -> None:
    drawn = draw_page(heart, PageStyle(layout="3x4", grid="none", px_per_mm=6.0))
    flat = flatten_picture(drawn.pixels)
    assert flat is not None
    assert not flat.ruled
    small = flat.sized(0.93)
    assert small.px_per_mm == pytest.approx((flat.px_per_mm[0] / 0.93,) * 2)
    corner = np.array([[100.0, 100.0]])
    assert small.to_picture(corner * 0.93) == pytest.approx(flat.to_picture(corner), abs=0.6)
    found = analyse(Sight(small))
    assert found.size == pytest.approx(1 / 0.93, rel=0.015)
    again = _sized(found, Sight(small), Correction())
    assert again.page.px_per_mm[0] == pytest.approx(6.0, rel=0.015)


@pytest.mark.parametrize(
    ("speed", "gain", "row_mm"), [(50.0, 10.0, 28.0), (25.0, 5.0, 28.0), (25.0, 10.0, 28.0), (50.0, 10.0, 40.0)]
)
def test_rows_too_close_for_25_mm_a_second_run_at_50(
    heart: Recording, speed: float, gain: float, row_mm: float
) -> None:
    """Half as large a pulse of 10 mm/mV at 50 mm/s is one of 5 mm/mV at 25 mm/s: the distance of rows tells."""
    style = PageStyle(layout="3x4", grid="none", px_per_mm=4.0, speed=speed, gain=gain, row_mm=row_mm, pulse="left")
    report = understand(draw_page(heart, style).pixels).report
    if row_mm * 25.0 / speed < 19.0:
        assert (report.speed, report.gain) == (50.0, 10.0)
        assert report.px_per_mm_x == pytest.approx(4.0, rel=0.015)
    else:
        assert report.speed == 25.0
        assert report.px_per_mm_x == pytest.approx(4.0 * speed / 25.0, rel=0.015)
    assert [lead.seconds for lead in report.leads] == pytest.approx([2.5] * 12, abs=0.1)


@pytest.mark.parametrize("speed", [25.0, 50.0])
def test_a_speed_set_by_hand_decides_how_large_a_page_without_ruling_is(heart: Recording, speed: float) -> None:
    style = PageStyle(layout="3x4", grid="none", px_per_mm=4.0, speed=50.0, row_mm=28.0, pulse="left")
    report = understand_as_set(draw_page(heart, style).pixels, Correction(speed=speed)).report
    assert report.px_per_mm_x == pytest.approx(4.0 * 50.0 / speed, rel=0.015)


def test_six_rows_of_one_lead_are_doubted_without_their_names(heart: Recording) -> None:
    flat = flatten_picture(draw_page(heart, PageStyle(layout="6x1-chest", row_mm=28)).pixels)
    assert flat is not None
    found = analyse(Sight(flat))
    assert found.naming.layout == "6x1-chest"
    assert not doubts(found.naming, found.rows, found.cells)
    assert doubts(replace(found.naming, named=1), found.rows, found.cells)


def test_limb_leads_that_break_their_laws_are_doubted_without_names(heart: Recording) -> None:
    flat = flatten_picture(draw_page(heart, PageStyle(layout="3x4+1")).pixels)
    assert flat is not None
    found = analyse(Sight(flat))
    assert found.naming.lawful > 0.0
    for named, lawful, doubted in ((9, -3.0, False), (1, 3.0, False), (1, -3.0, True)):
        assert doubts(replace(found.naming, named=named, lawful=lawful), found.rows, found.cells) is doubted


def test_rows_are_found_again_once_an_edge_is_taken_out(heart: Recording, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beside the dark edge of a scan weak rows are not seen."""

    def edge_on_top(pixels: np.ndarray, rows: tuple[Row, ...]) -> tuple[tuple[Row, ...], np.ndarray]:
        return rows[:2], np.arange(len(pixels)) > 12

    monkeypatch.setattr(analysis, "within_edges", edge_on_top)
    flat = flatten_picture(draw_page(heart, PageStyle(layout="3x4+1")).pixels)
    assert flat is not None
    assert analyse(Sight(flat)).naming.layout == "3x4+1"


def test_a_page_with_too_few_rows_is_not_tried_on_its_head(heart: Recording, monkeypatch: pytest.MonkeyPatch) -> None:
    quarters: list[int] = []
    tried = analysis._try

    def counted(sight: Any, turns: int) -> Any:
        quarters.append(turns)
        return tried(sight, turns)

    monkeypatch.setattr(analysis, "_try", counted)
    two_rows = draw_page(heart, PageStyle(layout="6x2", row_mm=28, px_per_mm=5.0)).pixels[: 76 * 5]
    with pytest.raises(NotAnEcg, match="2 rows of traces were found"):
        understand(two_rows)
    assert quarters
    assert 2 not in quarters


@pytest.mark.slow
def test_a_face_whose_strokes_do_not_beat_together_is_looked_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It takes seconds each time, and its broken strokes make more rows than were seen, as those of a copy do."""
    looks: list[dict[str, Any]] = []

    def counted(*args: Any, **how: Any) -> Any:
        looks.append(how)
        return analyse(*args, **how)

    monkeypatch.setattr(reading, "analyse", counted)
    with pytest.raises(NotAnEcg, match="no ruled paper"):
        understand(face(np.random.default_rng(1)))
    assert looks == [{"broken": False}]


def test_a_refusal_keeps_nothing_of_the_page(heart: Recording) -> None:
    """Its traceback would hold every array of the page until the next one is read."""
    upside_down = draw_page(heart, PageStyle(layout="3x4")).pixels[: 30 * 5]
    with pytest.raises(NotAnEcg) as refusal:
        understand(np.ascontiguousarray(np.vstack([upside_down, upside_down[::-1]])))
    frames = [frame.name for frame in traceback.extract_tb(refusal.value.__traceback__)]
    assert "_analyse" not in frames
