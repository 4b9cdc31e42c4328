"""The spectrum of a ruling against plain references, and rulings that the pixels draw sharp and blurred by turns."""

from __future__ import annotations

from itertools import groupby

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from retrieval.ecg.drawing import draw_page
from retrieval.ecg.recording import Recording
from retrieval.ecg.style import PageStyle
from retrieval.intake.page.flattening import flatten_picture
from retrieval.intake.page.lettering import AT_ONCE, read_words, word_boxes
from retrieval.intake.page.spectrum import (
    FOURIER,
    HIGHEST,
    LOWEST,
    STEP,
    _comb_scores,
    _combs,
    _run_lengths,
    _unpacked,
)


def test_packed_power_is_that_of_numpys_transform() -> None:
    plane = np.random.default_rng(3).normal(size=(FOURIER, FOURIER)).astype(np.float32)
    packed = cv2.dft(plane)
    power = _unpacked(np.asarray(cv2.mulSpectrums(packed, packed, 0, conjB=True), np.float32))
    wanted = np.abs(np.fft.rfft2(plane.astype(np.float64))) ** 2
    np.testing.assert_allclose(power, wanted, rtol=1e-3, atol=1e-3 * float(wanted.mean()))


@given(lines=arrays(np.uint8, st.tuples(st.integers(1, 6), st.integers(1, 9)), elements=st.integers(0, 1)))
def test_runs_are_as_long_as_counted_one_by_one(lines: NDArray[np.uint8]) -> None:
    counted = [len(list(run)) for line in lines.tolist() for value, run in groupby(line) if value]
    assert _run_lengths(lines).tolist() == counted


def _comb_by_hand(line: NDArray[np.float32], frequency: float) -> float:
    """One comb at a time, tooth by tooth."""
    teeth = min(10, int((HIGHEST - STEP) / frequency))
    if teeth < 1:
        return 0.0
    heights, covered = [], set()
    for k in range(1, teeth + 1):
        middle = int(np.rint((k * frequency - LOWEST) / STEP))
        near = [(min(max(middle + off, 0), len(line) - 1), 1 - abs(off) / 4.5) for off in range(-3, 4)]
        heights.append(max(float(line[at]) * weight for at, weight in near))
        covered |= {at for at, _ in near}
    upto = min(len(line), int(np.rint((teeth * frequency - LOWEST) / STEP)) + 4)
    explained = sum(float(line[at]) for at in covered) / (
        float(line[:upto].sum()) + 0.15 * float(line[upto:].sum()) + 1e-9
    )
    present = sum(min(1.0, height / 0.12) for height in heights[:5]) / 5
    return min(1.0, explained) * present * float(np.sqrt(max(heights)))


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_all_combs_at_once_score_as_each_by_hand(seed: int) -> None:
    rng = np.random.default_rng(seed)
    line = np.clip(rng.normal(0, 0.3, len(np.arange(LOWEST, HIGHEST, STEP))), 0, 1).astype(np.float32)
    scores = _comb_scores(line)
    for i in rng.choice(len(scores), 12, replace=False):
        assert scores[i] == pytest.approx(_comb_by_hand(line, float(_combs().frequencies[i])), abs=1e-4)


@pytest.mark.parametrize("dpi", [150, 140, 110])
def test_a_clean_page_whose_lines_fall_between_pixels(heart: Recording, dpi: int) -> None:
    """At 150 dpi bold lines stand 29.5 pixels apart: every other one is blurred, and 10 mm are no ruling."""
    scale = dpi / 25.4
    found = flatten_picture(draw_page(heart, PageStyle(px_per_mm=scale)).pixels)
    assert found is not None
    assert found.px_per_mm == pytest.approx((scale, scale), rel=0.01)


def test_words_are_read_alike_however_many_there_are(heart: Recording) -> None:
    drawn = draw_page(heart, PageStyle(px_per_mm=6.0, grid="none"))
    ink = (1 - drawn.pixels.min(axis=2) / 255).astype(np.float32)
    text = drawn.mask("text") > 0
    boxes = word_boxes(text)[:3]
    assert len(boxes) == 3
    many = boxes * (AT_ONCE // 2)
    np.testing.assert_allclose(read_words(ink, text, many)[:3], read_words(ink, text, boxes), atol=1e-5)
