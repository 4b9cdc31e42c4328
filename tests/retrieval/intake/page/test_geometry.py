"""Drawn pages that were bent, squeezed and laid on a table are laid flat, and every point is found back."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from retrieval.ecg.drawing import draw_page
from retrieval.ecg.recording import Recording
from retrieval.ecg.style import PageStyle
from retrieval.intake.page.direction import level_share
from retrieval.intake.page.flat import FLAT_PX_PER_MM, FlatPage
from retrieval.intake.page.flattening import flatten_picture
from retrieval.intake.page.paper import find_sheet
from retrieval.intake.page.perspective import sheet_from_above
from retrieval.intake.page.spacing import scale_about
from retrieval.intake.page.trust import Signs, trust_of

pytestmark = pytest.mark.slow

Points = NDArray[np.float64]
PX_PER_MM = 5.0
TABLE = (70, 90, 60)


@pytest.fixture(scope="module")
def page(heart: Recording) -> NDArray[np.uint8]:
    return draw_page(heart, PageStyle(px_per_mm=PX_PER_MM, header=("NAME: Q. Testperson",))).pixels


@pytest.fixture(scope="module")
def blank(heart: Recording) -> NDArray[np.uint8]:
    return draw_page(heart, PageStyle(px_per_mm=PX_PER_MM, grid="none")).pixels


def warped(page: NDArray[np.uint8], matrix: Points, size: tuple[int, int]) -> NDArray[np.uint8]:
    return np.asarray(cv2.warpPerspective(page, matrix, size, borderValue=TABLE), np.uint8)


def tilted(page: NDArray[np.uint8]) -> tuple[NDArray[np.uint8], Points]:
    """The page on a table, leaning away; and the map from its pixels."""
    height, width = page.shape[:2]
    corners = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32) - 0.5
    seen = np.array([[210, 150], [1420, 190], [1530, 860], [150, 900]], np.float32)
    matrix = np.asarray(cv2.getPerspectiveTransform(corners, seen), np.float64)
    return warped(page, matrix, (1700, 1050)), matrix


def moved(matrix: Points, points: Points) -> Points:
    place = np.hstack([points, np.ones((len(points), 1))]) @ matrix.T
    return place[:, :2] / place[:, 2:]


def misplaced_mm(found: FlatPage, forward: Callable[[Points], Points], shape: tuple[int, ...]) -> float:
    """Largest distance in mm between points of the page and where they lie on the flat page, best shifted."""
    height, width = shape[:2]
    u, v = np.meshgrid(np.linspace(0.1, 0.9, 9), np.linspace(0.15, 0.9, 7))
    clean = np.stack([u.ravel() * width, v.ravel() * height], axis=1)
    flat = found.to_flat(forward(clean)) / FLAT_PX_PER_MM
    off = flat - clean / PX_PER_MM
    return float(np.hypot(*(off - np.median(off, axis=0)).T).max())


def test_a_tilted_page_on_a_table(page: NDArray[np.uint8]) -> None:
    picture, matrix = tilted(page)
    found = flatten_picture(picture)
    assert found is not None
    assert found.ruled
    assert misplaced_mm(found, lambda points: moved(matrix, points), page.shape) < 0.3
    assert found.paper is not None
    np.testing.assert_allclose(found.paper, [[210, 150], [1420, 190], [1530, 860], [150, 900]], atol=6)
    table = found.to_flat(np.array([[60.0, 500.0], [1640.0, 300.0]])).round().astype(int)
    for x, y in table:
        within = 0 <= y < found.inside.shape[0] and 0 <= x < found.inside.shape[1]
        assert not within or not found.inside[y, x]
    middle = found.to_flat(np.array([[850.0, 520.0]])).round().astype(int)[0]
    assert found.inside[middle[1], middle[0]]


def test_the_scale_of_a_leaning_page_is_that_about_the_field(page: NDArray[np.uint8]) -> None:
    picture, matrix = tilted(page)
    found = flatten_picture(picture)
    assert found is not None
    width, height = page.shape[1], page.shape[0]
    for middle in (np.array([0.35 * width, 0.4 * height]), np.array([0.65 * width, 0.6 * height])):
        arms = 25 * PX_PER_MM * np.array([[-1, 0], [1, 0], [0, -1], [0, 1.0]])
        ends = moved(matrix, middle + arms)
        true = np.hypot(*(ends[1] - ends[0])) / 50, np.hypot(*(ends[3] - ends[2])) / 50
        corners = moved(matrix, middle + 40 * np.array([[-1, -1], [1, -1], [1, 1], [-1, 1.0]]))
        a, b, c, d = ((float(x), float(y)) for x, y in corners)
        assert scale_about(found, (a, b, c, d)) == pytest.approx(true, rel=0.01)
    assert scale_about(found, None) == found.px_per_mm


def test_a_page_without_ruling_is_seen_from_above_by_its_corners(blank: NDArray[np.uint8]) -> None:
    picture, matrix = tilted(blank)
    found = flatten_picture(picture)
    assert found is not None
    assert not found.ruled
    assert found.trust < 0.8
    # Its scale is assumed; what the corners give are straight rows: the slant would leave some 30 mm.
    height, width = blank.shape[:2]
    row = np.stack([np.linspace(0.1, 0.9, 9) * width, np.full(9, 0.5 * height)], axis=1)
    flat = found.to_flat(moved(matrix, row)) / FLAT_PX_PER_MM
    assert float(np.ptp(flat[:, 1])) < 3.0


def test_curled_paper_is_laid_flat(page: NDArray[np.uint8]) -> None:
    height, width = page.shape[:2]
    y, x = np.mgrid[0:height, 0:width].astype(np.float64)

    def back(points: Points) -> Points:
        curl = 1.5 * PX_PER_MM * np.sin(2 * np.pi * points[:, 0] / width + 1.0)
        return np.stack([points[:, 0] + 0.4 * curl, points[:, 1] + curl], axis=1)

    source = back(np.stack([x.ravel(), y.ravel()], axis=1)).reshape(height, width, 2).astype(np.float32)
    picture = cv2.remap(page, source[:, :, 0], source[:, :, 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    found = flatten_picture(np.asarray(picture, np.uint8))
    assert found is not None
    assert found.bend is not None

    def forward(points: Points) -> Points:
        at = points
        for _ in range(20):
            at = at - (back(at) - points)
        return at

    assert misplaced_mm(found, forward, page.shape) < 0.3


@pytest.mark.parametrize("squeeze", [(1.0, 0.5), (1.0, 0.8)])
def test_pixels_that_are_not_square(page: NDArray[np.uint8], squeeze: tuple[float, float]) -> None:
    """Telefax has half as many lines a millimetre as dots; other scanners differ by less."""
    size = round(page.shape[1] * squeeze[0]), round(page.shape[0] * squeeze[1])
    found = flatten_picture(np.asarray(cv2.resize(page, size, interpolation=cv2.INTER_AREA), np.uint8))
    assert found is not None
    assert found.px_per_mm == pytest.approx((PX_PER_MM * squeeze[0], PX_PER_MM * squeeze[1]), rel=0.01)


def test_only_bold_lines(heart: Recording) -> None:
    """A page of 5 mm squares without millimetres between is not taken for one of millimetres."""
    drawn = draw_page(heart, PageStyle(px_per_mm=PX_PER_MM, grid="none")).pixels.copy()
    step = round(5 * PX_PER_MM)
    lines = np.full_like(drawn, 255)
    lines[::step] = lines[:, ::step] = (240, 170, 170)
    found = flatten_picture(np.minimum(drawn, lines))
    assert found is not None
    assert found.ruled
    assert found.px_per_mm == pytest.approx((PX_PER_MM, PX_PER_MM), rel=0.01)


@pytest.mark.parametrize("quarters", [1, 2, 3])
def test_traces_run_from_side_to_side(page: NDArray[np.uint8], quarters: int) -> None:
    found = flatten_picture(np.ascontiguousarray(np.rot90(page, quarters)))
    assert found is not None
    assert found.pixels.shape[1] > found.pixels.shape[0]


@settings(max_examples=15, deadline=None)
@given(
    bends=st.lists(st.floats(-2, 2), min_size=4, max_size=4),
    quarters=st.integers(0, 3),
    lean=st.floats(-2e-4, 2e-4),
)
def test_the_map_and_its_inverse_agree(bends: list[float], quarters: int, lean: float) -> None:
    """Also of turned pages, whose pixels are those of the page before the turn."""
    rows, columns = 21, 31
    y, x = np.mgrid[0:rows, 0:columns].astype(np.float32)
    bend = np.stack([bends[0] * np.sin(x / 9 + bends[1]), bends[2] * np.cos(y / 8 + x / 15 + bends[3])]).astype(
        np.float32
    )
    matrix = np.array([[0.2, 0.01, 3.0], [-0.02, 0.21, 1.0], [lean, lean / 2, 1.0]])
    pixels = np.zeros((600, 900, 3), np.uint8)
    pixels[150, 700] = 255
    flat = FlatPage(pixels, pixels[:, :, 0] == 0, matrix, (5.0, 5.0), 1.0, 1.0, True, bend, None)
    here = flat.to_picture(np.array([[700.0, 150.0]]))
    turned = flat.turned(quarters)
    row, column = np.argwhere(turned.pixels[:, :, 0] == 255)[0]
    np.testing.assert_allclose(turned.to_picture(np.array([[column, row]], float)), here, atol=1e-6)
    np.testing.assert_allclose(turned.to_flat(here), [[column, row]], atol=0.05)


def _photographed(tilt: float, heading: float, aspect: float, focus: float) -> NDArray[np.float64]:
    """Corners ``[4, 2]`` of a rectangle seen by a pinhole camera: turned, pushed away and projected."""
    lean_x, lean_y = tilt * np.cos(heading), tilt * np.sin(heading)
    about_x = np.array([[1, 0, 0], [0, np.cos(lean_x), -np.sin(lean_x)], [0, np.sin(lean_x), np.cos(lean_x)]])
    about_y = np.array([[np.cos(lean_y), 0, np.sin(lean_y)], [0, 1, 0], [-np.sin(lean_y), 0, np.cos(lean_y)]])
    sheet = np.array([[-aspect, -1, 0], [aspect, -1, 0], [aspect, 1, 0], [-aspect, 1, 0]]) / 2
    space = sheet @ (about_x @ about_y).T + [0, 0, 2.2 * focus]
    return 1000 * focus * space[:, :2] / space[:, 2:] + [500, 400]


@settings(max_examples=60, deadline=None)
@given(
    tilt=st.floats(0.2, 0.5),
    heading=st.floats(0.5, 1.1),
    aspect=st.floats(0.7, 2.0),
    focus=st.floats(0.8, 2.0),
)
def test_the_aspect_of_a_sheet_from_its_corners(tilt: float, heading: float, aspect: float, focus: float) -> None:
    """Both pairs of sides converge: the corners tell the focal length, and the aspect is exact."""
    corners = _photographed(tilt, heading, aspect, focus)
    matrix, found = sheet_from_above(corners, (500.0, 400.0), 1000.0)
    assert found == pytest.approx(aspect, rel=1e-4)
    np.testing.assert_allclose(moved(matrix, corners), [[0, 0], [found, 0], [found, 1], [0, 1]], atol=1e-4)


@settings(max_examples=60, deadline=None)
@given(
    tilt=st.floats(0.0, 0.2),
    heading=st.floats(0.0, 1.57),
    aspect=st.floats(0.7, 2.0),
    focus=st.floats(0.8, 3.0),
)
def test_the_aspect_of_a_sheet_that_hardly_leans(tilt: float, heading: float, aspect: float, focus: float) -> None:
    """The sides hardly converge: a usual camera is taken, and that costs 4 % of the aspect at most."""
    _, found = sheet_from_above(_photographed(tilt, heading, aspect, focus), (500.0, 400.0), 1000.0)
    assert found == pytest.approx(aspect, rel=0.04)


def test_a_picture_without_an_edge_has_no_sheet(page: NDArray[np.uint8]) -> None:
    assert find_sheet(page) is None


def test_level_ink() -> None:
    ink = np.zeros((300, 400), np.uint8)
    x = np.arange(20, 380)
    for base in (70, 150, 230):
        ink[(base + 12 * np.sin(x / 7)).astype(int), x] = 1
    thick = np.asarray(cv2.dilate(ink, np.ones((3, 3), np.uint8)), np.uint8)
    assert level_share(thick) > 0.7
    assert level_share(np.ascontiguousarray(np.rot90(thick))) < 0.3
    assert level_share(np.zeros((50, 50), np.uint8)) == 0.5


def test_trust_falls_with_what_the_lines_leave_over() -> None:
    clear = Signs(snr=300.0, likely=1.0, first_covered=1.0, first_misfit_mm=0.02, covered=1.0, noise_mm=0.02)
    poor = Signs(snr=6.0, likely=0.2, first_covered=0.2, first_misfit_mm=0.5, covered=0.35, noise_mm=0.4)
    assert trust_of(clear) > 0.9
    assert trust_of(poor) < 0.6
