"""What is set by hand: what can be set, in which pixels it counts, and that another process is told."""

from __future__ import annotations

from itertools import permutations
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from retrieval.errors import BadArgument
from retrieval.intake.correction import LAYOUT_NAMES, NOTHING, Correction, correction_of, in_order
from retrieval.intake.page.flat import inverse, project
from retrieval.intake.page.part import part_of
from retrieval.intake.page.templates import PRIOR
from retrieval.intake.worker import Reader

SQUARE = ((10.0, 20.0), (310.0, 25.0), (305.0, 220.0), (12.0, 215.0))


def noted(path: str, page: object, declared: object, correction: Correction | None = None) -> object:
    """Stands in for a reader: gives back what was set, as the sentence of an error."""
    raise BadArgument(repr(correction))


def convex(angles: list[float]) -> list[tuple[float, float]]:
    return [(500 + 400 * float(np.cos(a)), 500 + 300 * float(np.sin(a))) for a in angles]


@given(st.lists(st.floats(0, 6.28), min_size=4, max_size=4))
@settings(max_examples=60, deadline=None)
def test_corners_come_in_any_order(angles: list[float]) -> None:
    ring = convex(sorted(angles))
    if min(np.hypot(*(np.array(ring[i]) - ring[i - 1])) for i in range(4)) < 81:
        with pytest.raises(BadArgument):
            in_order(ring)
        return
    ordered = in_order(ring)
    assert all(in_order(order) == ordered for order in permutations(ring))
    assert set(ordered) == set(ring)
    x, y = np.array(ordered).T
    assert (x * np.roll(y, -1) - y * np.roll(x, -1)).sum() > 0  # clockwise as it is seen: y grows downwards
    assert sum(ordered[0]) == min(sum(point) for point in ring)


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"turns": 8}, "turns is 8"),
        ({"turns": 1.0}, "turns is 1.0"),
        ({"turns": True}, "turns is True"),
        ({"layout": "4x3"}, "no layout is called '4x3'; there are 3x4, "),
        ({"speed": 0}, "speed is 0; it must be a number from 5 to 200 mm/s"),
        ({"speed": float("nan")}, "speed is nan"),
        ({"gain": -10}, "gain is -10"),
        ({"corners": SQUARE[:3]}, "corners are four points"),
        ({"corners": ((0, 0), (1, float("inf")), (5, 5), (0, 5))}, "corners are four points"),
        ({"corners": ((0, 0), (300, 0), (100, 90), (0, 300))}, "no convex quad"),
        ({"corners": ((0, 0), (300, 0), (300, 20), (0, 20))}, "a side of the part to read is 20 pixels"),
        ({"corners": "here"}, "corners are four points"),
    ],
)
def test_what_cannot_be_set_is_refused(wrong: dict[str, object], sentence: str) -> None:
    with pytest.raises(BadArgument, match=sentence.replace(".", r"\.")):
        Correction(**wrong)  # type: ignore[arg-type]


def test_every_layout_of_the_reader_can_be_set() -> None:
    assert set(LAYOUT_NAMES) == set(PRIOR)


def test_nothing_set_is_nothing() -> None:
    assert not NOTHING.given
    assert Correction(gain=5).given
    assert not Correction().upright
    assert Correction(turns=4).upright


def test_what_was_set_is_said() -> None:
    everything = Correction(3, SQUARE, "6x2", 50, 5)
    said = everything.finding()
    assert said.kind == "corrected"
    assert said.message == (
        "set by hand: turned by a quarter clockwise, the part of the picture to read, layout 6x2, 50 mm/s, 5 mm/mV"
    )
    assert "upright as it is" in Correction(turns=4).finding().message


def test_it_reaches_the_reader_in_another_process(tmp_path: Path) -> None:
    file = tmp_path / "any.png"
    file.write_bytes(b"x")
    own = Correction(1, SQUARE, "3x4+1", 50.0, 5.0)
    with Reader(reader=f"{__name__}:noted") as reader:
        with pytest.raises(BadArgument) as told:
            reader.read(file, correction=own)
        assert str(told.value) == repr(own)
        with pytest.raises(BadArgument, match="None"):
            reader.read(file, correction=Correction())


def test_a_message_with_more_than_that_is_refused() -> None:
    assert correction_of(Correction(turns=2).as_json()) == Correction(turns=2)
    assert correction_of(None) is None
    with pytest.raises(BadArgument, match="a correction has no 'path'"):
        correction_of({"path": "/etc/passwd"})


def test_a_recording_has_no_corners() -> None:
    with pytest.raises(BadArgument, match="samples and no picture"):
        Correction(corners=SQUARE).of_recording()
    assert [note.kind for note in Correction(gain=5).of_recording()] == ["correction_ignored"]


@given(st.integers(-7, 7), st.integers(300, 340), st.integers(200, 260))
@settings(max_examples=30, deadline=None)
def test_a_turned_picture_has_its_pixels_where_the_part_says(turns: int, width: int, height: int) -> None:
    rgb = np.random.default_rng(width).integers(0, 255, (height, width, 3)).astype(np.uint8)
    part = part_of(rgb, Correction(turns=turns))
    spots = np.array([[0, 0], [width - 1, 0], [17, 23], [width - 5, height - 9]], float)
    for (x, y), (u, v) in zip(spots, project(part.place, spots), strict=True):
        assert (part.pixels[round(v), round(u)] == rgb[int(y), int(x)]).all()


@pytest.mark.parametrize("turns", range(4))
def test_a_level_part_is_cut_out_pixel_by_pixel(turns: int) -> None:
    rgb = np.random.default_rng(0).integers(0, 255, (240, 320, 3)).astype(np.uint8)
    part = part_of(rgb, Correction(turns, ((30, 40), (200, 40), (200, 150), (30, 150))))
    assert np.array_equal(part.pixels, np.rot90(rgb[40:151, 30:201], turns))
    corner = project(inverse(part.place), np.array([[0.0, 0.0]]))[0]
    assert tuple(corner.round(6)) == {0: (30, 40), 1: (200, 40), 2: (200, 150), 3: (30, 150)}[turns]


def test_a_slanted_part_becomes_a_rectangle() -> None:
    """Each corner of the part is a corner of what is read, and the way back leads to where it was marked."""
    rgb = np.zeros((400, 600, 3), np.uint8)
    part = part_of(rgb, Correction(corners=((60, 40), (540, 80), (500, 350), (90, 330))))
    height, width = part.pixels.shape[:2]
    box = np.array([[0, 0], [width - 1, 0], [width - 1, height - 1], [0, height - 1]], float)
    assert np.allclose(project(inverse(part.place), box), [[60, 40], [540, 80], [500, 350], [90, 330]], atol=0.01)
    assert part.size == (600, 400)


def test_corners_outside_of_the_picture_are_refused() -> None:
    rgb = np.zeros((400, 600, 3), np.uint8)
    part_of(rgb, Correction(corners=((-20, 0), (599, 0), (599, 399), (0, 399))))
    with pytest.raises(BadArgument, match="the corner 900,10 lies outside of the picture of 600 x 400 pixels"):
        part_of(rgb, Correction(corners=((0, 0), (900, 10), (599, 399), (0, 399))))
