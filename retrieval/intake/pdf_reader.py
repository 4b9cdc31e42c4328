"""Render the pages of a PDF, for the first that shows an ECG."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from retrieval.errors import DamagedFile, EncryptedFile, TooLarge
from retrieval.intake.image_reader import MAX_BYTES

Rgb = NDArray[np.uint8]
DPI = 200.0
MAX_PAGE_PIXELS = 12_000_000
MAX_PAGES = 10
"""Pages that are looked at before giving up: an ECG stands at the front of a report."""


def render_pages(path: Path) -> Iterator[tuple[Rgb, float]]:
    """Yield ``(rgb [height, width, 3] uint8, pixels per millimetre)`` of the first ten pages, one at a time.

    The millimetres are those of the PDF's own page, which a print need not honour.

    Raises:
        EncryptedFile: the document asks for a password.
        DamagedFile: not a PDF that can be opened, or one without a page.
        TooLarge: over 200 MB.
    """
    if path.stat().st_size > MAX_BYTES:
        raise TooLarge(f"'{path.name}' has {path.stat().st_size / 1e6:.0f} MB; at most {MAX_BYTES // 10**6} are read")
    document = _open(path)
    try:
        if len(document) == 0:
            raise DamagedFile(f"'{path.name}' has no pages")
        for number in range(min(len(document), MAX_PAGES)):
            yield _render(document, number, path.name)
    finally:
        document.close()


def _open(path: Path) -> Any:
    import pypdfium2

    try:
        return pypdfium2.PdfDocument(path.read_bytes())
    except pypdfium2.PdfiumError as error:
        if getattr(error, "err_code", None) == 4 or "assword" in str(error):
            raise EncryptedFile(f"'{path.name}' is encrypted and asks for a password; save it without one") from error
        raise DamagedFile(f"'{path.name}' cannot be opened as a PDF ({error}); export it again") from error


def _render(document: Any, number: int, name: str) -> tuple[Rgb, float]:
    import pypdfium2

    try:
        page = document[number]
        width, height = page.get_size()
        if not (1 <= width <= 1e6 and 1 <= height <= 1e6):
            raise TooLarge(f"page {number + 1} of '{name}' measures {width:.0f} x {height:.0f} points")
        scale = min(DPI / 72.0, math.sqrt(MAX_PAGE_PIXELS / (width * height)))
        bitmap = page.render(scale=scale, rev_byteorder=True)
        pixels = np.array(bitmap.to_numpy()[:, :, :3])
        bitmap.close()
        page.close()
    except pypdfium2.PdfiumError as error:
        raise DamagedFile(f"page {number + 1} of '{name}' cannot be rendered ({error}); export it again") from error
    return pixels, scale * 72.0 / 25.4
