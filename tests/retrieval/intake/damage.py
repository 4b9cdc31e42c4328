"""One file of each kind, and ways to damage it: what a bad disk, a bad line and a bad person do."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image
from pydicom.uid import DeflatedExplicitVRLittleEndian

from retrieval.ecg.recording import LEADS, Recording
from tests.retrieval.intake.makers import dicom, pages
from tests.retrieval.intake.makers.edf import edf
from tests.retrieval.intake.makers.scp import scp
from tests.retrieval.intake.makers.xml import aecg, muse, philips


def whole_files(heart: Recording) -> dict[str, bytes]:
    """A good file of each kind by its name."""
    page = pages.drawn(heart, 1.5)
    rows = [(f"ECG {lead}", "uV", 5000.0, heart.lead(lead).reshape(10, 250).astype(float) * 1000) for lead in LEADS]
    text = "# rate: 250\n# unit: mV\n" + ",".join(LEADS) + "\n"
    text += "\n".join(",".join(f"{value:.4f}" for value in row) for row in heart.signal.T)
    return {
        "a.xml": aecg(heart),
        "m.xml": muse(heart),
        "p.xml": philips(heart),
        "u.xml": philips(heart, packed=False, version="1.03"),
        "s.scp": scp(heart, order=2, huffman="default", beats=(75, 288, 500)),
        "o.scp": scp(heart, order=1, huffman="own"),
        "e.edf": edf(rows, "EDF+D"),
        "b.bdf": edf(rows, "BDF"),
        "w.dcm": dicom.saved(dicom.waveform(dicom.group(heart))),
        "f.dcm": dicom.saved(dicom.waveform(dicom.group(heart)), DeflatedExplicitVRLittleEndian),
        "c.dcm": dicom.saved(dicom.capture(page)),
        "d.dcm": dicom.saved(dicom.encapsulated(pages.raster_pdf([page]))),
        "t.csv": text.encode(),
        "n.npy": _saved_array(heart),
        "n.npz": _saved_arrays(heart),
        "q.tif": pages.tiff([page, page], "tiff_lzw"),
        "g.tif": pages.tiff([page], "group4", (204, 98)),
        "r.pdf": pages.raster_pdf([page, page]),
        "v.pdf": pages.vector_pdf([b"2 w 100 0 m 100 595 l S"]),
        **{f"i{suffix}": _saved_picture(page, suffix) for suffix in (".png", ".jpg", ".bmp", ".webp", ".gif")},
    }


def _saved_array(heart: Recording) -> bytes:
    out = io.BytesIO()
    np.save(out, heart.signal)
    return out.getvalue()


def _saved_arrays(heart: Recording) -> bytes:
    out = io.BytesIO()
    np.savez_compressed(out, signal=heart.signal, rate=250, unit="mV", leads=np.array(LEADS))
    return out.getvalue()


def _saved_picture(page: np.ndarray, suffix: str) -> bytes:
    out = io.BytesIO()
    Image.fromarray(page).save(out, {".jpg": "JPEG"}.get(suffix, suffix[1:].upper()))
    return out.getvalue()


def damaged(data: bytes, rng: np.random.Generator) -> bytes:
    """The same bytes cut, with bits turned, a stretch overwritten, taken out, doubled or zeroed."""
    out, way = bytearray(data), int(rng.integers(7))
    near = min(len(out), 2000 if rng.random() < 0.6 else len(out))  # headers hold what steers a reader
    at = int(rng.integers(near))
    size = int(rng.integers(1, 64))
    if way == 0:
        return bytes(out[: int(rng.integers(1, len(out)))])
    if way == 1:
        for place in rng.integers(0, near, int(rng.integers(1, 8))):
            out[place] ^= 1 << int(rng.integers(8))
    elif way == 2:
        out[at : at + size] = rng.integers(0, 256, size, dtype=np.uint8).tobytes()
    elif way == 3:
        del out[at : at + size]
    elif way == 4:
        out[at:at] = out[at : at + size]
    elif way == 5:
        out[at : at + size] = bytes(min(size, len(out) - at))
    else:
        out[at : at + 4] = b"\xff\xff\xff\x7f"
    return bytes(out)
