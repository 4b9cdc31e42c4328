"""Which case is relevant to which: by shared classes of their statements, and by degree.

A statement is present when its code stands in the record, whatever its likelihood.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from retrieval.ecg.statements import STATEMENTS, SUPERCLASSES, superclasses
from retrieval.errors import BadArgument
from retrieval.scoring import Bools, Floats

__all__ = [
    "LEVELS",
    "MIN_POSITIVES",
    "Classes",
    "Level",
    "classes_of",
    "inverse_frequency",
    "normalised_text",
    "statement_matrix",
    "weighted_jaccard",
]

Level = Literal["superclass", "subclass", "form", "rhythm", "statement"]
LEVELS: tuple[Level, ...] = ("superclass", "subclass", "form", "rhythm", "statement")
MIN_POSITIVES = 10
"""A class with fewer positive queries is left out: its figure would be noise."""

Statements = Sequence[Mapping[str, float | None]]


@dataclass(frozen=True)
class Classes:
    """The classes of one level, and who belongs to them.

    Args:
        names: of the classes.
        queries: ``[q, classes]``.
        gallery: ``[g, classes]``.
    """

    names: tuple[str, ...]
    queries: Bools
    gallery: Bools

    def only(self, keep: Sequence[bool] | NDArray[np.bool_]) -> Classes:
        """Some of the classes."""
        chosen = np.asarray(keep, dtype=np.bool_)
        names = tuple(name for name, kept in zip(self.names, chosen, strict=True) if kept)
        return Classes(names, self.queries[:, chosen], self.gallery[:, chosen])


def classes_of(level: Level, queries: Statements, gallery: Statements, minimum: int = MIN_POSITIVES) -> Classes:
    """The classes of a level with at least ``minimum`` positive queries and one positive case in the gallery.

    Raises:
        BadArgument: for a level that does not exist.
    """
    names = _names(level)
    ours, theirs = _membership(level, names, queries), _membership(level, names, gallery)
    keep = (ours.sum(axis=0) >= minimum) & theirs.any(axis=0)
    return Classes(names, ours, theirs).only(keep)


def _names(level: Level) -> tuple[str, ...]:
    if level not in LEVELS:
        raise BadArgument(f"'{level}' is no level of statements; take one of {', '.join(LEVELS)}")
    if level == "superclass":
        return SUPERCLASSES
    if level == "subclass":
        return tuple(sorted({s.subclass for s in STATEMENTS.values() if s.subclass is not None}))
    return tuple(code for code, s in STATEMENTS.items() if level == "statement" or level in s.kinds)


def _membership(level: Level, names: tuple[str, ...], statements: Statements) -> Bools:
    place = {name: i for i, name in enumerate(names)}
    table = np.zeros((len(statements), len(names)), dtype=np.bool_)
    for row, codes in enumerate(statements):
        for name in _classes_of_case(level, codes):
            if name in place:
                table[row, place[name]] = True
    return table


def _classes_of_case(level: Level, codes: Mapping[str, float | None]) -> frozenset[str]:
    if level == "superclass":
        return superclasses(codes)
    if level == "subclass":
        found = (STATEMENTS[code].subclass for code in codes if code in STATEMENTS)
        return frozenset(name for name in found if name is not None)
    return frozenset(codes)


def statement_matrix(statements: Statements) -> Bools:
    """``[n, 71]``: which statements each case carries, in the order of `STATEMENTS`."""
    return _membership("statement", tuple(STATEMENTS), statements)


def inverse_frequency(gallery: Bools) -> Floats:
    """``[statements]`` ln((n + 1) / (df + 1)), so that sinus rhythm weighs little and a rare finding much."""
    carriers: Floats = gallery.sum(axis=0).astype(np.float64)
    return np.log((len(gallery) + 1) / (carriers + 1))


def weighted_jaccard(queries: Bools, gallery: Bools, weight: Floats) -> Floats:
    """Gains ``[q, g]`` in 0..1: weight of the shared statements over weight of those that either has.

    Args:
        queries: ``[q, statements]``.
        gallery: ``[g, statements]``.
        weight: ``[statements]``, not negative.
    """
    left, right = queries * weight, gallery.astype(np.float64)
    shared = left @ right.T
    union = left.sum(axis=1)[:, None] + (right @ weight)[None, :] - shared
    gains = np.zeros(shared.shape)
    np.divide(shared, union, out=gains, where=union > 1e-12)
    # Two equal gains must not differ in their last bit, nor fall below zero.
    return np.round(gains, 12)


def normalised_text(report: str) -> str:
    """What makes two reports the same text: their words in lower case, without punctuation and spacing."""
    return " ".join(re.findall(r"\w+", report.lower()))
