"""Faults of a signal that need no beat to be seen: flat, missing or repeated leads, gain, mains, saturation."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from retrieval.ecg.beats import Rows
from retrieval.ecg.recording import FLAT_LIMIT_MV, LEADS, einthoven_error
from retrieval.intake.result import Finding

SMALL_MV, LARGE_MV = 0.45, 4.5
"""Peak to peak, in the median of the leads. Of 1,499 ECGs none lay under 0.55 and one over 4.5."""
SAME_SHARE = 0.01
"""Difference of two leads by the larger of them, root mean squares; in 1,499 ECGs none lay under 0.027."""
SATURATED_S = 0.1
"""How long a lead stands at its largest value; in 1,499 ECGs no more than 0.06 s in ten seconds."""
SATURATED_MV = 0.5
MAINS_HZ = (50.0, 60.0)
MAINS_MV = 0.03
MAINS_OVER = 8.0


def flat_leads(signal: NDArray[np.floating]) -> tuple[str, ...]:
    """Leads of ``[12, samples]`` in mV whose whole range is under 5 microvolts."""
    return tuple(lead for lead, row in zip(LEADS, signal, strict=True) if np.ptp(row) < FLAT_LIMIT_MV)


def flat_lead_findings(flat: Sequence[str]) -> tuple[Finding, ...]:
    """A finding for each flat lead."""
    return tuple(Finding("lead_flat", f"lead {lead} is flat") for lead in flat)


def missing_leads(missing: Sequence[str]) -> tuple[Finding, ...]:
    """One finding for all leads that are not there."""
    if not missing:
        return ()
    text = f"{'leads' if len(missing) > 1 else 'lead'} {', '.join(missing)} {'were' if len(missing) > 1 else 'was'}"
    return (Finding("lead_missing", f"{text} not found", certainty=0.9),)


def limb_leads_disagree(signal: NDArray[np.float32]) -> tuple[Finding, ...]:
    """Einthoven's and Goldberger's identities, which hold for all limb leads that were recorded together."""
    error, peak = einthoven_error(signal), float(np.abs(signal).max())
    if error <= max(0.1, 0.1 * peak):
        return ()
    text = f"the limb leads depart from Einthoven's law by {error:.2f} mV; check the electrodes"
    return (Finding("limb_leads_disagree", text),)


def repeated_leads(leads: Sequence[str], signal: Rows, share: float = SAME_SHARE) -> tuple[Finding, ...]:
    """Pairs of leads with the same trace.

    Args:
        leads: their names.
        signal: ``[leads, samples]`` in mV, recorded together, no gaps.
        share: how much of the larger lead two leads may differ by and be the same.
    """
    rows = signal - np.median(signal, axis=1, keepdims=True)
    product = rows @ rows.T / rows.shape[1]
    power = np.diag(product)
    apart = np.maximum(power[:, None] + power[None] - 2 * product, 0)
    same = apart < share**2 * np.maximum(power[:, None], power[None])
    return tuple(
        Finding("lead_twice", f"leads {leads[i]} and {leads[j]} show the same trace: one may be shown twice", 0.9)
        for i, j in zip(*np.nonzero(np.triu(same, 1)), strict=True)
    )


def unusual_amplitude(signal: NDArray[np.floating]) -> tuple[Finding, ...]:
    """A gain that was read wrongly makes every lead too small or too large; NaN marks what is not known."""
    spans = np.nanmax(signal, axis=1) - np.nanmin(signal, axis=1)
    middle = float(np.median(spans))
    if SMALL_MV <= middle <= LARGE_MV:
        return ()
    size = "small" if middle < SMALL_MV else "large"
    text = f"the leads are unusually {size} ({middle:.2g} mV from peak to peak in the middle one): check the gain"
    return (Finding("unusual_amplitude", text, certainty=0.7),)


def saturated(signal: NDArray[np.floating], rate: float) -> tuple[Finding, ...]:
    """Leads cut off by the range of the amplifier: their largest or smallest value returns again and again."""
    found = []
    middle = np.median(signal, axis=1)
    for lead, row, zero in zip(LEADS, signal, middle, strict=True):
        for edge in (row.max(), row.min()):
            stays = float((np.abs(row - edge) < 2e-4).sum()) / rate
            if stays >= SATURATED_S and abs(edge - zero) > SATURATED_MV:
                found.append(f"{lead} at {edge:.1f} mV")
    if not found:
        return ()
    return (Finding("saturated", f"the signal is cut off: {', '.join(found)} for 0.1 s or more", certainty=0.9),)


def mains_noise(signal: NDArray[np.floating], rate: float) -> tuple[Finding, ...]:
    """Noise of 50 or 60 Hz, from recordings that can hold it: those at 150 Hz or more and 2 s or longer."""
    samples = signal.shape[1]
    if rate < 150 or samples < 2 * rate:
        return ()
    rows = signal - np.median(signal, axis=1, keepdims=True)
    # A Hann window keeps the QRS's own slow power out of the line; 2 undoes its mean, another 2 the negative half.
    size = np.abs(np.fft.rfft(rows * np.hanning(samples), axis=1)) * 4 / samples
    frequency = np.fft.rfftfreq(samples, 1 / rate)
    for hz in MAINS_HZ:
        line = size[:, np.abs(frequency - hz) < 0.5].max(axis=1)
        beside = np.median(size[:, (np.abs(frequency - hz) > 1.5) & (np.abs(frequency - hz) < 5)], axis=1)
        noisy = (line > MAINS_MV) & (line > MAINS_OVER * beside)
        if noisy.any():
            leads = ", ".join(lead for lead, loud in zip(LEADS, noisy, strict=True) if loud)
            text = f"noise of the mains ({hz:.0f} Hz) up to {line.max():.2f} mV in {leads}"
            return (Finding("mains_noise", text, certainty=0.95),)
    return ()
