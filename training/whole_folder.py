"""A folder that is written as a whole or not at all: a killed run leaves nothing that passes for it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from index.store import sync_folder


@contextmanager
def whole_folder(out: Path) -> Iterator[Path]:
    """An empty folder beside ``out`` to write into; it takes that name, in place of what stood there, at the end.

    What a killed process left half written is cleared away by the next one, and an exception takes it along. Only
    a process that is killed between the removal of an old folder and the naming of the new one leaves neither. Of two
    processes only one may write the same folder at a time.

    Args:
        out: the folder's name when it is whole.

    Yields:
        where its files are written, on the same file system.
    """
    scratch = out.with_name(f".{out.name}.part")
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir(parents=True)
    try:
        yield scratch
        _to_disk(scratch)
        if out.exists():
            shutil.rmtree(out)
        scratch.replace(out)
        sync_folder(out.parent)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _to_disk(folder: Path) -> None:
    """Nothing is renamed before its bytes are safe, or a power cut would leave the name and no content."""
    for path in [*folder.rglob("*"), folder]:
        if path.is_dir():
            sync_folder(path)
            continue
        with path.open("r+b") as file:
            os.fsync(file.fileno())
