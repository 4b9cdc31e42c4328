"""The looks in which a test ECG comes back as a picture: clean, scanned, photographed, and held out of training."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from retrieval.ecg.drawing import draw_page
from retrieval.ecg.page import Gray
from retrieval.ecg.recording import Recording
from retrieval.ecg.spoil import HELD_OUT, RECIPES, Recipe, Step
from retrieval.ecg.style import PageStyle
from retrieval.intake.page import read_page

__all__ = [
    "LOOKS",
    "Look",
    "Picture",
    "PrintFile",
    "draw_spoiled",
    "everyday_style",
    "recipe_with_held_out",
    "recipe_without_held_out",
]

Rgb = NDArray[np.uint8]

GRIDS = ("pink", "red", "orange", "blue")
"""Rulings of everyday pages; green and grey ones are held out."""
FAX_PX_PER_MM = 200 / 25.4
"""A fax has a resolution of its own; a coarser page would be refined by it."""


@dataclass(frozen=True)
class Look:
    """One way in which a page is met.

    Args:
        name: as printed.
        layout: of the page.
        grid: its ruling; one of the everyday ones by the ECG's seed when None.
        kind: the recipe that spoils it, or an empty string for none.
        strength: of the recipe, 1 to 3.
        held_out: whether the recipe's held-out effects take part, each for certain; else none of them does.
        unseen: whether training sees neither this layout, nor this ruling, nor this effect.
    """

    name: str
    layout: str = "3x4+1"
    grid: str | None = None
    kind: str = ""
    strength: int = 0
    held_out: bool = False
    unseen: bool = False

    def of(self, ecg_id: int, recording: Recording) -> Picture:
        """An ECG in this look: the same paper in all looks but for what the look changes."""
        style = replace(everyday_style(ecg_id), layout=self.layout)
        if self.grid is not None:
            style = replace(style, grid=self.grid)
        if self.kind == "fax":
            style = replace(style, px_per_mm=FAX_PX_PER_MM)
        if not self.kind:
            return Picture(recording, style, None, 0, 0)
        recipe = (recipe_with_held_out if self.held_out else recipe_without_held_out)(self.kind)
        # One seed for all strengths of a kind: what happens to a page at 1 happens to it at 3 as well, only harder.
        return Picture(recording, style, recipe, self.strength, ecg_id)


LOOKS: tuple[Look, ...] = (
    Look("clean picture"),
    Look("scan", kind="scan", strength=2),
    *(Look(f"photo, strength {strength}", kind="photo", strength=strength) for strength in (1, 2, 3)),
    Look("layout 12x1", layout="12x1", unseen=True),
    Look("layout 6x2+1", layout="6x2+1", unseen=True),
    Look("green grid", grid="green", unseen=True),
    Look("grey grid", grid="gray", unseen=True),
    Look("fax", kind="fax", strength=2, unseen=True),
    Look("photo of a screen, moire", kind="screen", strength=2, held_out=True, unseen=True),
    Look("worn paper, mould and staple", kind="paper", strength=2, held_out=True, unseen=True),
)


def everyday_style(seed: int) -> PageStyle:
    """A common page by a seed: 25 mm/s, 10 mm/mV, about 150 dpi, lead names, a header and the scale in print."""
    rng = np.random.default_rng([seed, 1])
    head = (f"Patient {seed}", "12-lead ECG")
    return PageStyle(grid=str(rng.choice(GRIDS)), header=head, scale_text=True)


def recipe_without_held_out(kind: str) -> Recipe:
    """What happens to a page of that kind, without the effects that tuning and training never see."""
    return RECIPES[kind].without(HELD_OUT)


def recipe_with_held_out(kind: str) -> Recipe:
    """The same, with every held-out effect of the kind for certain."""
    steps = (Step(step.effect) if step.effect in HELD_OUT else step for step in RECIPES[kind].steps)
    return Recipe(tuple(steps))


def draw_spoiled(
    recording: Recording, style: PageStyle, recipe: Recipe | None, strength: int, rng: np.random.Generator
) -> Rgb:
    """Draw a page and spoil it; without a recipe it stays as drawn."""
    page = draw_page(recording, style)
    if recipe is None:
        return page.pixels
    return recipe.spoil(page.pixels, rng, strength, px_per_mm=page.px_per_mm).pixels


@dataclass(frozen=True)
class Picture:
    """A picture that can be made at any time from little; a worker process makes it and reads it back.

    Args:
        recording: what is drawn.
        style: of the page.
        recipe: what happens to it; None for nothing.
        strength: of the recipe.
        seed: of the recipe.
    """

    recording: Recording
    style: PageStyle
    recipe: Recipe | None
    strength: int
    seed: int

    @property
    def key(self) -> str:
        """What the picture depends on, but for the code that draws and spoils."""
        facts = f"{self.style} {self.recipe} {self.strength} {self.seed} {self.recording.rate}"
        return hashlib.sha256(facts.encode() + self.recording.signal.tobytes()).hexdigest()

    def pixels(self) -> Rgb:
        """The picture."""
        rng = np.random.default_rng([self.seed, 2])
        return draw_spoiled(self.recording, self.style, self.recipe, self.strength, rng)

    def read(self) -> Gray:
        """The canonical page that intake makes of it.

        Raises:
            NotAnEcg: when intake refuses it.
        """
        return read_page(self.pixels())[0].pixels


@dataclass(frozen=True)
class PrintFile:
    """A file of a print, read as the product reads it."""

    file: Path

    @property
    def key(self) -> str:
        """Of the file's bytes."""
        return hashlib.sha256(self.file.read_bytes()).hexdigest()

    def read(self) -> Gray:
        """The canonical page that intake makes of it.

        Raises:
            BadInput: when intake refuses it.
        """
        from retrieval.intake import read

        return read(self.file).page.pixels
