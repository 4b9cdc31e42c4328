"""Light traces on a dark ground, as a monitor in night colours or a microfilm shows them."""

from __future__ import annotations

import cv2
import numpy as np

from retrieval.intake.page.spectrum import Rgb
from retrieval.intake.result import Finding

SIDE, DETAIL, STRONGEST = 1000, 5, 0.99
"""Pixels of the longer side at which fine detail is weighed, up to which width it is fine, and the quantile of it
that counts: that of strokes. On five real pages the darker is 1.2 to 3 times as strong as the lighter."""
DARK = 128.0
"""The middle level of a picture of 255 over which its ground is light."""
NEGATIVE = Finding("negative", "light traces on a dark ground: the picture was read as a negative", 0.9)


def is_negative(rgb: Rgb) -> bool:
    """Whether the ground of a picture ``[height, width, 3]`` is dark and what is drawn on it light."""
    small = min(1.0, SIDE / max(rgb.shape[:2]))
    gray = cv2.cvtColor(cv2.resize(rgb, None, fx=small, fy=small, interpolation=cv2.INTER_AREA), cv2.COLOR_RGB2GRAY)
    kernel = np.ones((DETAIL, DETAIL), np.uint8)
    lighter, darker = (
        float(np.quantile(cv2.morphologyEx(gray, kind, kernel), STRONGEST))
        for kind in (cv2.MORPH_TOPHAT, cv2.MORPH_BLACKHAT)
    )
    return float(np.median(gray)) < DARK and lighter > darker


def positive_of(rgb: Rgb) -> Rgb:
    """The picture with light and dark exchanged, and its colours kept: a red ruling stays red."""
    lab = cv2.cvtColor(rgb, cv2.COLOR_RGB2LAB)
    lab[..., 0] = 255 - lab[..., 0]
    return np.asarray(cv2.cvtColor(lab, cv2.COLOR_LAB2RGB), np.uint8)
