"""The baselines that no tower is needed for: chance, random vectors, and the nearest page by PCA of its pixels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from retrieval.errors import BadArgument
from retrieval.scoring import Floats

__all__ = ["PixelPca", "random_vectors", "shrink", "unit_rows"]

SHRINK = 8
"""Pixels a side that are averaged before the PCA: hair-thin lines of two pages never coincide, blurred ones do."""
COMPONENTS = 256
"""With whitening and `SHRINK` the best of 60 settings on fold 9: vote AUROC .82, where 64 plain components of squares
of 4 pixels reach .71. A baseline is worth beating when it was given its best."""
MOST_PAGES = 4000
"""Pages that a PCA is fitted to; the Gram matrix of more would cost more than it finds."""


def shrink(pages: NDArray[np.uint8], factor: int = SHRINK) -> NDArray[np.uint8]:
    """Mean over squares of ``factor`` pixels: ``[n, height, width]`` to ``[n, height / factor * width / factor]``."""
    count, height, width = pages.shape
    if height % factor or width % factor:
        raise BadArgument(f"a page of {height} x {width} pixels cannot be shrunk by {factor}")
    blocks = pages.reshape(count, height // factor, factor, width // factor, factor)
    return blocks.mean(axis=(2, 4), dtype=np.float32).round().astype(np.uint8).reshape(count, -1)


@dataclass(frozen=True)
class PixelPca:
    """Whitened principal components of shrunken pages: every component of the fitted pages has the same variance.

    Args:
        mean: ``[pixels]``.
        axes: ``[components, pixels]``, orthogonal rows, each divided by the spread of the fitted pages along it.
    """

    mean: NDArray[np.float32]
    axes: NDArray[np.float32]

    @classmethod
    def fit(cls, pages: NDArray[np.uint8], components: int = COMPONENTS, seed: int = 0) -> PixelPca:
        """Fit to ``[n, pixels]``; of more than `MOST_PAGES`, to that many drawn by the seed."""
        if len(pages) > MOST_PAGES:
            chosen = np.random.default_rng(seed).choice(len(pages), MOST_PAGES, replace=False)
            pages = pages[np.sort(chosen)]
        mean = pages.mean(axis=0, dtype=np.float64).astype(np.float32)
        centred = pages.astype(np.float32) - mean
        # The eigenvectors of the small Gram matrix [n, n] give those of the large covariance.
        values, vectors = np.linalg.eigh((centred @ centred.T).astype(np.float64))
        keep = np.argsort(values)[::-1][: min(components, len(pages) - 1)]
        keep = keep[values[keep] > 1e-6 * max(float(values.max()), 1e-12)]
        # Once the square root for a row of length one, once more for a component of variance one.
        axes = (vectors[:, keep] * (np.sqrt(len(pages)) / values[keep])).T.astype(np.float32) @ centred
        return cls(mean, axes)

    def encode(self, pages: NDArray[np.uint8]) -> NDArray[np.float32]:
        """``[n, pixels]`` to unit rows ``[n, components]``."""
        return unit_rows((pages.astype(np.float32) - self.mean) @ self.axes.T)


def unit_rows(vectors: NDArray[np.floating]) -> NDArray[np.float32]:
    """Rows of length one; a row of zeros stays."""
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    return (vectors / np.where(length > 0, length, 1.0)).astype(np.float32)


def random_vectors(rows: int, dim: int, rng: np.random.Generator) -> Floats:
    """Unit rows ``[rows, dim]`` in uniformly random directions."""
    drawn = rng.standard_normal((rows, dim))
    return drawn / np.linalg.norm(drawn, axis=1, keepdims=True)
