"""The approximate index: vectors in lists by their nearest centroid, of which a query looks into a few.

Each list holds its vectors in 8 bits a value (or 16, where 8 are too coarse) under their case numbers. What it finds
are candidates only: they are scored again from the exact vectors and ordered canonically, so that a score is always
exact and only a neighbour can be missed. How many are missed was measured on the gallery's own vectors.

The index may be older than the gallery: deleted cases are masked, those added since are scanned exactly.
"""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from heapq import merge
from itertools import islice
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from index import ranking
from index.blocks import Bytes, Matrix, Numbers, Rows
from index.choice import SCAN_SHARE
from index.ranking import Mask, Ranked, canonical_order, threads_for

CANDIDATES = 256
"""Scored again for each query, whatever k is, so that a shorter list is the beginning of a longer one."""
MOST_K = 64
"""Beyond it the search is exact."""
_MOST_REMEMBERED = 16
_COARSE_AT_ONCE = 16
"""FAISS sums a block of 20 or more queries in another order than a single one, and so could pick other lists."""

Kind = Literal["SQ8", "SQfp16"]


@dataclass(frozen=True)
class Tuning:
    """The parameters of an index and what they were measured to find.

    Args:
        kind: bits of a value: ``SQ8`` 8, ``SQfp16`` 16.
        lists: how many lists there are.
        trained: how many rows there were when the lists were made.
        probes: how many lists a query looks into.
        examined: of the rows that a filter leaves, how many a query looks at before it stops; 0: all of them.
        recall: recall@10 against exact search without a filter, mean over ``queries``.
        recall_filtered: the lowest such mean of several filters, some with a bearing on the vectors.
        nearest: a query whose nearest centroid has a lower score than this lies farther away than nearly all it was
            measured with, and is answered exactly.
        queries: how many queries each was measured with: rows moved away by as much as neighbours lie apart.
        seed: of the training and of the queries.
    """

    kind: Kind
    lists: int
    trained: int
    probes: int
    examined: int
    recall: float
    recall_filtered: float
    nearest: float
    queries: int
    seed: int


@dataclass(frozen=True)
class Kept:
    """Which case numbers a search may find in the lists.

    Args:
        rows, allowed: for which rows and filter.
        bits: a bit for each number from 0; None where all that the lists hold may be found.
        sizes: ``[lists]``, how many of them each list holds, where there is a filter.
    """

    rows: Rows
    allowed: Mask | None
    bits: Bytes | None
    sizes: Numbers


@dataclass(frozen=True)
class Approximate:
    """An index with what is known about it.

    Args:
        index: a ``faiss.IndexIVFScalarQuantizer`` over inner products whose ids are case numbers.
        last: the greatest case number there was when it was made.
        tuning: its parameters.
        buffer: the bytes that ``index`` reads, where it does not hold them itself.
    """

    index: Any
    last: int
    tuning: Tuning
    buffer: Bytes | None = None
    _remembered: list[Kept] = field(default_factory=list, compare=False, repr=False)

    def kept(self, rows: Rows, allowed: Mask | None) -> Kept:
        """What a search of these rows may find in the lists; remembered for the masks that were asked last."""
        for one in self._remembered:
            if one.rows is rows and one.allowed is allowed:
                return one
        found = _kept(self, rows, allowed)
        if allowed is None or not allowed.flags.writeable:  # what may be written into could be another next time
            self._remembered[:] = [found, *self._remembered][:_MOST_REMEMBERED]
        return found

    @cached_property
    def list_of(self) -> NDArray[np.int32]:
        """``[last + 1]``, the list of each case number; -1 for a number that it does not hold."""
        faiss: Any = importlib.import_module("faiss")
        inverted, found = self.index.invlists, np.full(self.last + 1, -1, np.int32)
        for place in range(self.index.nlist):
            if size := inverted.list_size(place):
                found[faiss.rev_swig_ptr(inverted.get_ids(place), size)] = place
        return found


@dataclass(frozen=True)
class Answer:
    """The first k of each query; ``recall`` is the measured recall@10 where they are not ``exact``."""

    ranked: list[Ranked]
    exact: bool
    recall: float | None


def search(
    approximate: Approximate | None,
    rows: Rows,
    queries: Matrix,
    k: int,
    allowed: Mask | None,
    excluded: Sequence[Numbers],
) -> Answer:
    """The first k of each query; exactly without an index, for a large k and where a filter leaves few rows.

    The arguments are those of :func:`index.ranking.rank`.
    """
    filtered = allowed is not None and not bool(allowed.all())
    if approximate is None or not len(queries) or not _worth(approximate, rows, k, allowed if filtered else None):
        return Answer(ranking.rank(rows, queries, k, allowed, excluded), True, None)
    tuning = approximate.tuning
    recall = min(tuning.recall, tuning.recall_filtered) if filtered else tuning.recall
    with threads_for(1):  # the lists take a tenth of the time of a query; more threads wait for each other longer
        near, lists = nearest_lists(approximate.index, queries, tuning.lists if filtered else tuning.probes)
        found = _candidates(approximate, rows, queries, allowed if filtered else None, near, lists)
    late = _added_since(approximate, rows, allowed)
    nearer = ranking.rank(rows, queries, k, late, excluded) if late is not None else [[] for _ in queries]
    ranked, exactly = [], []
    for place, (query, numbers, left_out) in enumerate(zip(queries, found, excluded, strict=True)):
        candidates = rows.positions(numbers[numbers >= 0])
        candidates = candidates[~np.isin(candidates, left_out)]
        # Few come together where a filter leaves few near the query, and where all are of its patient.
        if near[place, 0] < tuning.nearest or len(candidates) < MOST_K:
            exactly.append(place)
        ranked.append(_first(k, canonical_order(rows, query, candidates, k), nearer[place]))
    those = ranking.rank(rows, queries[exactly], k, allowed, [excluded[place] for place in exactly])
    for place, answer in zip(exactly, those, strict=True):
        ranked[place] = answer
    return Answer(ranked, False, recall)


def _worth(approximate: Approximate, rows: Rows, k: int, allowed: Mask | None) -> bool:
    if k > MOST_K or allowed is None:
        return k <= MOST_K
    return bool(approximate.tuning.examined and np.count_nonzero(allowed) > SCAN_SHARE * len(rows.numbers))


def _candidates(
    approximate: Approximate,
    rows: Rows,
    queries: Matrix,
    allowed: Mask | None,
    near: NDArray[np.float32],
    lists: Numbers,
) -> Numbers:
    """``[q, CANDIDATES]`` case numbers that the nearest lists offer, -1 where there are no more."""
    faiss: Any = importlib.import_module("faiss")
    index, tuning = approximate.index, approximate.tuning
    kept = approximate.kept(rows, allowed)
    if allowed is not None and kept.bits is not None:
        lists = _enough(lists, kept.sizes, tuning)
    else:
        lists = lists[:, : tuning.probes]
    selector = None if kept.bits is None else faiss.IDSelectorBitmap(kept.bits)
    probes = max(1, int((lists >= 0).sum(axis=1).max()))
    lists, near = np.ascontiguousarray(lists[:, :probes]), np.ascontiguousarray(near[:, :probes])
    parameters = faiss.SearchParametersIVF(nprobe=probes, **({} if selector is None else {"sel": selector}))
    scores = np.empty((len(queries), CANDIDATES), np.float32)
    numbers = np.empty((len(queries), CANDIDATES), np.int64)
    arrays = [faiss.swig_ptr(array) for array in (queries, lists, near, scores, numbers)]
    # The wrapped method takes no parameters, and so no selector.
    index.search_preassigned_c(len(queries), arrays[0], CANDIDATES, *arrays[1:], False, parameters)
    return numbers


def nearest_lists(index: Any, queries: Matrix, count: int) -> tuple[NDArray[np.float32], Numbers]:
    """The nearest lists of each query ``[q, count]``: their centroids' scores, descending, and their numbers."""
    parts = range(0, len(queries), _COARSE_AT_ONCE)
    found = [index.quantizer.search(queries[start : start + _COARSE_AT_ONCE], count) for start in parts]
    return np.concatenate([near for near, _ in found]), np.concatenate([lists for _, lists in found])


def _enough(lists: Numbers, sizes: Numbers, tuning: Tuning) -> Numbers:
    """The nearest lists of each query up to where they hold the rows to be examined; -1 behind that.

    At least the usual number of lists, of which one that holds no row left by the filter costs nothing.
    """
    before = np.cumsum(sizes[lists], axis=1) - sizes[lists]
    return np.where((before < tuning.examined) | (np.arange(lists.shape[1]) < tuning.probes), lists, -1)


def _kept(approximate: Approximate, rows: Rows, allowed: Mask | None) -> Kept:
    stop = int(np.searchsorted(rows.numbers, approximate.last, side="right"))
    masks = [mask[:stop] for mask in (rows.alive, allowed) if mask is not None]
    numbers = rows.numbers[:stop]
    numbers = numbers[np.logical_and.reduce(masks)] if masks else numbers
    if len(numbers) == approximate.index.ntotal:  # of the numbers that it holds, these are all
        return Kept(rows, allowed, None, np.zeros(0, np.int64))
    kept = np.zeros(approximate.last + 1, bool)
    kept[numbers] = True
    sizes = np.zeros(0, np.int64)
    if allowed is not None:
        sizes = np.bincount(approximate.list_of[numbers], minlength=approximate.tuning.lists)
    return Kept(rows, allowed, np.packbits(kept, bitorder="little"), sizes)


def _added_since(approximate: Approximate, rows: Rows, allowed: Mask | None) -> Mask | None:
    """``[n]``, the rows that may be answered and that the index does not know of; None where there are none."""
    start = int(np.searchsorted(rows.numbers, approximate.last, side="right"))
    if start == len(rows.numbers):
        return None
    late = np.zeros(len(rows.numbers), bool)
    late[start:] = True if allowed is None else allowed[start:]
    return late if late.any() else None


def _first(k: int, one: Ranked, other: Ranked) -> Ranked:
    return list(islice(merge(one, other, key=lambda pair: (-pair[0], pair[1])), k))
