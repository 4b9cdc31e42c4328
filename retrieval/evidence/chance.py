"""What similarity means in a gallery: that of random pairs, and how near its own cases have their nearest."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from index.contract import CaseGallery

Floats = NDArray[np.float64]
SEED = 0
SAMPLE = 600
"""Cases that are drawn; they make 180,000 pairs."""
LEAST_SAMPLE = 200
LEAST_FOR_PAIRS, LEAST_FOR_THRESHOLD = 20, 100
"""Cases that a gallery must have; of fewer, a far quantile is that of one or two cases."""
FALSE_ALARMS = 0.02
"""Share of the gallery's own cases that would be called strange to the others."""
FAR = 0.999
"""Quantile of the random pairs over which nothing is called strange, however near all cases have a neighbour."""
WORK = 2e10
"""Multiplications that may be spent on the nearest cases of the sample, about two seconds, once a generation."""


@dataclass(frozen=True)
class Chance:
    """What was drawn of a gallery.

    Args:
        pairs: cosine similarity of random pairs of different cases and patients, ascending.
        vectors: ``[n, dim]`` of the drawn cases.
        nearest: of each drawn case the similarity of its nearest other case, of another patient; ascending.
        threshold: under which a query's nearest case tells that nothing like it is there; None where the gallery is
            too small to tell.
    """

    pairs: Floats
    vectors: NDArray[np.float32]
    nearest: Floats
    threshold: float | None

    def percentiles(self, scores: ArrayLike) -> tuple[float, ...]:
        """Share in percent of random pairs that are less similar; equal ones count half."""
        return _below(self.pairs, scores)

    def percentiles_of(self, query: NDArray[np.floating], scores: ArrayLike) -> tuple[float, ...]:
        """Share in percent of the drawn cases that are less similar to a query ``[dim]``; equal ones count half.

        For queries with a sentence: a sentence and an ECG are never as similar as two ECGs.
        """
        if len(self.vectors) < LEAST_FOR_PAIRS:
            return ()
        return _below(np.sort(self.vectors.astype(np.float64) @ np.asarray(query, np.float64)), scores)


def draw_chance(gallery: CaseGallery, seed: int = SEED) -> Chance:
    """Draw cases of a gallery; the same gallery at the same generation and seed gives the same."""
    with gallery.snapshot():
        ids = gallery.ids()
        rng = np.random.default_rng(seed)
        chosen = np.sort(rng.choice(len(ids), _sample(len(ids), gallery), replace=False))
        drawn = [ids[place] for place in chosen]
        vectors = gallery.vectors(drawn)
        patients = [case.patient_key for case in gallery.cases(drawn)]
        near = _nearest(gallery, drawn, vectors, patients) if len(ids) >= LEAST_FOR_THRESHOLD else np.zeros(0)
    pairs = _pairs(vectors, patients) if len(ids) >= LEAST_FOR_PAIRS else np.zeros(0)
    return Chance(pairs, vectors, near, threshold_of(near, pairs))


def threshold_of(nearest: Floats, pairs: Floats, false_alarms: float = FALSE_ALARMS) -> float | None:
    """The quantile of the gallery's own nearest scores, and no more than the far quantile of random pairs."""
    if not len(nearest) or not len(pairs):
        return None
    # To the seven digits of a similarity: the rest depends on the order in which a machine adds.
    return round(float(min(np.quantile(nearest, false_alarms), np.quantile(pairs, FAR))), 7)


def _sample(cases: int, gallery: CaseGallery) -> int:
    affordable = int(WORK / max(1, cases * gallery.dim))
    return min(cases, SAMPLE, max(LEAST_SAMPLE, affordable))


def _nearest(
    gallery: CaseGallery, ids: list[str], vectors: NDArray[np.float32], patients: list[str | None]
) -> Floats:
    """Similarity ``[n]`` of each case's nearest, neither itself nor its patient's; cases without one are left out."""
    found = gallery.find(vectors, 2, patients).neighbours
    near = (
        next((hit.score for hit in hits if hit.case_id != own), None) for own, hits in zip(ids, found, strict=True)
    )
    return np.sort(np.array([score for score in near if score is not None], np.float64))


def _pairs(vectors: NDArray[np.float32], patients: list[str | None]) -> Floats:
    one, other = np.triu_indices(len(vectors), 1)
    number = {key: place for place, key in enumerate(dict.fromkeys(patients))}
    whose = np.array([-1 if key is None else number[key] for key in patients])
    kept = (whose[one] != whose[other]) | (whose[one] < 0)
    rows = vectors.astype(np.float64)
    return np.sort((rows @ rows.T)[one[kept], other[kept]])


def _below(ascending: Floats, scores: ArrayLike) -> tuple[float, ...]:
    if not len(ascending):
        return ()
    values = np.asarray(scores, np.float64)
    under, up_to = (np.searchsorted(ascending, values, side) for side in ("left", "right"))
    return tuple(np.round(100 * (under + up_to) / 2 / len(ascending), 3).tolist())
