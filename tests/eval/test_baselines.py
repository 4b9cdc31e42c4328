"""The PCA of the pixels against scikit-learn, and the shrinking by hand."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.decomposition import PCA

from eval.baselines import PixelPca, random_vectors, shrink, unit_rows
from retrieval.errors import BadArgument


def test_shrink_takes_the_mean_of_squares():
    page = np.zeros((1, 4, 8), dtype=np.uint8)
    page[0, :2, :2] = [[10, 20], [30, 40]]
    assert shrink(page, 2).tolist() == [[25, 0, 0, 0, 0, 0, 0, 0]]
    with pytest.raises(BadArgument, match="4 x 8"):
        shrink(page, 3)


def test_pca_agrees_with_scikit_learn():
    rng = np.random.default_rng(0)
    pages = np.clip(128 + rng.standard_normal((50, 12)) @ rng.standard_normal((12, 40)) * 8, 0, 255).astype(np.uint8)
    theirs = PCA(6, whiten=True, svd_solver="full").fit(pages)
    ours = PixelPca.fit(pages, 6).encode(pages)
    cosines = unit_rows(theirs.transform(pages))
    np.testing.assert_allclose(ours @ ours.T, cosines @ cosines.T, atol=1e-4)


def test_pca_of_equal_pages_has_no_direction_left():
    pages = np.full((5, 30), 200, dtype=np.uint8)
    assert not PixelPca.fit(pages).encode(pages).any()


def test_random_vectors_are_unit_and_repeatable():
    one, other = (random_vectors(9, 5, np.random.default_rng(4)) for _ in range(2))
    np.testing.assert_allclose(np.linalg.norm(one, axis=1), 1)
    assert (one == other).all()
