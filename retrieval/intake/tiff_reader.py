"""The pages of a TIFF: scans of several sheets, and faxes whose pixels are not square."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from retrieval.errors import DamagedFile
from retrieval.intake.image_reader import ORIENTATION_TAG, check_size, decode, picture
from retrieval.intake.opening import Opened, Sheet, Source
from retrieval.intake.result import Finding

MAX_DIRECTORIES = 2_000
"""Pages that are counted; a scan of more is cut up by whoever made it."""
SQUARE = 1.02
"""Resolutions across and down that differ by less are the same, rounded."""
MAX_RATIO = 4.0
"""A fax has 204 by 98 or 204 by 196 dots per inch; a ratio beyond that is a wrong header."""
XRES_TAG, YRES_TAG = 282, 283


def open_tiff(source: Source) -> Opened:
    """A TIFF, whose pages are counted without decoding them.

    Raises:
        DamagedFile: no page can be found in it.
    """
    return Opened("tiff", _count(source), lambda number: _load(source, number))


def _count(source: Source) -> int:
    """Pages with a readable directory; Pillow stops at a directory that points back."""
    with picture(source, ("TIFF",)) as image:
        number = 0
        while number < MAX_DIRECTORIES:
            try:
                image.seek(number)
            except EOFError:
                break
            except Exception as error:  # a directory in the middle that cannot be parsed
                if number == 0:
                    raise DamagedFile(f"'{source.name}' has no readable page ({error}); export it again") from error
                return number + 1  # counted, so that loading it says what is wrong
            number += 1
    return max(number, 1)


def _load(source: Source, number: int) -> Sheet:
    with picture(source, ("TIFF",)) as image:
        image.seek(number - 1)
        check_size(image.width, image.height, source.name)
        ratio = _ratio(image)
        if not 1 / SQUARE < ratio < SQUARE:
            wide, high = _square_size(image.width, image.height, ratio)
            check_size(wide, high, source.name)
        rgb = decode(image)
    if 1 / SQUARE < ratio < SQUARE:
        return Sheet(rgb)
    if not 1 / MAX_RATIO <= ratio <= MAX_RATIO:
        note = f"the file says its dots are {ratio:.3g} times as dense across as down; that was not believed"
        return Sheet(rgb, (Finding("dots_not_square", note, 0.5),))
    note = f"dots are {ratio:.2f} times as dense across as down (a fax); the page was stretched to square dots"
    return Sheet(_squared(rgb, ratio), (Finding("dots_not_square", note),))


def _ratio(image: object) -> float:
    """Dots per length across over those down, 1 where the file says nothing."""
    tags = getattr(image, "tag_v2", {})
    try:
        across, down = float(tags.get(XRES_TAG) or 0), float(tags.get(YRES_TAG) or 0)
    except (TypeError, ValueError, ZeroDivisionError):
        return 1.0
    if not (np.isfinite(across) and np.isfinite(down) and across > 0 and down > 0):
        return 1.0
    lies_on_side = tags.get(ORIENTATION_TAG) in {5, 6, 7, 8}  # Pillow turns the page while decoding it
    return down / across if lies_on_side else across / down


def _square_size(width: int, height: int, ratio: float) -> tuple[int, int]:
    """The coarser direction is stretched, so that no dot is lost."""
    if not 1 / MAX_RATIO <= ratio <= MAX_RATIO:
        return width, height
    return (width, round(height * ratio)) if ratio > 1 else (round(width / ratio), height)


def _squared(rgb: NDArray[np.uint8], ratio: float) -> NDArray[np.uint8]:
    import cv2

    size = _square_size(rgb.shape[1], rgb.shape[0], ratio)
    return np.asarray(cv2.resize(rgb, size, interpolation=cv2.INTER_LINEAR), dtype=np.uint8)
