"""Pictures, TIFF, PDF and HEIC are decoded to what Pillow or the drawer say, their pages in order."""

from __future__ import annotations

import importlib.util
import io
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps

from retrieval.ecg.page import CANONICAL, CanonicalPage
from retrieval.ecg.recording import Recording
from retrieval.errors import BadArgument, DamagedFile, ExtraMissing, NotAnEcg, TooLarge
from retrieval.intake import Finding, IntakeReport, image_reader, open_file, read, read_all
from retrieval.intake.image_reader import open_image, read_image
from retrieval.intake.opening import Sheet, Source
from tests.retrieval.intake.makers import pages


@pytest.fixture
def any_ink_is_an_ecg(monkeypatch: pytest.MonkeyPatch) -> None:
    """Stands in for reading the page, which other tests are about: quick, and a blank page is refused."""

    def fake(rgb: np.ndarray, _: object = None) -> tuple[CanonicalPage, IntakeReport, tuple[Finding, ...]]:
        if rgb.min() > 200:
            raise NotAnEcg("the page is blank")
        blank = CanonicalPage(np.full(CANONICAL.shape, 255, np.uint8))
        return blank, IntakeReport(5.0, 5.0, 0.0, "unknown", 0.0, picture=(rgb.shape[1], rgb.shape[0])), ()

    monkeypatch.setattr("retrieval.intake.page.read_page", fake)


def sheet(path: Path, number: int = 1) -> Sheet:
    content = open_file(path).load(number)
    assert isinstance(content, Sheet)
    return content


@pytest.fixture(scope="module")
def picture() -> np.ndarray:
    """Every corner has another color, so that each turn and mirroring is seen."""
    y, x = np.mgrid[:30, :50]
    return np.stack([x * 5, y * 8, 255 - x * 3 - y], axis=2).astype(np.uint8)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp", ".tif"])
def test_every_exif_orientation(tmp_path: Path, picture: np.ndarray, orientation: int, suffix: str) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = tmp_path / f"turned{suffix}"
    more = {".jpg": {"quality": 100, "subsampling": 0}, ".webp": {"lossless": True}}.get(suffix, {})
    Image.fromarray(picture).save(path, exif=exif, **more)
    with Image.open(path) as image:
        expected = np.asarray(ImageOps.exif_transpose(image).convert("RGB"))
    np.testing.assert_array_equal(sheet(path).rgb, expected)
    np.testing.assert_array_equal(read_image(path), expected)
    assert sheet(path).rgb.shape == ((30, 50, 3) if orientation < 5 else (50, 30, 3))


MODES = {
    ".png": ("1", "L", "P", "LA", "RGBA", "RGB", "I;16"),
    ".jpg": ("L", "RGB", "CMYK"),
    ".bmp": ("1", "L", "P", "RGB", "RGBA"),
    ".webp": ("RGB", "RGBA"),
    ".gif": ("1", "L", "P", "RGB"),
    ".tif": ("1", "L", "P", "LA", "RGBA", "CMYK", "RGB", "I;16"),
}


@pytest.mark.parametrize(("suffix", "mode"), [(suffix, mode) for suffix, modes in MODES.items() for mode in modes])
def test_every_mode_that_a_format_has(tmp_path: Path, picture: np.ndarray, mode: str, suffix: str) -> None:
    image = Image.fromarray(picture[:, :, 0]) if mode in {"1", "L", "I;16", "LA"} else Image.fromarray(picture)
    image = Image.fromarray(picture[:, :, 0].astype(np.uint16) * 257) if mode == "I;16" else image.convert(mode)
    path = tmp_path / f"any{suffix}"
    image.save(path, **({"lossless": True} if suffix == ".webp" else {}))
    rgb = sheet(path).rgb
    assert (rgb.shape, rgb.dtype) == ((30, 50, 3), np.uint8)
    with Image.open(path) as stored:
        if stored.mode.startswith("I"):
            expected = np.repeat((np.asarray(stored) // 257)[:, :, None], 3, axis=2)
        else:
            expected = np.asarray(stored.convert("RGB"))  # all alpha is 255 here
    np.testing.assert_allclose(rgb.astype(int), expected.astype(int), atol=1)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 255), st.integers(0, 255))
def test_alpha_is_laid_on_white(gray: int, alpha: int) -> None:
    out = io.BytesIO()
    Image.new("LA", (3, 2), (gray, alpha)).save(out, "PNG")
    content = open_image(Source(Path("a.png"), out.getvalue())).load(1)
    assert isinstance(content, Sheet)
    assert content.rgb[0, 0, 0] == pytest.approx(255 + (gray - 255) * alpha / 255, abs=1)


def test_progressive_jpeg_and_rows_beyond_one_strip(tmp_path: Path) -> None:
    tall = np.repeat(np.arange(1300, dtype=np.uint16)[:, None] % 251, 40, axis=1).astype(np.uint8)
    Image.fromarray(tall).save(tmp_path / "tall.png")
    np.testing.assert_array_equal(sheet(tmp_path / "tall.png").rgb[:, :, 0], tall)
    Image.fromarray(tall).save(tmp_path / "tall.jpg", progressive=True, quality=95)
    np.testing.assert_allclose(
        sheet(tmp_path / "tall.jpg").rgb[:250, :, 1].astype(int), tall[:250].astype(int), atol=6
    )
    cut = (tmp_path / "tall.jpg").read_bytes()
    (tmp_path / "cut.jpg").write_bytes(cut[: len(cut) * 2 // 3])
    with pytest.raises(DamagedFile, match="truncated"):
        read(tmp_path / "cut.jpg")


@pytest.mark.usefixtures("any_ink_is_an_ecg")
def test_no_metadata_of_the_camera_comes_along(tmp_path: Path, heart: Recording) -> None:
    exif = Image.Exif()
    exif[0x010F] = "SecretCamera"
    exif.get_ifd(0x8825)[1] = "N"
    exif.get_ifd(0x8825)[2] = (47.0, 59.0, 11.0)
    Image.fromarray(pages.drawn(heart)).save(tmp_path / "a.jpg", exif=exif)
    intake = read(tmp_path / "a.jpg")
    assert "SecretCamera" not in repr(intake)
    assert "47.0" not in repr(intake.findings)


def test_animations_are_told(tmp_path: Path, picture: np.ndarray) -> None:
    first, second = Image.fromarray(picture).convert("P"), Image.fromarray(255 - picture).convert("P")
    first.save(tmp_path / "a.gif", save_all=True, append_images=[second])
    content = sheet(tmp_path / "a.gif")
    assert [finding.kind for finding in content.findings] == ["first_frame"]
    np.testing.assert_array_equal(content.rgb, np.asarray(first.convert("RGB")))


# --- TIFF


@pytest.mark.parametrize("compression", [None, "tiff_lzw", "tiff_adobe_deflate", "packbits"])
def test_pages_of_a_tiff(tmp_path: Path, picture: np.ndarray, compression: str | None) -> None:
    path = tmp_path / "three.tif"
    path.write_bytes(pages.tiff([picture, 255 - picture, picture[::-1]], compression))
    assert open_file(path).pages == 3
    np.testing.assert_array_equal(sheet(path, 1).rgb, picture)
    np.testing.assert_array_equal(sheet(path, 2).rgb, 255 - picture)
    np.testing.assert_array_equal(sheet(path, 3).rgb, picture[::-1])


@pytest.mark.parametrize(
    ("dpi", "shape"), [((204, 98), (125, 50, 3)), ((204, 196), (62, 50, 3)), ((98, 204), (60, 104, 3))]
)
def test_fax_dots_are_made_square(tmp_path: Path, dpi: tuple[float, float], shape: tuple[int, int, int]) -> None:
    page = np.full((60, 50, 3), 255, np.uint8)
    page[20:40, 10:30] = 0
    path = tmp_path / "fax.tif"
    path.write_bytes(pages.tiff([page], "group4", dpi))
    content = sheet(path)
    assert content.rgb.shape == shape
    assert [finding.kind for finding in content.findings] == ["dots_not_square"]
    dark = content.rgb[:, :, 0] < 128
    assert dark.any(axis=1).sum() / dark.any(axis=0).sum() == pytest.approx(dpi[0] / dpi[1], rel=0.06)


def test_resolutions_that_are_equal_or_absurd(tmp_path: Path, picture: np.ndarray) -> None:
    path = tmp_path / "a.tif"
    path.write_bytes(pages.tiff([picture], None, (200, 200)))
    assert sheet(path).findings == ()
    path.write_bytes(pages.tiff([picture], None, (2000, 10)))
    content = sheet(path)
    assert content.rgb.shape == picture.shape
    assert "not believed" in content.findings[0].message


@pytest.mark.usefixtures("any_ink_is_an_ecg")
def test_a_tiff_that_ends_in_its_last_page(tmp_path: Path, heart: Recording) -> None:
    page = pages.drawn(heart)
    data = pages.tiff([page, page], "tiff_lzw")
    path = tmp_path / "cut.tif"
    path.write_bytes(data[: len(data) - 3000])
    contents = read_all(path)
    assert [intake.number for intake in contents.intakes] == [1]
    assert [(refusal.number, refusal.kind) for refusal in contents.refusals] == [(2, "damaged_file")]


# --- PDF


def test_a_scan_in_a_pdf_keeps_its_own_pixels(tmp_path: Path, heart: Recording) -> None:
    page = pages.drawn(heart)
    for dpi in (110.0, 200.0, 300.0):
        path = tmp_path / "scan.pdf"
        path.write_bytes(pages.raster_pdf([page], dpi))
        rgb = sheet(path).rgb
        assert abs(rgb.shape[0] - page.shape[0]) <= 1
        assert abs(rgb.shape[1] - page.shape[1]) <= 1


@pytest.mark.parametrize(
    ("size", "shape"),
    [
        ((842, 595), (1653, 2339)),  # A4 at 200 dpi
        ((288, 216), (1200, 1600)),  # a figure: at 400 dpi, the most
        ((72, 72), (400, 400)),
        ((7200, 7200), (3464, 3464)),  # a poster: as many pixels as are allowed
    ],
)
def test_drawn_pages_get_the_pixels_that_their_size_needs(
    tmp_path: Path, size: tuple[float, float], shape: tuple[int, int]
) -> None:
    path = tmp_path / "drawn.pdf"
    path.write_bytes(pages.vector_pdf([b"0 0 m 50 50 l S"], size))
    content = sheet(path)
    assert np.abs(np.array(content.rgb.shape[:2]) - shape).max() <= 1
    assert [finding.kind for finding in content.findings] == (["coarse_page"] if size[0] == 7200 else [])


def test_lines_of_a_drawn_page_lie_where_the_file_says(tmp_path: Path) -> None:
    path = tmp_path / "drawn.pdf"
    path.write_bytes(pages.vector_pdf([b"2 w 100 0 m 100 595 l S 0 300 m 842 300 l S"]))
    dark = sheet(path).rgb[:, :, 0] < 128
    assert np.flatnonzero(dark[10]).mean() == pytest.approx(100 * 200 / 72, abs=1.0)
    assert np.flatnonzero(dark[:, 10]).mean() == pytest.approx((595 - 300) * 200 / 72, abs=1.0)


# --- several pages


@pytest.mark.usefixtures("any_ink_is_an_ecg")
@pytest.mark.parametrize("suffix", [".pdf", ".tif"])
def test_pages_are_read_in_order_and_refusals_listed(tmp_path: Path, picture: np.ndarray, suffix: str) -> None:
    blank = np.full_like(picture, 255)
    path = tmp_path / f"report{suffix}"
    sheets = [blank, picture, blank]
    path.write_bytes(pages.raster_pdf(sheets, 127.0) if suffix == ".pdf" else pages.tiff(sheets))
    intake = read(path)
    assert (intake.number, intake.pages, intake.kind) == (2, 3, suffix[1:].replace("tif", "tiff"))
    found = {finding.kind: finding.message for finding in intake.findings}
    assert "1 more was not looked at" in found["later_page"]
    contents = read_all(path)
    assert [one.number for one in contents.intakes] == [2]
    assert [refusal.number for refusal in contents.refusals] == [1, 3]
    assert {refusal.kind for refusal in contents.refusals} == {"not_an_ecg"}
    assert read(path, page=2).number == 2
    with pytest.raises(NotAnEcg, match="report"):
        read(path, page=1)
    with pytest.raises(BadArgument, match="there is no 4"):
        read(path, page=4)


@pytest.mark.usefixtures("any_ink_is_an_ecg")
def test_a_file_without_an_ecg_says_so_for_its_first_page(tmp_path: Path) -> None:
    path = tmp_path / "report.pdf"
    path.write_bytes(pages.raster_pdf([np.full((40, 60, 3), 255, np.uint8)] * 2))
    with pytest.raises(NotAnEcg, match=r"none of the first 2 pages of 'report\.pdf' could be read; page 1: "):
        read(path)


def test_an_ecg_on_the_second_page_of_a_report(tmp_path: Path, heart: Recording) -> None:
    page = pages.drawn(heart)
    path = tmp_path / "report.pdf"
    path.write_bytes(pages.raster_pdf([np.full_like(page, 255), page], 127.0))
    intake = read(path)
    assert (intake.number, intake.pages) == (2, 2)
    assert intake.report is not None
    assert intake.report.layout == "3x4+1"


@pytest.mark.usefixtures("any_ink_is_an_ecg")
def test_pages_beyond_the_limit_are_listed_too(tmp_path: Path) -> None:
    path = tmp_path / "long.pdf"
    path.write_bytes(pages.vector_pdf([b""] * 23, (72, 72)))
    contents = read_all(path)
    assert contents.pages == 23
    assert len(contents.refusals) == 23
    assert [refusal.number for refusal in contents.refusals if refusal.kind == "not_looked_at"] == [21, 22, 23]


# --- HEIC


def heic(picture: np.ndarray) -> bytes:
    heif = pytest.importorskip("pillow_heif")
    out = io.BytesIO()
    heif.from_pillow(Image.fromarray(picture)).save(out, quality=95)
    return out.getvalue()


def test_heic(tmp_path: Path) -> None:
    y, x = np.mgrid[:96, :128]
    smooth = np.stack([x, y * 2, 128 + x // 2 - y // 2], axis=2).astype(np.uint8)
    path = tmp_path / "IMG_0001.HEIC"
    path.write_bytes(heic(smooth))
    opened = open_file(path)
    assert (opened.kind, opened.pages) == ("heic", 1)
    np.testing.assert_allclose(sheet(path).rgb.astype(int), smooth.astype(int), atol=12)
    for size in (40, 400, len(path.read_bytes()) - 200):
        (tmp_path / "cut.heic").write_bytes(path.read_bytes()[:size])
        with pytest.raises(DamagedFile):
            read(tmp_path / "cut.heic")


def test_heic_without_the_extra(tmp_path: Path) -> None:
    if importlib.util.find_spec("pillow_heif") is not None:
        pytest.skip("pillow-heif is installed")
    path = tmp_path / "IMG_0001.HEIC"
    path.write_bytes(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(100))
    with pytest.raises(ExtraMissing, match=r"nearbeat\[heic\]"):
        read(path)


def test_sizes_are_known_before_pixels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "large.png"
    Image.new("1", (16_001, 10), 1).save(path)
    with pytest.raises(TooLarge, match="16,001"):
        read(path)
    Image.new("RGB", (2_500, 2_000)).save(tmp_path / "blank.webp", lossless=True)
    with pytest.raises(TooLarge, match="blank sheet or a bomb"):
        read(tmp_path / "blank.webp")
    Image.new("RGB", (300, 200)).save(tmp_path / "large.webp")
    monkeypatch.setattr(image_reader, "MAX_WEBP_PIXELS", 50_000)
    with pytest.raises(TooLarge, match="save it as JPEG"):
        read(tmp_path / "large.webp")


def test_a_thin_trace_on_much_white_is_no_bomb(tmp_path: Path) -> None:
    """The emptiest page that shows an ECG: lines of 1 bit on A4 at 600 dpi, packed as well as can be."""
    page = np.full((4_960, 7_016), 255, np.uint8)
    columns = np.arange(page.shape[1])
    for row in (600, 1_800, 3_000, 4_200):
        page[(row + 200 * np.exp(-((((columns % 500) - 250) / 12.0) ** 2))).astype(int), columns] = 0
    path = tmp_path / "fax.tif"
    Image.fromarray(page).convert("1").save(path, compression="group4", dpi=(600, 600))
    assert sheet(path).rgb.shape == (*page.shape, 3)
