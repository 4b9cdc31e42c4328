"""The words of the reports: the table ``words``, how a text is made comparable, and BM25 over it.

The table holds each report mended and folded (:func:`searchable`), and what is looked for is folded the same way. A
query is built here from plain words in quotes, so that nothing a user types is read as FTS5 syntax.
"""

from __future__ import annotations

import re
import sqlite3
import unicodedata
from collections.abc import Iterable, Sequence
from contextlib import closing
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from index.connection import format_of
from index.errors import BadSearch, GalleryError
from index.repair import repaired

STEM = 6
"""Letters of a word that count in a ranked search: ``Vorhofflimmern`` also finds ``Vorhofflattern``."""
MOST_WORDS = 64
"""Words of a text that are looked for; a longer one is refused."""
SCORE_DECIMALS = 10
FIRST_FORMAT = 2
"""The format of ``cases.db`` from which on there is a table ``words``."""

_PLAIN = str.maketrans({"æ": "a", "œ": "o", "ø": "o"}) | dict.fromkeys(range(0x300, 0x370))
"""Letters without a decomposition, and the marks that decomposing sets free."""
_SPELLED = re.compile(r"(?<=a)e|(?<=o)e|(?<=(?<![aeiouq])u)e")
"""The ``e`` that makes an umlaut of the letter before it, by the rule of Lucene's GermanNormalizationFilter."""
_SHADOWS = ("words_data", "words_idx", "words_docsize", "words_content", "words_config")


def folded(text: str) -> str:
    """The text in small letters, with ``ä`` and ``ae``, ``ö`` and ``oe``, ``ü`` and ``ue``, ``ß`` and ``ss`` as one.

    All marks on letters are taken off: FTS5 would do so too, but then two spellings of a word would count as two.

    Example:
        >>> folded("ÜBERLEITUNG"), folded("Ueberleitung"), folded("neue Frequenz"), folded("förmaksflimmer")
        ('uberleitung', 'uberleitung', 'neue frequenz', 'formaksflimmer')
    """
    small = unicodedata.normalize("NFC", unicodedata.normalize("NFC", text).casefold())
    spelled = unicodedata.normalize("NFD", _SPELLED.sub("", small))
    return unicodedata.normalize("NFC", spelled.translate(_PLAIN))


def searchable(report: object) -> str:
    """What the table ``words`` holds of a report; of what is no text, as damage leaves it, nothing."""
    return folded(repaired(report)) if isinstance(report, str) else ""


def words_of(text: str) -> list[str]:
    """The folded words of a text in their order, each once; a ``*`` right behind a word stays on it."""
    found = re.findall(r"[^\W_]+\*?", folded(repaired(text)))
    return list(dict.fromkeys(found))


def containing(text: str) -> str:
    """The FTS5 query for reports that hold all words of the text; ``infarkt*`` for words that begin so.

    Raises:
        BadSearch: when there is no word in it, or too many.
    """
    return " AND ".join(_quoted(word.rstrip("*"), "*" * word.endswith("*")) for word in _checked(text))


def resembling(text: str) -> str:
    """The FTS5 query for reports that hold any of the words, cut to their first ``STEM`` letters.

    A single Latin letter or figure stands for itself: the ``I`` of an AV block does not begin ``in`` or ``inferior``.

    Raises:
        BadSearch: when there is no word in it, or too many.
    """
    stems = dict.fromkeys(word.rstrip("*")[:STEM] for word in _checked(text))
    return " OR ".join(_quoted(stem, "" if stem.isascii() and len(stem) == 1 else "*") for stem in stems)


def _checked(text: str) -> list[str]:
    words = words_of(text)
    if not words:
        raise BadSearch(f"the text {text!r} holds no word to look for; give at least one")
    if len(words) > MOST_WORDS:
        raise BadSearch(f"the text holds {len(words)} different words; give at most {MOST_WORDS}")
    return words


def _quoted(word: str, star: str) -> str:
    return f'"{word}"{star}'


def require(connection: sqlite3.Connection, folder: Path) -> None:
    """Make sure that the gallery has the table.

    Raises:
        GalleryError: when it is of an older format that no writer has brought up to date.
    """
    version = format_of(connection)
    if version < FIRST_FORMAT:
        raise GalleryError(
            f"{folder}: the gallery has format {version}, which knows no search by words; open it once for writing "
            f"(such as by compacting it), which brings it to format {FIRST_FORMAT}"
        )


def insert(connection: sqlite3.Connection, rows: Iterable[tuple[int | None, str]]) -> None:
    """Enter the reports of new cases: pairs of number and report, as it was written."""
    entries = ((number, searchable(report)) for number, report in rows)
    connection.executemany("INSERT INTO words (rowid, report) VALUES (?, ?)", entries)


def delete(connection: sqlite3.Connection, numbers: Iterable[int]) -> None:
    """Take the reports of these cases out; their words stay in FTS5's segments until those are merged."""
    connection.executemany("DELETE FROM words WHERE rowid = ?", ((number,) for number in numbers))


def merge(connection: sqlite3.Connection) -> None:
    """Merge FTS5's segments into one, which drops the words of deleted reports."""
    connection.execute("INSERT INTO words (words) VALUES ('optimize')")


def rebuild(connection: sqlite3.Connection) -> None:
    """Throw FTS5's segments away and make them anew from the reports that are there."""
    connection.execute("INSERT INTO words (words) VALUES ('rebuild')")


def ranked(
    connection: sqlite3.Connection,
    text: str,
    k: int,
    condition: tuple[str, Sequence[str | float]],
    exclude_patient: str | None,
) -> list[tuple[str, float]]:
    """The first k ``(case_id, BM25)``, the highest first and equal ones by case id.

    FTS5's BM25 (k1 = 1.2, b = 0.75; a word of more than half of the reports counts 1e-6) follows from the reports
    that are there, not from the order in which they came.

    Raises:
        BadSearch: when there is no word in the text.
    """
    where, values = condition
    chosen = "" if where == "1" else f"AND c.number IN (SELECT number FROM cases WHERE {where}) "  # noqa: S608
    sql = (
        f"SELECT c.case_id, round(-bm25(words), {SCORE_DECIMALS}) AS score "  # noqa: S608  # fixed texts, bound values
        "FROM words JOIN cases c ON c.number = words.rowid "
        f"WHERE words MATCH ? {chosen}"
        "AND (? IS NULL OR c.patient_key IS NULL OR c.patient_key <> ?) "
        "ORDER BY score DESC, c.case_id LIMIT ?"
    )
    bound = (resembling(text), *values, exclude_patient, exclude_patient, k)
    return connection.execute(sql, bound).fetchall()


def matches(connection: sqlite3.Connection, text: str) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """The numbers ``[m]`` of all cases whose reports hold any word of the text, ascending, and their BM25 ``[m]``.

    Raises:
        BadSearch: when there is no word in the text.
    """
    sql = f"SELECT rowid, round(-bm25(words), {SCORE_DECIMALS}) FROM words WHERE words MATCH ? ORDER BY rowid"  # noqa: S608
    found = connection.execute(sql, (resembling(text),)).fetchall()
    numbers = np.fromiter((number for number, _ in found), np.int64, len(found))
    return numbers, np.fromiter((score for _, score in found), np.float64, len(found))


def problem_of_index(connection: sqlite3.Connection) -> str | None:
    """What FTS5 itself finds wrong in the table, or None.

    FTS5 offers its check as a write, which a reader may not do; so its tables are copied into memory, a few hundred
    bytes for each case, and nothing of a report is written elsewhere.
    """
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as copy:
        copy.execute("BEGIN")
        copy.execute("CREATE VIRTUAL TABLE words USING fts5 (report, tokenize = 'unicode61 remove_diacritics 2')")
        try:
            for table in _SHADOWS:
                copy.execute(f"DELETE FROM {table}")  # noqa: S608
                rows = connection.execute(f"SELECT * FROM {table}")  # noqa: S608
                marks = ", ".join("?" * len(rows.description))
                copy.executemany(f"INSERT INTO {table} VALUES ({marks})", rows)  # noqa: S608
            copy.execute("INSERT INTO words (words) VALUES ('integrity-check')")
        except sqlite3.Error as error:
            return f"the table words of cases.db is damaged ({error}); open the gallery for writing and compact it"
    return None
