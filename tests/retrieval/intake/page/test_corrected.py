"""Pages read as somebody set them: the part that was marked, which way up, layout, speed and gain."""

from __future__ import annotations

import io
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from retrieval.ecg.drawing import PageStyle, draw_page
from retrieval.ecg.recording import Recording
from retrieval.errors import BadArgument
from retrieval.intake import read
from retrieval.intake.correction import Correction
from retrieval.intake.page import read_page
from retrieval.intake.result import IntakeReport
from tests.retrieval.intake.makers import dicom, pages
from tests.retrieval.wfdb_files import write_wfdb

pytestmark = pytest.mark.slow
Upright = tuple[np.ndarray, IntakeReport, np.ndarray]
"""A picture, what was found on it, and the canonical page that was made of it."""


def off(one: IntakeReport, other: IntakeReport, matrix: np.ndarray | None = None) -> float:
    """The farthest that a corner of a lead's box lies from the other's, moved by a projective map, in pixels."""
    boxes = {(lead.lead, lead.row): np.array(lead.box) for lead in other.leads}
    assert {(lead.lead, lead.row) for lead in one.leads} == set(boxes)
    worst = 0.0
    for lead in one.leads:
        box = np.array(lead.box)[None].astype(np.float64)
        moved = box if matrix is None else cv2.perspectiveTransform(box, matrix)
        worst = max(worst, float(np.abs(moved[0] - boxes[lead.lead, lead.row]).max()))
    return worst


@pytest.fixture(scope="module")
def upright(heart: Recording) -> Upright:
    pixels = draw_page(heart, PageStyle()).pixels
    page, report, _ = read_page(pixels)
    return pixels, report, page.pixels


def test_a_part_of_a_picture_is_read_and_counts_in_the_whole(upright: Upright) -> None:
    """A second page lies below; the marked one is read, at its place in the whole picture."""
    pixels, report, seen = upright
    height, width = pixels.shape[:2]
    both = np.vstack([np.rot90(pixels, 2), pixels])
    corners = ((0, height), (width - 1, height), (width - 1, 2 * height - 1), (0, 2 * height - 1))
    page, found, findings = read_page(both, Correction(corners=corners))
    assert [finding.kind for finding in findings][:1] == ["corrected"]
    assert found.picture == (width, 2 * height)
    assert off(found, report, np.array([[1.0, 0, 0], [0, 1, -height], [0, 0, 1]])) < 3
    assert np.array_equal(page.pixels, seen)


def test_a_slanted_part_counts_in_the_pixels_of_the_photo(upright: Upright) -> None:
    pixels, report, _ = upright
    height, width = pixels.shape[:2]
    seat = np.array([[120, 60], [width - 60, 130], [width - 10, height + 40], [60, height - 10]], np.float32)
    there = np.array([[0, 0], [width - 1, 0], [width - 1, height - 1], [0, height - 1]], np.float32)
    way = cv2.getPerspectiveTransform(there, seat)
    size = width + 80, height + 80
    photo = np.asarray(cv2.warpPerspective(pixels, way, size, borderValue=(90, 80, 70)), np.uint8)
    quad = tuple((float(x), float(y)) for x, y in seat)
    _, found, _ = read_page(photo, Correction(corners=quad))  # type: ignore[arg-type]
    assert found.layout == report.layout
    assert off(report, found, way) < 4
    assert found.corners is not None
    inside = cv2.pointPolygonTest(seat, found.corners[0], True)
    assert inside > -2


@pytest.mark.parametrize("quarters", range(4))
def test_a_turned_page_is_upright_as_it_was_turned(upright: Upright, quarters: int) -> None:
    pixels, report, seen = upright
    lying = np.ascontiguousarray(np.rot90(pixels, -quarters))
    page, found, _ = read_page(lying, Correction(turns=quarters or 4))
    assert np.array_equal(page.pixels, seen)
    assert "orientation" not in found.assumed
    assert found.rotation_deg == pytest.approx({0: 0, 1: -90, 2: 180, 3: 90}[quarters], abs=0.6) or (
        quarters == 2 and found.rotation_deg == pytest.approx(-180, abs=0.6)
    )
    assert (found.px_per_mm_x, found.px_per_mm_y) == pytest.approx((report.px_per_mm_x, report.px_per_mm_y), rel=0.01)


def test_a_page_on_its_head_stays_there_when_it_is_said_to_be_upright(heart: Recording) -> None:
    """Without the word of a person it is turned; with it the reader believes what it is told."""
    pixels = np.ascontiguousarray(np.rot90(draw_page(heart, PageStyle()).pixels, 2))
    assert abs(read_page(pixels)[1].rotation_deg) > 170
    told = read_page(pixels, Correction(turns=4, layout="3x4+1"))[1]
    assert abs(told.rotation_deg) < 1


def test_a_layout_is_forced_and_its_misfit_said(heart: Recording) -> None:
    pixels = draw_page(heart, PageStyle(layout="6x2", row_mm=24)).pixels
    _, own, said = read_page(pixels, Correction(layout="6x2"))
    assert own.layout == "6x2"
    assert not {"layout_fits_badly", "layout_assumed"} & {finding.kind for finding in said}
    _, forced, said = read_page(pixels, Correction(layout="6x1-limb"))
    assert forced.layout == "6x1-limb"
    assert {lead.lead for lead in forced.leads} == {"I", "II", "III", "aVR", "aVL", "aVF"}
    (badly,) = [finding for finding in said if finding.kind == "layout_fits_badly"]
    assert "worse than 6x2" in badly.message
    assert "layout" not in forced.assumed
    with pytest.raises(BadArgument, match="the layout 12x1 has 12 rows, and 6 rows of traces were found"):
        read_page(pixels, Correction(layout="12x1"))


def test_speed_and_gain_take_the_place_of_what_was_measured(heart: Recording) -> None:
    """The page shows what was drawn, stretched as it is told: at half the gain twice the height."""
    pixels = draw_page(heart, PageStyle(pulse="none", lead_names=False)).pixels
    seen, found, _ = read_page(pixels)
    page, told, said = read_page(pixels, Correction(speed=50, gain=20))
    assert (told.speed, told.gain, told.chest_gain) == (50.0, 20.0, 20.0)
    assert not {"speed", "gain"} & set(told.assumed)
    assert {"unusual_speed", "unusual_gain"} <= {finding.kind for finding in said}
    assert [lead.seconds for lead in told.leads] == pytest.approx(
        [lead.seconds / 2 for lead in found.leads], abs=0.02
    )
    assert off(told, found) < 0.2
    assert not np.array_equal(page.pixels, seen.pixels)


def test_pictures_of_every_kind_are_corrected(tmp_path: Path, heart: Recording) -> None:
    """The same page on its head in each kind of file, and a turn that sets it right."""
    lying = np.ascontiguousarray(np.rot90(pages.drawn(heart), 2))
    png = io.BytesIO()
    Image.fromarray(lying).save(png, "PNG")
    files = {
        "image": ("a.png", png.getvalue()),
        "tiff": ("a.tif", pages.tiff([lying])),
        "pdf": ("a.pdf", pages.raster_pdf([lying], 127.0)),
        "dicom_image": ("a.dcm", dicom.saved(dicom.capture(lying))),
    }
    found = {}
    for kind, (name, data) in files.items():
        (tmp_path / name).write_bytes(data)
        intake = read(tmp_path / name, correction=Correction(turns=2, layout="3x4+1"))
        assert intake.kind == kind
        assert intake.findings[0].kind == "corrected"
        assert intake.report is not None
        assert intake.report.picture == lying.shape[1::-1]
        found[kind] = intake.page.pixels
    assert all(np.array_equal(found["image"], pixels) for kind, pixels in found.items() if kind != "pdf")


def test_a_recording_is_no_picture(tmp_path: Path, heart: Recording) -> None:
    write_wfdb(tmp_path, "record", heart)
    with pytest.raises(BadArgument, match=r"samples and no picture"):
        read(tmp_path / "record.hea", correction=Correction(layout="3x4"))
    noted = read(tmp_path / "record.hea", correction=Correction(speed=50))
    assert "correction_ignored" in {finding.kind for finding in noted.findings}
