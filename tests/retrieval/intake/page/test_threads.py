"""Two threads make the same page as one, and what fails on a thread fails where it was asked for."""

from __future__ import annotations

from collections.abc import Iterator

import cv2
import numpy as np
import pytest

from retrieval.ecg.drawing import draw_page
from retrieval.ecg.simulator import simulate
from retrieval.ecg.style import PageStyle
from retrieval.intake.page import threads as module
from retrieval.intake.page.network import network
from retrieval.intake.page.reading import understand
from retrieval.intake.page.threads import side_by_side, threads


@pytest.fixture
def own_threads() -> Iterator[None]:
    before = cv2.getNumThreads()
    yield
    cv2.setNumThreads(before)
    network.cache_clear()


@pytest.mark.parametrize("count", [1, 2])
def test_parts_are_made_in_their_order(count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "threads", lambda: count)
    assert list(side_by_side(lambda part: part * part, range(9))) == [part * part for part in range(9)]
    with pytest.raises(ZeroDivisionError):
        list(side_by_side(lambda part: 1 // part, [1, 0, 2]))


def test_one_thread_where_opencv_has_one(own_threads: None) -> None:
    cv2.setNumThreads(1)
    assert threads() == 1


@pytest.mark.slow
def test_a_page_is_read_the_same_on_one_thread_as_on_two(own_threads: None) -> None:
    drawn = draw_page(simulate(3).recording, PageStyle(layout="3x4+1"))
    made = []
    for count in (1, 2):
        cv2.setNumThreads(count)
        network.cache_clear()  # what was loaded keeps the threads that it was loaded with
        made.append(understand(drawn.pixels))
    one, two = made
    assert one.page.pixels.tobytes() == two.page.pixels.tobytes()
    assert one.report == two.report
    np.testing.assert_array_equal(one.kept, two.kept)
