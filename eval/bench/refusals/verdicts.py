"""What an answer to a bad input is worth, and the table of all of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from eval.bench.refusals.inputs import NO_ECG, Input
from retrieval.intake.worker import Reply

CERTAIN = 0.5
SAME_INK = 0.9
"""Correlation of two canonical pages, blurred by 5 mm, from which they are taken to show the same ECG."""
SAME_SAMPLES = 0.98
"""Share of the samples that must be within ``SAME_MV`` of the sound file's."""
SAME_MV = 0.05

REFUSED, AS_IT_WAS = "refused", "read as it was"
CHANGED_SAID, CHANGED = "read, changed, said so", "read, changed, not said"
TAKEN_UNSURE, TAKEN = "taken for an ECG, unsure", "taken for an ECG, sure"
CRASH, HANG, BLOAT = "reader broke, told", "stopped at the time", "stopped at the memory"
"""What the limits of the reading process are for: the user gets a sentence, though a reader should have found it."""
VERDICTS = (REFUSED, AS_IT_WAS, CHANGED_SAID, CHANGED, TAKEN_UNSURE, TAKEN, CRASH, HANG, BLOAT)
_STOPPED = {"crash": CRASH, "time": HANG, "memory": BLOAT}


@dataclass(frozen=True)
class Outcome:
    """One input with its verdict, the reason given or the layout found, what it took, and its peak in MB.

    ``seconds`` are of the clock, and ``own_seconds`` of the processor, which other programs do not lengthen.
    """

    given: Input
    verdict: str
    reason: str
    seconds: float
    own_seconds: float
    peak_mb: float


def judge(given: Input, reply: Reply, sound: Reply | None, seconds: float) -> Outcome:
    """Weigh a reply; ``sound`` is the reply to the file before it was damaged."""
    message = reply.message
    took = seconds, float(message.get("cpu_s", 0.0)), float(message.get("peak_mb", 0.0))
    if "error" in message:
        verdict = _STOPPED.get(message.get("stopped") or "", REFUSED)
        return Outcome(given, verdict, f"{message['error']['kind']}: {message['error']['message']}", *took)
    verdict = _taken(message) if given.group == NO_ECG or sound is None else _kept(reply, sound)
    return Outcome(given, verdict, _what_was_read(message["intake"]), *took)


def _taken(message: Mapping[str, Any]) -> str:
    report = message["intake"]["report"]
    return TAKEN if report is None or report["certainty"] >= CERTAIN else TAKEN_UNSURE


def _kept(reply: Reply, sound: Reply) -> str:
    if "error" in sound.message or _same(reply.arrays, sound.arrays):
        return AS_IT_WAS
    found, known = reply.message["intake"], sound.message["intake"]
    new = {finding["kind"] for finding in found["findings"]} - {finding["kind"] for finding in known["findings"]}
    unsure = found["report"] is not None and found["report"]["certainty"] < CERTAIN
    return CHANGED_SAID if new or unsure else CHANGED


def _same(arrays: Mapping[str, NDArray[Any]], sound: Mapping[str, NDArray[Any]]) -> bool:
    if "signal" in arrays and "signal" in sound:
        one, other = arrays["signal"], sound["signal"]
        if one.shape != other.shape:
            return False
        return float((np.abs(one - other) <= SAME_MV).mean()) >= SAME_SAMPLES
    one, other = (cv2.blur(255.0 - part["page"].astype(np.float64), (11, 11)).ravel() for part in (arrays, sound))
    return bool(one.std() > 0 and other.std() > 0 and np.corrcoef(one, other)[0, 1] >= SAME_INK)


def _what_was_read(intake: Mapping[str, Any]) -> str:
    report = intake["report"]
    kinds = ", ".join(finding["kind"] for finding in intake["findings"]) or "no findings"
    if report is None:
        return f"{intake['kind']}, a recording of {intake['recording']['seconds']:.1f} s; {kinds}"
    return f"{intake['kind']}, {report['layout']}, certainty {report['certainty']:.2f}; {kinds}"


def table(outcomes: Sequence[Outcome]) -> str:
    """All outcomes in Markdown: a row for each kind of input, columns for the verdicts that occur."""
    seen = [verdict for verdict in VERDICTS if any(one.verdict == verdict for one in outcomes)]
    rows: dict[tuple[str, str], list[Outcome]] = {}
    for one in outcomes:
        kind = one.given.kind if one.given.group != "trap" else "all of them"
        rows.setdefault((one.given.group, kind), []).append(one)
    head = ["group", "kind", "inputs", *seen, "slowest, s", "of its own, s", "peak, MB"]
    lines = ["| " + " | ".join(head) + " |", "|---|---|" + "---:|" * (len(head) - 2)]
    lines += [_row(*name, part, seen) for name, part in rows.items()]
    return "\n".join([*lines, _row("**all**", "", outcomes, seen)])


def _row(group: str, kind: str, part: Sequence[Outcome], seen: Sequence[str]) -> str:
    counts = Counter(one.verdict for one in part)
    numbers = [str(counts[verdict]) for verdict in seen]
    slowest, own = max(one.seconds for one in part), max(one.own_seconds for one in part)
    took = [f"{slowest:.1f}", f"{own:.1f}", f"{max(one.peak_mb for one in part):.0f}"]
    return "| " + " | ".join([group, kind, str(len(part)), *numbers, *took]) + " |"
