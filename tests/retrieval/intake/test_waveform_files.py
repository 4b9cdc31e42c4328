"""aECG, MUSE, Philips, SCP-ECG and EDF are read to the samples that were written, as other readers read them."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from retrieval.ecg.recording import INDEPENDENT_LEADS, LEADS, Recording, from_independent
from retrieval.errors import BadSignal, DamagedFile, NoWaveform, UnsupportedFormat
from retrieval.intake import open_file, read
from retrieval.intake.opening import Recorded
from retrieval.intake.scp_coding import default_table, undo_differences, unpack_huffman
from retrieval.intake.xli import decode_xli, unpack_lzw
from tests.retrieval.intake.makers.edf import edf
from tests.retrieval.intake.makers.scp import scp
from tests.retrieval.intake.makers.xli import pack_lzw, pack_xli
from tests.retrieval.intake.makers.xml import aecg, muse, philips

Write = Callable[[str, bytes], Path]
CALM = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def written(name: str, data: bytes) -> Path:
        (tmp_path / name).write_bytes(data)
        return tmp_path / name

    return written


def recorded(path: Path, number: int = 1) -> Recorded:
    content = open_file(path).load(number)
    assert isinstance(content, Recorded)
    return content


def ecg_channels(
    heart: Recording, unit: str = "uV", high: float = 5000.0
) -> list[tuple[str, str, float, np.ndarray]]:
    per_mv = {"uV": 1000.0, "mV": 1.0}[unit]
    return [(f"ECG {lead}", unit, high, heart.lead(lead).reshape(10, 250).astype(float) * per_mv) for lead in LEADS]


def made(heart: Recording) -> dict[str, tuple[bytes, str, float | None, str | None]]:
    """A file of each kind: its bytes, kind, age and sex."""
    return {
        "a.xml": (aecg(heart), "aecg", 63.0, "female"),
        "b.xml": (muse(heart), "muse", 63.0, "male"),
        "c.xml": (philips(heart), "philips", 71.0, "female"),
        "c3.xml": (philips(heart, version="1.03"), "philips", 71.0, "female"),
        "d.scp": (scp(heart, order=2, huffman="default", beats=(75, 288, 500)), "scp", 58.0, "female"),
        "e.edf": (edf(ecg_channels(heart), "EDF+C", patient="4711 F 02-AUG-1951 Muster"), "edf", 72.0, "female"),
    }


@pytest.mark.parametrize("name", ["a.xml", "b.xml", "c.xml", "c3.xml", "d.scp", "e.edf"])
def test_each_kind_by_its_content_alone(write: Write, heart: Recording, name: str) -> None:
    data, kind, age, sex = made(heart)[name]
    for file_name in (name, "no-suffix", "wrong.png"):
        intake = read(write(file_name, data))
        assert intake.kind == kind
        assert intake.recording is not None
        assert intake.recording.rate == 250.0
        np.testing.assert_allclose(intake.recording.signal, heart.signal, atol=0.0045)  # a step, or two derived
        assert (intake.recording.age, intake.recording.sex, intake.recording.patient_key) == (age, sex, None)
        assert "uster" not in repr(intake)


@pytest.mark.parametrize("name", ["a.xml", "b.xml", "c.xml", "c3.xml", "d.scp", "e.edf"])
def test_ecgdatakit_reads_the_same(write: Write, heart: Recording, name: str) -> None:
    kit = pytest.importorskip("ecgdatakit")
    path = write(name, made(heart)[name][0])
    own = recorded(path).recording
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = kit.FileParser.parse(path)
    assert len(theirs.leads) >= 8
    for lead in theirs.leads:
        values, unit = np.asarray(lead.samples, float), lead.units
        if lead.is_raw:
            values, unit = values * lead.resolution + lead.offset, lead.resolution_unit
        np.testing.assert_allclose(own.lead(lead.label), values * {"uV": 1e-3, "mV": 1.0}[unit], atol=1e-6)


def test_sierraecg_reads_the_same(write: Write, heart: Recording) -> None:
    sierra = pytest.importorskip("sierraecg")
    for version in ("1.03", "1.04"):
        path = write("p.xml", philips(heart, version=version))
        own = recorded(path).recording
        for lead in sierra.read_file(str(path)).leads:
            np.testing.assert_allclose(own.lead(lead.label), np.asarray(lead.samples, float) * 0.005, atol=1e-6)


@pytest.mark.parametrize("library", ["edfio", "pyedflib"])
def test_edf_libraries_read_the_same(write: Write, heart: Recording, library: str) -> None:
    module = pytest.importorskip(library)
    path = write("e.edf", edf(ecg_channels(heart, "mV", 5.0), "EDF+C"))
    own = recorded(path).recording
    if library == "edfio":
        rows = {signal.label: signal.data for signal in module.read_edf(path).signals}
    else:
        with module.EdfReader(str(path)) as reader:
            rows = {label: reader.readSignal(i) for i, label in enumerate(reader.getSignalLabels()) if "ECG" in label}
    for label, row in rows.items():
        np.testing.assert_allclose(own.lead(label.split()[1]), row, atol=1e-6)


# --- HL7 aECG


@pytest.mark.parametrize(("scale", "unit", "origin"), [(1.25, "uV", 0.0), (0.005, "mV", 0.0), (2.0, "uV", 512.0)])
def test_aecg_origin_and_scale(write: Write, heart: Recording, scale: float, unit: str, origin: float) -> None:
    own = recorded(write("a.xml", aecg(heart, scale, unit, origin))).recording
    np.testing.assert_allclose(own.signal, heart.signal, atol=scale * {"uV": 1e-3, "mV": 1.0}[unit] / 2 + 1e-6)


def test_aecg_with_several_rhythm_series(write: Write, heart: Recording) -> None:
    path = write("a.xml", aecg(heart, series=2))
    assert open_file(path).pages == 2
    np.testing.assert_allclose(recorded(path, 2).recording.signal, heart.signal / 2, atol=0.0013)
    assert read(path, page=2).number == 2
    assert "first_page" in {finding.kind for finding in read(path).findings}


def test_aecg_of_a_beat_alone_and_without_scale(write: Write, heart: Recording) -> None:
    data = aecg(heart).replace(b'<code code="RHYTHM"/>', b'<code code="REPRESENTATIVE_BEAT"/>')
    with pytest.raises(NoWaveform, match="rhythm"):
        read(write("beat.xml", data))
    with pytest.raises(BadSignal, match="scale"):
        read(write("scale.xml", aecg(heart).replace(b"<scale ", b"<other ")))


# --- MUSE


@pytest.mark.parametrize(("unit", "bit", "exponent"), [("MICROVOLTS", 4.88, 0), ("MILLIVOLTS", 0.00488, 1)])
def test_muse_units_and_rate(write: Write, heart: Recording, unit: str, bit: float, exponent: int) -> None:
    own = recorded(write("m.xml", muse(heart, bit, unit, exponent))).recording
    assert own.rate == pytest.approx(250.0)
    np.testing.assert_allclose(own.signal[6:], heart.signal[6:], atol=0.0025)


@pytest.mark.parametrize("kinds", [("Rhythm",), ("Rhythm", "Median"), ("Median", "Rhythm")])
def test_muse_takes_the_rhythm_wherever_it_stands(write: Write, heart: Recording, kinds: tuple[str, ...]) -> None:
    own = recorded(write("m.xml", muse(heart, kinds=kinds))).recording
    assert own.signal.shape == (12, 2500)
    np.testing.assert_allclose(own.lead("II"), heart.lead("II"), atol=0.0025)


def test_muse_with_twelve_leads_or_a_median_only(write: Write, heart: Recording) -> None:
    own = recorded(write("m.xml", muse(heart, leads=LEADS))).recording
    np.testing.assert_allclose(own.signal, heart.signal, atol=0.0025)
    with pytest.raises(NoWaveform, match="median beat only"):
        read(write("median.xml", muse(heart, kinds=("Median",))))


def test_muse_checksums_and_loose_electrodes(write: Write, heart: Recording) -> None:
    with pytest.raises(DamagedFile, match="V3"):
        read(write("m.xml", muse(heart, wrong_checksums=("V3",))))
    findings = {f.kind for f in recorded(write("m.xml", muse(heart, wrong_checksums=LEADS, off=("V1",)))).findings}
    assert findings == {"checksum", "lead_off"}


# --- Philips


@pytest.mark.parametrize("version", ["1.03", "1.04"])
@pytest.mark.parametrize("packed", [True, False])
def test_philips_versions_and_packing(write: Write, heart: Recording, version: str, packed: bool) -> None:
    own = recorded(write("p.xml", philips(heart, 5.0, packed, version))).recording
    np.testing.assert_allclose(own.signal, heart.signal, atol=0.00251)


def test_philips_text_in_other_encodings(write: Write, heart: Recording) -> None:
    expected = recorded(write("p.xml", philips(heart))).recording.signal
    for data in (
        philips(heart, encoding="UTF-16"),
        philips(heart).replace(b'encoding="UTF-8"', b'encoding="UTF-16"'),  # declared as what it is not
        philips(heart, packed=False, plain=True),
    ):
        np.testing.assert_array_equal(recorded(write("p.xml", data)).recording.signal, expected)


def test_philips_without_resolution_or_waveform(write: Write, heart: Recording) -> None:
    with pytest.raises(BadSignal, match="resolution"):
        read(write("p.xml", philips(heart, attributes={"resolution": ""})))
    with pytest.raises(NoWaveform):
        read(write("p.xml", philips(heart).replace(b"parsedwaveforms", b"otherwaveforms")))
    with pytest.raises(UnsupportedFormat, match="HUFF"):
        read(write("p.xml", philips(heart, attributes={"compression": "Huff"})))


@CALM
@given(st.lists(st.integers(-30000, 30000), min_size=4, max_size=200), st.integers(-500, 500))
def test_xli_gives_back_what_was_packed(values: list[int], slope: int) -> None:
    smooth = np.cumsum(np.clip(np.array(values), -60, 60)) + slope
    (own,) = decode_xli(pack_xli([smooth]), 1, len(smooth), "x")
    np.testing.assert_array_equal(own, smooth)


@CALM
@given(st.binary(max_size=3000))
def test_lzw_gives_back_what_was_packed(data: bytes) -> None:
    assert unpack_lzw(pack_lzw(data), len(data), "x") == data


def test_lzw_with_a_full_table_and_a_bomb() -> None:
    data = bytes(np.random.default_rng(0).integers(0, 256, 5000, dtype=np.uint8))
    assert unpack_lzw(pack_lzw(data), 5000, "x") == data
    with pytest.raises(DamagedFile, match="more samples"):
        unpack_lzw(pack_lzw(bytes(100_000)), 1000, "x")


# --- SCP-ECG


@pytest.mark.parametrize("huffman", ["", "default", "own"])
@pytest.mark.parametrize("order", [0, 1, 2])
@pytest.mark.parametrize("beats", [(), (75, 288, 500, 713)])
def test_scp_encodings(write: Write, heart: Recording, huffman: str, order: int, beats: tuple[int, ...]) -> None:
    own = recorded(write("s.scp", scp(heart, 5.0, LEADS, order, huffman, beats)))
    np.testing.assert_allclose(own.recording.signal, heart.signal, atol=0.00251)
    assert own.findings == ()


def test_scp_of_eight_leads(write: Write, heart: Recording) -> None:
    own = recorded(write("s.scp", scp(heart, leads=INDEPENDENT_LEADS))).recording
    np.testing.assert_allclose(own.signal[6:], heart.signal[6:], atol=0.00251)
    np.testing.assert_allclose(own.signal, heart.signal, atol=0.006)


def test_scp_that_cannot_be_read_says_why(write: Write, heart: Recording) -> None:
    whole = scp(heart)
    with pytest.raises(DamagedFile, match="section 6"):
        read(write("cut.scp", whole[:20_000]))
    changed = bytearray(whole)
    changed[-9] ^= 1
    assert {finding.kind for finding in recorded(write("c.scp", bytes(changed))).findings} == {"checksum"}
    with pytest.raises(DamagedFile, match="Huffman"):
        read(write("none.scp", scp(heart, huffman="default", tables=0)))


@CALM
@given(st.lists(st.integers(-32768, 32767), min_size=1, max_size=60), st.integers(0, 2))
def test_scp_differences_wrap_as_16_bits(values: list[int], order: int) -> None:
    differences = np.array(values, np.int64)
    for _ in range(order):
        differences[1:] = np.diff(differences)
    if order == 2 and len(values) > 1:
        differences[1] = values[1]
    wrapped = differences.astype(np.int16).astype(np.int64)
    np.testing.assert_array_equal(undo_differences(wrapped, order), values)


def test_scp_default_table_is_a_prefix_code() -> None:
    codes = [f"{bits:0{length}b}" for length, bits in default_table()]
    assert len(codes) == 19
    assert not any(a != b and b.startswith(a) for a in codes for b in codes)
    # By the table of EN 1064: 0, 100, 101, 1100 and 1101 are 0, 1, -1, 2 and -2.
    stream = int("0100101110011010" + "0" * 8, 2).to_bytes(3, "big")
    assert unpack_huffman(stream, 5, [default_table()], "x").tolist() == [0, 1, -1, 2, -2]


# --- EDF


@pytest.mark.parametrize("kind", ["EDF", "EDF+C", "EDF+D", "BDF"])
@pytest.mark.parametrize("unit", ["uV", "mV"])
def test_edf_kinds_and_units(write: Write, heart: Recording, kind: str, unit: str) -> None:
    path = write("e.edf", edf(ecg_channels(heart, unit, {"uV": 5000.0, "mV": 5.0}[unit]), kind))
    np.testing.assert_allclose(recorded(path).recording.signal, heart.signal, atol=1e-4)


def test_edf_with_other_channels_and_rates(write: Write, heart: Recording) -> None:
    channels = ecg_channels(heart)
    channels.insert(3, ("Resp chest", "", 10.0, np.zeros((10, 10))))
    slow = heart.lead("V6").reshape(10, 125, 2)[:, :, 0].astype(float) * 1000
    channels[-1] = ("EKG V6", "uV", 5000.0, slow)
    own = recorded(write("e.edf", edf(channels)))
    assert own.recording.rate == 250.0
    np.testing.assert_allclose(own.recording.signal[:11], heart.signal[:11], atol=1e-4)
    np.testing.assert_allclose(own.recording.lead("V6")[:2400:2], heart.lead("V6")[:2400:2], atol=1e-4)
    assert [finding.kind for finding in own.findings] == ["resampled"]


def test_edf_gaps_and_truncation(write: Write, heart: Recording) -> None:
    with pytest.raises(BadSignal, match="gaps"):
        read(write("gap.edf", edf(ecg_channels(heart), "EDF+D", gap=3.0)))
    whole = edf(ecg_channels(heart))
    with pytest.raises(DamagedFile, match="truncated: 9 of 10"):
        read(write("cut.edf", whole[:-100]))
    open_end = write("open.edf", edf(ecg_channels(heart), records=-1))
    assert recorded(open_end).recording.seconds == 10.0
    with pytest.raises(NoWaveform, match="Resp"):
        read(write("none.edf", edf([("Resp", "uV", 5.0, np.zeros((10, 10)))])))


@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    st.floats(0.3, 3.0), st.sampled_from([100.0, 250.0, 500.0, 1000.0]), st.integers(3, 8),
    st.sampled_from(["aecg", "muse", "philips", "scp"]), st.sampled_from([1.0, 2.5, 4.88, 5.0]),
)  # fmt: skip
def test_any_signal_comes_back(write: Write, size: float, rate: float, seconds: int, kind: str, step: float) -> None:
    rng = np.random.default_rng(int(size * 1e6))
    walk = np.cumsum(rng.normal(0, 0.02, (8, int(rate * seconds))), axis=1)
    truth = Recording(from_independent(np.clip(walk * size, -4, 4)), rate)
    data = {"aecg": aecg, "muse": lambda r, s: muse(r, s, leads=LEADS), "philips": philips, "scp": scp}[kind](
        truth, step
    )
    own = recorded(write("any", data)).recording
    assert own.rate == pytest.approx(rate)
    np.testing.assert_allclose(own.signal, truth.signal, atol=step * 0.51e-3)
