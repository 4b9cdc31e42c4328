"""Task 6, search: what the gallery's index finds of what an exact search finds, how fast, and in how many bytes.

A gallery is built in a temporary folder and asked through ``Gallery.search``, as the product asks it. The bundle's
own vectors are few, so larger galleries hold mixed ones beside them (`mixed_vectors`); the table says how many.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from index import Case, Gallery
from index.ranking import DECIMALS
from retrieval.corpora.ptbxl import PtbXlRow
from retrieval.errors import BadArgument

__all__ = ["HOW_MIXED", "SearchFigures", "measure_search", "mixed_vectors"]

K = 10
QUERIES = 200
WARM_UP = 5
ADDED_AT_ONCE = 20_000
NEIGHBOURS = 10
PAIRS_AT_ONCE = 2**24
CACHE = "vectors.faiss"
HOW_MIXED = (
    "A mixed vector lies at random between one of the bundle's own gallery vectors and one of its ten nearest, with "
    "Gaussian noise as long as the first one's distance to its nearest neighbour added, and is brought to length 1."
)
Vectors = NDArray[np.float32]


@dataclass(frozen=True)
class SearchFigures:
    """What the index does at one size.

    Args:
        cases: in the gallery.
        own: how many of their vectors the bundle made; the others are mixed.
        dim: of a vector.
        exact: whether the gallery says that it compares with every case.
        queries: how many were asked, one at a time.
        recall: at 10, against an exhaustive search in float64 that shares no code with the gallery's.
        p50_ms: median time of an answer of ten ids and scores.
        p95_ms: 95th percentile of it.
        index_bytes: of the index, a case.
        disk_bytes: of the whole gallery with its reports and statements, a case; no waveforms and no pages.
        build_s: to add all cases and close the gallery.
    """

    cases: int
    own: int
    dim: int
    exact: bool
    queries: int
    recall: float
    p50_ms: float
    p95_ms: float
    index_bytes: float
    disk_bytes: float
    build_s: float


def measure_search(
    gallery: NDArray[np.floating],
    queries: NDArray[np.floating],
    rows: Sequence[PtbXlRow],
    sizes: Sequence[int],
    progress: Callable[[int, int], None],
    seed: int = 0,
) -> list[SearchFigures]:
    """Build, ask and judge a gallery of each size.

    Args:
        gallery: ``[g, dim]`` the bundle's vectors of the gallery.
        queries: ``[q, dim]`` its vectors of fold 10; up to 200 are drawn.
        rows: ``[g]`` the ECGs of the gallery; mixed cases carry the report and statements of one of them.
        sizes: how many cases.
        progress: is told (done, all) sizes.
        seed: of the draws.

    Raises:
        BadArgument: when a size is below 10.
    """
    for size in sizes:
        if size < K:
            raise BadArgument(f"a gallery of {size} cases was asked for; ten neighbours need 10 or more")
    found: list[SearchFigures] = []
    for done, size in enumerate(sizes, start=1):
        rng = np.random.default_rng([seed, size])
        chosen = rng.choice(len(queries), min(QUERIES, len(queries)), replace=False)
        own = _unit(gallery[rng.permutation(len(gallery))[:size]])
        found.append(_measure(own, _unit(queries[np.sort(chosen)]), rows, size, rng))
        progress(done, len(sizes))
    return found


def _measure(
    own: Vectors, queries: Vectors, rows: Sequence[PtbXlRow], size: int, rng: np.random.Generator
) -> SearchFigures:
    with tempfile.TemporaryDirectory(prefix="nearbeat-search-") as folder:
        path = Path(folder) / "gallery"
        start = time.perf_counter()
        dim = own.shape[1]
        with Gallery.create(path, bundle_name="search", bundle_sha256="0" * 64, dim=dim) as gallery:
            first = 0
            for vectors in _all_vectors(own, size, rng):
                gallery.add([_case(first + i, rows) for i in range(len(vectors))], vectors)
                first += len(vectors)
        build_s = time.perf_counter() - start
        with Gallery.open(path) as gallery:
            answers, times = _ask(gallery, queries)
            recall = _recall(gallery, queries, answers)
            index_bytes = (path / CACHE).stat().st_size / size
            disk = gallery.info().bytes / size
            exact = gallery.exact
    p50, p95 = (float(value) for value in 1000 * np.percentile(times, (50, 95)))
    return SearchFigures(
        size, len(own), dim, exact, len(queries), recall, p50, p95, index_bytes, disk, build_s
    )  # fmt: skip


def _case(number: int, rows: Sequence[PtbXlRow]) -> Case:
    row = rows[number % len(rows)]
    return Case(f"case-{number:08d}", row.report, row.statements)


def _all_vectors(own: Vectors, size: int, rng: np.random.Generator) -> Iterator[Vectors]:
    """The own vectors, then as many mixed ones as are lacking, block by block."""
    yield own
    left = size - len(own)
    if left:
        near, distance = nearest(own, NEIGHBOURS)
        for begin in range(0, left, ADDED_AT_ONCE):
            yield _mixed(own, near, distance, min(ADDED_AT_ONCE, left - begin), rng)


def mixed_vectors(own: Vectors, count: int, rng: np.random.Generator) -> Vectors:
    """Vectors ``[count, dim]`` that lie where those of an archive would: see `HOW_MIXED`."""
    return _mixed(own, *nearest(own, NEIGHBOURS), count, rng)


def _mixed(
    own: Vectors, near: NDArray[np.intp], distance: NDArray[np.float64], count: int, rng: np.random.Generator
) -> Vectors:
    one = rng.integers(len(own), size=count)
    other = near[one, rng.integers(near.shape[1], size=count)]
    share = rng.random((count, 1))
    noise = rng.standard_normal((count, own.shape[1]))
    noise *= distance[one, None] / np.linalg.norm(noise, axis=1, keepdims=True)
    return _unit(share * own[one] + (1 - share) * own[other] + noise)


def nearest(own: Vectors, k: int) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """The k nearest others ``[n, k]`` of each vector, and the distance ``[n]`` to the nearest."""
    k = min(k, len(own) - 1)
    if k < 1:
        raise BadArgument(f"{len(own)} vectors of the bundle are too few to mix others from; 2 or more are needed")
    near, best = np.empty((len(own), k), np.intp), np.empty(len(own))
    for part in _blocks(len(own), len(own)):
        scores = (own[part] @ own.T).astype(np.float64)
        scores[np.arange(len(scores)), np.arange(part.start, part.stop)] = -np.inf
        near[part] = np.argpartition(-scores, k - 1, axis=1)[:, :k]
        best[part] = scores.max(axis=1)
    return near, np.sqrt(np.maximum(2 - 2 * best, 0.0))


def _ask(gallery: Gallery, queries: Vectors) -> tuple[list[list[str]], list[float]]:
    """The ids of the answers of each query, and the seconds each took; the first few are not timed."""
    for query in queries[:WARM_UP]:
        gallery.search(query[None], k=K)
    answers, times = [], []
    for query in queries:
        start = time.perf_counter()
        found = gallery.search(query[None], k=K)[0]
        times.append(time.perf_counter() - start)
        answers.append([neighbour.case_id for neighbour in found])
    return answers, times


def _recall(gallery: Gallery, queries: Vectors, answers: Sequence[Sequence[str]]) -> float:
    """Share of the ten places filled by a case that is as near as the tenth nearest of an exhaustive search."""
    place = {case_id: i for i, case_id in enumerate(gallery.ids())}
    matrix = gallery.vectors()
    hits = 0
    for query, answer in zip(queries.astype(np.float64), answers, strict=True):
        scores = np.concatenate([matrix[part] @ query for part in _blocks(len(matrix), matrix.shape[1])])
        tenth = np.partition(scores, -K)[-K]
        hits += sum(scores[place[case_id]] >= tenth - 10.0**-DECIMALS for case_id in set(answer))
    return hits / (K * len(queries))


def _blocks(count: int, width: int) -> Iterator[slice]:
    step = max(1, PAIRS_AT_ONCE // max(1, width))
    return (slice(begin, min(begin + step, count)) for begin in range(0, count, step))


def _unit(vectors: NDArray[np.floating]) -> Vectors:
    wide = vectors.astype(np.float64)
    return (wide / np.linalg.norm(wide, axis=1, keepdims=True)).astype(np.float32)
