"""At the end of an audit: p-values, flags and places of all ECGs, from the scores that the journal holds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from retrieval.auditing.discoveries import LOOK, order_of, p_values, q_values
from retrieval.auditing.journal import Journal

DISAGREES, UNSURE, AGREES, TRUSTED = "disagrees", "unsure", "agrees", "trusted"
FEWEST_TRUSTED = 50
"""From so many trusted ECGs of the archive on, they are the reference, and not the gallery."""

Settled = tuple[int, float | None, float | None, str, int]


@dataclass(frozen=True)
class Reference:
    """Whose reports were taken to belong.

    Args:
        kind: ``archive`` (its trusted ECGs), ``gallery`` (its cases, each left out once), or ``none``: a gallery that
            is compared with itself and has too few trusted cases, where no share of false flags can be promised.
        ecgs: how many there are.
    """

    kind: str
    ecgs: int


@dataclass(frozen=True)
class _Judged:
    """The ECGs whose reports were judged, as columns: of ``sure`` ones a person has said that the report belongs."""

    numbers: NDArray[np.int64]
    scores: NDArray[np.float64]
    by: NDArray[np.object_]
    sure: NDArray[np.bool_]

    @classmethod
    def of(cls, journal: Journal) -> _Judged:
        rows = list(journal.judged())
        return cls(
            np.array([number for number, *_ in rows], dtype=np.int64),
            np.array([score for _, _, score, _ in rows], dtype=np.float64),
            np.array([by for _, by, _, _ in rows], dtype=object),
            np.array([trusted for *_, trusted in rows], dtype=np.bool_),
        )


def settle(journal: Journal, level: float, itself: bool) -> Reference:
    """Set p, q, verdict and place of every row.

    Args:
        journal: with every ECG, and the reference of the gallery.
        level: share of false flags that is aimed at.
        itself: whether the ECGs are the gallery's own cases.
    """
    judged = _Judged.of(journal)
    known: Mapping[str, list[float]] = {}
    if judged.sure.sum() >= FEWEST_TRUSTED:
        kind, sure = "archive", judged.sure
    else:
        kind, sure = ("none" if itself else "gallery"), np.zeros(len(judged.sure), np.bool_)
        known = {} if itself else journal.reference()
    p = np.ones(len(judged.scores))
    for by in sorted(set(judged.by.tolist())):
        here = judged.by == by
        belong = judged.scores[here & sure] if kind == "archive" else judged.scores[here]
        p[here] = p_values(judged.scores[here], known.get(by, []) if kind == "gallery" else belong)
    q = np.ones(len(p))
    q[~sure] = q_values(p[~sure])
    used = {"archive": int(sure.sum()), "gallery": sum(map(len, known.values())), "none": 0}[kind]
    journal.settle(_places(journal, judged, p, None if kind == "none" else q, sure, level))
    journal.put(reference=kind, reference_ecgs=str(used), level=repr(level))
    return Reference(kind, used)


def _places(
    journal: Journal,
    judged: _Judged,
    p: NDArray[np.float64],
    q: NDArray[np.float64] | None,
    sure: NDArray[np.bool_],
    level: float,
) -> Iterator[Settled]:
    """The judged first, the most suspicious ahead; then the trusted, those without a report, and the rejected."""
    order = order_of(p, judged.scores)
    place = 0
    for i in order[~sure[order]].tolist():
        place += 1
        flagged = q is not None and q[i] <= level
        verdict = DISAGREES if flagged else UNSURE if p[i] <= LOOK else AGREES
        yield int(judged.numbers[i]), float(p[i]), None if q is None else float(q[i]), verdict, place
    for i in order[sure[order]].tolist():
        place += 1
        yield int(judged.numbers[i]), None, None, TRUSTED, place
    for number in journal.unjudged():
        place += 1
        yield number, None, None, "", place
