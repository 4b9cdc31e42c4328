"""Settle which lines of a nearly flat page stand 5 mm apart, by the sharp spectrum that only an even ruling has.

Seen flat and averaged along the lines, a ruling stands out of everything else by factors of ten to a thousand, at
multiples of one frequency. Whether that is the frequency of bold lines (5 mm), of lines without bold ones (1 mm)
or of bold lines alone is told by the rise at every fifth multiple and by how large paper is.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from retrieval.intake.page.flat import local_scale, sources
from retrieval.intake.page.phase import Mask, Matrix
from retrieval.intake.page.refine import Refined, framed
from retrieval.intake.page.spectrum import Plane

PX_PER_MM = 5.0
SIDE_MM = 320.0
"""Millimetres of the frame that are looked at along each side."""
SEGMENT_MM, BLOCK_MM = 60.0, 8.0
CLEAR_SNR, LONE_SNR = 4.0, 15.0
"""Power over the neighbouring frequencies from which a peak is one, and from which one peak is enough."""
ALIKE = 0.1
"""Power of teeth between the others up to which they are the pixels' doing: the lines of both are the same."""
LEAST_SNR = 6.0
"""Geometric mean of the power of a comb's first teeth over their surroundings, below which it is chance."""
LEAST_SHARE = 0.1
"""Of the likeliest scale's likelihood, which the plain one must have to be tried where the first shows no lines."""
PRIORS = {5.0: 1.0, 1.0: 0.8, 10.0: 0.1, 2.5: 0.15, 2.0: 0.1}
"""How common it is that the widest spacing of a page's lines is so many millimetres."""
SIZES_MM = (60.0, 90.0, 120.0, 180.0, 430.0, 560.0, 700.0)
USUAL = (0.003, 0.04, 0.16, 1.0, 1.0, 0.3, 0.01)
"""How usual it is that a picture of a 12-lead page shows so many millimetres along its longer side."""
PENS_MM = (0.04, 0.12, 0.2, 0.9, 1.4, 2.5)
USUAL_PEN = (0.002, 0.1, 1.0, 1.0, 0.3, 0.002)
"""How usual a pen of so many millimetres is, blur of the picture included."""
ASPECTS = {1.0: 1.0, 2.0: 0.3, 0.5: 0.3}
"""Pixels of a picture may be twice as high as wide: telefax."""


@dataclass(frozen=True)
class Comb:
    """Lines ``period`` mm of the frame apart, ``snr`` of the clearest teeth, ``fivefold`` if each fifth is bold."""

    period: float
    snr: float
    fivefold: bool


_AS_IT_STANDS = Comb(5.0, LEAST_SNR, False)


@dataclass(frozen=True)
class Settled:
    """``matrix`` in true millimetres; ``snr`` of the weaker family; ``likely`` from 0 to 1 a priori."""

    matrix: Matrix
    snr: float
    likely: float


def settle(
    evidence: Plane, paper: Mask, matrix: Matrix, *, followed: bool, pen_px: float | None = None
) -> tuple[Settled, ...]:
    """Correct the scale of a map by which lines of ``evidence`` stand evenly: the likeliest first, none if no ruling.

    Where the lines were ``followed`` all over the page, a family whose comb drowns in grain is believed as it stands,
    and that the widest lines are those of 5 mm is given as a second reading, unless it is far less likely.

    Args:
        evidence: of the view.
        paper: uint8 of the same shape, 255 on paper.
        matrix: ``[3, 3]`` from its pixels to millimetres that may be wrong by a factor along each axis.
        pen_px: width of the traces in pixels, where it is known: no pen is as thin as a hair or as wide as a beam.
    """
    flat, size = _frame(evidence, paper, matrix)
    height, width = evidence.shape
    scale, _ = local_scale(matrix, width / 2, height / 2)
    across, along = _comb(flat, scale[0] / 2), _comb(flat.T, scale[1] / 2)
    if followed:
        across, along = (comb if comb and comb.snr > LEAST_SNR else _AS_IT_STANDS for comb in (across, along))
    if across is None or along is None or min(across.snr, along.snr) < LEAST_SNR:
        return ()
    pen_mm = None if pen_px is None else pen_px / float(np.sqrt(scale[0] * scale[1]))
    best, *others = _factors(across, along, size, scale[0] / scale[1], pen_mm)
    plain = [one for one in others if one[1:] == (5.0 / across.period, 5.0 / along.period)]
    second = [one for one in plain if followed and one[0] > LEAST_SHARE * best[0]]
    snr = min(across.snr, along.snr)
    return tuple(Settled(np.diag([x, y, 1.0]) @ matrix, snr, likely) for likely, x, y in (best, *second))


def clearness(evidence: Plane, page: Refined) -> float:
    """How far the lines of a page laid flat stand out, as ``Comb.snr`` of the weaker family.

    Where its comb drowns in grain, or does not fit lines 5 mm apart, the power at the places of those lines over the
    power between them: about 1 where there are none.
    """
    return min(_clear(plane, finest) for plane, finest in families(evidence, page))


def families(evidence: Plane, page: Refined) -> tuple[tuple[Plane, float], tuple[Plane, float]]:
    """The flat page as it stands and on its side, each with the finest lines in cycles per mm that it can show."""
    shape = round(page.size_mm[0] * PX_PER_MM), round(page.size_mm[1] * PX_PER_MM)
    x, y = sources(page.matrix, shape, page.bend, PX_PER_MM)
    flat = cv2.remap(evidence, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT, borderValue=(0.0,))
    height, width = evidence.shape
    scale, _ = local_scale(page.matrix, width / 2, height / 2)
    plane = np.asarray(flat, np.float32)
    return (plane, scale[0] / 2), (plane.T, scale[1] / 2)


def _clear(flat: Plane, finest: float) -> float:
    comb = _comb(flat, finest)
    order = 5.0 / comb.period if comb is not None else 0.0
    if comb is not None and order > 0.9 and abs(order - round(order)) < 0.04 * order:
        return comb.snr
    snr, step = _snr(flat)
    if snr is None:
        return 1.0
    last = min(finest, 1.25)
    at, between = np.arange(0.2, last, 0.2), np.arange(0.3, last, 0.2)
    near = [np.max([snr[np.rint(places / step).astype(int) + off] for off in (-1, 0, 1)], axis=0)
            for places in (at, between)]  # fmt: skip
    return float(np.clip(np.exp(np.log(near[0]).mean() - np.log(near[1]).mean()), 1.0, LEAST_SNR))


def _frame(evidence: Plane, paper: Mask, matrix: Matrix) -> tuple[Plane, tuple[float, float]]:
    """The middle of the page, flat; and the size of the whole of it in mm of the frame."""
    shifted, size = framed(matrix, paper, 5000.0)
    part = min(size[0], SIDE_MM), min(size[1], SIDE_MM)
    shift = np.array([[1, 0, (part[0] - size[0]) / 2], [0, 1, (part[1] - size[1]) / 2], [0, 0, 1.0]])
    view = np.diag([PX_PER_MM, PX_PER_MM, 1.0]) @ shift @ shifted
    shape = round(part[0] * PX_PER_MM), round(part[1] * PX_PER_MM)
    return np.asarray(cv2.warpPerspective(evidence, view, shape, flags=cv2.INTER_LINEAR), np.float32), size


def _comb(flat: Plane, finest: float) -> Comb | None:
    """The comb of lines that cross the rows of ``flat``; above ``finest`` cycles per mm the picture's pixels show."""
    snr, step = _snr(flat)
    if snr is None:
        return None
    snr = snr[: max(8, int(finest / step) + 1)]
    inner = snr[1:-1]
    top = np.flatnonzero((inner > CLEAR_SNR) & (inner >= snr[:-2]) & (inner > snr[2:])) + 1
    if len(top) < 2 and snr[top].max(initial=0.0) < LONE_SNR:
        return None
    shoulder = (snr[top + 1] - snr[top - 1]) / (2 * (2 * snr[top] - snr[top - 1] - snr[top + 1]) + 1e-9)
    places, heights = (top + shoulder) * step, np.sqrt(snr[top])
    best: tuple[float, float] | None = None
    for tooth in np.argsort(-heights)[:4]:
        for division in range(1, 9):
            base = float(places[tooth]) / division
            worth = _explains(base, places, heights, step)
            if base > 2.5 * step and (best is None or worth > best[0] * 1.02):
                best = worth, base
    if best is None or best[0] < 0.4:
        return None
    base = _centred(best[1] * _alike(best[1], places, heights, step), places, heights, step)
    teeth = [float(snr[max(1, round(k * base / step) - 1) : round(k * base / step) + 2].max(initial=1.0))
             for k in range(1, int((len(snr) - 2) * step / base) + 1)]  # fmt: skip
    strong = sorted(np.log(np.maximum(teeth, 1.0)), reverse=True)[:4]
    fivefold = len(teeth) >= 6 and teeth[4] > 1.3 * max(teeth[3], teeth[5])
    return Comb(1.0 / base, float(np.exp(np.mean(strong))), fivefold)


def _snr(flat: Plane) -> tuple[NDArray[np.float64] | None, float]:
    """Power over the local floor at each frequency, of rows averaged over blocks; and the step in cycles per mm."""
    high, wide = round(BLOCK_MM * PX_PER_MM), flat.shape[1]
    length = min(round(SEGMENT_MM * PX_PER_MM), wide)
    if flat.shape[0] < high or length < 60:
        return None, 0.0
    blocks = flat[: flat.shape[0] // high * high].reshape(-1, high, wide)
    seen = (blocks != 0).sum(axis=1)
    rows = blocks.sum(axis=1) / np.maximum(seen, 1)
    window = np.hanning(length)
    total = np.zeros(length // 2 + 1)
    for start in range(0, wide - length + 1, max(1, length // 2)):
        whole = (seen[:, start : start + length] > 0.3 * high).mean(axis=1) > 0.8
        part = rows[whole, start : start + length]
        power = np.abs(np.fft.rfft((part - part.mean(axis=1, keepdims=True)) * window, axis=1)) ** 2
        total += (power / (power.sum(axis=1, keepdims=True) + 1e-9)).sum(axis=0)
    if not total.any():
        return None, 0.0
    reach = 10
    padded = np.pad(total, reach, mode="edge")
    floor = np.median(np.lib.stride_tricks.sliding_window_view(padded, 2 * reach + 1), axis=1)
    return total / (floor + 1e-9 * total.max()), PX_PER_MM / length


def _explains(base: float, places: Matrix, heights: Matrix, step: float) -> float:
    """Share of the peaks that are multiples of ``base``, times the share of its first multiples that are peaks."""
    order = np.rint(places / base)
    hit = (np.abs(places - order * base) < 0.9 * step) & (order >= 1)
    if not hit.any():
        return 0.0
    # With teeth closer than the peaks are wide anything is a multiple.
    chance = min(1.0, 1.8 * step / base)
    explained = float(heights[hit].sum() / heights.sum())
    first = np.arange(1, min(5, int(order[hit].max())) + 1)
    present = float(np.isin(first, order[hit]).mean())
    return max(0.0, (explained - chance) / (1 - chance + 1e-9)) * np.sqrt(present)


def _alike(base: float, places: Matrix, heights: Matrix, step: float) -> int:
    """How many of the lines ``1 / base`` apart are in truth as many lines that stand closer, and nearly alike.

    Lines whole and a half pixels apart are drawn sharp and blurred by turns: on a picture without any noise that
    shows as teeth between the true ones, at a few per cent of their power.
    """
    order = np.rint(places / base).astype(int)
    hit = (np.abs(places - order * base) < 0.9 * step) & (order >= 1)
    order, power = order[hit], heights[hit] ** 2
    for times in (4, 3, 2):
        between = order % times != 0
        teeth = np.array([between.sum(), (~between).sum()])
        if teeth[1] >= 3 and power[between].sum() < ALIKE * power[~between].sum() * max(1, teeth[0]) / teeth[1]:
            return times
    return 1


def _centred(base: float, places: Matrix, heights: Matrix, step: float) -> float:
    """The base by least squares over all its teeth."""
    order = np.rint(places / base)
    hit = (np.abs(places - order * base) < 0.9 * step) & (order >= 1)
    return float((heights[hit] * places[hit] * order[hit]).sum() / (heights[hit] * order[hit] ** 2).sum())


def _factors(
    across: Comb, along: Comb, size: tuple[float, float], aspect: float, pen_mm: float | None
) -> list[tuple[float, float, float]]:
    """Readings of both combs, the likeliest first: how likely, and true mm per mm of the frame ``(x, y)``.

    ``aspect`` is that of the frame's millimetres, in pixels, width by height; ``pen_mm`` the width of the traces in
    the frame's millimetres.
    """
    found = []
    for one, first in PRIORS.items():
        for other, second in PRIORS.items():
            x, y = one / across.period, other / along.period
            seen = aspect * y / x
            square = max(weight * float(np.exp(-((np.log(seen / usual) / 0.12) ** 2)))
                         for usual, weight in ASPECTS.items())  # fmt: skip
            prior = (1.0 if one == 5.0 or not across.fivefold else 0.1) * (
                1.0 if other == 5.0 or not along.fivefold else 0.1
            )
            longest = max(size[0] * x, size[1] * y)
            # Four thin lines between two bold ones speak for themselves, however much of the page is shown.
            plain = across.fivefold and along.fivefold and one == other == 5.0
            usual = _usual_size(longest) ** (0.3 if plain else 1.0) * _usual_pen(pen_mm, x, y)
            found.append(((first * second) ** 0.5 * prior * (square + 1e-6) * usual, x, y))
    return sorted(found, key=lambda reading: -reading[0])


def _usual_size(longest_mm: float) -> float:
    return float(np.exp(np.interp(np.log(longest_mm), np.log(SIZES_MM), np.log(USUAL))))


def _usual_pen(pen_mm: float | None, x: float, y: float) -> float:
    if pen_mm is None:
        return 1.0
    return float(np.exp(np.interp(np.log(pen_mm * np.sqrt(x * y)), np.log(PENS_MM), np.log(USUAL_PEN))))
