"""Print on a page: words as grids of ink, cached, with the tight box of what is seen."""

from __future__ import annotations

import unicodedata
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import ImageFont

Gray = NDArray[np.uint8]
_SPELLED = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "Ä": "Ae", "Ö": "Oe", "Ü": "Ue", "ß": "ss", "µ": "u"})
_MEASURE_PX = 200.0


class Word(NamedTuple):
    """A text's ink ``[height, width]`` from 0 to 255, cut to what is seen, and where its corner lies in pixels.

    ``left`` counts from the place where the text begins, ``top`` from its base line, negative upwards.
    """

    ink: Gray
    left: int
    top: int


def printable(text: str) -> str:
    """A text in the letters that can be printed: umlauts spelled out, accents left away, else a question mark."""
    plain = unicodedata.normalize("NFKD", text.translate(_SPELLED))
    return "".join(letter if " " <= letter <= "~" or letter in "°±–—" else "?" for letter in plain if _stands(letter))


def _stands(letter: str) -> bool:
    return not unicodedata.combining(letter)


@lru_cache(maxsize=64)
def _font(capital_px: float) -> ImageFont.FreeTypeFont:
    """Pillow's own face (Aileron), at the size that gives capitals of that height."""
    font = ImageFont.load_default(capital_px / _capital_share())
    if not isinstance(font, ImageFont.FreeTypeFont):
        raise RuntimeError("this Pillow was built without FreeType, which ECG pages are lettered with; take a wheel")
    return font


@lru_cache(maxsize=1)
def _capital_share() -> float:
    font = ImageFont.load_default(_MEASURE_PX)
    return -font.getbbox("H", anchor="ls")[1] / _MEASURE_PX if isinstance(font, ImageFont.FreeTypeFont) else 0.7


@lru_cache(maxsize=2048)
def word(text: str, capital_px: float) -> Word:
    """The ink of a text whose capitals are ``capital_px`` pixels high; of size 0 when nothing of it is seen."""
    core, (left, top) = _font(capital_px).getmask2(printable(text), mode="L", anchor="ls")
    ink = np.asarray(core, np.uint8).reshape(core.size[1], core.size[0])
    rows, columns = np.flatnonzero(ink.any(axis=1)), np.flatnonzero(ink.any(axis=0))
    if len(rows) == 0:
        return Word(np.zeros((0, 0), np.uint8), 0, 0)
    ink = ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1].copy()
    ink.flags.writeable = False
    return Word(ink, round(left) + int(columns[0]), round(top) + int(rows[0]))


@lru_cache(maxsize=2048)
def width_mm(text: str, capital_mm: float) -> float:
    """Length in mm of a text whose capitals are ``capital_mm`` high."""
    return _font(_MEASURE_PX).getlength(printable(text)) / _MEASURE_PX * capital_mm
