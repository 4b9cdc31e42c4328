"""A corpus from PhysioNet, whole or in part, into the layout that it has there."""

from __future__ import annotations

import errno
import shutil
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

from retrieval.corpora.download import Client, Stopped, Unreachable, file_sha256, pool_of
from retrieval.corpora.ptbxl import DATABASE, PtbXl
from retrieval.corpora.sources import Source
from retrieval.corpora.sums import SUMS, read_sums
from retrieval.errors import BadArgument, CorpusError, NearBeatError

Progress = Callable[[int, int], None]
"""Called with (done, all)."""

GIVE_UP = 3
"""Files in a row that cannot be had, after which the server is taken for gone."""
MOST_CONNECTIONS = 8
RECORD_BYTES = {100: 24_700, 500: 120_700}
"""Of one record, its header included: to tell beforehand whether the disk has room."""


@dataclass(frozen=True)
class Failure:
    """A file that could not be had."""

    file: str
    kind: str
    message: str


@dataclass(frozen=True)
class Fetched:
    """What a fetch did: files that came, those that were there and right, and those that could not be had."""

    folder: Path
    fetched: int
    present: int
    bytes: int
    failed: tuple[Failure, ...] = ()


@dataclass(frozen=True)
class Wish:
    """What is wanted of a corpus.

    Args:
        folds: of PTB-XL, 1 to 10.
        rates: samples a second of the records, 100 or 500; none for the tables alone.
        connections: how many files come at a time.
        base: the address; another than the source's for a mirror.
    """

    folds: Sequence[int] = tuple(range(1, 11))
    rates: Sequence[int] = (100,)
    connections: int = 4
    base: str | None = None

    def __post_init__(self) -> None:
        if not 1 <= self.connections <= MOST_CONNECTIONS:
            raise BadArgument(
                f"{self.connections} connections were asked for; PhysioNet is shared: take 1 to {MOST_CONNECTIONS}"
            )
        if self.base is not None and not self.base.startswith(("https://", "http://")):
            raise BadArgument(f"'{self.base}' is no address; write one that begins with https://")


@dataclass
class _Work:
    """One fetch under way; its threads share what is counted here."""

    client: Client
    base: str
    folder: Path
    fetched: int = 0
    present: int = 0
    bytes: int = 0
    lost: int = 0
    failed: list[Failure] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def take(self, path: str, sha256: str) -> None:
        """Bring one file, unless it is there and right."""
        target = self.folder / path
        if target.is_file() and file_sha256(target) == sha256:
            with self.lock:
                self.present += 1
            return
        try:
            size = self.client.fetch(self.base + quote(path), target, sha256)
        except NearBeatError as error:
            self._lose(path, error)
            return
        with self.lock:
            self.fetched, self.bytes, self.lost = self.fetched + 1, self.bytes + size, 0

    def _lose(self, path: str, error: NearBeatError) -> None:
        if isinstance(error, Stopped):
            return
        with self.lock:
            self.lost = self.lost + 1 if isinstance(error, Unreachable) else 0
            if self.lost >= GIVE_UP:
                self.client.stop.set()
            self.failed.append(Failure(path, error.kind, str(error)))


def fetch(
    source: Source,
    folder: Path,
    wish: Wish,
    progress: Progress | None = None,
    wait: Callable[[float], object] | None = None,
) -> Fetched:
    """Bring what is wanted; files that are there and right stay, and parts of files are gone on with.

    Args:
        source: which corpus.
        folder: is made where it is absent.
        wish: what of it.
        progress: called with (files done, all).
        wait: waits some seconds before the next try; for tests.

    Raises:
        CorpusError: when the server is out of reach, its tables are of something else, or the disk is too small.
    """
    folder.mkdir(parents=True, exist_ok=True)
    base = (wish.base or source.base).rstrip("/") + "/"
    with _alone(folder), pool_of(base, wish.connections) as pool:
        work = _Work(Client(pool, wait=wait), base, folder)
        sums = _sums(work)
        wanted = _wanted(work, sums, wish)
        _check_room(folder, wanted)
        try:
            _take_all(work, {path: sums[path] for path in wanted}, wish.connections, progress)
        except OSError as error:
            if error.errno != errno.ENOSPC:
                raise
            raise CorpusError(f"the disk of {folder} is full; make room, then the same command goes on") from error
    if work.lost >= GIVE_UP:
        raise Unreachable(
            f"{work.failed[-1].message} ({work.fetched} files came, {work.present} were there; "
            "the same command goes on from here)"
        )
    return Fetched(folder, work.fetched, work.present, work.bytes, tuple(work.failed))


def _sums(work: _Work) -> dict[str, str]:
    """The list of checksums, brought once."""
    path = work.folder / SUMS
    if not path.is_file():
        work.client.fetch(work.base + SUMS, path)
    try:
        return read_sums(path)
    except CorpusError:
        path.unlink()  # a page to log in, perhaps; the next call shall not find it
        raise


def _wanted(work: _Work, sums: dict[str, str], wish: Wish) -> list[str]:
    """The tables, which come first as the others follow from them, and the records of the wish."""
    tables = [path for path in sums if not path.startswith(("records100/", "records500/"))]
    if DATABASE not in tables:
        raise CorpusError(f"{work.base}{SUMS} lists no {DATABASE}; that is no place of PTB-XL")
    for path in tables:
        work.take(path, sums[path])
    if any(failure.file == DATABASE for failure in work.failed):
        raise CorpusError(work.failed[-1].message)
    rows = PtbXl.open(work.folder).of_folds(wish.folds)
    stems = [stem_of(row.path, rate) for row in rows for rate in wish.rates]
    records = [stem + suffix for stem in stems for suffix in (".hea", ".dat")]
    unknown = next((path for path in records if path not in sums), None)
    if unknown:
        raise CorpusError(f"{work.folder / SUMS} does not list {unknown}; it is of another version than {DATABASE}")
    return records


def stem_of(path: str, rate: int) -> str:
    """The record at 100 Hz or 500 Hz, given its path at 100 Hz."""
    if rate == 100:
        return path
    return path.replace("records100/", "records500/", 1).removesuffix("_lr") + "_hr"


def _check_room(folder: Path, wanted: Sequence[str]) -> None:
    absent = [path for path in wanted if path.endswith(".dat") and not (folder / path).is_file()]
    needed = sum(RECORD_BYTES[500 if path.startswith("records500/") else 100] for path in absent)
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise CorpusError(
            f"{len(absent)} records take about {needed >> 20} MiB and the disk of {folder} has {free >> 20} left; "
            "make room, or take fewer --folds"
        )


def _take_all(work: _Work, wanted: dict[str, str], connections: int, progress: Progress | None) -> None:
    with ThreadPoolExecutor(connections, thread_name_prefix="fetch") as pool:
        futures: list[Future[None]] = [pool.submit(work.take, path, sha256) for path, sha256 in wanted.items()]
        try:
            for done, future in enumerate(as_completed(futures), start=1):
                future.result()
                if progress:
                    progress(done, len(futures))
                if work.client.stop.is_set():
                    pool.shutdown(wait=False, cancel_futures=True)
                    return
        except BaseException:
            work.client.stop.set()
            pool.shutdown(wait=False, cancel_futures=True)
            raise


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Two fetches into one folder would write into the same parts."""
    try:
        import fcntl
    except ImportError:  # Windows
        yield
        return
    import os

    held = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(held)
        raise CorpusError(f"another process is fetching into {folder}; wait for it") from error
    try:
        yield
    finally:
        os.close(held)
