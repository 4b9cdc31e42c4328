"""The report of a simulated case, in English and German, as a reader at the desk would dictate it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from retrieval.ecg.simulator.condition import Remark
from retrieval.ecg.statements import STATEMENTS, phrases, sentence

AXIS_SHARE, RATE_SHARE, REMARK_SHARE = 0.75, 0.3, 0.7

_AXES: tuple[tuple[float, tuple[str, ...], tuple[str, ...]], ...] = (
    (-90, ("extreme axis deviation",), ("überdrehter Rechtstyp", "Nordwesttyp")),
    (-30, ("left axis deviation", "marked left axis"), ("überdrehter Linkstyp", "Lagetyp überdreht links")),
    (30, ("horizontal axis", "normal axis, to the left"), ("Linkstyp", "Lagetyp links")),
    (60, ("normal axis", "axis normal"), ("Indifferenztyp", "Normaltyp", "Lagetyp normal")),
    (90, ("vertical axis", "normal axis, upright"), ("Steiltyp", "Lagetyp steil")),
    (120, ("right axis deviation", "axis to the right"), ("Rechtstyp", "Lagetyp rechts")),
    (
        181,
        ("marked right axis deviation", "extreme right axis"),
        ("überdrehter Rechtstyp", "Lagetyp überdreht rechts"),
    ),
)
"""Upper limit in degrees, English, German. The German types are those of the Cabrera circle."""


@dataclass(frozen=True)
class Findings:
    """What a report is written from: statements, the values it may name, the remarks it may add."""

    statements: Mapping[str, float | None]
    axis: float
    remarks: tuple[Remark, ...]
    values: Mapping[str, str]


def axis_type(axis: float, language: Literal["en", "de"], rng: np.random.Generator | None = None) -> str:
    """Name of a frontal QRS axis in degrees, -180 to 180: ``left axis deviation``, ``Linkstyp``."""
    row = next(row for row in _AXES if axis < row[0])
    choices = row[1] if language == "en" else row[2]
    return choices[0] if rng is None else choices[int(rng.integers(len(choices)))]


def write_report(findings: Findings, language: Literal["en", "de"], rng: np.random.Generator) -> str:
    """One report: rhythm, perhaps its rate, axis, diagnoses and forms, perhaps a remark."""
    rhythm = {code: value for code, value in findings.statements.items() if "rhythm" in STATEMENTS[code].kinds}
    others = {code: value for code, value in findings.statements.items() if code not in rhythm}
    parts = phrases(rhythm, language, rng)
    remark = _remark(findings.remarks, language, rng)
    if rng.uniform() < RATE_SHARE and "{rate}" not in remark:
        parts.append(("rate {rate}/min" if language == "en" else "Frequenz {rate}/min").format(**findings.values))
    if rng.uniform() < AXIS_SHARE and "PACE" not in rhythm:
        parts.append(axis_type(findings.axis, language, rng))
    parts += phrases(others, language, rng)
    if remark:
        parts.append(remark.format(**findings.values))
    return sentence(parts, (". ", ". ", ", ", "; ")[int(rng.integers(4))])


def _remark(remarks: tuple[Remark, ...], language: Literal["en", "de"], rng: np.random.Generator) -> str:
    """Draw a remark, or none, its values not yet filled in."""
    if not remarks or rng.uniform() >= REMARK_SHARE:
        return ""
    return remarks[int(rng.integers(len(remarks)))][0 if language == "en" else 1]
