"""What happens to a clean page before it is read: our own recipes, effects held out of them, and augraphy's."""

from __future__ import annotations

import importlib
import random
from dataclasses import dataclass

import cv2
import numpy as np

from eval.bench.pages.clean import CleanPage, Forward, Mask, Points, Rgb
from eval.pictures import recipe_with_held_out, recipe_without_held_out
from retrieval.ecg.spoil import Recipe, Step


@dataclass(frozen=True)
class Picture:
    """A picture of a page, the way of its pixels into it, and which of its pixels show the page (``None``: all)."""

    pixels: Rgb
    forward: Forward
    shows: Mask | None = None


def as_drawn(page: CleanPage) -> Picture:
    """Nothing happens to it."""
    return Picture(page.pixels, _stay)


def _stay(points: Points) -> Points:
    return np.asarray(points, np.float64)


def by_recipe(page: CleanPage, rng: np.random.Generator, kind: str, strength: int) -> Picture:
    """Our recipe of that kind, without the effects that are held out."""
    return _spoiled(page, recipe_without_held_out(kind), rng, strength)


def by_held_out(page: CleanPage, rng: np.random.Generator, kind: str, strength: int) -> Picture:
    """Our recipe of that kind, with every effect of it that tuning and training never saw."""
    return _spoiled(page, recipe_with_held_out(kind), rng, strength)


def turned(page: CleanPage, rng: np.random.Generator, kind: str, strength: int) -> Picture:
    """As ``by_recipe``, lying on its side or standing on its head."""
    recipe = recipe_without_held_out(kind)
    return _spoiled(page, Recipe((*recipe.steps, Step("turn"))), rng, strength)


def _spoiled(page: CleanPage, recipe: Recipe, rng: np.random.Generator, strength: int) -> Picture:
    done = recipe.spoil(page.pixels, rng, strength, px_per_mm=page.px_per_mm)
    return Picture(done.pixels, done.forward, done.valid)


AUGRAPHY = (
    "InkBleed",
    "LowInkRandomLines",
    "LowInkPeriodicLines",
    "DirtyDrum",
    "SubtleNoise",
    "LightingGradient",
    "ShadowCast",
    "Brightness",
    "NoiseTexturize",
    "BrightnessTexturize",
    "ColorPaper",
    "BleedThrough",
    "Gamma",
    "Stains",
)
"""Its effects that leave every pixel where it was and take less than a few seconds."""


def by_augraphy(page: CleanPage, rng: np.random.Generator, strength: int) -> Picture:
    """Two effects of augraphy by chance at strength 1, three at 2, five at 3, with its own defaults.

    augraphy draws from the global generators of ``random``, numpy and OpenCV; they are seeded here for each page.
    """
    augraphy = importlib.import_module("augraphy")
    seed = int(rng.integers(2**31))
    random.seed(seed)
    np.random.seed(seed)
    cv2.setRNGSeed(seed)
    pixels = page.pixels.copy()
    for name in rng.choice(AUGRAPHY, size=(2, 3, 5)[strength - 1], replace=False):
        done = np.asarray(getattr(augraphy, str(name))(p=1)(pixels.copy()), np.uint8)
        if done.shape[:2] == pixels.shape[:2]:
            pixels = np.ascontiguousarray(
                done[:, :, :3] if done.ndim == 3 else np.repeat(done[:, :, None], 3, axis=2)
            )
    return Picture(pixels, _stay)
