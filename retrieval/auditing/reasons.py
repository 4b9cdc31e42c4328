"""Why an ECG should be looked at, in words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from retrieval.auditing.judging import Disagreement
from retrieval.ecg.statements import words_of
from retrieval.vote import Voter

NAMED = 2
"""Statements that a sentence names."""
FEW = 0.3
"""What fewer of the nearest cases report is not held against a report that leaves it out."""


def reason(
    own: Mapping[str, float | None] | None, nearest: Sequence[Voter], found: Disagreement | None, suspicious: bool
) -> str:
    """One sentence: what the nearest cases report, and what this report says.

    Args:
        own: the ECG's statements.
        nearest: the nearest cases that are shown.
        found: what was judged; None where there was nothing to judge by.
        suspicious: whether the ECG is to be looked at; otherwise the sentence tells what it shares with them.
    """
    if found is None:
        return "the gallery has no case with a statement of this report" if own else "no report to compare with"
    if found.by == "text":
        return _by_text(found)
    counts = Counter(code for one in nearest for code in one.statements)
    sentence = _against(own or {}, nearest, found, counts) if suspicious else ""
    sentence = sentence or _shared(own or {}, counts, len(nearest))
    if suspicious and found.fit is not None and found.fit < 0:
        sentence += f"; its wording fits the ECG {-found.fit:.1f} standard deviations worse than other reports do"
    return sentence


def _against(
    own: Mapping[str, float | None], nearest: Sequence[Voter], found: Disagreement, counts: Mapping[str, int]
) -> str:
    many = len(nearest)
    expected = [code for code in found.missing if counts.get(code, 0) >= FEW * many][:NAMED]
    lonely = list(found.unsupported[:NAMED])
    says = _listed([words_of(code) for code in lonely or list(own)[:NAMED]])
    if expected and lonely:
        return f"{_reported(expected, counts, many)}; this report says {says}"
    if expected:
        return f"{_reported(expected, counts, many)}, which this report does not; it says {says}"
    if lonely:
        few = _listed([f"{counts.get(code, 0)} of {many}" for code in lonely])
        return f"this report says {says}; of its nearest cases {few} do"
    return ""


def _reported(codes: Sequence[str], counts: Mapping[str, int], many: int) -> str:
    first, *others = codes
    more = "".join(f", {counts[code]} {words_of(code)}" for code in others)
    return f"{counts[first]} of {many} nearest cases report {words_of(first)}{more}"


def _shared(own: Mapping[str, float | None], counts: Mapping[str, int], many: int) -> str:
    shared = sorted((code for code in own if counts.get(code, 0)), key=lambda code: (-counts[code], code))
    if not shared:
        return f"none of the {many} nearest cases shares a statement of this report"
    return "the nearest cases share " + _listed(
        [f"{words_of(code)} ({counts[code]} of {many})" for code in shared[:3]]
    )


def _by_text(found: Disagreement) -> str:
    fit = found.fit or 0.0
    way = "better" if fit >= 0 else "worse"
    return f"this report fits its ECG {abs(fit):.1f} standard deviations {way} than the reports of other cases do"


def _listed(parts: Sequence[str]) -> str:
    return " and ".join(parts)
