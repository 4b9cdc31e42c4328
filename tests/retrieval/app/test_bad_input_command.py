"""Each bad input of a hard world, through a real process: one sentence, exit code 2, no traceback."""

from __future__ import annotations

import shutil
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from retrieval.app.demo_command import dicom_of_pydicom
from tests.retrieval.conftest import heartbeats
from tests.retrieval.wfdb_files import write_wfdb

pytestmark = pytest.mark.slow


def not_an_image(folder):
    (folder / "x.png").write_text("hello, this is a letter\n" * 20)
    return folder / "x.png"


def truncated(folder):
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (400, 600, 3), np.uint8)).save(folder / "full.jpg")
    data = (folder / "full.jpg").read_bytes()
    (folder / "cut.jpg").write_bytes(data[: len(data) // 3])
    return folder / "cut.jpg"


def zero_bytes(folder):
    (folder / "zero.pdf").touch()
    return folder / "zero.pdf"


def no_ecg(folder):
    ramp = np.linspace(0, 255, 800)[None, :, None] * np.ones((600, 1, 3))
    Image.fromarray(ramp.astype(np.uint8)).save(folder / "sunset.png")
    return folder / "sunset.png"


def three_leads(folder):
    import wfdb

    signal = heartbeats(1).signal[[0, 1, 6]].T.astype(float)
    wfdb.wrsamp("three", 250, ["mV"] * 3, ["I", "II", "V1"], p_signal=signal, fmt=["16"] * 3, write_dir=str(folder))
    return folder / "three.hea"


def encrypted_pdf(folder):
    """A PDF whose trailer names a standard security handler with a password that nobody knows."""
    key = "<" + "5a" * 32 + ">"
    body = (
        "%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n"
        "2 0 obj<</Type/Pages/Kids[3 0 R]/Count 1>>endobj\n"
        "3 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 300 300]>>endobj\n"
        f"4 0 obj<</Filter/Standard/V 1/R 2/O{key}/U{key}/P -4>>endobj\n"
    )
    starts = [body.index(f"{n} 0 obj") for n in range(1, 5)]
    table = "xref\n0 5\n0000000000 65535 f \n" + "".join(f"{start:010d} 00000 n \n" for start in starts)
    tail = f"trailer<</Size 5/Root 1 0 R/Encrypt 4 0 R/ID[<00><00>]>>\nstartxref\n{len(body)}\n%%EOF\n"
    (folder / "locked.pdf").write_text(body + table + tail)
    return folder / "locked.pdf"


def bomb(folder):
    """9,000 x 9,000 pixels of one bit in about 10 KiB."""

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = zlib.compress(b"\0" * (9000 * (1 + 9000 // 8)), 9)
    head = struct.pack(">IIBBBBB", 9000, 9000, 1, 0, 0, 0, 0)
    data = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")
    assert len(data) < 12 * 1024
    (folder / "bomb.png").write_bytes(data)
    return folder / "bomb.png"


def dicom_without_waveform(folder):
    import pydicom

    dataset = pydicom.dcmread(dicom_of_pydicom())
    del dataset.WaveformSequence
    dataset.save_as(folder / "bare.dcm")
    return folder / "bare.dcm"


def header_alone(folder):
    write_wfdb(folder, "alone", heartbeats(2))
    (folder / "alone.dat").unlink()
    return folder / "alone.hea"


def a_folder(folder):
    return folder


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (not_an_image, "x.png"),
        (truncated, "cut.jpg"),
        (zero_bytes, "zero"),
        (no_ecg, "sunset.png"),
        (three_leads, "V2"),
        (encrypted_pdf, "password"),
        (bomb, "9"),
        (dicom_without_waveform, "waveform"),
        (header_alone, "alone.dat"),
        (a_folder, "folder"),
    ],
    ids=lambda part: getattr(part, "__name__", ""),
)
def test_one_sentence_and_2(process, toy_bundle, toy_gallery, tmp_path, make, says):
    done = process(["query", make(tmp_path), "--bundle", toy_bundle, "--gallery", toy_gallery])
    assert done.returncode == 2, done.stderr
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    lines = done.stderr.strip().splitlines()
    assert len(lines) == 1, done.stderr
    assert lines[0].startswith("nearbeat: ")
    assert says in lines[0]


def test_a_gallery_of_another_bundle(process, toy_gallery, ecg_files, tmp_path):
    from tests.toy_bundle import write_toy_bundle

    other = write_toy_bundle(tmp_path / "other", seed=1, name="other")
    done = process(["query", ecg_files / "record.hea", "--bundle", other, "--gallery", toy_gallery])
    assert (done.returncode, done.stdout) == (2, "")
    assert len(done.stderr.strip().splitlines()) == 1
    assert "toy" in done.stderr


def test_no_gallery_and_no_bundle(process, toy_bundle, ecg_files, tmp_path):
    for options in (["--gallery", tmp_path / "none", "--bundle", toy_bundle], ["--bundle", tmp_path / "none"]):
        done = process(["query", ecg_files / "record.hea", *options])
        assert (done.returncode, done.stdout) == (2, "")
        assert len(done.stderr.strip().splitlines()) == 1
        assert "none" in done.stderr


def test_a_damaged_cache_is_told_and_never_believed(process, toy_bundle, toy_gallery, ecg_files, tmp_path):
    """``verify`` finds it and exits with 2; a query rebuilds it from the database and answers as before."""
    import json

    for command in ("verify", "query"):
        gallery = tmp_path / command
        shutil.copytree(toy_gallery, gallery)
        cache = gallery / "vectors.faiss"
        data = bytearray(cache.read_bytes())
        data[len(data) // 2] ^= 4
        cache.write_bytes(data)
    done = process(["gallery", "verify", tmp_path / "verify"])
    assert done.returncode == 2
    assert len(done.stderr.strip().splitlines()) == 1
    assert "damaged" in done.stderr
    query = ["query", ecg_files / "record.hea", "--bundle", toy_bundle, "--json", "--gallery"]
    healed, sound = process([*query, tmp_path / "query"]), process([*query, toy_gallery])
    assert healed.returncode == 0
    assert "damaged" in healed.stderr
    assert json.loads(healed.stdout)["hits"] == json.loads(sound.stdout)["hits"]


def test_a_damaged_database(process, toy_bundle, toy_gallery, ecg_files, tmp_path):
    gallery = tmp_path / "broken"
    shutil.copytree(toy_gallery, gallery)
    (gallery / "cases.db").write_bytes(b"not a database at all" * 200)
    done = process(["query", ecg_files / "record.hea", "--bundle", toy_bundle, "--gallery", gallery])
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_every_bad_input_in_one_batch_with_a_good_one(process, toy_bundle, toy_gallery, ecg_files, tmp_path):
    files = [not_an_image(tmp_path), zero_bytes(tmp_path), ecg_files / "page.png", header_alone(tmp_path)]
    done = process(["query", *files, "--bundle", toy_bundle, "--gallery", toy_gallery, "--json"])
    assert done.returncode == 3
    assert len(done.stdout.splitlines()) == 4
    assert len(done.stderr.strip().splitlines()) == 3
