"""How probable it is that the scale of a straightened page is right to 2 %."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Signs:
    """What was seen while the lines were followed.

    Args:
        snr: of the lines over everything else of the weaker family, as ``settle`` gives it.
        likely: a priori, from 0 to 1, that lines so far apart are what they were taken for.
        first_covered: share of the view on which lines were followed at first.
        first_misfit_mm: rms of what the first plane left.
        covered: share of the paper on which lines were followed at the second look.
        noise_mm: rms of what its plane and its bend left.
        clear: of the lines over everything else once the page was laid flat; 1 where they do not show.
    """

    snr: float
    likely: float
    first_covered: float
    first_misfit_mm: float
    covered: float
    noise_mm: float
    clear: float = 1.0


def trust_of(signs: Signs) -> float:
    """Probability that the scale is within 2 %."""
    return float(np.clip(signs.covered / 0.7, 0, 1) * np.clip(1.3 - signs.noise_mm, 0.2, 1))
