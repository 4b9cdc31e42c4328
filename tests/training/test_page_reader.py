"""The page reader's training data: drawn by a seed, labelled where it is inked, and fitting its networks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("safetensors")

from training.page_reader.scenes import PULSE, RULE, TEXT, TRACE, draw_scene
from training.page_reader.words import CLASSES, lead_name, scale_mark
from training.page_reader.worn import IGNORED, wear

pytestmark = pytest.mark.train


def fonts() -> tuple[str, ...]:
    found = sorted(str(file) for file in Path("/usr/share/fonts").rglob("*.ttf"))
    if not found:
        matplotlib = pytest.importorskip("matplotlib")
        found = sorted(str(file) for file in Path(matplotlib.get_data_path()).rglob("DejaVuSans*.ttf"))
    return tuple(found[:6])


def bank() -> np.ndarray:
    t = np.arange(2500) / 250.0
    return np.stack([np.exp(-(((t % 0.8 - 0.3) / 0.02) ** 2)) * high for high in (0.5, 1.0, -0.8)]).astype(np.float32)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_seed_gives_the_same_patch_and_its_ink_is_labelled(seed: int) -> None:
    one, other = (wear(draw_scene(rng, bank(), fonts()), rng) for rng in map(np.random.default_rng, (seed, seed)))
    np.testing.assert_array_equal(one.ink, other.ink)
    np.testing.assert_array_equal(one.kinds, other.kinds)
    assert set(np.unique(one.kinds)) <= {0, TRACE, TEXT, RULE, PULSE, IGNORED}
    inked = one.ink[(one.kinds == TRACE) | (one.kinds == PULSE)]
    assert not len(inked) or inked.mean() > 3 * one.ink[one.kinds == 0].mean()


def test_words_have_the_class_that_they_say() -> None:
    rng = np.random.default_rng(4)
    for _ in range(200):
        text, kind = lead_name(rng)
        if kind:
            assert text.lower().rstrip(":") == CLASSES[kind - 1].lower()
        text, kind = scale_mark(rng)
        unit = "mm/s" if "s" in text.lower().replace("mm/mv", "") else "mm/mv"
        assert CLASSES[kind - 1].lower().endswith(unit)


def test_networks_have_a_value_for_each_pixel_and_each_class() -> None:
    import torch

    from retrieval.intake.page.lettering import CROP
    from retrieval.intake.page.marks import WORDS
    from training.page_reader.fit_words import WordNet
    from training.page_reader.net import PageNet

    kinds, names = PageNet().eval()(torch.zeros(2, 1, 64, 96))
    assert kinds.shape == (2, 5, 64, 96)
    assert names.shape == (2, WORDS, 16, 24)
    assert WordNet().eval()(torch.zeros(3, 2, *CROP)).shape == (3, WORDS)
    assert len(CLASSES) + 1 == WORDS
