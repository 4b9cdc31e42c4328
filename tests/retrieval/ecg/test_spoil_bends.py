"""Where every pixel went: both directions agree, with the picture, and with what OpenCV computes."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from retrieval.ecg.drawing import PageStyle, draw_page
from retrieval.ecg.simulator import simulate
from retrieval.ecg.spoil import RECIPES, recipe_of, spoil_with_transform
from retrieval.ecg.spoil.bends import Camera, Lens

BENDING = ("crease", "wrinkle", "curl", "perspective", "lens", "skew", "crop", "framing", "turn")
PAGE = (360, 640)


def blank(shape: tuple[int, int] = PAGE) -> np.ndarray:
    return np.full(shape, 255, np.uint8)


def points_on(page: tuple[int, int], count: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).uniform(0, 1, (count, 2)) * (page[1] - 1, page[0] - 1)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.sampled_from(BENDING), min_size=1, max_size=len(BENDING), unique=True),
    st.integers(1, 3),
    st.integers(0, 2**32),
    st.sampled_from([PAGE, (640, 360), (256, 512), (900, 1200)]),
)
def test_forward_and_backward_agree(names: list[str], strength: int, seed: int, page: tuple[int, int]) -> None:
    spoiled = recipe_of(*names).spoil(blank(page), np.random.default_rng(seed), strength)
    there = points_on(page, 200, seed % 1000)
    np.testing.assert_allclose(spoiled.backward(spoiled.forward(there)), there, atol=0.05)
    height, width = spoiled.pixels.shape[:2]
    rng = np.random.default_rng(seed % 999)
    x, y = rng.integers(0, width, 400), rng.integers(0, height, 400)
    shown = spoiled.on_page[y, x]
    again = spoiled.forward(spoiled.backward_map[y[shown], x[shown]].astype(np.float64))
    assert np.hypot(*(again - np.column_stack([x, y])[shown]).T).max(initial=0) < 0.5


@settings(max_examples=40, deadline=None)
@given(st.sampled_from(sorted(set(RECIPES) - {"fax"})), st.integers(1, 3), st.integers(0, 2**32), st.booleans())
def test_a_mark_is_found_where_the_transform_says(kind: str, strength: int, seed: int, colour: bool) -> None:
    """The same spoiling of a page with and without a mark differs where the mark went, and nowhere else."""
    page = np.full((*PAGE, 3), 230, np.uint8) if colour else np.full(PAGE, 230, np.uint8)
    bare = spoil_with_transform(page, np.random.default_rng(seed), kind, strength)
    at = next((p for p in points_on(PAGE, 60, 5) if _clear(bare, p)), None)
    if at is None:
        return
    marked = page.copy()
    cv2.circle(marked, tuple(int(v) for v in np.rint(16 * at)), 16 * 5, (20,) * 3, -1, cv2.LINE_AA, 4)
    moved = spoil_with_transform(marked, np.random.default_rng(seed), kind, strength)
    departure = np.abs(moved.pixels.astype(float) - bare.pixels).reshape(*moved.pixels.shape[:2], -1).mean(axis=2)
    place = moved.forward(at[None])[0]
    rows, columns = np.mgrid[: departure.shape[0], : departure.shape[1]]
    departure[np.hypot(columns - place[0], rows - place[1]) > 14] = 0
    departure[departure < 0.3 * departure.max()] = 0
    assert departure.max() > 15
    centre = np.array([(departure * columns).sum(), (departure * rows).sum()]) / departure.sum()
    assert np.hypot(*(centre - place)) < 0.8


def test_a_mark_on_a_drawn_page_is_found() -> None:
    """On a real page, beside its traces and its ruling, in a photo; what is drawn on a page moves nothing."""
    pixels = draw_page(simulate(3, rate=250.0).recording, PageStyle(px_per_mm=4.0)).pixels
    first = spoil_with_transform(pixels, np.random.default_rng(7), "photo", 2)
    mark = np.full_like(pixels, 255)
    cv2.circle(mark, (300, 200), 12, (0, 0, 0), -1)
    moved = spoil_with_transform(mark, np.random.default_rng(7), "photo", 2)
    there = np.array([[300.0, 200.0], [700.0, 400.0]])
    np.testing.assert_array_equal(first.forward(there), moved.forward(there))
    x, y = moved.forward(there)[0]
    left, top = round(x) - 25, round(y) - 25
    window = 255.0 - moved.pixels[top : top + 51, left : left + 51].max(axis=2)
    window[window < 130] = 0
    rows, columns = np.mgrid[:51, :51]
    assert abs((window * columns).sum() / window.sum() + left - x) < 1.0
    assert abs((window * rows).sum() / window.sum() + top - y) < 1.0


def _clear(spoiled, point: np.ndarray) -> bool:
    """Whether a mark there would be seen whole, and dark on light: no pen, stain or stamp under it."""
    x, y = np.rint(spoiled.forward(point[None])[0]).astype(int)
    height, width = spoiled.pixels.shape[:2]
    if not (12 < x < width - 12 and 12 < y < height - 12):
        return False
    round_it = np.s_[y - 12 : y + 13, x - 12 : x + 13]
    patch = spoiled.pixels[round_it].astype(float)
    return bool(spoiled.valid[round_it].all()) and patch.min() > 70 and patch.std() < 12


def test_a_page_without_bends_stays_where_it_is() -> None:
    spoiled = recipe_of("stain", "shadow", "jpeg").spoil(blank(), np.random.default_rng(0))
    there = points_on(PAGE, 20, 0)
    np.testing.assert_array_equal(spoiled.forward(there), there)
    assert spoiled.pixels.shape == PAGE
    assert spoiled.valid.all()


def test_a_flat_page_seen_by_a_camera_moves_by_a_homography() -> None:
    """OpenCV's homography through the four corners puts every other point where the chain does."""
    for seed in range(10):
        spoiled = recipe_of("perspective").spoil(blank(), np.random.default_rng(seed), 3)
        corners = np.array([[0, 0], [639, 0], [639, 359], [0, 359]], np.float32)
        homography = cv2.getPerspectiveTransform(corners, spoiled.forward(corners).astype(np.float32))
        there = points_on(PAGE, 50, seed)
        expected = cv2.perspectiveTransform(there[:, None], homography)[:, 0]
        np.testing.assert_allclose(spoiled.forward(there), expected, atol=0.02)
        ours = cv2.perspectiveTransform(there[:, None], spoiled.matrix)[:, 0]
        np.testing.assert_allclose(ours, expected, atol=0.02)


def test_the_lens_is_opencvs_first_radial_term() -> None:
    lens = Lens(np.array([300.0, 200.0]), 350.0, 0.04)
    seen = points_on(PAGE, 100, 2)
    ideal = np.column_stack([(seen - lens.centre) / lens.radius, np.ones(100)])
    matrix = np.array([[350.0, 0, 300], [0, 350, 200], [0, 0, 1]])
    expected, _ = cv2.projectPoints(ideal, np.zeros(3), np.zeros(3), matrix, np.array([0.04, 0, 0, 0]))
    np.testing.assert_allclose(lens.backward(seen), expected[:, 0], atol=1e-6)


def test_a_curled_page_keeps_its_length() -> None:
    """The curve that a line of the page follows in space is as long as the line, to 1 % at the strongest curl."""
    camera = Camera(np.eye(3), np.array([320.0, 180.0]), 1600.0, 640.0, np.array([1.0, 0.0]), 0.2, (0.33, 0.165))
    # Straight on, a point at the height h is drawn apart by away / (away + h): so x and h follow from two eyes.
    x = np.linspace(0, 640, 2001)
    far = Camera(np.eye(3), camera.centre, 1e9, 640.0, camera.along, 0.2, camera.curl)
    ground = far.forward(np.column_stack([x, np.full(2001, 180.0)]))[:, 0]
    near = camera.forward(np.column_stack([x, np.full(2001, 180.0)]))[:, 0]
    beside = np.abs(ground) > 20
    height = 1600.0 * (ground / near - 1)
    pieces = np.hypot(np.diff(ground), np.diff(height))[beside[1:] & beside[:-1]]
    assert pieces.mean() / np.diff(x)[0] == pytest.approx(1, abs=0.01)
    assert np.ptp(height[beside]) > 30


@pytest.mark.parametrize(("strength", "degrees"), [(1, 10), (2, 20), (3, 30)])
def test_a_page_leans_no_further_than_it_should(strength: int, degrees: float) -> None:
    leans = []
    for seed in range(200):
        chain = recipe_of("perspective").spoil(blank((40, 60)), np.random.default_rng(seed), strength).chain
        camera = next(bend for bend in chain.bends if isinstance(bend, Camera))
        leans.append(np.rad2deg(np.arccos(camera.turn[2, 2])))
    assert 0.9 * degrees < max(leans) < degrees + 0.01


@pytest.mark.parametrize(("strength", "share"), [(1, 0.01), (2, 0.025), (3, 0.05)])
def test_a_crop_cuts_no_more_than_it_should(strength: int, share: float) -> None:
    corners = np.array([[0.0, 0.0], [639.0, 359.0]])
    cut = []
    for seed in range(100):
        spoiled = recipe_of("crop").spoil(blank(), np.random.default_rng(seed), strength)
        first, last = spoiled.forward(corners)
        height, width = spoiled.pixels.shape
        cut += [-first[0] / 639, -first[1] / 359, (last[0] - width + 1) / 639, (last[1] - height + 1) / 359]
    assert share * 0.9 < max(cut) <= share + 1e-9


def test_the_whole_page_is_in_the_frame_unless_it_is_cropped() -> None:
    rim = np.array([[0, 0], [320, 0], [639, 0], [639, 180], [639, 359], [320, 359], [0, 359], [0, 180]], float)
    for seed in range(30):
        spoiled = recipe_of("curl", "perspective", "lens").spoil(blank(), np.random.default_rng(seed), 3)
        height, width = spoiled.pixels.shape
        seen = spoiled.forward(rim)
        assert seen.min() > -1
        assert (seen.max(axis=0) < (width, height)).all()
