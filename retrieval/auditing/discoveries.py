"""How many of the flagged ECGs may be flagged for nothing: conformal p-values and the rule of Benjamini and Hochberg.

A p-value of an ECG is how often an ECG whose report belongs to it looks at least as suspicious. It is counted, not
modelled: among ECGs whose reports are taken to belong (the *reference*), the share whose disagreement is at least as
high. Such p-values share their reference and so are dependent, yet positively so, and the rule of Benjamini and
Hochberg keeps the expected share of false flags at its level all the same (Bates, Candès, Lei, Romano and Sesia,
Testing for outliers with conformal p-values, Annals of Statistics 51:149-178, 2023; Benjamini and Hochberg, Journal
of the Royal Statistical Society B 57:289-300, 1995).

The one assumption: the reference and those ECGs of the archive whose reports belong are exchangeable, that is, come
from one population, read by one standard. Wrong reports within the reference make the rule more careful, never less.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

LEVEL = 0.1
"""Share of false flags that is aimed at."""
LOOK = 0.05
"""An ECG of at most this p-value is worth a look, flagged or not."""

Floats = NDArray[np.float64]


def p_values(scores: ArrayLike, reference: ArrayLike) -> Floats:
    """``(1 + reference scores that are as high or higher) / (1 + reference scores)`` of each score.

    Args:
        scores: ``[n]`` disagreements.
        reference: ``[m]`` disagreements of ECGs whose reports belong.

    Example:
        >>> p_values([3.0, 0.0], [1.0, 2.0, 3.0]).tolist()
        [0.5, 1.0]
    """
    known = np.sort(np.asarray(reference, dtype=np.float64))
    at_least = len(known) - np.searchsorted(known, np.asarray(scores, dtype=np.float64), side="left")
    return (1 + at_least) / (1 + len(known))


def q_values(p: ArrayLike) -> Floats:
    """The lowest level at which the rule of Benjamini and Hochberg flags each: ``min over larger p of n p / rank``.

    Example:
        >>> q_values([0.01, 0.5, 0.02]).round(3).tolist()
        [0.03, 0.5, 0.03]
    """
    values = np.asarray(p, dtype=np.float64)
    order = np.argsort(values, kind="stable")
    steps = values[order] * len(values) / np.arange(1, len(values) + 1)
    found = np.empty(len(values))
    found[order] = np.minimum(np.minimum.accumulate(steps[::-1])[::-1], 1.0)
    return found


def interval(hits: int, tries: int) -> tuple[float, float]:
    """Wilson's 95 % interval of a share (Journal of the American Statistical Association 22:209-212, 1927).

    Example:
        >>> tuple(round(bound, 3) for bound in interval(31, 40))
        (0.625, 0.877)
    """
    if tries == 0:
        return 0.0, 1.0
    z, share = 1.959964, hits / tries
    middle = share + z * z / (2 * tries)
    spread = z * math.sqrt(share * (1 - share) / tries + z * z / (4 * tries * tries))
    whole = 1 + z * z / tries
    return max(0.0, (middle - spread) / whole), min(1.0, (middle + spread) / whole)


def order_of(p: Floats, scores: Floats) -> NDArray[np.intp]:
    """Positions by rising p-value, then by falling score, then as they stand: the order in which to look."""
    return np.lexsort((np.arange(len(p)), -scores, p))
