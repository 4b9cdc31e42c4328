"""The 71 SCP-ECG statements that PTB-XL uses: their place in the hierarchy, and words for them in two languages."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import Literal

import numpy as np

from retrieval.errors import BadArgument

Kind = Literal["diagnostic", "form", "rhythm"]
Language = Literal["en", "de", "short"]

SUPERCLASSES: tuple[str, ...] = ("NORM", "MI", "STTC", "CD", "HYP")
LIKELY = 50.0
"""A diagnostic statement under this likelihood, in percent, is worded as a possibility."""
USUAL_SHARE = 0.3
"""How often a drawn wording is the usual one outright; otherwise all wordings are equally likely."""

_KINDS: tuple[Kind, ...] = ("rhythm", "diagnostic", "form")
_DOUBT: Mapping[str, tuple[str, ...]] = {
    "en": ("possible {}", "cannot rule out {}", "{} possible", "suspected {}"),
    "de": ("{} möglich", "V. a. {}", "{} nicht auszuschließen", "fraglich: {}"),
    "short": ("?{}", "{}?"),
}


@dataclass(frozen=True)
class Statement:
    """One SCP-ECG statement.

    Args:
        code: as PTB-XL writes it, such as ``"IMI"`` or ``"LAO/LAE"``.
        english: its first English wording.
        german: its first German wording.
        short: what a hurried reader writes, such as ``"AF"`` or ``"LBBB"``.
        superclass: one of ``SUPERCLASSES``; ``None`` for a statement that is not diagnostic.
        subclass: the diagnostic subclass, with the same exception.
        kinds: what it speaks of; three statements are both diagnostic and form.
    """

    code: str
    english: str
    german: str
    short: str
    superclass: str | None
    subclass: str | None
    kinds: frozenset[Kind]


@cache
def _rows() -> tuple[dict[str, str], ...]:
    text = files("retrieval.ecg").joinpath("statements.csv").read_text(encoding="utf-8")
    return tuple(csv.DictReader(text.splitlines()))


def _statement(row: dict[str, str]) -> Statement:
    named = row["kinds"].split()
    return Statement(
        code=row["code"],
        english=row["english"].split("|")[0],
        german=row["german"].split("|")[0],
        short=row["short"].split("|")[0],
        superclass=row["superclass"] or None,
        subclass=row["subclass"] or None,
        kinds=frozenset(kind for kind in _KINDS if kind in named),
    )


STATEMENTS: Mapping[str, Statement] = MappingProxyType({row["code"]: _statement(row) for row in _rows()})
"""Every statement by its code, in the order of the packaged table."""

_COLUMN: Mapping[str, str] = {"en": "english", "de": "german", "short": "short"}
_WORDS: Mapping[str, Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        language: {row["code"]: tuple(row[column].split("|")) for row in _rows()}
        for language, column in _COLUMN.items()
    }
)


def synonyms(code: str, language: Language = "en") -> tuple[str, ...]:
    """All wordings of one statement, the usual one first.

    Raises:
        BadArgument: for a code or a language that is not in the table.
    """
    if language not in _WORDS:
        raise BadArgument(f"language is '{language}'; it must be one of {', '.join(_WORDS)}")
    if code not in STATEMENTS:
        raise BadArgument(f"'{code}' is none of the {len(STATEMENTS)} SCP-ECG statements, such as NORM, IMI or AFIB")
    return _WORDS[language][code]


def words_of(code: str, language: Literal["en", "de"] = "en") -> str:
    """A statement's usual words; a code that is in no table stands for itself."""
    if code not in STATEMENTS:
        return code
    return STATEMENTS[code].english if language == "en" else STATEMENTS[code].german


def superclasses(codes: Iterable[str]) -> frozenset[str]:
    """Name the diagnostic superclasses of the codes, whatever their likelihood; an unknown code has none."""
    found = (STATEMENTS[code].superclass for code in codes if code in STATEMENTS)
    return frozenset(superclass for superclass in found if superclass is not None)


def wordings(
    codes: Mapping[str, float | None], language: Language = "en", rng: np.random.Generator | None = None
) -> str:
    """Statements as the sentence of a report: the rhythm first, then the diagnoses, then the forms.

    Args:
        codes: statement code to likelihood in percent; ``None`` or 0 is present with the certainty not given, and a
            likelihood under ``LIKELY`` is worded as a possibility.
        language: ``"en"``, ``"de"`` or ``"short"`` (abbreviations only).
        rng: draws a wording of each statement, the order within a kind and the punctuation; without it the sentence
            is always the same.

    Returns:
        One line; empty when there is no statement.

    Raises:
        BadArgument: for an unknown code or language.
    """
    if language == "short":
        mark = ", " if rng is None else _pick((", ", " ", "; "), rng)
        return mark.join(phrases(codes, language, rng))
    mark = ". " if rng is None else _pick((". ", ". ", ", ", "; "), rng)
    return sentence(phrases(codes, language, rng), mark)


def phrases(
    codes: Mapping[str, float | None], language: Language = "en", rng: np.random.Generator | None = None
) -> list[str]:
    """Word each statement by itself, in the order and with the doubts of ``wordings``, not capitalised."""
    return [_phrase(code, codes[code], language, rng) for code in _ordered(codes, rng)]


def sentence(parts: Iterable[str], mark: str = ". ") -> str:
    """Join phrases into the line of a report: capitals after a full stop, and one at the end; empty from nothing."""
    text = mark.join(_capital(part) if mark == ". " else part for part in parts)
    return _capital(text) + "." if text else ""


def _ordered(codes: Iterable[str], rng: np.random.Generator | None) -> list[str]:
    place = {code: i for i, code in enumerate(STATEMENTS)}
    known = sorted(codes, key=lambda code: place.get(code, len(place)))
    if rng is not None:
        known = [known[i] for i in rng.permutation(len(known))]
    return sorted(known, key=_kind_rank)


def _kind_rank(code: str) -> int:
    kinds = STATEMENTS[code].kinds if code in STATEMENTS else frozenset[Kind]()
    return min((_KINDS.index(kind) for kind in kinds), default=len(_KINDS))


def _phrase(code: str, likelihood: float | None, language: Language, rng: np.random.Generator | None) -> str:
    choices = synonyms(code, language)
    phrase = choices[0] if rng is None or rng.uniform() < USUAL_SHARE else _pick(choices, rng)
    if not likelihood or likelihood >= LIKELY:
        return phrase
    doubt = _DOUBT[language]
    return (doubt[0] if rng is None else _pick(doubt, rng)).format(phrase)


def _pick(choices: tuple[str, ...], rng: np.random.Generator) -> str:
    return choices[int(rng.integers(len(choices)))]


def _capital(phrase: str) -> str:
    return phrase[:1].upper() + phrase[1:]


def name_of(code: str) -> str:
    """A statement in English, with its code: ``atrial fibrillation (AFIB)``; an unknown code is itself."""
    return f"{STATEMENTS[code].english} ({code})" if code in STATEMENTS else code
