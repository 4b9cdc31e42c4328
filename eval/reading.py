"""Pictures read back by the real intake, in processes beside this one, with every page kept for the next run."""

from __future__ import annotations

import hashlib
import multiprocessing
import os
import zipfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Protocol

import cv2
import numpy as np

import retrieval
from index.errors import NearBeatError
from retrieval.ecg.page import Gray

__all__ = ["PageReader", "ReadPage", "Readable", "code_that_reads", "read_one"]

DRAWS_AND_READS = ("ecg", "intake")
APART = frozenset({"beats.py", "encodings", "simulator", "__pycache__"})
"""What of those neither draws, nor spoils, nor reads a page."""


class Readable(Protocol):
    """A picture or a file that intake can read."""

    @property
    def key(self) -> str:
        """What tells it from every other."""
        ...

    def read(self) -> Gray:
        """The canonical page."""
        ...


@dataclass(frozen=True)
class ReadPage:
    """What intake made of a picture.

    Args:
        pixels: the canonical page; None where it was refused.
        refusal: the reason in words; empty where it was read.
    """

    pixels: Gray | None
    refusal: str = ""


class PageReader:
    """Reads pictures in several processes; use it in a ``with`` block.

    Args:
        cache: folder in which each page is kept as soon as it is read, or None to keep none.
        workers: processes; 1 reads in this one, 0 takes one per core.
    """

    def __init__(self, cache: Path | None, workers: int = 0) -> None:
        self._cache = cache
        self._workers = workers or os.cpu_count() or 1
        self._pool: ProcessPoolExecutor | None = None

    def __enter__(self) -> PageReader:
        """Give the reader itself; processes start with the first page that is not in the cache."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the processes; pages that wait are not read any more."""
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)

    def read(self, pictures: Sequence[Readable], progress: Callable[[int], None]) -> list[ReadPage]:
        """Read pictures, in their order; ``progress`` is told how many are done."""
        files = [self._file(picture) for picture in pictures]
        found = [None if file is None else _load(file) for file in files]
        left = [i for i, page in enumerate(found) if page is None]
        progress(len(found) - len(left))
        made = self._read([pictures[i] for i in left])
        for done, (i, page) in enumerate(zip(left, made, strict=True), start=1):
            found[i] = page
            if (file := files[i]) is not None:
                _save(file, page)
            progress(len(found) - len(left) + done)
        return [page for page in found if page is not None]

    def _read(self, pictures: Sequence[Readable]) -> Iterator[ReadPage]:
        if self._workers == 1 or not pictures:
            return map(read_one, pictures)
        if self._pool is None:
            # Forking a process whose libraries run threads may hang the child.
            fresh = multiprocessing.get_context("spawn")
            self._pool = ProcessPoolExecutor(self._workers, fresh, initializer=cv2.setNumThreads, initargs=(1,))
        return self._pool.map(read_one, pictures)

    def _file(self, picture: Readable) -> Path | None:
        if self._cache is None:
            return None
        key = hashlib.sha256(f"{code_that_reads()} {picture.key}".encode()).hexdigest()
        return self._cache / f"{key[:32]}.npz"


def read_one(picture: Readable) -> ReadPage:
    """One picture; what the product would answer with an error is a refusal, and so is a failure of its code."""
    try:
        return ReadPage(picture.read())
    except NearBeatError as error:
        return ReadPage(None, f"{type(error).__name__}: {error}")
    except Exception as error:
        return ReadPage(None, f"failed: {error!r}")


@cache
def code_that_reads() -> str:
    """A digest of the code that draws, spoils and reads pages, and of what it stands on: other code, other pages."""
    digest = hashlib.sha256(f"{cv2.__version__} {np.__version__}".encode())
    root = Path(str(retrieval.__file__)).parent
    for folder in DRAWS_AND_READS:
        for file in sorted((root / folder).rglob("*")):
            if file.is_file() and not APART.intersection(file.relative_to(root).parts):
                digest.update(file.relative_to(root).as_posix().encode() + file.read_bytes())
    return digest.hexdigest()


def _load(file: Path) -> ReadPage | None:
    try:
        with file.open("rb") as data, np.load(data, allow_pickle=False) as stored:
            refusal = str(stored["refusal"])
            return ReadPage(None if refusal else stored["pixels"], refusal)
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return None  # A missing or damaged page is read again.


def _save(file: Path, page: ReadPage) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    unfinished = file.with_suffix(f".{os.getpid()}.tmp")
    pixels = np.zeros((0, 0), np.uint8) if page.pixels is None else page.pixels
    with unfinished.open("wb") as data:
        np.savez_compressed(data, pixels=pixels, refusal=np.array(page.refusal))
    unfinished.replace(file)
