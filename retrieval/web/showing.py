"""The picture that was brought as a browser can show it: as it came, or rendered from a PDF, TIFF, HEIC or DICOM."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import TYPE_CHECKING

from retrieval.errors import NearBeatError
from retrieval.web.shelf import SHOWN

if TYPE_CHECKING:
    from retrieval.service.desk import Desk
    from retrieval.web.asked import Upload
    from retrieval.web.shelf import Entry


@dataclass(frozen=True)
class Shown:
    """A picture for a browser: its bytes, their type, and the width and height in which corners and boxes count."""

    data: bytes
    media_type: str
    size: tuple[int, int]


def may_be_shown(entry: Entry) -> bool:
    """Whether there may be a picture of what was brought, which only its reader knows for sure."""
    upload = entry.asked.upload
    if upload is None or entry.memo.get(SHOWN, upload) is None:
        return False
    if entry.intake is not None:
        return entry.intake.report is not None
    return upload.shown_as is not None or upload.pictured


def shown(desk: Desk, entry: Entry) -> Shown | None:
    """The picture of an entry, made when it is first asked for; ``None`` where there is none."""
    if not may_be_shown(entry):
        return None
    if SHOWN not in entry.memo:
        entry.memo[SHOWN] = _made(desk, entry)
    return entry.memo[SHOWN]


def _made(desk: Desk, entry: Entry) -> Shown | None:
    upload, intake = entry.asked.upload, entry.intake
    if upload is None:
        return None
    if upload.shown_as is not None:
        size = intake.report.picture if intake is not None and intake.report is not None else _size(upload)
        return None if size == (0, 0) else Shown(upload.data, upload.shown_as, size)
    try:
        data, size = desk.look(upload.data, upload.name, intake.number if intake is not None else entry.asked.page)
    except NearBeatError:  # why it cannot be read, the page of the refusal says
        return None
    return Shown(data, "image/jpeg", size)


def _size(upload: Upload) -> tuple[int, int]:
    """Width and height of a picture that was refused, as it is seen; from its header, nothing is decoded."""
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(io.BytesIO(upload.data), formats=("JPEG", "PNG", "WEBP")) as image:
            turned = image.getexif().get(0x0112, 1) in (5, 6, 7, 8)
            return (image.height, image.width) if turned else image.size
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return 0, 0
