"""The approximate index of a large gallery: IVF_FLAT, made, measured and searched so that its recall holds.

What Milvus does with defaults, and what is done about it here (measured: ``docs/milvus.md``):

* A search that names no parameters probes 8 to 16 of the lists, however many there are: every search names them.
* A filter leaves each probed list few rows, and the nearest that pass lie in others: a search with a filter probes
  all lists, which compares every row that passes and is exact.
* Rows that are not sealed yet are searched through an interim index of the server's own, with a number of probes that
  no search can change: rows added since the index was made are compared here, in this process.
* An index is reported as made before the nodes that search have loaded it: it is waited for by searching.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from heapq import nsmallest

import numpy as np
from numpy.typing import NDArray

from index import choice, ranking
from index.errors import GalleryError
from index.milvus import layout
from index.milvus.ledger import Index, State
from index.milvus.ranking import Rows, blocks, ordered, rank
from index.milvus.store import Store

Matrix = NDArray[np.float32]
TOP = 10
QUERIES = 200
FEWEST_PROBES = 8
ALL_LISTS = 65_536
"""More probes than there are lists: milvus-lite makes 128 of them, whatever it was asked for."""
EVERYTHING = {"nprobe": ALL_LISTS}
READY_WITHIN_S = 600.0
"""How long the servers have to load the index."""
LEAST_EXHAUSTIVE = 0.999
"""Recall of a search of all lists from which on the index is loaded: it is exact, but for ties."""


def make(store: Store, state: State, seed: int) -> Index:
    """Make the index on all rows that count, measure it, and choose how it is searched.

    While it is made Milvus answers from some of the rows or refuses, so no search may be answered meanwhile.

    Args:
        store: the collections.
        state: what is committed.
        seed: of the choice of rows that are searched for.

    Returns:
        The index, not committed yet.

    Raises:
        GalleryError: when it was not loaded in time.
    """
    lists = choice.lists_for(state.cases)
    index = {"index_type": "IVF_FLAT", "metric_type": layout.METRIC, "params": {"nlist": lists}}
    numbers, queries = _sample(store, state, seed)
    truth = _truth(store, state, numbers, queries)
    store.make_index(index)
    _wait(store, state, queries, numbers, truth)
    probes = FEWEST_PROBES
    while True:
        recall = _recall(store, state, queries, numbers, truth, probes)
        if recall >= choice.RECALL_GOAL + choice.RECALL_MARGIN or probes == ALL_LISTS:
            return Index(index, {"nprobe": probes}, state.next, recall)
        probes = 2 * probes if probes < lists else ALL_LISTS


class Tail:
    """The rows that were added since the index was made, kept in this process: a row never changes."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._rows = Rows(store)

    def ranked(
        self,
        state: State,
        below: int,
        queries: Matrix,
        k: int,
        excluded: Sequence[frozenset[int]],
        wanted: str | None,
    ) -> list[ranking.Ranked]:
        """The first k of them for each query, exactly."""
        if state.next <= below:
            return [[] for _ in queries]
        expression = state.visible(wanted, f"number >= {below}")
        numbers = sorted(row["number"] for row in self._store.query(self._store.cases, expression, ["number"]))
        self._rows.take(numbers)
        return [
            ordered(*self._rows.take([number for number in numbers if number not in out]), query, k)
            for query, out in zip(queries, excluded, strict=True)
        ]


def search(
    store: Store,
    state: State,
    tail: Tail,
    queries: Matrix,
    k: int,
    excluded: Sequence[frozenset[int]],
    wanted: str | None,
) -> tuple[list[ranking.Ranked], float | None]:
    """The first k of each query, and the recall of the search; None where it was exact."""
    index = state.index
    if index is None:
        raise GalleryError(f"{store.place}: there is no approximate index")
    params = index.search if wanted is None else EVERYTHING
    visible = state.visible(wanted, f"number < {index.below}")
    found = rank(store, state, queries, k, excluded, visible, params)
    few = [place for place, one in enumerate(found) if len(one) < k]
    if few and params != EVERYTHING:  # the lists that were probed hold fewer rows than were asked for
        again = rank(store, state, queries[few], k, [excluded[place] for place in few], visible, EVERYTHING)
        for place, one in zip(few, again, strict=True):
            found[place] = one
    added = tail.ranked(state, index.below, queries, k, excluded, wanted)
    merged = [
        nsmallest(k, [*one, *other], key=lambda pair: (-pair[0], pair[1]))
        for one, other in zip(found, added, strict=True)
    ]
    return merged, None if params == EVERYTHING else index.recall


def _sample(store: Store, state: State, seed: int) -> tuple[list[int], Matrix]:
    """Numbers and vectors of rows that count, drawn by chance."""
    gone = set(state.gone_numbers)
    there = [n for start, stop in state.spans for n in range(start, stop) if n not in gone]
    chosen = np.random.default_rng(seed).permutation(len(there))[:QUERIES]
    numbers = sorted(there[place] for place in chosen)
    rows = {row["number"]: row["vector"] for row in store.same_rows(store.cases, "number", numbers, ("vector",))}
    return numbers, np.array([rows[number] for number in numbers], np.float32)


def _truth(store: Store, state: State, numbers: list[int], queries: Matrix) -> list[set[int]]:
    """The nearest other rows of each query, by comparing all of them here."""
    scores = np.full((len(queries), TOP + 1), -2.0, np.float32)
    best = np.full((len(queries), TOP + 1), -1, np.int64)
    for block in blocks(store, state, ("vector",)):
        if not block:
            continue
        near = queries @ np.array([row["vector"] for row in block], np.float32).T
        these = np.broadcast_to([row["number"] for row in block], near.shape)
        scores, best = np.hstack([scores, near]), np.hstack([best, these])
        order = np.argsort(-scores, axis=1, kind="stable")[:, : TOP + 1]
        scores, best = np.take_along_axis(scores, order, 1), np.take_along_axis(best, order, 1)
    return [_others(one.tolist(), number) for one, number in zip(best, numbers, strict=True)]


def _others(found: list[int], itself: int) -> set[int]:
    return set([number for number in found if number not in (itself, -1)][:TOP])


def _recall(
    store: Store, state: State, queries: Matrix, numbers: list[int], truth: list[set[int]], probes: int
) -> float:
    hits = store.search(queries, TOP + 1, state.visible(), {"nprobe": probes})
    found = [_others([number for number, _ in one], itself) for one, itself in zip(hits, numbers, strict=True)]
    wanted = sum(map(len, truth))
    return sum(len(one & other) for one, other in zip(found, truth, strict=True)) / wanted if wanted else 1.0


def _wait(store: Store, state: State, queries: Matrix, numbers: list[int], truth: list[set[int]]) -> None:
    """Until a search of all lists finds all, as it does only on sealed and loaded rows.

    Raises:
        GalleryError: when that takes too long.
    """
    until = time.monotonic() + READY_WITHIN_S
    while _recall(store, state, queries, numbers, truth, ALL_LISTS) < LEAST_EXHAUSTIVE:
        if time.monotonic() > until:
            raise GalleryError(
                f"{store.place}: Milvus did not load the index within {READY_WITHIN_S:g} s; look into its log"
            )
        time.sleep(1.0)
