"""Garbled umlauts are mended, and what is right is left alone."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from index.repair import repaired

WORDS = ["möglich", "ÜBERLEITUNG", "Größe", "regelmäßig", "skänkelblock", "sÅsom", "förmaksflimmer", "36,5°", "µV"]


def garbled(text: str, encoding: str) -> str:
    """As a program shows UTF-8 that it takes for another encoding; bytes that mean nothing as Latin-1 has them."""
    if encoding == "latin-1":
        return text.encode().decode("latin-1")
    return "".join(_shown(byte) for byte in text.encode())


def _shown(byte: int) -> str:
    try:
        return bytes([byte]).decode("cp1252")
    except UnicodeDecodeError:
        return chr(byte)


@pytest.mark.parametrize("encoding", ["latin-1", "cp1252"])
@pytest.mark.parametrize("times", [1, 2])
@pytest.mark.parametrize("word", WORDS)
def test_what_was_garbled_once_or_twice_is_mended(word, encoding, times):
    seen = word
    for _ in range(times):
        seen = garbled(seen, encoding)
    assert seen != word
    assert repaired(f"vor {seen}, nach") == f"vor {word}, nach"


@given(st.text(alphabet="abc äöüÄÖÜßéèåøæñçłČčęś-,", max_size=20))
def test_any_western_text_survives_garbling_and_is_left_alone_when_right(text):
    assert repaired(text) == text
    for encoding in ("latin-1", "cp1252"):
        assert repaired(garbled(text, encoding)) == text


@pytest.mark.parametrize(
    "text",
    ["SÃO PAULO", "MÃE", "Âge", "„Ä“ und „Å“", "Ä–B", "naïve", "", "Ã", "â–", "心電図", "AÃ\u0301"],
)
def test_a_text_that_is_right_is_left_alone(text):
    assert repaired(text) == text
