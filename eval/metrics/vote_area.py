"""The AUROC of votes when some queries could not be asked."""

from __future__ import annotations

import numpy as np

from eval.bootstrap import Estimate, PatientBootstrap
from eval.metrics.auroc import weighted_auroc
from retrieval.scoring import Bools, Floats

__all__ = ["vote_area"]


def vote_area(bootstrap: PatientBootstrap, labels: Bools, votes: Floats) -> Estimate:
    """Macro AUROC of votes ``[n, classes]``, in which each pair with a row of NaN counts half.

    The area over all pairs is that of the pairs without such a row times their share, and a half times the rest.
    """
    known = ~np.isnan(votes).any(axis=1)
    weights = np.concatenate([np.ones((1, len(labels))), bootstrap.weights])
    areas = []
    for c in range(labels.shape[1]):
        area = weighted_auroc(labels[known, c], votes[known, c], weights[:, known])
        share = _pairs(labels[known, c], weights[:, known]), _pairs(labels[:, c], weights)
        part = np.divide(*share, out=np.full(len(weights), np.nan), where=share[1] > 0)
        areas.append(np.where(part > 0, np.nan_to_num(area), 0.0) * part + 0.5 * (1 - part))
    macro = _mean_of_known(np.stack(areas, axis=1))
    classes = int(np.isfinite(np.array([area[0] for area in areas])).sum())
    return Estimate(float(macro[0]), macro[1:], len(labels), classes)


def _pairs(labels: Bools, weights: Floats) -> Floats:
    return weights[:, labels].sum(axis=1) * weights[:, ~labels].sum(axis=1)


def _mean_of_known(areas: Floats) -> Floats:
    known = np.isfinite(areas)
    total = known.sum(axis=1)
    return np.divide(np.where(known, areas, 0.0).sum(axis=1), total, out=np.full(len(areas), np.nan), where=total > 0)
