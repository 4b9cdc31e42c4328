"""Chains of effects: drawn from a recipe, or named one by one, and carried out on a page."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np
from numpy.typing import NDArray

from retrieval.ecg.spoil.bends import Chain, Matrix, Points
from retrieval.ecg.spoil.catalogue import EFFECTS
from retrieval.ecg.spoil.fields import Pixels
from retrieval.ecg.spoil.scene import PAGE_MM, Effect, Scene
from retrieval.errors import BadArgument

STAGES = ("page", "shape", "picture")


@dataclass(frozen=True)
class Spoiled:
    """A spoiled page, and where each of its points went.

    Args:
        pixels: uint8, ``[height, width, 3]`` RGB or ``[height, width]``, as the page was.
        chain: the bends that were applied.
        effects: names of the effects that took part, in their order.
        lost: pixels that show something else in front of the page or where it is torn, or None for none.
    """

    pixels: Pixels
    chain: Chain
    effects: tuple[str, ...]
    lost: NDArray[np.bool_] | None = None

    def forward(self, points: Points) -> Points:
        """Where points ``[n, 2]`` (x, y) in px of the clean page are in the picture, be they hidden or not.

        The centre of the first pixel is (0, 0) in both. A point that was cropped comes to lie outside the picture.
        """
        return self.chain.forward(points)

    def backward(self, points: Points) -> Points:
        """Which points of the clean page are seen at points ``[n, 2]`` of the picture."""
        return self.chain.backward(points)

    @cached_property
    def backward_map(self) -> NDArray[np.float32]:
        """The map that was resampled: ``[height, width, 2]``, the place (x, y) on the page of each pixel."""
        return self.chain.backward_map()

    @cached_property
    def on_page(self) -> NDArray[np.bool_]:
        """Bool ``[height, width]``: within the outline of the page, seen or not."""
        width, height = self.chain.page
        x, y = self.backward_map[:, :, 0], self.backward_map[:, :, 1]
        return (x > -0.5) & (y > -0.5) & (x < width - 0.5) & (y < height - 0.5)

    @property
    def valid(self) -> NDArray[np.bool_]:
        """Bool ``[height, width]``: the pixel shows the page."""
        return self.on_page if self.lost is None else self.on_page & ~self.lost

    @property
    def occluded(self) -> NDArray[np.bool_]:
        """Bool ``[height, width]``: within the page's outline, but torn away or hidden by a finger or a staple."""
        return np.zeros(self.on_page.shape, bool) if self.lost is None else self.on_page & self.lost

    @cached_property
    def matrix(self) -> Matrix:
        """The homography ``[3, 3]`` nearest to the transform: exact for a flat page and a straight lens."""
        width, height = self.chain.page
        nodes = np.stack(np.meshgrid(np.linspace(0, width - 1, 9), np.linspace(0, height - 1, 9)), -1).reshape(-1, 2)
        found, _ = cv2.findHomography(nodes, self.forward(nodes))
        return np.asarray(found, np.float64)


@dataclass(frozen=True)
class Step:
    """An effect and how likely it takes part at each strength."""

    effect: str
    chances: tuple[float, float, float] = (1.0, 1.0, 1.0)


@dataclass(frozen=True)
class Recipe:
    """Effects in the order in which they happen; each has its own chance, and its own generator.

    Paper is marked first, then bent and photographed, then the picture suffers; within these stages the order of the
    steps is kept.

    Example:
        >>> import numpy as np
        >>> page = np.full((85, 110, 3), 255, np.uint8)
        >>> spoiled = recipe_of("crease", "perspective", "jpeg").spoil(page, np.random.default_rng(0), strength=1)
        >>> spoiled.effects
        ('crease', 'perspective', 'jpeg')
        >>> spoiled.forward([[55, 42]]).shape
        (1, 2)
    """

    steps: tuple[Step, ...]

    def __post_init__(self) -> None:
        for step in self.steps:
            effect_named(step.effect)

    def without(self, names: Collection[str]) -> Recipe:
        """The same recipe less some effects."""
        return Recipe(tuple(step for step in self.steps if step.effect not in names))

    def draw(
        self, rng: np.random.Generator, strength: int, leave_out: Collection[str] = ()
    ) -> list[tuple[Effect, int]]:
        """Which effects take part, with the seed of each.

        An effect's draws do not depend on the others: what is left out leaves the rest as it was.
        """
        chances, seeds = rng.random(len(self.steps)), rng.integers(2**62, size=len(self.steps))
        drawn = [
            (EFFECTS[step.effect], int(seed))
            for step, chance, seed in zip(self.steps, chances, seeds, strict=True)
            if chance < step.chances[strength - 1] and step.effect not in leave_out
        ]
        return sorted(drawn, key=lambda pair: STAGES.index(pair[0].stage))

    def spoil(
        self,
        page: Pixels,
        rng: np.random.Generator,
        strength: int = 2,
        px_per_mm: float | None = None,
        leave_out: Collection[str] = (),
    ) -> Spoiled:
        """Spoil a page, which is not changed.

        Args:
            page: uint8, ``[height, width, 3]`` RGB or ``[height, width]`` gray, at least 16 px on each side.
            rng: the only source of chance; the same state gives the same bytes.
            strength: 1, 2 or 3: at 2 a person reads the ECG easily, at 3 with effort.
            px_per_mm: scale of the page, for the size of stains, pens and blur; unless given, the longer side is
                taken for 270 mm.
            leave_out: effects that do not take part, such as ``HELD_OUT``.

        Raises:
            BadArgument: another strength, an unknown effect, or an array that is no page.
        """
        _check(page, strength, leave_out)
        drawn = self.draw(rng, strength, leave_out)
        scene = Scene(np.array(page, np.uint8, order="C"), px_per_mm or max(page.shape[:2]) / PAGE_MM)
        for effect, seed in drawn:
            if effect.stage != "picture":
                effect.apply(scene, np.random.default_rng(seed), strength)
        scene.take()
        for effect, seed in drawn:
            if effect.stage == "picture":
                effect.apply(scene, np.random.default_rng(seed), strength)
        return Spoiled(scene.picture, scene.chain, tuple(effect.name for effect, _ in drawn), scene.lost)


def _check(page: Pixels, strength: int, leave_out: Collection[str]) -> None:
    if strength not in (1, 2, 3):
        raise BadArgument(f"the strength is {strength}; it must be 1, 2 or 3")
    if (
        page.dtype != np.uint8
        or page.ndim not in (2, 3)
        or page.shape[2:] not in ((), (3,))
        or min(page.shape[:2]) < 16
    ):
        raise BadArgument(
            f"a page is {page.dtype} of the shape {page.shape}; "
            "it must be uint8, [height, width, 3] or [height, width], with at least 16 pixels on each side"
        )
    for name in leave_out:
        effect_named(name)


def effect_named(name: str) -> Effect:
    """An effect of ``EFFECTS``.

    Raises:
        BadArgument: when there is none of that name.
    """
    if name not in EFFECTS:
        raise BadArgument(f"no effect is called '{name}'; there are {', '.join(EFFECTS)}")
    return EFFECTS[name]


def recipe_of(*names: str) -> Recipe:
    """A recipe in which each of the named effects takes part."""
    return Recipe(tuple(Step(name) for name in names))
