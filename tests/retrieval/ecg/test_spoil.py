"""Spoiled pages: a seed decides all, every effect does what its name says, and what is hidden is known."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from PIL import Image, ImageOps

from retrieval.ecg.drawing import PageStyle, draw_page
from retrieval.ecg.page import canonical_page
from retrieval.ecg.simulator import simulate
from retrieval.ecg.spoil import (
    EFFECTS,
    HELD_OUT,
    RECIPES,
    Recipe,
    Step,
    recipe_of,
    spoil,
    spoil_with_transform,
    write_oriented,
)
from retrieval.errors import BadArgument

RECORDING = simulate(3, rate=250.0).recording
PAGE = draw_page(RECORDING, PageStyle(px_per_mm=2.0)).pixels
GRAY = canonical_page(RECORDING).pixels
NEEDS_A_RIM = {"glass", "background", "screen"}
"""Effects that are seen only where the page does not fill the picture."""


def rng(seed: int) -> np.random.Generator:
    return np.random.default_rng(seed)


def alone(name: str) -> Recipe:
    return recipe_of("skew", name) if name in NEEDS_A_RIM else recipe_of(name)


@pytest.mark.parametrize("name", EFFECTS)
@pytest.mark.parametrize("page", [PAGE, GRAY], ids=["rgb", "gray"])
def test_an_effect_is_seeded_and_leaves_the_page_alone(name: str, page: np.ndarray) -> None:
    before = page.copy()
    for strength in (1, 2, 3):
        source = rng(strength)
        state = source.bit_generator.state
        np.random.seed(1)
        cv2.setRNGSeed(1)
        first = alone(name).spoil(page, source, strength)
        # The state alone decides, not what else is drawn from chance in this process, nor how the state came about.
        np.random.seed(2)
        cv2.setRNGSeed(2)
        other = np.random.default_rng(99)
        other.bit_generator.state = state
        again = alone(name).spoil(page, other, strength)
        assert again.pixels.tobytes() == first.pixels.tobytes()
        assert first.pixels.dtype == np.uint8
        assert first.pixels.ndim == page.ndim
        assert first.effects[-1] == name or name in first.effects
    np.testing.assert_array_equal(page, before)


@pytest.mark.parametrize("name", EFFECTS)
@pytest.mark.parametrize("page", [PAGE, GRAY], ids=["rgb", "gray"])
def test_an_effect_changes_the_picture_and_another_seed_does_so_in_another_way(name: str, page: np.ndarray) -> None:
    seen = {alone(name).spoil(page, rng(seed), 3).pixels.tobytes() for seed in range(4)}
    assert page.tobytes() not in seen
    assert len(seen) > 1


@pytest.mark.parametrize("kind", RECIPES)
def test_a_kind_is_seeded(kind: str) -> None:
    first = spoil_with_transform(PAGE, rng(7), kind, 2)  # type: ignore[arg-type]
    np.testing.assert_array_equal(spoil(PAGE, rng(7), kind, 2), first.pixels)  # type: ignore[arg-type]
    assert spoil(PAGE, rng(8), kind, 2).tobytes() != first.pixels.tobytes()  # type: ignore[arg-type]


def test_strength_1_harms_the_page_less_than_3() -> None:
    """By how far the picture departs from the page, effect by effect, where the frame stays."""
    for name in (
        "bleach",
        "crease",
        "wrinkle",
        "stain",
        "shadow",
        "vignette",
        "blur",
        "motion",
        "noise",
        "jpeg",
        "moire",
    ):
        harm = [
            np.mean([np.abs(alone(name).spoil(PAGE, rng(i), s).pixels.astype(int) - PAGE).mean() for i in range(8)])
            for s in (1, 2, 3)
        ]
        assert harm[0] < harm[1] < harm[2], name


def test_what_is_left_out_leaves_the_rest_as_it_was() -> None:
    for seed in range(12):
        full = spoil_with_transform(PAGE, rng(seed), "paper", 3)
        less = spoil_with_transform(PAGE, rng(seed), "paper", 3, leave_out=HELD_OUT)
        assert less.effects == tuple(name for name in full.effects if name not in HELD_OUT)
        assert less.chain.size == full.chain.size
        if not HELD_OUT & set(full.effects):
            np.testing.assert_array_equal(less.pixels, full.pixels)


def test_held_out_looks_are_effects_that_recipes_use() -> None:
    used = {step.effect for recipe in RECIPES.values() for step in recipe.steps}
    assert used >= HELD_OUT
    assert set(EFFECTS) - used == {"turn"}  # which only those who ask for it get


def test_chances_are_those_of_the_recipe() -> None:
    recipe = Recipe((Step("jpeg", (0.0, 0.3, 1.0)),))
    for strength, share in ((1, 0.0), (2, 0.3), (3, 1.0)):
        drawn = sum(bool(recipe.draw(rng(seed), strength)) for seed in range(400))
        assert drawn / 400 == pytest.approx(share, abs=4 * np.sqrt(share * (1 - share) / 400) + 1e-9)


def test_paper_is_marked_before_it_is_bent_and_the_order_within_is_kept() -> None:
    spoiled = recipe_of("jpeg", "noise", "perspective", "stamp", "crease").spoil(PAGE, rng(0))
    assert spoiled.effects == ("stamp", "crease", "perspective", "jpeg", "noise")


def test_all_bends_are_one_resampling(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[tuple[int, ...]] = []
    remap = cv2.remap
    monkeypatch.setattr(cv2, "remap", lambda *a, **k: (calls.append(a[0].shape), remap(*a, **k))[1])
    recipe_of("crease", "wrinkle", "curl", "perspective", "lens", "skew", "crop", "turn").spoil(PAGE, rng(0), 3)
    assert calls == [PAGE.shape]


def test_a_fax_has_one_bit() -> None:
    for strength in (1, 2, 3):
        assert set(np.unique(recipe_of("fax").spoil(PAGE, rng(strength), strength).pixels)) == {0, 255}


def test_a_copy_has_no_colour() -> None:
    copy = recipe_of("gray").spoil(PAGE, rng(0), 1).pixels
    assert not np.ptp(copy, axis=2).any()
    assert np.ptp(PAGE, axis=2).any()


def test_quality_of_jpeg(monkeypatch: pytest.MonkeyPatch) -> None:
    used: list[int] = []
    encode = cv2.imencode
    monkeypatch.setattr(cv2, "imencode", lambda *a: (used.append(a[2][1]), encode(*a))[1])
    for strength, (low, high) in ((1, (80, 95)), (2, (55, 85)), (3, (30, 65))):
        used.clear()
        for seed in range(200):
            recipe_of("jpeg").spoil(GRAY[:32, :32], rng(seed), strength)
        assert low <= min(used) <= low + 2
        assert high - 2 <= max(used) <= high


def test_a_turn_is_exact() -> None:
    turned = [recipe_of("turn").spoil(PAGE, rng(seed)) for seed in range(12)]
    ways = [np.rot90(PAGE, k) for k in (1, 2, 3)]
    hits = [[way.shape == t.pixels.shape and bool((way == t.pixels).all()) for way in ways] for t in turned]
    assert all(sum(hit) == 1 for hit in hits)
    assert all(any(hit[k] for hit in hits) for k in range(3))


def test_what_a_tear_takes_away_is_known() -> None:
    dark = np.full((300, 500, 3), 60, np.uint8)
    for seed in range(8):
        torn = recipe_of("tear").spoil(dark, rng(seed), 3)
        gone = cv2.erode(torn.occluded.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
        assert torn.occluded.any()
        assert (torn.pixels[gone] == 255).all()  # the backdrop
        assert not (torn.valid & torn.occluded).any()
        assert (torn.on_page == (torn.valid | torn.occluded)).all()


def test_what_a_finger_hides_is_known() -> None:
    for seed in range(8):
        recipe = recipe_of("perspective", "finger")
        bare = recipe.spoil(PAGE, rng(seed), 3, leave_out={"finger"})
        held = recipe.spoil(PAGE, rng(seed), 3)
        departure = np.abs(held.pixels.astype(int) - bare.pixels).max(axis=2)
        assert 0.001 < held.occluded.mean() < 0.2
        # All that is hidden looks otherwise; beside it there is nothing but the finger's shadow.
        assert (departure[held.occluded] > 8).mean() > 0.9
        assert (held.pixels[held.valid] < bare.pixels[held.valid].astype(int) + 40).mean() > 0.999
        near = cv2.dilate(held.occluded.astype(np.uint8), np.ones((45, 45), np.uint8)) > 0
        assert not departure[held.valid & ~near].any()


def test_a_staple_hides_a_line() -> None:
    spoiled = recipe_of("staple").spoil(PAGE, rng(1), 2)
    mm2 = (PAGE.shape[1] / 270) ** 2
    assert 2 < spoiled.occluded.sum() / mm2 < 30  # 12 mm long, less than a millimetre thick


def test_nothing_is_lost_where_nothing_covers() -> None:
    spoiled = recipe_of("skew", "shadow").spoil(PAGE, rng(0), 3)
    assert not spoiled.occluded.any()
    assert 0.7 < spoiled.valid.mean() < 1


def test_scale_sets_the_size_of_marks() -> None:
    small = recipe_of("staple").spoil(PAGE, rng(1), 1, px_per_mm=1.0).occluded.sum()
    large = recipe_of("staple").spoil(PAGE, rng(1), 1, px_per_mm=3.0).occluded.sum()
    assert large > 4 * small > 0


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("page", [PAGE, GRAY], ids=["rgb", "gray"])
def test_a_tag_turns_the_picture_upright(tmp_path, orientation: int, page: np.ndarray) -> None:
    file = tmp_path / "page.png"
    write_oriented(file, page, orientation)
    with Image.open(file) as stored:
        assert stored.getexif()[0x0112] == orientation
        assert (stored.size == page.shape[1::-1]) == (orientation < 5)
        np.testing.assert_array_equal(np.asarray(ImageOps.exif_transpose(stored)), page)


def test_jpeg_and_webp_carry_the_tag_too(tmp_path) -> None:
    for name in ("page.jpg", "page.webp"):
        write_oriented(tmp_path / name, PAGE, 6)
        with Image.open(tmp_path / name) as stored:
            upright = np.asarray(ImageOps.exif_transpose(stored).convert("RGB"))
        assert np.abs(upright.astype(int) - PAGE).mean() < 6


@pytest.mark.parametrize(("kind", "strength"), [("telegram", 1), ("photo", 0), ("scan", 4)])
def test_what_is_unknown_is_refused(kind: str, strength: int) -> None:
    with pytest.raises(BadArgument):
        spoil(PAGE, rng(0), kind, strength)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "page",
    [
        np.zeros((50, 50, 4), np.uint8),
        np.zeros((50, 50, 3), np.float32),
        np.zeros((8, 50), np.uint8),
        np.zeros(50, np.uint8),
    ],
)
def test_what_is_no_page_is_refused(page: np.ndarray) -> None:
    with pytest.raises(BadArgument, match="uint8"):
        spoil(page, rng(0))


def test_unknown_names_are_refused() -> None:
    with pytest.raises(BadArgument, match="no effect is called 'mold'"):
        recipe_of("mold")
    with pytest.raises(BadArgument, match="no effect is called 'mold'"):
        spoil(PAGE, rng(0), leave_out={"mold"})
    with pytest.raises(BadArgument, match="orientation is 9"):
        write_oriented("page.png", PAGE, 9)
    with pytest.raises(BadArgument, match=r"\[n, 2\]"):
        recipe_of("skew").spoil(PAGE, rng(0)).forward(np.zeros((3, 3)))


@pytest.mark.parametrize("name", ["fax", "gray"])
def test_of_a_bleached_page_something_is_left(name: str) -> None:
    bleached = (255 - 0.3 * (255.0 - PAGE)).astype(np.uint8)
    for seed in range(12):
        left = recipe_of(name).spoil(bleached, rng(seed), 3).pixels
        dark = left < left.max() - 50
        assert 0.001 < float(dark.mean()) < 0.5
