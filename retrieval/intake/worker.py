"""Read files in another process, which is stopped when it takes too long, grows too large, or breaks.

A decoder is a large program that strangers' files steer. Here one that hangs, eats the memory or crashes costs its
own process and gives the same kind of error as any other bad input. Everything runs on threads and pipes that each
system has; the limits of memory and processor time are those of ``resource``, where the system offers it.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from retrieval.intake.keeper import Keeper, Reply

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from index.errors import NearBeatError
    from retrieval.intake.correction import Correction
    from retrieval.intake.declared import Declared
    from retrieval.intake.result import Intake

SECONDS = 10.0
MEMORY_MB = 1024
READ, DRAW = "retrieval.intake:read", "retrieval.intake.overlay:read_and_draw"
LOOK = "retrieval.intake.picture:read_picture"
THREADS_FOR_ONE = min(2, os.cpu_count() or 1)
"""For a file that somebody waits for."""


class Reader:
    """Reads files in ``workers`` child processes; use it in a ``with`` block, at whose end they are gone.

    The children start with the first file, serve one file after the other, and are replaced when they were stopped.

    Args:
        workers: files that are read at a time.
        seconds: limit for a file; on Linux, up to three times as long where others keep the processor busy.
        memory_mb: limit of memory for a child.
        reader: what the child calls, as ``module:function``; a path goes in and an ``Intake`` comes out.
        threads: for a picture, 1 or 2; without it two where somebody waits for one file at a time, else one.
    """

    def __init__(
        self,
        workers: int = 1,
        *,
        seconds: float = SECONDS,
        memory_mb: int = MEMORY_MB,
        reader: str = READ,
        threads: int | None = None,
    ) -> None:
        self.workers, self.seconds, self.memory_mb, self.reader = max(1, workers), seconds, memory_mb, reader
        self._threads = ThreadPoolExecutor(self.workers, thread_name_prefix="nearbeat-intake")
        threads = threads or (THREADS_FOR_ONE if self.workers == 1 else 1)
        self._children = deque(Keeper(memory_mb, threads) for _ in range(self.workers))
        self._all = tuple(self._children)

    def __enter__(self) -> Reader:
        """Give the reader itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the children, whatever they do."""
        self.close()

    def close(self) -> None:
        """End the children; files that wait are not read any more."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        for child in self._all:
            child.end()
        self._threads.shutdown(wait=True)

    def start(
        self,
        path: str | Path,
        page: int | None = None,
        declared: Declared | None = None,
        correction: Correction | None = None,
    ) -> Future[Intake]:
        """Begin to read a file; the future gives what ``retrieval.intake.read`` would, errors included."""
        return self._threads.submit(self._read, str(path), page, declared, correction)

    def read(
        self,
        path: str | Path,
        page: int | None = None,
        declared: Declared | None = None,
        correction: Correction | None = None,
    ) -> Intake:
        """Read a file.

        Raises:
            BadInput: as ``retrieval.intake.read``, and also ``TookTooLong``, ``TooLarge`` and ``ReaderFailed``.
        """
        return self.start(path, page, declared, correction).result()

    def ahead(
        self, paths: Iterable[str | Path], correction: Correction | None = None, declared: Declared | None = None
    ) -> Iterator[Future[Intake]]:
        """Begin to read several files and give their futures in order, never far ahead of who takes them."""
        coming = (self.start(path, None, declared, correction) for path in paths)
        begun = deque(islice(coming, 2 * self.workers))

        def take() -> Iterator[Future[Intake]]:
            while begun:
                yield begun.popleft()
                begun.extend(islice(coming, 1))

        return take()

    def draw(
        self,
        path: str | Path,
        page: int | None = None,
        declared: Declared | None = None,
        correction: Correction | None = None,
    ) -> tuple[Intake, NDArray[np.uint8]]:
        """Read a file and draw what was understood over its picture: RGB uint8 ``[height, width, 3]``."""
        reply = self._threads.submit(self.ask, str(path), page, declared, DRAW, correction).result()
        return _intake(reply), reply.arrays["overlay"]

    def look(self, path: str | Path, page: int | None = None) -> tuple[NDArray[np.uint8], tuple[int, int]]:
        """A page as it looks: RGB uint8 that may be smaller than the page, and the page's own width and height.

        Raises:
            BadInput: as ``retrieval.intake.picture.read_picture``, and as ``read``.
        """
        reply = self._threads.submit(self.ask, str(path), page, None, LOOK).result()
        _refused(reply)
        wide, high = (int(side) for side in reply.arrays["size"])
        return reply.arrays["picture"], (wide, high)

    def ask(
        self,
        path: str,
        page: int | None = None,
        declared: Declared | None = None,
        reader: str | None = None,
        correction: Correction | None = None,
    ) -> Reply:
        """Have a child read a file and give its reply as it is, refusals too."""
        request = {
            "path": path,
            "folder": str(Path.cwd()),
            "page": page,
            "declared": None if declared is None else asdict(declared),
            "correction": None if correction is None or not correction.given else correction.as_json(),
            "reader": reader or self.reader,
            "seconds": self.seconds,
        }
        child = self._children.popleft()  # there are as many threads as children
        try:
            return child.ask(request)
        finally:
            self._children.append(child)

    def _read(self, path: str, page: int | None, declared: Declared | None, correction: Correction | None) -> Intake:
        return _intake(self.ask(path, page, declared, correction=correction))


def workers_for(files: int) -> int:
    """How many children are worth their start for that many files: one for every processor but no more than four."""
    return max(1, min(4, os.cpu_count() or 1, files // 4))


def read_safely(
    path: str | Path,
    *,
    seconds: float = SECONDS,
    memory_mb: int = MEMORY_MB,
    page: int | None = None,
    declared: Declared | None = None,
    correction: Correction | None = None,
) -> Intake:
    """As ``retrieval.intake.read``, in a process of its own that is stopped when it is over its limits.

    Args:
        path: the file.
        seconds: limit, the start of the process (about 0.3 s) included; on Linux, up to three times as long where
            others keep the processor busy.
        memory_mb: limit of memory.
        page: which page of the file, from 1; without it, the first that holds an ECG.
        declared: rate, unit and leads of samples whose file does not say them.
        correction: what a person sets by hand.

    Raises:
        BadInput: as ``retrieval.intake.read``, and also ``TookTooLong``, ``TooLarge`` and ``ReaderFailed``.
    """
    with Reader(seconds=seconds, memory_mb=memory_mb) as reader:
        return reader.read(path, page, declared, correction)


def _intake(reply: Reply) -> Intake:
    """The intake of a reply, or the error that it tells of."""
    from retrieval.intake.wire import intake_of

    _refused(reply)
    return intake_of(reply.message["intake"], reply.arrays, reply.message["patient_key"])


def _refused(reply: Reply) -> None:
    """Raise the error that a reply tells of."""
    if "error" in reply.message:
        raise _error(str(reply.message["error"]["kind"]), str(reply.message["error"]["message"]))


def _error(kind: str, message: str) -> NearBeatError:
    from retrieval import errors

    known = {
        one.kind: one
        for one in vars(errors).values()
        if isinstance(one, type) and issubclass(one, errors.NearBeatError)
    }
    return known.get(kind, errors.ReaderFailed)(message)
