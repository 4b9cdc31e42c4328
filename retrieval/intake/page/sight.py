"""What is seen of a straightened page before anything is understood: its ink, and what the network makes of that."""

from __future__ import annotations

from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from retrieval.intake.page.flat import FlatPage
from retrieval.intake.page.ink import find_ink
from retrieval.intake.page.marks import read_marks
from retrieval.intake.page.masking import InkKinds, Kinds, sort_ink
from retrieval.intake.page.streaks import without_streaks

Plane = NDArray[np.float32]


class Sight:
    """A page as it lies and what is seen of it, when that is asked for first.

    Args:
        page: straightened.
        faded: whether traces are looked for as ``find_ink`` does on pages where they faded.
    """

    def __init__(self, page: FlatPage, *, faded: bool = False) -> None:
        self.page, self.faded = page, faded
        self._kinds: dict[int, tuple[Kinds, Plane]] = {}

    @cached_property
    def ink(self) -> Plane:
        """The ink, float32 ``[height, width]``: 1 where a stroke is as dark as strokes are."""
        return without_streaks(find_ink(self.page, faded=self.faded), self.page)

    def turned(self, quarters: int) -> tuple[FlatPage, Plane]:
        """Page and ink, turned by quarters counter-clockwise."""
        page = self.page.turned(quarters) if quarters else self.page
        return page, np.ascontiguousarray(np.rot90(self.ink, quarters))

    def kinds(self, quarters: int, ink: Plane) -> tuple[InkKinds, Plane]:
        """The ink as it lies then by what it is, and the words that the network saw (``Marks.names``).

        Most of a look's time goes into this, so it is kept for another look.
        """
        if quarters not in self._kinds:
            marks = read_marks(ink)
            self._kinds[quarters] = sort_ink(ink, marks), marks.names
        kinds, names = self._kinds[quarters]
        return InkKinds.of(kinds), names
