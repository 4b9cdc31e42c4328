"""The area under the ROC curve under query weights, for all draws of a bootstrap at once."""

from __future__ import annotations

import numpy as np

from retrieval.errors import BadArgument
from retrieval.scoring import Bools, Floats, auroc, macro_auroc

__all__ = ["auroc", "macro_auroc", "weighted_auroc"]


def weighted_auroc(labels: Bools, scores: Floats, weights: Floats) -> Floats:
    """AUROC of one class under each row of weights, ties counted half.

    Sum over positives of weight x (negative weight scored lower + half the negative weight scored the same), over the
    product of the two total weights.

    Args:
        labels: ``[n]``, true for the positives.
        scores: ``[n]``, higher for what looks positive.
        weights: ``[draws, n]``, not negative.

    Returns:
        ``[draws]`` areas in 0..1, NaN where a side has no weight.

    Raises:
        BadArgument: when the lengths differ.

    Example:
        >>> import numpy as np
        >>> weighted_auroc(np.array([True, False, False]), np.array([0.5, 0.5, 0.1]), np.ones((1, 3)))
        array([0.75])
    """
    if labels.shape != scores.shape or weights.shape[1:] != labels.shape:
        raise BadArgument(
            f"labels {list(labels.shape)}, scores {list(scores.shape)} and weights {list(weights.shape)} do not fit"
        )
    negative, positive = np.flatnonzero(~labels), np.flatnonzero(labels)
    rising = negative[np.argsort(scores[negative], kind="stable")]
    below = np.zeros((len(weights), rising.size + 1))
    np.cumsum(weights[:, rising], axis=1, out=below[:, 1:])
    first = np.searchsorted(scores[rising], scores[positive], side="left")
    last = np.searchsorted(scores[rising], scores[positive], side="right")
    weight = weights[:, positive]
    won = (weight * (below[:, first] + below[:, last])).sum(axis=1) / 2
    area = weight.sum(axis=1) * below[:, -1]
    return np.divide(won, area, out=np.full(len(weights), np.nan), where=area > 0)
