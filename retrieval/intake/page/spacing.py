"""How many pixels a millimetre of paper takes: along what was followed, or as most short stretches have it.

Some programs rule every lead from its own corner. Lines that are followed from one lead to the next through the gap
are counted wrongly there, by up to half a line, and the whole is stretched or squeezed to fit. Short stretches, each
for itself, know nothing of the gaps: where most of them agree on another scale, theirs is the paper's.
"""

from __future__ import annotations

import cv2
import numpy as np

from retrieval.intake.page.flat import (
    FLAT_PX_PER_MM,
    FlatPage,
    Quad,
    bend_at,
    chord_scale,
    inverse,
    project,
)
from retrieval.intake.page.phase import Matrix
from retrieval.intake.page.refine import Refined
from retrieval.intake.page.scale import BLOCK_MM, PX_PER_MM, families
from retrieval.intake.page.spectrum import Plane
from retrieval.intake.page.stretches import FEWEST, STRETCH_MM, Stretches, agreed

SMOOTH_MM = 2.5
"""Over so much the phase of the thin lines is smoothed, as the standard deviation of a Gaussian."""
MOST = 0.62
"""Share of the stretches that must agree on another scale: of 53 pages that curl, for which no figure is reported,
all but one (0.635) stay at 0.59 or below; of those that are ruled lead by lead most reach more."""
ANOTHER = 0.008
"""Share by which their scale must differ from that along what was followed: less is chance."""


def stretches_of(evidence: Plane, page: Refined) -> tuple[Stretches, Stretches]:
    """Stretches of a page laid flat, across its upright lines and across its level ones."""
    (level, _), (upright, _) = families(evidence, page)
    across, along = _stretches(level), _stretches(upright)
    return across, Stretches(along.middles[:, ::-1], along.ruled, along.weights)


def _stretches(flat: Plane) -> Stretches:
    """Stretches along the rows of ``flat``, by the phase of lines 1 mm apart at both ends, block of rows by block."""
    high, wide = round(BLOCK_MM * PX_PER_MM), flat.shape[1]
    blocks = flat[: flat.shape[0] // high * high].reshape(-1, high, wide)
    rows = blocks.sum(axis=1) / np.maximum((blocks != 0).sum(axis=1), 1)
    x = (np.arange(wide) + 0.5) / PX_PER_MM
    step, reach = round(PX_PER_MM), round(STRETCH_MM * PX_PER_MM)
    if len(rows) == 0 or wide <= reach:
        return Stretches(np.zeros((0, 2)), np.zeros(0), np.zeros(0))
    parts = [cv2.GaussianBlur((rows * wave(2 * np.pi * x)).astype(np.float32), (0, 0), SMOOTH_MM * PX_PER_MM,
                              sigmaY=0.01) for wave in (np.cos, np.sin)]  # fmt: skip
    phase = parts[0] - 1j * parts[1]
    ahead = (phase[:, reach:] * phase[:, :-reach].conj())[:, ::step].ravel()
    across, down = np.meshgrid(x[:-reach:step] + STRETCH_MM / 2, (np.arange(len(rows)) + 0.5) * BLOCK_MM)
    middles = np.column_stack([across.ravel(), down.ravel()])
    return Stretches(middles, STRETCH_MM + np.angle(ahead) / (2 * np.pi), np.sqrt(np.abs(ahead)))


def scale_about(page: FlatPage, field: Quad | None) -> tuple[float, float]:
    """Pixels of the picture per mm ``(x, y)`` about the middle of a field, given by its corners in the picture.

    On five lines over 50 mm both ways, 10 mm apart: a leaning page has another scale in the middle of its paper, and
    a dent bends a few millimetres. Where most short stretches about the middle agree on another scale, that one.
    Without a field that of the paper's middle.
    """
    if field is None:
        return page.px_per_mm
    middle = page.to_flat(np.array(field, np.float64)).mean(axis=0)
    followed = chord_scale(lambda mm: page.to_picture(middle + FLAT_PX_PER_MM * mm))
    if page.stretches is None:
        return followed
    at = (middle + 0.5) / FLAT_PX_PER_MM
    x, y = (_of_stretches(page, page.stretches[axis], axis, at, followed[axis]) for axis in (0, 1))
    return x, y


def _of_stretches(page: FlatPage, stretches: Stretches, axis: int, middle: Matrix, followed: float) -> float:
    """The scale along an axis on which most stretches about a place agree, or that which was ``followed``.

    Each is measured against the plane that the page would be without its bend, whose scale in the middle is known.
    """
    near = stretches.near(middle)
    if len(near.ruled) < FEWEST:
        return followed
    half = np.eye(2)[axis] * STRETCH_MM / 2
    plain = _length(page, near.middles - half, near.middles + half, bent=False) / STRETCH_MM
    seen = _length(page, near.middles - half, near.middles + half, bent=True) / near.ruled
    share_of_plain, share = agreed(seen / plain, near.weights)
    arm = np.eye(2)[axis] * 25.0
    scale = share_of_plain * float(_length(page, (middle - arm)[None], (middle + arm)[None], bent=False)[0]) / 50.0
    return scale if share > MOST and abs(scale / followed - 1) > ANOTHER else followed


def _length(page: FlatPage, one: Matrix, other: Matrix, *, bent: bool) -> Matrix:
    """Pixels of the picture from points ``[n, 2]`` in flat millimetres to others, with the page's bend or without."""
    back = inverse(page.matrix)
    ends = [project(back, points + (bend_at(page.bend, points) if bent else 0.0)) for points in (one, other)]
    return np.asarray(np.linalg.norm(ends[1] - ends[0], axis=1), np.float64)
