"""Which condition, or which two: the realistic mix, and the rules by which a rhythm lies over a shape."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np

from retrieval.ecg.simulator.condition import DEFAULT_PR, DEFAULT_RATE, Condition, Range
from retrieval.ecg.simulator.conditions import CONDITIONS, TABLE
from retrieval.errors import BadArgument

JOIN = "+"
OVERLAY_SHARE = 0.25
"""Share of the mix in which a rhythm disorder lies over a disorder of shape."""


@cache
def _weights(names: tuple[str, ...]) -> np.ndarray:
    weights = np.array([TABLE[name].weight for name in names])
    return np.cumsum(weights) / weights.sum()


def _pick(names: tuple[str, ...], rng: np.random.Generator) -> str:
    return names[int(np.searchsorted(_weights(names), rng.uniform()))]


RHYTHM_ONLY = tuple(name for name in CONDITIONS if TABLE[name].rhythm_only)


def can_carry(base: Condition) -> bool:
    """Whether a rhythm may be laid over this condition: it leaves the rhythm and the AV node free."""
    return base.rhythm == "sinus" and base.pr == DEFAULT_PR and not base.rhythm_only and "NORM" not in base.statements


def draw_condition(rng: np.random.Generator) -> str:
    """Draw the name of a condition from the mix; two names joined by ``+`` are a shape with a rhythm over it."""
    name, overlaid = _pick(CONDITIONS, rng), rng.uniform() < OVERLAY_SHARE
    rhythm = _pick(RHYTHM_ONLY, rng)
    return f"{name}{JOIN}{rhythm}" if overlaid and can_carry(TABLE[name]) else name


def condition_named(name: str) -> Condition:
    """Look up the condition of that name, or the two joined by ``+``.

    Raises:
        BadArgument: for a name that is not in the table, or two that do not go together.
    """
    parts = name.split(JOIN)
    for part in parts:
        if part not in TABLE:
            raise BadArgument(f"no condition is called '{part}'; there are {', '.join(CONDITIONS)}")
    if len(parts) == 1:
        return TABLE[name]
    base, rhythm = TABLE[parts[0]], TABLE[parts[1]]
    if len(parts) > 2 or not can_carry(base) or not rhythm.rhythm_only:
        raise BadArgument(
            f"'{name}' do not go together; join a disorder of shape with one rhythm of {', '.join(RHYTHM_ONLY)}, "
            f"such as 'lbbb{JOIN}atrial_fibrillation'"
        )
    return _overlay(base, rhythm)


def _overlay(base: Condition, rhythm: Condition) -> Condition:
    statements = {**base.statements, **rhythm.statements}
    statements.pop("NORM", None)
    return replace(
        base,
        statements=statements,
        rhythm=rhythm.rhythm,
        rate=rhythm.rate if rhythm.rate != DEFAULT_RATE else base.rate,
        pr=rhythm.pr,
        age=_common(base.age, rhythm.age),
        remarks=base.remarks + rhythm.remarks,
    )


def _common(one: Range, other: Range) -> Range:
    low, high = max(one[0], other[0]), min(one[1], other[1])
    return (low, high) if low < high else one
