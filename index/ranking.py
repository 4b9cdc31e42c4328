"""The canonical ranking: the same query gives the same neighbours whatever k, batch size or number of threads.

FAISS sums in float32 in an order that depends on the batch and on threads, and breaks ties by it. So more rows than
asked for are fetched, all that could belong to the first k among them; they are scored again in float64, rounded, and
ordered by score and case id.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from heapq import nsmallest

import numpy as np
from numpy.typing import NDArray

from index.blocks import Matrix, Numbers, Rows
from index.rows import UNIT_TOLERANCE
from index.scan import Scan, scans_of

DECIMALS = 7
_SPARE = 8
"""Rows fetched beyond k, so that a usual query needs one scan and not a second one for ties."""
_QUERIES_AT_ONCE = 256
_PAIRS_AT_ONCE = 2**22
"""Bounds the memory of what is fetched for a block of queries."""
_ROWS_AT_ONCE = 4096

Ranked = list[tuple[float, str]]
Mask = NDArray[np.bool_]


def rank(rows: Rows, queries: Matrix, k: int, allowed: Mask | None, excluded: Sequence[Numbers]) -> list[Ranked]:
    """The first k ``(score, case id)`` of each query, exactly.

    Args:
        rows: the vectors to search.
        queries: ``[q, dim]`` unit rows.
        k: how many.
        allowed: ``[n]``, the rows that may be answered; all where None. Deleted ones never are.
        excluded: for each query the rows that may not be answered.
    """
    scans = scans_of(rows, allowed)
    if not scans:
        return [[] for _ in queries]
    fetch = k + max(map(len, excluded), default=0) + _SPARE
    block = max(1, min(_QUERIES_AT_ONCE, _PAIRS_AT_ONCE // min(fetch, len(rows))))
    ranked: list[Ranked] = []
    with threads_for(len(queries)):
        for start in range(0, len(queries), block):
            part = slice(start, start + block)
            ranked += _rank_block(rows, scans, queries[part], k, fetch, excluded[part])
    return ranked


def _rank_block(
    rows: Rows, scans: Sequence[Scan], queries: Matrix, k: int, fetch: int, excluded: Sequence[Numbers]
) -> list[Ranked]:
    found = [scan.nearest(queries, fetch) for scan in scans]
    ranked = []
    for place, (query, left_out) in enumerate(zip(queries, excluded, strict=True)):
        scores = [near[place] for near, _ in found]
        candidates = [positions[place] for _, positions in found]
        cut = [len(near) < scan.available for near, scan in zip(scores, scans, strict=True)]
        if any(cut):
            floor = _kth(np.concatenate(scores), np.concatenate(candidates), left_out, k)
            floor = min(floor, 1.0) - rounding_margin(len(query))
            for at, scan in enumerate(scans):
                if cut[at] and scores[at][-1] >= floor:
                    candidates[at] = scan.above(query, floor)
        merged = np.concatenate(candidates)
        ranked.append(canonical_order(rows, query, merged[~np.isin(merged, left_out)], k))
    return ranked


def _kth(scores: NDArray[np.float32], positions: Numbers, left_out: Numbers, k: int) -> float:
    """The k-th best float32 score of the rows that may be answered; there are k, since more were fetched."""
    kept = scores[~np.isin(positions, left_out)]
    return float(np.partition(kept, len(kept) - k)[len(kept) - k])


def canonical_order(rows: Rows, query: Matrix, candidates: Numbers, k: int) -> Ranked:
    """The first k of the candidate rows by exact score, equal ones by case id."""
    scores = scores_of(rows, query, candidates)
    if len(scores) > k:  # only those that may be answered need their id
        near = scores >= np.partition(scores, len(scores) - k)[len(scores) - k]
        scores, candidates = scores[near], candidates[near]
    keyed = ((-score, rows.case_id(row)) for score, row in zip(scores.tolist(), candidates.tolist(), strict=True))
    return [(0.0 - negative, case_id) for negative, case_id in nsmallest(k, keyed)]


def scores_of(rows: Rows, query: Matrix, places: Numbers) -> NDArray[np.float64]:
    """The exact scores ``[m]`` of these rows, read a few thousand at a time."""
    scores = np.empty(len(places), np.float64)
    for start in range(0, len(places), _ROWS_AT_ONCE):
        part = slice(start, start + _ROWS_AT_ONCE)
        scores[part] = exact_scores(rows.vectors(places[part]), query)
    return scores


def exact_scores(vectors: Matrix, query: Matrix) -> NDArray[np.float64]:
    """Inner products ``[m]`` of rows with a query in float64, rounded to 1e-7 and cut to [-1, 1].

    The products of float32 numbers are exact in float64 and each row is summed by itself, pairwise, so that a score
    does not depend on which other rows are candidates.
    """
    scores = (vectors * query.astype(np.float64)).sum(axis=1)
    return np.clip(np.round(scores, DECIMALS), -1.0, 1.0)


def rounding_margin(dim: int) -> float:
    """How far below the k-th float32 score a row may lie and still belong to the first k.

    Twice the bound ``dim * u * |x| |y|`` on the error of a float32 inner product in any order of summation (Higham,
    Accuracy and Stability of Numerical Algorithms, section 3.1; u = 2**-24), and the rounding of the final score.
    """
    return 2 * (dim + 2) * 2.0**-24 * (1 + UNIT_TOLERANCE) ** 2 + 2 * 10.0**-DECIMALS


@contextlib.contextmanager
def threads_for(queries: int) -> Iterator[None]:
    """One OpenMP thread for a single query, for which starting more costs more than they save."""
    import faiss

    if queries != 1:
        yield
        return
    before = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(1)
    try:
        yield
    finally:
        faiss.omp_set_num_threads(before)
