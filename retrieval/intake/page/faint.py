"""A ruling of which dots are left: too little to follow from place to place, enough for one even lattice over a page.

What a fax or a worn scan keeps of its lines is spread over the page and lies flat, so that one frequency and one
phase hold for all of it: the Fourier transform of the demodulated lines, over the whole page, has one sharp peak.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from retrieval.intake.page.flat import MAX_FLAT_MM, FlatPage
from retrieval.intake.page.phase import RULE_MM, Matrix, demodulate
from retrieval.intake.page.refine import Refined, framed
from retrieval.intake.page.scale import clearness, settle
from retrieval.intake.page.spectrum import Plane, Ruling, find_rulings
from retrieval.intake.page.straighten import evidence_of, flatten, upright
from retrieval.intake.page.view import View

PADDED = 8
"""Finer steps of the transform's frequencies than its length gives."""
NEAR = 0.03
"""Share of the lines' frequency by which it may be corrected, and 0.03 radians of its direction."""
LEAST_PEAK = 25.0
"""Amplitude of the peak over the median of the transform from which it is no chance: the traces of a page without
ruling reach some 20."""
LEAST_STRENGTH, LEAST_LIKELY, LEAST_CLEAR = 0.45, 0.8, 1.5
FAINT_TRUST = 0.8


def faint_view(view: View) -> FlatPage | None:
    """Straighten a view whose ruling cannot be followed by one even lattice; ``None`` where none fits."""
    evidence = evidence_of(view, without_ink=True, of_fax=True)
    for ruling in find_rulings(evidence)[:1]:
        found = even_map(evidence, ruling) if ruling.strength > LEAST_STRENGTH else None
        if found is None or not upright(found[0], view.paper):
            continue
        settled = next(iter(settle(evidence, view.paper, found[0], followed=True)), None)
        if settled is None or settled.likely < LEAST_LIKELY:
            continue
        matrix, size = framed(settled.matrix, view.paper, MAX_FLAT_MM)
        lattice = Refined(matrix, size, None, 0.0, 0.0, 1.0, view.paper)
        if clearness(evidence, lattice) > LEAST_CLEAR:
            return flatten(view, matrix, size, FAINT_TRUST, ruled=True)
    return None


def even_map(evidence: Plane, ruling: Ruling) -> tuple[Matrix, float] | None:
    """The affine map ``[3, 3]`` from pixels to millimetres by which a lattice fits best, and how clear it is.

    ``None`` where one family of lines does not stand out. Clear is the lower peak of both families over the median.
    """
    found = [_even_lines(evidence, np.array(carrier)) for carrier in (ruling.across, ruling.along)]
    if min(peak for _, _, peak in found) < LEAST_PEAK:
        return None
    rows = [[*(RULE_MM * carrier), RULE_MM * phase] for carrier, phase, _ in found]
    return np.array([*rows, [0.0, 0.0, 1.0]]), min(peak for _, _, peak in found)


def _even_lines(evidence: Plane, carrier: Matrix) -> tuple[Matrix, float, float]:
    """Frequency ``(x, y)`` in lines per pixel, phase in lines at pixel 0 and the clearness of one family."""
    ((wave, _, step),) = demodulate(evidence, carrier)
    level = np.abs(wave)
    # A strong trace must not outvote a hundred faint lines.
    even = wave / (level + float(np.median(level)) + 1e-9)
    shape = even.shape[0] * PADDED, even.shape[1] * PADDED
    power = np.abs(np.fft.fft2(even, shape))
    y, x = np.fft.fftfreq(shape[0], step[1]), np.fft.fftfreq(shape[1], step[0])
    pitch = float(np.hypot(*carrier))
    allowed = np.hypot(x[None], y[:, None]) < NEAR * pitch + 1.0 / max(evidence.shape)
    row, column = (int(i) for i in np.unravel_index(int(np.where(allowed, power, 0).argmax()), shape))
    off = np.array([x[column], y[row]]) + _shoulder(power[row], column) * np.array([x[1], 0.0])
    off += _shoulder(power[:, column], row) * np.array([0.0, y[1]])
    return carrier + off, _phase(even, off, step), float(power[row, column] / (np.median(power) + 1e-9))


def _shoulder(line: Matrix, at: int) -> float:
    """By how much of a step the top of a peak lies beside its highest value, by a parabola; the ends touch."""
    before, here, after = (float(line[(at + off) % len(line)]) for off in (-1, 0, 1))
    return (after - before) / (2 * (2 * here - before - after) + 1e-12)


def _phase(even: NDArray[np.complex64], off: Matrix, step: tuple[float, float]) -> float:
    rows, columns = np.indices(even.shape)
    x, y = (columns + 0.5) * step[0] - 0.5, (rows + 0.5) * step[1] - 0.5
    return float(np.angle((even * np.exp(-2j * np.pi * (off[0] * x + off[1] * y))).sum()) / (2 * np.pi))
