"""What an ECG is: twelve leads in millivolts, with the algebra that ties the limb leads together."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from retrieval.errors import BadSignal, LeadsMissing

LEADS: tuple[str, ...] = ("I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6")
INDEPENDENT_LEADS: tuple[str, ...] = ("I", "II", "V1", "V2", "V3", "V4", "V5", "V6")

Sex = Literal["female", "male"]
Signal = NDArray[np.float32]

_CANONICAL_NAME = {lead.upper(): lead for lead in LEADS}
# One separator at most: the minus of '-aVR', which Cabrera's order prints upside down, must not be lost.
_SPELLING = re.compile(r"(?:LEAD[ _-]?)?(I{1,3}|AV[RLF]|V[1-6])")
MICROVOLT_LIMIT_MV = 40.0
"""No surface ECG reaches 40 mV; a larger excursion means microvolts were taken for millivolts."""
FLAT_LIMIT_MV = 0.005
"""A lead whose whole range is under 5 microvolts, one step of a common converter, carries no ECG."""
MIN_SECONDS = 2.0


@dataclass(frozen=True)
class Recording:
    """A 12-lead ECG.

    Args:
        signal: ``[12, samples]`` in mV, in the order of ``LEADS``.
        rate: samples per second, in Hz.
        age: years, where known.
        sex: ``"female"`` or ``"male"``, where known.
        patient_key: the archive's key of the patient, used to keep a patient's own ECGs apart from the neighbours.

    Raises:
        BadSignal: when the shape, the rate or a sample cannot be that of an ECG.
    """

    signal: Signal
    rate: float
    age: float | None = None
    sex: Sex | None = None
    patient_key: str | None = None

    def __post_init__(self) -> None:
        signal = np.asarray(self.signal, dtype=np.float32)
        if signal.ndim != 2 or signal.shape[0] != len(LEADS):
            raise BadSignal(f"an ECG needs the shape [12, samples], this signal has {list(signal.shape)}")
        if not np.isfinite(self.rate) or self.rate <= 0:
            raise BadSignal(f"the sampling rate is {self.rate} Hz; it must be a positive number")
        if not np.isfinite(signal).all():
            bad = [lead for lead, row in zip(LEADS, signal, strict=True) if not np.isfinite(row).all()]
            raise BadSignal(f"lead {', '.join(bad)} holds values that are not numbers; fill or cut the gap first")
        object.__setattr__(self, "signal", signal)

    @property
    def seconds(self) -> float:
        """Length in seconds."""
        return self.signal.shape[1] / self.rate

    def lead(self, name: str) -> Signal:
        """One lead, ``[samples]`` in mV."""
        return self.signal[LEADS.index(lead_name(name))]

    def slice_seconds(self, start: float, stop: float) -> Recording:
        """The part from ``start`` to ``stop`` seconds, as far as it was recorded."""
        first, last = (max(0, round(at * self.rate)) for at in (start, stop))
        return replace(self, signal=self.signal[:, first:last])


def lead_name(name: str) -> str:
    """The usual spelling of a lead: ``AVR``, ``avr`` and ``Lead aVR`` are all ``aVR``.

    Raises:
        LeadsMissing: when it is none of the twelve.
    """
    spelling = _SPELLING.fullmatch(name.strip().upper())
    if spelling is None:
        raise LeadsMissing(f"'{name}' is none of the twelve leads {', '.join(LEADS)}")
    return _CANONICAL_NAME[spelling[1]]


def derive_limb_leads(lead_i: ArrayLike, lead_ii: ArrayLike) -> Signal:
    """The six limb leads from two, ``[6, samples]``: Einthoven's and Goldberger's identities.

    III = II - I, aVR = -(I + II) / 2, aVL = I - II / 2, aVF = II - I / 2.
    """
    one, two = np.asarray(lead_i, dtype=np.float64), np.asarray(lead_ii, dtype=np.float64)
    return np.stack([one, two, two - one, -(one + two) / 2, one - two / 2, two - one / 2]).astype(np.float32)


def from_independent(eight: ArrayLike) -> Signal:
    """All twelve leads ``[12, samples]`` from the eight independent ones ``[8, samples]`` (I, II, V1 to V6)."""
    leads = np.asarray(eight, dtype=np.float32)
    if leads.ndim != 2 or leads.shape[0] != len(INDEPENDENT_LEADS):
        raise BadSignal(f"expected [8, samples] of {', '.join(INDEPENDENT_LEADS)}, got {list(leads.shape)}")
    return np.concatenate([derive_limb_leads(leads[0], leads[1]), leads[2:]])


def from_leads(leads: Mapping[str, ArrayLike]) -> Signal:
    """``[12, samples]`` in mV from leads by name, deriving limb leads that two others determine.

    Raises:
        LeadsMissing: when fewer than I, II and V1 to V6 can be had, naming those that lack.
        BadSignal: when leads differ in length.
    """
    known = {lead_name(name): np.asarray(row, dtype=np.float32) for name, row in leads.items() if _is_lead(name)}
    lengths = {row.shape[-1] for row in known.values()}
    if len(lengths) > 1:
        raise BadSignal(f"the leads differ in length: {sorted(lengths)} samples; they must be recorded together")
    here = tuple(known)
    known = _leads_one_and_two(known) | known
    missing = [lead for lead in INDEPENDENT_LEADS if lead not in known]
    if missing:
        raise LeadsMissing(
            f"{len(here)} of 12 leads are here ({', '.join(here) or 'none'}); {', '.join(missing)} "
            "can be neither read nor derived; bring the 12-lead ECG"
        )
    limb = derive_limb_leads(known["I"], known["II"])
    rows = [known.get(lead, limb[i] if i < 6 else None) for i, lead in enumerate(LEADS)]
    return np.stack([row for row in rows if row is not None]).astype(np.float32)


def _leads_one_and_two(known: Mapping[str, Signal]) -> dict[str, Signal]:
    """I and II from any two limb leads, which are two equations in them; nothing from fewer."""
    limb = [i for i, lead in enumerate(LEADS[:6]) if lead in known][:2]
    if len(limb) < 2:
        return {}
    equations = derive_limb_leads([1, 0], [0, 1]).astype(np.float64)[limb]
    one, two = np.linalg.solve(equations, np.stack([known[LEADS[i]] for i in limb])).astype(np.float32)
    return {"I": one, "II": two}


def _is_lead(name: str) -> bool:
    try:
        lead_name(name)
    except LeadsMissing:
        return False
    return True


def einthoven_error(signal: Signal) -> float:
    """Largest departure in mV of ``[12, samples]`` from the identities that the limb leads must obey."""
    return float(np.abs(signal[:6] - derive_limb_leads(signal[0], signal[1])).max())


def check(recording: Recording) -> tuple[str, ...]:
    """Warnings about a recording that can still be used.

    Raises:
        BadSignal: when it is too short, in microvolts by mistake, or flat in every lead.
    """
    signal = recording.signal
    if recording.seconds < MIN_SECONDS:
        raise BadSignal(f"the ECG lasts {recording.seconds:.2f} s; at least {MIN_SECONDS:.0f} s are needed")
    peaks = np.abs(signal - np.median(signal, axis=1, keepdims=True)).max(axis=1)
    peak = float(peaks.max())
    if peak > MICROVOLT_LIMIT_MV:
        beyond = [lead for lead, reached in zip(LEADS, peaks, strict=True) if reached > MICROVOLT_LIMIT_MV]
        raise BadSignal(
            f"lead {', '.join(beyond)} reaches {peak:.0f} mV; an ECG stays under {MICROVOLT_LIMIT_MV:.0f} mV, so "
            "these are probably microvolts: divide by 1,000"
        )
    flat = [lead for lead, row in zip(LEADS, signal, strict=True) if np.ptp(row) < FLAT_LIMIT_MV]
    if len(flat) == len(LEADS):
        raise BadSignal(f"all twelve leads are flat (under {FLAT_LIMIT_MV * 1000:.0f} microvolts)")
    warnings = [f"lead {lead} is flat" for lead in flat]
    error = einthoven_error(signal)
    if not flat and error > max(0.1, 0.1 * peak):
        warnings.append(f"the limb leads depart from Einthoven's law by {error:.2f} mV; check the electrodes")
    return tuple(warnings)
