"""WFDB: formats, gains, units and names of leads, several segments, and headers that lead elsewhere."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import wfdb

from retrieval.ecg.recording import INDEPENDENT_LEADS, LEADS, Recording
from retrieval.errors import (
    BadSignal,
    CompanionMissing,
    DamagedFile,
    LeadsMissing,
    TooLarge,
    UnsupportedFormat,
)
from retrieval.intake import open_file, read
from retrieval.intake.opening import Recorded


def of(path: Path) -> Recorded:
    content = open_file(path).load(1)
    assert isinstance(content, Recorded)
    return content


def record(
    folder: Path, heart: Recording, name: str = "r", fmt: str = "16", factor: float = 1.0, **more: object
) -> Path:
    labels = list(more.pop("labels", LEADS))
    unit = str(more.pop("unit", "mV"))
    values = heart.signal.T.astype(float) * factor
    formats, units = [fmt] * len(labels), [unit] * len(labels)
    wfdb.wrsamp(name, heart.rate, units, labels, values, fmt=formats, write_dir=str(folder), **more)
    return folder / f"{name}.hea"


@pytest.mark.parametrize("fmt", ["16", "24", "32", "212", "80", "508"])
def test_formats(tmp_path: Path, heart: Recording, fmt: str) -> None:
    path = record(tmp_path, heart, fmt=fmt)
    theirs = wfdb.rdrecord(str(path.with_suffix(""))).p_signal.T
    own = of(path).recording.signal
    np.testing.assert_allclose(own, theirs, atol=1e-6)
    np.testing.assert_allclose(own, heart.signal, atol={"80": 0.02, "212": 0.002, "508": 0.02}.get(fmt, 0.001))


@pytest.mark.parametrize(
    "labels",
    [
        [lead.lower() for lead in LEADS],
        [f"ECG lead {lead.upper()}" for lead in LEADS],
        ["DI", "DII", "DIII", "AVR", "AVL", "AVF", "C1", "C2", "C3", "C4", "C5", "C6"],
    ],
)
def test_names_of_leads(tmp_path: Path, heart: Recording, labels: list[str]) -> None:
    np.testing.assert_allclose(of(record(tmp_path, heart, labels=labels)).recording.signal, heart.signal, atol=0.001)


def test_unit_gain_and_baseline(tmp_path: Path, heart: Recording) -> None:
    path = record(tmp_path, heart, unit="uV", factor=1000.0, adc_gain=[0.5] * 12, baseline=[100] * 12)
    np.testing.assert_allclose(of(path).recording.signal, heart.signal, atol=0.0011)
    text = path.read_text()
    path.write_text(text.replace("/uV", "/mmHg"))
    with pytest.raises(BadSignal, match="mmHg"):
        read(path)


def test_a_gain_of_zero_is_the_usual_one(tmp_path: Path, heart: Recording) -> None:
    path = record(tmp_path, heart, adc_gain=[200.0] * 12, baseline=[0] * 12)
    path.write_text(path.read_text().replace("200.0(0)/mV", "0"))
    np.testing.assert_allclose(of(path).recording.signal, heart.signal, atol=0.0026)


def test_missing_leads(tmp_path: Path, heart: Recording) -> None:
    eight = Recording(heart.signal, heart.rate)
    labels = list(INDEPENDENT_LEADS)
    signal = np.stack([eight.lead(lead) for lead in labels]).T.astype(float)
    wfdb.wrsamp("e", 250, ["mV"] * 8, labels, signal, fmt=["16"] * 8, write_dir=str(tmp_path))
    np.testing.assert_allclose(of(tmp_path / "e.hea").recording.signal, heart.signal, atol=0.002)
    holter = ["MLII", "V1", "V2", "V3", "V4", "V5", "V6", "V7"]
    wfdb.wrsamp("h", 250, ["mV"] * 8, holter, signal, fmt=["16"] * 8, write_dir=str(tmp_path))
    with pytest.raises(LeadsMissing, match="I, II"):
        read(tmp_path / "h.hea")


def test_most_significant_byte_first(tmp_path: Path, heart: Recording) -> None:
    path = record(tmp_path, heart)
    data = np.frombuffer(path.with_suffix(".dat").read_bytes(), "<i2")
    path.with_suffix(".dat").write_bytes(data.astype(">i2").tobytes())
    path.write_text(path.read_text().replace("r.dat 16 ", "r.dat 61 "))
    np.testing.assert_allclose(of(path).recording.signal, heart.signal, atol=0.001)


@pytest.mark.parametrize(("row", "derived"), [(2, True), (8, False)])
def test_a_lead_that_was_lost(tmp_path: Path, heart: Recording, row: int, derived: bool) -> None:
    path = record(tmp_path, heart)
    data = np.frombuffer(path.with_suffix(".dat").read_bytes(), "<i2").reshape(-1, 12).copy()
    data[:, row] = -32768  # format 16 marks a sample that was lost so
    path.with_suffix(".dat").write_bytes(data.tobytes())
    if not derived:
        with pytest.raises(LeadsMissing, match="V3"):
            read(path)
        return
    own = of(path)
    assert [finding.kind for finding in own.findings] == ["lead_lost"]
    np.testing.assert_allclose(own.recording.signal, heart.signal, atol=0.002)


def test_several_segments(tmp_path: Path, heart: Recording) -> None:
    record(tmp_path, heart.slice_seconds(0, 4), "s1")
    record(tmp_path, heart.slice_seconds(4, 10), "s2")
    (tmp_path / "whole.hea").write_text("whole/2 12 250 2500\ns1 1000\ns2 1500\n")
    np.testing.assert_allclose(of(tmp_path / "whole.hea").recording.signal, heart.signal, atol=0.001)
    (tmp_path / "s2.dat").unlink()
    with pytest.raises(CompanionMissing, match=r"s2\.dat"):
        read(tmp_path / "whole.hea")


def test_two_signals_of_the_same_lead(tmp_path: Path, heart: Recording) -> None:
    signal = np.concatenate([heart.signal, heart.signal[1:2] * 0.5]).T.astype(float)
    wfdb.wrsamp("t", 250, ["mV"] * 13, [*LEADS, "lead ii"], signal, fmt=["16"] * 13, write_dir=str(tmp_path))
    own = of(tmp_path / "t.hea")
    assert [finding.kind for finding in own.findings] == ["lead_named_twice"]
    np.testing.assert_allclose(own.recording.signal, heart.signal, atol=0.001)


@pytest.mark.parametrize("elsewhere", ["../r.dat", "/etc/passwd", "sub/r.dat", "http://host/r.dat"])
def test_a_header_leads_nowhere_else(tmp_path: Path, heart: Recording, elsewhere: str) -> None:
    path = record(tmp_path, heart)
    path.write_text(path.read_text().replace("r.dat", elsewhere))
    with pytest.raises((UnsupportedFormat, DamagedFile), match=r"r\.hea"):
        read(path)


def test_long_recordings(tmp_path: Path, heart: Recording) -> None:
    twice = Recording(np.tile(heart.signal, 3), heart.rate)
    found = {finding.kind: finding.message for finding in read(record(tmp_path, twice)).findings}
    assert "lasts 30 s; the page shows its first 10" in found["long_recording"]
    path = record(tmp_path, heart)
    path.write_text(path.read_text().replace("250 2500", "250 25000000"))
    with pytest.raises(TooLarge, match="1667 minutes"):
        read(path)
