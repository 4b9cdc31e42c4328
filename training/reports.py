"""Texts without ECGs: every report of a corpus and the words for each statement, to teach the text tower alone.

PTB-XL's table holds the reports and statements of all its records, most of whose files a user may not have. What a
report says can be learned from it without one ECG, and so can each word for a statement that no report here uses.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from retrieval.corpora.ptbxl import PtbXl, parse_folds
from retrieval.ecg.statements import STATEMENTS, Language, synonyms, wordings
from training.recipe import ReportSpec

TERM_COPIES = 4
"""How often each statement's own words are seen in an epoch: alone they are rare among reports, and searched for."""


@dataclass(frozen=True)
class TextCase:
    """Texts that say the same, and the statements that they say."""

    statements: dict[str, float | None]
    texts: tuple[str, ...]


def load_texts(spec: ReportSpec, seed: int, *, terms: bool = True) -> tuple[TextCase, ...]:
    """The reports of a PTB-XL table with wordings of their statements, and with ``terms`` each statement's own words.

    A report without a statement of ours is left out: nothing says what it means.
    """
    rows = PtbXl.open(spec.folder).of_folds(parse_folds(spec.folds))
    cases = [_of_report(row.report, row.statements, seed * 100_003 + row.ecg_id) for row in rows]
    known = [case for case in cases if case.statements and case.texts]
    return (*known, *(_of_term(code) for code in STATEMENTS for _ in range(TERM_COPIES if terms else 0)))


def text_order(count: int, batch: int, key: Sequence[int]) -> np.ndarray:
    """A shuffled order of ``count`` text cases in whole batches ``[batches, batch]``; the rest waits for the next."""
    order = np.random.default_rng([*key, 7]).permutation(count)
    batches = max(1, count // batch)
    return np.resize(order, (batches, batch))


def two_texts(case: TextCase, rng: np.random.Generator) -> tuple[str, str]:
    """Two different texts of a case, the first of them half of the time; the same one twice where it has no other."""
    if len(case.texts) == 1:
        return case.texts[0], case.texts[0]
    first = 0 if rng.random() < 0.5 else int(rng.integers(1, len(case.texts)))
    other = int(rng.integers(len(case.texts) - 1))
    return case.texts[first], case.texts[other + (other >= first)]


def _of_report(report: str, statements: dict[str, float | None], seed: int) -> TextCase:
    rng = np.random.default_rng(seed)
    known = {code: likelihood for code, likelihood in statements.items() if code in STATEMENTS}
    worded = [wordings(known, language, rng) for language in ("en", "de", "short")]
    return TextCase(known, tuple(text for text in dict.fromkeys([report, *worded]) if text.strip()))


def _of_term(code: str) -> TextCase:
    languages: tuple[Language, ...] = ("en", "de", "short")
    words = [word for language in languages for word in synonyms(code, language)]
    return TextCase({code: None}, tuple(dict.fromkeys(words)))
