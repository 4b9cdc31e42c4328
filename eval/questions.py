"""What task 3 asks in words: each statement, and two that stand together, in two languages and in abbreviations."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from eval.relevance import MIN_POSITIVES, statement_matrix
from eval.split import Part
from retrieval.ecg.statements import STATEMENTS, Language, synonyms, wordings
from retrieval.scoring import Bools

__all__ = ["LANGUAGES", "Questions", "questions_of"]

LANGUAGES: Mapping[Language, str] = {"en": "English", "de": "German", "short": "abbreviations"}


@dataclass(frozen=True)
class Questions:
    """Questions to the ECGs of one part.

    Args:
        codes: the one or two statements of each.
        relevant: ``[questions, ecgs]``, true for an ECG that carries all of them, whatever their likelihood.
    """

    codes: tuple[tuple[str, ...], ...]
    relevant: Bools

    @property
    def single(self) -> Bools:
        """``[questions]``, which of them are about one statement."""
        return np.array([len(codes) == 1 for codes in self.codes], dtype=np.bool_)

    def sentences(self, language: Language) -> list[str]:
        """A statement's usual wording; two of them as the line of a report."""
        return [_sentence(codes, language) for codes in self.codes]


def questions_of(part: Part, minimum: int = MIN_POSITIVES) -> Questions:
    """Every statement, and every two, that at least ``minimum`` ECGs of the part carry; the single ones first."""
    carried = statement_matrix(part.statements)
    together = carried.T.astype(np.int64) @ carried.astype(np.int64)
    known = [place for place in range(len(STATEMENTS)) if together[place, place] >= minimum]
    pairs = [two for two in combinations(known, 2) if together[two] >= minimum]
    asked = [*((place,) for place in known), *pairs]
    names = tuple(STATEMENTS)
    relevant = [carried[:, places].all(axis=1) for places in asked]
    return Questions(
        tuple(tuple(names[place] for place in places) for places in asked),
        np.array(relevant, dtype=np.bool_).reshape(len(asked), len(carried)),
    )


def _sentence(codes: tuple[str, ...], language: Language) -> str:
    return synonyms(codes[0], language)[0] if len(codes) == 1 else wordings(dict.fromkeys(codes), language)
