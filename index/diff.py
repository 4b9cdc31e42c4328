"""In what two galleries differ, without holding either in memory."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from index.gallery import Gallery

Kind = Literal["only_first", "only_second", "case", "vector"]

_DIGESTS = "SELECT c.case_id, c.sha256, v.sha256 FROM cases c LEFT JOIN vectors v USING (number) ORDER BY c.case_id"
_Row = tuple[str, bytes, bytes | None]


@dataclass(frozen=True)
class Difference:
    """One difference: a case that only one gallery has, or one whose content (``case``) or ``vector`` differs."""

    kind: Kind
    case_id: str


def diff_galleries(first: Gallery, second: Gallery) -> Iterator[Difference]:
    """The differences of two open galleries by case id, each as soon as it is found; none when they are the same.

    A case that differs in content and vector is given twice. Contents are compared by the digests that the galleries
    keep (which ``verify`` checks), of one generation of each; until the iteration ends, other threads wait for both.
    """
    with first._session.reading() as one, second._session.reading() as other:
        yield from _merged(one, other)


def _merged(one: sqlite3.Connection, other: sqlite3.Connection) -> Iterator[Difference]:
    left, right = one.execute(_DIGESTS), other.execute(_DIGESTS)
    here: _Row | None = left.fetchone()
    there: _Row | None = right.fetchone()
    while here is not None and there is not None:
        if here[0] < there[0]:
            yield Difference("only_first", here[0])
            here = left.fetchone()
        elif there[0] < here[0]:
            yield Difference("only_second", there[0])
            there = right.fetchone()
        else:
            yield from _of_both(here, there)
            here, there = left.fetchone(), right.fetchone()
    while here is not None:
        yield Difference("only_first", here[0])
        here = left.fetchone()
    while there is not None:
        yield Difference("only_second", there[0])
        there = right.fetchone()


def _of_both(here: _Row, there: _Row) -> Iterator[Difference]:
    if here[1] != there[1]:
        yield Difference("case", here[0])
    if here[2] != there[2]:
        yield Difference("vector", here[0])
