"""Print: letters that there are, ink cut tightly, and sizes that follow the capitals."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from retrieval.ecg.lettering import printable, width_mm, word


@pytest.mark.parametrize(
    ("text", "printed"),
    [
        ("aVR", "aVR"),
        ("Überleitung, groß", "Ueberleitung, gross"),
        ("café", "cafe"),
        ("心電", "??"),
        ("-30°", "-30°"),
    ],
)
def test_letters_that_the_face_lacks_are_spelled_otherwise(text, printed):
    assert printable(text) == printed


@given(st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=12), st.floats(4, 60))
def test_the_ink_of_a_word_is_cut_tightly(text, capital_px):
    ink = word(text, capital_px).ink
    assert ink[0].any()
    assert ink[-1].any()
    assert ink[:, 0].any()
    assert ink[:, -1].any()


@pytest.mark.parametrize("capital_px", [7.0, 20.0, 47.0])
def test_capitals_are_as_high_as_asked_for_and_stand_on_the_base_line(capital_px):
    found = word("HEI", capital_px)
    assert found.ink.shape[0] == pytest.approx(capital_px, abs=1.0)
    assert found.top + found.ink.shape[0] == pytest.approx(0, abs=1)
    assert word("gyp", capital_px).ink.shape[0] + word("gyp", capital_px).top > 0


def test_the_length_of_a_text_is_that_of_its_ink():
    """But for the white beside the first and the last letter."""
    found = word("SIMULATED 1950", 50.0)
    assert width_mm("SIMULATED 1950", 5.0) == pytest.approx(found.ink.shape[1] / 10, rel=0.03)


@pytest.mark.parametrize("text", ["", "   "])
def test_nothing_is_printed_of_nothing(text):
    assert np.size(word(text, 20.0).ink) == 0
