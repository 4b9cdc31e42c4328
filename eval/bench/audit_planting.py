"""Wrong reports for an archive whose reports are taken to be right, and the scores of the audit for them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from retrieval.auditing.examining import SAMPLE, SAMPLE_SEED, NearCase
from retrieval.auditing.judging import Disagreement, Electorate, disagreement, text_fit
from retrieval.ecg.statements import STATEMENTS, superclasses, wordings
from retrieval.vote import vote

SHARE = 0.05
Kind = Literal["swap", "drop"]
KINDS: tuple[Kind, ...] = ("swap", "drop")
Statements = Mapping[str, float | None]
Encode = Callable[[Sequence[str]], NDArray[np.float32]]
Floats = NDArray[np.float64]
PLAIN, OLD, BY_STATEMENTS, BY_TEXT, BOTH = (
    "vote, not adjusted",
    "vote, weighted Jaccard",
    "statements",
    "text",
    "statements and text",
)
WAYS = (PLAIN, OLD, BY_STATEMENTS, BY_TEXT, BOTH)
"""Ways to order the ECGs; the last is what the audit does."""


@dataclass(frozen=True)
class Ecgs:
    """ECGs with their reports.

    Args:
        ids: of each.
        statements: of each.
        reports: of each, as text.
        patients: key of each.
        vectors: ``[n, dim]`` of the image tower.
    """

    ids: tuple[str, ...]
    statements: tuple[Statements, ...]
    reports: tuple[str, ...]
    patients: tuple[str | None, ...]
    vectors: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.ids)

    def worded(self) -> Ecgs:
        """The same with each report worded anew from its statements, so that no wording tells who wrote it."""
        return replace(self, reports=tuple(wordings(one) for one in self.statements))

    def joined(self, other: Ecgs) -> Ecgs:
        """Both, this one first."""
        return Ecgs(
            self.ids + other.ids,
            self.statements + other.statements,
            self.reports + other.reports,
            self.patients + other.patients,
            np.concatenate([self.vectors, other.vectors]),
        )


class Texts:
    """Vectors of texts, each encoded once.

    Args:
        encode: of the text tower.
        kept: file that keeps them from one run to the next, or None.
    """

    def __init__(self, encode: Encode, kept: Path | None = None) -> None:
        self._encode, self._kept = encode, kept
        self._known: dict[str, NDArray[np.float32]] = {}
        if kept is not None and kept.is_file():
            with np.load(kept, allow_pickle=False) as stored:
                self._known = dict(zip(stored["texts"].tolist(), stored["vectors"], strict=True))

    def __call__(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Unit rows ``[n, dim]``."""
        new = sorted({text for text in texts if text not in self._known})
        for start in range(0, len(new), 64):
            part = new[start : start + 64]
            self._known.update(zip(part, self._encode(part), strict=True))
        if new and self._kept is not None:
            np.savez(self._kept, texts=np.array(list(self._known)), vectors=np.stack(list(self._known.values())))
        return np.stack([self._known[text] for text in texts])


@dataclass
class Setting:
    """An archive and the gallery that it is compared with.

    Args:
        archive: whose reports are judged.
        gallery: its nearest cases are taken from here; where it holds the archive itself (``itself``), the archive
            comes first in it, and each ECG is compared with the others.
        itself: see there.
        texts: the text tower.
        voters: how many nearest cases are kept of each.
    """

    archive: Ecgs
    gallery: Ecgs
    texts: Texts
    itself: bool = False
    voters: int = 30
    near: list[list[tuple[int, float]]] = field(init=False)
    fits: Fits = field(init=False)

    def __post_init__(self) -> None:
        self.near = nearest(self.archive, self.gallery, self.voters)
        self.fits = Fits(self.texts, self.archive.vectors, self.gallery.reports)

    def with_reports(self, archive: Ecgs) -> Setting:
        """The same neighbours, other reports; a gallery that is the archive itself has them too."""
        changed = copy(self)
        changed.archive = archive
        if self.itself:
            rest = range(len(archive), len(self.gallery))
            changed.gallery = replace(
                self.gallery,
                statements=archive.statements + tuple(self.gallery.statements[i] for i in rest),
                reports=archive.reports + tuple(self.gallery.reports[i] for i in rest),
            )
        return changed

    def scores(self, rows: Sequence[int] | None = None) -> dict[str, Floats]:
        """How suspicious each ECG is, by each way; higher is more.

        Args:
            rows: positions in the archive; all by default.
        """
        asked = range(len(self.archive)) if rows is None else rows
        electorate = Electorate(Counter(code for one in self.gallery.statements for code in one), len(self.gallery))
        fits = self.fits.of(asked, [self.archive.reports[i] for i in asked])
        found = [self._one(i, electorate, fit) for i, fit in zip(asked, fits, strict=True)]
        return {name: np.array([one[name] for one in found]) for name in WAYS}

    def _one(self, i: int, electorate: Electorate, fit: float | None) -> dict[str, float]:
        own = self.archive.statements[i]
        near = [NearCase(self.gallery.ids[j], score, self.gallery.statements[j]) for j, score in self.near[i]]
        voters = near[: electorate.voters]
        by_codes = disagreement(own, voters, electorate, of_the_gallery=self.itself)
        both = disagreement(own, voters, electorate, fit=fit, of_the_gallery=self.itself)
        ballots = {one.code: one.share for one in vote(near[:10], electorate.counts, electorate.total)}
        return {
            PLAIN: 1 - _jaccard(own, ballots, {}),
            OLD: 1 - _jaccard(own, ballots, electorate.counts, electorate.total),
            BY_STATEMENTS: _score(by_codes),
            BY_TEXT: 0.0 if fit is None else -fit,
            BOTH: _score(both),
        }


class Fits:
    """How well reports fit ECGs, each pair once, among the same sample of the gallery's reports as the audit takes.

    Args:
        texts: the text tower.
        vectors: ``[n, dim]`` of the ECGs.
        reports: of the gallery.
    """

    def __init__(self, texts: Texts, vectors: NDArray[np.float32], reports: Sequence[str]) -> None:
        chosen = np.random.default_rng(SAMPLE_SEED).permutation(len(reports))[: 2 * SAMPLE]
        named: list[str] = list(dict.fromkeys(str(reports[i]) for i in sorted(chosen.tolist())))
        self.others = tuple(named[:SAMPLE])
        self._texts, self._vectors = texts, vectors
        self._others = texts(list(self.others))
        self._known: dict[tuple[int, str], float | None] = {}

    def of(self, rows: Sequence[int], reports: Sequence[str]) -> list[float | None]:
        """As ``text_fit``, of each row with its report."""
        new = [pair for pair in zip(rows, reports, strict=True) if pair not in self._known]
        if new:
            for (i, report), text in zip(new, self._texts([report for _, report in new]), strict=True):
                apart = [k for k, other in enumerate(self.others) if other != report]
                self._known[i, report] = text_fit(self._vectors[i], text, self._others[apart])
        return [self._known[pair] for pair in zip(rows, reports, strict=True)]


def nearest(archive: Ecgs, gallery: Ecgs, k: int) -> list[list[tuple[int, float]]]:
    """The ``k`` nearest of the gallery to each ECG of the archive, its own patient's left out."""
    found: list[list[tuple[int, float]]] = []
    theirs = np.array([patient or f"?{i}" for i, patient in enumerate(gallery.patients)])
    for i, vector in enumerate(archive.vectors):
        scores = gallery.vectors.astype(np.float64) @ vector.astype(np.float64)
        scores[(theirs == archive.patients[i]) | (np.array(gallery.ids) == archive.ids[i])] = -np.inf
        order = np.argsort(-scores, kind="stable")[:k]
        found.append([(int(j), float(scores[j])) for j in order if np.isfinite(scores[j])])
    return found


def plant(ecgs: Ecgs, kind: Kind, seed: int, share: float = SHARE) -> tuple[Ecgs, set[int]]:
    """Give some ECGs a wrong report.

    Args:
        ecgs: with reports that are taken to be right.
        kind: ``swap``, the statements and the report of another ECG of the archive that shares no diagnostic
            superclass with this one; ``drop``, one diagnostic statement other than ``NORM`` is left out, and the
            report is worded from the rest.
        seed: of the choice.
        share: of the ECGs.

    Returns:
        The ECGs, and the positions that were changed.
    """
    rng = np.random.default_rng(seed)
    wanted = round(share * len(ecgs))
    statements, reports = list(ecgs.statements), list(ecgs.reports)
    changed: set[int] = set()
    for i in rng.permutation(len(ecgs)).tolist():
        if len(changed) == wanted:
            break
        wrong = _swapped(ecgs, i, rng) if kind == "swap" else _shortened(ecgs.statements[i], rng)
        if wrong is not None:
            statements[i], reports[i] = wrong
            changed.add(i)
    return replace(ecgs, statements=tuple(statements), reports=tuple(reports)), changed


def _swapped(ecgs: Ecgs, i: int, rng: np.random.Generator) -> tuple[Statements, str] | None:
    own = superclasses(ecgs.statements[i])
    if not own:
        return None
    for j in rng.permutation(len(ecgs))[:200].tolist():
        theirs = superclasses(ecgs.statements[j])
        if theirs and not own & theirs:
            return ecgs.statements[j], ecgs.reports[j]
    return None


def _shortened(own: Statements, rng: np.random.Generator) -> tuple[Statements, str] | None:
    findings = [code for code in own if code in STATEMENTS and STATEMENTS[code].superclass not in (None, "NORM")]
    if not findings or len(own) < 2:
        return None
    gone = findings[int(rng.integers(len(findings)))]
    rest = {code: likelihood for code, likelihood in own.items() if code != gone}
    return rest, wordings(rest)


def _jaccard(own: Statements, shares: Mapping[str, float], counts: Mapping[str, int], total: int = 0) -> float:
    """Overlap of statements with shares of the vote; without counts, each statement weighs the same."""
    both = either = 0.0
    for code in own.keys() | shares.keys():
        weight = float(np.log1p(total / max(counts.get(code, 0), 1))) if total else 1.0
        has, share = float(code in own), shares.get(code, 0.0)
        both += weight * min(has, share)
        either += weight * max(has, share)
    return both / either if either else 0.0


def _score(found: Disagreement | None) -> float:
    return 0.0 if found is None else found.score
