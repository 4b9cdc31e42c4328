"""``SHA256SUMS.txt``: which files a corpus has, and the checksum of each."""

from __future__ import annotations

import re
from pathlib import Path, PurePosixPath

from retrieval.errors import CorpusError

SUMS = "SHA256SUMS.txt"
_LINE = re.compile(r"([0-9a-fA-F]{64})[ \t]+\*?(.+)")


def read_sums(path: Path) -> dict[str, str]:
    """Path to checksum, in the order of the file.

    Raises:
        CorpusError: when the file is none of checksums, or names a path outside of its folder.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError as error:
        raise CorpusError(f"{path} is no list of checksums (byte {error.start} is no text)") from error
    sums: dict[str, str] = {}
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        found = _LINE.fullmatch(line.strip())
        if found is None:
            raise CorpusError(
                f"{path} line {number} is no checksum with a path: '{line.strip()[:60]}'; was it a page to log in?"
            )
        sums[_inside(found[2], path, number)] = found[1].lower()
    if not sums:
        raise CorpusError(f"{path} lists no file")
    return sums


def _inside(path: str, table: Path, number: int) -> str:
    """The path as it is, once it is sure to stay in the folder."""
    parts = PurePosixPath(path)
    if parts.is_absolute() or ".." in parts.parts or "\\" in path or ":" in path:
        raise CorpusError(
            f"{table} line {number} names '{path}', which lies outside of the corpus; it is not followed"
        )
    return str(parts)
