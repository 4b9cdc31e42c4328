"""Decode a picture file to upright RGB, with its size known before a pixel is decoded."""

from __future__ import annotations

import io
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from retrieval.errors import DamagedFile, TooLarge, UnsupportedFormat

if TYPE_CHECKING:
    from PIL.Image import Image as PillowImage

Rgb = NDArray[np.uint8]
FORMATS = ("PNG", "JPEG", "BMP", "WEBP", "TIFF")
MAX_PIXELS = 60_000_000
MAX_SIDE = 16_000
MAX_BYTES = 200_000_000


def read_image(path: Path) -> Rgb:
    """Decode a PNG, JPEG, BMP, WebP or TIFF to ``[height, width, 3]`` uint8 RGB, EXIF orientation applied.

    Alpha is laid on white, 16-bit grey is scaled, CMYK converted; of a TIFF with several pages the first is read.

    Raises:
        TooLarge: more than 60 megapixels or a side over 16,000, known from the header alone.
        DamagedFile: truncated or damaged.
        UnsupportedFormat: not one of the five formats.
    """
    from PIL import Image, UnidentifiedImageError

    if path.stat().st_size > MAX_BYTES:
        raise TooLarge(f"'{path.name}' has {path.stat().st_size / 1e6:.0f} MB; at most {MAX_BYTES // 10**6} are read")
    data = io.BytesIO(path.read_bytes())
    with warnings.catch_warnings():
        # Pillow warns of bombs at a size of its own; ours is checked below, before any pixel is decoded.
        warnings.simplefilter("ignore")
        try:
            with Image.open(data, formats=FORMATS) as image:
                check_size(image.width, image.height, path.name)
                return _decode(image)
        except UnidentifiedImageError as error:
            raise DamagedFile(
                f"'{path.name}' starts like a picture but has no readable header; send it again"
            ) from error
        except Image.DecompressionBombError as error:
            raise TooLarge(f"'{path.name}': {error}; crop it to the ECG") from error
        except (OSError, SyntaxError, ValueError, EOFError, IndexError, ArithmeticError) as error:
            raise DamagedFile(f"'{path.name}' is truncated or damaged ({error}); fetch or export it again") from error


def check_size(width: int, height: int, name: str) -> None:
    """Refuse a picture whose decoded size no page can need.

    Raises:
        TooLarge: over 60 megapixels, or a side over 16,000 pixels.
        UnsupportedFormat: no area at all.
    """
    if width < 1 or height < 1:
        raise UnsupportedFormat(f"'{name}' has {width} x {height} pixels")
    if width * height > MAX_PIXELS or max(width, height) > MAX_SIDE:
        raise TooLarge(
            f"'{name}' decodes to {width:,} x {height:,} pixels ({width * height / 1e6:.0f} megapixels); at most "
            f"{MAX_PIXELS // 10**6} megapixels and {MAX_SIDE:,} a side are read: scale it down"
        )


def _decode(image: PillowImage) -> Rgb:
    from PIL import Image, ImageOps

    image.load()
    upright = ImageOps.exif_transpose(image) or image
    if upright.mode.startswith("I") or upright.mode == "F":
        return _from_deep(np.asarray(upright, dtype=np.float64))
    if upright.mode in {"RGBA", "LA", "PA", "RGBa", "La"} or "transparency" in upright.info:
        colour = upright.convert("RGBA")
        paper = Image.new("RGBA", colour.size, (255, 255, 255, 255))
        paper.alpha_composite(colour)
        upright = paper
    return np.array(upright.convert("RGB"), dtype=np.uint8)


def _from_deep(values: NDArray[np.float64]) -> Rgb:
    """Grey of 16 or 32 bits to 8: by its full 16-bit range, or by its own range where it fits none."""
    top = 65535.0 if 255.0 < values.max() <= 65535.0 else max(float(values.max()), 1.0)
    gray = np.clip(np.nan_to_num(values) / top * 255.0, 0, 255).astype(np.uint8)
    return np.repeat(gray[:, :, None], 3, axis=2)
