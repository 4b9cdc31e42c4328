"""Traces on the canonical page look as if one pen had drawn them, as they do on a page drawn from the signal."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from retrieval.ecg.drawing import PageStyle, draw_page
from retrieval.ecg.page import canonical_page
from retrieval.ecg.simulator import simulate
from retrieval.intake.page import read_page
from retrieval.intake.page.compose import CANVAS, PEN_MM, of_one_pen, thin
from retrieval.intake.page.flat import FLAT_PX_PER_MM


def wave(width: int) -> NDArray[np.uint8]:
    """A slow wave drawn so many pixels wide."""
    canvas = np.zeros(CANVAS, np.uint8)
    x = np.arange(20, CANVAS[1] - 20)
    points = np.stack([x, 300 + 40 * np.sin(x / 60)], axis=1).round().astype(np.int32)
    return np.asarray(cv2.polylines(canvas, [points.reshape(-1, 1, 2)], False, 1, thickness=width), np.uint8)


def width_of(canvas: NDArray[np.uint8]) -> float:
    return float(canvas.sum()) / float(thin(canvas).sum())


@settings(max_examples=12, deadline=None)
@given(width=st.integers(1, 9))
def test_every_pen_becomes_the_same(width: int) -> None:
    assert width_of(of_one_pen(wave(width))) == pytest.approx(PEN_MM * FLAT_PX_PER_MM, abs=1.2)


def test_nothing_stays_nothing() -> None:
    assert not of_one_pen(np.zeros(CANVAS, np.uint8)).any()


def test_no_thin_trace_is_lost_beside_a_broad_one() -> None:
    both = np.maximum(np.roll(wave(9), 200, axis=0), wave(1))
    drawn = of_one_pen(both)
    assert (drawn[thin(wave(1)) > 0]).mean() > 0.99


@pytest.mark.parametrize("pen_mm", [0.25, 0.4, 0.6])
def test_a_page_read_back_has_the_ink_of_its_own_canonical_page(pen_mm: float) -> None:
    """Lines drawn anew along the middle of the ink have half of it, and are no longer nearest to their own page."""
    trembling = simulate(200).recording
    read, _, _ = read_page(draw_page(trembling, PageStyle(layout="3x4+1", trace_mm=pen_mm)).pixels)
    ink, wanted = 255.0 - read.pixels, 255.0 - canonical_page(trembling).pixels
    assert ink.sum() == pytest.approx(wanted.sum(), rel=0.35)
    near = cv2.GaussianBlur(ink, (0, 0), 1.0), cv2.GaussianBlur(wanted, (0, 0), 1.0)
    assert np.corrcoef(near[0].ravel(), near[1].ravel())[0, 1] > 0.9
