"""Whether the files of a corpus are those that were published."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from retrieval.corpora.download import PART, file_sha256
from retrieval.corpora.sums import SUMS, read_sums
from retrieval.errors import CorpusError

Progress = Callable[[int, int], None]
"""Called with (done, all)."""


@dataclass(frozen=True)
class Checked:
    """What a folder holds of its list of checksums.

    Args:
        right: files with the content that was published.
        absent: files that are not there, which is no fault: a part of a corpus is one too.
        wrong: files with another content.
        parts: what an interrupted fetch left.
    """

    folder: Path
    right: int
    absent: int
    wrong: tuple[str, ...]
    parts: tuple[str, ...]


def check(folder: Path, progress: Progress | None = None) -> Checked:
    """Compare each file of a corpus with its checksum.

    Raises:
        CorpusError: when there is no list of checksums.
    """
    if not (folder / SUMS).is_file():
        raise CorpusError(
            f"{folder} holds no {SUMS}; nearbeat corpus fetch brings it; for your own files, name "
            "their table with --reports CSV"
        )
    sums = read_sums(folder / SUMS)
    right, absent, wrong = 0, 0, []
    for done, (path, sha256) in enumerate(sums.items(), start=1):
        if not (folder / path).is_file():
            absent += 1
        elif file_sha256(folder / path) == sha256:
            right += 1
        else:
            wrong.append(path)
        if progress:
            progress(done, len(sums))
    parts = tuple(sorted(str(path.relative_to(folder)) for path in folder.rglob(f"*{PART}")))
    return Checked(folder, right, absent, tuple(wrong), parts)
