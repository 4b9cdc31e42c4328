"""Kinds that ecgdatakit parses: read where the extra is installed, told where it is not."""

from __future__ import annotations

import gzip
import importlib.util
from pathlib import Path

import numpy as np
import pytest

from retrieval.ecg.recording import Recording
from retrieval.errors import DamagedFile, ExtraMissing, TooLarge, UnsupportedFormat
from retrieval.intake import ecgdatakit_reader, open_file, read
from tests.retrieval.intake.makers.mfer import mfer

WITHOUT = importlib.util.find_spec("ecgdatakit") is None


@pytest.fixture
def file(tmp_path: Path, heart: Recording) -> Path:
    path = tmp_path / "ecg.mwf"
    path.write_bytes(mfer(heart))
    return path


@pytest.mark.skipif(not WITHOUT, reason="ecgdatakit is installed")
@pytest.mark.parametrize("head", [b"\x40\x20MFR Standard 12 leads ECG", b"ISHNE1.0", b"<?xml version='1.0'?><ECG/>"])
def test_without_the_extra(tmp_path: Path, head: bytes) -> None:
    path = tmp_path / "some.ecg"
    path.write_bytes(head.ljust(600))
    with pytest.raises(ExtraMissing, match=r"some\.ecg.*nearbeat\[formats\]"):
        read(path)


@pytest.mark.skipif(WITHOUT, reason="ecgdatakit is not installed")
def test_mfer(file: Path, heart: Recording) -> None:
    intake = read(file)
    assert intake.kind == "mfer"
    assert intake.recording is not None
    assert (intake.recording.rate, intake.recording.sex) == (250.0, "female")
    np.testing.assert_allclose(intake.recording.signal, heart.signal, atol=0.0026)
    file.write_bytes(file.read_bytes()[:5000])
    with pytest.raises(DamagedFile) as caught:
        read(file)
    assert str(file.parent) not in str(caught.value)


def test_bounds(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    packed = file.with_suffix(".mwf.gz")
    packed.write_bytes(gzip.compress(file.read_bytes()))
    file.rename(file.with_name("other.mwf"))
    with pytest.raises(UnsupportedFormat, match="unpack it"):
        open_file(packed)
    monkeypatch.setattr(ecgdatakit_reader, "MAX_OTHER_BYTES", 1000)
    with pytest.raises(TooLarge, match="MB"):
        open_file(packed)
