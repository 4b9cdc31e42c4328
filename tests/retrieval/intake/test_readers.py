"""Recordings and pictures are read to what an independent computation from their bytes says."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pydicom
import pytest
from PIL import Image
from pydicom.data import get_testdata_file

from retrieval.ecg.page import canonical_page
from retrieval.ecg.recording import LEADS, Recording
from retrieval.intake import read
from retrieval.intake.image_reader import read_image


@pytest.fixture(scope="module")
def dicom_file() -> Path:
    return Path(str(get_testdata_file("waveform_ecg.dcm", download=False)))


def test_dicom_samples_agree_with_pydicoms_own_scaling(dicom_file: Path) -> None:
    intake = read(dicom_file)
    dataset = pydicom.dcmread(dicom_file)
    group = dataset.WaveformSequence[0]
    assert group.MultiplexGroupLabel == "RHYTHM"
    meanings = [channel.ChannelSourceSequence[0].CodeMeaning for channel in group.ChannelDefinitionSequence]
    order = [meaning.split("(")[0].replace("Lead", "").strip() for meaning in meanings]
    expected = dataset.waveform_array(0).T / 1000.0
    assert intake.kind == "dicom_waveform"
    assert intake.recording is not None
    assert intake.recording.rate == 1000.0
    assert intake.recording.signal.shape == (12, 10_000)
    for name, row in zip(order, expected, strict=True):
        np.testing.assert_allclose(intake.recording.lead(name), row, atol=1e-6)


def test_dicom_samples_agree_with_the_raw_bytes(dicom_file: Path) -> None:
    group = pydicom.dcmread(dicom_file).WaveformSequence[0]
    raw = bytes(group.WaveformData)
    recording = read(dicom_file).recording
    assert recording is not None
    for sample in (0, 1, 777, 9_999):
        for channel, lead in enumerate(LEADS):
            at = 2 * (sample * 12 + channel)
            stored = int.from_bytes(raw[at : at + 2], "little", signed=True)
            assert recording.lead(lead)[sample] == pytest.approx(stored * 1.25 / 1000, abs=1e-6)


def test_dicom_patient_is_age_and_sex_only(dicom_file: Path) -> None:
    intake = read(dicom_file)
    assert intake.recording is not None
    assert (intake.recording.age, intake.recording.sex, intake.recording.patient_key) == (42.0, "female", None)


def test_dicom_median_beat_is_never_taken(dicom_file: Path, tmp_path: Path) -> None:
    dataset = pydicom.dcmread(dicom_file)
    dataset.WaveformSequence = list(reversed(list(dataset.WaveformSequence)))
    turned = tmp_path / "turned.dcm"
    dataset.save_as(turned)
    recording = read(turned).recording
    assert recording is not None
    assert recording.signal.shape == (12, 10_000)
    dataset.WaveformSequence = [dataset.WaveformSequence[0]]
    dataset.save_as(turned)
    with pytest.raises(Exception, match="median beat"):
        read(turned)


def test_dicom_sensitivity_baseline_and_unit(dicom_file: Path, tmp_path: Path) -> None:
    dataset = pydicom.dcmread(dicom_file)
    channel = dataset.WaveformSequence[0].ChannelDefinitionSequence[1]
    channel.ChannelSensitivity = "0.0025"
    channel.ChannelSensitivityUnitsSequence[0].CodeValue = "mV"
    channel.ChannelBaseline = "0.5"
    changed = tmp_path / "changed.dcm"
    dataset.save_as(changed)
    before, after = read(dicom_file).recording, read(changed).recording
    assert before is not None
    assert after is not None
    np.testing.assert_allclose(after.lead("II"), before.lead("II") * 2 + 0.5, atol=1e-5)


def test_wfdb_by_header_samples_and_stem(tmp_path: Path, heart: Recording) -> None:
    import wfdb

    signal = heart.signal.T.astype(float)
    wfdb.wrsamp(
        "rec", 250, ["mV"] * 6 + ["uV"] * 6, ["I", "II", "III", "AVR", "AVL", "AVF", *LEADS[6:]],
        signal * np.array([1.0] * 6 + [1000.0] * 6), fmt=["16"] * 12, write_dir=str(tmp_path),
        comments=["Age: 63", "Sex: Male", "Name: Somebody"],
    )  # fmt: skip
    for file in (tmp_path / "rec.hea", tmp_path / "rec.dat", tmp_path / "rec"):
        intake = read(file)
        assert intake.kind == "wfdb"
        assert intake.recording is not None
        np.testing.assert_allclose(intake.recording.signal, heart.signal, atol=0.002)
        assert (intake.recording.age, intake.recording.sex) == (63.0, "male")
        np.testing.assert_array_equal(intake.page.pixels, canonical_page(intake.recording).pixels)


def test_alpha_is_laid_on_white(tmp_path: Path) -> None:
    pixels = np.zeros((4, 6, 4), np.uint8)
    pixels[:, 3:, 3] = 255
    Image.fromarray(pixels).save(tmp_path / "a.png")
    rgb = read_image(tmp_path / "a.png")
    assert (rgb[:, :3] == 255).all()
    assert (rgb[:, 3:] == 0).all()


def test_sixteen_bits_and_cmyk_and_palette(tmp_path: Path) -> None:
    ramp = np.linspace(0, 65535, 64 * 64).reshape(64, 64).astype(np.uint16)
    Image.fromarray(ramp).save(tmp_path / "deep.png")
    deep = read_image(tmp_path / "deep.png")
    assert deep.shape == (64, 64, 3)
    np.testing.assert_allclose(deep[:, :, 0], ramp / 257, atol=1.1)
    Image.new("CMYK", (20, 10), (0, 0, 0, 255)).save(tmp_path / "k.jpg")
    assert read_image(tmp_path / "k.jpg").max() < 20
    Image.new("P", (20, 10), 0).save(tmp_path / "p.png")
    assert read_image(tmp_path / "p.png").shape == (10, 20, 3)


def test_exif_orientation_is_applied(tmp_path: Path) -> None:
    pixels = np.full((20, 40, 3), 255, np.uint8)
    pixels[:, :10] = 0
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned: show it rotated a quarter clockwise
    Image.fromarray(pixels).save(tmp_path / "turned.png", exif=exif)
    rgb = read_image(tmp_path / "turned.png")
    assert rgb.shape == (40, 20, 3)
    assert rgb[:8].max() < 10
    assert rgb[15:].min() > 245
