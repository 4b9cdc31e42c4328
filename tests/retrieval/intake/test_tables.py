"""CSV, NPY and NPZ: read by what is declared, refused where rate or unit is not."""

from __future__ import annotations

import gzip
import io
import json
import zipfile
from pathlib import Path

import numpy as np
import pytest

from retrieval.ecg.recording import INDEPENDENT_LEADS, LEADS, Recording
from retrieval.errors import BadSignal, DamagedFile, LeadsMissing, TooLarge, UnsupportedFormat
from retrieval.intake import open_file, opening, read
from retrieval.intake.declared import Declared
from retrieval.intake.opening import Recorded

SAID = Declared(rate=250, unit="mV")


def of(path: Path, declared: Declared | None = None, number: int = 1) -> Recorded:
    content = open_file(path, declared).load(number)
    assert isinstance(content, Recorded)
    return content


def table(heart: Recording, head: str, mark: str = ",", factor: float = 1.0, time: bool = False) -> str:
    rows = heart.signal.T.astype(float) * factor
    if time:
        rows = np.concatenate([np.arange(len(rows))[:, None] / heart.rate, rows], axis=1)
    lines = [mark.join(f"{value:.5f}" for value in row) for row in rows]
    return head + "\n".join(lines) + "\n"


@pytest.mark.parametrize(
    ("head", "mark", "factor"),
    [
        ("# rate: 250\n# unit: mV\n" + ",".join(LEADS) + "\n", ",", 1.0),
        ("# Sampling_Rate = 250 Hz\n# Units: uV\n" + ",".join(LEADS) + "\n", ",", 1000.0),
        ("# fs: 250\n" + ";".join(f"{lead} [µV]" for lead in LEADS) + "\n", ";", 1000.0),
        ("# rate: 250\n" + "\t".join(f"ECG_{lead}_uV" for lead in LEADS) + "\n", "\t", 1000.0),
        ("# rate: 250\n# unit: mV\n# leads: " + ",".join(LEADS) + "\n", ",", 1.0),
    ],
)
def test_csv_that_says_all(tmp_path: Path, heart: Recording, head: str, mark: str, factor: float) -> None:
    path = tmp_path / "ecg.csv"
    path.write_text(table(heart, head, mark, factor), encoding="utf-8")
    own = of(path)
    assert own.recording.rate == 250.0
    np.testing.assert_allclose(own.recording.signal, heart.signal, atol=1e-5)
    assert own.findings == ()


def test_csv_with_decimal_commas_times_and_more(tmp_path: Path, heart: Recording) -> None:
    path = tmp_path / "ecg.csv"
    head = "# unit: mV\n# age: 63\n# sex: F\n# name: Muster\nTime (s);" + ";".join(LEADS) + "\n"
    path.write_text(table(heart, head, ";", time=True).replace(".", ","), encoding="utf-8-sig")
    intake = read(path)
    own = intake.recording
    assert own is not None
    assert (intake.kind, own.rate, own.age, own.sex) == ("csv", 250.0, 63.0, "female")
    np.testing.assert_allclose(own.signal, heart.signal, atol=1e-5)
    assert "Muster" not in repr(intake)


def test_txt_and_gzip(tmp_path: Path, heart: Recording) -> None:
    text = table(heart, "# rate: 250\n# unit: mV\n" + ",".join(LEADS) + "\n")
    (tmp_path / "ecg.txt").write_text(text)
    (tmp_path / "ecg.csv.gz").write_bytes(gzip.compress(text.encode()))
    for name in ("ecg.txt", "ecg.csv.gz"):
        np.testing.assert_allclose(of(tmp_path / name).recording.signal, heart.signal, atol=1e-5)


@pytest.mark.parametrize(
    ("head", "lacks"), [("# unit: mV\n", "how many samples"), ("# rate: 250\n", "mV or uV"), ("", "")]
)
def test_undeclared_csv_is_refused_and_told_how(tmp_path: Path, heart: Recording, head: str, lacks: str) -> None:
    path = tmp_path / "ecg.csv"
    path.write_text(table(heart, head + ",".join(LEADS) + "\n"))
    with pytest.raises(BadSignal, match=lacks) as caught:
        read(path)
    assert "# rate: 500" in str(caught.value)
    np.testing.assert_allclose(of(path, SAID).recording.signal, heart.signal, atol=1e-5)
    path.with_suffix(".json").write_text(json.dumps({"rate": 250, "unit": "mV"}))
    np.testing.assert_allclose(of(path).recording.signal, heart.signal, atol=1e-5)


def test_microvolts_are_never_guessed(tmp_path: Path, heart: Recording) -> None:
    path = tmp_path / "ecg.csv"
    path.write_text(table(heart, "# rate: 250\n# unit: mV\n" + ",".join(LEADS) + "\n", factor=1000.0))
    with pytest.raises(BadSignal, match="divide by 1,000"):
        read(path)


def test_declarations_that_differ(tmp_path: Path, heart: Recording) -> None:
    path = tmp_path / "ecg.csv"
    path.write_text(table(heart, "# rate: 500\n# unit: mV\n" + ",".join(LEADS) + "\n"))
    with pytest.raises(BadSignal, match="differ in rate"):
        read(path, declared=SAID)


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("", DamagedFile),
        ("I,II,V1\n1,2,x\n", DamagedFile),
        ("I,II,V1\n1,2,3\n1,2\n", DamagedFile),
        ("I,II,V1\n1,2,3,4\n1,2,3,4\n", DamagedFile),
        ("I,II,V1\n1,2,3\n1,2,3\n", LeadsMissing),
        ("one,two\nthree,four\n", DamagedFile),
        ("1,2,3\n4,5,6\n", BadSignal),
    ],
)
def test_csv_that_cannot_be_read(tmp_path: Path, text: str, kind: type[Exception]) -> None:
    path = tmp_path / "ecg.csv"
    path.write_text("# rate: 250\n# unit: mV\n" + text)
    with pytest.raises(kind, match=r"ecg\.csv"):
        read(path)


def test_uneven_times(tmp_path: Path, heart: Recording) -> None:
    rows = table(heart, "", time=True).splitlines()
    path = tmp_path / "ecg.csv"
    path.write_text("\n".join(["# unit: mV", "t (s)," + ",".join(LEADS), *rows[:500], *rows[900:]]))
    with pytest.raises(BadSignal, match="even steps"):
        read(path)


def test_a_gzip_bomb(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "ecg.csv.gz"
    path.write_bytes(gzip.compress(b"I,II,V1\n" + b"1,2,3\n" * 200_000))
    assert path.stat().st_size < 10_000
    monkeypatch.setattr(opening, "MAX_UNPACKED", 1_000_000)
    with pytest.raises(TooLarge, match="unpacks to more than 1 MB"):
        read(path)
    path.write_bytes(path.read_bytes()[:500])
    with pytest.raises(DamagedFile, match="truncated"):
        read(path)


def test_a_table_that_begins_like_a_bitmap(tmp_path: Path) -> None:
    path = tmp_path / "bmi.csv"
    path.write_text("BMI,age,height\n22.1,63,170\n")
    with pytest.raises(DamagedFile, match="no number"):
        read(path)


# --- NPY and NPZ


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("turned", [False, True])
def test_npy(tmp_path: Path, heart: Recording, order: str, turned: bool) -> None:
    path = tmp_path / "ecg.npy"
    values = heart.signal.T if turned else heart.signal
    np.save(path, np.asarray(values, order=order))
    own = of(path, SAID)
    np.testing.assert_array_equal(own.recording.signal, heart.signal)
    assert [finding.kind for finding in own.findings] == ["lead_order_assumed"]
    with pytest.raises(BadSignal, match="rate"):
        read(path)


def test_npy_of_microvolts_and_eight_leads(tmp_path: Path, heart: Recording) -> None:
    path = tmp_path / "ecg.npy"
    eight = np.stack([heart.lead(lead) for lead in INDEPENDENT_LEADS])
    np.save(path, np.round(eight * 1000).astype(np.int16))
    (tmp_path / "ecg.npy.json").write_text('{"fs": 250, "units": "uV"}')
    np.testing.assert_allclose(of(path).recording.signal, heart.signal, atol=0.0011)


def test_npy_of_several_records(tmp_path: Path, heart: Recording) -> None:
    path = tmp_path / "many.npy"
    np.save(path, np.stack([heart.signal, 2 * heart.signal, 3 * heart.signal]))
    opened = open_file(path, SAID)
    assert opened.pages == 3
    np.testing.assert_array_equal(of(path, SAID, 3).recording.signal, 3 * heart.signal)


def test_npz_that_says_all(tmp_path: Path, heart: Recording) -> None:
    path = tmp_path / "ecg.npz"
    np.savez_compressed(path, ecg=heart.signal[::-1], fs=250, unit="mV", leads=np.array(LEADS[::-1]))
    own = of(path)
    np.testing.assert_array_equal(own.recording.signal, heart.signal)
    assert own.findings == ()
    np.savez(path, rate=250, unit="mV", **{lead: heart.lead(lead) for lead in LEADS})
    np.testing.assert_array_equal(of(path).recording.signal, heart.signal)


def test_arrays_that_are_refused(tmp_path: Path, heart: Recording) -> None:
    path = tmp_path / "x.npy"
    with path.open("wb") as file:  # what numpy writes before the pickle of an object array
        np.lib.format.write_array_header_1_0(file, {"descr": "|O", "fortran_order": False, "shape": (1,)})
        file.write(b"\x80\x04].")
    with pytest.raises(UnsupportedFormat, match="pickled"):
        read(path, declared=SAID)
    np.save(path, np.zeros((3, 4, 5, 6)))
    with pytest.raises(BadSignal, match="12, samples"):
        read(path, declared=SAID)
    np.save(path, heart.signal)
    path.write_bytes(path.read_bytes()[:5000])
    with pytest.raises(DamagedFile, match="ends early"):
        read(path, declared=SAID)
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "<f8", "fortran_order": False, "shape": (12, 10**9)})
    path.write_bytes(header.getvalue())
    with pytest.raises(TooLarge, match="values"):
        read(path, declared=SAID)


def test_zip_files_that_are_none_of_ours(tmp_path: Path) -> None:
    path = tmp_path / "letter.docx"
    with zipfile.ZipFile(path, "w") as packed:
        packed.writestr("word/document.xml", "<w/>")
    with pytest.raises(UnsupportedFormat, match="zip file"):
        read(path)
    bomb = tmp_path / "bomb.npz"
    out = io.BytesIO()
    np.lib.format.write_array_header_1_0(out, {"descr": "|u1", "fortran_order": False, "shape": (12, 200_000_000)})
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as packed, packed.open("signal.npy", "w") as part:
        part.write(out.getvalue())
        for _ in range(90):
            part.write(bytes(1_000_000))
    with pytest.raises(TooLarge):
        read(bomb, declared=SAID)
