"""SVG and PDF pages: read as files, and drawn by programs that are not ours."""

import re
import shutil
import subprocess
import xml.etree.ElementTree as ET
from dataclasses import replace

import numpy as np
import pypdfium2
import pytest
from PIL import Image

from retrieval.ecg.drawing import PageStyle, draw_page
from retrieval.ecg.plan import plan_page
from retrieval.ecg.vector import pdf_pages, svg_page
from tests.retrieval.ecg.test_drawing import agrees
from tests.retrieval.ecg.tracing import CABRERA, PLANS, waves

SVG = "{http://www.w3.org/2000/svg}"
TEXTS = {"header": ("SIMULATED <Ölig> & (gyp) \\", "10:30"), "interpretation": ("Sinus rhythm", "Linkstyp, größer")}
STYLE = PageStyle(grid="none", lead_names=False, pulse="none", px_per_mm=5.0)
FULL = PageStyle(px_per_mm=8.0, separators=True, scale_text=True, chest_gain=5.0, order="cabrera", **TEXTS)


def rendered(pdf, px_per_mm, number=0):
    """A page of a PDF as PDFium draws it, RGB."""
    document = pypdfium2.PdfDocument(pdf)
    return document[number].render(scale=px_per_mm * 25.4 / 72).to_numpy()[..., 2::-1]


@pytest.mark.parametrize(
    ("layout", "timing"), [("3x4+1", "sequential"), ("6x2", "simultaneous"), ("12x1", "sequential")]
)
def test_a_pdf_shows_each_lead_at_its_scale(layout, timing):
    """Read back from PDFium's pixels with the tolerances of our own."""
    style = replace(STYLE, layout=layout, timing=timing, order="cabrera", chest_gain=5.0, gain=10.0)
    page = draw_page(waves(), style)
    pixels = rendered(pdf_pages([page.plan]), 5.0)
    assert pixels.shape == page.pixels.shape
    agrees(waves(), replace(page, pixels=pixels), style)


@pytest.mark.parametrize("grid", ["pink", "green"])
@pytest.mark.parametrize("dotted", [False, True])
def test_a_pdf_is_the_page_that_is_drawn_as_pixels(grid, dotted):
    style = replace(FULL, grid=grid, dotted=dotted, header=(), interpretation=(), scale_text=False, lead_names=False)
    page = draw_page(waves(), style)
    apart = np.abs(rendered(pdf_pages([page.plan]), 8.0).astype(int) - page.pixels)
    assert apart.mean() < 4
    assert (apart.max(axis=2) > 110).mean() < 0.001


def test_the_texts_of_a_pdf_are_text_and_stand_in_their_boxes():
    """PDFium finds the words; its pixels differ from those of the twin inside the boxes only."""
    plan = plan_page(waves(), FULL)
    pdf = pdf_pages([plan, plan.without_text()])
    text = pypdfium2.PdfDocument(pdf)[0].get_textpage().get_text_range()
    for line in ("SIMULATED <Ölig> & (gyp) \\", "Linkstyp, größer", "-aVR", "25 mm/s", "10/5 mm/mV"):
        assert line in text
    changed = (rendered(pdf, 8.0) != rendered(pdf, 8.0, 1)).any(axis=2)
    assert changed.sum() > 2000
    for box in plan.text_boxes():
        x, y = int(box.x_mm * 8), int(box.y_mm * 8)
        place = slice(y, y + int(box.height_mm * 8) + 2), slice(x, x + int(box.width_mm * 8) + 2)
        assert changed[place].any()
        changed[place] = False
    assert not changed.any()


def test_each_page_of_a_pdf_has_its_own_size():
    small = replace(STYLE, layout="3x4", seconds=5.0)
    document = pypdfium2.PdfDocument(pdf_pages([plan_page(waves(), STYLE), plan_page(waves(), small)]))
    sizes = [tuple(round(side * 25.4 / 72, 2) for side in page.get_size()) for page in document]
    assert sizes == [(270.0, 140.0), (145.0, 110.0)]


@pytest.mark.parametrize("layout", CABRERA)
def test_the_paths_of_an_svg_are_the_traces_in_millimetres(layout):
    plan = plan_page(waves(), replace(FULL, layout=layout))
    root = ET.fromstring(svg_page(plan))  # noqa: S314 - our own text
    assert root.get("viewBox") == f"0 0 {plan.width_mm:g} {plan.height_mm:g}"
    paths = root.findall(f".//{SVG}path[@class='trace']")
    assert [path.get("data-lead") for path in paths] == " ".join(CABRERA[layout]).split()
    for cell, path in zip(plan.cells, paths, strict=True):
        points = np.array(re.findall(r"-?[\d.]+", path.get("d")), float).reshape(-1, 2)
        np.testing.assert_allclose(points, plan.polyline(cell), atol=6e-4)
    words = [word.text for word in root.findall(f".//{SVG}text")]
    assert words == [text.text for text in plan.letterings]


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("chromium") is None, reason="draws an SVG with chromium, which is not installed")
def test_a_browser_draws_an_svg_as_we_draw_the_page(tmp_path):
    """At 2 x 96 dpi, texts aside: their face is the browser's own."""
    style = replace(STYLE, grid="pink", px_per_mm=192 / 25.4, pulse="left", separators=True, layout="6x2+1")
    page = draw_page(waves(), style)
    (tmp_path / "page.svg").write_text(svg_page(page.plan), encoding="utf-8")
    size = f"--window-size={round(page.plan.width_mm / 25.4 * 96)},{round(page.plan.height_mm / 25.4 * 96)}"
    flags = ("--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--force-device-scale-factor=2")
    shot = f"--screenshot={tmp_path / 'page.png'}"
    call = ["chromium", *flags, f"--user-data-dir={tmp_path}", size, shot, f"file://{tmp_path / 'page.svg'}"]
    subprocess.run(call, capture_output=True, timeout=120, check=True)
    seen = np.asarray(Image.open(tmp_path / "page.png").convert("RGB"))
    height, width = (min(a, b) for a, b in zip(seen.shape[:2], page.pixels.shape[:2], strict=True))
    assert abs(seen.shape[1] - page.pixels.shape[1]) <= 2
    apart = np.abs(seen[:height, :width].astype(int) - page.pixels[:height, :width])
    assert apart.mean() < 4
    assert (apart.max(axis=2) > 110).mean() < 0.001


def test_every_layout_makes_a_file():
    plans = [plan_page(waves(), replace(STYLE, layout=layout)) for layout in PLANS]
    assert len(pypdfium2.PdfDocument(pdf_pages(plans))) == len(PLANS)
