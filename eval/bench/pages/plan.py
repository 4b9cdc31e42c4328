"""The rows of the bench, and the page of a row and a number."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from eval.bench.pages.clean import CleanPage
from eval.bench.pages.drawn import drawn_page
from eval.bench.pages.renderers import RENDERERS, installed
from eval.bench.pages.spoilers import Picture, as_drawn, by_augraphy, by_held_out, by_recipe, turned

WHOLE = 2000
SEEDS_A_ROW = 2000
FAX_DPI = 200


@dataclass(frozen=True)
class Row:
    """A kind of page and what happens to it.

    Args:
        source: ``"drawn"``, ``"unruled"`` (drawn without a ruling) or a name of ``RENDERERS``.
        way: ``"clean"``, ``"recipe"``, ``"held out"``, ``"turned"`` or ``"augraphy"``.
        kind: of the recipe.
        strength: 1 to 3, or 0 where there is none.
        share: pages of the row among 2,000.
    """

    source: str
    way: str
    kind: str
    strength: int
    share: int

    @property
    def name(self) -> str:
        """The row's own name."""
        words = {
            "clean": "as drawn",
            "recipe": "",
            "held out": "held out",
            "turned": "turned",
            "augraphy": "augraphy",
        }
        source = "" if self.source == "drawn" else self.source
        strength = str(self.strength) if self.strength else ""
        return " ".join(word for word in (source, self.kind, words[self.way], strength) if word)

    @property
    def is_photo(self) -> bool:
        """Taken by a camera: the goals differ."""
        return self.kind in ("photo", "screen")

    @property
    def needs(self) -> str:
        """A module that is needed and may not be installed, or nothing."""
        if self.way == "augraphy":
            return "augraphy"
        return RENDERERS[self.source][0] if self.source in RENDERERS else ""


ROWS: tuple[Row, ...] = (
    Row("drawn", "clean", "", 0, 60),
    *(
        Row("drawn", "recipe", kind, strength, 75)
        for kind in ("scan", "paper", "photo", "fax", "screen")
        for strength in (1, 2, 3)
    ),
    *(Row("drawn", "held out", kind, strength, 45) for kind in ("paper", "screen") for strength in (1, 2, 3)),
    Row("drawn", "turned", "photo", 2, 60),
    *(Row("drawn", "augraphy", "", strength, 55) for strength in (1, 2, 3)),
    Row("unruled", "clean", "", 0, 10),
    Row("unruled", "recipe", "scan", 1, 10),
    *(
        Row(source, way, kind, strength, share)
        for source in RENDERERS
        for way, kind, strength, share in (
            ("clean", "", 0, 30),
            ("recipe", "scan", 2, 60),
            ("recipe", "photo", 2, 60),
        )
    ),
)


def pages_of(row: Row, number: int) -> int:
    """How many pages a row has where the bench has ``number``."""
    return max(1, round(row.share * number / WHOLE))


def missing() -> list[str]:
    """Modules of rows that cannot be run here."""
    return sorted({row.needs for row in ROWS if row.needs and not installed(row.needs.partition(".")[0])})


def tasks(number: int) -> Iterator[tuple[int, int]]:
    """``(row, page)`` of every page that can be drawn here, the rows in turn."""
    absent = missing()
    for page in range(max(pages_of(row, number) for row in ROWS)):
        for i, row in enumerate(ROWS):
            if page < pages_of(row, number) and row.needs not in absent:
                yield i, page


def seed_of(row: int, page: int) -> int:
    """Every page has a seed of its own below 100,000, a range that nothing is tuned on."""
    return row * SEEDS_A_ROW + page


def make(row: int, page: int) -> tuple[CleanPage, Picture]:
    """The clean page and its picture."""
    what, seed = ROWS[row], seed_of(row, page)
    if what.source in RENDERERS:
        clean = RENDERERS[what.source][1](seed)
    else:
        clean = drawn_page(seed, what.source != "unruled", FAX_DPI if what.kind == "fax" else 0)
    return clean, spoil_as(what, clean, np.random.default_rng([80, seed]))


def spoil_as(row: Row, clean: CleanPage, rng: np.random.Generator) -> Picture:
    """What happens to the pages of a row."""
    if row.way == "recipe":
        return by_recipe(clean, rng, row.kind, row.strength)
    if row.way == "held out":
        return by_held_out(clean, rng, row.kind, row.strength)
    if row.way == "turned":
        return turned(clean, rng, row.kind, row.strength)
    if row.way == "augraphy":
        return by_augraphy(clean, rng, row.strength)
    return as_drawn(clean)
