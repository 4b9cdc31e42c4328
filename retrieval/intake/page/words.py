"""Lead names and printed scales among the marks of a page, with their places."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from retrieval.intake.page.flat import FLAT_PX_PER_MM
from retrieval.intake.page.lettering import Box, pairs_of, read_words, word_boxes
from retrieval.intake.page.marks import NAMES, SPEEDS

Plane = NDArray[np.float32]
Bools = NDArray[np.bool_]
MIN_SHARE = 0.5
NAME_MM = (14.0, 8.0)
"""No lead's name is wider or higher."""


@dataclass(frozen=True)
class Name:
    """A printed lead name: its box in pixels of the flat page, and the share of each of ``NAMES``."""

    left: float
    top: float
    right: float
    bottom: float
    shares: NDArray[np.float32]

    @property
    def lead(self) -> str:
        """The likeliest name."""
        return NAMES[int(self.shares.argmax())]

    @property
    def certainty(self) -> float:
        """Share of the likeliest name."""
        return float(self.shares.max())

    @property
    def middle(self) -> float:
        """Height of its middle in pixels from the top."""
        return (self.top + self.bottom) / 2


@dataclass(frozen=True)
class Words:
    """Lead names, and the weights of ``marks.SPEEDS`` and ``marks.GAINS`` that were read in print."""

    names: tuple[Name, ...]
    speeds: NDArray[np.float32]
    gains: NDArray[np.float32]


def find_words(ink: Plane, text: Bools, seen: Plane) -> Words:
    """Read each word of print by itself; printed scales also where the page's network read one on its way.

    Args:
        ink: of the page, ``[height, width]``.
        text: the ink that is print.
        seen: ``Marks.names``, shares of each word as the page's network saw them.
    """
    boxes = word_boxes(text)
    pairs = pairs_of(boxes)
    shares = read_words(ink, text, (*boxes, *pairs))
    names = []
    for box, share in zip(boxes, shares, strict=False):
        mine = share[1 : len(NAMES) + 1]
        if mine.sum() > MIN_SHARE and _fits(box):
            left, top, right, bottom = box
            names.append(Name(left, top, right, bottom, mine))
    scales = np.concatenate([shares[:, len(NAMES) + 1 :], _in_passing(seen)]).max(axis=0, initial=0.0)
    return Words(tuple(names), scales[: len(SPEEDS)], scales[len(SPEEDS) :])


def _fits(box: Box) -> bool:
    return box[2] - box[0] <= NAME_MM[0] * FLAT_PX_PER_MM and box[3] - box[1] <= NAME_MM[1] * FLAT_PX_PER_MM


def _in_passing(shares: Plane) -> Plane:
    """Shares ``[words, scales]`` of the words that the page's network takes for printed scales."""
    first = len(NAMES) + 1
    seen = (shares[first:].sum(axis=0) > MIN_SHARE).astype(np.uint8)
    count, labels = cv2.connectedComponents(seen, connectivity=8)
    means = [shares[first:, labels == label].mean(axis=1) for label in range(1, count)]
    return np.array(means, np.float32).reshape(-1, len(shares) - first)
