"""From a picture to its flat page: by the ruling where there is one, else by what else tells the scale."""

from __future__ import annotations

from retrieval.intake.page.direction import runs_down
from retrieval.intake.page.faint import faint_view
from retrieval.intake.page.flat import FlatPage
from retrieval.intake.page.spectrum import Rgb
from retrieval.intake.page.straighten import Effort, straighten_view
from retrieval.intake.page.unruled import assume_view
from retrieval.intake.page.view import View, looks, softened, squared

MIN_RANGE = 8
"""Levels of 255 from the darkest to the lightest value; a picture with less shows no pen."""


def flatten_picture(rgb: Rgb) -> FlatPage | None:
    """Straighten ``[height, width, 3]`` uint8, or ``None`` where neither ruling nor traces are found.

    The traces of the flat page run from left to right as far as can be told; whether it stands on its head is left
    to who reads it: ``FlatPage.turned(2)`` turns it without new work.
    """
    views = list(looks(rgb))
    page = _by_ruling(views)
    if page is not None:
        # Taken to have been turned clockwise; whether it now stands on its head is for the reader to see.
        return page.turned(1) if runs_down(page.pixels, page.valid) else page
    return next((page for page in map(assume_view, views) if page is not None), None)


def _by_ruling(views: list[View]) -> FlatPage | None:
    """The first of all ways to follow the ruling that succeeds."""
    tries: list[tuple[View, Effort]] = [(views[0], "full")]
    tries.extend((view, "brief") for view in views[1:])
    for view, effort in tries:
        page = straighten_view(view, effort, views[-1])
        if page is not None:
            return page
    soft = softened(views[0])
    page = straighten_view(soft, "brief", softened(views[-1])) if soft is not None else None
    square = squared(views[0])
    if page is None and square is not None:
        page = straighten_view(square)
    return page or faint_view(views[-1]) or straighten_view(views[0], "parts", views[-1])
