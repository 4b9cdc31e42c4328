"""Pages that are no ECG, made by a seed: what somebody might hold before the camera by mistake.

They are the size of a canonical page and go to the tower as they are, past intake, which would refuse most of them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from retrieval.ecg.page import CANONICAL, PAPER, Gray

__all__ = ["KINDS", "KNOWN_KINDS", "Strangers", "make_strangers"]

LETTERS = "abcdefghijklmnopqrstuvwxyz"
HEIGHT, WIDTH = CANONICAL.shape
FONTS = (cv2.FONT_HERSHEY_SIMPLEX, cv2.FONT_HERSHEY_COMPLEX, cv2.FONT_HERSHEY_DUPLEX, cv2.FONT_ITALIC)
Draw = Callable[[np.random.Generator], Gray]


@dataclass(frozen=True)
class Strangers:
    """Pages that are no ECG.

    Args:
        pages: ``uint8 [height, width]`` each.
        kinds: of each, one of `KINDS`.
    """

    pages: tuple[Gray, ...]
    kinds: tuple[str, ...]

    def of(self, kinds: tuple[str, ...]) -> NDArray[np.bool_]:
        """``[pages]``, true for those of some kinds."""
        return np.array([kind in kinds for kind in self.kinds], dtype=np.bool_)


def _noise(rng: np.random.Generator) -> Gray:
    """Grains of one to four pixels, few or many."""
    grain = int(rng.integers(1, 5))
    small = rng.random((HEIGHT // grain + 1, WIDTH // grain + 1)) < rng.uniform(0.02, 0.6)
    dark = np.kron(small, np.ones((grain, grain)))[:HEIGHT, :WIDTH] * rng.integers(60, 256, (HEIGHT, WIDTH))
    return (PAPER - dark).astype(np.uint8)


def _photo(rng: np.random.Generator) -> Gray:
    """Light that falls off, soft shapes before it."""
    coarse = rng.random((int(rng.integers(2, 7)), int(rng.integers(3, 12)))).astype(np.float32)
    scene = cv2.resize(coarse, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC) * 255
    for _ in range(int(rng.integers(1, 8))):
        centre, axes = (int(rng.integers(WIDTH)), int(rng.integers(HEIGHT))), rng.integers(10, 120, 2).tolist()
        cv2.ellipse(scene, centre, axes, float(rng.uniform(0, 180)), 0, 360, float(rng.uniform(0, 255)), -1)
    return np.clip(cv2.GaussianBlur(scene, (0, 0), float(rng.uniform(1, 6))), 0, 255).astype(np.uint8)


def _text(rng: np.random.Generator) -> Gray:
    """Lines of words that do not exist."""
    page, font, size = _paper(), FONTS[int(rng.integers(len(FONTS)))], float(rng.uniform(0.3, 0.8))
    for y in range(int(30 * size) + 8, HEIGHT, int(34 * size) + 4):
        words = ("".join(rng.choice(list(LETTERS), rng.integers(2, 11))) for _ in range(int(rng.integers(1, 14))))
        cv2.putText(page, " ".join(words), (int(rng.integers(4, 30)), y), font, size, 0, 1, cv2.LINE_AA)
    return page


def _chart(rng: np.random.Generator) -> Gray:
    """Bars, or a rising line, over two axes."""
    page, count = _paper(), int(rng.integers(4, 20))
    cv2.line(page, (30, 10), (30, HEIGHT - 25), 0, 1)
    cv2.line(page, (30, HEIGHT - 25), (WIDTH - 10, HEIGHT - 25), 0, 1)
    x = np.linspace(45, WIDTH - 25, count).astype(int)
    y = HEIGHT - 25 - (rng.random(count) * (HEIGHT - 50)).astype(int)
    if rng.random() < 0.5:
        for left, top in zip(x.tolist(), y.tolist(), strict=True):
            cv2.rectangle(page, (left - 6, top), (left + 6, HEIGHT - 25), int(rng.integers(0, 180)), -1)
    else:
        cv2.polylines(page, [np.stack([x, np.sort(y)[::-1]], axis=1).astype(np.int32)], False, 0, 1, cv2.LINE_AA)
    return page


def _table(rng: np.random.Generator) -> Gray:
    """A ruled form, some of its cells filled with figures."""
    page, across, down = _paper(), int(rng.integers(2, 9)), int(rng.integers(3, 14))
    columns, rows = np.linspace(8, WIDTH - 8, across + 1), np.linspace(8, HEIGHT - 8, down + 1)
    for x in columns:
        cv2.line(page, (int(x), 8), (int(x), HEIGHT - 8), 0, 1)
    for y in rows:
        cv2.line(page, (8, int(y)), (WIDTH - 8, int(y)), 0, 1)
    for x in columns[:-1]:
        for y in rows[1:]:
            if rng.random() < 0.7:
                cell = f"{rng.uniform(0, 1000):.1f}"
                cv2.putText(page, cell, (int(x) + 4, int(y) - 4), FONTS[0], 0.35, 0, 1, cv2.LINE_AA)
    return page


def _scribble(rng: np.random.Generator) -> Gray:
    """Wandering pen strokes in rows: thin dark lines on paper, as an ECG has them, and no heart behind them."""
    page = _paper()
    for _ in range(int(rng.integers(1, 6))):
        x = np.arange(0, WIDTH, 2)
        # Each step forgets a part of where the pen stood, so that it comes back to its row.
        fading = np.exp(-np.arange(80) / rng.uniform(2, 20))
        y = rng.uniform(30, HEIGHT - 30) + np.convolve(rng.normal(0, rng.uniform(1, 6), len(x)), fading)[: len(x)]
        stroke = np.stack([x, np.clip(y, 0, HEIGHT - 1)], axis=1).astype(np.int32)
        cv2.polylines(page, [stroke], False, 0, int(rng.integers(1, 3)), cv2.LINE_AA)
    return page


def _paper() -> Gray:
    return np.full((HEIGHT, WIDTH), PAPER, dtype=np.uint8)


KINDS: Mapping[str, Draw] = {
    "noise": _noise,
    "photo": _photo,
    "text": _text,
    "chart": _chart,
    "table": _table,
    "scribble": _scribble,
}
KNOWN_KINDS = ("noise", "photo", "text")
"""The kinds that a threshold may be calibrated on; the others are as new to it as to the tower."""


def make_strangers(kinds: tuple[str, ...], of_each: int, seed: int) -> Strangers:
    """``of_each`` pages of each kind; the same seed gives the same pages."""
    names = [kind for kind in kinds for _ in range(of_each)]
    generators = np.random.default_rng(seed).spawn(len(names))
    drawn = (KINDS[name](rng) for name, rng in zip(names, generators, strict=True))
    return Strangers(tuple(drawn), tuple(names))
