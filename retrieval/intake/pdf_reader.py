"""Render the pages of a PDF at a resolution that suits their size and what is on them."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from retrieval.errors import DamagedFile, EncryptedFile, TooLarge
from retrieval.intake.image_reader import check_size
from retrieval.intake.limits import MAX_PAGE_PIXELS, MAX_PAGES, MAX_SIDE
from retrieval.intake.opening import Opened, Sheet, Source, load_source
from retrieval.intake.result import Finding

Rgb = NDArray[np.uint8]
DPI = 200.0
"""Of drawn pages of ordinary size; a millimetre then has 7.9 pixels."""
LOWEST_DPI, HIGHEST_DPI = 100.0, 400.0
MIN_LONG_SIDE = 1600
"""Pixels of the longer side of a small drawn page, such as a figure on a slide."""
IMAGE_SHARE = 0.5
"""A picture that covers more of the page than this is a scan: the page is rendered at the scan's own resolution."""
MAX_OBJECTS = 2_000
"""Objects of a page that are asked whether they are pictures."""
PASSWORD_ERROR = 4


def open_pdf(source: Source, kind: str = "pdf") -> Opened:
    """A PDF, with its pages counted.

    Raises:
        EncryptedFile: the document asks for a password.
        DamagedFile: not a PDF that can be opened, or one without a page.
    """
    with _document(source) as document:
        pages = len(document)
    if pages == 0:
        raise DamagedFile(f"'{source.name}' has no pages")
    return Opened(kind, pages, lambda number: _load(source, number))


def render_pages(path: Path) -> Iterator[tuple[Rgb, float]]:
    """Yield ``(rgb [height, width, 3] uint8, pixels per millimetre)`` of the first pages, one at a time.

    The millimetres are those of the PDF's own page, which a print need not honour.

    Raises:
        EncryptedFile: the document asks for a password.
        DamagedFile: not a PDF that can be opened, or one without a page.
        TooLarge: over 200 MB.
    """
    source = load_source(path)
    with _document(source) as document:
        if len(document) == 0:
            raise DamagedFile(f"'{source.name}' has no pages")
        for number in range(min(len(document), MAX_PAGES)):
            rgb, dpi, _ = _render(document, number, source.name)
            yield rgb, dpi / 25.4


def _load(source: Source, number: int) -> Sheet:
    with _document(source) as document:
        rgb, dpi, wanted = _render(document, number - 1, source.name)
    if dpi > wanted * 0.9 or dpi >= LOWEST_DPI:
        return Sheet(rgb)
    note = f"the page is so large that it was rendered at {dpi:.0f} dots per inch of it"
    return Sheet(rgb, (Finding("coarse_page", note, 0.9),))


@contextmanager
def _document(source: Source) -> Iterator[Any]:
    import pypdfium2

    try:
        document = pypdfium2.PdfDocument(source.data)
    except pypdfium2.PdfiumError as error:
        if getattr(error, "err_code", None) == PASSWORD_ERROR or "assword" in str(error):
            raise EncryptedFile(
                f"'{source.name}' is encrypted and asks for a password; save it without one"
            ) from error
        raise DamagedFile(f"'{source.name}' cannot be opened as a PDF ({error}); export it again") from error
    try:
        yield document
    finally:
        document.close()


def _render(document: Any, number: int, name: str) -> tuple[Rgb, float, float]:
    """Pixels, the resolution they have, and the one that the page would have liked, in dots per inch."""
    import pypdfium2

    try:
        page = document[number]
        width, height = page.get_size()
        if not (1 <= width <= 1e6 and 1 <= height <= 1e6):
            raise TooLarge(f"page {number + 1} of '{name}' measures {width:.0f} x {height:.0f} points")
        wanted = _wanted_dpi(page, width, height, name)
        dpi = min(wanted, 72.0 * math.sqrt(MAX_PAGE_PIXELS / (width * height)), 72.0 * MAX_SIDE / max(width, height))
        bitmap = page.render(scale=dpi / 72.0, rev_byteorder=True)
        pixels = np.array(bitmap.to_numpy()[:, :, :3])
        bitmap.close()
        page.close()
    except (pypdfium2.PdfiumError, ValueError) as error:
        raise DamagedFile(f"page {number + 1} of '{name}' cannot be rendered ({error}); export it again") from error
    return pixels, dpi, wanted


def _wanted_dpi(page: Any, width: float, height: float, name: str) -> float:
    """The scan's own resolution where the page is one, else enough to tell the squares of a grid apart."""
    own = _scan_dpi(page, width * height, name)
    if own is not None:
        return min(max(own, LOWEST_DPI), HIGHEST_DPI)
    return min(max(DPI, 72.0 * MIN_LONG_SIDE / max(width, height)), HIGHEST_DPI)


def _scan_dpi(page: Any, area: float, name: str) -> float | None:
    """Dots per inch of the finest picture that covers half of a page of ``area`` square points.

    Raises:
        TooLarge: a picture on the page over 51 megapixels, which rendering would unpack.
    """
    import pypdfium2
    import pypdfium2.raw as pdfium

    found = []
    for count, item in enumerate(page.get_objects(filter=(pdfium.FPDF_PAGEOBJ_IMAGE,), max_depth=3)):
        if count >= MAX_OBJECTS:
            break
        try:
            left, bottom, right, top = item.get_bounds()
            across, down = item.get_px_size()
        except pypdfium2.PdfiumError:
            continue
        if across * down > 0:
            check_size(across, down, name)
        covered = (right - left) * (top - bottom)
        if covered > IMAGE_SHARE * area:
            found.append(72.0 * math.sqrt(across * down / covered))
    return max(found, default=None)
