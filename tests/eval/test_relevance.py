"""Classes of statements and graded relevance, by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eval.relevance import (
    classes_of,
    inverse_frequency,
    normalised_text,
    statement_matrix,
    weighted_jaccard,
)
from retrieval.ecg.statements import STATEMENTS
from retrieval.errors import BadArgument

CODES = [{"IMI": 100.0, "SR": None}, {"NORM": 80.0, "SR": None}, {"AFIB": None, "CLBBB": 15.0}, {"NDT": 100.0}]


def test_a_code_counts_whatever_its_likelihood():
    classes = classes_of("superclass", CODES, CODES, minimum=1)
    assert classes.names == ("NORM", "MI", "STTC", "CD")
    assert classes.queries.tolist() == [
        [False, True, False, False],
        [True, False, False, False],
        [False, False, False, True],
        [False, False, True, False],
    ]
    assert classes_of("rhythm", CODES, CODES, minimum=1).queries.sum() == 3


def test_a_statement_can_be_diagnostic_and_form_at_once():
    assert "NDT" in classes_of("form", CODES, CODES, minimum=1).names
    assert "STTC" in classes_of("subclass", CODES, CODES, minimum=1).names


def test_rare_and_unanswerable_classes_are_left_out():
    queries = [{"AFIB": None}] * 10 + [{"IMI": 50.0}] * 9 + [{"PVC": None}] * 10
    gallery = [{"AFIB": None}, {"IMI": 100.0}]
    assert classes_of("statement", queries, gallery).names == ("AFIB",)
    with pytest.raises(BadArgument, match="no level"):
        classes_of("colour", queries, gallery)


def test_an_unknown_code_is_nobodys_class():
    assert not statement_matrix([{"XYZ": 100.0}]).any()


def test_weighted_jaccard_by_hand():
    queries = np.array([[True, True, False]])
    gallery = np.array([[True, False, True], [False, False, True], [True, True, False]])
    gains = weighted_jaccard(queries, gallery, np.array([1.0, 2.0, 4.0]))
    assert gains.tolist() == [pytest.approx([1 / 7, 0, 1])]


def test_common_statements_weigh_little():
    gallery = np.array([[True, True], [True, False], [True, False]])
    weight = inverse_frequency(gallery)
    assert weight.tolist() == pytest.approx([np.log(4 / 4), np.log(4 / 2)])
    # Sharing what everybody has is worth nothing, and no division by zero.
    assert weighted_jaccard(gallery[1:2], gallery[1:], weight).tolist() == [[0.0, 0.0]]


@given(st.lists(st.sets(st.sampled_from(list(STATEMENTS))), min_size=1, max_size=6))
def test_gains_are_symmetric_and_within_bounds(cases):
    table = statement_matrix([dict.fromkeys(codes) for codes in cases])
    gains = weighted_jaccard(table, table, np.arange(1.0, 72.0))
    assert ((gains >= 0) & (gains <= 1)).all()
    np.testing.assert_allclose(gains, gains.T)
    assert all(gains[i, i] == (1.0 if codes else 0.0) for i, codes in enumerate(cases))


def test_texts_are_equal_by_their_words():
    assert normalised_text("Sinusrhythmus,  normales EKG.") == normalised_text("sinusrhythmus normales ekg")
    assert normalised_text(" - ") == ""
    assert normalised_text("Hypertrophie möglich") != normalised_text("Hypertrophie")
