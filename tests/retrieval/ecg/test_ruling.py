"""Rulings: shares of ink against a sum over every rule, dots, and sheets that are kept and cannot be spoiled."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from retrieval.ecg.ruling import forget, line_shares, ruled_paper
from retrieval.ecg.style import GRIDS


@given(st.integers(1, 700), st.floats(2.0, 16.0), st.sampled_from([1, 5]), st.floats(0.05, 0.4))
def test_the_share_of_a_pixel_is_what_the_rules_cover_of_it(size, px_per_mm, step, wide_mm):
    half = max(1.0, wide_mm * px_per_mm) / 2
    left = np.arange(size)
    covered = sum(
        np.clip(np.minimum(left + 1, rule + half) - np.maximum(left, rule - half), 0, 1)
        for rule in np.arange(0, size / px_per_mm + 2 * step, step) * px_per_mm
    )
    np.testing.assert_allclose(line_shares(size, px_per_mm, step, wide_mm), np.minimum(covered, 1), atol=1e-4)


@pytest.mark.parametrize("grid", GRIDS)
def test_the_paper_has_the_colours_of_its_grid(grid):
    """At 10 px/mm, where rules fill pixels exactly: half a millimetre's rule is in the pixels on both sides of it."""
    paper = ruled_paper((200, 300), 10.0, grid)
    fine, bold = (np.array(colour, float) for colour in GRIDS[grid])
    assert paper[5, 5].tolist() == [255, 255, 255]
    assert paper[50, 5].tolist() == bold.tolist()
    np.testing.assert_allclose(paper[20, 5], 255 + (fine - 255) * 0.6, atol=2.5)
    np.testing.assert_allclose(paper[105, 20], paper[20, 105], atol=0)


def test_dots_stand_where_the_millimetres_cross():
    paper = ruled_paper((200, 200), 10.0, "blue", dotted=True)
    dark = 255.0 - paper.min(axis=2)
    assert dark[19:21, 29:31].min() > 20
    assert dark[23:27, 29:31].max() == 0
    assert dark[49:51].min() > 60


def test_no_grid_is_white_paper():
    assert ruled_paper((30, 40), 6.0, "none").min() == 255


def test_a_kept_sheet_is_the_same_memory_and_read_only():
    forget()
    sheet = ruled_paper((60, 80), 6.0, "red")
    assert ruled_paper((60, 80), 6.0, "red") is sheet
    with pytest.raises(ValueError, match="read-only"):
        sheet[0, 0] = 0
