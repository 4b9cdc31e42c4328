"""Turn the ruling into coordinates: the phase of the lines at each point says where on the paper that point lies.

A family of lines 5 mm apart, multiplied by a carrier of the expected frequency and smoothed, leaves its phase
(demodulation). Unwrapped over the picture, the phases of both families are paper coordinates, to which the one
projective map is fitted that a flat page in front of a camera obeys.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from retrieval.intake.page.spectrum import Mask, Plane, Ruling
from retrieval.intake.page.threads import side_by_side

Matrix = NDArray[np.float64]
Wave = NDArray[np.complex64]
Bools = NDArray[np.bool_]
Indices = NDArray[np.int64]
RULE_MM = 5.0
MIN_COHERENCE = 0.35
"""Share of the local structure that must follow the lines before a point's phase is believed."""
REACH = 1.6
"""Width of the smoothing in lines: wide enough to see lines beside a trace, narrow enough to bend with a page whose
pitch changes by a tenth from one end to the other."""
SPACING = 2.4
BOX_FROM = 3.0
"""Pixels of a pitch from which it is reduced to two before it is blurred, which costs less the fewer there are."""
MAX_FREQUENCY = 0.46
MAX_BEND_MM = 9.0
SURE_TRUST = 0.42
BEND_CELLS = 4.5
BEYOND_MM = 6.0
"""Millimetres by which the bend may go on growing where lines were not followed."""


@dataclass(frozen=True)
class PaperMap:
    """``matrix`` ``[3, 3]`` takes working pixels to millimetres of paper.

    ``misfit_mm`` is the rms of what it leaves, ``noise_mm`` of what the bend leaves as well.
    ``covered`` is the share of the picture on which lines were followed. ``bend`` float32 ``[2, h, w]`` holds, on a
    coarse lattice over the picture, the millimetres by which curled paper departs from the plane, ``(x, y)``;
    ``ruled`` uint8 ``[h, w]`` is 255 where lines were followed; ``size`` is the picture's width and height.
    """

    matrix: Matrix
    misfit_mm: float
    noise_mm: float
    covered: float
    bend: Plane
    ruled: Mask
    size: tuple[int, int]


@dataclass(frozen=True)
class _Phases:
    """Points ``[n, 2]`` in pixels, their paper coordinate in lines ``[n]`` and the trust in it ``[n]``."""

    points: Matrix
    lines: Matrix
    trust: Matrix


def map_paper(evidence: Plane, ruling: Ruling, slack_mm: float = 0.3, cells: float = BEND_CELLS) -> PaperMap | None:
    """Fit the map from pixels to millimetres, or ``None`` where the lines cannot be followed.

    ``slack_mm`` is the spread that is put down to curl: parts that lie within some four times that are fitted too.
    ``cells`` is how far the bend is smoothed, in 1/96 of the picture's width.
    """
    best: PaperMap | None = None
    for harmonic in _harmonics(ruling):
        found = _map_by(evidence, ruling, harmonic, slack_mm, cells)
        if found is not None and (best is None or _worth(found) > _worth(best)):
            best = found
        if best is not None and best.covered > 0.7 and best.noise_mm < 0.12:
            break
    return best


def _harmonics(ruling: Ruling) -> tuple[int, ...]:
    """Lines to follow, in this order: the fine ones where pixels resolve them, being five times as exact."""
    finest = 5 * max(np.hypot(*ruling.across), np.hypot(*ruling.along))
    return (5, 1) if finest < MAX_FREQUENCY else (2, 1, 3)


def _worth(found: PaperMap) -> float:
    return found.covered / (0.2 + found.noise_mm)


def _map_by(evidence: Plane, ruling: Ruling, harmonic: int, slack_mm: float, cells: float) -> PaperMap | None:
    carriers = np.array([ruling.across, ruling.along])
    seen = demodulate(evidence, *(carriers * harmonic))
    families = [_follow(carrier, harmonic, *family) for carrier, family in zip(carriers, seen, strict=True)]
    if any(len(family.points) < 12 for family in families):
        return None
    matrix = _fit(families[0], families[1], evidence.shape, slack_mm / RULE_MM)
    left = np.concatenate([np.abs(_left_over(matrix, axis, families[axis])) for axis in (0, 1)])
    trust = np.concatenate([family.trust for family in families])
    # Phases that slipped by a whole line are far off; the rms of the nearer nine tenths is the fit's own.
    near = left <= np.quantile(left, 0.9)
    misfit = float(np.sqrt(np.average(left[near] ** 2, weights=trust[near]))) * RULE_MM
    bends = [_bend(families[axis], _left_over(matrix, axis, families[axis]), evidence, cells) for axis in (0, 1)]
    bend = np.stack([plane for plane, _ in bends])
    noise = float(
        np.sqrt(np.average(np.concatenate([np.clip(rest, -2, 2) for _, rest in bends]) ** 2, weights=trust))
    )
    covered = min(_covered(family, evidence) for family in families)
    size = evidence.shape[1], evidence.shape[0]
    return PaperMap(
        np.diag([RULE_MM, RULE_MM, 1.0]) @ matrix, misfit, noise, covered, bend, _ruled(families, evidence), size
    )


def _follow(carrier: Matrix, harmonic: int, wave: Wave, trust: Plane, step: tuple[float, float]) -> _Phases:
    """Phases of a demodulated family of lines, unwrapped from the clearest point outward; counted in bold lines."""
    residual = _unwrap(wave, trust)
    rows, columns = np.nonzero(~np.isnan(residual))
    x, y = (columns + 0.5) * step[0] - 0.5, (rows + 0.5) * step[1] - 0.5
    lines = carrier[0] * x + carrier[1] * y + residual[rows, columns] / harmonic
    return _Phases(
        np.stack([x, y], axis=1).astype(np.float64), lines, np.minimum(1.0, trust[rows, columns]).astype(np.float64)
    )


def demodulate(evidence: Plane, *carriers: Matrix) -> list[tuple[Wave, Plane, tuple[float, float]]]:
    """Multiply by each carrier and smooth over ``REACH`` pitches; one point is kept per ``SPACING`` pitches.

    Gives for each carrier the smoothed product, how much of the local structure it is, and the pixels between points.
    """
    height, width = evidence.shape
    smoothers = {pitch: _Smoother((width, height), pitch) for pitch in map(_pitch, carriers)}
    squares = evidence * evidence
    loud = side_by_side(lambda smoother: np.sqrt(np.maximum(smoother.smooth(squares), 0)), smoothers.values())
    loudness = dict(zip(smoothers, loud, strict=True))

    def seen(carrier: Matrix) -> tuple[Wave, Plane, tuple[float, float]]:
        smoother = smoothers[_pitch(carrier)]
        # The carrier is a product of one wave across and one down: no cosine is taken per pixel.
        across, down = (np.exp(-2j * np.pi * f * np.arange(n)) for f, n in zip(carrier, (width, height), strict=True))
        mixed = evidence * np.outer(down.astype(np.complex64), across.astype(np.complex64))
        smoothed = smoother.smooth(mixed.view(np.float32).reshape(height, width, 2))
        wave = np.ascontiguousarray(smoothed).view(np.complex64)[:, :, 0]
        trust = 4.0 * np.abs(wave) / (loudness[_pitch(carrier)] + np.float32(1e-6))
        return wave, trust.astype(np.float32), smoother.step

    return list(side_by_side(seen, carriers))


def _pitch(carrier: Matrix) -> float:
    """Pixels between the lines of a family."""
    return 1.0 / float(np.hypot(*carrier))


class _Smoother:
    """Smooths planes of a ``size`` (width, height) over ``REACH`` pitches, to a point per ``SPACING`` pitches."""

    def __init__(self, size: tuple[int, int], pitch: float) -> None:
        width, height = size
        self._points = max(2, round(width / (SPACING * pitch))), max(2, round(height / (SPACING * pitch)))
        self.step = width / self._points[0], height / self._points[1]
        self._reach = max(REACH, 6.0 / pitch)
        # The carrier's second harmonic would fold back to where the wave is: a box of half a pitch is blind to it.
        self._near = tuple(max(1, round(2 * side / pitch)) if pitch >= BOX_FROM else side for side in size)
        box = tuple(side / near for side, near in zip(size, self._near, strict=True))
        self._blur = tuple(float(np.sqrt(max(0.0, (0.5 * pitch) ** 2 - (wide**2 - 1) / 12))) / wide for wide in box)

    def smooth(self, plane: Plane) -> Plane:
        """The plane, smoothed."""
        fine = plane
        if self._near != plane.shape[1::-1]:
            fine = np.asarray(cv2.resize(plane, self._near, interpolation=cv2.INTER_AREA), np.float32)
        level = cv2.GaussianBlur(fine, (0, 0), self._blur[0], sigmaY=self._blur[1])
        coarse = cv2.resize(level, self._points, interpolation=cv2.INTER_AREA)
        return np.asarray(cv2.GaussianBlur(coarse, (0, 0), self._reach / SPACING), np.float32)


def _unwrap(wave: Wave, trust: Plane) -> Matrix:
    """Phase in turns, followed from neighbour to neighbour, the most trusted first; NaN where none is trusted."""
    angle = np.angle(wave).astype(np.float64) / (2 * np.pi)
    start = int(np.argmax(trust))
    turns = _agreed_turns(angle, trust >= MIN_COHERENCE, start)
    return _followed(angle, trust, start) if turns is None else angle + turns


def _agreed_turns(angle: Matrix, trusted: Bools, start: int) -> Matrix | None:
    """Whole turns to add to each angle so that no two neighbours differ by more than half of one.

    NaN at points that are not joined to the start; ``None`` where the neighbours do not all agree, so that the way by
    which they are followed decides. Where they do, there is one answer, and no order is needed to find it.
    """
    width = angle.shape[1]
    trusted.ravel()[start] = True
    _, parts = cv2.connectedComponents(trusted.astype(np.uint8), connectivity=4)
    joined = np.asarray(parts == parts.ravel()[start])
    first = joined.copy()
    first[:, 1:] &= ~joined[:, :-1]
    run = np.cumsum(first).reshape(first.shape) - 1
    step = np.zeros_like(angle)
    step[:, 1:] = np.where(joined[:, 1:] & ~first[:, 1:], np.rint(angle[:, :-1] - angle[:, 1:]), 0.0)
    along = np.cumsum(step, axis=1)
    below = np.flatnonzero(joined[:-1] & joined[1:])
    gap = (np.rint(angle[:-1] - angle[1:]) + along[:-1] - along[1:]).ravel()[below]
    upper, lower = run.ravel()[below], run.ravel()[below + width]
    shift = _shifts(int(run.max()) + 1, int(run.ravel()[start]), upper, lower, gap)
    if not np.array_equal(shift[lower] - shift[upper], gap):
        return None
    # Runs count from their own left end, the start from 0.
    turns = along + shift[run]
    return np.where(joined, turns - turns.ravel()[start], np.nan)


def _shifts(count: int, start: int, upper: Indices, lower: Indices, gap: Matrix) -> Matrix:
    """Turns of each run of points, from run to run, by the first gap that is met between two."""
    _, one_of_each = np.unique(upper * count + lower, return_index=True)
    beside: list[list[tuple[int, float]]] = [[] for _ in range(count)]
    for above, under, turns in zip(upper[one_of_each], lower[one_of_each], gap[one_of_each].tolist(), strict=True):
        beside[above].append((int(under), turns))
        beside[under].append((int(above), -turns))
    shift: list[float | None] = [None] * count
    shift[start], waiting = 0.0, [start]
    while waiting:
        here = waiting.pop()
        for other, turns in beside[here]:
            if shift[other] is None:
                shift[other] = (shift[here] or 0.0) + turns
                waiting.append(other)
    return np.array(shift, np.float64)


def _followed(angle: Matrix, trust: Plane, start: int) -> Matrix:
    """Phase in turns from the start outward, the most trusted neighbour first; NaN where none is trusted."""
    # Plain lists, since reading single numbers out of an array is slow; the border around them is never trusted.
    width = angle.shape[1] + 2
    start = (start // angle.shape[1] + 1) * width + start % angle.shape[1] + 1
    turn = np.pad(angle, 1).ravel().tolist()
    trusted = np.pad(trust, 1, constant_values=-1.0).ravel().tolist()
    out: list[float | None] = [None] * len(turn)
    queue: list[tuple[float, int, float]] = [(-1.0, start, turn[start])]
    while queue:
        _, at, expected = heapq.heappop(queue)
        if out[at] is not None:
            continue
        here = turn[at] + round(expected - turn[at])
        out[at] = here
        for beside in (at - width, at + width, at - 1, at + 1):
            if trusted[beside] >= MIN_COHERENCE and out[beside] is None:
                heapq.heappush(queue, (-trusted[beside], beside, here))
    return np.array(out, np.float64).reshape(-1, width)[1:-1, 1:-1]


def _project(matrix: Matrix, axis: int, x: Matrix | Plane, y: Matrix | Plane) -> Matrix:
    top = matrix[axis, 0] * x + matrix[axis, 1] * y + matrix[axis, 2]
    return np.asarray(top / (matrix[2, 0] * x + matrix[2, 1] * y + matrix[2, 2]), np.float64)


def _left_over(matrix: Matrix, axis: int, family: _Phases) -> Matrix:
    return family.lines - _project(matrix, axis, family.points[:, 0], family.points[:, 1])


def _fit(across: _Phases, along: _Phases, shape: tuple[int, ...], slack: float) -> Matrix:
    """The projective map ``[3, 3]`` from pixels to lines, by least squares that lets outliers go (Tukey's weights).

    With ``u (g x + h y + 1) = a x + b y + c`` and likewise ``v``, all eight numbers are linear in the phases.
    """
    scale = max(shape[:2]) / 2.0
    centre = np.array([shape[1] / 2.0, shape[0] / 2.0])
    system, wanted, trust = _equations(across, along, centre, scale)
    weight = trust.copy()
    solution = np.zeros(8)
    for _ in range(12):
        heavy = system * weight[:, None]
        # Eight unknowns of order 1 in centred coordinates: the normal equations lose nothing that matters.
        solution = np.linalg.lstsq(heavy.T @ system, heavy.T @ wanted, rcond=None)[0]
        left = wanted - system @ solution
        spread = 1.4826 * float(np.median(np.abs(left))) + slack
        weight = trust * np.clip(1 - (left / (4.7 * spread)) ** 2, 0, None) ** 2
        if weight.sum() < 8:
            break
    normal = np.array([*solution, 1.0]).reshape(3, 3)
    shift = np.array([[1 / scale, 0, -centre[0] / scale], [0, 1 / scale, -centre[1] / scale], [0, 0, 1]])
    return normal @ shift


def _equations(across: _Phases, along: _Phases, centre: Matrix, scale: float) -> tuple[Matrix, Matrix, Matrix]:
    parts = []
    for axis, family in enumerate((across, along)):
        point = (family.points - centre) / scale
        one, zero = np.ones(len(point)), np.zeros((len(point), 3))
        own = np.stack([point[:, 0], point[:, 1], one], axis=1)
        tilt = -point * family.lines[:, None]
        parts.append(np.hstack([own, zero, tilt] if axis == 0 else [zero, own, tilt]))
    wanted = np.concatenate([across.lines, along.lines])
    return np.concatenate(parts), wanted, np.concatenate([across.trust, along.trust])


def _bend(family: _Phases, left: Matrix, evidence: Plane, cells: float) -> tuple[Plane, Matrix]:
    """What the plane leaves over in mm, smoothed over ``cells``, on 96 columns; and what that leaves.

    Smoothed twice, the second time over what the first has missed, since smoothing alone makes every bend too small.
    """
    height, width = evidence.shape
    columns = 96
    rows = max(4, round(columns * height / width))
    x = np.clip((family.points[:, 0] * columns / width).astype(int), 0, columns - 1)
    y = np.clip((family.points[:, 1] * rows / height).astype(int), 0, rows - 1)
    rest = left * RULE_MM
    trust = family.trust * (np.abs(rest) < MAX_BEND_MM)
    bend = _trend(x, y, rest, trust, (rows, columns))
    rest = rest - bend[y, x]
    for _ in range(2):
        weight, total = np.zeros((rows, columns)), np.zeros((rows, columns))
        np.add.at(weight, (y, x), trust)
        np.add.at(total, (y, x), trust * rest)
        near = cv2.GaussianBlur(np.stack([total, weight], axis=2), (0, 0), cells)
        # A little weight of zero bend keeps the unknown parts in the plane.
        more = (near[:, :, 0] / (near[:, :, 1] + 0.05 * near[:, :, 1].max() + 1e-9)).astype(np.float32)
        bend += more
        rest = rest - more[y, x]
    return bend, rest


def _trend(x: Matrix, y: Matrix, rest: Matrix, trust: Matrix, shape: tuple[int, int]) -> Plane:
    """The cubic surface that goes on as the bend does where no lines were followed, held in its range."""

    def terms(u: Matrix, v: Matrix) -> Matrix:
        return np.stack([u**i * v**j for i in range(4) for j in range(4 - i)], axis=-1)

    system = terms(2.0 * x / shape[1] - 1, 2.0 * y / shape[0] - 1)
    heavy = system * trust[:, None]
    # A little ridge keeps terms that the points do not decide at zero.
    normal = heavy.T @ system + 1e-3 * float(trust.sum()) * np.eye(system.shape[1])
    solution = np.linalg.solve(normal, heavy.T @ rest)
    rows, columns = np.mgrid[0 : shape[0], 0 : shape[1]].astype(np.float64)
    surface = terms(2.0 * columns / shape[1] - 1, 2.0 * rows / shape[0] - 1) @ solution
    seen = system @ solution
    return np.clip(surface, seen.min() - BEYOND_MM, seen.max() + BEYOND_MM).astype(np.float32)


def _ruled(families: list[_Phases], evidence: Plane) -> Mask:
    """The convex hull of where lines were followed, 255 inside, on 96 columns; nothing where too few were to tell."""
    height, width = evidence.shape
    columns = 96
    rows = max(4, round(columns * height / width))
    seen = np.zeros((rows, columns), np.uint8)
    for family in families:
        sure = family.points[family.trust > SURE_TRUST]
        x = np.clip((sure[:, 0] * columns / width).astype(int), 0, columns - 1)
        y = np.clip((sure[:, 1] * rows / height).astype(int), 0, rows - 1)
        seen[y, x] = 1
    # Lone points in the grain of a table are no paper.
    seen = cv2.morphologyEx(seen, cv2.MORPH_OPEN, np.ones((3, 3), np.uint8))
    points = np.argwhere(seen)[:, ::-1].astype(np.int32)
    if len(points) < 0.2 * seen.size:
        return np.zeros((rows, columns), np.uint8)
    hull = cv2.convexHull(np.ascontiguousarray(points).reshape(-1, 1, 2))
    return np.asarray(cv2.fillConvexPoly(np.zeros((rows, columns), np.uint8), hull, 255), np.uint8)


def _covered(family: _Phases, evidence: Plane) -> float:
    """Share of the picture whose cells of 1/12 of its side hold a followed line."""
    height, width = evidence.shape
    cells = (12 * family.points[:, 0] / width).astype(int) * 12 + (12 * family.points[:, 1] / height).astype(int)
    return len(np.unique(cells)) / 144.0
