"""How several searches answer as one: their lists fused by place or by standard score."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, combinations, product
from typing import Literal

import numpy as np

from eval.metrics.ranking import rank_by_score
from retrieval.errors import BadArgument
from retrieval.scoring import Floats

__all__ = ["Fusion", "fuse_ranks", "fuse_scores", "fusions_of"]

RRF_K = 60
"""Of Cormack, Clarke and Büttcher, who found its size to matter little."""
PAGE_WEIGHTS = (1.0, 0.5, 2.0, 0.25)
DECIMALS = 12
Rule = Literal["reciprocal ranks", "standard scores"]
RULES: tuple[Rule, ...] = ("reciprocal ranks", "standard scores")


@dataclass(frozen=True)
class Fusion:
    """One way of fusing the pages' list with lists of searches that read the reports.

    Args:
        reports: names of the report searches that take part, each with weight 1.
        rule: how two lists are added.
        page_weight: what the pages' list weighs.
    """

    reports: tuple[str, ...]
    rule: Rule
    page_weight: float

    def __call__(self, pages: Floats, reports: Mapping[str, Floats]) -> Floats:
        """Scores ``[q, n]`` of the pages and of each report search to fused ones."""
        lists = [pages, *(reports[name] for name in self.reports)]
        weights = [self.page_weight] + [1.0] * len(self.reports)
        return fuse_ranks(lists, weights) if self.rule == "reciprocal ranks" else fuse_scores(lists, weights)

    def __str__(self) -> str:
        return f"pages (weight {self.page_weight:g}) and {' and '.join(self.reports)}, {self.rule}"


def fusions_of(reports: Sequence[str]) -> list[Fusion]:
    """Every fusion of the pages with some of these report searches."""
    some = chain.from_iterable(combinations(reports, size) for size in range(1, len(reports) + 1))
    return [Fusion(*choice) for choice in product(some, RULES, PAGE_WEIGHTS)]


def fuse_ranks(lists: Sequence[Floats], weights: Sequence[float] | None = None, k: float = RRF_K) -> Floats:
    """Reciprocal rank fusion: the sum of weight / (k + place) over lists of scores ``[q, n]``, rounded.

    Cormack, Clarke and Büttcher, "Reciprocal rank fusion outperforms Condorcet and individual rank learning methods",
    SIGIR 2009. Tied entries share the mean of their places, so that no list prefers any of them.

    Raises:
        BadArgument: without a list, or when the lists or weights do not fit each other.
    """
    if not k > 0:
        raise BadArgument(f"k is {k:g}; it must be above 0")
    return _sum([1 / (k + _places(scores)) for scores in lists], weights)


def fuse_scores(lists: Sequence[Floats], weights: Sequence[float] | None = None) -> Floats:
    """The sum of weight times standard score, each row of ``[q, n]`` less its mean and over its spread, rounded.

    A row of equal scores has no spread and adds nothing. Unlike places, scores tell a near match from the best of a
    poor lot.

    Raises:
        BadArgument: without a list, or when the lists or weights do not fit each other.
    """
    return _sum([_standard(scores) for scores in lists], weights)


def _sum(lists: Sequence[Floats], weights: Sequence[float] | None) -> Floats:
    weights = [1.0] * len(lists) if weights is None else weights
    shapes = {scores.shape for scores in lists}
    if len(shapes) != 1 or len(weights) != len(lists):
        raise BadArgument(f"lists of shapes {sorted(shapes)} with {len(weights)} weights cannot be fused")
    total: Floats = np.zeros(shapes.pop())
    for weight, scores in zip(weights, lists, strict=True):  # entry by entry: a product of matrices sums by place
        total += weight * scores
    return total.round(DECIMALS)


def _standard(scores: Floats) -> Floats:
    # The last bit of a sum depends on the order of what is summed, and that on how the array lies in memory.
    in_order = np.sort(np.ascontiguousarray(scores), axis=1)
    spread = in_order.std(axis=1, keepdims=True)
    return (scores - in_order.mean(axis=1, keepdims=True)) / np.where(spread > 1e-9, spread, np.inf)


def _places(scores: Floats) -> Floats:
    """Place of each entry in its row, from 1; tied entries share the mean of theirs."""
    ranking = rank_by_score(scores)
    places = np.empty(scores.shape)
    np.put_along_axis(places, ranking.order, (ranking.start + ranking.stop + 1) / 2, axis=1)
    return places
