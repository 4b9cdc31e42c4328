"""Umlauts that an old archive garbled, mended for search: the gallery keeps the report as it was written.

A report in UTF-8 that a program read as Latin-1 or Windows-1252 holds two signs for each letter beyond ASCII:
``mÃ¶glich`` for ``möglich``. Some archives did so twice (``mÃƒÂ¶glich``). Only signs that decode are mended, so that
a text which is right stays as it is.
"""

from __future__ import annotations

import re

_TIMES = 3
"""Most rounds of garbling that are undone."""
_QUOTES = "\u2018\u2019\u201c\u201d\u2013\u2014"
"""Windows-1252 signs that running text sets after a capital letter, as in ``„Å“``: six rarer letters stay garbled."""


def _byte_of() -> dict[str, int]:
    """The byte that Latin-1 or Windows-1252 shows as a sign, for bytes from 0x80 on."""
    found = {chr(byte): byte for byte in range(0x80, 0x100)}
    for byte in range(0x80, 0xA0):
        try:
            found[bytes([byte]).decode("cp1252")] = byte
        except UnicodeDecodeError:  # five bytes mean nothing there, and programs show them as Latin-1 does
            continue
    return found


_BYTE = _byte_of()
_FOLLOWING = "".join(sign for sign, byte in _BYTE.items() if byte < 0xC0)
_FOLLOWING_UNQUOTED = "".join(sign for sign in _FOLLOWING if sign not in _QUOTES)
_GARBLED = re.compile(
    f"[\u00c2\u00c3][{re.escape(_FOLLOWING)}]"  # U+0080 to U+00FF: Western Europe's letters and signs
    f"|[\u00c4\u00c5][{re.escape(_FOLLOWING_UNQUOTED)}]"  # U+0100 to U+017F: Central Europe's, Turkey's
    f"|(?<=\u0192)\u00c5[{re.escape(_FOLLOWING)}]"  # the same behind the first half of a letter garbled twice
    f"|\u00e2[{re.escape(_FOLLOWING)}]{{2}}"  # U+2000 to U+2FFF: dashes, quotes, arrows
)


def repaired(text: str) -> str:
    """The text with garbled letters mended.

    Example:
        >>> repaired("mÃ¶glich, regelmÃƒÂ¤ÃƒÅ¸ig"), repaired("Übergang, SÃO PAULO")
        ('möglich, regelmäßig', 'Übergang, SÃO PAULO')
    """
    for _ in range(_TIMES):
        mended = _GARBLED.sub(_decoded, text)
        if mended == text:
            break
        text = mended
    return text


def _decoded(found: re.Match[str]) -> str:
    try:
        return bytes(_BYTE[sign] for sign in found[0]).decode()
    except UnicodeDecodeError:
        return found[0]
