"""Whether an ECG's own report agrees with its nearest cases, and why, in words.

Two ways, by what the archive knows of its ECGs:

* **by statements** (the table has them): the vote of the nearest cases against the ECG's own statements. Agreement is
  the weighted Jaccard index ``sum w min(share, own) / sum w max(share, own)``. A statement weighs
  ``w = log(1 + cases of the gallery / cases with it)``: sharing a rare finding counts for more than sinus rhythm.
* **by text** (a report alone): how near the report is to its own page, as a rank among the reports of other cases:
  agreement is the part of those reports that are less similar to the page. 0.5 is what a report of another ECG gets
  on average.

Neither says who is wrong. Both choose ECGs that a person should look at first.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from retrieval.ecg.statements import STATEMENTS
from retrieval.vote import VotedStatement

Verdict = Literal["agrees", "unsure", "disagrees"]

MAJORITY = 0.5
"""A statement that half of the nearest cases' weight carries is one that the report is expected to have."""
MARKED_LIFT = 2.0
"""... when it is also twice as common among them as in the gallery: sinus rhythm is everywhere and tells nothing."""
UNSUPPORTED = 0.1
"""An own statement that less than a tenth of the nearest cases' weight carries has no support there."""
TEXT_DISAGREES, TEXT_AGREES = 0.3, 0.7
"""A report that fits its page worse than 30 % of other reports disagrees; one that fits better than 70 % agrees."""


@dataclass(frozen=True)
class Agreement:
    """How far report and neighbours agree, 0 to 1, with the reason in words and the way it was judged."""

    value: float
    verdict: Verdict
    by: Literal["statements", "text"]
    reason: str


def judge_statements(
    own: Mapping[str, float | None], ballots: Sequence[VotedStatement], counts: Mapping[str, int], total: int
) -> Agreement:
    """Agreement of an ECG's own statements with the vote of its nearest cases.

    Args:
        own: its statements; a code that stands there is present, whatever its likelihood.
        ballots: the vote, from ``retrieval.vote.vote``.
        counts: how many cases of the gallery have each statement.
        total: how many cases the gallery has.
    """
    shares = {ballot.code: ballot.share for ballot in ballots}
    expected = [b for b in ballots if b.share >= MAJORITY and b.lift >= MARKED_LIFT and b.code not in own]
    lonely = [code for code in own if shares.get(code, 0.0) < UNSUPPORTED and counts.get(code, 0)]
    supported = [code for code in own if shares.get(code, 0.0) >= UNSUPPORTED]
    value = weighted_jaccard(own, shares, counts, total)
    verdict: Verdict = "unsure"
    if lonely and (expected or not supported):
        verdict = "disagrees"
    elif supported and not expected and not lonely:
        verdict = "agrees"
    return Agreement(value, verdict, "statements", _words(expected, lonely, supported, shares))


def weighted_jaccard(
    own: Mapping[str, float | None], shares: Mapping[str, float], counts: Mapping[str, int], total: int
) -> float:
    """Overlap of a set of statements with shares of a vote, 0 to 1, each statement weighing by its rarity."""
    both = either = 0.0
    for code in own.keys() | shares.keys():
        weight = math.log1p(total / max(counts.get(code, 0), 1))
        has, share = float(code in own), shares.get(code, 0.0)
        both += weight * min(has, share)
        either += weight * max(has, share)
    return both / either if either else 0.0


def judge_text(page: NDArray[np.float32], report: NDArray[np.float32], others: NDArray[np.float32]) -> Agreement:
    """Agreement of a report with its page, as its rank among other reports.

    Args:
        page: the page's unit vector ``[dim]``.
        report: the own report's unit vector ``[dim]``.
        others: unit vectors ``[n, dim]`` of other cases' distinct reports; ties count half.
    """
    own = float(report @ page)
    rivals = others @ page
    value = float((rivals < own - 1e-6).mean() + 0.5 * (np.abs(rivals - own) <= 1e-6).mean()) if len(rivals) else 0.5
    verdict: Verdict = "unsure"
    if value < TEXT_DISAGREES:
        verdict = "disagrees"
    elif value >= TEXT_AGREES:
        verdict = "agrees"
    reason = f"the report fits its ECG better than {value:.0%} of {len(rivals)} reports of other cases do"
    return Agreement(value, verdict, "text", reason)


def name_of(code: str) -> str:
    """A statement in English, with its code: ``atrial fibrillation (AFIB)``; an unknown code is itself."""
    return f"{STATEMENTS[code].english} ({code})" if code in STATEMENTS else code


def _words(
    expected: Sequence[VotedStatement], lonely: Sequence[str], supported: Sequence[str], shares: Mapping[str, float]
) -> str:
    parts = [
        f"{ballot.share:.0%} of the nearest cases by weight have {name_of(ballot.code)}, {ballot.lift:.1f} times as "
        "many as the gallery, and the report does not"
        for ballot in expected
    ]
    parts += [f"the report has {name_of(code)}, and {shares.get(code, 0.0):.0%} of them do" for code in lonely]
    if not parts and supported:
        parts = ["the nearest cases share " + ", ".join(f"{name_of(c)} ({shares[c]:.0%})" for c in supported)]
    return "; ".join(parts) or "the gallery has no case with a statement of this report"
