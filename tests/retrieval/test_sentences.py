"""Sentences are encoded once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from retrieval.sentences import KnownSentences


class Counting:
    """An encoder that says which sentences it was asked for: a row is the sentence's length and first sign."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def __call__(self, texts):
        self.asked += texts
        return np.array([[len(text), ord(text[0])] for text in texts], np.float32).reshape(-1, 2)


@given(st.lists(st.lists(st.sampled_from("abcdef"), max_size=4), max_size=12), st.integers(1, 8))
def test_rows_are_those_of_the_encoder_whatever_was_asked_before(questions, most):
    plain = Counting()
    known = KnownSentences(Counting(), most)
    for question in questions:
        np.testing.assert_array_equal(known(question), plain(question))


def test_what_was_asked_last_is_not_encoded_again():
    encode = Counting()
    known = KnownSentences(encode, most=2)
    for question in (["a", "b"], ["b", "c"], ["c", "b", "b"], ["a"], ["b"]):
        known(question)
    assert encode.asked == ["a", "b", "c", "a"]  # "a" had been asked longest ago when "c" came


def test_a_row_that_is_changed_outside_stays_as_it_was():
    known = KnownSentences(Counting())
    known(["a"])[:] = 0
    known(["a"])[:] = 0
    assert known(["a"]).tolist() == [[1, ord("a")]]


def test_an_encoder_that_fails_leaves_nothing_behind():
    def fails(texts):
        raise ValueError(texts)

    known = KnownSentences(fails)
    for _ in range(2):
        with pytest.raises(ValueError, match="a"):
            known(["a"])


def test_threads_share_it():
    known = KnownSentences(Counting(), most=3)
    letters = "abcdefgh" * 50
    with ThreadPoolExecutor(8) as pool:
        rows = list(pool.map(lambda letter: known([letter, "z"]), letters))
    assert [chr(int(row[0, 1])) for row in rows] == list(letters)
    assert all(chr(int(row[1, 1])) == "z" for row in rows)
