"""Ink of traces that faded is told from a scanner's streaks, which are much darker."""

from __future__ import annotations

import numpy as np

from retrieval.intake.page.flat import FLAT_PX_PER_MM
from retrieval.intake.page.ink import ink_of

PAPER, STREAK, PX = 240, 20, round(FLAT_PX_PER_MM)


def faded_page() -> tuple[np.ndarray, np.ndarray]:
    """Traces that fade from left to right under black streaks and specks; and where they are."""
    height, width = 150 * PX, 250 * PX
    page = np.full((height, width), PAPER, np.uint8)
    there = np.zeros(page.shape, bool)
    fading = np.linspace(170, 205, width).astype(np.uint8)
    for base in range(20 * PX, height - 10 * PX, 5 * PX):
        there[base : base + 3] = True
        page[base : base + 3] = fading
    page[[10 * PX, 12 * PX, 14 * PX]] = STREAK
    page[8 * PX : 8 * PX + 6] = STREAK
    return np.repeat(page[:, :, None], 3, axis=2), there


def test_faded_traces_under_streaks() -> None:
    page, there = faded_page()
    valid = np.ones(there.shape, bool)
    assert np.median(ink_of(page, valid, ruled=False)[there]) < 0.5
    assert np.quantile(ink_of(page, valid, ruled=False, faded=True)[there], 0.1) > 0.5


def test_paper_alone_has_no_ink_however_faint_it_is_looked_for() -> None:
    rng = np.random.default_rng(3)
    paper = rng.normal(230, 1.5, (60 * PX, 90 * PX, 1)).astype(np.uint8).repeat(3, axis=2)
    assert not ink_of(paper, np.ones(paper.shape[:2], bool), ruled=False, faded=True).any()
