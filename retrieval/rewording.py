"""One finding in other words: a sentence is asked in the usual English and German terms of what it names, too.

The reports of an archive are written in the language of their clinic, and a search by words finds none that says the
same in another. What is recognised are the wordings of the statements (``retrieval.ecg.statements``), their usual
abbreviations and codes, and the names of the superclasses; everything else in a sentence stays as it was typed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from index.words import MOST_WORDS, folded, words_of
from retrieval.ecg.statements import STATEMENTS, synonyms
from retrieval.superclass_words import SUPERCLASS_WORDS

__all__ = ["Reworded", "reworded"]

_WORD = re.compile(r"[^\W_]+")
_MORE_OF_IT = re.compile(r"(?<=[A-Z]{2})s$")
"""The plural of an abbreviation: ``PVCs``."""
_PLURAL = re.compile(r"(?<=[^\Wsui_]{3})s$")
"""An English plural; ``sinus``, ``axis`` and ``abscess`` are none."""
_LANGUAGES: tuple[Literal["en", "de"], ...] = ("en", "de")
_DENYING = frozenset(
    {"no", "not", "without", "denies", "kein", "keine", "keinen", "keinem", "keiner", "keines", "ohne", "nicht"}
)
_DENIAL_REACHES = 3
"""Words between a denial and what it denies, at most: ``no signs of acute ischaemia``."""
_DENIAL_ENDS = re.compile(r"[.,;:!?]|\b(?:but|aber|sondern)\b", re.IGNORECASE)
_OFTEN_OTHERWISE = frozenset({"Q", "SA", "EL", "NT", "normal"})
"""Short forms that mean something else in most sentences ("Q in III", "SA block"): only alone are they terms."""

_FURTHER: Mapping[str, tuple[str, ...]] = {
    "IMI": ("HWI",),
    "AMI": ("VWI",),
    "1AVB": ("AV block 1", "first degree heart block"),
    "2AVB": ("AV block 2", "AV block II", "second degree heart block"),
    "3AVB": ("AV block 3", "AV block III", "complete AV block", "third degree heart block"),
    "CLBBB": ("LSB",),
    "CRBBB": ("RSB",),
    "PVC": ("ventricular extrasystole", "ventrikuläre Extrasystole"),
    "PAC": ("supraventrikuläre Extrasystole",),
    "WPW": ("Wolff-Parkinson-White",),
    "AFIB": ("A fib", "VHFli"),
    "PACE": ("pacemaker", "Schrittmacher"),
    "MI": ("MI", "infarct", "infarction", "heart attack", "Infarkt", "Herzinfarkt"),
}
"""What else people write. The table of the statements, which towers are trained on and asked by, stays as it is."""

Encoder = Callable[[Sequence[str]], NDArray[np.float32]]
_Words = tuple[str, ...]
_Term = tuple[str, str]
"""What is written for a term in English and in German."""


@dataclass(frozen=True)
class Reworded:
    """A sentence as it is searched for.

    Args:
        text: as it was asked.
        added: the usual terms that it lacks, in the order of what they reword, as many as a search by words takes.
        sentences: the sentence as asked, then with each recognised term in English and in German; each once, and
            in the usual letters where it differs from another in case alone.
    """

    text: str
    added: tuple[str, ...]
    sentences: tuple[str, ...]

    @property
    def words(self) -> str:
        """What a search by words looks for: the sentence and the added terms."""
        return " ".join((self.text, *self.added))

    def vector(self, encode: Encoder) -> NDArray[np.float32]:
        """The sentences' unit rows summed, of length 1 again, ``[dim]``; a sentence that stands alone is its own row.

        Args:
            encode: sentences to unit rows ``[n, dim]``.
        """
        rows = encode(self.sentences)
        if len(rows) == 1:
            return rows[0]
        whole = rows.astype(np.float64).sum(axis=0)
        length = np.linalg.norm(whole)
        # Opposite rows have no sum to speak of; the sentence as asked is kept then.
        return (whole / length).astype(np.float32) if length > 1e-6 else rows[0]

    @classmethod
    def as_written(cls, text: str) -> Reworded:
        """The sentence and nothing else."""
        return cls(text, (), (text,))


@dataclass(frozen=True)
class _Found:
    begin: int
    end: int
    term: _Term


def reworded(text: str) -> Reworded:
    """The sentence with the usual English and German terms of the findings that it names.

    The longest terms count; case and marks on letters do not, but in abbreviations. What a sentence denies ("no
    atrial fibrillation") is left as it is.

    Example:
        >>> reworded("Vorhofflimmern mit LBBB").added
        ('atrial fibrillation', 'complete left bundle branch block', 'kompletter Linksschenkelblock')
    """
    found = list(_terms_in(text))
    said = set(words_of(text))
    added: list[str] = []
    for term in dict.fromkeys(term for one in found for term in one.term):
        fits = len(words_of(" ".join((text, *added, term)))) <= MOST_WORDS
        if fits and not said.issuperset(words_of(term)):
            added.append(term)
    sentences = (text, *(_replaced(text, found, place) for place in range(len(_LANGUAGES))))
    # Of those that differ in case alone the last, which is the usual one.
    once = {sentence.casefold(): sentence for sentence in sentences}
    return Reworded(text, tuple(added), tuple(once.values()))


def _replaced(text: str, found: Sequence[_Found], language: int) -> str:
    parts, done = [], 0
    for one in found:
        parts += [text[done : one.begin], one.term[language]]
        done = one.end
    return "".join([*parts, text[done:]])


def _terms_in(text: str) -> Iterator[_Found]:
    spans = [(match.start(), match.end()) for match in _WORD.finditer(text)]
    words = [text[begin:end] for begin, end in spans]
    written, small = [_MORE_OF_IT.sub("", word) for word in words], [_key(word) for word in words]
    place = 0
    while place < len(spans):
        count, term = _longest(written[place:], small[place:], whole=place == 0)
        if term is not None and not _denied(text[: spans[place][0]]):
            yield _Found(spans[place][0], spans[place + count - 1][1], term)
        place += max(count, 1)


def _longest(written: Sequence[str], small: Sequence[str], *, whole: bool) -> tuple[int, _Term | None]:
    """The longest term that these words begin with: how many words it takes, and what it is."""
    known = _known()
    for count in range(min(known.most_words, len(small)), 0, -1):
        term = known.wordings.get(tuple(small[:count])) or known.short_forms.get(tuple(written[:count]))
        if term is None and whole and count == len(small):
            term = known.alone.get(tuple(small))
        if term is not None:
            return count, term
    return 0, None


def _denied(before: str) -> bool:
    """Whether a term is denied by what stands before it."""
    clause = _WORD.findall(_DENIAL_ENDS.split(before)[-1])
    return not _DENYING.isdisjoint(folded(word) for word in clause[-_DENIAL_REACHES - 1 :])


@dataclass(frozen=True)
class _Known:
    """Terms by their words: as compared, as abbreviations are written, and abbreviations that stand alone."""

    wordings: Mapping[_Words, _Term]
    short_forms: Mapping[_Words, _Term]
    alone: Mapping[_Words, _Term]
    most_words: int


@cache
def _known() -> _Known:
    wordings: dict[_Words, _Term] = {}
    short_forms: dict[_Words, _Term] = {}
    alone: dict[_Words, _Term] = {}
    for code in STATEMENTS:
        term = (synonyms(code, "en")[0], synonyms(code, "de")[0])
        for wording in (*synonyms(code, "en"), *synonyms(code, "de"), *_FURTHER.get(code, ())):
            for variant in _infarcts(wording):
                wordings.setdefault(_keys(variant), term)
        for short in (*synonyms(code, "short"), *code.split("/")):
            alone.setdefault(_keys(short), term)
            if short not in _OFTEN_OTHERWISE and short != short.lower():
                short_forms.setdefault(tuple(_WORD.findall(short)), term)
    for name, (english, german) in SUPERCLASS_WORDS.items():
        for wording in (english, german, *_FURTHER.get(name, ())):
            wordings.setdefault(_keys(wording), (english, german))
    longest = max(len(words) for table in (wordings, short_forms, alone) for words in table)
    return _Known(wordings, short_forms, alone, longest)


def _infarcts(wording: str) -> tuple[str, ...]:
    """The wording, and what else people write for an MI."""
    site = wording.removesuffix(" MI")
    return (wording,) if site == wording else (wording, f"{site} infarct", f"{site} infarction")


def _keys(text: str) -> _Words:
    return tuple(_key(word) for word in _WORD.findall(text))


def _key(word: str) -> str:
    """A word as it is compared: folded, ``ischemia`` as ``ischaemia``, and an English plural as its singular."""
    return _PLURAL.sub("", folded(word).replace("ischem", "ischam"))
