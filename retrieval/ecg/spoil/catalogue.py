"""Every effect by its name."""

from __future__ import annotations

import numpy as np

from retrieval.ecg.spoil import ageing, camera, copying, folds, light, marks, surroundings
from retrieval.ecg.spoil.scene import Effect, Scene

HELD_OUT: frozenset[str] = frozenset({"mould", "moire", "staple"})
"""Looks that neither training nor the tuning of intake sees by default, so that an evaluation has some to test on.

A recipe leaves them out with ``leave_out=HELD_OUT``; ``training.augment`` always does."""


def _turned(scene: Scene, rng: np.random.Generator, strength: int) -> None:
    """A picture that lies on its side or stands on its head."""
    scene.quarter_turns = int(rng.integers(1, 4))


EFFECTS: dict[str, Effect] = {
    effect.name: effect
    for effect in (
        Effect("toner", "scan", "picture", copying.toner, "streaks along the feed, pale patches, specks"),
        Effect("bleach", "scan", "page", ageing.bleach, "print that faded, in some regions more"),
        Effect("gray", "scan", "picture", copying.gray_copy, "a black and white copy with a steep curve"),
        Effect("fax", "scan", "picture", copying.fax, "one bit a pixel at 204 x 98 dpi"),
        Effect("skew", "scan", "shape", copying.skew, "askew on the glass, up to 1, 2.5 or 5 degrees"),
        Effect("crop", "scan", "shape", copying.crop, "cut off on some sides, up to 1, 2.5 or 5 %"),
        Effect("glass", "scan", "shape", copying.glass, "the scanner's white or dark lid round the page"),
        Effect("optics", "scan", "picture", copying.optics, "a scanner's slight blur and noise"),
        Effect("jpeg", "scan", "picture", copying.jpeg, "JPEG of quality 80-95, 55-85 or 30-65"),
        Effect("crease", "paper", "page", folds.crease, "one to three sharp folds, where print flakes off"),
        Effect("wrinkle", "paper", "page", folds.wrinkle, "crumpled and smoothed out"),
        Effect("stain", "paper", "page", ageing.stain, "a cup's ring, drops, or the rim of a wet patch"),
        Effect("mould", "paper", "page", ageing.mould, "colonies of dark specks on yellowed paper"),
        Effect("tear", "paper", "page", ageing.tear, "a missing corner, or a rip from an edge"),
        Effect("staple", "paper", "page", marks.staple, "a staple near a corner, with rust"),
        Effect("stamp", "paper", "page", marks.stamp, "framed words in transparent ink"),
        Effect("handwriting", "paper", "page", marks.handwriting, "cursive, rings, underlines, arrows in pen"),
        Effect("curl", "photo", "page", folds.curl, "a sheet that bulges or whose edge stands up"),
        Effect("perspective", "photo", "shape", camera.perspective, "leaning up to 10, 20 or 30 degrees"),
        Effect("lens", "photo", "shape", camera.lens, "barrel or pincushion distortion"),
        Effect("framing", "photo", "shape", camera.framing, "desk on all sides, or cropped to the page"),
        Effect("background", "photo", "shape", surroundings.background, "a desk, wood, cloth or other papers"),
        Effect("screen", "photo", "page", surroundings.screen, "a monitor's dark rim and bluish white"),
        Effect("finger", "photo", "picture", surroundings.finger, "a thumb over the rim"),
        Effect("moire", "photo", "picture", camera.moire, "beats between a screen's pixels and the sensor's"),
        Effect("shadow", "photo", "picture", light.shadow, "uneven light and the photographer's shadow"),
        Effect("glare", "photo", "picture", light.glare, "the reflection of a lamp or a window"),
        Effect("vignette", "photo", "picture", light.vignette, "darker towards the corners"),
        Effect("cast", "photo", "picture", light.cast, "the lamp's colour and a wrong exposure"),
        Effect("blur", "photo", "picture", camera.blur, "out of focus, everywhere or at one end"),
        Effect("motion", "photo", "picture", camera.motion, "a hand that shook"),
        Effect("noise", "photo", "picture", camera.sensor_noise, "the sensor's noise"),
        Effect("turn", "photo", "shape", _turned, "turned by 90, 180 or 270 degrees"),
    )
}
