"""Rulings drawn by formula, spoiled in known ways: pitch, direction, phase, bend and scale are found back."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from retrieval.intake.page.faint import even_map, faint_view
from retrieval.intake.page.flat import FLAT_PX_PER_MM, FlatPage, bend_at, project
from retrieval.intake.page.flattening import flatten_picture
from retrieval.intake.page.paper import Sheet
from retrieval.intake.page.phase import map_paper
from retrieval.intake.page.reach import _into_shadow, beside_ruling, reach_of
from retrieval.intake.page.refine import refine
from retrieval.intake.page.scale import settle
from retrieval.intake.page.spectrum import Ruling, dark_ink, find_rulings, line_evidence
from retrieval.intake.page.straighten import straighten_view
from retrieval.intake.page.trust import Signs, trust_of
from retrieval.intake.page.unruled import assume_view
from retrieval.intake.page.view import look, squared

Points = NDArray[np.float64]
Rgb = NDArray[np.uint8]
PX = 6.0
SIZE = 1100, 800


def depth_of_lines(mm: Points, spacing: float, wide: float) -> Points:
    """1 on lines ``spacing`` mm apart, falling to 0 ``wide`` mm from their middle."""
    off = np.abs((mm + spacing / 2) % spacing - spacing / 2)
    return np.clip(1.5 - off / wide, 0, 1)


def ruled(to_mm: Callable[[Points], Points], size: tuple[int, int] = SIZE) -> Rgb:
    """Red millimetre paper of which the pixel ``p`` shows the point ``to_mm(p)``."""
    x, y = np.meshgrid(np.arange(size[0]), np.arange(size[1]))
    mm = to_mm(np.stack([x.ravel(), y.ravel()], axis=1).astype(np.float64))
    dark = np.zeros(len(mm))
    for axis in (0, 1):
        dark = np.maximum(dark, 0.25 * depth_of_lines(mm[:, axis], 1.0, 0.12))
        dark = np.maximum(dark, 0.5 * depth_of_lines(mm[:, axis], 5.0, 0.15))
    plain = (255 - 160 * dark).reshape(size[1], size[0])
    return np.stack([np.full_like(plain, 255), plain, plain], axis=2).astype(np.uint8)


def lattice(pitch: tuple[float, float], turn: float) -> tuple[Points, Callable[[Points], Points]]:
    """The map of pixels to mm of a lattice with these px per mm, turned by degrees."""
    angle = np.deg2rad(turn)
    turned = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    matrix = np.diag([1 / pitch[0], 1 / pitch[1]]) @ turned
    return matrix, lambda points: points @ matrix.T


@pytest.mark.parametrize(
    ("pitch", "turn"), [((PX, PX), 0.0), ((4.0, 4.6), 16.0), ((9.0, 8.0), -7.0), ((8.0, 6.6), 0.0)]
)
def test_pitch_and_direction_of_a_lattice(pitch: tuple[float, float], turn: float) -> None:
    matrix, to_mm = lattice(pitch, turn)
    found = find_rulings(line_evidence(ruled(to_mm)))[0]
    for seen, row in zip((found.across, found.along), matrix, strict=True):
        wanted = row / 5.0
        assert np.hypot(*seen) == pytest.approx(np.hypot(*wanted), rel=0.03)
        assert abs(np.cross([*seen, 0.0], [*wanted, 0.0])[2]) < np.sin(np.deg2rad(1.0)) * np.hypot(*seen) * np.hypot(
            *wanted
        )


def test_blank_paper_has_no_ruling() -> None:
    gray = np.full((600, 800, 3), 230, np.uint8)
    assert find_rulings(line_evidence(gray)) == ()


def test_phases_tell_the_homography() -> None:
    """Distances on the paper within 0.1 mm over all of a leaning page."""
    matrix = np.array([[0.17, 0.004, 1.0], [-0.006, 0.165, 2.0], [6e-5, 4e-5, 1.0]])
    evidence = line_evidence(ruled(lambda points: project(matrix, points)))
    found = map_paper(evidence, find_rulings(evidence)[0])
    assert found is not None
    assert found.covered > 0.95
    x, y = np.meshgrid(np.linspace(10, SIZE[0] - 10, 8), np.linspace(10, SIZE[1] - 10, 6))
    points = np.stack([x.ravel(), y.ravel()], axis=1)
    off = project(found.matrix, points) - project(matrix, points)
    # Lines carry no numbers: the map is known up to whole millimetres of shift.
    assert np.abs(off - np.round(np.median(off, axis=0) / 1.0)).max() < 0.1


def test_a_second_look_finds_the_bend() -> None:
    """Of curl by a known wave the plane leaves over 1 mm, and the bend takes all but a tenth of it."""

    def bent(points: Points) -> Points:
        mm = points / PX
        wave = 1.5 * np.sin(2 * np.pi * mm[:, 0] / 150.0 + 0.7)
        return mm + np.stack([0.5 * wave, wave], axis=1)

    evidence = line_evidence(ruled(bent))
    paper = np.full(evidence.shape, 255, np.uint8)
    found = refine(evidence, paper, np.diag([1 / PX, 1 / PX, 1.0]), 500.0)
    assert found is not None
    assert found.bend is not None
    assert found.noise_mm < 0.1 * found.misfit_mm
    x, y = np.meshgrid(np.linspace(60, SIZE[0] - 60, 12), np.linspace(60, SIZE[1] - 60, 9))
    points = np.stack([x.ravel(), y.ravel()], axis=1)
    # ``bend`` leads from flat points to the plane: of a flat point its place is the picture's.
    true = bent(points)
    shift = np.median(project(found.matrix, points) - true, axis=0)
    off = np.zeros_like(true)
    for _ in range(3):
        off = true + shift + bend_at(found.bend, true + shift) - project(found.matrix, points)
        shift = shift - np.median(off, axis=0)
    assert np.hypot(*off.T).max() < 0.35


@pytest.mark.parametrize("sign", ["covered", "noise_mm"])
def test_trust_grows_with_what_was_seen(sign: str) -> None:
    kept = {"snr": 20.0, "likely": 1.0, "first_covered": 0.5, "first_misfit_mm": 0.1, "covered": 0.5, "noise_mm": 0.5}
    better = {"covered": (0.3, 0.5, 0.68), "noise_mm": (0.9, 0.6, 0.35)}[sign]
    trusts = [trust_of(Signs(**{**kept, sign: value})) for value in better]
    assert trusts == sorted(trusts)
    assert trusts[0] < trusts[-1] - 0.1


def trace(width: int, beats: int, height: float, seed: int) -> Points:
    """A row of narrow waves ``height`` px high on a wandering baseline."""
    at = np.arange(width)
    rng = np.random.default_rng(seed)
    peak = np.exp(-((((at * beats / width) % 1.0 - 0.5) * width / beats / 6.0) ** 2))
    return 3.0 * np.sin(at / 90 + rng.uniform(0, 6)) - height * peak


def rows_of_traces(rows: int, height: float = 60.0, span: int = 1500, apart: int = 180, pen: int = 3) -> Rgb:
    """White paper with ``rows`` traces ``span`` px long from pixel 150 on."""
    page = np.full((apart * (rows + 1), span + 300, 3), 255, np.uint8)
    for row in range(rows):
        y = apart * (row + 1) + trace(span, 11, height, row)
        points = np.stack([150 + np.arange(span), y], axis=1).round().astype(np.int32)
        cv2.polylines(page, [points], False, (0, 0, 0), pen)
    return page


def test_an_unruled_page_is_ten_seconds_long() -> None:
    found = assume_view(look(rows_of_traces(4)))
    assert found is not None
    assert not found.ruled
    assert found.px_per_mm == pytest.approx((6.0, 6.0), rel=0.01)


def test_a_stamp_and_a_streak_are_no_ends_of_traces() -> None:
    page = rows_of_traces(4)
    cv2.polylines(page, [np.array([[40, 40], [260, 60], [255, 110], [38, 95]], np.int32)], True, (0, 0, 0), 4)
    cv2.line(page, (0, 545), (1799, 542), (0, 0, 0), 2)
    found = assume_view(look(page))
    assert found is not None
    assert found.px_per_mm == pytest.approx((6.0, 6.0), rel=0.01)


def test_rows_that_tall_waves_tie_together() -> None:
    found = assume_view(look(rows_of_traces(4, height=230.0)))
    assert found is not None
    assert found.px_per_mm == pytest.approx((6.0, 6.0), rel=0.01)


def test_strokes_that_a_copier_broke_are_joined() -> None:
    page = rows_of_traces(4)
    for x in range(0, page.shape[1], 60):
        page[:, x : x + 9] = 255
    found = assume_view(look(page))
    assert found is not None
    assert found.px_per_mm == pytest.approx((6.0, 6.0), rel=0.015)


def test_rows_that_lost_pieces_have_the_length_that_most_of_them_reach() -> None:
    """Of every row a tenth is gone, of two their ends, and dots of dirt lie beyond them all."""
    page = rows_of_traces(6)
    for row in range(6):
        band = page[180 * row + 90 : 180 * row + 270]
        start = 300 + 190 * row
        band[:, start : start + 150] = 255
        if row < 2:
            band[:, 150 : 350 + 200 * row] = 255
    rng = np.random.default_rng(5)
    for x, y in zip(rng.integers(0, 1800, 60), rng.integers(0, len(page), 60), strict=True):
        cv2.circle(page, (int(x), int(y)), 2, (0, 0, 0), -1)
    found = assume_view(look(page))
    assert found is not None
    assert found.px_per_mm == pytest.approx((6.0, 6.0), rel=0.015)


def test_strokes_broken_to_dots_tell_by_their_ends_which_way_they_run() -> None:
    page = rows_of_traces(5)
    page[:, ::12] = page[:, 1::12] = page[:, 2::12] = page[:, 3::12] = 255
    for turns in range(2):
        found = assume_view(look(np.ascontiguousarray(np.rot90(page, turns))))
        assert found is not None
        assert min(found.px_per_mm) == pytest.approx(6.0, rel=0.06)  # from which the reader finds the rest
        assert abs(round(found.rotation_deg / 90) % 2) == turns


@pytest.mark.parametrize("ink", [235, 215])
def test_traces_that_can_hardly_be_seen(ink: int) -> None:
    page = rows_of_traces(4)
    found = assume_view(look(np.where(page < 128, np.uint8(ink), page)))
    assert found is not None
    assert found.px_per_mm == pytest.approx((6.0, 6.0), rel=0.01)


def test_black_bars_do_not_hide_grey_traces() -> None:
    page = rows_of_traces(4)
    page = np.where(page < 128, np.uint8(170), page)
    for x in (40, 700, 1100, 1770):
        page[:, x : x + 4] = 0
    page[-40:] = 0
    found = assume_view(look(page))
    assert found is not None
    assert found.px_per_mm == pytest.approx((6.0, 6.0), rel=0.015)


def test_a_table_is_no_tied_rows() -> None:
    page = np.full((900, 1500, 3), 255, np.uint8)
    for y in range(100, 801, 100):
        cv2.line(page, (100, y), (1400, y), (0, 0, 0), 3)
    for x in range(100, 1401, 260):
        cv2.line(page, (x, 100), (x, 800), (0, 0, 0), 3)
    assert assume_view(look(page)) is None


def faxed(pitch: tuple[float, float], turn: float, kept: float) -> tuple[Rgb, Points]:
    """Traces and lines 5 mm apart in black, a pixel wide, of which a share of pixels is ``kept``; and the matrix."""
    page = rows_of_traces(5)
    height, width = page.shape[:2]
    matrix, to_mm = lattice(pitch, turn)
    x, y = np.meshgrid(np.arange(width), np.arange(height))
    mm = to_mm(np.stack([x.ravel(), y.ravel()], axis=1).astype(np.float64))
    off = np.abs((mm + 2.5) % 5.0 - 2.5) * np.array(pitch)
    rng = np.random.default_rng(3)
    black = ((off < 0.5) & (rng.random((len(mm), 1)) < kept)).any(axis=1).reshape(height, width)
    page[black] = 0
    return page, matrix


@pytest.mark.parametrize(("pitch", "turn"), [((8.0, 8.0), 0.0), ((8.0, 8.0), -3.3), ((8.0, 7.6), 1.4)])
def test_a_fax_that_keeps_some_dots_of_its_lines(pitch: tuple[float, float], turn: float) -> None:
    """Nothing can be followed there; one even lattice fits all over, and the traces say something else."""
    found = faint_view(look(faxed(pitch, turn, 0.08)[0]))
    assert found is not None
    assert found.ruled
    assert found.px_per_mm == pytest.approx(pitch, rel=0.004)
    assert abs(found.rotation_deg) == pytest.approx(abs(turn), abs=0.2)


def test_a_lattice_is_sought_before_a_scale_is_assumed() -> None:
    picture, _ = faxed((8.0, 8.0), 0.0, 0.08)
    assert straighten_view(look(picture), "brief") is None
    found = flatten_picture(picture)
    assert found is not None
    assert found.ruled
    assert found.px_per_mm == pytest.approx((8.0, 8.0), rel=0.004)


def test_no_lattice_is_seen_in_traces_alone() -> None:
    assert faint_view(look(rows_of_traces(5))) is None


def test_an_even_map_is_exact() -> None:
    """From a ruling that is 2 % and half a degree off, frequencies come to a thousandth and phases to 0.1 mm."""
    matrix, to_mm = lattice((PX, PX), 4.0)
    evidence = line_evidence(ruled(to_mm))
    rough, _ = lattice((PX * 1.015, PX * 0.985), 4.4)
    found = even_map(
        evidence, Ruling((rough[0, 0] / 5, rough[0, 1] / 5), (rough[1, 0] / 5, rough[1, 1] / 5), 1.0, 1.0)
    )
    assert found is not None
    np.testing.assert_allclose(found[0][:2, :2], matrix, atol=2e-4)
    middle = np.array([[SIZE[0] / 2, SIZE[1] / 2]])
    off = project(found[0], middle) - to_mm(middle)
    assert np.abs(off - np.round(off / 5.0) * 5.0).max() < 0.1


def test_lines_a_pixel_wide_are_no_ink_of_a_fax() -> None:
    picture, _ = faxed((8.0, 8.0), 0.0, 1.0)
    bare = rows_of_traces(5)
    ink = dark_ink(picture, thick_only=True)
    assert ink[(bare[:, :, 0] < 128)].mean() > 0.9
    line = np.arange(0, picture.shape[0], 40)[1]
    clear = bare[line, :, 0] == 255
    assert ink[line][clear].mean() < 0.2


def field_on_a_sheet() -> tuple[Rgb, tuple[int, int, int, int]]:
    """A ruled field of 200 x 120 mm on white paper, white all around it; and its box."""
    size = 2000, 1300
    inside = ruled(lambda points: points / PX, (1200, 720))
    page = np.full((size[1], size[0], 3), 250, np.uint8)
    page[300:1020, 400:1600] = inside
    return page, (400, 300, 1600, 1020)


def test_what_lies_beside_the_ruled_field_is_left_out() -> None:
    picture, (left, top, right, bottom) = field_on_a_sheet()
    view = look(picture)
    beside = beside_ruling(view, reach_of(view, _to_mm(view.place)))
    box = project(view.place, np.array([[left, top], [right, bottom]], float)).round().astype(int)
    (x, y), (u, v) = box
    assert beside[y:v, x:u].max() == 0
    reach = round(14 * PX * view.place[0, 0])
    assert beside[: y - reach].min() == 255
    assert beside[:, : x - reach].min() == 255
    assert beside[:, u + reach :].min() == 255
    assert beside[v + reach :].min() == 255


def test_glare_in_the_midst_of_the_field_keeps_no_table() -> None:
    picture, (left, top, right, bottom) = field_on_a_sheet()
    picture[500:800, 800:1150] = 250
    view = look(picture)
    beside = beside_ruling(view, reach_of(view, _to_mm(view.place)))
    (x, y), (u, v) = project(view.place, np.array([[left, top], [right, bottom]], float)).round().astype(int)
    assert beside[y:v, x:u].max() == 0
    reach = round(14 * PX * view.place[0, 0])
    assert beside[: y - reach].min() == 255
    assert beside[:, u + reach :].min() == 255


def test_a_leaning_sheet_is_drawn_out_to_a_rectangle() -> None:
    matrix = np.array([[0.17, 0.004, 1.0], [-0.006, 0.165, 2.0], [3e-4, 1e-4, 1.0]])
    picture = ruled(lambda points: project(matrix, points))
    corners_mm = np.array([[20.0, 20.0], [120.0, 20.0], [120.0, 80.0], [20.0, 80.0]])
    quad = project(np.linalg.inv(matrix), corners_mm)
    mask = cv2.fillConvexPoly(np.zeros(picture.shape[:2], np.uint8), quad.round().astype(np.int32), (255,))
    seen = squared(look(picture, Sheet(np.asarray(mask, np.uint8), 1.0, quad)))
    assert seen is not None
    height, width = seen.paper.shape
    target = np.array([[0, 0], [width, 0], [width, height], [0, height]], float)
    np.testing.assert_allclose(project(seen.place, quad), target, atol=1e-3)
    # Its lines stand as far apart at one end as at the other.
    ends = project(
        np.asarray(matrix @ np.linalg.inv(seen.place), np.float64),
        np.array([[0, 9], [50, 9], [width - 50, 9], [width, 9.0]]),
    )
    assert ends[1, 0] - ends[0, 0] == pytest.approx(ends[3, 0] - ends[2, 0], rel=1e-4)
    assert squared(look(picture)) is None


def test_the_plain_scale_comes_second_where_a_thick_pen_speaks_for_another() -> None:
    matrix = np.diag([1 / PX, 1 / PX, 1.0])
    evidence = line_evidence(ruled(lambda points: points / PX))
    paper = np.full(evidence.shape, 255, np.uint8)
    both = settle(evidence, paper, matrix, followed=True, pen_px=2.2 * PX)
    assert [round(float(one.matrix[0, 0] * PX), 2) for one in both][-1] == 1.0
    assert len(settle(evidence, paper, matrix, followed=False, pen_px=2.2 * PX)) == 1


def _to_mm(place: Points) -> Points:
    return np.asarray(np.diag([1 / PX, 1 / PX, 1.0]) @ np.linalg.inv(place), np.float64)


def test_nothing_is_left_out_where_lines_fade() -> None:
    picture, _ = field_on_a_sheet()
    picture[300:700, 400:1000] = 250
    view = look(picture)
    assert beside_ruling(view, reach_of(view, _to_mm(view.place))).max() == 0


@pytest.mark.parametrize("turn", [-12.0, 5.0])
def test_a_turned_page_is_laid_straight(turn: float) -> None:
    """Flat pixels are sixths of a millimetre wherever one looks, and lines run along its sides."""
    _, to_mm = lattice((PX, PX), turn)
    found = flatten_picture(ruled(to_mm))
    assert isinstance(found, FlatPage)
    assert abs(abs(found.rotation_deg) % 90 - abs(turn)) < 0.1
    x, y = np.meshgrid(np.linspace(100, SIZE[0] - 100, 7), np.linspace(100, SIZE[1] - 100, 5))
    points = np.stack([x.ravel(), y.ravel()], axis=1)
    flat = found.to_flat(points) / FLAT_PX_PER_MM
    true = to_mm(points)
    apart = np.hypot(*(flat[1:] - flat[:-1]).T) - np.hypot(*(true[1:] - true[:-1]).T)
    assert np.abs(apart).max() < 0.1


def test_ruled_ground_goes_on_into_a_shadow_but_not_onto_a_table() -> None:
    trust = np.full((200, 300), 0.1, np.float32)
    trust[20:180, 20:160] = 0.8
    trust[20:180, 160:240] = 0.3
    trust[20:180, 260:290] = 0.3  # as faint, and apart
    near = (trust > 0.42).astype(np.uint8)
    grown = _into_shadow(near, trust)
    assert grown[40:160, 30:215].all()
    assert not grown[:, 250:].any()
    assert not grown[:10].any()
