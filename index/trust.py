"""A large file whose checksum was verified once is trusted while its size, times and place on the disk stand.

Who has verified it writes ``NAME.trusted`` beside it. That note names the file by device and inode, so that it is
worth nothing beside a copy, and is only a saving of time: without it the file is read and checked again.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import time
from pathlib import Path
from typing import BinaryIO

TRUST_FROM_BYTES = 2**25
"""A smaller file is checked in less time than anybody notices."""
_READ_BYTES = 2**22
SETTLED_NS = 2_000_000_000
"""A file changed twice within one tick of the clock (2 s on FAT, milliseconds elsewhere) shows one time: only a file
that has rested as long can be told from a later state of it."""


def is_intact_file(file: BinaryIO, length: int, sha256: str) -> bool:
    """Whether an open file has that length and checksum; reads it from its beginning."""
    whole, read = hashlib.sha256(), 0
    file.seek(0)
    while read <= length and (piece := file.read(_READ_BYTES)):
        whole.update(piece)
        read += len(piece)
    file.seek(0)
    return read == length and whole.hexdigest() == sha256


def is_verified(path: Path, file: BinaryIO, length: int, sha256: str) -> bool:
    """Whether an open file is what was recorded: by a check of before that still holds, or by reading it now."""
    if is_trusted(path, file, sha256):
        return True
    noted = may_be_noted(file)
    intact = is_intact_file(file, length, sha256)
    if intact and noted:
        note_trust(path, file, sha256)
    return intact


def note_of(file: Path) -> Path:
    """Where the note about a file stands."""
    return file.with_name(f"{file.name}.trusted")


def is_trusted(file: Path, opened: BinaryIO, sha256: str) -> bool:
    """Whether this very file was verified before to have that checksum and was not changed since."""
    try:
        note = json.loads(note_of(file).read_bytes())
    except (OSError, ValueError):
        return False
    return note == {**_marks(os.fstat(opened.fileno())), "sha256": sha256}


def may_be_noted(opened: BinaryIO) -> bool:
    """Whether a check that begins now can be told from a later change; ask before the file is read."""
    found = os.fstat(opened.fileno())
    settled = time.time_ns() - max(found.st_mtime_ns, found.st_ctime_ns) >= SETTLED_NS
    return settled and found.st_size >= TRUST_FROM_BYTES


def note_trust(file: Path, opened: BinaryIO, sha256: str) -> None:
    """Leave word that the file was verified; where that cannot be written it is verified again next time."""
    unfinished = note_of(file).with_name(f"{note_of(file).name}.{os.getpid()}")
    content = json.dumps({**_marks(os.fstat(opened.fileno())), "sha256": sha256}, sort_keys=True)
    with contextlib.suppress(OSError):
        try:
            unfinished.write_text(content + "\n", encoding="utf-8")
            unfinished.replace(note_of(file))
        except OSError:
            unfinished.unlink(missing_ok=True)
            raise


def _marks(found: os.stat_result) -> dict[str, int]:
    return {
        "device": found.st_dev,
        "inode": found.st_ino,
        "size": found.st_size,
        "mtime_ns": found.st_mtime_ns,
        "ctime_ns": found.st_ctime_ns,
    }
