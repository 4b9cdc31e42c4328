"""HEIC and HEIF pictures, as phones take them, through the extra ``heic``."""

from __future__ import annotations

import importlib
import io
from typing import Any

import numpy as np
from numpy.typing import NDArray

from retrieval.errors import DamagedFile, ExtraMissing
from retrieval.intake.image_reader import check_size
from retrieval.intake.opening import Opened, Sheet, Source
from retrieval.intake.result import Finding


def open_heic(source: Source) -> Opened:
    """A HEIC file as a file of one page: its primary picture, turned as the file says.

    Raises:
        ExtraMissing: pillow-heif is not installed.
        DamagedFile: its header cannot be read.
        TooLarge: over 51 megapixels.
    """
    library = _library()
    container = _container(library, source)
    primary = container[container.primary_index]
    width, height = primary.size
    check_size(width, height, source.name, len(source.data))
    return Opened("heic", 1, lambda _: _sheet(primary, len(container), source.name))


def _library() -> Any:
    try:
        return importlib.import_module("pillow_heif")
    except ImportError as error:
        raise ExtraMissing(
            "HEIC pictures need pillow-heif; install the extra: pip install 'nearbeat[heic]', "
            "or save the picture as JPEG"
        ) from error


def _container(library: Any, source: Source) -> Any:
    try:
        return library.open_heif(io.BytesIO(source.data), convert_hdr_to_8bit=True)
    except Exception as error:  # libheif's own errors come as ValueError, RuntimeError, OSError and EOFError
        raise DamagedFile(f"'{source.name}' has no readable HEIC header ({error}); send it again") from error


def _sheet(primary: Any, pictures: int, name: str) -> Sheet:
    try:
        rgb = _rgb(primary)
    except Exception as error:
        raise DamagedFile(f"'{name}' is truncated or damaged ({error}); send it again") from error
    if pictures < 2:
        return Sheet(rgb)
    return Sheet(
        rgb, (Finding("first_frame", f"the file holds {pictures} pictures, of which its main one was read"),)
    )


def _rgb(primary: Any) -> NDArray[np.uint8]:
    """Pixels from libheif's own memory where they are RGB, without the copies that Pillow makes of them."""
    if primary.mode == "RGB":
        return np.array(np.asarray(primary)[:, :, :3], dtype=np.uint8)
    from PIL import Image

    decoded = primary.to_pillow()
    if "A" in decoded.mode:
        paper = Image.new("RGBA", decoded.size, (255, 255, 255, 255))
        paper.alpha_composite(decoded.convert("RGBA"))
        decoded = paper
    return np.array(decoded.convert("RGB"), dtype=np.uint8)
