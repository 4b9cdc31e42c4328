"""A stream of cases is taken into a gallery, chunk by chunk, each committed with how far the stream was taken."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from index import Case, CaseGallery, Ingest
from index.errors import DuplicateCase
from retrieval.errors import NoWaveform
from retrieval.streams import NewCase, Refusal, Stream

if TYPE_CHECKING:
    from retrieval.towers.bundle import Bundle

Progress = Callable[[int, int], None]
"""Called with (done, all) while something long goes on."""

CHUNK = 32
"""Cases that are encoded and committed together; what is cut off loses at most these."""


@dataclass(frozen=True)
class Embedded:
    """A case that was read and encoded in another process.

    Args:
        case: what was read.
        vector: float32 ``[dim]``, of the same bytes as if it were made here; None where none could be made.
        refusal: why there is no vector.
    """

    case: Case
    vector: NDArray[np.float32] | None
    refusal: Refusal | None = None


Item = NewCase | Embedded | Refusal
Chunks = Generator[Sequence[Item], None, None]
Reading = Callable[[Stream, int, "Bundle"], Chunks]
"""Gives the items of a stream from a number on, in order, in chunks of ``CHUNK``; closed, it ends what it began."""


@dataclass(frozen=True)
class BuildReport:
    """What a build did.

    Args:
        path: the gallery's folder, or its place in Milvus.
        cases: how many cases the stream gave it, those of earlier starts included.
        refused: what could not become a case.
        missing: records of the source that have no files here.
        resumed: items that an earlier start had taken already.
    """

    path: Path | str
    cases: int
    refused: tuple[Refusal, ...] = ()
    missing: int = 0
    resumed: int = 0


@dataclass
class _Filling:
    """A stream on its way into an open gallery."""

    gallery: CaseGallery
    towers: Bundle
    update: bool
    refused: list[Refusal]
    seen: set[str] = field(default_factory=set)

    def take(self, items: Sequence[Item], taken: Ingest) -> Ingest:
        """One chunk: refusals are put down, known cases replaced or refused, the others added."""
        self.refused += [item for item in items if isinstance(item, Refusal)]
        fresh = [item for item in items if not isinstance(item, Refusal)]
        there = self.gallery.known([item.case.case_id for item in fresh])
        usable = self._usable(fresh, there)
        vectors = self._vectors(usable)
        cases = [item.case for item in usable if item.case.case_id in vectors]
        old, new = ([case for case in cases if (case.case_id in there) is known] for known in (True, False))
        if old:
            self.gallery.replace(old, np.stack([vectors[case.case_id] for case in old]))
        done = replace(taken, done=taken.done + len(items), refused=_kept(self.refused))
        rows = [vectors[case.case_id] for case in new]
        self.gallery.add(new, np.reshape(rows, (len(rows), self.towers.dim)), ingest=done)
        return done

    def _usable(self, items: Sequence[NewCase | Embedded], there: set[str]) -> list[NewCase | Embedded]:
        """Cases that may be added, or replaced where that is asked for; the others are refused by name."""
        gone = self.gallery.retired([item.case.case_id for item in items])
        usable: list[NewCase | Embedded] = []
        for item in items:
            case_id = item.case.case_id
            reason = self._reason_against(case_id, case_id in there, case_id in gone)
            self.seen.add(case_id)
            if reason:
                self.refused.append(Refusal(case_id, DuplicateCase.kind, reason))
            else:
                usable.append(item)
        return usable

    def _reason_against(self, case_id: str, there: bool, gone: bool) -> str:
        if case_id in self.seen:
            return f"{case_id} is named twice; the first mention was taken"
        if gone:
            return f"{case_id} was deleted from the gallery, and its id is never used again"
        if there and not self.update:
            return f"{case_id} is in the gallery already; it was left as it is"
        return ""

    def _vectors(self, items: Sequence[NewCase | Embedded]) -> dict[str, NDArray[np.float32]]:
        """The vector ``[dim]`` of each case, by its id; a case that has none is refused."""
        vectors: dict[str, NDArray[np.float32]] = {}
        images: dict[str, NDArray[np.uint8]] = {}
        for item in items:
            case_id = item.case.case_id
            if isinstance(item, Embedded):
                if item.vector is not None:
                    vectors[case_id] = item.vector
                self.refused += [item.refusal] if item.refusal else []
                continue
            try:
                images[case_id] = self.towers.image_of(item.page, item.recording)
            except NoWaveform as error:  # a picture has nothing for a tower of encodings
                self.refused.append(Refusal.of(case_id, error))
        if images:
            vectors |= zip(images, self.towers.encode_pages(list(images.values())), strict=True)
        return vectors


def read_here(stream: Stream, first: int, towers: Bundle) -> Chunks:
    """The items of a stream from number ``first`` on in chunks, read in this process; pages are encoded later."""
    items = stream.after(first)
    while chunk := list(islice(items, CHUNK)):
        yield chunk


def fill(
    gallery: CaseGallery,
    stream: Stream,
    towers: Bundle,
    *,
    update: bool = False,
    progress: Progress | None = None,
    reading: Reading = read_here,
) -> BuildReport:
    """Take a stream into a gallery that is open for writing, from wherever an earlier call left off.

    Args:
        gallery: whose vectors ``towers`` made.
        stream: what to take.
        towers: the bundle.
        update: whether a case whose id is in the gallery takes the place of that one, instead of being refused.
        progress: called with (items done, all).
        reading: where the items are read; which one it is leaves no trace in the gallery.
    """
    mark = fingerprint(stream, towers, update)
    taken = gallery.ingest(mark) or Ingest(mark, 0)
    resumed = taken.done
    seen = stream.named(taken.done) if stream.named else set()
    filling = _Filling(gallery, towers, update, [Refusal(*item) for item in taken.refused], seen)
    if not taken.finished:
        with closing(reading(stream, taken.done, towers)) as chunks:
            for chunk in chunks:
                taken = filling.take(chunk, taken)
                if progress:
                    progress(taken.done, max(stream.total, taken.done))
        gallery.add([], np.empty((0, towers.dim), np.float32), ingest=replace(taken, finished=True))
        gallery.prepare_index()  # does nothing where the gallery is small enough to be searched exactly
    count = taken.done - len(filling.refused)
    return BuildReport(gallery.path, count, tuple(filling.refused), stream.missing, resumed)


def fingerprint(stream: Stream, towers: Bundle, update: bool = False) -> str:
    """What tells one filling from any other: the stream, the bundle, and what is done with known cases."""
    return hashlib.sha256(f"{stream.name}|{towers.sha256}|{update}".encode()).hexdigest()


def _kept(refused: Sequence[Refusal]) -> tuple[tuple[str, str, str], ...]:
    return tuple((one.file, one.kind, one.message) for one in refused)
