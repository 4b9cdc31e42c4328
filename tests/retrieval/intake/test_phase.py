"""The ruling of made lattices is followed to the map they were made by."""

from __future__ import annotations

import numpy as np
import pytest

from retrieval.intake.page.phase import _unwrap, map_paper
from retrieval.intake.page.spectrum import Ruling, find_rulings


def lattice(pitch: tuple[float, float], turn_deg: float, thin: bool = True) -> np.ndarray:
    """Evidence float32 of two families of dark lines, ``pitch`` pixels apart, the paper turned by ``turn_deg``.

    Lines that are not thin are a quarter of a pitch wide, which leaves nothing of their fifth harmonic.
    """
    y, x = np.mgrid[:900, :1200].astype(np.float64)
    c, s = np.cos(np.deg2rad(turn_deg)), np.sin(np.deg2rad(turn_deg))
    lines = ((c * x + s * y) / pitch[0], (c * y - s * x) / pitch[1])
    apart = [((line + 0.5) % 1.0 - 0.5) * width for line, width in zip(lines, pitch, strict=True)]
    pens = [1.5 if thin else width / 4 for width in pitch]
    dark = [np.exp(-((pixels / pen) ** 2)) for pixels, pen in zip(apart, pens, strict=True)]
    return (dark[0] + dark[1] - np.mean(dark) * 2).astype(np.float32)


def true_ruling(pitch: tuple[float, float], turn_deg: float, off: float = 1.0) -> Ruling:
    c, s = np.cos(np.deg2rad(turn_deg)), np.sin(np.deg2rad(turn_deg))
    return Ruling((c / pitch[0] * off, s / pitch[0] * off), (-s / pitch[1] * off, c / pitch[1] * off), 1.0, 1.0)


@pytest.mark.parametrize(
    ("pitch", "thin"),
    [
        ((13.0, 13.0), True),
        ((31.0, 29.5), True),
        ((110.0, 104.0), True),
        ((67.0, 70.0), False),
        ((110.0, 104.0), False),
    ],
)
@pytest.mark.parametrize("turn_deg", [0.0, 4.0])
def test_map_is_that_of_the_lattice(pitch: tuple[float, float], thin: bool, turn_deg: float) -> None:
    """Also where the pitch is so wide that the picture is thinned before it is smoothed."""
    found = map_paper(lattice(pitch, turn_deg, thin), true_ruling(pitch, turn_deg, off=1.01))
    assert found is not None
    points = np.array([[200, 200, 1], [1000, 200, 1], [200, 700, 1], [1000, 700, 1]], float)
    mapped = points @ found.matrix.T
    mapped = mapped[:, :2] / mapped[:, 2:]
    c, s = np.cos(np.deg2rad(turn_deg)), np.sin(np.deg2rad(turn_deg))
    true = points[:, :2] @ np.array([[c, -s], [s, c]]) * 5.0 / np.array(pitch)
    # Where paper begins is open by whole lines, of 1 mm where it was the fifth harmonic that was followed.
    whole = 1.0 if thin else 5.0
    np.testing.assert_allclose(mapped - mapped[0], true - true[0], atol=0.1)
    np.testing.assert_allclose((mapped - true + whole / 2) % whole, whole / 2, atol=0.15)


def test_unwrapping_follows_trust_and_leaves_the_untrusted_out() -> None:
    true = np.linspace(0, 4, 40)[None] + np.linspace(0, 1.5, 20)[:, None]
    trust = np.ones(true.shape, np.float32)
    trust[:, 15] = 0.1
    trust[10, 15] = 0.5
    trust[3, 3] = 2.0
    found = _unwrap(np.exp(2j * np.pi * true).astype(np.complex64), trust)
    left_out = trust < 0.35
    assert np.isnan(found[left_out]).all()
    offset = (found - true)[~left_out]
    np.testing.assert_allclose(offset, np.round(offset[0]), atol=1e-5)


def test_blank_paper_has_no_ruling() -> None:
    noise = np.random.default_rng(0).normal(0, 1e-6, (400, 600)).astype(np.float32)
    assert find_rulings(noise) == ()
    assert find_rulings(lattice((31.0, 31.0), 0.0))
