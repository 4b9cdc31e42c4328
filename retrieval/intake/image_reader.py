"""Decode a picture file to upright RGB, with its size known before a pixel is decoded."""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from retrieval.errors import DamagedFile, TooLarge, UnsupportedFormat
from retrieval.intake.limits import BLANK_PIXELS, MAX_PIXELS, MAX_SIDE, MAX_WEBP_PIXELS, PIXELS_PER_BYTE
from retrieval.intake.opening import Opened, Sheet, Source, load_source
from retrieval.intake.result import Finding

if TYPE_CHECKING:
    from PIL.Image import Image as PillowImage

Rgb = NDArray[np.uint8]
STILL_FORMATS = ("PNG", "JPEG", "BMP", "WEBP", "GIF")
FORMATS = (*STILL_FORMATS, "TIFF")
STRIP_ROWS = 512
"""Rows that are converted at a time: the picture and its RGB are in memory at once, but no third copy."""
ORIENTATION_TAG = 0x0112


def open_image(source: Source) -> Opened:
    """A PNG, JPEG, BMP, WebP or GIF as a file of one page; of an animation the first frame is read, and told."""
    return Opened("image", 1, lambda _: _sheet(source))


def read_image(path: Path) -> Rgb:
    """Decode a PNG, JPEG, BMP, WebP, GIF or TIFF to ``[height, width, 3]`` uint8 RGB, EXIF orientation applied.

    Alpha is laid on white, 16-bit grey is scaled, CMYK converted; of several pages the first is read.

    Raises:
        TooLarge: more than 51 megapixels or a side over 16,000, known from the header alone.
        DamagedFile: truncated or damaged.
        UnsupportedFormat: not one of the formats.
    """
    source = load_source(path)
    with picture(source, FORMATS) as image:
        return decode(image)


def _sheet(source: Source) -> Sheet:
    with picture(source, STILL_FORMATS) as image:
        frames = int(getattr(image, "n_frames", 1))
        rgb = decode(image)
    if frames < 2 or image.format == "MPO":  # a phone's second frame is the depth or the same scene again
        return Sheet(rgb)
    return Sheet(rgb, (Finding("first_frame", f"the picture has {frames} frames, of which the first was read"),))


@contextmanager
def picture(source: Source, formats: tuple[str, ...] = FORMATS) -> Iterator[PillowImage]:
    """Open a picture, its size checked; what Pillow raises inside the block becomes one of ours."""
    from PIL import Image, UnidentifiedImageError

    name = source.name
    with warnings.catch_warnings():
        # Pillow warns of bombs at a size of its own; ours is checked below, before any pixel is decoded.
        warnings.simplefilter("ignore")
        try:
            with Image.open(io.BytesIO(source.data), formats=formats) as image:
                gray = image.mode in {"1", "L", "P"}
                check_size(image.width, image.height, name, None if gray else len(source.data))
                if image.format == "WEBP":
                    _check_webp(image.width, image.height, name)
                yield image
        except UnidentifiedImageError as error:
            raise DamagedFile(f"'{name}' starts like a picture but has no readable header; send it again") from error
        except Image.DecompressionBombError as error:
            raise TooLarge(f"'{name}': {error}; crop it to the ECG") from error
        except (OSError, SyntaxError, ValueError, LookupError, ArithmeticError, TypeError, AttributeError) as error:
            raise DamagedFile(f"'{name}' is truncated or damaged ({error}); fetch or export it again") from error


def check_size(width: int, height: int, name: str, packed: int | None = None) -> None:
    """Refuse a picture whose decoded size no page can need, or that is far larger than its ``packed`` bytes can fill.

    Raises:
        TooLarge: over 51 megapixels, a side over 16,000 pixels, or over 4,000 pixels for each byte of the file.
        UnsupportedFormat: no area at all.
    """
    if width < 1 or height < 1:
        raise UnsupportedFormat(f"'{name}' has {width} x {height} pixels")
    if width * height > MAX_PIXELS or max(width, height) > MAX_SIDE:
        raise TooLarge(
            f"'{name}' decodes to {width:,} x {height:,} pixels ({width * height / 1e6:.0f} megapixels); at most "
            f"{MAX_PIXELS // 10**6} megapixels and {MAX_SIDE:,} a side are read: scale it down"
        )

    if packed is not None and width * height > max(BLANK_PIXELS, PIXELS_PER_BYTE * packed):
        raise TooLarge(
            f"'{name}' unpacks {packed:,} bytes to {width:,} x {height:,} pixels, which only a blank sheet or a bomb "
            "does; crop it to the ECG"
        )


def _check_webp(width: int, height: int, name: str) -> None:
    if width * height > MAX_WEBP_PIXELS:
        raise TooLarge(
            f"'{name}' is a WebP of {width * height / 1e6:.0f} megapixels; at most {MAX_WEBP_PIXELS // 10**6} are "
            "read: scale it down, or save it as JPEG"
        )


def decode(image: PillowImage) -> Rgb:
    """Pixels of an opened picture as upright RGB; of its metadata nothing but the orientation is looked at."""
    image.load()
    orientation = image.getexif().get(ORIENTATION_TAG)
    rgb = np.empty((image.height, image.width, 3), np.uint8)
    top_value = _deep_top(image)
    for top in range(0, image.height, STRIP_ROWS):
        bottom = min(top + STRIP_ROWS, image.height)
        rgb[top:bottom] = _strip_rgb(image.crop((0, top, image.width, bottom)), top_value)
    image.close()  # its pixels are as large as ours, which may be needed twice while they are turned
    return np.ascontiguousarray(_upright(rgb, orientation))


def _strip_rgb(strip: PillowImage, deep_top: float) -> NDArray[np.uint8]:
    from PIL import Image

    if deep_top:
        values = np.nan_to_num(np.asarray(strip, dtype=np.float32))
        gray = np.clip(values * (255.0 / deep_top), 0, 255).astype(np.uint8)
        return np.repeat(gray[:, :, None], 3, axis=2)
    if strip.mode in {"RGBA", "LA", "PA", "RGBa", "La"} or "transparency" in strip.info:
        paper = Image.new("RGBA", strip.size, (255, 255, 255, 255))
        paper.alpha_composite(strip.convert("RGBA"))
        strip = paper
    return np.asarray(strip.convert("RGB"), dtype=np.uint8)


def _deep_top(image: PillowImage) -> float:
    """White of a picture of 16 or 32 bits: its full 16-bit range, or its own where it fits none; else 0."""
    if not (image.mode.startswith("I") or image.mode == "F"):
        return 0.0
    extremes = image.getextrema()
    highest = extremes[1] if isinstance(extremes, tuple) else 0.0
    highest = float(highest) if isinstance(highest, int | float) and np.isfinite(highest) else 0.0
    return 65535.0 if 255.0 < highest <= 65535.0 else max(highest, 1.0)


def _upright(rgb: Rgb, orientation: object) -> Rgb:
    """Apply EXIF's orientation (CIPA DC-008, tag 274): what is named is the side where the first row was."""
    turns = {3: 2, 4: 2, 5: 3, 6: 3, 7: 1, 8: 1}
    if not isinstance(orientation, int) or not 2 <= orientation <= 8:
        return rgb
    turned = np.rot90(rgb, turns.get(orientation, 0))
    return turned[:, ::-1] if orientation in {2, 4, 5, 7} else turned
