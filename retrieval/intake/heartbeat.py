"""Do the traces of a page beat together? A heart moves all leads at once; curves, plans and noise do not."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from retrieval.ecg.page import CanonicalPage
from retrieval.intake.tracing import LeadSignals, lead_signals

AT_ONCE = ((0, 1, 2), (3, 4, 5), (6, 7, 8), (9, 10, 11))
"""Leads that the canonical page shows at the same time, as rows of ``LEADS``."""
SMOOTH = 5
"""Columns (0.1 s) over which a trace's movement is averaged: a QRS complex need not peak in all leads at once."""
SHORTEST = 40
"""Columns (0.8 s); less holds no beat."""
FOLLOWED = 0.5
"""Share of its columns in which a trace must have been followed."""
STILL = 1e-4
"""Spread of movement a column below which a trace is a straight line."""
ENOUGH_PAIRS = 4
STRANGE = 0.25
"""Agreement below which no page of real ECGs was seen; see docs/intake.md."""
DOUBTFUL = 0.4


@dataclass(frozen=True)
class CommonBeats:
    """How much the leads of a page move together.

    Args:
        agreement: mean correlation of how fast two leads move that are shown at the same time, -1 to 1; 0 where there
            is no pair.
        pairs: over how many pairs of leads, 12 at most.
    """

    agreement: float
    pairs: int

    @property
    def strange(self) -> bool:
        """No heart was seen to draw this."""
        return self.pairs >= ENOUGH_PAIRS and self.agreement < STRANGE

    @property
    def doubtful(self) -> bool:
        """Too little in common, or too few traces, to be sure that these are leads of one heart."""
        return self.pairs < ENOUGH_PAIRS or self.agreement < DOUBTFUL


def common_beats(page: CanonicalPage, traced: LeadSignals | None = None) -> CommonBeats:
    """Judge the traces of a canonical page; ``traced`` is what ``lead_signals`` gives of it, where that is known."""
    signals, _ = traced or lead_signals(page)
    found = [agreement for leads in AT_ONCE for agreement in _agreements(signals[list(leads)])]
    return CommonBeats(float(np.mean(found)) if found else 0.0, len(found))


def _agreements(signals: NDArray[np.floating]) -> Iterator[float]:
    """The correlation of each pair of leads ``[3, columns]`` that could be followed."""
    # A rhythm strip runs on where its neighbours have ended.
    shown = np.flatnonzero(np.isfinite(signals).sum(axis=0) >= 2)
    if len(shown) < SHORTEST:
        return
    stretch = signals[:, shown[0] : shown[-1] + 1]
    moves = [movement(signal, SMOOTH, FOLLOWED * stretch.shape[1]) for signal in stretch]
    for one, other in combinations([move for move in moves if move is not None], 2):
        yield float(np.mean(one * other))


def movement(signal: NDArray[np.floating], smooth: int, least: float) -> NDArray[np.float64] | None:
    """How fast a trace moves, as deviations from its mean in units of its spread; ``None`` where it says nothing.

    Args:
        signal: heights, NaN where there is no ink.
        smooth: columns over which movement is averaged.
        least: columns in which the trace must have been followed.
    """
    seen = np.flatnonzero(np.isfinite(signal))
    if len(seen) < least:
        return None
    filled = np.interp(np.arange(len(signal)), seen, signal[seen])
    speed = np.convolve(np.abs(np.diff(filled)), np.full(smooth, 1 / smooth), "same")
    return None if speed.std() < STILL else (speed - speed.mean()) / speed.std()
