"""Write a picture as a telephone that was held on its side does: turned, with a tag that says so."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from retrieval.ecg.spoil.fields import Pixels
from retrieval.errors import BadArgument

ORIENTATION_TAG = 0x0112
STORED: dict[int, Image.Transpose | None] = {
    1: None,
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}
"""How an upright picture is stored under each value of the tag (EXIF 2.32, tag 274); 6 is an upright telephone."""


def write_oriented(path: str | Path, pixels: Pixels, orientation: int, quality: int = 92) -> None:
    """Write upright ``pixels`` so that they are upright again once a reader heeds the orientation tag.

    Args:
        path: a ``.jpg``, ``.png``, ``.webp`` or ``.tif`` file.
        pixels: uint8, RGB or gray.
        orientation: 1 to 8.
        quality: of JPEG and WebP.

    Raises:
        BadArgument: another orientation.
    """
    if orientation not in STORED:
        raise BadArgument(f"the orientation is {orientation}; EXIF knows 1 to 8")
    way = STORED[orientation]
    upright = Image.fromarray(np.ascontiguousarray(pixels))
    stored = upright if way is None else upright.transpose(way)
    exif = Image.Exif()
    exif[ORIENTATION_TAG] = orientation
    stored.save(Path(path), exif=exif, quality=quality)
