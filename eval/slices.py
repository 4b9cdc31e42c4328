"""Who the queries are of: age bands, sex, recorder and site, each with a row of its own where it is large enough."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from eval.split import Part
from retrieval.corpora.ptbxl import PtbXlRow
from retrieval.scoring import Bools

__all__ = ["FEWEST", "Slice", "age_band", "left_out", "slices_of"]

FEWEST = 50
"""A group of fewer queries has no row: its interval would hold everything."""
AGES = ((40.0, "under 40"), (60.0, "40 to 59"), (80.0, "60 to 79"), (float("inf"), "80 and over"))


@dataclass(frozen=True)
class Slice:
    """Some of the queries.

    Args:
        name: such as ``"age 40 to 59"``.
        rows: ``[queries]``, true for its members.
    """

    name: str
    rows: Bools


def age_band(row: PtbXlRow) -> str | None:
    """Years in four bands; ages over 89, which PTB-XL hides as 300, are in the last. None where it is unknown."""
    age = row.age
    return None if age is None else next(name for above, name in AGES if age < above)


_GROUPS: tuple[tuple[str, Callable[[PtbXlRow], str | None]], ...] = (
    ("age", age_band),
    ("sex", lambda row: row.sex),
    ("device", lambda row: row.device or None),
    ("site", lambda row: row.site),
)


def slices_of(part: Part, fewest: int = FEWEST) -> list[Slice]:
    """Every group of at least ``fewest`` ECGs: ages in their order, the other groups with the largest first."""
    found: list[Slice] = []
    for kind, group in _GROUPS:
        members = [group(row) for row in part.rows]
        large = [name for name, count in _counts(members) if name is not None and count >= fewest]
        if kind == "age":
            large.sort(key=[name for _, name in AGES].index)
        found += [Slice(f"{kind} {name}", np.array([one == name for one in members])) for name in large]
    return found


def left_out(part: Part, fewest: int = FEWEST) -> list[str]:
    """A sentence for each kind of group of which some are too small, or unknown."""
    sentences: list[str] = []
    for kind, group in _GROUPS:
        counts = _counts([group(row) for row in part.rows])
        small = [count for name, count in counts if name is not None and count < fewest]
        unknown = sum(count for name, count in counts if name is None)
        parts = [f"{len(small)} of fewer than {fewest} queries each ({sum(small)} together)"] if small else []
        parts += [f"{unknown} queries of which it is not known"] if unknown else []
        if parts:
            sentences.append(f"By {kind}, these have no row: {'; '.join(parts)}.")
    return sentences


def _counts(members: Sequence[str | None]) -> list[tuple[str | None, int]]:
    return Counter(members).most_common()
