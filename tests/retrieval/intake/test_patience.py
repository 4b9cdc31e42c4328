"""What could not be finished in time is not begun, and that is said."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import pytest

from retrieval.ecg.drawing import PageStyle, draw_page
from retrieval.ecg.recording import Recording
from retrieval.ecg.simulator import simulate
from retrieval.errors import NotAnEcg
from retrieval.intake import patience as module
from retrieval.intake.page import reading
from retrieval.intake.page.reading import understand
from retrieval.intake.patience import Patience, limited, patience
from retrieval.intake.worker import Reader

BARELY = 1e-9
"""Seconds: enough for the look that is always taken, and for no other."""


class Clocks:
    """Clocks that stand still until they are told to go on."""

    def __init__(self) -> None:
        self.clock = self.processor = 100.0

    def pass_by(self, clock: float, processor: float) -> None:
        self.clock += clock
        self.processor += processor

    def monotonic(self) -> float:
        return self.clock

    def process_time(self) -> float:
        return self.processor


@pytest.fixture
def clocks(monkeypatch: pytest.MonkeyPatch) -> Clocks:
    clocks = Clocks()
    monkeypatch.setattr(module, "time", clocks)
    return clocks


def test_a_look_is_begun_where_one_as_long_as_the_longest_still_fits(clocks: Clocks) -> None:
    limit = Patience(10.0)
    for seconds in (3.0, 2.0):
        assert limit.for_another()
        with limit.look():
            clocks.pass_by(seconds, seconds)
    assert limit.for_another()  # 5 s are over, and the longest took 3 s
    clocks.pass_by(1.5, 1.5)
    assert not limit.for_another()  # a tenth is kept for what comes afterwards
    assert limit.missed == 1


def test_the_first_look_is_always_taken(clocks: Clocks) -> None:
    limit = Patience(10.0)
    clocks.pass_by(30.0, 30.0)
    assert limit.for_another()
    assert not limit.missed


def test_each_page_of_a_file_has_its_first_look(clocks: Clocks) -> None:
    limit = Patience(10.0)
    with limit.look():
        clocks.pass_by(8.0, 8.0)
    assert not limit.for_another()
    limit.begin()
    assert not limit.missed
    assert limit.for_another()
    assert limit.spent == 8.0


def test_a_look_that_fails_counts(clocks: Clocks) -> None:
    limit = Patience(10.0)

    def fail() -> None:
        clocks.pass_by(6.0, 6.0)
        raise NotAnEcg("no")

    with pytest.raises(NotAnEcg), limit.look():
        fail()
    assert not limit.for_another()


@pytest.mark.parametrize(("clock", "processor"), [(90.0, 2.0), (2.0, 4.0)])
def test_neither_other_programs_nor_a_second_thread_take_time_away(
    clocks: Clocks, clock: float, processor: float
) -> None:
    limit = Patience(10.0)
    clocks.pass_by(clock, processor)
    assert limit.spent == 2.0


def test_without_a_limit_there_is_always_time(clocks: Clocks) -> None:
    for limit in (patience(), Patience()):
        with limit.look():
            clocks.pass_by(1e9, 1e9)
        assert limit.for_another()


def test_a_limit_ends_with_its_block() -> None:
    with limited(3.0):
        assert patience().seconds == 3.0
        assert patience() is patience()
        with limited(2.0):
            assert patience().seconds == 2.0
        assert patience().seconds == 3.0
    assert patience().seconds == float("inf")


@pytest.fixture(scope="module")
def heart() -> Recording:
    return simulate(5).recording


@pytest.fixture(scope="module")
def faded(heart: Recording) -> np.ndarray:
    """A page that is read at its second look only."""
    drawn = draw_page(heart, PageStyle(layout="3x4+1", px_per_mm=6.0))
    page = drawn.pixels.astype(np.float32)
    page += 0.72 * drawn.mask("traces").astype(np.float32)[..., None] * (255 - page)
    rng = np.random.default_rng(8)
    for y, x in rng.integers(10, np.array(page.shape[:2]) - 10, (260, 2)):
        cv2.circle(page, (int(x), int(y)), int(rng.integers(2, 6)), (10, 10, 10), -1)
    return page.astype(np.uint8)


def test_a_refused_page_says_that_there_was_no_time_for_a_closer_look(faded: np.ndarray) -> None:
    assert understand(faded).report.layout == "3x4+1"
    with limited(BARELY), pytest.raises(NotAnEcg, match="there was no time for a closer look"):
        understand(faded)


def test_a_doubted_page_is_read_as_far_as_there_was_time(heart: Recording) -> None:
    """Looked at again it is no surer, so the reading is the same; what is new is that it says so."""
    drawn = draw_page(heart, PageStyle(layout="6x1-chest", row_mm=28, lead_names=False))
    whole = understand(drawn.pixels)
    assert whole.report.certainty < 0.5
    with limited(BARELY):
        hurried = understand(drawn.pixels)
    assert "no_closer_look" in {finding.kind for finding in hurried.findings}
    assert "no_closer_look" not in {finding.kind for finding in whole.findings}
    assert hurried.report.layout == whole.report.layout


def test_a_page_that_is_read_at_first_sight_says_nothing_of_time(heart: Recording) -> None:
    with limited(BARELY):
        kinds = {finding.kind for finding in understand(draw_page(heart, PageStyle(layout="3x4+1")).pixels).findings}
    assert "no_closer_look" not in kinds


def test_what_the_network_saw_serves_the_next_look_too(heart: Recording, monkeypatch: pytest.MonkeyPatch) -> None:
    from retrieval.intake.page import sight

    seen: list[Any] = []
    ran = sight.read_marks
    monkeypatch.setattr(sight, "read_marks", lambda ink: seen.append(ink.shape) or ran(ink))
    looks: list[bool] = []
    analysed = reading.analyse

    def counted(*args: Any, **how: Any) -> Any:
        looks.append(how["broken"])
        before = len(seen)
        try:
            return analysed(*args, **how)
        finally:
            if how["broken"]:
                assert len(seen) == before

    monkeypatch.setattr(reading, "analyse", counted)
    two_rows = draw_page(heart, PageStyle(layout="6x2", row_mm=28, px_per_mm=5.0)).pixels[: 76 * 5]
    with pytest.raises(NotAnEcg):
        understand(two_rows)
    assert looks[:3] == [False, False, True]


@pytest.mark.slow
def test_a_reader_in_a_process_of_its_own_knows_its_limit(tmp_path: Any) -> None:
    with Reader(reader="tests.retrieval.intake.bad_readers:patient", seconds=7.0) as reader:
        assert [note.message for note in reader.read(tmp_path / "x.png").findings] == ["7.0"]
