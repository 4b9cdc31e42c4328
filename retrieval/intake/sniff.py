"""Tell what a file is from its first bytes; the suffix is asked only where the bytes say nothing."""

from __future__ import annotations

import zlib
from pathlib import Path

from retrieval.errors import CompanionMissing, EmptyFile, FileMissing, UnsupportedFormat

MAGIC: tuple[tuple[bytes, str], ...] = (
    (b"\x89PNG\r\n\x1a\n", "image"),
    (b"\xff\xd8\xff", "image"),
    (b"GIF87a", "image"),
    (b"GIF89a", "image"),
    (b"II*\x00", "tiff"),
    (b"MM\x00*", "tiff"),
    (b"II+\x00", "tiff"),
    (b"MM\x00+", "tiff"),
    (b"\x93NUMPY", "npy"),
    (b"PK\x03\x04", "npz"),
    (b"\xffBIOSEMI", "edf"),
    (b"ISHNE1.0", "ishne"),
    (b"\x40\x20MFR ", "mfer"),
)
HEIF_BRANDS = frozenset({b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis", b"mif1", b"msf1"})
DICOM_STARTS = tuple(
    group + element
    for group, elements in (
        (b"\x08\x00", (b"\x05\x00", b"\x16\x00", b"\x00\x00", b"\x18\x00")),
        (b"\x00\x08", (b"\x00\x05", b"\x00\x16", b"\x00\x00", b"\x00\x18")),
        (b"\x02\x00", (b"\x00\x00", b"\x01\x00", b"\x02\x00")),
    )
    for element in elements
)
"""First tags of DICOM files without a preamble, in either order of bytes."""
XML_ROOTS = {"AnnotatedECG": "aecg", "RestingECG": "muse", "restingecgdata": "philips", "ECG": "mortara"}
SUFFIXES = frozenset(
    {".png", ".jpg", ".jpeg", ".bmp", ".webp", ".gif", ".tif", ".tiff", ".pdf", ".heic", ".heif", ".npy", ".npz",
     ".edf", ".bdf", ".scp", ".xml", ".gz"}
)  # fmt: skip
READABLE = (
    "PNG, JPEG, BMP, WebP, GIF, TIFF, PDF, HEIC, DICOM, WFDB (.hea with .dat), HL7 aECG, MUSE XML, Philips XML, "
    "SCP-ECG, EDF, CSV, NPY, NPZ"
)
PICTURES = frozenset({"image", "tiff", "pdf", "heic", "dicom"})
HEAD_BYTES = 16_384


def sniff(path: Path) -> str:
    """Name the kind of a file.

    One of ``image``, ``tiff``, ``pdf``, ``heic``, ``dicom``, ``wfdb``, ``aecg``, ``muse``, ``philips``, ``scp``,
    ``edf``, ``csv``, ``npy``, ``npz``, ``mfer``, ``ishne`` and ``mortara``; of gzip the kind of what is packed.

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
        size = path.stat().st_size
    except OSError as error:
        raise FileMissing(f"'{path.name}' cannot be opened ({error.strerror}); check its permissions") from error
    if not head:
        raise EmptyFile(f"'{path.name}' holds 0 bytes; fetch or export it again")
    if head.startswith(b"\x1f\x8b"):
        head, size = _unpacked(head), -1
        path = path.with_suffix("") if path.suffix.lower() == ".gz" else path
    return _by_content(head, size) or _by_suffix(path, head)


def picture_kind(data: bytes) -> str | None:
    """Of a file's first bytes, the kind that holds pictures or may hold them; ``None`` for all others."""
    head = data[:HEAD_BYTES]
    if head.startswith(b"\x1f\x8b"):
        head = _unpacked(head)
    kind = _by_content(head, len(data))
    return kind if kind in PICTURES else None


def _absent(path: Path) -> str:
    if path.is_dir():
        raise UnsupportedFormat(f"'{path.name}' is a folder; name a file in it, or use audit for a whole folder")
    if path.with_name(path.name + ".hea").is_file():
        return "wfdb"
    raise FileMissing(f"there is no file '{path}'; check the path")


def _unpacked(head: bytes) -> bytes:
    try:
        return zlib.decompressobj(31).decompress(head, HEAD_BYTES)
    except zlib.error:
        return head


def _by_content(head: bytes, size: int) -> str | None:
    if head[128:132] == b"DICM":  # asked first: some DICOM files are TIFF files as well
        return "dicom"
    for magic, kind in MAGIC:
        if head.startswith(magic):
            return kind
    if (head[:4] == b"RIFF" and head[8:12] == b"WEBP") or _is_bmp(head):
        return "image"
    if head[4:8] == b"ftyp" and (head[8:12] in HEIF_BRANDS or HEIF_BRANDS & _brands(head)):
        return "heic"
    if b"%PDF-" in head[:1024]:
        return "pdf"
    if head.startswith(DICOM_STARTS):
        return "dicom"
    return _waveform_by_content(head, size)


def _waveform_by_content(head: bytes, size: int) -> str | None:
    from retrieval.intake.scp_reader import is_scp
    from retrieval.intake.xml_tree import root_name

    if head.startswith(b"0       ") and len(head) >= 256 and head[252:256].strip().isdigit():
        return "edf"
    if is_scp(head, size):
        return "scp"
    root = root_name(head)
    if root is not None:
        return XML_ROOTS.get(root)
    return None


def _is_bmp(head: bytes) -> bool:
    """``BM`` may also begin a word; the size of the header that follows is one of a few."""
    return head[:2] == b"BM" and int.from_bytes(head[14:18], "little") in {12, 16, 40, 52, 56, 64, 108, 124}


def _brands(head: bytes) -> set[bytes]:
    """Compatible brands of an ISO base media file."""
    end = min(int.from_bytes(head[:4], "big"), 512)
    return {head[at : at + 4] for at in range(16, end, 4)}


def _by_suffix(path: Path, head: bytes) -> str:
    suffix = path.suffix.lower()
    if suffix == ".hea":
        return "wfdb"
    if suffix in {".dat", ".mat"}:
        if path.with_suffix(".hea").is_file():
            return "wfdb"
        if suffix == ".dat":
            raise CompanionMissing(f"'{path.name}' has no header '{path.stem}.hea' beside it; bring both files")
    if suffix in {".dcm", ".dicom"}:
        return "dicom"
    if _is_text_table(suffix, head):
        return "csv"
    if suffix in SUFFIXES:
        raise UnsupportedFormat(
            f"'{path.name}' is named {suffix} but its bytes are none of the kinds that can be read: {READABLE}"
        )
    raise UnsupportedFormat(f"'{path.name}' is of no kind that can be read; expected {READABLE}")


def _is_text_table(suffix: str, head: bytes) -> bool:
    if suffix in {".csv", ".tsv"}:
        return True
    if suffix not in {".txt", ".asc", ""} or b"\0" in head:
        return False
    from retrieval.intake.table_reader import is_table

    return is_table(head.decode("utf-8-sig", "replace"))
