"""The picture that an intake was read from, once more: to draw upon it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from retrieval.intake import open_file
from retrieval.intake.opening import Sheet
from retrieval.intake.result import Intake

if TYPE_CHECKING:
    from retrieval.intake.declared import Declared

Rgb = NDArray[np.uint8]


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
