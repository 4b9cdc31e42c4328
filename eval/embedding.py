"""Pages to vectors, each page drawn once for all systems, with a cache per bundle.

A cache belongs to one bundle (sha256), one list of ECGs and one way of making its images (a fingerprint of their
pixels); when any of them differs it is made anew. It is a plain npz without pickled objects.
"""

from __future__ import annotations

import hashlib
import os
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eval.baselines import SHRINK, shrink
from eval.split import Corpus
from index.errors import NearBeatError
from retrieval.corpora.ptbxl import PtbXlRow
from retrieval.ecg.page import CANONICAL, canonical_page
from retrieval.ecg.recording import Recording
from retrieval.errors import CorpusError
from retrieval.towers.bundle import Bundle

__all__ = ["Embedded", "Progress", "ReadVectors", "embed_pages"]

BLOCK = 64
SAMPLE = 2
"""Images that a fingerprint is taken of."""
Pages = NDArray[np.uint8]
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Embedded:
    """What one encoder made of the ECGs that could be drawn.

    Args:
        ids: ``[n]`` ``ecg_id``.
        vectors: ``[n, dim]``.
    """

    ids: NDArray[np.int64]
    vectors: NDArray[np.generic]

    def of(self, ids: Sequence[int]) -> NDArray[np.generic]:
        """The rows of these ECGs, in that order."""
        place = {int(ecg_id): i for i, ecg_id in enumerate(self.ids)}
        return self.vectors[[place[ecg_id] for ecg_id in ids]]


@dataclass(frozen=True)
class _Drawn:
    ecg_id: int
    page: Pages
    recording: Recording


@dataclass(frozen=True)
class _Job:
    key: str
    path: Path | None
    image: Callable[[_Drawn], Pages]
    encode: Callable[[Pages], NDArray[np.generic]]


def embed_pages(
    corpus: Corpus, rows: Sequence[PtbXlRow], towers: Sequence[Bundle], cache: Path | None, progress: Progress
) -> tuple[list[Embedded], Embedded]:
    """Vectors of every tower for the clean page (or other image) of each row, and the shrunken pixels of the pages.

    Args:
        corpus: to read the recordings from.
        rows: the ECGs; those that cannot be read are missing in the result.
        towers: the encoders.
        cache: folder of the cached vectors, or None to keep none.
        progress: is told (done, all) pages.

    Raises:
        CorpusError: when not one of the ECGs can be drawn.
    """
    jobs = [_tower_job(tower, cache) for tower in towers]
    jobs.append(_Job(f"pixels/{SHRINK}", _path(cache, "pixels"), lambda drawn: drawn.page, shrink))
    asked = np.array([row.ecg_id for row in rows], dtype=np.int64)
    first = list(islice(_draw(corpus, rows), SAMPLE))
    prints = {job.key: _fingerprint(job, first) for job in jobs}
    done = {job.key: _load(job, asked, prints[job.key]) for job in jobs}
    open_jobs = [job for job in jobs if done[job.key] is None]
    if open_jobs:
        made = _run(corpus, rows, open_jobs, progress)
        for job, embedded in zip(open_jobs, made, strict=True):
            _save(job, embedded, asked, prints[job.key])
            done[job.key] = embedded
    found = [embedded for job in jobs if (embedded := done[job.key]) is not None]
    return found[:-1], found[-1]


class ReadVectors:
    """A tower's vectors of pages that intake read, each kept under the digest of its pixels.

    Args:
        tower: the encoder; it must read pages.
        cache: folder of the kept vectors, or None to keep none.
    """

    def __init__(self, tower: Bundle, cache: Path | None) -> None:
        self._tower = tower
        self._path = None if cache is None else cache / f"read-{tower.sha256[:16]}.npz"
        self._known: dict[str, NDArray[np.float32]] = {}
        if self._path is not None and self._path.is_file():
            self._known = _load_known(self._path, tower.sha256)

    def __call__(self, pages: Sequence[Pages]) -> NDArray[np.float32]:
        """Unit rows ``[n, dim]``."""
        keys = [hashlib.sha256(page.tobytes()).hexdigest() for page in pages]
        new = {key: page for key, page in zip(keys, pages, strict=True) if key not in self._known}
        if new:
            self._known.update(zip(new, self._tower.encode_pages(list(new.values())), strict=True))
            if self._path is not None:
                rows = np.stack(list(self._known.values()))
                _write(self._path, {"key": self._tower.sha256, "pages": np.array(list(self._known)), "vectors": rows})
        return np.stack([self._known[key] for key in keys])


def _load_known(path: Path, key: str) -> dict[str, NDArray[np.float32]]:
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as stored:
            same = str(stored["key"]) == key
            return dict(zip(stored["pages"].tolist(), stored["vectors"], strict=True)) if same else {}
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return {}


def _tower_job(tower: Bundle, cache: Path | None) -> _Job:
    def image(drawn: _Drawn) -> Pages:
        return tower.image_of(drawn.page, drawn.recording)

    return _Job(tower.sha256, _path(cache, tower.sha256), image, lambda images: tower.encode_pages(list(images)))


def _run(corpus: Corpus, rows: Sequence[PtbXlRow], jobs: Sequence[_Job], progress: Progress) -> list[Embedded]:
    ids: list[int] = []
    parts: list[list[NDArray[np.generic]]] = [[] for _ in jobs]
    for begin in range(0, len(rows), BLOCK):
        drawn = list(_draw(corpus, rows[begin : begin + BLOCK]))
        if drawn:
            ids += [one.ecg_id for one in drawn]
            for job, part in zip(jobs, parts, strict=True):
                part.append(job.encode(np.stack([job.image(one) for one in drawn])))
        progress(min(begin + BLOCK, len(rows)), len(rows))
    if not ids:
        raise CorpusError(f"none of the {len(rows)} ECGs could be read; check the files under records100/")
    return [Embedded(np.array(ids, dtype=np.int64), np.concatenate(part)) for part in parts]


def _draw(corpus: Corpus, rows: Sequence[PtbXlRow]) -> Iterator[_Drawn]:
    for row in rows:
        try:
            recording = corpus.recording(row)
            page = canonical_page(recording)
        except NearBeatError:
            continue  # Counted by its absence, and listed in results.json.
        yield _Drawn(row.ecg_id, page.pixels, recording)


def _fingerprint(job: _Job, first: Sequence[_Drawn]) -> str:
    """Of the first images that can be made: another way of drawing gives another one."""
    digest = hashlib.sha256(f"{CANONICAL}".encode())
    for drawn in first:
        digest.update(f"{drawn.ecg_id}".encode() + job.image(drawn).tobytes())
    return digest.hexdigest()


def _path(cache: Path | None, key: str) -> Path | None:
    return None if cache is None else cache / f"vectors-{key[:16]}.npz"


def _load(job: _Job, asked: NDArray[np.int64], fingerprint: str) -> Embedded | None:
    if job.path is None or not job.path.is_file():
        return None
    try:
        with job.path.open("rb") as file, np.load(file, allow_pickle=False) as stored:
            same = str(stored["key"]) == job.key and str(stored["pages"]) == fingerprint
            if not same or not np.array_equal(stored["asked"], asked):
                return None
            return Embedded(stored["ids"], stored["vectors"])
    except (OSError, ValueError, KeyError, zipfile.BadZipFile):
        return None  # A damaged cache is no loss: it is made anew.


def _save(job: _Job, embedded: Embedded, asked: NDArray[np.int64], fingerprint: str) -> None:
    if job.path is None:
        return
    facts = {"key": job.key, "pages": fingerprint, "asked": asked, "ids": embedded.ids, "vectors": embedded.vectors}
    _write(job.path, facts)


def _write(path: Path, arrays: Mapping[str, object]) -> None:
    """Under another name first, so that a file of that name is always whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_suffix(f".{os.getpid()}.tmp")
    named: dict[str, Any] = {name: np.asarray(array) for name, array in arrays.items()}
    with unfinished.open("wb") as file:
        np.savez(file, **named)
    unfinished.replace(path)
