"""The canonical ranking: the same query gives the same neighbours whatever k, batch size or number of threads.

FAISS sums in float32 in an order that depends on the batch and on threads, and breaks ties by it. So more rows than
asked for are fetched, all that could belong to the first k among them; they are scored again in float64, rounded, and
ordered by score and case id.
"""

from __future__ import annotations

import contextlib
import importlib
from collections.abc import Iterator, Sequence
from heapq import nsmallest
from typing import Any

import numpy as np
from numpy.typing import NDArray

from index.rows import UNIT_TOLERANCE, Rows

DECIMALS = 7
_SPARE = 8
"""Rows fetched beyond k, so that a usual query needs one scan and not a second one for ties."""
_PAIRS_AT_ONCE = 2**24
"""Bounds the memory when every row of a block of queries ties with the k-th."""
_ROWS_AT_ONCE = 4096

Ranked = list[tuple[float, str]]
Positions = NDArray[np.int64]
Matrix = NDArray[np.float32]


def rank(
    rows: Rows,
    queries: Matrix,
    k: int,
    allowed: NDArray[np.bool_] | None,
    excluded: Sequence[Positions],
) -> list[Ranked]:
    """The first k ``(score, case id)`` of each query, exactly.

    Args:
        rows: the vectors to search.
        queries: ``[q, dim]`` unit rows.
        k: how many.
        allowed: ``[n]``, the rows that may be answered; all where None.
        excluded: for each query the rows that may not be answered.
    """
    available = len(rows.numbers) if allowed is None else int(np.count_nonzero(allowed))
    if not available:
        return [[] for _ in queries]
    block = max(1, min(256, _PAIRS_AT_ONCE // len(rows.numbers)))
    ranked: list[Ranked] = []
    with _threads_for(len(queries)), _selection(allowed) as selection:
        for start in range(0, len(queries), block):
            part = slice(start, start + block)
            ranked += _rank_block(rows, queries[part], k, available, selection, excluded[part])
    return ranked


def _rank_block(
    rows: Rows, queries: Matrix, k: int, available: int, selection: Any, excluded: Sequence[Positions]
) -> list[Ranked]:
    fetch = min(available, k + max(map(len, excluded)) + _SPARE)
    scores, positions = rows.index.search(queries, fetch, params=selection)
    ranked = []
    for query, near, found, left_out in zip(queries, scores, positions, excluded, strict=True):
        keep = ~np.isin(found, left_out)
        candidates = found[keep]
        if fetch < available:
            floor = min(float(near[keep][k - 1]), 1.0) - rounding_margin(len(query))
            if near[-1] >= floor:
                _, _, tied = rows.index.range_search(query[None], floor, params=selection)
                candidates = tied[~np.isin(tied, left_out)]
        ranked.append(canonical_order(rows, query, candidates, k))
    return ranked


def canonical_order(rows: Rows, query: Matrix, candidates: Positions, k: int) -> Ranked:
    """The first k of the candidate rows by exact score, equal ones by case id."""
    scores = exact_scores(rows.matrix, candidates, query)
    keyed = ((-score, rows.case_ids[row]) for score, row in zip(scores.tolist(), candidates.tolist(), strict=True))
    return [(0.0 - negative, case_id) for negative, case_id in nsmallest(k, keyed)]


def exact_scores(matrix: Matrix, candidates: Positions, query: Matrix) -> NDArray[np.float64]:
    """Inner products ``[m]`` in float64, rounded to 1e-7 and cut to [-1, 1].

    The products of float32 numbers are exact in float64 and each row is summed by itself, pairwise, so that a score
    does not depend on which other rows are candidates.
    """
    wide = query.astype(np.float64)
    scores = np.empty(len(candidates), np.float64)
    for start in range(0, len(candidates), _ROWS_AT_ONCE):
        part = slice(start, start + _ROWS_AT_ONCE)
        scores[part] = (matrix[candidates[part]] * wide).sum(axis=1)
    return np.clip(np.round(scores, DECIMALS), -1.0, 1.0)


def rounding_margin(dim: int) -> float:
    """How far below the k-th float32 score a row may lie and still belong to the first k.

    Twice the bound ``dim * u * |x| |y|`` on the error of a float32 inner product in any order of summation (Higham,
    Accuracy and Stability of Numerical Algorithms, section 3.1; u = 2**-24), and the rounding of the final score.
    """
    return 2 * (dim + 2) * 2.0**-24 * (1 + UNIT_TOLERANCE) ** 2 + 2 * 10.0**-DECIMALS


@contextlib.contextmanager
def _threads_for(queries: int) -> Iterator[None]:
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


@contextlib.contextmanager
def _selection(allowed: NDArray[np.bool_] | None) -> Iterator[Any]:
    if allowed is None:
        yield None
        return
    faiss: Any = importlib.import_module("faiss")  # its stubs do not know the arguments that it adds in Python
    bitmap = np.packbits(allowed, bitorder="little")  # named, since FAISS keeps a bare pointer into it
    selector = faiss.IDSelectorBitmap(bitmap)
    yield faiss.SearchParameters(sel=selector)
