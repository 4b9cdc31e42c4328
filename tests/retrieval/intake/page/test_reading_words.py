"""The shipped networks read what is printed: kinds of ink, lead names, scales."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from retrieval.ecg.lettering import word
from retrieval.ecg.recording import LEADS
from retrieval.intake.page.flat import FLAT_PX_PER_MM
from retrieval.intake.page.lettering import crop_word, pairs_of, read_words, word_boxes
from retrieval.intake.page.marks import NAMES, PULSE, TEXT, TRACE, WORDS, read_marks, shrunk_ink
from retrieval.intake.page.masking import InkKinds, sort_ink
from retrieval.intake.page.rows import Row, strokes_of
from retrieval.intake.page.split import split


def printed(text: str, capital_mm: float = 2.6) -> np.ndarray:
    ink = word(text, capital_mm * FLAT_PX_PER_MM).ink.astype(np.float32) / 255
    return np.pad(ink, 30)


@pytest.mark.parametrize("lead", [*LEADS, "-aVR"])
def test_lead_names_are_read(lead: str) -> None:
    ink = printed(lead)
    boxes = word_boxes(ink > 0.25)
    assert len(boxes) == 1
    shares = read_words(ink, ink > 0.25, boxes)[0]
    assert shares.shape == (WORDS,)
    assert NAMES[int(shares[1 : len(NAMES) + 1].argmax())] == lead


@pytest.mark.parametrize(("text", "at"), [("25 mm/s", 0), ("50 mm/s", 1), ("10 mm/mV", 4)])
def test_scales_are_read(text: str, at: int) -> None:
    ink = printed(text)
    boxes = word_boxes(ink > 0.25)
    shares = read_words(ink, ink > 0.25, (*boxes, *pairs_of(boxes))).max(axis=0)
    assert int(shares[len(NAMES) + 1 :].argmax()) == at


def test_a_word_is_cut_out_at_one_height() -> None:
    small, large = (printed("aVL", mm) for mm in (2.0, 4.0))
    crops = [crop_word(ink, ink > 0.25, word_boxes(ink > 0.25)[0])[1] for ink in (small, large)]
    ends = [np.flatnonzero(crop.max(axis=0) > 0.3)[[0, -1]] for crop in crops]
    np.testing.assert_allclose(ends[0], ends[1], atol=3)


def test_kinds_of_ink_are_told_apart() -> None:
    ink = np.zeros((480, 960), np.float32)
    t = np.arange(100, 900)
    beat = (
        300
        - 60 * np.exp(-((((t - 100) % 130 - 60) / 5.0) ** 2))
        - 12 * np.exp(-((((t - 100) % 130 - 95) / 12.0) ** 2))
    )
    line = np.stack([t, beat], axis=1).astype(np.int32).reshape(-1, 1, 2)
    cv2.polylines(ink, [line], False, 1.0, 2, cv2.LINE_AA)
    name = printed("aVF")
    ink[150 : 150 + name.shape[0], 380 : 380 + name.shape[1]] += name
    step = np.array([(40, 300), (40, 240), (70, 240), (70, 300)], np.int32).reshape(-1, 1, 2)
    cv2.polylines(ink, [step], False, 1.0, 2, cv2.LINE_AA)
    marks = read_marks(ink)
    assert marks.kinds.shape[1:] == shrunk_ink(ink).shape
    np.testing.assert_allclose(marks.kinds.sum(axis=0), 1.0, atol=1e-4)
    kinds = InkKinds.of(sort_ink(ink, marks))
    assert kinds.trace[230:310, 120:880].sum() > 0.9 * (ink[230:310, 120:880] > 0.25).sum()
    assert kinds.text[150:220, 380:470].any()
    assert not kinds.trace[150:220, 380:470].any()
    assert kinds.pulse[235:300, 35:75].sum() > 0.5 * (ink[235:300, 35:75] > 0.25).sum()
    assert (TRACE, TEXT, PULSE) == (1, 2, 4)


def test_a_tall_wave_is_its_own_rows_to_the_tip() -> None:
    """The lower row's wave runs through the upper row's line; today's halfway cut would give its tip away."""
    ink = np.zeros((400, 600), np.uint8)
    cv2.polylines(ink, [np.array([(20, 120), (580, 120)], np.int32).reshape(-1, 1, 2)], False, 1, 2)
    wave = np.array([(20, 300), (286, 300), (300, 80), (314, 300), (580, 300)], np.int32).reshape(-1, 1, 2)
    cv2.polylines(ink, [wave], False, 1, 2)
    parts = strokes_of(ink > 0)
    rows = (Row(120.0, 1.0, 20.0, 580.0), Row(300.0, 1.0, 20.0, 580.0))
    masks = split(parts, {parts.components[0].label: [0, 1]}, rows)
    assert masks[1][82:112, 290:310].any()
    assert not masks[0][82:112, 290:310].any()
    assert masks[0][118:123, 30:570].any(axis=0).all()
    assert not masks[0][140:].any()
