"""Decode the frames of a DICOM secondary capture to RGB: a page that was scanned or printed into an archive."""

from __future__ import annotations

import io
import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray

from retrieval.errors import BadInput, DamagedFile, ExtraMissing, TooLarge
from retrieval.intake.image_reader import check_size
from retrieval.intake.limits import MAX_BYTES
from retrieval.intake.opening import Opened, Sheet

DEEPEST = 8
"""Bits of a sample that are shown as they are; deeper ones are brought down by the file's window or their range."""


def open_picture(dataset: Any, name: str) -> Opened:
    """A secondary capture with its frames as pages.

    Raises:
        TooLarge: a frame over 51 megapixels, or all of them over 200 MB.
        DamagedFile: no size.
    """
    wide, high = int(dataset.get("Columns") or 0), int(dataset.get("Rows") or 0)
    frames = int(dataset.get("NumberOfFrames") or 1)
    check_size(wide, high, name)
    if frames < 1:
        raise DamagedFile(f"'{name}' says it has {frames} frames; export it again")
    return Opened("dicom_image", frames, lambda number: _load(dataset, number, name))


def _load(dataset: Any, number: int, name: str) -> Sheet:
    from pydicom.pixels.utils import pixel_array

    _check_frame(dataset, number, name)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            values = pixel_array(dataset, index=number - 1)
            rgb = _rgb(np.asarray(values), dataset)
    except (MemoryError, BadInput):
        raise
    except Exception as error:  # pydicom and the decoders behind it raise what they like
        raise _failed(error, dataset, name) from error
    return Sheet(rgb)


def _failed(error: Exception, dataset: Any, name: str) -> Exception:
    syntax = dataset.file_meta.get("TransferSyntaxUID") if hasattr(dataset, "file_meta") else None
    if "missing dependencies" in str(error) or "missing required dependencies" in str(error):
        packing = syntax.name if syntax is not None else "unknown"
        return ExtraMissing(
            f"'{name}' is packed as {packing}, which needs pylibjpeg; "
            "install the extra: pip install 'nearbeat[formats]'"
        )
    reason = " ".join(str(error).split())[:200]
    return DamagedFile(f"a frame of '{name}' cannot be decoded ({reason}); export it again")


def _check_frame(dataset: Any, number: int, name: str) -> None:
    """What a packed frame says of its own size counts more than what stands around it."""
    from PIL import Image
    from pydicom.encaps import get_frame

    size = int(dataset.Rows) * int(dataset.Columns) * int(dataset.get("SamplesPerPixel") or 1)
    deep = max(int(dataset.get("BitsAllocated") or 8) // 8, 1)
    if size * deep > 2 * MAX_BYTES:
        raise TooLarge(f"a frame of '{name}' decodes to {size * deep / 1e6:.0f} MB; scale it down")
    if not dataset.file_meta.get("TransferSyntaxUID") or not dataset.file_meta.TransferSyntaxUID.is_compressed:
        return
    try:
        frame = get_frame(dataset.PixelData, number - 1, number_of_frames=int(dataset.get("NumberOfFrames") or 1))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(io.BytesIO(frame)) as image:
                width, height = image.size
    except Image.DecompressionBombError as error:
        raise TooLarge(f"a frame of '{name}': {error}") from error
    except Exception:  # no kind that Pillow knows, such as RLE, whose decoder holds to the size around it
        return
    check_size(width, height, name, len(frame))


def _rgb(values: NDArray[Any], dataset: Any) -> NDArray[np.uint8]:
    """Frame ``[rows, columns]`` or ``[rows, columns, 3]`` -> RGB as a viewer shows it."""
    from pydicom.pixels.processing import apply_color_lut, apply_modality_lut, apply_voi_lut

    photometric = str(dataset.get("PhotometricInterpretation") or "").strip()
    if photometric == "PALETTE COLOR":
        values = np.asarray(apply_color_lut(values, dataset))
        return _eight_bits(values, 255.0 if values.dtype == np.uint8 else 65535.0)
    if values.ndim == 3:
        stored = int(dataset.get("BitsStored") or DEEPEST)
        return _eight_bits(values[:, :, :3], float(2**stored - 1))
    if "WindowCenter" in dataset or "VOILUTSequence" in dataset:
        gray = _over_range(np.asarray(apply_voi_lut(apply_modality_lut(values, dataset), dataset), np.float64))
    elif int(dataset.get("BitsStored") or DEEPEST) <= DEEPEST and values.dtype == np.uint8:
        gray = _eight_bits(values, float(2 ** int(dataset.get("BitsStored") or DEEPEST) - 1))
    else:
        gray = _over_range(values.astype(np.float64))
    gray = 255 - gray if photometric == "MONOCHROME1" else gray
    return np.repeat(gray[:, :, None], 3, axis=2)


def _eight_bits(values: NDArray[Any], top: float) -> NDArray[np.uint8]:
    if top == 255.0:
        return np.ascontiguousarray(values.astype(np.uint8))
    return np.clip(values * (255.0 / top), 0, 255).astype(np.uint8)


def _over_range(values: NDArray[np.float64]) -> NDArray[np.uint8]:
    """The darkest sample black and the brightest white; a page has both."""
    low, high = float(values.min()), float(values.max())
    return np.round((values - low) * (255.0 / max(high - low, 1e-9))).astype(np.uint8)
