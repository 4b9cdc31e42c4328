"""Which way the beats of each lead point: what tells leads, and a page on its head, where no name can be read."""

from __future__ import annotations

from math import exp, log, pi, sqrt
from statistics import fmean

import numpy as np

from retrieval.ecg.recording import LEADS
from retrieval.intake.page.signals import MIN_COLUMNS, Stretch
from retrieval.intake.page.templates import Slot

HIGHEST = 0.01
"""Share of a stretch that lies over its peak or under its trough: a speck of dirt is no wave."""
FLAT_MM = 0.5
"""Waves of this size point nowhere."""
ODDITY = 0.1
"""Share of leads, reversed, ill or badly read, that point anywhere."""
USUAL: dict[str, tuple[float, float]] = {
    "I": (0.40, 0.23), "II": (0.26, 0.28), "III": (-0.09, 0.37), "aVR": (-0.39, 0.23), "aVL": (0.29, 0.32),
    "aVF": (0.12, 0.34), "V1": (-0.40, 0.26), "V2": (-0.08, 0.32), "V3": (0.13, 0.36), "V4": (0.29, 0.34),
    "V5": (0.39, 0.28), "V6": (0.40, 0.26),
}  # fmt: skip
"""Mean and spread of ``polarity`` in 2.5 s of each lead: 1,499 ECGs of PTB-XL, none of folds 9 and 10."""


def polarity(stretch: Stretch) -> float:
    """From -1, all waves point down, to 1, all point up; NaN for a stretch that is hardly there."""
    if stretch.known.sum() < MIN_COLUMNS:
        return float("nan")
    trough, peak = np.quantile(stretch.waves, [HIGHEST, 1 - HIGHEST])
    return float((peak + trough) / (peak - trough + FLAT_MM))


def polarity_odds(way: float, slot: Slot) -> float:
    """Logarithm of how much likelier it is that a slot's lead points this ``way`` than that any does, either way up.

    ``way`` is a ``polarity``; 0 where it is NaN, or the slot's lead is not known.
    """
    if not np.isfinite(way) or slot.lead not in USUAL:
        return 0.0
    any_lead = fmean(_density(turned, lead) for lead in LEADS for turned in (way, -way))
    return log(_density(-way if slot.inverted else way, slot.lead) / any_lead)


def _density(way: float, lead: str) -> float:
    mean, spread = USUAL[lead]
    usual = exp(-(((way - mean) / spread) ** 2) / 2) / (spread * sqrt(2 * pi))
    return (1 - ODDITY) * usual + ODDITY / 2
