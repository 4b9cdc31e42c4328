"""Drawn pages are read back: their scale, their layout, and traces where the canonical page has them."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from retrieval.ecg.drawing import PageStyle, draw_page
from retrieval.ecg.page import canonical_page
from retrieval.ecg.recording import Recording
from retrieval.ecg.spoil import Spoiled, spoil_with_transform
from retrieval.errors import NotAnEcg
from retrieval.intake import read
from retrieval.intake.page import read_page
from retrieval.intake.page.compose import thin

pytestmark = pytest.mark.slow


def likeness(one: np.ndarray, other: np.ndarray) -> float:
    """Correlation of two pages after a blur of half a millimetre."""
    a, b = (cv2.GaussianBlur(255.0 - page.astype(np.float32), (0, 0), 1.0).ravel() for page in (one, other))
    return float(np.corrcoef(a, b)[0, 1])


def middle_scale(spoiled: Spoiled, px_per_mm: float) -> tuple[float, float]:
    """True pixels per mm over the middle 4 cm of a spoiled picture, across whatever creases are there."""
    reach = 20.0 * px_per_mm
    x, y = spoiled.pixels.shape[1] / 2, spoiled.pixels.shape[0] / 2
    ends = spoiled.backward(np.array([[x - reach, y], [x + reach, y], [x, y - reach], [x, y + reach]])) / px_per_mm
    right, down = ends[1] - ends[0], ends[3] - ends[2]
    return 2 * reach / float(np.hypot(*right)), 2 * reach / float(np.hypot(*down))


@pytest.mark.parametrize("grid", ["pink", "green", "gray"])
@pytest.mark.parametrize("px_per_mm", [4.0, 7.3])
def test_clean_pages(heart: Recording, grid: str, px_per_mm: float) -> None:
    drawn = draw_page(heart, PageStyle(grid=grid, px_per_mm=px_per_mm))
    page, report, _ = read_page(drawn.pixels)
    assert report.px_per_mm_x == pytest.approx(px_per_mm, rel=0.02)
    assert report.px_per_mm_y == pytest.approx(px_per_mm, rel=0.02)
    assert report.layout == "3x4+1"
    assert report.certainty > 0.7
    assert likeness(page.pixels, canonical_page(heart).pixels) > 0.85


@pytest.mark.parametrize(("layout", "row_mm"), [("3x4", 30), ("3x4+3", 30), ("6x2", 24), ("6x2+1", 24), ("12x1", 18)])
def test_layouts(heart: Recording, layout: str, row_mm: float) -> None:
    page, report, _ = read_page(draw_page(heart, PageStyle(layout=layout, row_mm=row_mm)).pixels)
    assert report.layout == layout
    shown = canonical_page(heart, "3x4" if layout == "3x4" else "3x4+1").pixels
    upper = slice(0, 190) if layout == "6x2" else slice(None)  # its rhythm row is five seconds long
    assert likeness(page.pixels[upper], shown[upper]) > 0.8


def test_a_grid_other_than_that_of_the_page_is_not_reported(heart: Recording) -> None:
    """The likeness that the tests ask for is one that a wrong page does not reach."""
    drawn = draw_page(heart, PageStyle())
    page, _, _ = read_page(drawn.pixels)
    other = Recording(np.roll(heart.signal, 90, axis=1), heart.rate)
    assert likeness(page.pixels, canonical_page(other).pixels) < 0.7


def test_header_is_masked(heart: Recording) -> None:
    style = PageStyle(header=("NAME: Q. Testperson 1.1.1950", "Inferior infarct, old"))
    with_text, _, _ = read_page(draw_page(heart, style).pixels)
    without, _, _ = read_page(draw_page(heart, PageStyle(lead_names=False)).pixels)
    dark = (with_text.pixels < 128) & (cv2.erode(without.pixels, np.ones((5, 5), np.uint8)) > 128)
    assert dark.sum() < 0.06 * (without.pixels < 128).sum()


HARD = pytest.param("photo", 3, marks=pytest.mark.xfail(reason="torn, creased and curled at once: not read yet"))


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "strength"), [("scan", 1), ("scan", 3), ("photo", 1), ("photo", 2), HARD])
def test_spoiled_pages(heart: Recording, kind: str, strength: int) -> None:
    drawn = draw_page(heart, PageStyle())
    spoiled = spoil_with_transform(drawn.pixels, np.random.default_rng(strength), kind, strength)  # type: ignore[arg-type]
    page, report, _ = read_page(spoiled.pixels)
    true = middle_scale(spoiled, drawn.px_per_mm)
    assert report.px_per_mm_x == pytest.approx(true[0], rel=0.02)
    assert report.px_per_mm_y == pytest.approx(true[1], rel=0.02)
    assert report.layout == "3x4+1"
    assert likeness(page.pixels, canonical_page(heart).pixels) > 0.7


def test_skew_is_found(heart: Recording) -> None:
    pixels = draw_page(heart, PageStyle()).pixels
    height, width = pixels.shape[:2]
    turn = cv2.getRotationMatrix2D((width / 2, height / 2), 12.0, 0.95)
    turned = cv2.warpAffine(pixels, turn, (width, height), borderValue=(255, 255, 255))
    _, report, _ = read_page(np.asarray(turned, np.uint8))
    assert report.rotation_deg == pytest.approx(12.0, abs=0.5)
    assert report.px_per_mm_x == pytest.approx(6.0 * 0.95, rel=0.02)


@pytest.mark.slow
@pytest.mark.parametrize("quarters", [1, 2, 3])
def test_turned_pages(heart: Recording, quarters: int) -> None:
    pixels = draw_page(heart, PageStyle()).pixels
    page, report, _ = read_page(np.ascontiguousarray(np.rot90(pixels, quarters)))
    assert report.layout == "3x4+1"
    assert abs(report.rotation_deg) == pytest.approx({1: 90, 2: 180, 3: 90}[quarters], abs=0.5)
    if quarters != 2:  # half a turn is the same either way
        assert np.sign(report.rotation_deg) == {1: 1, 3: -1}[quarters]
    assert likeness(page.pixels, canonical_page(heart).pixels) > 0.85


@pytest.mark.slow
@pytest.mark.parametrize("quarters", [1, 3])
def test_page_on_its_side_without_print_is_turned_by_the_laws_of_its_leads(heart: Recording, quarters: int) -> None:
    pixels = draw_page(heart, PageStyle(pulse="none", lead_names=False)).pixels
    page, report, _ = read_page(np.ascontiguousarray(np.rot90(pixels, quarters)))
    assert report.rotation_deg == pytest.approx({1: 90, 3: -90}[quarters], abs=0.5)
    assert likeness(page.pixels, canonical_page(heart).pixels) > 0.85


def test_chest_leads_on_their_side_without_print_are_said_to_be_assumed(heart: Recording) -> None:
    pixels = draw_page(heart, PageStyle(layout="6x1-chest", pulse="none", lead_names=False)).pixels
    _, report, findings = read_page(np.ascontiguousarray(np.rot90(pixels, 1)))
    assert report.certainty < 0.5
    assert {"orientation", "layout"} & set(report.assumed)
    assert {"orientation_assumed", "layout_assumed"} & {finding.kind for finding in findings}


def test_page_without_ruling_says_so(heart: Recording) -> None:
    page, report, findings = read_page(draw_page(heart, PageStyle(grid="none")).pixels)
    assert "scale" in report.assumed
    assert report.certainty < 0.5
    assert any("no ruling" in finding.message for finding in findings)
    assert likeness(page.pixels, canonical_page(heart).pixels) > 0.6


@pytest.mark.slow
@pytest.mark.parametrize("suffix", ["png", "jpg", "tif", "webp", "bmp", "pdf"])
def test_files_of_each_kind(heart: Recording, tmp_path: Path, suffix: str) -> None:
    file = tmp_path / f"page.{suffix}"
    Image.fromarray(draw_page(heart, PageStyle(px_per_mm=5.0)).pixels).save(file)
    intake = read(file)
    assert intake.kind == {"tif": "tiff", "pdf": "pdf"}.get(suffix, "image")
    assert intake.recording is None
    assert intake.report is not None
    assert intake.report.layout == "3x4+1"
    assert likeness(intake.page.pixels, canonical_page(heart).pixels) > 0.8


def text_page() -> np.ndarray:
    page = np.full((1100, 850, 3), 255, np.uint8)
    words = "It was the best of times and the worst of times, so they say"
    for y in range(80, 1050, 28):
        cv2.putText(page, words, (50, y), cv2.FONT_HERSHEY_SIMPLEX, 0.62, (20, 20, 20), 1, cv2.LINE_AA)
    return page


def face() -> np.ndarray:
    page = np.full((700, 700, 3), (200, 180, 150), np.uint8)
    cv2.circle(page, (350, 350), 250, (150, 180, 230), -1)
    for x in (260, 440):
        cv2.circle(page, (x, 290), 35, (40, 40, 40), -1)
    cv2.ellipse(page, (350, 430), (110, 60), 0, 0, 180, (60, 40, 160), 12)
    return page


def chart() -> np.ndarray:
    page = np.full((600, 900, 3), 255, np.uint8)
    for y in range(60, 560, 60):
        cv2.line(page, (60, y), (860, y), (210, 210, 210), 1)
    rng = np.random.default_rng(3)
    points = np.stack([np.linspace(60, 860, 60), 300 + 40 * rng.standard_normal(60).cumsum() / 4], axis=1)
    cv2.polylines(page, [points.astype(np.int32).reshape(-1, 1, 2)], False, (180, 80, 30), 3, cv2.LINE_AA)
    return page


def graph_paper() -> np.ndarray:
    page = np.full((800, 1200, 3), 255, np.uint8)
    page[::8] = page[:, ::8] = (230, 200, 200)
    page[::40] = page[:, ::40] = (200, 120, 120)
    return page


@pytest.mark.parametrize(
    "picture",
    [
        text_page(),
        face(),
        chart(),
        graph_paper(),
        np.full((500, 700, 3), 255, np.uint8),
        np.zeros((500, 700, 3), np.uint8),
        np.random.default_rng(0).integers(0, 256, (600, 800, 3), dtype=np.uint8),
        np.full((90, 90, 3), 200, np.uint8),
    ],
    ids=["text", "face", "chart", "graph paper", "white", "black", "noise", "tiny"],
)
def test_pictures_of_other_things_are_refused(picture: np.ndarray) -> None:
    with pytest.raises(NotAnEcg) as caught:
        read_page(picture)
    assert len(str(caught.value)) > 30


def test_thinning_keeps_lines_whole_and_one_pixel_wide() -> None:
    mask = np.zeros((60, 120), np.uint8)
    cv2.line(mask, (10, 30), (110, 30), 1, 5)
    cv2.line(mask, (60, 5), (60, 55), 1, 5)
    skeleton = thin(mask)
    assert ((skeleton == 1) <= (mask == 1)).all()
    assert cv2.connectedComponents(skeleton, connectivity=8)[0] == 2
    assert skeleton[:, 20:50].sum(axis=0).max() == 1
    assert skeleton.sum() > 120


@pytest.mark.realdata
@pytest.mark.parametrize(
    ("name", "layout"),
    [
        ("scans/photos/ecg00006.png", "3x4+3"),
        ("scans/photos/ecg00012.jpg", "3x4+1"),
        ("scans/photos/ecg00018.jpg", "3x4"),
        ("scans/photos/ecg00034.jpg", "3x4+1"),
        ("scans/photos/ecg00038.jpg", "3x4+1"),
        ("scans/labelled/HB(1).jpg", "3x4+1"),
    ],
)
def test_real_pages(shared: Path, name: str, layout: str) -> None:
    report = read(shared / name).report
    assert report is not None
    assert report.layout == layout


@pytest.mark.realdata
@pytest.mark.parametrize("number", [0, 13, 27])
def test_prints_have_their_vector_scale(shared: Path, number: int) -> None:
    report = read(sorted((shared / "prints").glob("*.pdf"))[number]).report
    assert report is not None
    assert report.layout == "3x4+1"
    assert report.px_per_mm_x == pytest.approx(200 / 25.4, rel=0.002)
    assert report.px_per_mm_y == pytest.approx(200 / 25.4, rel=0.002)


@pytest.mark.realdata
def test_ptbxl_record(shared: Path) -> None:
    header = next((shared / "ptbxl" / "records100").glob("*/*.hea"))
    recording = read(header).recording
    assert recording is not None
    raw = np.fromfile(header.with_suffix(".dat"), "<i2").reshape(-1, 12)
    np.testing.assert_allclose(recording.signal, raw.T / 1000.0, atol=1e-6)
