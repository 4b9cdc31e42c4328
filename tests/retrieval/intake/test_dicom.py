"""DICOM: any scaling, order of bytes and naming of leads; captured pages and PDFs inside."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from PIL import Image
from pydicom.data import get_testdata_file
from pydicom.encaps import encapsulate
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    RLELossless,
)

from retrieval.ecg.recording import INDEPENDENT_LEADS, LEADS, Recording
from retrieval.errors import (
    BadSignal,
    DamagedFile,
    ExtraMissing,
    LeadsMissing,
    NoWaveform,
    TooLarge,
    UnsupportedFormat,
)
from retrieval.intake import open_file, opening, read, read_all
from retrieval.intake.dicom_reader import read_dicom
from retrieval.intake.opening import Recorded, Sheet
from tests.retrieval.intake.makers import dicom, pages


def of(path: Path, number: int = 1) -> Recorded:
    content = open_file(path).load(number)
    assert isinstance(content, Recorded)
    return content


def written(
    folder: Path, dataset: pydicom.Dataset, syntax: str = ExplicitVRLittleEndian, header: bool = True
) -> Path:
    path = folder / "file.dcm"
    path.write_bytes(dicom.saved(dataset, syntax, header))
    return path


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ImplicitVRLittleEndian, DeflatedExplicitVRLittleEndian])
@pytest.mark.parametrize("kind", [dicom.TWELVE_LEAD, dicom.GENERAL, dicom.AMBULATORY, dicom.WIDE])
def test_transfer_syntaxes_and_classes(tmp_path: Path, heart: Recording, syntax: str, kind: str) -> None:
    bits = 32 if kind == dicom.WIDE else 16
    path = written(tmp_path, dicom.waveform(dicom.group(heart, bits=bits), kind=kind), syntax)
    own = of(path).recording
    np.testing.assert_allclose(own.signal, heart.signal, atol=0.00126)
    assert (own.age, own.sex, own.patient_key) == (64.0, "female", None)
    theirs = pydicom.dcmread(path).waveform_array(0).T / 1000  # the leads are in our order
    np.testing.assert_allclose(own.signal, theirs, atol=1e-6)


def test_big_endian(tmp_path: Path, heart: Recording) -> None:
    dataset = dicom.waveform(dicom.group(heart, order=">"))
    for header in (True, False):
        path = written(tmp_path, dataset, ExplicitVRBigEndian, header)
        np.testing.assert_allclose(of(path).recording.signal, heart.signal, atol=0.00126)


def test_without_its_header_and_suffix(tmp_path: Path, heart: Recording) -> None:
    path = tmp_path / "IM0001"
    path.write_bytes(dicom.saved(dicom.waveform(dicom.group(heart)), header=False))
    assert open_file(path).kind == "dicom_waveform"
    np.testing.assert_allclose(of(path).recording.signal, heart.signal, atol=0.00126)


@pytest.mark.parametrize("codes", ["scp", "mdc", "words"])
@pytest.mark.parametrize("leads", [LEADS, LEADS[::-1], INDEPENDENT_LEADS, (*LEADS[6:], "aVF", "aVL")])
def test_lead_codes_in_any_order(tmp_path: Path, heart: Recording, codes: str, leads: tuple[str, ...]) -> None:
    own = of(written(tmp_path, dicom.waveform(dicom.group(heart, leads, codes=codes)))).recording
    np.testing.assert_allclose(own.signal, heart.signal, atol=0.006)


@pytest.mark.parametrize(
    "scaling",
    [
        {"sensitivity": 0.00125, "unit": "mV"},
        {"sensitivity": 1.25, "unit": "uV", "baseline": -700.0},
        {"sensitivity": 10.0, "unit": "uV", "correction": 0.25},
        {"sensitivity": 2.5e-6, "unit": "V", "baseline": 0.001},
    ],
)
def test_sensitivity_baseline_correction_and_unit(tmp_path: Path, heart: Recording, scaling: dict[str, Any]) -> None:
    path = written(tmp_path, dicom.waveform(dicom.group(heart, **scaling)))
    np.testing.assert_allclose(of(path).recording.signal, heart.signal, atol=0.0013)


def test_median_beat_is_never_a_record(tmp_path: Path, heart: Recording) -> None:
    beat = Recording(-heart.signal[:, :300], heart.rate)
    groups = [dicom.group(beat, label="MEDIAN BEAT"), dicom.group(heart), dicom.group(heart.slice_seconds(0, 5))]
    path = written(tmp_path, dicom.waveform(*groups))
    assert open_file(path).pages == 2
    assert of(path, 1).recording.seconds == 10.0
    assert of(path, 2).recording.seconds == 5.0
    with pytest.raises(NoWaveform, match="median beat only"):
        read(written(tmp_path, dicom.waveform(groups[0])))


def test_groups_that_lack_leads_come_last_and_are_listed(tmp_path: Path, heart: Recording) -> None:
    strip = dicom.group(heart, ("II",), label="RHYTHM STRIP")
    strip.NumberOfWaveformSamples = 2500
    path = written(tmp_path, dicom.waveform(strip, dicom.group(heart.slice_seconds(0, 8))))
    contents = read_all(path)
    assert [intake.number for intake in contents.intakes] == [1]
    assert [(refusal.number, refusal.kind) for refusal in contents.refusals] == [(2, "leads_missing")]
    assert {finding.kind for finding in read(path).findings} >= {"first_page"}


def test_age_from_the_day_of_birth(tmp_path: Path, heart: Recording) -> None:
    dataset = dicom.waveform(dicom.group(heart))
    dataset.PatientAge = ""
    dataset.PatientBirthDate, dataset.StudyDate = "19600615", "20240301"
    assert of(written(tmp_path, dataset)).recording.age == 63.0
    dataset.PatientAge = "006M"
    assert of(written(tmp_path, dataset)).recording.age == 0.5


def test_skew_is_taken_out(tmp_path: Path, heart: Recording) -> None:
    skew = [i / 24 for i in range(12)]
    late = heart.signal.astype(float).copy()
    at = np.arange(late.shape[1])
    for row, samples in zip(late, skew, strict=True):
        row[:] = np.interp(at + samples, at, row)
    group = dicom.group(Recording(late, heart.rate), skew=skew, sensitivity=0.1)
    own = of(written(tmp_path, dicom.waveform(group))).recording
    before = np.abs(late - heart.signal)[:, 5:-5].max()
    assert np.abs(own.signal - heart.signal)[:, 5:-5].max() < 0.6 * before


def test_padding_is_no_sample(tmp_path: Path, heart: Recording) -> None:
    group = dicom.group(heart)
    data = np.frombuffer(group.WaveformData, "<i2").reshape(-1, 12).copy()
    data[1000:1010, 3] = -32768
    group.add_new(0x54001010, "OW", data.tobytes())
    group.add_new(0x5400100A, "OW", b"\0\x80")
    own = of(written(tmp_path, dicom.waveform(group))).recording
    np.testing.assert_allclose(own.signal, heart.signal, atol=0.05)


def test_refusals(tmp_path: Path, heart: Recording) -> None:
    group = dicom.group(heart)
    del group.ChannelDefinitionSequence[4].ChannelSensitivity
    with pytest.raises(BadSignal, match="sensitivity"):
        read(written(tmp_path, dicom.waveform(group)))
    with pytest.raises(LeadsMissing, match="V6"):
        read(written(tmp_path, dicom.waveform(dicom.group(heart, LEADS[:6]))))
    short = dicom.group(heart)
    short.WaveformData = short.WaveformData[:1000]
    with pytest.raises(DamagedFile, match="500 of 30000"):
        read(written(tmp_path, dicom.waveform(short)))
    long = dicom.group(heart)
    long.NumberOfWaveformSamples = 2_000_000
    with pytest.raises(TooLarge, match="133 minutes"):
        read(written(tmp_path, dicom.waveform(long)))


def test_deflated_bomb_is_refused_before_it_unpacks(
    tmp_path: Path, heart: Recording, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset = dicom.waveform(dicom.group(heart))
    dataset.add_new(0x00291010, "OB", bytes(5_000_000))
    path = written(tmp_path, dataset, DeflatedExplicitVRLittleEndian)
    assert path.stat().st_size < 100_000
    monkeypatch.setattr(opening, "MAX_UNPACKED", 4_000_000)
    with pytest.raises(TooLarge, match="unpacks to more than 4 MB"):
        read_dicom(path)


# --- secondary captures


def rgb_of(path: Path, number: int = 1) -> np.ndarray:
    opened = open_file(path)
    assert opened.kind == "dicom_image"
    sheet = opened.load(number)
    assert isinstance(sheet, Sheet)
    return sheet.rgb


@pytest.fixture(scope="module")
def picture() -> np.ndarray:
    """A picture with edges, colours and all grays, 48 x 64."""
    y, x = np.mgrid[:48, :64]
    return np.stack([x * 4, y * 5, np.where(x > 30, 255, 20)], axis=2).astype(np.uint8)


def test_captures_in_color(tmp_path: Path, picture: np.ndarray) -> None:
    np.testing.assert_array_equal(rgb_of(written(tmp_path, dicom.capture(picture))), picture)
    ycc = np.asarray(Image.fromarray(picture).convert("YCbCr"))
    np.testing.assert_allclose(
        rgb_of(written(tmp_path, dicom.capture(ycc, "YBR_FULL"))).astype(int), picture.astype(int), atol=4
    )


def test_captures_in_gray(tmp_path: Path, picture: np.ndarray) -> None:
    gray = picture[:, :, 0]
    np.testing.assert_array_equal(rgb_of(written(tmp_path, dicom.capture(gray, "MONOCHROME2")))[:, :, 1], gray)
    np.testing.assert_array_equal(rgb_of(written(tmp_path, dicom.capture(gray, "MONOCHROME1")))[:, :, 1], 255 - gray)
    deep = gray.astype(np.uint16) * 16
    shown = rgb_of(written(tmp_path, dicom.capture(deep, "MONOCHROME2", 16)))[:, :, 2]
    np.testing.assert_allclose(shown, (gray - gray.min()) / np.ptp(gray) * 255.0, atol=1)
    window = dicom.capture(deep, "MONOCHROME2", 16, WindowCenter=2048, WindowWidth=1024)
    shown = rgb_of(written(tmp_path, window))[:, :, 0]
    assert shown[deep < 1500].max() == 0
    assert shown[deep > 2570].min() == 255
    assert 100 < shown[np.abs(deep.astype(int) - 2048) < 40].mean() < 155


def test_capture_with_a_palette(tmp_path: Path) -> None:
    gray = np.tile(np.arange(4, dtype=np.uint8), (6, 2))
    table = np.array([[0, 0, 0], [255, 0, 0], [0, 128, 0], [255, 255, 255]], np.uint16) * 257
    more = {}
    for i, name in enumerate(("Red", "Green", "Blue")):
        more[f"{name}PaletteColorLookupTableDescriptor"] = [4, 0, 16]
        more[f"{name}PaletteColorLookupTableData"] = table[:, i].astype("<u2").tobytes()
    shown = rgb_of(written(tmp_path, dicom.capture(gray, "PALETTE COLOR", **more)))
    np.testing.assert_array_equal(shown, (table // 257).astype(np.uint8)[gray])


@pytest.mark.parametrize(
    ("syntax", "form"), [(JPEGBaseline8Bit, "JPEG"), (JPEG2000Lossless, "JPEG2000"), (RLELossless, "")]
)
def test_packed_captures(tmp_path: Path, picture: np.ndarray, syntax: str, form: str) -> None:
    dataset = dicom.capture(picture)
    if form:
        out = io.BytesIO()
        Image.fromarray(picture).save(out, form, **({"quality": 98, "subsampling": 0} if form == "JPEG" else {}))
        dataset.PixelData = encapsulate([out.getvalue()])
        dataset["PixelData"].is_undefined_length = True
        dataset.PhotometricInterpretation = "YBR_FULL" if form == "JPEG" else "RGB"
    else:
        dataset.file_meta = pydicom.dataset.FileMetaDataset()
        dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        dataset.compress(syntax)
    shown = rgb_of(written(tmp_path, dataset, syntax))
    np.testing.assert_allclose(shown.astype(int), picture.astype(int), atol=12 if form == "JPEG" else 0)


def test_packing_that_needs_the_extra(tmp_path: Path) -> None:
    dataset = pydicom.dcmread(str(get_testdata_file("JPEGLSNearLossless_08.dcm", download=False)))
    dataset.SOPClassUID = dicom.CAPTURE
    path = tmp_path / "ls.dcm"
    dataset.save_as(path)
    try:
        import pylibjpeg  # noqa: F401
    except ImportError:
        with pytest.raises(ExtraMissing, match=r"nearbeat\[formats\]"):
            open_file(path).load(1)
    else:
        assert rgb_of(path).shape == (dataset.Rows, dataset.Columns, 3)


def test_frames_are_pages(tmp_path: Path, picture: np.ndarray) -> None:
    path = written(tmp_path, dicom.capture(np.stack([picture, 255 - picture])))
    assert open_file(path).pages == 2
    np.testing.assert_array_equal(rgb_of(path, 2), 255 - picture)


def test_captures_that_are_too_large(tmp_path: Path, picture: np.ndarray) -> None:
    dataset = dicom.capture(picture)
    dataset.Rows, dataset.Columns = 60_000, 60_000
    with pytest.raises(TooLarge, match="60,000"):
        read(written(tmp_path, dataset))
    out = io.BytesIO()
    Image.new("L", (9_000, 9_000)).save(out, "JPEG")
    lying = dicom.capture(picture[:, :, 0], "MONOCHROME2")
    lying.PixelData = encapsulate([out.getvalue()])
    lying["PixelData"].is_undefined_length = True
    with pytest.raises(TooLarge, match="9,000"):
        read(written(tmp_path, lying, JPEGBaseline8Bit))


def test_pydicoms_own_captures() -> None:
    for name in (
        "SC_rgb_small_odd.dcm",
        "SC_rgb_rle.dcm",
        "SC_ybr_full_422_uncompressed.dcm",
        "SC_rgb_jpeg_dcmtk.dcm",
    ):
        path = Path(str(get_testdata_file(name, download=False)))
        dataset = pydicom.dcmread(path)
        np.testing.assert_array_equal(rgb_of(path), pydicom.pixels.pixel_array(dataset))


# --- PDF inside


def test_encapsulated_pdf(tmp_path: Path, heart: Recording) -> None:
    page = pages.drawn(heart)
    path = written(tmp_path, dicom.encapsulated(pages.raster_pdf([page, page])))
    opened = open_file(path)
    assert (opened.kind, opened.pages) == ("dicom_pdf", 2)
    sheet = opened.load(2)
    assert isinstance(sheet, Sheet)
    assert sheet.rgb.shape == page.shape
    with pytest.raises(UnsupportedFormat, match="text/XML"):
        read(written(tmp_path, dicom.encapsulated(b"<ClinicalDocument/>", "text/XML")))
