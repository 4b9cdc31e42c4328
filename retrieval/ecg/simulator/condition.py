"""What a condition is: shape, rhythm, ranges, SCP-ECG statements and remarks for the report."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

Range = tuple[float, float]
Remark = tuple[str, str]
"""English, German; may hold {rate}, {pr}, {qrs} or {qt}, filled with the patient's own values."""

DEFAULT_RATE: Range = (60.5, 96.0)
DEFAULT_PR: Range = (128.0, 196.0)
DEFAULT_QRS: Range = (78.0, 104.0)
DEFAULT_QTC: Range = (380.0, 438.0)
DEFAULT_AXIS: Range = (-24.0, 84.0)
DEFAULT_AGE: Range = (20.0, 90.0)


@dataclass(frozen=True)
class Condition:
    """One labelled condition.

    Args:
        statements: SCP-ECG codes with a likelihood in percent, or ``None`` where PTB-XL gives none. The sinus codes
            are added from the rate.
        shape: a key of ``SHAPES``.
        rhythm: a key of ``RHYTHMS``.
        rate: ventricular rate, beats a minute (atrial rate where the block is of second degree).
        pr: ms.
        qrs: duration in ms.
        qtc: Fridericia, ms.
        axis: frontal QRS axis, degrees.
        age: years.
        gain: factor on all voltages.
        weight: how often the mix draws it.
        remarks: what a reader may add; one is drawn for most reports.
        rhythm_only: it can be laid over the shape of another condition.
    """

    statements: Mapping[str, float | None]
    shape: str = "normal"
    rhythm: str = "sinus"
    rate: Range = DEFAULT_RATE
    pr: Range = DEFAULT_PR
    qrs: Range = DEFAULT_QRS
    qtc: Range = DEFAULT_QTC
    axis: Range = DEFAULT_AXIS
    age: Range = DEFAULT_AGE
    gain: Range = (0.72, 1.16)
    weight: float = 1.0
    remarks: tuple[Remark, ...] = field(default=())
    rhythm_only: bool = False
