"""Tell what a file is from its first bytes; the suffix is asked only where the bytes say nothing."""

from __future__ import annotations

from pathlib import Path

from retrieval.errors import CompanionMissing, EmptyFile, FileMissing, UnsupportedFormat

IMAGE_MAGIC: tuple[tuple[bytes, str], ...] = (
    (b"\x89PNG\r\n\x1a\n", "image"),
    (b"\xff\xd8\xff", "image"),
    (b"BM", "image"),
    (b"II*\x00", "tiff"),
    (b"MM\x00*", "tiff"),
)
IMAGE_SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".webp"})
READABLE = "WFDB (.hea with .dat), DICOM waveform, PNG, JPEG, BMP, WebP, TIFF, PDF"
HEAD_BYTES = 1024


def sniff(path: Path) -> str:
    """Name the kind of a file: ``"wfdb"``, ``"dicom_waveform"``, ``"image"``, ``"tiff"`` or ``"pdf"``.

    Raises:
        FileMissing: no file there, nor a WFDB record of that stem.
        EmptyFile: the file has no bytes.
        CompanionMissing: a ``.dat`` without its header.
        UnsupportedFormat: no reader knows the bytes.
    """
    if not path.is_file():
        return _absent(path)
    try:
        with path.open("rb") as file:
            head = file.read(HEAD_BYTES)
    except OSError as error:
        raise FileMissing(f"'{path.name}' cannot be opened ({error.strerror}); check its permissions") from error
    if not head:
        raise EmptyFile(f"'{path.name}' holds 0 bytes; fetch or export it again")
    return _by_content(head) or _by_suffix(path)


def _absent(path: Path) -> str:
    if path.is_dir():
        raise UnsupportedFormat(f"'{path.name}' is a folder; name a file in it, or use audit for a whole folder")
    if path.with_name(path.name + ".hea").is_file():
        return "wfdb"
    raise FileMissing(f"there is no file '{path}'; check the path")


def _by_content(head: bytes) -> str | None:
    if head[128:132] == b"DICM":  # asked first: some DICOM files are TIFF files as well
        return "dicom_waveform"
    for magic, kind in IMAGE_MAGIC:
        if head.startswith(magic):
            return kind
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "image"
    if b"%PDF-" in head:
        return "pdf"
    if head.startswith((b"\x08\x00\x05\x00", b"\x08\x00\x16\x00", b"\x08\x00\x00\x00")):
        return "dicom_waveform"
    return None


def _by_suffix(path: Path) -> str:
    suffix = path.suffix.lower()
    if suffix == ".hea":
        return "wfdb"
    if suffix == ".dat":
        if path.with_suffix(".hea").is_file():
            return "wfdb"
        raise CompanionMissing(f"'{path.name}' has no header '{path.stem}.hea' beside it; bring both files")
    if suffix in {".dcm", ".dicom"}:
        return "dicom_waveform"
    if suffix in IMAGE_SUFFIXES or suffix in {".tif", ".tiff", ".pdf"}:
        raise UnsupportedFormat(
            f"'{path.name}' is named {suffix} but its bytes are none of the kinds that can be read: {READABLE}"
        )
    raise UnsupportedFormat(f"'{path.name}' is of no kind that can be read; expected {READABLE}")
