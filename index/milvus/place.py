"""Where a gallery in Milvus stands, as text: ``milvus+http://HOST:PORT/NAME`` or ``milvus+file:FILE.db#NAME``."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

from index.errors import GalleryError

PREFIX = "milvus+"
TOKEN = "NEARBEAT_MILVUS_TOKEN"  # noqa: S105  # the name of the variable, not the token
"""The environment variable that holds a server's token (``user:password`` or an API key)."""
_SERVER = re.compile(r"milvus\+(https?):/{1,2}([^/#?@\s]+)/([^/#?\s]+)")
_FILE = re.compile(r"milvus\+file:([^#]+)#([^#\s]+)")
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,99}")


@dataclass(frozen=True)
class Place:
    """A server's address or a file of milvus-lite, and the name of the gallery in it.

    Args:
        name: letters, digits and underscores, the first a letter.
        address: of a server, such as ``http://milvus:19530``; empty for a file.
        file: of milvus-lite; None for a server.
    """

    name: str
    address: str = ""
    file: Path | None = None

    def __str__(self) -> str:
        """As a user writes it."""
        if self.file is not None:
            return f"{PREFIX}file:{self.file}#{self.name}"
        return f"{PREFIX}{self.address}/{self.name}"

    @property
    def token(self) -> str:
        """What the server wants to see, from the environment; never part of a place, which is shown and logged."""
        return os.environ.get(TOKEN, "") if self.file is None else ""


def place_in(text: object) -> Place | None:
    """The place that a text names, or None where it is a folder's path.

    One slash behind ``http:`` does as well as two: as a path of a file system the text has lost the other.

    Raises:
        GalleryError: when it begins as a place and is none.
    """
    given = str(text)
    if not given.startswith(PREFIX):
        return None
    server, file = _SERVER.fullmatch(given), _FILE.fullmatch(given)
    if server and _NAME.fullmatch(server[3]):
        return Place(server[3], address=f"{server[1]}://{server[2]}")
    if file and _NAME.fullmatch(file[2]) and file[1].endswith(".db"):
        path = re.sub("^/+", "/", file[1])
        return Place(file[2], file=Path(path))
    raise GalleryError(
        f"{given!r} is no place in Milvus; write milvus+http://HOST:PORT/NAME or milvus+file:FILE.db#NAME, "
        "with a NAME of letters, digits and underscores"
    )
