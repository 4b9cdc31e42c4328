"""Read single words of print, lead names and printed scales, with a small network that looks at one at a time."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from retrieval.intake.page.flat import FLAT_PX_PER_MM
from retrieval.intake.page.network import network

Plane = NDArray[np.float32]
Bools = NDArray[np.bool_]
Box = tuple[int, int, int, int]
"""Left, top, right and bottom in pixels, the last two outside."""
CROP = (24, 80)
"""Height and width to which a word is brought; longer words are squeezed."""
EDGE = 0.15
"""Share of its height that is added around a word."""
JOIN_MM = 1.1
HEIGHT_MM = (1.0, 9.0)
WIDTH_MM = (0.2, 32.0)
LEAST_AREA_MM2 = 0.25
AT_ONCE = 64
"""Words that the network looks at together: a page of print has thousands."""


def word_boxes(text: Bools) -> tuple[Box, ...]:
    """Boxes of words on a mask of print at ``FLAT_PX_PER_MM``: letters no more than a blank apart."""
    join = max(1, round(JOIN_MM * FLAT_PX_PER_MM))
    joined = cv2.dilate(text.astype(np.uint8), np.ones((3, join), np.uint8))
    count, labels, _, _ = cv2.connectedComponentsWithStats(joined, connectivity=8)
    labels = np.where(text, labels, 0)
    out: list[Box] = []
    for label, (left, top, right, bottom, area) in enumerate(_tight(labels, count), start=1):
        high, wide = (bottom - top) / FLAT_PX_PER_MM, (right - left) / FLAT_PX_PER_MM
        fits = HEIGHT_MM[0] <= high <= HEIGHT_MM[1] and WIDTH_MM[0] <= wide <= WIDTH_MM[1]
        if fits and area >= LEAST_AREA_MM2 * FLAT_PX_PER_MM**2 and label:
            out.append((left, top, right, bottom))
    return tuple(out)


def pairs_of(boxes: tuple[Box, ...]) -> tuple[Box, ...]:
    """Boxes of two words that stand side by side, as a number and its unit do."""
    out = []
    for one in boxes:
        high = one[3] - one[1]
        for other in boxes:
            level = abs((one[1] + one[3]) - (other[1] + other[3])) < 0.6 * high
            if level and 0 < other[0] - one[2] < 0.9 * high and other[2] - one[0] < WIDTH_MM[1] * FLAT_PX_PER_MM:
                out.append((one[0], min(one[1], other[1]), other[2], max(one[3], other[3])))
    return tuple(out)


def _tight(labels: NDArray[np.int32], count: int) -> list[tuple[int, int, int, int, int]]:
    """Tight box and area of each label from 1."""
    y, x = np.nonzero(labels)
    which = labels[y, x]
    low = np.full((count, 2), 1 << 30)
    high = np.zeros((count, 2), int)
    np.minimum.at(low, which, np.stack([x, y], axis=1))
    np.maximum.at(high, which, np.stack([x + 1, y + 1], axis=1))
    area = np.bincount(which, minlength=count)
    return [
        (int(low[i, 0]), int(low[i, 1]), int(high[i, 0]), int(high[i, 1]), int(area[i]))
        if area[i]
        else (0, 0, 0, 0, 0)
        for i in range(1, count)
    ]


def crop_word(ink: Plane, text: Bools, box: Box) -> Plane:
    """A word at one height: ``[2, 24, 80]``, all ink around it and the ink that is print; narrow words stand left."""
    left, top, right, bottom = box
    edge = max(1, round(EDGE * (bottom - top)))
    high, wide = bottom - top + 2 * edge, right - left + 2 * edge
    share = min(CROP[0] / high, CROP[1] / wide)
    into = np.array([[share, 0, -(left - edge) * share], [0, share, -(top - edge) * share]])
    window = np.s_[
        max(0, top - edge - 2) : bottom + edge + 2, max(0, left - edge - 2) : left + edge + max(wide, high * 4) + 2
    ]
    into[:, 2] += share * np.array([window[1].start, window[0].start])
    around = np.ascontiguousarray(ink[window])
    own = np.zeros_like(around)
    inner = np.s_[top - window[0].start : bottom - window[0].start, left - window[1].start : right - window[1].start]
    own[inner] = np.where(text[top:bottom, left:right], ink[top:bottom, left:right], 0)
    crops = []
    for part in (around, own):
        if share < 1:  # average what is shrunk
            part = cv2.blur(part, (max(1, round(1 / share)),) * 2)
        crops.append(cv2.warpAffine(part, into, CROP[::-1], flags=cv2.INTER_LINEAR))
    return np.stack(crops).astype(np.float32)


def read_words(ink: Plane, text: Bools, boxes: tuple[Box, ...]) -> Plane:
    """Shares ``[words, classes]`` of nothing, each lead name and each printed scale: ``marks.WORDS`` classes."""
    if not boxes:
        from retrieval.intake.page.marks import WORDS

        return np.zeros((0, WORDS), np.float32)
    parts = []
    for first in range(0, len(boxes), AT_ONCE):
        crops = np.stack([crop_word(ink, text, box) for box in boxes[first : first + AT_ONCE]])
        parts.append(np.asarray(network("lettering").run(None, {"words": crops})[0]))
    logits = np.concatenate(parts)
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True), np.float32)
