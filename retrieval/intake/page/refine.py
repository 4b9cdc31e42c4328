"""Second look at a page that is nearly flat: what its lines still lack is curl and lens."""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np

from retrieval.intake.page.flat import BEND_MM, bend_at, inverse, lattice_shape, project, sources
from retrieval.intake.page.phase import RULE_MM, Mask, Matrix, PaperMap, map_paper
from retrieval.intake.page.spectrum import Plane, Ruling

WORTH_BENDING_MM = 0.1
"""Rms of the bend below which the page is called flat: less than the width of a line."""
SLACK_MM = 0.75
"""Spread of curl that still counts as one page."""
LONGER = 1.5
"""Times the side of the largest square that a strip may be long."""
LOOKS = 3
FINE_CELLS = 3.0
"""Smoothing of the later looks, half that of the first: a wrinkle is some centimetres wide."""
CLEAR_NOISE_MM = 0.03
"""What a clear ruling leaves over: there is nothing to gain by more than one look."""
COARSE_PX_PER_MM = 5.0
"""Scale of the second look; lines 1 mm apart keep five pixels."""


@dataclass(frozen=True)
class Refined:
    """``matrix`` ``[3, 3]`` from pixels of the view to flat mm; ``size_mm`` of the flat page; ``bend`` as FlatPage's.

    ``misfit_mm`` is the rms of what the plane left, ``noise_mm`` of what the bend left too, ``covered`` the share of
    the paper on which lines were followed, ``ruled`` uint8 over the flat page, 255 where they were.
    """

    matrix: Matrix
    size_mm: tuple[float, float]
    bend: Plane | None
    misfit_mm: float
    noise_mm: float
    covered: float
    ruled: Mask


def refine(evidence: Plane, paper: Mask, first: Matrix, limit_mm: float) -> Refined | None:
    """Look again along the lines of a first map (pixels of ``evidence`` to mm); ``None`` where they are lost.

    Args:
        evidence: of the view, 0 off the paper.
        paper: uint8 of the same shape, 255 on paper.
        first: ``[3, 3]`` map by which the page is nearly flat.
        limit_mm: side of the largest square page, as ``framed`` keeps to.
    """
    matrix, size = framed(first, paper, limit_mm)
    shape = round(size[0] * COARSE_PX_PER_MM), round(size[1] * COARSE_PX_PER_MM)
    view = np.diag([COARSE_PX_PER_MM, COARSE_PX_PER_MM, 1.0]) @ matrix
    flat = cv2.warpPerspective(evidence, view, shape, flags=cv2.INTER_LINEAR)
    even = 1.0 / (RULE_MM * COARSE_PX_PER_MM)
    found = map_paper(np.asarray(flat, np.float32), Ruling((even, 0.0), (0.0, even), 1.0, 1.0), SLACK_MM)
    if found is None:
        return None
    again, size = framed(found.matrix @ view, paper, limit_mm)
    bend = _bend(found, again @ inverse(view), size)
    share = max(0.05, float((flat != 0).mean()))
    refined = Refined(
        again, size, bend, found.misfit_mm, found.noise_mm, min(1.0, found.covered / share), found.ruled
    )
    for _ in range(LOOKS if bend is not None and found.noise_mm > CLEAR_NOISE_MM else 0):
        before, refined = refined, _bent_again(evidence, refined)
        if refined is before or refined.noise_mm > 0.9 * before.noise_mm:
            break
    return refined


def _bent_again(evidence: Plane, first: Refined) -> Refined:
    """A third look, through the bend: what is left is small and smooth enough for no line to be mistaken."""
    shape = round(first.size_mm[0] * COARSE_PX_PER_MM), round(first.size_mm[1] * COARSE_PX_PER_MM)
    x, y = sources(first.matrix, shape, first.bend, COARSE_PX_PER_MM)
    flat = cv2.remap(evidence, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT, borderValue=(0.0,))
    even = 1.0 / (RULE_MM * COARSE_PX_PER_MM)
    found = map_paper(np.asarray(flat, np.float32), Ruling((even, 0.0), (0.0, even), 1.0, 1.0), SLACK_MM, FINE_CELLS)
    if found is None or found.noise_mm > 1.1 * first.noise_mm:
        return first
    rows, columns = lattice_shape(first.size_mm)
    y_mm, x_mm = np.mgrid[0:rows, 0:columns].astype(np.float64) * BEND_MM
    nodes = np.stack([x_mm.ravel(), y_mm.ravel()], axis=1)
    into = found.matrix @ np.diag([COARSE_PX_PER_MM, COARSE_PX_PER_MM, 1.0])
    # Whole squares by which the new coordinates are shifted are taken back: the frame stays.
    middle = np.array([[first.size_mm[0] / 2, first.size_mm[1] / 2]])
    shift = np.round((project(into, middle) - middle) / RULE_MM) * RULE_MM
    plane = _bend(found, into, first.size_mm)
    moved = nodes + shift + (bend_at(plane, nodes) if plane is not None else 0.0)
    there = project(inverse(into), moved)
    bend = (there + bend_at(first.bend, there) - nodes).T.reshape(2, rows, columns).astype(np.float32)
    covered = max(first.covered, min(1.0, found.covered / max(0.05, float((flat != 0).mean()))))
    return replace(first, bend=bend, noise_mm=found.noise_mm, covered=covered)


def framed(matrix: Matrix, paper: Mask, limit_mm: float) -> tuple[Matrix, tuple[float, float]]:
    """A map shifted by whole squares so that the paper starts at 0, and the size in mm of its frame.

    It takes no more paper than a square of ``limit_mm``, and is no more than ``LONGER`` times as long.
    """
    outline, _ = cv2.findContours(paper, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    points = np.concatenate([part.reshape(-1, 2) for part in outline]).astype(np.float64)
    edge = project(matrix, points)
    low = np.floor(edge.min(axis=0) / RULE_MM) * RULE_MM
    size = np.minimum(np.ceil((edge.max(axis=0) - low) / RULE_MM) * RULE_MM, LONGER * limit_mm)
    if size.prod() > limit_mm**2:
        short = min(float(size.min()), limit_mm)
        size = np.where(size > short, np.floor(limit_mm**2 / short / RULE_MM) * RULE_MM, short)
    shift = np.array([[1, 0, -low[0]], [0, 1, -low[1]], [0, 0, 1.0]])
    return shift @ matrix, (float(size[0]), float(size[1]))


def _bend(found: PaperMap, into: Matrix, size: tuple[float, float]) -> Plane | None:
    """The bend on its lattice over the new frame; ``into`` takes the second look's pixels to the new frame's mm.

    The lines say that the point ``p`` of the plane is the point ``p + b(p)`` of the paper; wanted is the way back.
    """
    # A bend that leaves as much as it found was made of noise.
    if float(np.sqrt((found.bend**2).mean())) < WORTH_BENDING_MM or found.noise_mm > 0.8 * found.misfit_mm:
        return None
    rows, columns = lattice_shape(size)
    y, x = np.mgrid[0:rows, 0:columns].astype(np.float64) * BEND_MM
    nodes = np.stack([x.ravel(), y.ravel()], axis=1)
    back = inverse(into)
    size_px = found.size
    off = np.zeros_like(nodes)
    for _ in range(4):
        at = project(back, nodes + off)
        fine_x = (at[:, 0] * found.bend.shape[2] / size_px[0] - 0.5).astype(np.float32)
        fine_y = (at[:, 1] * found.bend.shape[1] / size_px[1] - 0.5).astype(np.float32)
        parts = [
            cv2.remap(part, fine_x[None], fine_y[None], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE).ravel()
            for part in found.bend
        ]
        off = -np.stack(parts, axis=1).astype(np.float64)
    return off.T.reshape(2, rows, columns).astype(np.float32)
