"""The words of the pages in English and German: one table for each language, the same keys in both."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import Any, Literal, get_args

from retrieval.ecg.statements import STATEMENTS

Language = Literal["en", "de"]
LANGUAGES: tuple[Language, ...] = get_args(Language)
NAMES: Mapping[str, str] = MappingProxyType({"en": "English", "de": "Deutsch"})


@cache
def table(language: str) -> Mapping[str, str]:
    """Every text of a language by ``section.name``."""
    raw = files("retrieval.web").joinpath("words", f"{language}.toml").read_text(encoding="utf-8")
    sections: dict[str, dict[str, str]] = tomllib.loads(raw)
    return MappingProxyType(
        {f"{section}.{name}": text for section, texts in sections.items() for name, text in texts.items()}
    )


@dataclass(frozen=True)
class Words:
    """The texts of one language; call it with a key and the values that stand in the text."""

    language: str

    def __call__(self, key: str, **values: Any) -> str:
        """The text; a key that is not in the table is a mistake of ours and raises ``KeyError``."""
        text = table(self.language)[key]
        return text.format(**values) if values else text

    def known(self, key: str) -> str | None:
        """The text, or ``None`` where the table has none."""
        return table(self.language).get(key)

    def number(self, value: float, digits: int = 0) -> str:
        """A number with the language's decimal sign, and a true minus."""
        text = f"{value:.{digits}f}".replace("-", "\N{MINUS SIGN}")
        return text.replace(".", ",") if self.language == "de" else text

    def statement(self, code: str) -> str:
        """A statement in words; a code that the table of statements has not is itself."""
        known = STATEMENTS.get(code)
        if known is None:
            return code
        return known.german if self.language == "de" else known.english

    def either(self, sentence: Any) -> str:
        """The sentence in this language, of something that has it as ``english`` and ``german``."""
        return sentence.german if self.language == "de" else sentence.english


def choose(asked: str | None, kept: str | None, accepted: str | None) -> Language:
    """The language of an answer: as asked for in the address, else as the cookie says, else as the browser does."""
    for wish in (asked, kept, *_accepted(accepted or "")):
        for language in LANGUAGES:
            if wish == language:
                return language
    return "en"


def _accepted(header: str) -> Sequence[str]:
    """The languages of an ``Accept-Language`` header, the dearest first; what is malformed counts for nothing."""
    wishes: list[tuple[float, int, str]] = []
    for place, part in enumerate(header[:500].split(",")):
        name, _, weight = part.strip().partition(";q=")
        try:
            quality = float(weight) if weight else 1.0
        except ValueError:
            continue
        if quality > 0:
            wishes.append((-quality, place, name.split("-")[0].lower()))
    return [name for _, _, name in sorted(wishes)]
