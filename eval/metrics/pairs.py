"""Exact pairs, "whose report is it": raw, by report group, or one slot a distinct text; overall or within device."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from retrieval.scoring import Bools, FirstHit, Floats, first_hit, other_patients

__all__ = ["FORMS", "SCOPES", "Form", "PairView", "Scope", "pair_view"]

Form = Literal["raw", "report group", "deduplicated"]
Scope = Literal["overall", "within device"]
FORMS: tuple[Form, ...] = ("raw", "report group", "deduplicated")
SCOPES: tuple[Scope, ...] = ("within device", "overall")
MIN_OF_DEVICE = 50
"""Devices with fewer ECGs are left out within device: of 7 reports, ten guesses always find the right one."""


@dataclass(frozen=True)
class PairView:
    """Which of n ECGs ask, among which they search, and what counts as found.

    Args:
        rows: ``[m]`` positions of the ECGs that take part, as queries and as gallery.
        allowed: ``[m, m]``, false where an entry is left out of that query's gallery.
        targets: ``[m, m]``, true where an entry counts as found.
    """

    rows: NDArray[np.intp]
    allowed: Bools
    targets: Bools

    def first_hits(self, scores: Floats) -> FirstHit:
        """Where the targets stand by scores ``[n, n]`` of all ECGs (or ``[m, m]`` of this view's rows)."""
        if len(scores) != len(self.rows):
            scores = scores[np.ix_(self.rows, self.rows)]
        return first_hit(scores, self.targets, self.allowed)


def pair_view(
    texts: Sequence[str], patients: Sequence[str | None], devices: Sequence[str], form: Form, scope: Scope
) -> PairView:
    """The view of n ECGs with their normalised texts.

    A deduplicated view keeps the first ECG of each distinct text (of each device and text, within device). Other ECGs
    of a query's own patient are always left out.
    """
    text, device = _numbered(texts), _numbered(devices)
    rows = np.arange(len(device), dtype=np.intp)
    within = scope == "within device"
    if within and len(device):
        rows = rows[np.bincount(device)[device] >= MIN_OF_DEVICE]
    if form == "deduplicated":
        slots = np.stack([text[rows], device[rows] * within], axis=1)
        rows = rows[np.sort(np.unique(slots, axis=0, return_index=True)[1])]
    own = np.eye(len(rows), dtype=np.bool_)
    keys = [patients[int(i)] for i in rows]
    allowed = other_patients(keys, keys) | own
    if within:
        allowed &= device[rows, None] == device[None, rows]
    same_text = text[rows, None] == text[None, rows]
    return PairView(rows, allowed, same_text & allowed if form == "report group" else own)


def _numbered(names: Sequence[str]) -> NDArray[np.int64]:
    number = {name: i for i, name in enumerate(dict.fromkeys(names))}
    return np.array([number[name] for name in names], dtype=np.int64)
