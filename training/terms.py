"""Findings by their names, as a user types them: each is aligned with all pages of a batch that show it.

The report of an ECG states several findings, so a text tower that has read nothing but reports places a bare term
somewhere between them. Here a term is a text of its own, and every page that carries its statement answers it.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import get_args

import numpy as np
from numpy.typing import NDArray

from retrieval.ecg.statements import STATEMENTS, SUPERCLASSES, Language, synonyms
from retrieval.superclass_words import SUPERCLASS_WORDS


@dataclass(frozen=True)
class TermBatch:
    """Terms of a step: their words, and of which target each is, ``[n]``."""

    words: list[str]
    columns: NDArray[np.int64]


class Terms:
    """The names of statements and superclasses.

    Args:
        held_out: statements whose names are left out.
    """

    def __init__(self, held_out: Collection[str] = ()) -> None:
        languages = get_args(Language)
        self._words: dict[int, tuple[str, ...]] = {
            column: tuple(dict.fromkeys(word for language in languages for word in synonyms(code, language)))
            for column, code in enumerate(STATEMENTS)
            if code not in held_out
        }
        first = len(STATEMENTS)
        self._words |= {first + i: SUPERCLASS_WORDS[name] for i, name in enumerate(SUPERCLASSES)}

    @property
    def texts(self) -> list[str]:
        """All of them."""
        return [word for words in self._words.values() for word in words]

    def draw(self, targets: NDArray[np.uint8], count: int, rng: np.random.Generator) -> TermBatch:
        """Terms that some page answers, each target as likely as any other, so that rare ones are learned too.

        Args:
            targets: of the pages, ``[n, targets]``.
            count: how many terms.
            rng: of the draw.
        """
        shown = [int(column) for column in np.flatnonzero(targets.any(axis=0)) if int(column) in self._words]
        if not shown:
            return TermBatch([], np.zeros(0, np.int64))
        columns = rng.choice(shown, count)
        words = [self._words[int(column)] for column in columns]
        return TermBatch([some[int(rng.integers(len(some)))] for some in words], columns.astype(np.int64))
