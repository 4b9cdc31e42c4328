"""Task 3 on made-up corpora: what is asked, what counts as found, and where the hybrid comes from."""

from __future__ import annotations

from dataclasses import replace

import ir_measures
import numpy as np
import pytest
from ir_measures import AP, P, Qrel, ScoredDoc

from eval.baselines import random_vectors
from eval.bootstrap import PatientBootstrap
from eval.hybrid import hybrid_scores, word_scores
from eval.questions import LANGUAGES, questions_of
from eval.split import split_by_fold
from eval.systems import BM25, CHANCE, CHECKED, HYBRID, PIXELS, WORDED, System, chance
from eval.tasks.texts import text_measures
from eval.text_search import Bm25Search
from retrieval.ecg.statements import STATEMENTS, synonyms
from tests.eval.corpus import MemoryCorpus, make_rows

CODES = list(STATEMENTS)


@pytest.fixture(scope="module")
def split():
    return split_by_fold(MemoryCorpus(make_rows(120, 80, 160, seed=2)))


def carried(part, keep=None):
    """Statements as unit vectors; with ``keep``, of those codes alone; a last direction where there are none."""
    table = np.array(
        [[float(code in row.statements and (not keep or code in keep)) for code in CODES] for row in part.rows]
    )
    return unit_with_none(table)


def unit_with_none(table):
    table = np.concatenate([table, 1.0 * ~table.any(axis=1, keepdims=True)], axis=1)
    return table / np.linalg.norm(table, axis=1, keepdims=True)


def spell(texts, languages=("en", "de", "short")):
    """A text tower that knows each statement's usual wording, and abbreviations between commas."""

    def says(text, code):
        words = [synonyms(code, language)[0].lower() for language in languages if language != "short"]
        short = "short" in languages and synonyms(code, "short")[0] in text.split(", ")
        return float(short or any(word in text.lower() for word in words))

    return unit_with_none(np.array([[says(text, code) for code in CODES] for text in texts])).astype(np.float32)


def reader(split, keep=None, name=CHECKED):
    return System(name, *(carried(part, keep) for part in split.parts), encode_texts=spell)


def chance_of(split):
    return chance(*(len(part.rows) for part in split.parts))


def worded(split, codes):
    """The same ECGs, their reports naming some of their statements in German."""

    def part(one):
        rows = (
            replace(row, report=". ".join(synonyms(c, "de")[0] for c in row.statements if c in codes))
            for row in one.rows
        )
        return replace(one, rows=tuple(rows))

    return type(split)(*(part(one) for one in split.parts))


def test_questions_are_those_that_enough_ecgs_answer(split):
    found = questions_of(split.queries)
    for codes, relevant in zip(found.codes, found.relevant, strict=True):
        assert relevant.tolist() == [set(codes) <= set(row.statements) for row in split.queries.rows]
        assert relevant.sum() >= 10
    singles = {code for code in CODES if sum(code in row.statements for row in split.queries.rows) >= 10}
    assert {codes[0] for codes in found.codes if len(codes) == 1} == singles
    assert found.single.sum() == len(singles) < len(found.codes)
    assert found.single.tolist() == sorted(found.single.tolist(), reverse=True)


def test_sentences_in_two_languages_and_in_short(split):
    found = questions_of(split.queries)
    place = found.codes.index(("AFIB",))
    assert found.sentences("en")[place] == "atrial fibrillation"
    assert found.sentences("de")[place] == "Vorhofflimmern"
    assert found.sentences("short")[place] == "AF"
    pair = int(np.flatnonzero(~found.single)[0])
    for language in LANGUAGES:
        words = [synonyms(code, language)[0].lower() for code in found.codes[pair]]
        assert all(word in found.sentences(language)[pair].lower() for word in words)
    assert len(set(found.sentences("de"))) == len(found.codes)


def test_who_has_few_ecgs_is_asked_nothing(split):
    few = type(split)(split.gallery, split.validation, replace(split.queries, rows=split.queries.rows[:4]))
    assert questions_of(few.queries).relevant.shape == (0, 4)
    assert text_measures(few, [chance_of(few)], PatientBootstrap(few.queries.patients, 5)) == []


def test_a_reader_of_statements_finds_them_and_chance_is_the_prevalence(split):
    bootstrap = PatientBootstrap(split.queries.patients, 100)
    blind = System(PIXELS, *(carried(part) for part in split.parts))
    lines = text_measures(split, [reader(split), blind, chance_of(split)], bootstrap, [Bm25Search()])
    questions = questions_of(split.queries)
    assert {line.setting.split(", ")[1] for line in lines} == set(LANGUAGES.values())
    assert len({line.key for line in lines}) == len(lines) == 3 * 2 * 4
    for line in lines:
        assert PIXELS not in line.scores  # No text tower, no column.
        if line.metric == "macro P@10":
            single = "single" in line.setting
            assert line.scores[CHECKED].value == pytest.approx(1.0 if single else line.scores[CHECKED].value)
            prevalence = questions.relevant[questions.single == single].mean()
            assert line.scores[CHANCE].value == pytest.approx(prevalence)
            assert line.scores[BM25].value == pytest.approx(prevalence)  # "befund nummer 7" tells nothing.
            assert line.leads()


def test_the_figures_are_those_of_ir_measures(split):
    rng = np.random.default_rng(3)
    pages = [random_vectors(len(part.rows), 24, rng) for part in split.parts]
    words = {}

    def encode(texts):
        for text in texts:
            words.setdefault(text, random_vectors(1, 24, rng)[0])
        return np.array([words[text] for text in texts], dtype=np.float32)

    lines = text_measures(
        split, [System(CHECKED, *pages, encode_texts=encode)], PatientBootstrap(split.queries.patients, 0)
    )
    questions = questions_of(split.queries)
    for language, named in LANGUAGES.items():
        for kind, single in (("single", True), ("pairs", False)):
            rows = np.flatnonzero(questions.single == single)
            sentences = questions.sentences(language)
            scores = encode([sentences[i] for i in rows]).astype(np.float64) @ pages[2].T
            qrels = [
                Qrel(str(q), str(d), int(r))
                for q, row in enumerate(questions.relevant[rows])
                for d, r in enumerate(row)
            ]
            run = [ScoredDoc(str(q), str(d), float(s)) for q, row in enumerate(scores) for d, s in enumerate(row)]
            theirs = ir_measures.calc_aggregate([AP, P @ 10], qrels, run)
            ours = {line.metric: line.scores[CHECKED].value for line in lines if f"{named}, {kind}" in line.setting}
            assert ours["macro P@10"] == pytest.approx(theirs[P @ 10], abs=1e-9)
            assert ours["macro mAP"] == pytest.approx(theirs[AP], abs=1e-9)


def test_pages_and_reports_together_find_what_neither_finds(split):
    halves = CODES[::2], CODES[1::2]
    told = worded(split, halves[1])
    bootstrap = PatientBootstrap(split.queries.patients, 50)
    lines = text_measures(told, [reader(told, halves[0]), chance_of(told)], bootstrap, [Bm25Search()])
    for line in lines:
        if "German, single" in line.setting and line.metric == "macro P@10":
            assert line.scores[WORDED].value == pytest.approx(line.scores[CHECKED].value)
            assert line.scores[HYBRID].value > max(line.scores[CHECKED].value, line.scores[BM25].value) + 0.1
        if "German, single" in line.setting and "less this" in line.metric:
            assert set(line.scores) == {BM25}
            assert line.scores[BM25].interval[0] > 0
        if "share of BM25" in line.metric and "abbrev" not in line.setting:
            assert line.scores[CHANCE].value < 1


def test_the_product_asks_in_the_usual_terms_as_well(split):
    """A tower that reads English alone, and reports in German: each finds what the other language asks for."""
    told = worded(split, CODES)

    def english(texts):
        return spell(texts, ("en",))

    system = System(CHECKED, *(carried(part) for part in told.parts), encode_texts=english)
    lines = text_measures(told, [system], PatientBootstrap(told.queries.patients, 20), [Bm25Search()])
    found = {
        line.setting.split(", ")[1]: line.scores
        for line in lines
        if "single" in line.setting and line.metric == "macro P@10"
    }
    for language in ("German", "abbreviations"):
        assert found[language][CHECKED].value < 0.5
        assert found[language][WORDED].value == pytest.approx(1.0)
    assert found["abbreviations"][BM25].value < 0.5 < found["abbreviations"][HYBRID].value


def test_the_hybrid_is_the_products_own_search(split):
    told = worded(split, CODES)
    pages, sentences = reader(told).queries, ["Vorhofflimmern", "normal ECG"]
    reports = [row.report for row in told.queries.rows]
    scores = hybrid_scores(pages, reports, spell(sentences), sentences)
    assert scores.shape == (2, len(reports))
    carry = np.array(["AFIB" in row.statements for row in told.queries.rows])
    assert scores[0, carry].min() > scores[0, ~carry].max()
    words = word_scores(reports, sentences)
    assert (words[0] > 0).tolist() == ["Vorhof" in report for report in reports]


def test_no_bundle_no_hybrid(split):
    lines = text_measures(split, [chance_of(split)], PatientBootstrap(split.queries.patients, 0), [Bm25Search()])
    assert all(set(line.scores) <= {CHANCE, BM25} and not line.notes for line in lines)
