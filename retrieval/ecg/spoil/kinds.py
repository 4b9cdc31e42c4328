"""The recipes by which pages are spoiled unless somebody names effects one by one."""

from __future__ import annotations

from collections.abc import Collection
from typing import Literal

import numpy as np

from retrieval.ecg.spoil.fields import Pixels
from retrieval.ecg.spoil.recipes import Recipe, Spoiled, Step
from retrieval.errors import BadArgument

Kind = Literal["scan", "paper", "photo", "fax", "screen"]

_WORN = (
    Step("crease", (0.1, 0.25, 0.4)),
    Step("wrinkle", (0.1, 0.25, 0.4)),
    Step("stain", (0.03, 0.08, 0.2)),
    Step("mould", (0.0, 0.02, 0.06)),
    Step("tear", (0.0, 0.04, 0.1)),
    Step("stamp", (0.03, 0.06, 0.1)),
    Step("handwriting", (0.05, 0.15, 0.25)),
    Step("staple", (0.03, 0.06, 0.1)),
    Step("bleach", (0.1, 0.25, 0.4)),
)
_LIGHT = (
    Step("shadow", (0.4, 0.7, 0.9)),
    Step("glare", (0.15, 0.3, 0.45)),
    Step("vignette", (0.3, 0.5, 0.6)),
    Step("cast", (0.7, 0.9, 1.0)),
)
_SHUTTER = (
    Step("blur", (0.6, 0.7, 0.8)),
    Step("motion", (0.1, 0.2, 0.3)),
    Step("noise", (0.7, 0.9, 1.0)),
    Step("jpeg"),
)
RECIPES: dict[str, Recipe] = {
    "scan": Recipe(
        (
            Step("crease", (0.05, 0.15, 0.25)),
            Step("stamp", (0.05, 0.1, 0.15)),
            Step("handwriting", (0.05, 0.1, 0.15)),
            Step("staple", (0.03, 0.06, 0.1)),
            Step("bleach", (0.2, 0.4, 0.6)),
            Step("skew"),
            Step("crop", (0.2, 0.35, 0.5)),
            Step("glass"),
            Step("optics"),
            Step("toner", (0.2, 0.4, 0.6)),
            Step("gray", (0.1, 0.15, 0.2)),
            Step("fax", (0.0, 0.03, 0.08)),
            Step("jpeg"),
        )
    ),
    "paper": Recipe(
        (
            Step("crease", (0.5, 0.6, 0.7)),
            Step("wrinkle", (0.4, 0.5, 0.6)),
            Step("stain", (0.35, 0.45, 0.55)),
            Step("mould", (0.1, 0.2, 0.25)),
            Step("tear", (0.15, 0.25, 0.35)),
            Step("stamp", (0.2, 0.3, 0.3)),
            Step("handwriting", (0.3, 0.4, 0.5)),
            Step("staple", (0.15, 0.2, 0.25)),
            Step("bleach", (0.2, 0.3, 0.4)),
            Step("skew", (0.7, 0.7, 0.7)),
            Step("glass"),
            Step("optics"),
            Step("jpeg"),
        )
    ),
    "photo": Recipe(
        (
            *_WORN,
            Step("curl", (0.2, 0.35, 0.5)),
            Step("perspective"),
            Step("lens", (0.3, 0.5, 0.6)),
            Step("framing"),
            Step("background"),
            Step("finger", (0.05, 0.12, 0.2)),
            *_LIGHT,
            *_SHUTTER,
        )
    ),
    "fax": Recipe(
        (
            Step("stamp", (0.1, 0.15, 0.2)),
            Step("handwriting", (0.1, 0.15, 0.2)),
            Step("skew"),
            Step("crop", (0.2, 0.3, 0.4)),
            Step("toner", (0.4, 0.5, 0.6)),
            Step("fax"),
        )
    ),
    "screen": Recipe(
        (
            Step("screen"),
            Step("perspective"),
            Step("lens", (0.3, 0.5, 0.6)),
            Step("framing"),
            Step("moire"),
            *_LIGHT[1:],  # a shadow does not fall on what shines
            *_SHUTTER,
        )
    ),
}
"""Recipes by kind: a scanned page, a worn page scanned, a photo of paper, a fax, a photo of a screen."""


def spoil(
    rgb: Pixels,
    rng: np.random.Generator,
    kind: Kind = "photo",
    strength: int = 2,
    *,
    px_per_mm: float | None = None,
    leave_out: Collection[str] = (),
) -> Pixels:
    """Spoil a page; the same generator state gives the same bytes.

    Args:
        rgb: a clean page, ``[height, width, 3]`` RGB or ``[height, width]`` gray, uint8.
        rng: the only source of chance.
        kind: a name of ``RECIPES``.
        strength: 1, 2 or 3.
        px_per_mm: scale of the page; unless given, its longer side is taken for 270 mm.
        leave_out: effects that do not take part, such as ``HELD_OUT``.

    Raises:
        BadArgument: another kind or strength, an unknown effect, or an array that is no page.
    """
    return spoil_with_transform(rgb, rng, kind, strength, px_per_mm=px_per_mm, leave_out=leave_out).pixels


def spoil_with_transform(
    rgb: Pixels,
    rng: np.random.Generator,
    kind: Kind = "photo",
    strength: int = 2,
    *,
    px_per_mm: float | None = None,
    leave_out: Collection[str] = (),
) -> Spoiled:
    """As ``spoil``, with the way of each point from the clean page into the picture and back."""
    if kind not in RECIPES:
        raise BadArgument(f"a page can be spoiled as {', '.join(RECIPES)}, not as '{kind}'")
    return RECIPES[kind].spoil(rgb, rng, strength, px_per_mm, leave_out)
