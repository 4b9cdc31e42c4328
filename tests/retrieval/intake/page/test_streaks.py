"""Streaks along the picture, on pages that lie at an angle in it."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from retrieval.intake.page.flat import FLAT_PX_PER_MM, FlatPage
from retrieval.intake.page.phase import Matrix
from retrieval.intake.page.spectrum import Plane
from retrieval.intake.page.streaks import without_streaks
from tests.retrieval.intake.page.test_rulings import rows_of_traces

PX = 8.0
"""Pixels of the picture to a millimetre."""


def page_at(angle: float, lean: float = 0.0) -> tuple[FlatPage, Plane]:
    """A flat page of traces that lies turned by degrees in its picture, or leans there; and its ink."""
    pixels = rows_of_traces(4)
    height, width = pixels.shape[:2]
    turn = np.deg2rad(angle)
    to_picture = np.array([[np.cos(turn), -np.sin(turn), 300.0], [np.sin(turn), np.cos(turn), 300.0], [lean, 0, 1]])
    matrix: Matrix = np.linalg.inv(np.diag([PX, PX, 1.0]) @ to_picture)
    valid = np.ones((height, width), bool)
    page = FlatPage(pixels, valid, matrix, (PX, PX), angle, 1.0, ruled=True)
    return page, (pixels[:, :, 0] < 128).astype(np.float32)


def streaked(page: FlatPage, ink: Plane, *, upright: bool, share: float = 1.0, thick: int = 3) -> tuple[Plane, Plane]:
    """The ink with a line along the picture's axis through the middle of the page, and the line alone."""
    height, width = ink.shape
    middle = page.to_picture(np.array([[width / 2, height / 2 + 25]]))[0]
    far = share * (height if upright else width) / 2 / FLAT_PX_PER_MM * PX
    step = np.array([0.0, far]) if upright else np.array([far, 0.0])
    start, end = page.to_flat(np.stack([middle - step, middle + step])).round().astype(int)
    line = np.zeros_like(ink)
    cv2.line(line, start.tolist(), end.tolist(), 1.0, thick)
    return np.maximum(ink, line), line


@pytest.mark.parametrize("upright", [False, True])
@pytest.mark.parametrize("angle", [-6.0, -1.0, 1.0, 3.0, 12.0])
def test_a_streak_goes_and_the_traces_stay(angle: float, upright: bool) -> None:
    page, ink = page_at(angle)
    dirty, line = streaked(page, ink, upright=upright)
    clean = without_streaks(dirty, page)
    only = (line > 0) & (ink == 0)
    assert clean[only].mean() < 0.05
    assert (clean[(ink > 0) & (line == 0)] > 0).mean() > 0.97
    assert np.array_equal(without_streaks(ink, page), ink)


@pytest.mark.parametrize("angle", [0.0, 0.5])
def test_on_a_page_that_lies_straight_nothing_is_told_apart(angle: float) -> None:
    page, ink = page_at(angle)
    dirty, _ = streaked(page, ink, upright=False)
    assert without_streaks(dirty, page) is dirty


def test_a_photograph_has_no_axis_of_its_own() -> None:
    page, ink = page_at(4.0, lean=4e-4)
    dirty, _ = streaked(page, ink, upright=False)
    assert without_streaks(dirty, page) is dirty


@pytest.mark.parametrize(("share", "thick"), [(0.3, 3), (1.0, 25)])
def test_what_is_short_or_broad_is_no_streak(share: float, thick: int) -> None:
    page, ink = page_at(4.0)
    dirty, _ = streaked(page, ink, upright=True, share=share, thick=thick)
    assert np.array_equal(without_streaks(dirty, page), dirty)


@settings(max_examples=15, deadline=None)
@given(st.floats(-8, 8), st.booleans())
def test_ink_is_only_ever_taken_away(angle: float, upright: bool) -> None:
    page, ink = page_at(angle)
    dirty, line = streaked(page, ink, upright=upright)
    clean = without_streaks(dirty, page)
    assert (clean <= dirty).all()
    beside = cv2.dilate(line, np.ones((9, 9), np.uint8)) == 0
    assert np.array_equal(clean[beside], dirty[beside])
