"""Find the ruling of ECG paper by its frequencies: how far apart the lines stand, and which way they run."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import cv2
import numpy as np
from numpy.typing import NDArray

from retrieval.intake.page.threads import side_by_side

Rgb = NDArray[np.uint8]
Mask = NDArray[np.uint8]
Plane = NDArray[np.float32]

WORK_SIDE = 1800
"""Longest side in pixels at which the ruling is sought: 1 mm lines of a whole page still have 6 px of room."""
TILE = 256
FOURIER = 512
FEW_TILES = 16
"""Up to so many all are looked at."""
TURN_STEP = 0.5
MAX_TURN = 22.0
MAX_SKEW = 16.0
"""Degrees by which a camera sees two families of lines away from square."""
LOWEST, HIGHEST, STEP = 0.006, 0.48, 0.001
"""Frequencies that are looked at, in cycles per pixel: bold lines 2 to 160 pixels apart."""
COMB_STEP = 0.006
"""Ratio, as a logarithm, by which the combs differ that are tried."""
TOOTH = 3
"""Half the width of a comb's tooth in steps of frequency."""
MIN_SPREAD = 0.02
"""Spread of the evidence below which a picture is blank: lines one level of 255 darker than the paper make 0.2."""
INK_QUANTILE, INK_SHARE, MAX_INK = 0.995, 0.5, 0.3
"""Ink is more than half as dark as the darkest half percent, and covers less than three tenths of the page."""
LARGEST_DOT, LEAST_THICK = 12, 0.25
"""Pixels of a dot, and the share of all ink that strokes are."""
PLAUSIBLE_MM = (90.0, 430.0)
"""Lengths of paper that a picture of a 12-lead page shows along its longer side."""


@dataclass(frozen=True)
class Ruling:
    """The bold (5 mm) ruling at working scale.

    Args:
        across: cycles per pixel ``(x, y)`` of the family of lines that cross the traces (near vertical).
        along: the same of the family that runs along the traces (near horizontal).
        strength: from 0 to 1, how much of the structure found is explained by lines 5 mm apart.
        shrunk: working pixels per pixel of the picture.
    """

    across: tuple[float, float]
    along: tuple[float, float]
    strength: float
    shrunk: float


def shrink(rgb: Rgb) -> tuple[Rgb, float]:
    """The picture with its longest side at most ``WORK_SIDE`` pixels, and the factor."""
    factor = min(1.0, WORK_SIDE / max(rgb.shape[:2]))
    if factor == 1.0:
        return rgb, 1.0
    size = max(1, round(rgb.shape[1] * factor)), max(1, round(rgb.shape[0] * factor))
    return np.asarray(cv2.resize(rgb, size, interpolation=cv2.INTER_AREA), np.uint8), factor


def line_evidence(rgb: Rgb, ink: Mask | None = None) -> Plane:
    """Local darkness ``[height, width]`` in units of its own spread, clipped so that traces weigh no more than lines.

    The darkest channel is taken, since coloured lines are dark in one channel only. ``ink`` (``dark_ink``) is left
    out: 0 there. Where lines are as dark as traces they go with them, but for the thin ones of a fax.
    """
    # Coloured light must not decide which channel is the darkest: each is measured against the paper's own.
    channels = [channel * np.float32(200.0 / max(20.0, float(np.quantile(channel[::5, ::5], 0.7)))) for channel in
                cv2.split(rgb)]  # fmt: skip
    darkest = np.minimum(np.minimum(channels[0], channels[1]), channels[2])
    paper = np.ones_like(darkest) if ink is None else 1.0 - ink.astype(np.float32)
    share = _wide_blur(paper, 12) + np.float32(1e-3)
    dark = (_wide_blur(darkest * paper, 12) / share - darkest) * paper
    spread = _wide_blur(np.abs(dark), 25) / (_wide_blur(paper, 25) + np.float32(1e-3)) + 2.0
    return np.clip(dark / spread, -2.0, 2.0).astype(np.float32)


def dark_ink(rgb: Rgb, *, thick_only: bool = False) -> Mask:
    """1 where strokes dark in all channels are, a pixel wider than they are; nowhere if they are everywhere.

    ``thick_only`` leaves out lines a pixel wide and dots, to which a fax turns a ruling.
    """
    channels = cv2.split(rgb)
    lightest = np.asarray(np.maximum(np.maximum(channels[0], channels[1]), channels[2]), np.uint8)
    size = max(1, lightest.shape[1] // 4), max(1, lightest.shape[0] // 4)
    level = cv2.resize(lightest, size, interpolation=cv2.INTER_AREA)
    level = cv2.blur(cv2.dilate(level, np.ones((9, 9), np.uint8)), (9, 9))
    paper = cv2.resize(level, lightest.shape[::-1], interpolation=cv2.INTER_LINEAR)
    dark = 255 - cv2.divide(lightest, paper, scale=255)
    top = float(np.quantile(dark[::3, ::3], INK_QUANTILE))
    ink = (dark > max(INK_SHARE * top, 20.0)).astype(np.uint8)
    if thick_only:
        ink = _thick(ink)
    ink = cv2.dilate(ink, np.ones((3, 3), np.uint8))
    return np.asarray(ink if ink.mean() < MAX_INK else np.zeros_like(ink), np.uint8)


def _thick(ink: Mask) -> Mask:
    """Ink without lines a pixel wide and without dots: a fax makes the ruling as black as the traces, but thinner."""
    kept = cv2.morphologyEx(ink, cv2.MORPH_OPEN, np.ones((2, 2), np.uint8))
    count, labels, stats, _ = cv2.connectedComponentsWithStats(kept, connectivity=8)
    large = stats[:count, cv2.CC_STAT_AREA] > LARGEST_DOT
    large[0] = False
    kept = np.asarray(large.astype(np.uint8)[labels.astype(np.intp)])
    # Traces themselves may be as thin.
    return np.asarray(kept if kept.sum() > LEAST_THICK * ink.sum() else ink, np.uint8)


def pen_width(ink: Mask) -> float | None:
    """Width in pixels of a typical stroke of ink, or ``None`` where there is too little.

    Traces are level for most of their length, so that the middle of the lengths at which columns cut through them
    is the width of the pen; of a page on its side that of rows. ``ink`` is as ``dark_ink`` finds it.
    """
    if int(ink.sum()) < 500:
        return None
    widths = [float(np.median(_run_lengths(lines))) for lines in (ink, ink.T)]
    # Ink is marked a pixel wider on either side than it is.
    return max(1.0, min(widths) - 2.0)


def _run_lengths(lines: Mask) -> NDArray[np.int64]:
    """Lengths of the runs of 1 along each line of a 0/1 mask."""
    apart = np.pad(lines, ((0, 0), (0, 1))).ravel()  # no run goes on in the next line
    edges = np.flatnonzero(np.diff(apart, prepend=np.uint8(0)))
    return edges[1::2] - edges[::2]


def _wide_blur(plane: Plane, sigma: float) -> Plane:
    """A wide Gaussian blur, done on a quarter of the size."""
    size = max(1, plane.shape[1] // 4), max(1, plane.shape[0] // 4)
    coarse = cv2.GaussianBlur(cv2.resize(plane, size, interpolation=cv2.INTER_AREA), (0, 0), sigma / 4)
    return np.asarray(cv2.resize(coarse, plane.shape[::-1], interpolation=cv2.INTER_LINEAR), np.float32)


def find_rulings(evidence: Plane, shrunk: float = 1.0) -> tuple[Ruling, ...]:
    """Up to three readings of the 5 mm ruling of ``evidence`` (from ``line_evidence``), the likeliest first.

    Empty where nothing repeats in both directions. Readings differ where a comb is also a sub-comb of another:
    lines of 1, 2.5 or 10 mm may pass for lines of 5. Of the two families the one within 45 degrees of upright is
    called ``across``.
    """
    # On blank paper the rounding errors of the blurs would be taken for lines.
    if min(evidence.shape) < 48 or float(evidence.std()) < MIN_SPREAD:
        return ()
    turns, lines = _strongest_directions(_mean_spectrum(evidence))
    return tuple(
        Ruling(
            (fx * float(np.cos(turns[0])), fx * float(np.sin(turns[0]))),
            (fy * float(np.cos(turns[1])), fy * float(np.sin(turns[1]))),
            strength,
            shrunk,
        )
        for fx, fy, strength in _common_pitches(lines[0], lines[1], _extent(evidence))
    )


def _extent(evidence: Plane) -> int:
    """Longest side in pixels of the part that is not blanked out."""
    rows, columns = (np.flatnonzero(evidence.any(axis=axis)) for axis in (1, 0))
    return int(max(rows[-1] - rows[0], columns[-1] - columns[0])) + 1


def _mean_spectrum(evidence: Plane) -> Plane:
    """Mean amplitude spectrum of overlapping tiles, its zero frequency in the middle, ``[512, 512]``."""
    height, width = evidence.shape
    side = min(TILE, height, width)
    tops = np.linspace(0, height - side, max(2, int(np.ceil(1.5 * height / side)))).astype(int)
    lefts = np.linspace(0, width - side, max(2, int(np.ceil(1.5 * width / side)))).astype(int)
    few = len(tops) * len(lefts) <= FEW_TILES
    # They overlap: those of one colour, as on a chessboard, miss nothing of the page and take half the time.
    places = [(top, left) for row, top in enumerate(tops) for left in (lefts if few else lefts[row % 2 :: 2])]
    tiles = [evidence[top : top + side, left : left + side] for top, left in places]
    total = np.zeros((FOURIER, FOURIER), np.float32)
    for power in side_by_side(_power, [tile for tile in tiles if tile.any()]):
        total += power
    amplitude = np.sqrt(_unpacked(total) / (2 * float(total.sum()) + 1e-12))
    # A real plane's spectrum is the same on both sides of zero: only one side was kept.
    mirrored = np.roll(amplitude[::-1, FOURIER // 2 - 1 : 0 : -1], 1, axis=0)
    return np.fft.fftshift(np.hstack([amplitude, mirrored])).astype(np.float32)


def _power(tile: Plane) -> Plane:
    """Power spectrum of a tile in OpenCV's packed form, weighed by the tile's order."""
    side = len(tile)
    window = (np.hanning(side)[:, None] * np.hanning(side)[None]).astype(np.float32)
    padded = np.zeros((FOURIER, FOURIER), np.float32)
    padded[:side, :side] = (tile - tile.mean()) * window
    packed = cv2.dft(padded, nonzeroRows=side)
    power = np.asarray(cv2.mulSpectrums(packed, packed, 0, conjB=True), np.float32)
    # Whatever its contrast a tile weighs by its order: a dark corner must not speak for the page.
    whole = float(power.sum()) + 1e-9
    # A lattice puts its power into few places, the grain of a table into many.
    return power * np.float32(cv2.norm(power) / whole**2)


def _unpacked(packed: Plane) -> Plane:
    """Power ``[512, 257]`` from OpenCV's packed form, whose imaginary parts are 0."""
    half = FOURIER // 2
    out = np.empty((FOURIER, half + 1), np.float32)
    out[:, 1:half] = packed[:, 1:-1:2]
    for column, source in ((0, packed[:, 0]), (half, packed[:, -1])):
        out[1:half, column] = source[1:-1:2]
        out[half + 1 :, column] = source[1:-1:2][::-1]
        out[0, column], out[half, column] = source[0], source[-1]
    return out


def _strongest_directions(spectrum: Plane) -> tuple[tuple[float, float], tuple[Plane, Plane]]:
    """The two directions in radians, about square, whose spectra have the sharpest peaks; and the spectra."""
    turns = np.arange(-45.0, 135.0, TURN_STEP)
    frequencies = np.arange(LOWEST, HIGHEST, STEP)
    angle = np.deg2rad(turns)[:, None]
    x = (FOURIER / 2 + np.cos(angle) * frequencies * FOURIER).astype(np.float32)
    y = (FOURIER / 2 + np.sin(angle) * frequencies * FOURIER).astype(np.float32)
    fan = cv2.remap(spectrum, x, y, cv2.INTER_LINEAR)
    above = np.clip(fan - np.median(fan, axis=0), 0, None)
    score = _smooth_ring((above**2).sum(axis=1))
    half = len(turns) // 2
    slack = round(MAX_SKEW / TURN_STEP)
    # Among the directions about square to each of the first half, the strongest.
    beside = np.stack([np.roll(score, -half - step)[:half] for step in range(-slack, slack + 1)])
    pair = np.sqrt(score[:half] * beside.max(axis=0))
    # Most pictures are held about straight; two families as strong elsewhere must be clearly stronger.
    pair *= 1.0 - 0.25 * (np.abs(turns[:half]) > MAX_TURN)
    first = int(pair.argmax())
    second = (first + half + int(beside[:, first].argmax()) - slack) % len(turns)
    lines = [fan[np.arange(best - 2, best + 3) % len(turns)].max(axis=0) for best in (first, second)]
    along = turns[first] + 90.0 + (turns[second] - turns[first] - 90.0 + 90.0) % 180.0 - 90.0
    return (float(np.deg2rad(turns[first])), float(np.deg2rad(along))), (
        _without_floor(lines[0]),
        _without_floor(lines[1]),
    )


def _smooth_ring(score: Plane) -> Plane:
    """Smoothed over neighbours; the last direction is beside the first."""
    wide = np.pad(score, 4, mode="wrap").reshape(-1, 1).astype(np.float32)
    return np.asarray(cv2.GaussianBlur(wide, (1, 5), 1.0).ravel()[4:-4], np.float32)


def _without_floor(line: Plane) -> Plane:
    """Peaks of a spectrum above its floor, the highest being 1."""
    column = line.reshape(-1, 1)
    wide = 41
    padded = np.pad(line, wide // 2, mode="edge")
    floor = np.median(np.lib.stride_tricks.sliding_window_view(padded, wide), axis=1)
    peaks = np.clip(column.ravel() - 1.3 * floor, 0, None)
    return (peaks / (peaks.max() + 1e-12)).astype(np.float32)


def _common_pitches(x_line: Plane, y_line: Plane, longest: int) -> list[tuple[float, float, float]]:
    """``(frequency along x, along y, strength)`` of the three combs that explain both spectra best."""
    candidates = _combs().frequencies
    score_x, score_y = _comb_scores(x_line), _comb_scores(y_line)
    reach = round(np.log(1.3) / COMB_STEP)
    found = []
    for i, frequency in enumerate(candidates):
        near = slice(max(0, i - reach), i + reach + 1)
        j = near.start + int((score_y[near] * _near_square(candidates[near] / frequency)).argmax())
        score = float(np.sqrt(score_x[i] * score_y[j])) * plausible(longest * 5.0 * frequency)
        if score > 0.04:
            found.append((float(frequency), float(candidates[j]), score))
    best: list[tuple[float, float, float]] = []
    for entry in sorted(found, key=lambda entry: -entry[2]):
        if len(best) < 3 and all(abs(np.log(entry[0] / other[0])) > 0.2 for other in best):
            best.append(entry)
    return best


def _near_square(ratio: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.exp(-((np.log(ratio) / 0.25) ** 2))


@dataclass(frozen=True)
class _Combs:
    """The combs that are tried: up to ten teeth each, seven places wide.

    Args:
        frequencies: ``[n]`` cycles per pixel.
        places: ``[n, 10, 7]`` into a spectrum's line.
        counted: ``[n, 10]`` whether the comb has so many teeth.
        covers: ``[n, line]`` 1 where a tooth lies.
        within: ``[n, line]`` 1 up to the last tooth, 0.15 beyond it.
    """

    frequencies: NDArray[np.float64]
    places: NDArray[np.int64]
    counted: NDArray[np.bool_]
    covers: Plane
    within: Plane


@cache
def _combs() -> _Combs:
    length = len(np.arange(LOWEST, HIGHEST, STEP))
    frequencies = np.exp(np.arange(np.log(LOWEST), np.log(0.45), COMB_STEP))
    order = np.arange(1, 11)
    counted = order <= ((HIGHEST - STEP) / frequencies).astype(int)[:, None]
    at = np.rint((frequencies[:, None] * order - LOWEST) / STEP).astype(int)
    places = np.clip(at[:, :, None] + np.arange(-TOOTH, TOOTH + 1), 0, length - 1)
    covers = np.zeros((len(frequencies), length), np.float32)
    number = np.broadcast_to(np.arange(len(frequencies))[:, None, None], places.shape)
    covers[number[counted], places[counted]] = 1.0
    last = np.where(counted, at, 0).max(axis=1) + TOOTH + 1
    within = np.where(np.arange(length) < last[:, None], 1.0, 0.15).astype(np.float32)
    return _Combs(frequencies, places, counted, covers, within)


def _comb_scores(line: Plane) -> NDArray[np.float64]:
    """How well multiples of each frequency explain the peaks of ``line``: share explained times share present."""
    combs = _combs()
    # Only the middle of a comb's tooth counts in full, so that the frequency is centred on the peaks.
    weight = (1.0 - np.abs(np.arange(-TOOTH, TOOTH + 1)) / (TOOTH + 1.5)).astype(np.float32)
    heights = np.where(combs.counted, (line[combs.places] * weight).max(axis=2), 0.0)
    explained = (combs.covers @ line) / (combs.within @ line + 1e-9)
    present = np.minimum(1.0, heights[:, :5] / 0.12).mean(axis=1)
    return np.minimum(1.0, explained) * present * np.sqrt(heights.max(axis=1)) * combs.counted[:, 0]


def plausible(longest_mm: float) -> float:
    """1 for a length of paper that a page can have, falling away outside."""
    low, high = PLAUSIBLE_MM
    if longest_mm < low:
        return max(0.05, (longest_mm / low) ** 2)
    if longest_mm > high:
        return max(0.05, (high / longest_mm) ** 2)
    return 1.0
