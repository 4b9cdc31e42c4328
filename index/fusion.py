"""A search by vector and by words in one: both scores of a case as standard scores, added.

Standard scores tell a near match from the best of a poor lot, which places in a list cannot; on PTB-XL's fold 9 they
find more than reciprocal ranks do, and most with twice the weight on the vectors (docs/decisions.md).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from index.blocks import Matrix, Numbers, Rows
from index.ranking import Mask, Ranked, rounding_margin, scores_of

VECTOR_WEIGHT = 2.0
"""What a standard score of the vectors weighs, where that of the words weighs 1."""
SPREAD_ROWS = 20_000
"""Most cases whose similarities are taken for the spread of all."""
DECIMALS = 6
_ROWS_AT_ONCE = 16_384
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Spread:
    """Where the scores of a query lie among all cases: their mean and standard deviation."""

    mean: float
    deviation: float

    def standard(self, scores: Floats) -> Floats:
        """Scores less the mean and over the deviation; 0 where all scores are the same."""
        if self.deviation <= 1e-9:
            return np.zeros(scores.shape)
        return (scores - self.mean) / self.deviation


@dataclass(frozen=True)
class Said:
    """The cases whose reports hold words of a text: their rows ``[m]``, ascending, and BM25 ``[m]``, above 0."""

    rows: Numbers
    scores: Floats

    def of(self, rows: Numbers) -> Floats:
        """The BM25 of these rows, 0 for one without any of the words."""
        if not len(self.rows):
            return np.zeros(len(rows))
        place = np.minimum(np.searchsorted(self.rows, rows), len(self.rows) - 1)
        return np.where(self.rows[place] == rows, self.scores[place], 0.0)

    def spread(self, cases: int) -> Spread:
        """Among all cases of the gallery, those without any of the words too."""
        in_order = np.sort(self.scores)  # so that no sum depends on the order in which cases were added
        mean = float(in_order.sum()) / max(1, cases)
        return Spread(mean, max(0.0, float((in_order**2).sum()) / max(1, cases) - mean**2) ** 0.5)


def spread_of(rows: Rows, query: Matrix) -> Spread:
    """Of the similarities of all cases, or of evenly chosen ones where they are more than ``SPREAD_ROWS``."""
    places = np.arange(len(rows.numbers)) if rows.alive is None else np.flatnonzero(rows.alive)
    step = -(-len(places) // SPREAD_ROWS) or 1
    in_order = np.sort(scores_of(rows, query, places[rows.numbers[places] % step == 0] if step > 1 else places))
    return Spread(float(in_order.mean()), float(in_order.std())) if len(in_order) else Spread(0.0, 0.0)


def fused(rows: Rows, query: Matrix, near: Numbers, said: Said, allowed: Mask, k: int) -> Ranked:
    """The first k ``(score, case id)`` by the sum of both standard scores, rounded, equal ones by case id.

    Exactly, where ``near`` is: a case that holds none of the words and is not among the k nearest has k cases before
    it that are nearer and hold no fewer of them.

    Args:
        rows: the vectors of the gallery.
        query: ``[dim]``.
        near: the rows of the nearest cases that may be answered, k of them or all there are.
        said: the cases of the gallery that hold words of the text.
        allowed: ``[m]``, which of ``said`` may be answered.
        k: how many.
    """
    vectors, words = spread_of(rows, query), said.spread(len(rows))
    holding = said.rows[allowed]
    candidates = np.union1d(near, _promising(rows, query, holding, said, vectors, words, k))
    similar = VECTOR_WEIGHT * vectors.standard(scores_of(rows, query, candidates))
    total = np.round(similar + words.standard(said.of(candidates)), DECIMALS)
    if len(total) > k:  # only those that may be answered need their id
        best = total >= np.partition(total, len(total) - k)[len(total) - k]
        total, candidates = total[best], candidates[best]
    places = zip(total.tolist(), candidates.tolist(), strict=True)
    keyed = sorted((-score, rows.case_id(row)) for score, row in places)
    return [(0.0 - negative, case_id) for negative, case_id in keyed[:k]]


def _promising(
    rows: Rows, query: Matrix, holding: Numbers, said: Said, vectors: Spread, words: Spread, k: int
) -> Numbers:
    """Those of the rows that can be among the first k, by their sum in float32 with room for its error."""
    if len(holding) <= k:
        return holding
    similar = np.empty(len(holding))
    for start in range(0, len(holding), _ROWS_AT_ONCE):
        part = slice(start, start + _ROWS_AT_ONCE)
        similar[part] = rows.vectors(holding[part]) @ query
    total = VECTOR_WEIGHT * vectors.standard(similar) + words.standard(said.of(holding))
    margin = VECTOR_WEIGHT * rounding_margin(len(query)) / max(vectors.deviation, 1e-9) + 10.0**-DECIMALS
    return holding[total >= np.partition(total, len(total) - k)[len(total) - k] - margin]
