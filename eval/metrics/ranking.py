"""Average precision, precision at k and nDCG at k over ranked galleries, with ties in closed form.

McSherry and Najork, "Computing information retrieval performance measures efficiently in the presence of tied
scores", ECIR 2008. A constant score gives the exact figure of a random ranking, so chance needs no draws.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from retrieval.errors import BadArgument
from retrieval.scoring import Bools, Floats

__all__ = ["Ranking", "average_precision", "ndcg_at", "precision_at", "rank_by_score"]


@dataclass(frozen=True)
class Ranking:
    """Galleries sorted by falling score, and which places are tied.

    Args:
        order: ``[q, g]`` gallery positions, best first.
        start: ``[q, g]`` at each place, the first place of its tied run.
        stop: ``[q, g]`` at each place, one past the last place of its tied run.
    """

    order: NDArray[np.intp]
    start: NDArray[np.int64]
    stop: NDArray[np.int64]

    def rows(self, chosen: NDArray[np.intp]) -> Ranking:
        """The rankings of some queries, by position."""
        return Ranking(self.order[chosen], self.start[chosen], self.stop[chosen])

    def arrange(self, values: NDArray[np.floating] | Bools) -> Floats:
        """Values of the gallery (``[q, g]``, or ``[g]`` for all queries alike) in the order of the ranking."""
        if values.ndim == 1:
            return values.astype(np.float64)[self.order]
        return np.take_along_axis(values.astype(np.float64), self.order, axis=1)

    def run_totals(self, arranged: Floats) -> tuple[Floats, Floats]:
        """At each place, the sum over all places before its tied run, and the sum over the run: ``[q, g]`` each."""
        sums = np.concatenate([np.zeros((len(arranged), 1)), np.cumsum(arranged, axis=1)], axis=1)
        before = np.take_along_axis(sums, self.start, axis=1)
        return before, np.take_along_axis(sums, self.stop, axis=1) - before


def rank_by_score(scores: Floats, allowed: Bools | None = None) -> Ranking:
    """Sort each row of ``[q, g]``; entries that are not allowed come last and must carry no relevance."""
    if scores.ndim != 2 or not scores.shape[1]:
        raise BadArgument(f"scores must have the shape [queries, gallery] with a gallery, got {list(scores.shape)}")
    if np.isnan(scores).any():
        raise BadArgument("a score is not a number; nothing can be ranked by it")
    key = -scores if allowed is None else np.where(allowed, -scores, np.inf)
    order = np.argsort(key, axis=1, kind="stable")
    ranked = np.take_along_axis(key, order, axis=1)
    size = key.shape[1]
    breaks = np.ones((len(key), size + 1), dtype=np.bool_)
    breaks[:, 1:-1] = ranked[:, 1:] != ranked[:, :-1]
    places = np.arange(size + 1)
    start = np.maximum.accumulate(np.where(breaks, places, 0), axis=1)[:, :-1]
    stop = np.minimum.accumulate(np.where(breaks, places, size)[:, ::-1], axis=1)[:, ::-1][:, 1:]
    return Ranking(order, start, stop)


def average_precision(ranking: Ranking, relevant: Bools) -> Floats:
    """Expected average precision ``[q]`` in 0..1; NaN where nothing is relevant.

    Args:
        ranking: of q galleries of g entries.
        relevant: ``[q, g]`` or ``[g]``.
    """
    arranged = ranking.arrange(relevant)
    before, run = ranking.run_totals(arranged)
    size = ranking.stop - ranking.start
    place = np.arange(arranged.shape[1])
    # A relevant entry at offset j of its run has, on average, j (r - 1) / (n - 1) relevant ones before it in the run.
    in_run = (place - ranking.start) * np.maximum(run - 1, 0) / np.maximum(size - 1, 1)
    gained = (run / size) * (before + 1 + in_run) / (place + 1)
    total = arranged.sum(axis=1)
    return np.divide(gained.sum(axis=1), total, out=np.full(len(total), np.nan), where=total > 0)


def precision_at(ranking: Ranking, relevant: Bools, k: int = 10) -> Floats:
    """Expected share ``[q]`` of relevant entries among the first k, in 0..1; places past the gallery are misses."""
    _, run = ranking.run_totals(ranking.arrange(relevant))
    return (run / (ranking.stop - ranking.start))[:, :k].sum(axis=1) / _positive(k)


def ndcg_at(ranking: Ranking, gains: Floats, k: int = 10) -> Floats:
    """Expected normalised discounted cumulative gain ``[q]`` in 0..1 with linear gains; NaN where all gains are zero.

    DCG = sum over places i of gain / log2(i + 1) (Järvelin and Kekäläinen 2002), divided by that of the best order.

    Args:
        ranking: of q galleries of g entries.
        gains: ``[q, g]`` or ``[g]``, not negative, zero where an entry is not allowed.
        k: how many places count.
    """
    if (gains < 0).any():
        raise BadArgument(f"a gain is {float(gains.min())}; gains must not be negative")
    arranged = ranking.arrange(gains)
    _, run = ranking.run_totals(arranged)
    depth = min(_positive(k), arranged.shape[1])
    discount = 1.0 / np.log2(np.arange(depth) + 2)
    found = (run / (ranking.stop - ranking.start))[:, :depth] @ discount
    best = -np.sort(np.partition(-arranged, depth - 1, axis=1)[:, :depth], axis=1)
    ideal = best @ discount
    return np.divide(found, ideal, out=np.full(len(ideal), np.nan), where=ideal > 0)


def _positive(k: int) -> int:
    if k < 1:
        raise BadArgument(f"k is {k}; at least one place must count")
    return k
