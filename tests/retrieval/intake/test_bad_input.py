"""Each bad file is refused with its own class and a sentence that names the file or the way out."""

from __future__ import annotations

import struct
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pydicom.data import get_testdata_file

from retrieval.errors import (
    BadInput,
    CompanionMissing,
    DamagedFile,
    EmptyFile,
    EncryptedFile,
    FileMissing,
    LeadsMissing,
    NotAnEcg,
    NoWaveform,
    TooLarge,
    UnsupportedFormat,
)
from retrieval.intake import read


def refusal(path: Path, kind: type[BadInput]) -> str:
    with pytest.raises(BadInput) as caught:
        read(path)
    assert type(caught.value) is kind, f"{type(caught.value).__name__}: {caught.value}"
    message = str(caught.value)
    assert "\n" not in message
    assert len(message) > 20
    return message


def test_importing_the_package_is_cheap() -> None:
    heavy = "{'cv2', 'numpy', 'wfdb', 'pydicom', 'pandas', 'PIL'}"
    code = f"import sys, retrieval.intake; print(*{heavy} & set(sys.modules))"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.split() == []


def test_missing_file_and_folder(tmp_path: Path) -> None:
    refusal(tmp_path / "nothing.png", FileMissing)
    refusal(tmp_path, UnsupportedFormat)


def test_zero_bytes(tmp_path: Path) -> None:
    file = tmp_path / "empty.png"
    file.touch()
    assert "0 bytes" in refusal(file, EmptyFile)


@pytest.mark.parametrize("name", ["notes.txt", "notes.png", "notes.docx", "notes"])
def test_not_an_image(tmp_path: Path, name: str) -> None:
    file = tmp_path / name
    file.write_text("These are notes and no ECG.")
    refusal(file, UnsupportedFormat)


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".bmp", ".webp", ".tif"])
@pytest.mark.parametrize("share", [0.02, 0.5])
def test_truncated_picture(tmp_path: Path, suffix: str, share: float) -> None:
    whole = tmp_path / f"whole{suffix}"
    rng = np.random.default_rng(0)
    Image.fromarray(rng.integers(0, 256, (400, 600, 3), dtype=np.uint8)).save(whole)
    cut = tmp_path / f"cut{suffix}"
    cut.write_bytes(whole.read_bytes()[: int(whole.stat().st_size * share)])
    assert "cut" in refusal(cut, DamagedFile)


def bomb(path: Path, side: int) -> None:
    """A white 1-bit PNG of side x side pixels, a few KiB on disk."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    packer = zlib.compressobj(9)
    row = b"\0" + b"\xff" * ((side + 7) // 8)
    body = b"".join(packer.compress(row) for _ in range(side)) + packer.flush()
    head = struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", body) + chunk(b"IEND", b""))


def test_decompression_bomb(tmp_path: Path) -> None:
    file = tmp_path / "bomb.png"
    bomb(file, 9000)
    assert file.stat().st_size < 32 * 1024
    assert "9,000 x 9,000" in refusal(file, TooLarge)


def test_bomb_beyond_pillows_own_limit(tmp_path: Path) -> None:
    file = tmp_path / "bomb.png"
    bomb(file, 20_000)
    refusal(file, TooLarge)


def encrypted_pdf() -> bytes:
    """The smallest PDF whose standard security handler asks for a password nobody knows."""
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 200 200] >>",
        b"<< /Filter /Standard /V 1 /R 2 /Length 40 /P -4 /O <" + b"ab" * 32 + b"> /U <" + b"cd" * 32 + b"> >>",
    ]
    out, places = b"%PDF-1.4\n", []
    for number, body in enumerate(objects, start=1):
        places.append(len(out))
        out += b"%d 0 obj\n" % number + body + b"\nendobj\n"
    table = len(out)
    out += b"xref\n0 5\n0000000000 65535 f \n" + b"".join(b"%010d 00000 n \n" % place for place in places)
    ident = b"<" + b"01" * 16 + b">"
    out += b"trailer\n<< /Size 5 /Root 1 0 R /Encrypt 4 0 R /ID [" + ident + ident + b"] >>\n"
    return out + b"startxref\n%d\n%%%%EOF\n" % table


def test_encrypted_pdf(tmp_path: Path) -> None:
    file = tmp_path / "locked.pdf"
    file.write_bytes(encrypted_pdf())
    assert "password" in refusal(file, EncryptedFile)


def test_broken_pdf(tmp_path: Path) -> None:
    file = tmp_path / "broken.pdf"
    file.write_bytes(b"%PDF-1.4\nnothing else")
    refusal(file, DamagedFile)


def test_pdf_without_an_ecg(tmp_path: Path) -> None:
    file = tmp_path / "blank.pdf"
    Image.new("RGB", (800, 600), "white").save(file)
    assert "page 1" in refusal(file, NotAnEcg)


def test_the_message_names_the_file_once(tmp_path: Path) -> None:
    for value, words in ((255, "blank"), (None, "expected a page")):
        file = tmp_path / "holiday.png"
        rng = np.random.default_rng(0)
        noise = rng.integers(0, 256, (300, 400, 3), dtype=np.uint8)
        Image.fromarray(noise if value is None else np.full_like(noise, value)).save(file)
        message = refusal(file, NotAnEcg)
        assert words in message
        assert message.count("holiday.png") == 1


def test_dicom_without_waveform() -> None:
    file = get_testdata_file("CT_small.dcm", download=False)
    assert "without a waveform" in refusal(Path(str(file)), NoWaveform)


def test_truncated_dicom(tmp_path: Path) -> None:
    whole = Path(str(get_testdata_file("waveform_ecg.dcm", download=False))).read_bytes()
    for size in (200, 5_000, 100_000):
        cut = tmp_path / f"cut{size}.dcm"
        cut.write_bytes(whole[:size])
        with pytest.raises(BadInput):
            read(cut)


def write_wfdb(folder: Path, names: list[str]) -> Path:
    import wfdb

    rng = np.random.default_rng(1)
    wfdb.wrsamp(
        "record", 100, ["mV"] * len(names), names, rng.normal(0, 0.3, (1000, len(names))), write_dir=str(folder)
    )
    return folder / "record"


def test_wfdb_without_its_samples(tmp_path: Path) -> None:
    stem = write_wfdb(tmp_path, ["I", "II", "V1"])
    stem.with_suffix(".dat").unlink()
    assert "record.dat" in refusal(stem.with_suffix(".hea"), CompanionMissing)
    refusal(stem, CompanionMissing)


def test_wfdb_without_its_header(tmp_path: Path) -> None:
    stem = write_wfdb(tmp_path, ["I", "II", "V1"])
    stem.with_suffix(".hea").unlink()
    refusal(stem.with_suffix(".dat"), CompanionMissing)


def test_three_leads(tmp_path: Path) -> None:
    message = refusal(write_wfdb(tmp_path, ["I", "II", "V1"]).with_suffix(".hea"), LeadsMissing)
    assert "V6" in message


def test_wfdb_cut_short(tmp_path: Path) -> None:
    file = write_wfdb(tmp_path, ["I", "II", "V1", "V2", "V3", "V4", "V5", "V6"]).with_suffix(".dat")
    file.write_bytes(file.read_bytes()[:1001])
    refusal(file, DamagedFile)


def test_wfdb_header_of_nonsense(tmp_path: Path) -> None:
    file = tmp_path / "record.hea"
    file.write_text("this is no header\n")
    with pytest.raises(BadInput):
        read(file)
