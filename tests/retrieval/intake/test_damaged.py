"""Damaged files of every kind and bombs end in a sentence, never in another exception, and take little memory."""

from __future__ import annotations

import struct
import tracemalloc
import warnings
from pathlib import Path

import numpy as np
import pytest

from index.errors import NearBeatError
from retrieval.ecg.recording import Recording
from retrieval.errors import BadInput, DamagedFile, TooLarge, UnsupportedFormat
from retrieval.intake import open_file, xml_tree
from retrieval.intake.declared import Declared
from tests.retrieval.intake.damage import damaged, whole_files
from tests.retrieval.intake.makers.scp import CODES, record_of
from tests.retrieval.intake.makers.xml import aecg, muse

KINDS = (
    "a.xml", "m.xml", "p.xml", "u.xml", "s.scp", "o.scp", "e.edf", "b.bdf", "w.dcm", "f.dcm", "c.dcm", "d.dcm",
    "t.csv", "n.npy", "n.npz", "q.tif", "g.tif", "r.pdf", "v.pdf", "i.png", "i.jpg", "i.bmp", "i.webp", "i.gif",
)  # fmt: skip
SAID = Declared(rate=250, unit="mV")


@pytest.fixture(scope="module")
def files(heart: Recording) -> dict[str, bytes]:
    return whole_files(heart)


def outcome(path: Path) -> str:
    """What became of every page or record of a file: ``"read"`` or the refusal of the last."""
    said = SAID if path.suffix == ".npy" else None
    result = "read"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            opened = open_file(path, said)
        except NearBeatError as error:
            return str(error)
        for number in range(1, min(opened.pages, 3) + 1):
            try:
                opened.load(number)
            except NearBeatError as error:
                result = str(error)
    return result


@pytest.mark.parametrize("name", KINDS)
def test_whole_files_are_read(tmp_path: Path, files: dict[str, bytes], name: str) -> None:
    path = tmp_path / name
    path.write_bytes(files[name])
    assert outcome(path) == "read"


@pytest.mark.parametrize("name", KINDS)
def test_damaged_files_get_a_sentence(tmp_path: Path, files: dict[str, bytes], name: str) -> None:
    rng = np.random.default_rng(20261122)
    path = tmp_path / name
    refused = 0
    for _ in range(12):
        path.write_bytes(damaged(files[name], rng))
        sentence = outcome(path)
        refused += sentence != "read"
        assert "\n" not in sentence
        assert sentence == "read" or len(sentence) > 30
    assert refused > 0


# A table that ends between two lines is a shorter table, and PDF readers mend what is cut.
MENDED = {"t.csv", "v.pdf"}
CUTS = [(name, share) for name in KINDS for share in (0.01, 0.3, 0.9) if share < 0.1 or name not in MENDED]


@pytest.mark.parametrize(("name", "share"), CUTS)
def test_truncated_files_are_never_read(tmp_path: Path, files: dict[str, bytes], name: str, share: float) -> None:
    path = tmp_path / name
    path.write_bytes(files[name][: max(int(len(files[name]) * share), 20)])
    assert outcome(path) != "read"


# --- XML


def test_entities_are_refused(tmp_path: Path, heart: Recording) -> None:
    laughs = '<!DOCTYPE AnnotatedECG [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;">]>'
    outside = '<!DOCTYPE AnnotatedECG [<!ENTITY x SYSTEM "file:///etc/passwd">]>'
    for head in (laughs, outside):
        path = tmp_path / "bomb.xml"
        path.write_bytes(aecg(heart, head=head))
        with pytest.raises(UnsupportedFormat, match="entities"):
            open_file(path)


def test_a_named_document_type_is_not_fetched(tmp_path: Path, heart: Recording) -> None:
    path = tmp_path / "m.xml"
    path.write_bytes(muse(heart).replace(b"restecg.dtd", (tmp_path / "no.dtd").as_uri().encode()))
    assert outcome(path) == "read"


def test_depth_elements_and_bytes_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "deep.xml"
    path.write_bytes(b"<AnnotatedECG>" + b"<a>" * 100_000)
    with pytest.raises(TooLarge, match="64 levels"):
        open_file(path)
    monkeypatch.setattr(xml_tree, "MAX_XML_ELEMENTS", 5_000)
    path.write_bytes(b"<AnnotatedECG>" + b"<a/>" * 5_000 + b"</AnnotatedECG>")
    with pytest.raises(TooLarge, match="5,000 elements"):
        open_file(path)
    monkeypatch.setattr(xml_tree, "MAX_XML_BYTES", 1000)
    with pytest.raises(TooLarge, match="of XML"):
        open_file(path)


def test_xml_of_another_kind(tmp_path: Path) -> None:
    for text in ("<svg/>", "<?xml version='1.0'?><!-- <AnnotatedECG> --><html/>", "<RestingECG"):
        path = tmp_path / "x.xml"
        path.write_text(text)
        with pytest.raises((UnsupportedFormat, DamagedFile)):
            open_file(path)


# --- memory


def test_a_small_file_takes_little_memory(tmp_path: Path) -> None:
    """Headers that promise the world: nothing is reserved before the promise is checked."""
    promises = {
        "scp": _scp_promise(),
        "edf": b"0       " + b" " * 228 + b"99999999" + b"1       " + b"512 " + b"9" * 512 * 256,
        "csv": b"# rate: 250\n# unit: mV\nI,II\n" + b"1,1\n" * 100_000,
        "xml": b"<restingecgdata><signalcharacteristics><samplingrate>500</samplingrate></signalcharacteristics>"
        b'<parsedwaveforms numberofleads="12" leadlabels="I II III aVR aVL aVF V1 V2 V3 V4 V5 V6" resolution="5" '
        b'compression="XLI" dataencoding="Base64" durationperchannel="1700000">AAAA</parsedwaveforms>'
        b"</restingecgdata>",
    }
    for kind, data in promises.items():
        path = tmp_path / f"promise.{kind}"
        path.write_bytes(data)
        tracemalloc.start()
        with pytest.raises(BadInput):
            open_file(path).load(1)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 40_000_000, kind


def _scp_promise() -> bytes:

    leads = struct.pack("<BB", 12, 4) + b"".join(struct.pack("<IIB", 1, 899_000, code) for code in CODES.values())
    rhythm = struct.pack("<HHBB", 5000, 2000, 0, 0) + struct.pack("<12H", *[100] * 12) + bytes(1200)
    return record_of({3: leads, 2: struct.pack("<H", 19999), 6: rhythm})
