"""The table of statements, held to itself and to PTB-XL's own hierarchy."""

import csv

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from retrieval.ecg.statements import STATEMENTS, SUPERCLASSES, superclasses, synonyms, wordings
from retrieval.errors import BadArgument

CODES = st.dictionaries(
    st.sampled_from(sorted(STATEMENTS)), st.sampled_from([None, 0.0, 15.0, 49.9, 50.0, 100.0]), max_size=8
)
COMMON = [
    "NORM",
    "SR",
    "AFIB",
    "STACH",
    "SBRAD",
    "IMI",
    "ASMI",
    "AMI",
    "LVH",
    "CLBBB",
    "CRBBB",
    "IRBBB",
    "LAFB",
    "1AVB",
    "PVC",
    "PAC",
    "PACE",
    "LNGQT",
    "WPW",
    "INVT",
    "STD_",
]


def test_seventy_one_statements_in_a_sound_hierarchy():
    assert len(STATEMENTS) == 71
    for code, statement in STATEMENTS.items():
        assert statement.code == code
        assert statement.kinds
        assert ("diagnostic" in statement.kinds) == (statement.superclass in SUPERCLASSES)
        assert (statement.superclass is None) == (statement.subclass is None)


@pytest.mark.realdata
def test_hierarchy_is_that_of_ptbxl(shared):
    with (shared / "ptbxl" / "scp_statements.csv").open(encoding="utf-8") as file:
        published = {row[""]: row for row in csv.DictReader(file)}
    assert set(published) == set(STATEMENTS)
    for code, row in published.items():
        ours = STATEMENTS[code]
        assert ours.superclass == (row["diagnostic_class"] or None), code
        assert ours.subclass == (row["diagnostic_subclass"] or None), code
        assert ours.kinds == {kind for kind in ("diagnostic", "form", "rhythm") if row[kind]}, code


@pytest.mark.parametrize("language", ["en", "de"])
def test_no_two_statements_share_a_wording(language):
    told = [(phrase, code) for code in STATEMENTS for phrase in synonyms(code, language)]
    assert len({phrase for phrase, _ in told}) == len(told)


@pytest.mark.parametrize("code", COMMON)
def test_common_statements_have_synonyms_in_both_languages(code):
    assert len(synonyms(code, "en")) >= 3
    assert len(synonyms(code, "de")) >= 3


def test_wordings_without_rng_are_the_usual_ones_in_reading_order():
    codes = {"INVT": None, "IMI": 100.0, "SR": 0.0, "LVH": 35.0}
    assert wordings(codes) == (
        "Sinus rhythm. Inferior myocardial infarction. Possible left ventricular hypertrophy. Inverted T waves."
    )
    assert wordings(codes, "de") == (
        "Sinusrhythmus. Inferiorer Myokardinfarkt. Linksventrikuläre Hypertrophie möglich. Negative T-Wellen."
    )
    assert wordings(codes, "short") == "SR, IMI, ?LVH, INVT"


@given(CODES, st.sampled_from(["en", "de", "short"]), st.integers(0, 2**32 - 1))
def test_every_statement_is_worded_once(codes, language, seed):
    sentence = wordings(codes, language, np.random.default_rng(seed)).lower()
    assert sentence == wordings(dict(reversed(codes.items())), language, np.random.default_rng(seed)).lower()
    assert bool(sentence) == bool(codes)
    for code in codes:
        assert any(phrase.lower() in sentence for phrase in synonyms(code, language)), code


def test_rng_draws_several_wordings():
    rng = np.random.default_rng(3)
    assert len({wordings({"AFIB": None}, "de", rng) for _ in range(60)}) == len(synonyms("AFIB", "de"))


@given(CODES)
def test_superclasses_follow_the_codes_whatever_the_likelihood(codes):
    expected = {STATEMENTS[code].superclass for code in codes} - {None}
    assert superclasses(codes) == expected
    assert superclasses({**codes, "NOT-A-CODE": 100.0}) == expected


def test_unknown_code_and_language_are_refused_by_name():
    with pytest.raises(BadArgument, match="'XYZ' is none of the 71"):
        wordings({"XYZ": None})
    with pytest.raises(BadArgument, match="language is 'fr'"):
        wordings({"SR": None}, "fr")  # type: ignore[arg-type]
