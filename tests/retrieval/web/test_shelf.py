from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from retrieval.web.asked import Asked, Upload
from retrieval.web.shelf import ANSWER_BYTES, MAX_ENTRIES, Entry, Shelf, new_visit

MB = 2**20


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def entry(number: int, data: bytes = b"") -> Entry:
    return Entry(number, Asked("ecg", Upload(data, "a.png")))


def test_each_visit_sees_its_own() -> None:
    shelf = Shelf()
    shelf.put("one", entry(1))
    assert shelf.get("other", 1) is None
    assert [found.number for found in shelf.of("one")] == [1]
    shelf.forget("other")
    assert shelf.get("one", 1) is not None
    shelf.forget("one")
    assert shelf.get("one", 1) is None


def test_what_nobody_looks_at_is_forgotten() -> None:
    clock = Clock()
    shelf = Shelf(minutes=30, clock=clock)
    shelf.put("visit", entry(1))
    shelf.put("visit", entry(2))
    clock.now = 29 * 60
    assert shelf.get("visit", 1) is not None
    clock.now = 31 * 60
    assert shelf.get("visit", 2) is None
    assert shelf.get("visit", 1) is not None
    clock.now = 62 * 60
    assert shelf.of("visit") == []


def test_numbers_of_a_visit_count_on_after_forgetting() -> None:
    shelf = Shelf()
    assert [shelf.number("a"), shelf.number("a"), shelf.number("b")] == [1, 2, 1]
    shelf.forget("a")
    assert shelf.number("a") == 3


def test_a_shared_picture_counts_once() -> None:
    upload = Upload(bytes(4 * MB), "a.png")
    shelf = Shelf(max_mb=12)
    for number in range(3):
        shelf.put("visit", Entry(number, Asked("ecg", upload, page=number)))
    assert len(shelf.of("visit")) == 3


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 6)), max_size=60))
def test_memory_is_bounded(puts: list[tuple[str, int]]) -> None:
    shelf = Shelf(max_mb=20)
    held: dict[str, Any] = {}
    for number, (visit, size) in enumerate(puts):
        shelf.put(visit, entry(number, bytes(size * MB)))
        held[visit] = number
        entries = [one for name in "abc" for one in shelf.of(name)]
        sizes = [ANSWER_BYTES + len(one.asked.upload.data) for one in entries if one.asked.upload]
        assert len(entries) == 1 or sum(sizes) <= 20 * MB
        assert shelf.get(visit, number) is not None  # what came last is there


def test_a_visit_holds_no_more_than_so_many() -> None:
    shelf = Shelf()
    for number in range(MAX_ENTRIES + 7):
        shelf.put("visit", entry(number))
    assert len(shelf.of("visit")) == MAX_ENTRIES
    assert shelf.get("visit", 6) is None


def test_names_of_visits_cannot_be_guessed() -> None:
    names = {new_visit() for _ in range(100)}
    assert len(names) == 100
    assert all(len(name) >= 32 for name in names)
