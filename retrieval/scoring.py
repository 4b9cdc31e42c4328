"""How good a ranking is, in numpy alone: what the trainer watches each epoch and what the protocol builds on.

Scores that are equal share their places: every figure here is the mean over all orders of the tied entries, in closed
form, so that it never depends on how a sort happens to break ties (McSherry and Najork, ECIR 2008).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from retrieval.ecg.statements import SUPERCLASSES, superclasses
from retrieval.errors import BadArgument

__all__ = [
    "SUPERCLASSES",
    "Bools",
    "FirstHit",
    "Floats",
    "auroc",
    "cosine",
    "expected_recall",
    "first_hit",
    "macro_auroc",
    "neighbour_vote",
    "other_patients",
    "retrieval_scores",
    "superclass_labels",
    "vote_auroc",
]

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

SCORE_DECIMALS = 9
"""Equal vectors may differ in the last bits of a product; rounding makes their tie a tie."""


def cosine(queries: NDArray[np.floating], gallery: NDArray[np.floating]) -> Floats:
    """Scores ``[q, g]`` of unit rows ``[q, dim]`` against unit rows ``[g, dim]``, in float64, rounded.

    Raises:
        BadArgument: when the two differ in their dimension, or a vector is not finite.
    """
    if queries.ndim != 2 or gallery.ndim != 2 or queries.shape[1] != gallery.shape[1]:
        raise BadArgument(f"vectors of shapes {list(queries.shape)} and {list(gallery.shape)} cannot be compared")
    scores = queries.astype(np.float64) @ gallery.astype(np.float64).T
    if not np.isfinite(scores).all():
        raise BadArgument("a vector holds values that are not finite; the bundle or the training has failed")
    return np.round(scores, SCORE_DECIMALS)


def auroc(labels: NDArray[np.bool_], scores: NDArray[np.floating]) -> float:
    """Area under the ROC curve of one class: P(positive > negative) + P(equal) / 2 (Mann and Whitney).

    Args:
        labels: ``[n]``, true for the positives.
        scores: ``[n]``, higher for what looks positive.

    Returns:
        The area in 0..1, or NaN when a side is empty.
    """
    positives = int(np.count_nonzero(labels))
    negatives = labels.size - positives
    if not positives or not negatives:
        return float("nan")
    _, place, count = np.unique(scores, return_inverse=True, return_counts=True)
    mean_rank = np.cumsum(count) - (count - 1) / 2
    rank_sum = float(mean_rank[place.ravel()][labels].sum())
    return (rank_sum - positives * (positives + 1) / 2) / (positives * negatives)


def macro_auroc(labels: NDArray[np.bool_], scores: NDArray[np.floating]) -> float:
    """Mean over classes of `auroc`; ``[n, classes]`` each. Classes with an empty side are left out."""
    areas = [auroc(labels[:, c], scores[:, c]) for c in range(labels.shape[1])]
    known = [area for area in areas if not np.isnan(area)]
    return float(np.mean(known)) if known else float("nan")


def neighbour_vote(
    scores: Floats, gallery_labels: NDArray[np.bool_], k: int = 50, temperature: float = np.inf
) -> Floats:
    """The vote of the k nearest cases, ``[q, classes]`` in 0..1.

    Each of the k weighs exp((score - best) / temperature); an infinite temperature is a plain count. Cases tied at
    place k share the places that are left. A score of minus infinity takes no part.

    Args:
        scores: ``[q, g]``.
        gallery_labels: ``[g, classes]``.
        k: how many neighbours vote.
        temperature: in units of the score.
    """
    if k < 1 or not temperature > 0:
        raise BadArgument(f"a vote of k={k} neighbours at temperature {temperature} is none; both must be positive")
    k = min(k, scores.shape[1])
    border = np.partition(scores, -k, axis=1)[:, -k, None]
    above, tied = scores > border, scores == border
    share = (k - above.sum(axis=1, keepdims=True)) / tied.sum(axis=1, keepdims=True)
    weight = np.where(above, 1.0, np.where(tied, share, 0.0))
    weight[~np.isfinite(scores)] = 0.0
    best = scores.max(axis=1, keepdims=True)
    if np.isfinite(temperature):
        weight *= np.exp(np.where(weight > 0, scores - best, 0.0) / temperature)
    total = weight.sum(axis=1, keepdims=True)
    return (weight @ gallery_labels.astype(np.float64)) / np.where(total > 0, total, 1.0)


def vote_auroc(
    queries: NDArray[np.floating],
    gallery: NDArray[np.floating],
    query_labels: NDArray[np.bool_],
    gallery_labels: NDArray[np.bool_],
    *,
    k: int = 50,
    temperature: float = np.inf,
    allowed: Bools | None = None,
) -> float:
    """Macro AUROC of the neighbour vote.

    Args:
        queries: unit rows ``[q, dim]``.
        gallery: unit rows ``[g, dim]``.
        query_labels: ``[q, classes]``.
        gallery_labels: ``[g, classes]``.
        k: how many neighbours vote.
        temperature: see `neighbour_vote`.
        allowed: ``[q, g]``, false where a case must not be a neighbour (the query's own patient).
    """
    scores = cosine(queries, gallery)
    if allowed is not None:
        scores = np.where(allowed, scores, -np.inf)
    return macro_auroc(query_labels, neighbour_vote(scores, gallery_labels, k, temperature))


@dataclass(frozen=True)
class FirstHit:
    """Where the first of a query's targets stands, with ties.

    Args:
        above: ``[q]`` entries that score higher than the best target.
        tied: ``[q]`` entries that score the same, the targets among them included.
        hits: ``[q]`` targets among the tied.
    """

    above: NDArray[np.int64]
    tied: NDArray[np.int64]
    hits: NDArray[np.int64]

    def recall_at(self, k: int) -> Floats:
        """Chance ``[q]`` that a target is among the first k: 1 - C(tied - hits, j) / C(tied, j), j = k - above."""
        log = np.concatenate([[0.0], np.cumsum(np.log(np.arange(1, int(self.tied.max(initial=0)) + 1)))])
        drawn = np.clip(k - self.above, 0, self.tied)
        blanks = self.tied - self.hits
        left = np.maximum(blanks - drawn, 0)
        missed = np.exp(log[blanks] - log[left] - log[self.tied] + log[self.tied - drawn])
        return np.where(drawn > blanks, 1.0, np.where(drawn == 0, 0.0, 1.0 - missed))

    def reached(self, places: int) -> Floats:
        """`recall_at` for k = 1 to ``places``, ``[q, places]``: the distribution of the place of the first target."""
        table = (np.arange(1, places + 1) > self.above[:, None]).astype(np.float64)
        shared = np.flatnonzero(self.hits < self.tied)  # Everywhere else the place is certain.
        if shared.size:
            keys = np.stack([self.above, self.tied, self.hits], axis=1)[shared]
            distinct, where = np.unique(keys, axis=0, return_inverse=True)
            few = FirstHit(*distinct.T)
            table[shared] = np.stack([few.recall_at(k) for k in range(1, places + 1)], axis=1)[where.ravel()]
        return table

    def reciprocal_rank(self) -> Floats:
        """Expected 1 / place ``[q]`` of the first target."""
        keys = np.stack([self.above, self.tied, self.hits], axis=1)
        distinct, where = np.unique(keys, axis=0, return_inverse=True)
        values = np.array([_reciprocal(int(a), int(n), int(r)) for a, n, r in distinct])
        return values[where.ravel()] if len(distinct) else np.zeros(0)


def _reciprocal(above: int, tied: int, hits: int) -> float:
    places = np.arange(tied - hits + 1)
    still_missed = np.concatenate([[1.0], np.cumprod((tied - hits - places[:-1]) / (tied - places[:-1]))])
    first_here = still_missed * hits / (tied - places)
    return float((first_here / (above + 1 + places)).sum())


def first_hit(scores: Floats, targets: Bools, allowed: Bools | None = None) -> FirstHit:
    """Where the best target of each query stands; all arrays are ``[q, g]``.

    Args:
        scores: higher is nearer.
        targets: what counts as found; every query needs one that is allowed.
        allowed: false where an entry is left out of the gallery of that query.

    Raises:
        BadArgument: when a query has no target.
    """
    allowed = np.ones_like(targets) if allowed is None else allowed
    wanted = targets & allowed
    if not wanted.any(axis=1).all():
        lacking = int(np.flatnonzero(~wanted.any(axis=1))[0])
        raise BadArgument(f"query {lacking} has no target in its gallery; leave it out before measuring")
    best = np.where(wanted, scores, -np.inf).max(axis=1, keepdims=True)
    tied = (scores == best) & allowed
    return FirstHit(
        above=((scores > best) & allowed).sum(axis=1),
        tied=tied.sum(axis=1),
        hits=(tied & wanted).sum(axis=1),
    )


def expected_recall(
    images: NDArray[np.floating], texts: NDArray[np.floating], patients: Sequence[str | None], k: int = 10
) -> float:
    """Exact-pair recall at k from page to report over n pairs, in 0..1: text i belongs to image i.

    Other ECGs of the same patient are left out; equal scores take their expected place.
    """
    own = np.eye(len(images), dtype=np.bool_)
    hit = first_hit(cosine(images, texts), own, other_patients(patients, patients) | own)
    return float(hit.recall_at(k).mean())


def other_patients(queries: Sequence[str | None], gallery: Sequence[str | None]) -> Bools:
    """``[q, g]``, false where both are known to be the same patient."""
    number = {key: i for i, key in enumerate(dict.fromkeys([*queries, *gallery]))}
    left = np.array([-1 if key is None else number[key] for key in queries], dtype=np.int64)
    right = np.array([-2 if key is None else number[key] for key in gallery], dtype=np.int64)
    return left[:, None] != right[None, :]


def superclass_labels(statements: Sequence[Mapping[str, float | None]]) -> Bools:
    """``[n, 5]``: which of `SUPERCLASSES` the statements of each case belong to."""
    found = [superclasses(codes) for codes in statements]
    return np.array([[name in here for name in SUPERCLASSES] for here in found], dtype=np.bool_).reshape(-1, 5)


def retrieval_scores(
    image_vectors: NDArray[np.floating],
    text_vectors: NDArray[np.floating],
    statements: Sequence[Mapping[str, float | None]],
    patients: Sequence[str | None],
    *,
    gallery_vectors: NDArray[np.floating] | None = None,
    gallery_statements: Sequence[Mapping[str, float | None]] | None = None,
    gallery_patients: Sequence[str | None] | None = None,
    k: int = 50,
) -> dict[str, float]:
    """What a trainer watches: ``vote_auroc`` (five superclasses) and ``recall_at_1``, ``recall_at_10`` (exact pairs).

    Args:
        image_vectors: unit rows ``[n, dim]`` of the validation pages.
        text_vectors: unit rows ``[n, dim]`` of their reports, in the same order.
        statements: of each case, code -> likelihood or None.
        patients: patient key of each case; None where unknown.
        gallery_vectors: unit rows ``[g, dim]`` that vote; without it the other validation pages do.
        gallery_statements: of each gallery case.
        gallery_patients: of each gallery case, to keep a patient's own ECGs from voting.
        k: how many neighbours vote.
    """
    labels = superclass_labels(statements)
    if gallery_vectors is None or gallery_statements is None:
        allowed = other_patients(patients, patients) & ~np.eye(len(labels), dtype=np.bool_)
        vote = vote_auroc(image_vectors, image_vectors, labels, labels, k=k, allowed=allowed)
    else:
        allowed = None if gallery_patients is None else other_patients(patients, gallery_patients)
        theirs = superclass_labels(gallery_statements)
        vote = vote_auroc(image_vectors, gallery_vectors, labels, theirs, k=k, allowed=allowed)
    return {
        "vote_auroc": vote,
        "recall_at_1": expected_recall(image_vectors, text_vectors, patients, 1),
        "recall_at_10": expected_recall(image_vectors, text_vectors, patients, 10),
    }
