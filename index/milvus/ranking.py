"""The canonical ranking over what Milvus finds: the rules of :mod:`index.ranking`, and so its answers."""

from __future__ import annotations

from collections.abc import Sequence
from heapq import nsmallest
from typing import Any

import numpy as np
from numpy.typing import NDArray

from index import ranking
from index.errors import GalleryBusy
from index.milvus.ledger import State
from index.milvus.store import MOST_FOUND, Hits, Store

Matrix = NDArray[np.float32]
_SPARE = 8
_HITS_AT_ONCE = 2**17
_QUERIES_AT_ONCE = 256
BLOCK = 2000
"""Numbers that are read at once when all rows are looked at."""
_LEFT = ("case_id", "vector")


class Rows:
    """Ids and vectors of rows, by their number; each is fetched once."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._held: dict[int, tuple[str, Matrix]] = {}

    def take(self, numbers: Sequence[int]) -> tuple[list[str], Matrix]:
        """The ids and the vectors ``[n, dim]`` of these rows.

        Raises:
            GalleryBusy: when a row is no longer there.
        """
        missing = [number for number in numbers if number not in self._held]
        for row in self._store.same_rows(self._store.cases, "number", missing, _LEFT):
            self._held[row["number"]] = (row["case_id"], np.asarray(row["vector"], np.float32))
        try:
            found = [self._held[number] for number in numbers]
        except KeyError as error:
            raise GalleryBusy(
                f"{self._store.place}: row {error} was removed while it was searched; ask again"
            ) from None
        return [case_id for case_id, _ in found], np.array([vector for _, vector in found], np.float32)


def rank(
    store: Store,
    state: State,
    queries: Matrix,
    k: int,
    excluded: Sequence[frozenset[int]],
    expression: str,
    params: dict[str, Any],
) -> list[ranking.Ranked]:
    """The first k ``(score, case id)`` of each query, exactly as far as Milvus' index is.

    Args:
        store: the collections.
        state: the commit that is searched.
        queries: ``[q, dim]`` unit rows.
        k: how many.
        excluded: for each query the numbers that may not be answered.
        expression: which rows may be.
        params: what the index is searched with.
    """
    fetch = k + max(map(len, excluded), default=0) + _SPARE
    if fetch > MOST_FOUND:
        return [
            _by_scan(store, state, query, k, out, expression) for query, out in zip(queries, excluded, strict=True)
        ]
    rows = Rows(store)
    block = max(1, min(_QUERIES_AT_ONCE, _HITS_AT_ONCE // fetch))
    found: list[Hits] = []
    for start in range(0, len(queries), block):
        found += store.search(queries[start : start + block], fetch, expression, params)
    whole = [
        hits if _is_whole(hits, fetch, k, out, len(query)) else _more(store, query, fetch, k, out, expression, params)
        for query, hits, out in zip(queries, found, excluded, strict=True)
    ]
    rows.take(sorted({number for hits in whole if hits is not None for number, _ in hits}))
    return [
        _by_scan(store, state, query, k, out, expression) if hits is None else _ordered(rows, query, hits, k, out)
        for query, hits, out in zip(queries, whole, excluded, strict=True)
    ]


def _is_whole(hits: Hits, fetch: int, k: int, excluded: frozenset[int], dim: int) -> bool:
    """Whether no row beyond these hits can belong to the first k, by the error of a float32 inner product."""
    if len(hits) < fetch:
        return True
    kept = sorted((score for number, score in hits if number not in excluded), reverse=True)
    return hits[-1][1] < min(kept[k - 1], 1.0) - ranking.rounding_margin(dim)


def _more(
    store: Store,
    query: Matrix,
    fetch: int,
    k: int,
    excluded: frozenset[int],
    expression: str,
    params: dict[str, Any],
) -> Hits | None:
    """Ever more hits until they are whole; None where Milvus gives no more."""
    while fetch < MOST_FOUND:
        fetch = min(4 * fetch, MOST_FOUND)
        hits = store.search(query[None], fetch, expression, params)[0]
        if _is_whole(hits, fetch, k, excluded, len(query)):
            return hits
    return None


def _ordered(rows: Rows, query: Matrix, hits: Hits, k: int, excluded: frozenset[int]) -> ranking.Ranked:
    numbers = [number for number, _ in hits if number not in excluded]
    ids, vectors = rows.take(numbers)
    return ordered(ids, vectors, query, k)


def ordered(ids: Sequence[str], vectors: Matrix, query: Matrix, k: int) -> ranking.Ranked:
    """The first k of these rows by exact score, equal ones by id."""
    if not ids:
        return []
    scores = ranking.exact_scores(vectors, query).tolist()
    best = nsmallest(k, ((-score, case_id) for score, case_id in zip(scores, ids, strict=True)))
    return [(0.0 - negative, case_id) for negative, case_id in best]


def _by_scan(
    store: Store, state: State, query: Matrix, k: int, excluded: frozenset[int], expression: str
) -> ranking.Ranked:
    """By reading every row that may be answered: for more neighbours, or more equal ones, than Milvus gives."""
    best: ranking.Ranked = []
    for rows in blocks(store, state, _LEFT, expression):
        kept = [row for row in rows if row["number"] not in excluded]
        ids = [row["case_id"] for row in kept]
        vectors = np.array([row["vector"] for row in kept], np.float32)
        best = nsmallest(k, best + ordered(ids, vectors, query, k), key=lambda pair: (-pair[0], pair[1]))
    return best


def blocks(store: Store, state: State, fields: Sequence[str], expression: str | None = None) -> Any:
    """All rows that count and meet the expression, block by block, each by ascending number."""
    visible = state.visible(expression)
    for start, stop in state.spans:
        for first in range(start, stop, BLOCK):
            part = f"number >= {first} and number < {min(stop, first + BLOCK)} and {visible}"
            rows = store.query(store.cases, part, ("number", *fields))
            yield sorted(rows, key=lambda row: row["number"])
