"""Pages as they vary in life, drawn afresh from the signal each time a record is seen."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from retrieval.ecg.layouts import LeadCell, layout_named
from retrieval.ecg.page import CANONICAL, INK, PAPER, Gray
from retrieval.ecg.recording import Signal
from retrieval.ecg.spoil import HELD_OUT, Recipe, Step
from retrieval.ecg.traces import cell_polyline, ink_polylines, pulse_polyline

TRAINING_LAYOUTS: tuple[tuple[str, float], ...] = (("3x4+1", 0.75), ("3x4", 0.1), ("6x2", 0.1), ("3x4+3", 0.05))
"""Layouts and how often they are drawn. 12x1 and 6x2+1 are held out: the protocol measures on them."""


RESIDUE = Recipe(
    (
        Step("crease", (0.2, 0.3, 0.4)),
        Step("wrinkle", (0.3, 0.4, 0.5)),
        Step("stain", (0.1, 0.15, 0.2)),
        Step("mould", (0.05, 0.1, 0.15)),
        Step("tear", (0.05, 0.1, 0.15)),
        Step("staple", (0.05, 0.05, 0.05)),
        Step("stamp", (0.1, 0.1, 0.15)),
        Step("handwriting", (0.15, 0.2, 0.3)),
        Step("bleach", (0.2, 0.3, 0.4)),
        Step("toner", (0.1, 0.2, 0.3)),
        Step("shadow", (0.1, 0.2, 0.3)),
        Step("glare", (0.1, 0.2, 0.3)),
        Step("moire", (0.02, 0.04, 0.06)),
        Step("blur", (0.2, 0.3, 0.4)),
        Step("motion", (0.05, 0.1, 0.15)),
    )
)
"""What may be left of a spoiled page once intake has straightened it: nothing here moves the frame."""
LEVEL_PX = 15
"""What is darker than the paper round it and narrower than this stays when a page is levelled: 7.5 mm."""


@dataclass(frozen=True)
class Variation:
    """How far pages vary.

    Args:
        strength: 0 draws the canonical page, 1 the full range below.
        layouts: layouts and their shares.
        spoiled: share of the pages that went through ``RESIDUE``, at strength 1.
        leave_out: looks that training does not see, so that an evaluation has some to test on.
    """

    strength: float = 1.0
    layouts: tuple[tuple[str, float], ...] = TRAINING_LAYOUTS
    spoiled: float = 0.3
    leave_out: frozenset[str] = HELD_OUT


def vary_signal(signal: Signal, rate: float, rng: np.random.Generator, strength: float) -> Signal:
    """Another ten seconds that could have been recorded: cut elsewhere, with other noise and a little other gain.

    Args:
        signal: ``[12, samples]`` in mV.
        rate: Hz.
        rng: source of chance.
        strength: 0 to 1.
    """
    cut = int(rng.uniform(0, 0.8 * strength) * rate)
    part = signal[:, cut:]
    part = part - np.median(part, axis=1, keepdims=True)
    time = np.arange(part.shape[1]) / rate
    gain = np.exp(rng.normal(0, 0.06 * strength))
    noise = rng.exponential(0.008) * strength * rng.standard_normal(part.shape)
    waves = rng.exponential(0.03 * strength, (12, 1)) * np.sin(
        2 * np.pi * rng.uniform(0.1, 0.45, (12, 1)) * time + rng.uniform(0, 2 * np.pi, (12, 1))
    )
    if rng.random() < 0.1 * strength:
        part = part.copy()
        part[rng.integers(12)] = 0
    return (part * gain + noise + waves).astype(np.float32)


def varied_page(signal: Signal, rate: float, rng: np.random.Generator, variation: Variation) -> tuple[Gray, str]:
    """A page uint8 ``[256, 512]`` of ``[12, samples]`` mV, and the name of its layout."""
    names, shares = zip(*variation.layouts, strict=True)
    strength = variation.strength
    layout = names[int(rng.choice(len(names), p=np.array(shares) / sum(shares)))] if strength else "3x4+1"
    pixels = np.full(CANONICAL.shape, PAPER, np.uint8)
    cells = _cells(layout, rng, strength)
    if rng.random() < 0.3 * strength:
        _residual_grid(pixels, rng)
    lines = [cell_polyline(signal, rate, cell, CANONICAL.speed, CANONICAL.gain) for cell in cells]
    if rng.random() < 0.25 * strength:
        lines += [
            pulse_polyline(0.5, cell.baseline_mm, CANONICAL.gain, CANONICAL.speed)
            for cell in cells
            if cell.start == 0
        ]
    thick = 2 if rng.random() < 0.2 * strength else 1
    ink_polylines(pixels, lines, CANONICAL.px_per_mm, int(rng.integers(0, 1 + round(90 * strength))), thick)
    if rng.random() < 0.3 * strength:
        _print_names(pixels, cells)
    if rng.random() < variation.spoiled * strength:
        pixels = _worn(pixels, rng, variation.leave_out)
    return _left_over(pixels, rng, strength), layout


def _worn(pixels: Gray, rng: np.random.Generator, leave_out: frozenset[str]) -> Gray:
    """Spoil a page, then level its paper as intake does: shades go, and what is thin and dark stays."""
    harm = int(rng.integers(1, 4))
    page = RESIDUE.spoil(pixels, rng, harm, px_per_mm=CANONICAL.px_per_mm, leave_out=leave_out).pixels
    kernel = np.ones((LEVEL_PX, LEVEL_PX), np.uint8)
    return _gray(cv2.bitwise_not(cv2.morphologyEx(page, cv2.MORPH_BLACKHAT, kernel)))


def _cells(layout: str, rng: np.random.Generator, strength: float) -> list[LeadCell]:
    plan = layout_named(layout)
    top, distance = CANONICAL.rows(len(plan.rows))
    shift = rng.normal(0, 1.5 * strength, 2)
    rows = rng.normal(0, 0.8 * strength, len(plan.rows))
    spread = 1 + rng.normal(0, 0.04 * strength)
    return [
        LeadCell(
            cell.lead,
            cell.row,
            cell.start,
            cell.stop,
            cell.x_mm + shift[0],
            top + (cell.baseline_mm - top) * spread + shift[1] + rows[cell.row],
            cell.width_mm,
        )
        for cell in plan.cells(CANONICAL.left_mm, top, distance, CANONICAL.trace_mm)
    ]


def _residual_grid(pixels: Gray, rng: np.random.Generator) -> None:
    """What is left of a coloured grid after the ink was separated: faint lines each 5 mm, sometimes each 1 mm."""
    faint = int(rng.integers(200, 250))
    offset = rng.uniform(0, 10, 2)
    for pitch, shade in ((2, (255 + 3 * faint) // 4), (10, faint)) if rng.random() < 0.4 else ((10, faint),):
        pixels[(np.arange(offset[0] % pitch, CANONICAL.height_px, pitch)).astype(int)] = shade
        pixels[:, (np.arange(offset[1] % pitch, CANONICAL.width_px, pitch)).astype(int)] = shade


def _print_names(pixels: Gray, cells: list[LeadCell]) -> None:
    for cell in cells:
        corner = (round(cell.x_mm * 2 + 2), round(cell.baseline_mm * 2 - 14))
        cv2.putText(pixels, cell.lead, corner, cv2.FONT_HERSHEY_PLAIN, 0.6, (60,), 1, cv2.LINE_AA)


def _left_over(pixels: Gray, rng: np.random.Generator, strength: float) -> Gray:
    """What a scanner or a camera leaves after straightening: a little turn, scale, blur, gaps, specks and noise."""
    if rng.random() < 0.5 * strength:
        turn = cv2.getRotationMatrix2D((256, 128), float(rng.normal(0, 0.5)), float(1 + rng.normal(0, 0.012)))
        pixels = _gray(cv2.warpAffine(pixels, turn, (512, 256), flags=cv2.INTER_LINEAR, borderValue=(PAPER,)))
    if rng.random() < 0.4 * strength:
        pixels = _gray(cv2.GaussianBlur(pixels, (0, 0), float(rng.uniform(0.3, 0.9))))
    page = pixels.astype(np.float32)
    if rng.random() < 0.3 * strength:
        page += rng.standard_normal(page.shape, dtype=np.float32) * float(rng.uniform(1, 12))
    if rng.random() < 0.3 * strength:
        page = PAPER - (PAPER - page) * float(rng.uniform(0.5, 1.3))
    if rng.random() < 0.2 * strength:
        _blots(page, rng)
    return np.clip(page, INK, PAPER).astype(np.uint8)


def _blots(page: NDArray[np.float32], rng: np.random.Generator) -> None:
    for _ in range(int(rng.integers(1, 5))):
        y, x = int(rng.integers(0, 250)), int(rng.integers(0, 500))
        high, wide = int(rng.integers(2, 12)), int(rng.integers(2, 40))
        page[y : y + high, x : x + wide] = PAPER if rng.random() < 0.5 else float(rng.integers(60, 200))


def _gray(pixels: object) -> Gray:
    return np.asarray(pixels, dtype=np.uint8)
