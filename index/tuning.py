"""Making the approximate index of a gallery, and finding its parameters by measuring on the gallery's own vectors.

The queries are rows moved away in a random direction by as much as neighbours lie apart in this gallery; the truth is
exact search. Parameters grow until recall@10 reaches the goal, without a filter and with filters of several sizes:
by lot, and by a direction in the space of the vectors, so that most queries lie far from what the filter leaves.
"""

from __future__ import annotations

import importlib
import logging
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from index import approximate as search_in
from index import ranking
from index.approximate import CANDIDATES, Approximate, Kind, Tuning
from index.blocks import Matrix, Numbers, Rows
from index.choice import (
    RECALL_GOAL,
    RECALL_MARGIN,
    RETRAIN_GROWTH,
    TRAINING_ROWS_PER_LIST,
    UNINDEXED_SHARE,
    lists_for,
)
from index.ranking import Mask

K = 10
QUERIES = 400
FILTERED_QUERIES = 100
FILTER_SHARES = (0.5, 0.1)
SAFETY = 2
"""What is used is this many times what reached the goal, and measured again: real queries may lie farther away."""
MOST_PROBES_SHARE = 0.25
"""With more of the lists looked into, exact search is as quick."""
_NEAREST_COPY = 0.9999
"""The cosine of a query to its row at most: not the row itself, also where rows have exact copies."""
_DISTANCES = 100
"""Rows whose distance to the nearest other one is measured; queries draw from these."""
_ROWS_AT_ONCE = 16384

FAR_SHARE = 0.02
"""Of the queries like those measured with, so many are answered exactly for lying too far away."""
_NOBODY: Numbers = np.empty(0, np.int64)

log = logging.getLogger("nearbeat.gallery")


def prepared(old: Approximate | None, rows: Rows, *, goal: float = RECALL_GOAL, seed: int = 0) -> Approximate | None:
    """An index that fits these rows: the old one, or that with the rows added since, or a new one.

    None where no parameters reach the goal, and searches stay exact.

    Args:
        old: what there is.
        rows: the gallery's vectors.
        goal: recall@10 that the parameters must reach, with a margin.
        seed: of the training sample, the training and the queries.
    """
    if old is not None and len(rows) <= RETRAIN_GROWTH * old.tuning.trained:
        late = rows.numbers > old.last
        if np.count_nonzero(late) <= UNINDEXED_SHARE * len(rows.numbers):
            return old
        grown = _tuned(_with_rows(old, rows, late), rows, goal)
        if grown is not None:
            return grown
    for kind in ("SQ8", "SQfp16"):
        tuned = _tuned(_trained(rows, kind, seed), rows, goal)
        if tuned is not None:
            return tuned
        log.info("an approximate index (%s) does not reach a recall of %s here", kind, goal)
    return None


def _trained(rows: Rows, kind: Kind, seed: int) -> Approximate:
    """A new index over all rows; the same rows and seed give the same bytes."""
    faiss: Any = importlib.import_module("faiss")
    alive = _alive(rows)
    lists = lists_for(len(alive))
    bits = {"SQ8": faiss.ScalarQuantizer.QT_8bit, "SQfp16": faiss.ScalarQuantizer.QT_fp16}[kind]
    quantizer = faiss.IndexFlatIP(rows.dim)
    index = faiss.IndexIVFScalarQuantizer(quantizer, rows.dim, lists, bits, faiss.METRIC_INNER_PRODUCT)
    index.cp.seed, index.cp.niter, index.cp.spherical = seed + 1, 10, True
    size = min(len(alive), TRAINING_ROWS_PER_LIST * lists)
    sample = np.random.default_rng(seed).choice(alive, size, replace=False, shuffle=False)
    index.train(rows.vectors(np.sort(sample)))
    _add(index, rows, alive)
    tuning = Tuning(kind, lists, len(alive), 1, 0, 0.0, 0.0, -1.0, 0, seed)
    return Approximate(index, int(rows.numbers[-1]), tuning)


def _with_rows(old: Approximate, rows: Rows, late: Mask) -> Approximate:
    """The old lists with the rows in them that were added since, and without those that were deleted."""
    index = owned(old)
    keep_only(index, rows)
    _add(index, rows, np.intersect1d(np.flatnonzero(late), _alive(rows), assume_unique=True))
    return Approximate(index, int(rows.numbers[-1]), old.tuning)


def owned(approximate: Approximate) -> Any:
    """A copy of the index that may be changed."""
    faiss: Any = importlib.import_module("faiss")
    return faiss.deserialize_index(faiss.serialize_index(approximate.index))


def keep_only(index: Any, rows: Rows) -> int:
    """Take out of the index what is not among the rows; how many those were."""
    faiss: Any = importlib.import_module("faiss")
    numbers = np.ascontiguousarray(rows.numbers[_alive(rows)])
    those = faiss.IDSelectorBatch(numbers)  # named, since FAISS keeps a bare pointer to it
    return index.remove_ids(faiss.IDSelectorNot(those))


def _add(index: Any, rows: Rows, positions: Numbers) -> None:
    for start in range(0, len(positions), _ROWS_AT_ONCE):
        part = positions[start : start + _ROWS_AT_ONCE]
        index.add_with_ids(rows.vectors(part), rows.numbers[part])


def _alive(rows: Rows) -> Numbers:
    return np.arange(len(rows.numbers)) if rows.alive is None else np.flatnonzero(rows.alive)


def _tuned(approximate: Approximate, rows: Rows, goal: float) -> Approximate | None:
    """With twice the fewest probes that reach the goal; None where none do."""
    rng = np.random.default_rng(approximate.tuning.seed)
    queries = held_out_queries(rows, QUERIES, rng)
    start = replace(approximate, tuning=replace(approximate.tuning, queries=len(queries)))
    truth = _truth(rows, queries, None)
    # Queries that find too few candidates are answered exactly, and tell nothing.
    least = CANDIDATES * start.tuning.lists / len(rows)
    for probes in _steps(max(1, int(MOST_PROBES_SHARE * start.tuning.lists))):
        tried = _with(start, probes=probes)
        if probes < least or _recall(tried, rows, queries, None, truth) < min(1.0, goal + RECALL_MARGIN):
            continue
        tuned = _with(start, probes=SAFETY * probes)
        found = _recall(tuned, rows, queries, None, truth)
        if found >= goal:
            tuned = _with(tuned, recall=found, nearest=_usual(tuned, queries))
            return _tuned_for_filters(tuned, rows, goal, rng)
    return None


def _usual(approximate: Approximate, queries: Matrix) -> float:
    """The score of the nearest centroid that all but a few of the queries reach."""
    scores = search_in.nearest_lists(approximate.index, queries, 1)[0][:, 0]
    return float(np.quantile(scores, FAR_SHARE))


def _tuned_for_filters(approximate: Approximate, rows: Rows, goal: float, rng: np.random.Generator) -> Approximate:
    """With twice the fewest rows to be examined that reach the goal under every filter; 0, all, where none do."""
    queries = held_out_queries(rows, FILTERED_QUERIES, rng)
    filters = list(sample_filters(rows, rng))
    truths = [_truth(rows, queries, allowed) for allowed in filters]

    def lowest(tried: Approximate) -> float:
        pairs = zip(filters, truths, strict=True)
        return min(_recall(tried, rows, queries, allowed, truth) for allowed, truth in pairs)

    usual = approximate.tuning.probes * len(rows) // approximate.tuning.lists + 1
    for factor in _steps(max(1, int(MOST_PROBES_SHARE * approximate.tuning.lists) // approximate.tuning.probes)):
        if lowest(_with(approximate, examined=usual * factor)) >= min(1.0, goal + RECALL_MARGIN):
            tuned = _with(approximate, examined=usual * factor * SAFETY)
            found = lowest(tuned)
            if found >= goal:
                return _with(tuned, recall_filtered=found)
    return _with(approximate, examined=0, recall_filtered=1.0)


def _with(approximate: Approximate, **changes: float) -> Approximate:
    return replace(approximate, tuning=replace(approximate.tuning, **changes))


def _truth(rows: Rows, queries: Matrix, allowed: Mask | None) -> list[ranking.Ranked]:
    return ranking.rank(rows, queries, K, allowed, [_NOBODY] * len(queries))


def _recall(
    tried: Approximate, rows: Rows, queries: Matrix, allowed: Mask | None, truth: list[ranking.Ranked]
) -> float:
    return recall(truth, search_in.search(tried, rows, queries, K, allowed, [_NOBODY] * len(queries)).ranked)


def _steps(most: int) -> Iterator[int]:
    """1, 2, 3, 4, 6, 8, 12, 16 and so on."""
    power = 1
    while power <= most:
        yield power
        if power > 1 and power * 3 // 2 <= most:
            yield power * 3 // 2
        power *= 2


def recall(truth: list[ranking.Ranked], found: list[ranking.Ranked]) -> float:
    """The mean share of the true neighbours that were found."""
    shares = [
        len({case_id for _, case_id in true} & {case_id for _, case_id in answer}) / max(1, len(true))
        for true, answer in zip(truth, found, strict=True)
    ]
    return float(np.mean(shares))


def sample_filters(rows: Rows, rng: np.random.Generator) -> Iterator[Mask]:
    """Filters to measure with: for each share one by lot, and one by a direction in the space of the vectors."""
    direction = rng.standard_normal(rows.dim).astype(np.float32)
    along = np.concatenate([block.matrix @ direction for block in rows.blocks])
    for share in FILTER_SHARES:
        yield rng.random(len(rows.numbers)) < share
        yield along >= np.quantile(along, 1 - share)


def held_out_queries(rows: Rows, count: int, rng: np.random.Generator) -> Matrix:
    """``[count, dim]`` unit rows that are not in the gallery but lie as near to it as its rows to each other."""
    alive = _alive(rows)
    sample = rng.choice(alive, min(count, len(alive)), replace=False)
    base = rows.vectors(sample)
    some = sample[:_DISTANCES]
    itself = [np.array([row]) for row in some]
    nearest = [found[0][0] if found else 1.0 for found in ranking.rank(rows, base[: len(some)], 1, None, itself)]
    cosines = rng.choice(np.clip(nearest, 0.0, _NEAREST_COPY), len(sample))
    return moved(base, cosines, rng)


def moved(base: Matrix, cosines: NDArray[np.float64], rng: np.random.Generator) -> Matrix:
    """Unit rows at these cosines from the unit rows ``[n, dim]``, each in a random direction."""
    noise = rng.standard_normal(base.shape)
    noise -= (noise * base).sum(axis=1, keepdims=True) * base
    noise /= np.linalg.norm(noise, axis=1, keepdims=True)
    found = cosines[:, None] * base + np.sqrt(1 - cosines[:, None] ** 2) * noise
    return (found / np.linalg.norm(found, axis=1, keepdims=True)).astype(np.float32)
