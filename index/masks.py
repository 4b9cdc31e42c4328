"""The rows that a filter leaves, remembered while the gallery does not change.

A condition on a million cases takes SQLite longer to decide than the search that follows, and the same filter is
commonly asked for query after query.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable, Sequence

import numpy as np

from index.blocks import Numbers, Rows
from index.ranking import Mask

MOST_MASKS = 16
"""One takes a byte for each case."""


class Masks:
    """The masks of the filters asked last, for one state of the rows; for one thread at a time."""

    def __init__(self) -> None:
        self._rows: Rows | None = None
        self._held: OrderedDict[Hashable, Mask] = OrderedDict()

    def mask(self, rows: Rows, sql: str, values: Sequence[Hashable], numbers: Callable[[], Numbers]) -> Mask:
        """``[n]``, which rows a condition leaves; not to be written into.

        Args:
            rows: the rows that are searched.
            sql: the condition.
            values: what is bound to it.
            numbers: gives the case numbers that meet it; called where they are not remembered.
        """
        if self._rows is not rows:
            self._rows = rows
            self._held.clear()
        # 1, 1.0 and True are equal and hash alike, but SQLite compares them with a text differently.
        key = (sql, tuple((type(value), value) for value in values))
        if key not in self._held:
            mask = np.zeros(len(rows.numbers), bool)
            mask[rows.positions(numbers())] = True
            mask.flags.writeable = False
            self._held[key] = mask
        self._held.move_to_end(key)
        while len(self._held) > MOST_MASKS:
            self._held.popitem(last=False)
        return self._held[key]
