"""A sentence in the usual terms of what it names."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from index.words import MOST_WORDS, words_of
from retrieval.ecg.statements import STATEMENTS, synonyms
from retrieval.rewording import Reworded, reworded

AFIB = ("atrial fibrillation", "Vorhofflimmern")


@pytest.mark.parametrize("code", STATEMENTS)
def test_any_wording_of_a_statement_asks_for_the_same(code):
    usual = {synonyms(code, "en")[0], synonyms(code, "de")[0]}
    for wording in (*synonyms(code, "en"), *synonyms(code, "de"), *synonyms(code, "short")):
        for typed in (wording, wording.upper(), wording.lower()):
            said = reworded(typed)
            covered = set(words_of(said.words))
            assert all(covered.issuperset(words_of(term)) for term in usual), typed
            assert {text.casefold() for text in said.sentences} >= {term.casefold() for term in usual}, typed


@pytest.mark.parametrize(
    ("text", "added"),
    [
        ("Vorhofflimmern", AFIB[:1]),
        ("VORHOFFLIMMERN.", AFIB[:1]),
        ("AF with rapid ventricular response", AFIB),
        ("af", AFIB),
        ("inferior infarct", ("inferior myocardial infarction", "inferiorer Myokardinfarkt")),
        ("Myokardinfarkt", ("myocardial infarction",)),
        ("atrial fibrillation, Vorhofflimmern", ()),
        ("inferior ischemia", ("ischaemia in the inferior leads", "Ischämie in den inferioren Ableitungen")),
        ("inverted T wave", ("inverted T waves", "negative T-Wellen")),
        ("frequent PVCs", ("ventricular premature complexes", "ventrikuläre Extrasystolen")),
        ("Z. n. HWI", ("inferior myocardial infarction", "inferiorer Myokardinfarkt")),
        ("old infarct", ("myocardial infarction", "Myokardinfarkt")),
        ("complete AV block", ("third degree AV block", "AV-Block III. Grades")),
        ("Schrittmacher", ("artificial pacemaker rhythm", "Schrittmacherrhythmus")),
        ("sinus rhythm, but no atrial fibrillation", ("Sinusrhythmus",)),
        ("kein Anhalt für Vorhofflimmern", ()),
        ("no ST elevation, atrial fibrillation", AFIB[1:]),
        ("not sinus but AF", AFIB),
        ("normal axis", ()),
        ("normal", ("normal ECG", "normales EKG")),
        ("SA block", ()),
        ("Q in III", ()),
        ("the wall of fame", ()),
        ("65 year old man", ()),
    ],
)
def test_what_a_sentence_names_is_added_in_the_usual_terms(text, added):
    assert reworded(text).added == added


def test_the_rest_of_a_sentence_stays_as_it_was_typed():
    said = reworded("Man, 71: Vorhofflimmern + LBBB!")
    assert said.sentences == (
        "Man, 71: Vorhofflimmern + LBBB!",
        "Man, 71: atrial fibrillation + complete left bundle branch block!",
        "Man, 71: Vorhofflimmern + kompletter Linksschenkelblock!",
    )
    assert said.words.startswith("Man, 71: Vorhofflimmern + LBBB! ")


def test_a_sentence_in_capitals_counts_once():
    assert reworded("ATRIAL FIBRILLATION").sentences == AFIB
    assert reworded("NO WORD THAT IS KNOWN").sentences == ("NO WORD THAT IS KNOWN",)


def test_the_longest_term_counts():
    assert reworded("inferolateral myocardial infarction").added == ("inferolateraler Myokardinfarkt",)


def test_as_written_is_the_sentence_alone():
    assert Reworded.as_written("AF") == Reworded("AF", (), ("AF",))


def test_no_more_is_added_than_a_search_by_words_takes():
    names = [synonyms(code, "en")[0] for code in STATEMENTS]
    text = ", ".join(names)
    while len(words_of(text)) > MOST_WORDS - 1:
        names.pop()
        text = ", ".join(names)
    assert len(words_of(reworded(text).words)) <= MOST_WORDS


@given(st.text(max_size=80))
def test_any_text_is_taken_and_kept(text):
    said = reworded(text)
    assert said.text == text
    assert said.sentences[0].casefold() == text.casefold()
    assert said.words.startswith(text)


def test_the_vector_is_the_mean_of_the_sentences():
    rows = {"AF": [1.0, 0.0], "atrial fibrillation": [0.0, 1.0], "Vorhofflimmern": [0.0, 1.0]}

    def encode(texts):
        return np.array([rows[text] for text in texts], np.float32)

    assert reworded("AF").vector(encode) == pytest.approx(np.array([1, 2]) / 5**0.5)
    assert Reworded.as_written("AF").vector(encode).tolist() == [1.0, 0.0]
    opposite = Reworded("AF", (), ("AF", "not AF"))
    assert opposite.vector(lambda texts: np.array([[1.0, 0.0], [-1.0, 0.0]], np.float32)).tolist() == [1.0, 0.0]
