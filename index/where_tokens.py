"""The pieces of which a condition as text is made; :mod:`index.where` reads it from them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from index.errors import BadSearch

_TOKEN = re.compile(
    r"""(?P<quoted>"(?:[^"]|"")*"|'(?:[^']|'')*')"""
    r"""|(?P<sign>!=|<=|>=|[=<>~(),])"""
    r"""|(?P<word>[^\s"'“”„!=<>~(),]+)"""
    r"""|(?P<wrong>\S)"""
)

Kind = Literal["quoted", "sign", "word", "end"]


@dataclass(frozen=True)
class Token:
    """A piece of the text: ``text`` without its quotes, ``column`` counted from 1."""

    kind: Kind
    text: str
    column: int

    def is_word(self, *names: str) -> bool:
        """Whether it is one of these words, in capital or small letters and without quotes."""
        return self.kind == "word" and self.text.lower() in names

    def is_sign(self, *signs: str) -> bool:
        """Whether it is one of these signs."""
        return self.kind == "sign" and self.text in signs

    def __str__(self) -> str:
        """As an error names it."""
        return "the end" if self.kind == "end" else repr(self.text)


def tokens(text: str) -> list[Token]:
    """The pieces of a condition, the end as the last of them.

    Raises:
        BadSearch: naming the column of a quote that is never closed, or of a sign that means nothing.
    """
    found: list[Token] = []
    for match in _TOKEN.finditer(text):
        column, kind, piece = match.start() + 1, match.lastgroup, match[0]
        if kind == "quoted":
            found.append(Token("quoted", piece[1:-1].replace(piece[0] * 2, piece[0]), column))
        elif kind == "sign":
            found.append(Token("sign", piece, column))
        elif kind == "word":
            found.append(Token("word", piece, column))
        else:
            what = f"{piece!r}, which means nothing here"
            if piece in "\"'“”„":
                what = "a quote that is never closed" if piece in "\"'" else f"{piece} is no quote; use \" or '"
            raise BadSearch(f"the condition, column {column}: {what}")
    return [*found, Token("end", "", len(text) + 1)]
