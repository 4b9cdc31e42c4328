"""Remembered filters: asked once, for one state of the rows, and not for ever."""

from __future__ import annotations

import numpy as np
import pytest

from index import masks
from index.blocks import Rows, block_of
from index.masks import Masks
from tests.index.gallery_samples import unit


def rows_of(numbers: list[int]) -> Rows:
    return Rows(1, (block_of(unit(len(numbers), 3), np.array(numbers), [str(number) for number in numbers]),))


class Database:
    """Counts how often it was asked."""

    def __init__(self, *numbers: int) -> None:
        self.numbers = np.array(numbers, np.int64)
        self.asked = 0

    def __call__(self) -> np.ndarray:
        self.asked += 1
        return self.numbers


def test_a_filter_is_asked_once_while_the_rows_stay():
    held, rows, database = Masks(), rows_of([2, 3, 5, 9]), Database(3, 9, 77)
    for _ in range(3):
        assert held.mask(rows, "age > ?", [3.0], database).tolist() == [False, True, False, True]
    assert database.asked == 1
    assert held.mask(rows_of([3, 5]), "age > ?", [3.0], database).tolist() == [True, False]
    assert database.asked == 2


@pytest.mark.parametrize("other", [("age > ?", [4.0]), ("age < ?", [3.0]), ("age > ?", [3]), ("age > ?", [3.0, 1])])
def test_another_condition_or_value_is_another_filter(other):
    held, rows = Masks(), rows_of([2, 3])
    held.mask(rows, "age > ?", [3.0], Database(2))
    assert held.mask(rows, *other, Database(3)).tolist() == [False, True]


def test_only_the_last_ones_are_remembered(monkeypatch):
    monkeypatch.setattr(masks, "MOST_MASKS", 2)
    held, rows, database = Masks(), rows_of([2, 3]), Database(2)
    for value in (1, 2, 1, 3, 1):  # 2 is the one that was asked for the longest ago
        held.mask(rows, "sql", [value], database)
    assert database.asked == 3
    held.mask(rows, "sql", [2], database)
    assert database.asked == 4


def test_what_is_remembered_cannot_be_changed():
    mask = Masks().mask(rows_of([2, 3]), "sql", [], Database(2))
    with pytest.raises(ValueError, match="read-only"):
        mask[0] = True
