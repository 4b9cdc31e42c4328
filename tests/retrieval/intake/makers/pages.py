"""Pages as pictures and PDFs."""

from __future__ import annotations

import io
import zlib
from collections.abc import Sequence

import numpy as np
from PIL import Image

from retrieval.ecg.drawing import PageStyle, draw_page
from retrieval.ecg.recording import Recording


def drawn(recording: Recording, px_per_mm: float = 5.0) -> np.ndarray:
    """An ordinary page, RGB."""
    return np.asarray(draw_page(recording, PageStyle(px_per_mm=px_per_mm)).pixels, np.uint8)


def tiff(pages: Sequence[np.ndarray], compression: str | None = None, dpi: tuple[float, float] = (200, 200)) -> bytes:
    out = io.BytesIO()
    images = [Image.fromarray(page) for page in pages]
    if compression == "group4":
        images = [image.convert("L").point(lambda value: 255 * (value > 150)).convert("1") for image in images]
    first, *rest = images
    first.save(out, "TIFF", save_all=True, append_images=rest, compression=compression, dpi=dpi)
    return out.getvalue()


def raster_pdf(pages: Sequence[np.ndarray], dpi: float = 150.0) -> bytes:
    out = io.BytesIO()
    first, *rest = [Image.fromarray(page) for page in pages]
    first.save(out, "PDF", save_all=True, append_images=rest, resolution=dpi)
    return out.getvalue()


def vector_pdf(streams: Sequence[bytes], size: tuple[float, float] = (842, 595)) -> bytes:
    """A PDF whose pages hold content streams of the tester's own."""
    kids = " ".join(f"{3 + 2 * i} 0 R" for i in range(len(streams)))
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        f"<< /Type /Pages /Kids [{kids}] /Count {len(streams)} >>".encode(),
    ]
    for i, stream in enumerate(streams):
        box = f"[0 0 {size[0]:g} {size[1]:g}]"
        page = f"<< /Type /Page /Parent 2 0 R /MediaBox {box} /Contents {4 + 2 * i} 0 R /Resources << >> >>"
        packed = zlib.compress(stream)
        objects.append(page.encode())
        head = f"<< /Length {len(packed)} /Filter /FlateDecode >>".encode()
        objects.append(head + b"\nstream\n" + packed + b"\nendstream")
    out, places = b"%PDF-1.4\n", []
    for number, body in enumerate(objects, start=1):
        places.append(len(out))
        out += b"%d 0 obj\n" % number + body + b"\nendobj\n"
    table = len(out)
    out += b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    out += b"".join(b"%010d 00000 n \n" % place for place in places)
    out += b"trailer\n<< /Size %d /Root 1 0 R >>\n" % (len(objects) + 1)
    return out + b"startxref\n%d\n%%%%EOF\n" % table
