"""Inputs made to hurt: bombs, endless claims, things that are no file, other people's formats under wrong names."""

from __future__ import annotations

import gzip
import io
import os
import struct
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np

from eval.bench.refusals.whole_files import Sample, pdf_of

BILLION = 1_000_000_000


def _png(wide: int, high: int, colour: int, depth: int, rows: bytes) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", wide, high, depth, colour, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def _deflated_zeros(number: int) -> bytes:
    """A raw deflate stream of zeros, from one packed megabyte: packing a gigabyte itself would take ten seconds."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    first = packer.compress(bytes(1 << 20)) + packer.flush(zlib.Z_FULL_FLUSH)
    again = packer.compress(bytes(1 << 20)) + packer.flush(zlib.Z_FULL_FLUSH)
    return first + again * ((number >> 20) - 1) + b"\x03\0"


def _zeros(number: int) -> bytes:
    """The same as a zlib stream; the checksum (Adler-32) of n zeros is n modulo 65521 above 1."""
    return b"\x78\xda" + _deflated_zeros(number) + struct.pack(">HH", (number >> 20 << 20) % 65521, 1)


def _zip_of(names: list[tuple[str, int]]) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for name, size in names:
            with archive.open(name, "w", force_zip64=True) as member:
                for _ in range(size >> 20):
                    member.write(bytes(1 << 20))
    return packed.getvalue()


def _gif_of_many(one: Sample) -> bytes:
    """Three thousand frames of 2,000 x 2,000 pixels, each of a few bytes."""
    head = b"GIF89a" + struct.pack("<HH", 2000, 2000) + b"\x80\0\0" + bytes(3) + b"\xff" * 3
    frame = b"\x2c" + struct.pack("<HHHH", 0, 0, 2000, 2000) + b"\0\x02\x02\x4c\x01\0"
    return head + frame * 3000 + b"\x3b"


def _tiff_of_many(one: Sample) -> bytes:
    """Directories that point at one another in a ring, each of 30,000 x 30,000 pixels."""
    entries = [(256, 4, 1, 30_000), (257, 4, 1, 30_000), (258, 3, 1, 8), (259, 3, 1, 1), (262, 3, 1, 1)]
    entries += [(273, 4, 1, 8), (277, 3, 1, 1), (278, 4, 1, 30_000), (279, 4, 1, 900_000_000)]
    body = struct.pack("<H", len(entries)) + b"".join(struct.pack("<HHII", *entry) for entry in entries)
    return b"II*\0" + struct.pack("<I", 8) + body + struct.pack("<I", 8)


def _jpeg_of_claims(one: Sample) -> bytes:
    from PIL import Image

    packed = io.BytesIO()
    Image.new("RGB", (64, 64)).save(packed, "JPEG")
    data = bytearray(packed.getvalue())
    at = data.index(b"\xff\xc0")
    data[at + 5 : at + 9] = struct.pack(">HH", 65_000, 65_000)
    return bytes(data)


def _pdf_of_streams(one: Sample) -> bytes:
    """A picture whose packed stream unpacks to a gigabyte, on a page of 200 inches."""
    stream = _zeros(BILLION)
    image = b"<</Type/XObject/Subtype/Image/Width 30000/Height 30000/ColorSpace/DeviceGray/BitsPerComponent 8"
    image += b"/Filter/FlateDecode/Length %d>>stream\n%s\nendstream" % (len(stream), stream)
    content = b"14400 0 0 14400 0 0 cm /X Do"
    page = b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 14400 14400]/Contents 4 0 R/Resources<</XObject<</X 5 0 R>>>>>>"
    return pdf_of(
        [
            b"<</Type/Catalog/Pages 2 0 R>>",
            b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
            page,
            b"<</Length %d>>stream\n%s\nendstream" % (len(content), content),
            image,
        ]
    )


def _pdf_of_itself(one: Sample) -> bytes:
    """A form that draws itself, on pages whose parents are their children."""
    return pdf_of(
        [
            b"<</Type/Catalog/Pages 2 0 R>>",
            b"<</Type/Pages/Kids[2 0 R 3 0 R]/Count 100000>>",
            b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 800 600]/Contents 4 0 R/Resources<</XObject<</F 5 0 R>>>>>>",
            b"<</Length 5>>stream\n/F Do\nendstream",
            b"<</Type/XObject/Subtype/Form/BBox[0 0 800 600]/Resources<</XObject<</F 5 0 R>>>>/Length 11>>stream\n"
            b"/F Do /F Do\nendstream",
        ]
    )


def _pdf_of_work(one: Sample) -> bytes:
    """Half a million curves over one another."""
    content = zlib.compress(b"0 0 m 800 600 0 600 800 0 c S\n" * 500_000, 9)
    return pdf_of(
        [
            b"<</Type/Catalog/Pages 2 0 R>>",
            b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
            b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 800 600]/Contents 4 0 R>>",
            b"<</Filter/FlateDecode/Length %d>>stream\n%s\nendstream" % (len(content), content),
        ]
    )


def _xml_of_laughs(one: Sample) -> bytes:
    rows = "".join(f'<!ENTITY l{i} "{f"&l{i - 1};" * 10}">' for i in range(1, 10))
    head = f'<?xml version="1.0"?><!DOCTYPE AnnotatedECG [<!ENTITY l0 "ha">{rows}]>'
    return f"{head}<AnnotatedECG>&l9;</AnnotatedECG>".encode()


def _xml_of_others(one: Sample) -> bytes:
    return (
        b'<?xml version="1.0"?><!DOCTYPE r [<!ENTITY x SYSTEM "file:///etc/passwd">'
        b'<!ENTITY y SYSTEM "http://127.0.0.1:9/x">]><RestingECG>&x;&y;</RestingECG>'
    )


def _edf_of_claims(one: Sample) -> bytes:
    return (f"{'0':<8}" + " " * 160 + "01.01.0101.01.01" + f"{99999:<8}" + " " * 44 + "999999991       9999").encode()


def _npy_of_claims(one: Sample) -> bytes:
    head = b"{'descr': '<f8', 'fortran_order': False, 'shape': (12, 99999999999), }"
    head += b" " * (117 - len(head)) + b"\n"
    return b"\x93NUMPY\x01\0" + struct.pack("<H", len(head)) + head + bytes(960)


def _npy_of_objects(one: Sample) -> bytes:
    """An array of objects as NumPy writes it: a pickle that would call ``print`` when it is loaded."""
    head = b"{'descr': '|O', 'fortran_order': False, 'shape': (1,), }"
    head += b" " * (117 - len(head)) + b"\n"
    return b"\x93NUMPY\x01\0" + struct.pack("<H", len(head)) + head + b"cbuiltins\nprint\n(S'loaded'\ntR."


def _dicom_deflated(one: Sample) -> bytes:
    """Deflated Explicit VR, whose data set unpacks to a gigabyte."""
    syntax = b"1.2.840.10008.1.2.1.99"
    meta = b"\x02\0\x10\0UI" + struct.pack("<H", len(syntax)) + syntax
    group = b"\x02\0\0\0UL\x04\0" + struct.pack("<I", len(meta))
    head = b"\x08\0\x16\0UI\x1a\x001.2.840.10008.5.1.4.1.1.9.1\x09\0\x10\0OB\0\0" + struct.pack("<I", BILLION)
    packer = zlib.compressobj(0, zlib.DEFLATED, -15)
    body = packer.compress(head) + packer.flush(zlib.Z_FULL_FLUSH) + _deflated_zeros(BILLION)
    return bytes(128) + b"DICM" + group + meta + body


def _wfdb_of_elsewhere(one: Sample) -> bytes:
    rows = [f"../../../../etc/passwd 16 200/mV 16 0 0 0 0 {lead}" for lead in ("I", "II", "V1", "V2", "V3", "V4")]
    return "\n".join(["here 6 500 5000", *rows, ""]).encode()


def _wfdb_of_the_net(one: Sample) -> bytes:
    rows = [f"http://127.0.0.1:9/x.dat 16 200/mV 16 0 0 0 0 {lead}" for lead in ("I", "II", "V1", "V2", "V3", "V4")]
    return "\n".join(["here 6 500 5000", *rows, ""]).encode()


def _wfdb_of_claims(one: Sample) -> bytes:
    return b"here 12 500 99999999999\n" + b"here.dat 16 200/mV 16 0 0 0 0 I\n" * 12


def _python(one: Sample) -> bytes:
    return b"import os\nos.system('true')\n" * 50


FILES: dict[str, Callable[[Sample], bytes]] = {
    "bomb-grey.png": lambda _: _png(30_000, 30_000, 0, 8, _zeros(900_000_000)),
    "bomb-deep.png": lambda _: _png(15_900, 3_700, 6, 16, _zeros(480_000_000)),
    "bomb-limit.png": lambda _: _png(7_700, 7_700, 2, 8, _zeros(178_000_000)),
    "bomb-long.png": lambda _: _png(2**31 - 1, 1, 0, 1, _zeros(300_000_000)),
    "bomb-palette.png": lambda _: _png(9_000, 9_000, 3, 1, _zeros(10_200_000)),
    "claims.jpg": _jpeg_of_claims,
    "many-frames.gif": _gif_of_many,
    "ring.tif": _tiff_of_many,
    "claims.bmp": lambda _: (
        b"BM" + struct.pack("<IIIIiiHHIIiiII", 1 << 30, 0, 54, 40, 60_000, -60_000, 1, 24, *[0] * 6)
    ),
    "claims.webp": lambda _: b"RIFF\xff\xff\xff\xffWEBPVP8X\n\0\0\0\x10\0\0\0" + b"\xff" * 6 + bytes(64),
    "bomb.zip": lambda _: _zip_of([("zeros.bin", 1 << 28)]),
    "bomb.npz": lambda _: _zip_of([("signal.npy", 1 << 28)]),
    "bomb.csv.gz": lambda _: gzip.compress(bytes(1 << 28), 9),
    "bomb.xml.gz": lambda _: gzip.compress(b"<RestingECG>" + b"<a>" * (1 << 26), 9),
    "letter.docx": lambda _: _zip_of([("word/document.xml", 1 << 20), ("[Content_Types].xml", 1 << 20)]),
    "streams.pdf": _pdf_of_streams,
    "itself.pdf": _pdf_of_itself,
    "work.pdf": _pdf_of_work,
    "empty-page.pdf": lambda _: pdf_of([b"<</Type/Catalog/Pages 2 0 R>>", b"<</Type/Pages/Kids[]/Count 0>>"]),
    "laughs.xml": _xml_of_laughs,
    "others.xml": _xml_of_others,
    "deep.xml": lambda _: b"<RestingECG>" + b"<a>" * 2_000_000 + b"</a>" * 2_000_000 + b"</RestingECG>",
    "wide.xml": lambda _: b"<RestingECG>" + b"<a/>" * 3_000_000 + b"</RestingECG>",
    "attributes.xml": lambda _: b"<RestingECG " + b" ".join(b'a%d="1"' % i for i in range(300_000)) + b"/>",
    "claims.edf": _edf_of_claims,
    "claims.npy": _npy_of_claims,
    "objects.npy": _npy_of_objects,
    "deflated.dcm": _dicom_deflated,
    "elsewhere.hea": _wfdb_of_elsewhere,
    "net.hea": _wfdb_of_the_net,
    "claims.hea": _wfdb_of_claims,
    "one-line.csv": lambda _: b"I,II,V1,V2,V3,V4,V5,V6\n" + b"1.0," * 5_000_000,
    "many-columns.csv": lambda _: b",".join([b"I"] * 100_000) + b"\n" + (b",".join([b"1"] * 100_000) + b"\n") * 20,
    "words.csv": lambda _: b"I,II,V1,V2,V3,V4,V5,V6\n" + b"a,b,c,d,e,f,g,h\n" * 1000,
    "nan.csv": lambda _: b"# rate: 500\n# unit: mV\nI,II,V1,V2,V3,V4,V5,V6\n" + b",".join([b"nan"] * 8) + b"\n" * 2,
    "zeros.scp": lambda _: bytes(100_000),
    "script.png": _python,
    "page.html.png": lambda _: b"<!DOCTYPE html><html><body>not a picture</body></html>" * 20,
    "sound.wav.jpg": lambda _: b"RIFF" + struct.pack("<I", 90_000) + b"WAVEfmt " + bytes(90_000),
    "program.dcm": lambda _: b"\x7fELF" + np.random.default_rng(0).bytes(60_000),
    "film.mp4.pdf": lambda _: b"\0\0\0\x20ftypisom" + np.random.default_rng(1).bytes(60_000),
    "database.edf": lambda _: b"SQLite format 3\0" + bytes(8000),
    "svg.svg": lambda _: b"<svg xmlns='http://www.w3.org/2000/svg' width='1e9' height='1e9'><rect/></svg>",
    "one-byte.png": lambda _: b"\x89",
    "spaces.csv": lambda _: b" \n" * 100_000,
}
"""Files by name, each a function of nothing but its name."""


def large_and_hollow(path: Path) -> None:
    """Half a gigabyte that takes no room on the disk."""
    with path.open("wb") as file:
        file.write(b"\x89PNG\r\n\x1a\n")
        file.truncate(500_000_000)


def locked(path: Path) -> None:
    """A file that nobody may read, unless they may read everything."""
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(30))
    path.chmod(0)


def ring_of_links(path: Path) -> None:
    """A link to a link to the first."""
    other = path.with_name(path.name + ".other")
    path.symlink_to(other.name)
    other.symlink_to(path.name)


PLACES: dict[str, Callable[[Path], object]] = {
    "empty.png": Path.touch,
    "empty.pdf": Path.touch,
    "empty.hea": Path.touch,
    "empty.csv": Path.touch,
    "folder.png": Path.mkdir,
    "fifo.jpg": os.mkfifo,
    "ring.pdf": ring_of_links,
    "nowhere.tif": lambda path: path.symlink_to("not-there.tif"),
    "zeros.png": lambda path: path.symlink_to("/dev/zero"),
    "never.png": lambda path: path.symlink_to("/dev/full"),
    "hollow.png": large_and_hollow,
    "locked.png": locked,
    "absent.png": lambda path: None,
    "no\nname\t\u202e.png": lambda path: path.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(30)),
    "\udcff\udcfe.png": lambda path: path.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(30)),
    "n" * 251 + ".png": lambda path: path.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(30)),
}
"""Things that a path can name and that are no ordinary file, and files with names that are no ordinary ones."""
