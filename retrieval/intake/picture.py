"""The picture that an intake was read from, once more: to draw upon it, or to show it where a browser cannot."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
from numpy.typing import NDArray

from retrieval.errors import NotAnEcg
from retrieval.intake import open_file
from retrieval.intake.opening import Sheet
from retrieval.intake.result import Intake

if TYPE_CHECKING:
    from retrieval.intake.declared import Declared

Rgb = NDArray[np.uint8]
SHOWN_SIDE = 1800
"""Pixels of the longer side of a picture that is shown: enough to see on which square a corner lies."""


def picture_of(path: str | Path, intake: Intake, declared: Declared | None = None) -> Rgb | None:
    """The pixels (RGB uint8 ``[height, width, 3]``) in which the report counts; ``None`` for recordings.

    Raises:
        BadInput: when the file changed since it was read.
    """
    if intake.report is None:
        return None
    page = open_file(path, declared).load(intake.number)
    if not isinstance(page, Sheet):
        return None
    wide, high = intake.report.picture
    same = min(wide, high) < 1 or page.rgb.shape[:2] == (high, wide)
    return page.rgb if same else None


def read_picture(
    path: str, page: int | None = None, declared: Declared | None = None
) -> tuple[None, dict[str, NDArray[np.generic]]]:
    """A page as it looks: ``picture``, RGB uint8 of at most ``SHOWN_SIDE`` a side.

    With it ``size``, the page's own width and height, in whose pixels corners and boxes count.

    Raises:
        NotAnEcg: when the file holds samples and no picture.
        BadInput: as ``retrieval.intake.read``.
    """
    content = open_file(path, declared).load(page or 1)
    if not isinstance(content, Sheet):
        raise NotAnEcg(f"'{Path(path).name}' holds samples, of which there is no picture")
    high, wide = content.rgb.shape[:2]
    share = min(1.0, SHOWN_SIDE / max(high, wide))
    size = max(1, round(wide * share)), max(1, round(high * share))
    shown = content.rgb if share == 1.0 else cv2.resize(content.rgb, size, interpolation=cv2.INTER_AREA)
    return None, {"picture": np.ascontiguousarray(shown), "size": np.array([wide, high])}
