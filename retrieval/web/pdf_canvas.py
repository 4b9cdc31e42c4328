"""Pages of a PDF in millimetres from the top left, drawn with PDFium: lines, Latin text, and pictures.

Traces stay lines, so that they are as sharp as the printer; text can be searched. The fonts are the standard ones
that each PDF reader has, which know Western European letters; a letter they lack is shown as a question mark.
"""

from __future__ import annotations

import ctypes
import io
from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

MM = 72 / 25.4
"""Points per millimetre."""
A4_LANDSCAPE = 297.0, 210.0
REGULAR, BOLD = "Helvetica", "Helvetica-Bold"
Colour = tuple[int, int, int]
INK: Colour = (16, 24, 47)


class Canvas:
    """A PDF that is being drawn. PDFium is not safe for threads: draw one at a time (``retrieval.web.pdf`` does)."""

    def __init__(self, size_mm: tuple[float, float] = A4_LANDSCAPE) -> None:
        import pypdfium2

        self.pdf: Any = pypdfium2.PdfDocument.new()
        self.wide, self.high = size_mm
        self.page: Any = None

    def new_page(self) -> None:
        """Finish the page and begin another."""
        self._finish()
        self.page = self.pdf.new_page(self.wide * MM, self.high * MM)

    def lines(self, parts: Iterable[NDArray[np.float64]], width_mm: float, colour: Colour = INK) -> None:
        """Polylines, each ``[points, 2]`` in mm."""
        from pypdfium2 import raw

        path = raw.FPDFPageObj_CreateNewPath(0, 0)
        for part in parts:
            points = self._points(part)
            for i, (x, y) in enumerate(points):
                (raw.FPDFPath_LineTo if i else raw.FPDFPath_MoveTo)(path, x, y)
        raw.FPDFPageObj_SetStrokeColor(path, *colour, 255)
        raw.FPDFPageObj_SetStrokeWidth(path, width_mm * MM)
        raw.FPDFPageObj_SetLineJoin(path, raw.FPDF_LINEJOIN_ROUND)
        raw.FPDFPath_SetDrawMode(path, raw.FPDF_FILLMODE_NONE, 1)
        raw.FPDFPage_InsertObject(self.page, path)

    def text(
        self, x: float, y: float, text: str, size: float = 9.0, font: str = REGULAR, colour: Colour = INK
    ) -> None:
        """A line of text whose baseline stands at ``y``; ``size`` in points."""
        from pypdfium2 import raw

        line = raw.FPDFPageObj_NewTextObj(self.pdf, font.encode(), size)
        raw.FPDFText_SetText(line, _wide(latin(text)))
        raw.FPDFPageObj_SetFillColor(line, *colour, 255)
        raw.FPDFPageObj_Transform(line, 1, 0, 0, 1, x * MM, (self.high - y) * MM)
        raw.FPDFPage_InsertObject(self.page, line)

    def picture(self, gray: NDArray[np.uint8], x: float, y: float, wide: float, high: float) -> None:
        """A gray picture; what is white in it lets the paper through."""
        import pypdfium2
        from PIL import Image
        from pypdfium2 import raw

        image = pypdfium2.PdfImage.new(self.pdf)
        image.set_bitmap(pypdfium2.PdfBitmap.from_pil(Image.fromarray(gray)))
        place: Any = wide * MM, 0, 0, high * MM, x * MM, (self.high - y - high) * MM  # its stubs say whole numbers
        image.set_matrix(pypdfium2.PdfMatrix(*place))
        raw.FPDFPageObj_SetBlendMode(image, b"Multiply")
        self.page.insert_obj(image)

    def bytes(self) -> bytes:
        """The whole PDF; nothing can be drawn any more."""
        self._finish()
        data = io.BytesIO()
        self.pdf.save(data)
        self.pdf.close()
        return data.getvalue()

    def _points(self, part: NDArray[np.float64]) -> list[list[float]]:
        turned = np.column_stack([part[:, 0], self.high - part[:, 1]]) * MM
        return turned.tolist()

    def _finish(self) -> None:
        if self.page is not None:
            self.page.gen_content()
            self.page.close()
            self.page = None


def wrapped(text: str, wide_mm: float, size: float, font: str = REGULAR) -> list[str]:
    """A text in lines no wider than that; a word that is wider is broken."""
    lines: list[str] = []
    line = ""
    for word in latin(text).split():
        for piece in _pieces(word, wide_mm, size, font):
            longer = f"{line} {piece}" if line else piece
            if line and width_of(longer, size, font) > wide_mm:
                lines.append(line)
                line = piece
            else:
                line = longer
    return [*lines, line] if line else lines


def width_of(text: str, size: float, font: str = REGULAR) -> float:
    """The width of a line in mm."""
    return sum(_advance(letter, font) for letter in text) * size / 100 / MM


def latin(text: str) -> str:
    """The text as the standard fonts can show it, on one line."""
    plain = "".join(letter if letter.isprintable() else " " for letter in text.replace("\N{MINUS SIGN}", "-"))
    return plain.encode("cp1252", "replace").decode("cp1252")


def _pieces(word: str, wide_mm: float, size: float, font: str) -> Sequence[str]:
    if width_of(word, size, font) <= wide_mm:
        return [word]
    fit = max(1, int(len(word) * wide_mm / width_of(word, size, font)) - 1)
    return [word[i : i + fit] for i in range(0, len(word), fit)]


@cache
def _advance(letter: str, font: str) -> float:
    """How far a letter of 100 points moves the next: what it adds between two bars."""
    return _extent(f"|{letter}|", font) - _extent("||", font)


@cache
def _extent(text: str, font: str) -> float:
    import pypdfium2
    from pypdfium2 import raw

    pdf = pypdfium2.PdfDocument.new()
    line = raw.FPDFPageObj_NewTextObj(pdf, font.encode(), 100)
    raw.FPDFText_SetText(line, _wide(text))
    edges = [ctypes.c_float() for _ in range(4)]
    raw.FPDFPageObj_GetBounds(line, *edges)
    raw.FPDFPageObj_Destroy(line)
    pdf.close()
    return edges[2].value - edges[0].value


def _wide(text: str) -> Any:
    """Text as PDFium takes it: UTF-16 with an end."""
    from pypdfium2 import raw

    data = (text + "\0").encode("utf-16-le")
    return ctypes.cast(ctypes.create_string_buffer(data, len(data)), raw.FPDF_WIDESTRING)
