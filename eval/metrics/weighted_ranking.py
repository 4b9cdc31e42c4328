"""Average precision and precision at k of one ranked list when its entries are drawn again and again.

A draw of a bootstrap takes each entry of the searched set as often as its weight says. The list of that draw is the
old one with every entry standing there so many times, its copies tied with each other; so nothing is sorted anew, and
all draws cost a few cumulative sums. With all weights 1 the figures are those of `eval.metrics.ranking`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from retrieval.errors import BadArgument
from retrieval.scoring import Bools, Floats

__all__ = ["Drawn", "Weights", "drawn_hits"]

Weights = NDArray[np.int32]


@dataclass(frozen=True)
class Drawn:
    """The relevant entries of a list, best first, and what surrounds each in every draw: ``[hits, draws]`` counts.

    Args:
        weight: how often the entry was drawn.
        before: entries before its tied run.
        hits_before: relevant ones among them.
        run: entries in its tied run, itself included.
        hits_in_run: relevant ones among them.
    """

    weight: Weights
    before: Weights
    hits_before: Weights
    run: Weights
    hits_in_run: Weights

    def precision_at(self, k: int = 10) -> Floats:
        """Expected share ``[draws]`` of relevant entries among the first k; NaN where a draw holds none at all."""
        if k < 1:
            raise BadArgument(f"k is {k}; at least one place must count")
        inside = np.clip(k - self.before, 0, self.run)
        found = (self.weight * _divide(inside, self.run)).sum(axis=0) / k
        return np.where(self.weight.any(axis=0), found, np.nan)

    def average_precision(self) -> Floats:
        """Expected average precision ``[draws]``, ties in closed form; NaN where a draw holds nothing relevant.

        The precision at an entry counts that entry once, however often it was drawn: its copies would stand beside it
        and lift every draw above the list that was drawn from.

        An entry in a run of n, r of them relevant, behind s entries, b of them relevant, stands at each offset j of
        the run alike and has, on average, j (r - 1) / (n - 1) relevant ones of the run before it (McSherry and Najork
        2008). The mean over j of its precision is ((b + 1) D + (r - 1) / (n - 1) (n - (s + 1) D)) / n, where D =
        H(s + n) - H(s) of the harmonic numbers H.
        """
        copies = np.maximum(self.weight - 1, 0)
        size, hits = np.maximum(self.run - copies, 1), np.maximum(self.hits_in_run - copies, 1)
        most = int((self.before + size).max(initial=0))
        harmonic = np.concatenate([[0.0], np.cumsum(1 / np.arange(1, most + 1))])
        step = harmonic[self.before + size] - harmonic[self.before]
        slope = (hits - 1) / np.maximum(size - 1, 1)
        precision = ((self.hits_before + 1) * step + slope * (size - (self.before + 1) * step)) / size
        total = self.weight.sum(axis=0)
        return _divide((self.weight * precision).sum(axis=0), total, np.nan)


def drawn_hits(scores: Floats, relevant: Bools, weights: Weights) -> Drawn:
    """Sort a list once and count around its relevant entries in every draw.

    Args:
        scores: ``[n]``, higher is nearer.
        relevant: ``[n]``.
        weights: ``[n, draws]``, how often each draw takes each entry.

    Raises:
        BadArgument: when the lengths differ, or a score is not a number.

    Example:
        >>> import numpy as np
        >>> found = drawn_hits(np.array([0.9, 0.5]), np.array([False, True]), np.array([[1, 2, 0], [1, 1, 1]]))
        >>> found.average_precision().round(3).tolist()
        [0.5, 0.333, 1.0]
    """
    if scores.shape != relevant.shape or weights.shape[:1] != scores.shape:
        raise BadArgument(
            f"scores {list(scores.shape)}, labels {list(relevant.shape)} and weights {list(weights.shape)} do not fit"
        )
    if np.isnan(scores).any():
        raise BadArgument("a score is not a number; nothing can be ranked by it")
    order = np.argsort(-scores, kind="stable")
    falling, hits = -scores[order], np.flatnonzero(relevant[order])
    starts = np.searchsorted(falling, falling[hits], side="left")
    stops = np.searchsorted(falling, falling[hits], side="right")
    before, after = np.split(_sums_at(np.concatenate([starts, stops]), weights, order), 2)
    first, last = np.searchsorted(hits, starts), np.searchsorted(hits, stops)
    weight = weights[order[hits]]
    so_far = np.zeros((len(hits) + 1, weights.shape[1]), dtype=np.int32)
    np.cumsum(weight, axis=0, out=so_far[1:])
    return Drawn(weight, before, so_far[first], after - before, so_far[last] - so_far[first])


def _sums_at(bounds: NDArray[np.intp], weights: Weights, order: NDArray[np.intp]) -> Weights:
    """``[bounds, draws]``: the weight of the entries before each bound of the ranked list."""
    distinct = np.unique(np.concatenate([[0], bounds]))
    sums = np.zeros((len(distinct), weights.shape[1]), dtype=np.int32)
    if len(distinct) > 1:
        rows = weights[order[: distinct[-1]]]
        np.cumsum(np.add.reduceat(rows, distinct[:-1], axis=0), axis=0, out=sums[1:])
    return sums[np.searchsorted(distinct, bounds)]


def _divide(above: NDArray[np.number], below: NDArray[np.number], otherwise: float = 0.0) -> Floats:
    return np.divide(above, below, out=np.full(np.shape(above), otherwise), where=below > 0)
