"""What weighed answers are worth on real ECGs: the adjusted vote's strength, and who is called strange; by hand.

Two galleries of one bundle: one answers, the other's cases ask, their own patients left out. The strength of the
adjusted vote is judged by the mean log-likelihood of the asker's own statements under the shares that are drawn
towards the gallery's prevalence; who is strange, by the threshold that the answering gallery draws of itself.

    python -m eval.bench.evidence ANSWERS ASKS [--strangers]
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from eval.strangers import KINDS, make_strangers
from index import Gallery
from retrieval.engine import load_towers
from retrieval.evidence.chance import FALSE_ALARMS, Chance, draw_chance, threshold_of
from retrieval.scoring import cosine, other_patients

Floats = NDArray[np.float64]
K = 10
STRENGTHS = (0.5, 1.0, 2.0, 3.0, 4.0, 6.0, 10.0)
ALARMS = (0.005, 0.01, 0.02, 0.05)


@dataclass(frozen=True)
class Cases:
    """Vectors ``[n, dim]``, and of each case whether it has each statement ``[n, codes]``, and its patient."""

    vectors: NDArray[np.float32]
    has: Floats
    patients: list[str | None]


def cases_of(gallery: Gallery, codes: list[str]) -> Cases:
    """Everything of a gallery that is needed here."""
    cases = gallery.cases(gallery.ids())
    has = np.array([[code in case.statements for code in codes] for case in cases], float)
    return Cases(gallery.vectors(), has, [case.patient_key for case in cases])


def log_loss(ours: Cases, theirs: Cases, strength: float) -> float:
    """Mean over the asking ECGs of the summed log-loss of their statements."""
    scores = np.where(other_patients(ours.patients, theirs.patients), cosine(ours.vectors, theirs.vectors), -np.inf)
    near = np.argsort(-scores, axis=1)[:, :K]
    weights = np.maximum(np.take_along_axis(scores, near, 1), 0)
    weights /= weights.sum(axis=1, keepdims=True)
    shares = np.einsum("qk,qkc->qc", weights, theirs.has[near])
    voices = 1 / (weights**2).sum(axis=1, keepdims=True)
    usual = (theirs.has.sum(axis=0) + 0.5) / (len(theirs.has) + 1)
    drawn = (shares * voices + strength * usual) / (voices + strength)
    return float(-(ours.has * np.log(drawn) + (1 - ours.has) * np.log(1 - drawn)).sum(axis=1).mean())


def nearest(ours: Cases, theirs: Cases, *, unseen: bool = False) -> Floats:
    """Nearest scores; ``unseen`` among the cases alone that share no statement with the asker."""
    allowed = other_patients(ours.patients, theirs.patients)
    if unseen:
        allowed &= ours.has @ theirs.has.T == 0
    best = np.where(allowed, cosine(ours.vectors, theirs.vectors), -np.inf).max(axis=1)
    return best[np.isfinite(best)]


def report(chance: Chance, ours: Cases, theirs: Cases, strangers: Floats | None) -> None:
    """Print both tables."""
    say("| strength | log-loss of the asker's statements |\n| --- | --- |")
    for strength in STRENGTHS:
        say(f"| {strength:g} | {log_loss(ours, theirs, strength):.3f} |")
    plain, unseen = nearest(ours, theirs), nearest(ours, theirs, unseen=True)
    say("\n| quantile of the gallery's own | threshold | false alarms | every statement unseen | no ECG |")
    say("| --- | --- | --- | --- | --- |")
    for alarms in ALARMS:
        limit = threshold_of(chance.nearest, chance.pairs, alarms)
        if limit is None:
            raise SystemExit("the gallery has too few cases")
        flagged = [f"{np.mean(some < limit):.1%}" for some in (plain, unseen)]
        flagged.append("" if strangers is None else f"{np.mean(strangers < limit):.1%}")
        chosen = " (used)" if alarms == FALSE_ALARMS else ""
        say(f"| {alarms:.1%}{chosen} | {limit:.3f} | " + " | ".join(flagged) + " |")


def say(line: str) -> None:
    """A line of the report."""
    sys.stdout.write(line + "\n")


def main() -> None:
    """Print Markdown."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("answers", type=Path)
    parser.add_argument("asks", type=Path)
    parser.add_argument("--strangers", action="store_true", help="also pages that are no ECG, by the shipped bundle")
    given = parser.parse_args()
    with Gallery.open(given.answers) as answers, Gallery.open(given.asks) as asks:
        codes = sorted(set(answers.statement_counts()) | set(asks.statement_counts()))
        theirs, ours = cases_of(answers, codes), cases_of(asks, codes)
        strangers = None
        if given.strangers:
            towers = load_towers()
            pages = make_strangers(tuple(KINDS), 25, seed=10).pages
            strangers = cosine(np.asarray(towers.encode_pages(list(pages))), theirs.vectors).max(axis=1)
        say(f"{len(theirs.vectors)} cases answer, {len(ours.vectors)} ask\n")
        report(draw_chance(answers), ours, theirs, strangers)


if __name__ == "__main__":
    main()
