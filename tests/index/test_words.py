"""Searching the words of reports, against BM25 by hand, and nothing of a user's text read as syntax."""

from __future__ import annotations

import csv
import math
import sqlite3
import unicodedata
from contextlib import closing
from itertools import islice

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from index import Case, Filter, Gallery, parse_where
from index.errors import BadSearch
from index.words import containing, folded, resembling, words_of
from tests.index.gallery_samples import filled, new_gallery, sample_case, unit

REPORTS = [
    "Vorhofflimmern mit schneller Überleitung",
    "Vorhofflattern, Ueberleitung 2:1",
    "SINUSRHYTHMUS. Regelrechte UeBERLEITUNG. Normales EKG",
    "sinusrhythmus, linkshypertrophie mÃ¶glich",
    "sinusrytm. förmaksflimmer kan ej uteslutas",
    "atrial fibrillation; left axis deviation",
    "atrial flutter, atrial rate 300/min",
    "",
    "sinus rhythm, inferior infarct, age undetermined",
    "Sinusrhythmus sinusrhythmus SINUS",
    "Größe: unauffällig, Groesse",
    "ритм синусовый",
]
ROWS = unit(len(REPORTS), 8, seed=3)
CASES = [
    Case(f"{n * 7 % 12:02d}", report, {}, patient_key=f"p{n % 4}" if n % 5 else None, age=float(30 + n))
    for n, report in enumerate(REPORTS)
]
SPELLINGS = {"ÃŸ": "ß", "Ã¶": "ö"}


@pytest.fixture(scope="module")
def gallery(tmp_path_factory):
    with new_gallery(tmp_path_factory.mktemp("words") / "g", 8) as writer:
        writer.add(CASES[:5], ROWS[:5])
        writer.add([sample_case(50)], unit(1, 8))
        writer.add(CASES[5:], ROWS[5:])
        writer.delete([sample_case(50).case_id])
        yield writer


def plain_words(text: str) -> list[str]:
    """The words of a text, by rules written down once more."""
    for wrong, right in SPELLINGS.items():
        text = text.replace(wrong, right)
    text = unicodedata.normalize("NFC", text).casefold()
    kept = ""
    for at, sign in enumerate(text):
        before, last = text[max(0, at - 2) : at - 1], text[at - 1 : at]
        if sign == "e" and (last in ("a", "o") or (last == "u" and before not in tuple("aeiouq"))) and last:
            continue
        kept += sign
    bare = "".join(c for c in unicodedata.normalize("NFD", kept) if not unicodedata.combining(c) or ord(c) > 0x36F)
    return "".join(c if c.isalnum() else " " for c in bare).split()


def begins(word: str, stem: str) -> bool:
    """Whether a word counts for a stem; a single Latin letter is a word of its own."""
    return word == stem if len(stem) == 1 and stem.isascii() else word.startswith(stem)


def bm25(query: str, allowed: list[int]) -> list[tuple[str, float]]:
    """Okapi BM25 as FTS5 documents it, over all reports; of those allowed, the ones that hold a word."""
    documents = [plain_words(report) for report in REPORTS]
    mean = sum(map(len, documents)) / len(documents)
    scored = []
    stems = list(dict.fromkeys(word[:6] for word in plain_words(query)))
    for n in allowed:
        score, counts = 0.0, [sum(begins(w, stem) for w in documents[n]) for stem in stems]
        for stem, count in zip(stems, counts, strict=True):
            having = sum(any(begins(w, stem) for w in words) for words in documents)
            weight = math.log((len(documents) - having + 0.5) / (having + 0.5))
            length = 1.2 * (1 - 0.75 + 0.75 * len(documents[n]) / mean)
            score += (weight if weight > 0 else 1e-6) * count * 2.2 / (count + length)
        if any(counts):
            scored.append((CASES[n].case_id, round(score, 10)))
    return sorted(scored, key=lambda pair: (-pair[1], pair[0]))


QUERIES = [
    "Vorhofflimmern",
    "ueberleitung",
    "Überleitung möglich",
    "sinus atrial",
    "Größe",
    "förmaksflimmer",
    "formaksflimmer",
    "СИНУСОВЫЙ ритм",
    "left NEAR(axis) OR atrial*",
]


@pytest.mark.parametrize("query", QUERIES)
@pytest.mark.parametrize("exclude", [None, "p1"])
@pytest.mark.parametrize("where", [None, Filter(age_to=37), parse_where("age > 33 and not report ~ sinusrhythmus")])
def test_bm25_by_hand(gallery, query, exclude, where):
    allowed = [n for n in range(len(CASES)) if exclude is None or CASES[n].patient_key != exclude]
    if isinstance(where, Filter):
        allowed = [n for n in allowed if n <= 7]
    elif where is not None:
        allowed = [n for n in allowed if n > 3 and "sinusrhythmus" not in plain_words(REPORTS[n])]
    expected = bm25(query, allowed)
    for k in (1, 3, 50):
        found = gallery.search_words(query, k, where, exclude)
        assert [hit.case_id for hit in found] == [case_id for case_id, _ in expected[:k]]
        assert [hit.score for hit in found] == pytest.approx([score for _, score in expected[:k]], abs=2e-10)
        assert [hit.rank for hit in found] == list(range(1, len(found) + 1))


@pytest.mark.parametrize(
    ("query", "reports"),
    [
        ("Überleitung", [0, 1, 2]),
        ("Ueberleitung", [0, 1, 2]),
        ("uberleitung", [0, 1, 2]),
        ("sinusrhythmus", [2, 3, 9]),
        ("sinusrhythmus normales", [2]),
        ("vorhof*", [0, 1]),
        ("vorhof", []),
        ("möglich", [3]),
        ("moeglich", [3]),
        ("GROESSE", [10]),
        ("gross* infarct", []),
        ("infarct, inferior!", [8]),
        ("2:1", [1]),
    ],
)
def test_reports_that_contain_words(gallery, query, reports):
    expected = sorted(CASES[n].case_id for n in reports)
    for where in (Filter(text=query), parse_where(f'report ~ "{query}"')):
        hits = gallery.search(ROWS[:1], k=50, where=where)[0]
        assert sorted(hit.case_id for hit in hits) == expected


@pytest.mark.parametrize("text", ["", " \n", "!!!", "---", "***", "\u0301"])
def test_a_text_without_a_word_is_refused(gallery, text):
    for search in (
        lambda: gallery.search_words(text),
        lambda: gallery.search_hybrid(ROWS[0], text),
        lambda: Filter(text=text),
    ):
        with pytest.raises(BadSearch, match="holds no word"):
            search()


def test_a_text_of_too_many_words_is_refused(gallery):
    with pytest.raises(BadSearch, match="70 different words"):
        gallery.search_words(" ".join(f"w{n}" for n in range(70)))


@given(text=st.text(alphabet=st.sampled_from("aB1ü*\"'()^:-+{}. NEAROT\u0301\u0000ß七"), max_size=30))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_no_text_is_read_as_syntax(gallery, text):
    try:
        found = gallery.search_words(text, 50)
    except BadSearch:
        assert not words_of(text)
        return
    assert [hit.case_id for hit in found] == [case_id for case_id, _ in bm25(text, list(range(len(CASES))))]


def test_what_is_asked_is_words_in_quotes():
    assert containing('Vorhof* OR "x" NEAR') == '"vorhof"* AND "or" AND "x" AND "near"'
    assert resembling("Vorhofflimmern, Vorhofflattern: AV") == '"vorhof"* OR "av"*'
    assert resembling("AV-Block I. Grades 七") == '"av"* OR "block"* OR "i" OR "grades"* OR "七"*'


@given(st.text(alphabet="aeouqxäöüÄÖÜßéÅå -ø", max_size=30))
def test_folding_once_is_enough_for_plain_letters(text):
    """A decomposed letter, a capital and a spelled-out umlaut are the same word."""
    assert words_of(text) == words_of(unicodedata.normalize("NFD", text))
    assert folded("Üb" + text) == folded("ueb" + text)


def test_the_order_of_adding_does_not_change_the_scores(tmp_path, gallery):
    order = np.random.default_rng(0).permutation(len(CASES))
    with new_gallery(tmp_path / "g", 8) as other:
        for n in order:
            other.add([CASES[n]], ROWS[[n]])
        for query in QUERIES:
            assert other.search_words(query) == gallery.search_words(query)


def test_equal_scores_are_ordered_by_case_id(tmp_path):
    with new_gallery(tmp_path / "g", 8) as other:
        other.add([Case(name, "pacemaker", {}) for name in ("b", "ä", "B", "a")], unit(4, 8))
        other.add([Case(f"x{n}", "normal", {}) for n in range(9)], unit(9, 8))
        assert [hit.case_id for hit in other.search_words("pacemaker")] == ["B", "a", "b", "ä"]


def test_k_is_checked(gallery):
    for search in (lambda k: gallery.search_words("sinus", k), lambda k: gallery.search_hybrid(ROWS[0], "sinus", k)):
        with pytest.raises(BadSearch, match="k is 0"):
            search(0)


def test_deleted_and_replaced_reports_are_not_found(tmp_path):
    with (
        Gallery.open(filled(tmp_path / "g", unit(6)), read_only=False) as writer,
        Gallery.open(writer.path) as reader,
    ):
        writer.replace([sample_case(1, report="Linksschenkelblock")], unit(1, seed=9))
        writer.delete(["case-00002"])
        for each in (writer, reader):
            assert [hit.case_id for hit in each.search_words("Linksschenkelblock")] == ["case-00001"]
            ids = {hit.case_id for hit in each.search_words("sinus")}
            assert ids == {"case-00000", "case-00003", "case-00004", "case-00005"}
        assert writer.verify().ok


@pytest.mark.realdata
def test_words_of_real_reports_in_three_languages(tmp_path, shared):
    """Against a search through all of them; most umlauts of this archive were set in capitals amid small letters."""
    with (shared / "ptbxl" / "ptbxl_database.csv").open(encoding="utf-8") as file:
        reports = [row["report"] for row in islice(csv.DictReader(file), 0, None, 7)]
    with new_gallery(tmp_path / "g", 8) as real:
        real.add([Case(f"{n:05d}", report, {}) for n, report in enumerate(reports)], unit(len(reports), 8))
        held = [set(plain_words(report)) for report in reports]
        for query in (
            "sinusrhythmus",
            "vollständiger",
            "förmaksflimmer",
            "schenkelblock links*",
            "atrial fibrillation",
        ):
            wanted = plain_words(query.replace("*", ""))
            stars = [word.endswith("*") for word in query.split()]
            expected = {
                f"{n:05d}"
                for n, there in enumerate(held)
                if all(
                    any(t.startswith(w) if s else t == w for t in there) for w, s in zip(wanted, stars, strict=True)
                )
            }
            found = real.search(unit(1, 8), k=len(reports), where=Filter(text=query))[0]
            assert {hit.case_id for hit in found} == expected
            assert expected
        assert real.verify(near=None).ok


def test_a_sqlite_without_fts5_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr("index.schema.TABLES", "CREATE VIRTUAL TABLE words USING absent (x)")
    with pytest.raises(Exception, match="use a Python whose SQLite has FTS5"):
        new_gallery(tmp_path / "g")
    with closing(sqlite3.connect(":memory:")) as memory:
        assert memory.execute("SELECT sqlite_compileoption_used('ENABLE_FTS5')").fetchone() == (1,)
