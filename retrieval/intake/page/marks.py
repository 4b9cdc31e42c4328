"""Tell what each piece of ink is, and read lead names, with a small network that was trained on drawn pages."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from retrieval.ecg.recording import LEADS
from retrieval.intake.page.flat import FLAT_PX_PER_MM
from retrieval.intake.page.network import network

Plane = NDArray[np.float32]
READ_PX_PER_MM = 4.0
"""Scale at which the network looks: small print of 2 mm is 8 pixels high."""
STEP = 16
"""The network halves its input four times."""
NAMES = (*LEADS, "-aVR")
SPEEDS = (25.0, 50.0, 12.5)
GAINS = ("5", "10", "20", "5/10")
"""Gains as they are printed; the last stands for a split either way."""
WORDS = 1 + len(NAMES) + len(SPEEDS) + len(GAINS)
"""Classes of the network's head of words: none, lead names, printed speeds, printed gains."""
PAPER, TRACE, TEXT, RULE, PULSE = range(5)


@dataclass(frozen=True)
class Marks:
    """What the network sees.

    Args:
        kinds: ``[5, height, width]`` float32 shares of paper, trace, text, rule and pulse at ``READ_PX_PER_MM``.
        names: ``[14, height / 4, width / 4]`` float32 shares of nothing and of each of ``NAMES``.
    """

    kinds: Plane
    names: Plane


def shrunk_ink(ink: Plane) -> Plane:
    """The ink plane at the network's scale."""
    share = READ_PX_PER_MM / FLAT_PX_PER_MM
    size = round(ink.shape[1] * share), round(ink.shape[0] * share)
    return np.asarray(cv2.resize(ink, size, interpolation=cv2.INTER_AREA), np.float32)


def read_marks(ink: Plane) -> Marks:
    """Run the network on an ink plane at ``FLAT_PX_PER_MM``."""
    small = shrunk_ink(ink)
    high, wide = small.shape
    padded = np.pad(small, ((0, -high % STEP), (0, -wide % STEP)))
    kinds, names = network("marks").run(None, {"ink": padded[None, None]})
    kinds, names = np.asarray(kinds)[0], np.asarray(names)[0]
    return Marks(_softmax(kinds[:, :high, :wide]), _softmax(names[:, : -(-high // 4), : -(-wide // 4)]))


def _softmax(logits: Plane) -> Plane:
    powers = np.exp(logits - logits.max(axis=0, keepdims=True))
    return np.asarray(powers / powers.sum(axis=0, keepdims=True), np.float32)
