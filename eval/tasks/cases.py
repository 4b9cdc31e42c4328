"""Task 1, page to case: how like the query of fold 10 its nearest cases of folds 1 to 8 are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from eval.bootstrap import Estimate, PatientBootstrap
from eval.measures import Measure
from eval.metrics.ranking import Ranking, average_precision, ndcg_at, precision_at, rank_by_score
from eval.relevance import LEVELS, Classes, classes_of, inverse_frequency, statement_matrix, weighted_jaccard
from eval.slices import slices_of
from eval.split import Split
from eval.systems import System
from retrieval.scoring import Bools, Floats, other_patients

__all__ = ["CaseScores", "case_measures", "case_scores"]

K = 10
RARE = 0.02
"""A statement is rare when fewer than 2 % of the gallery carry it."""
CHUNK = 256
Select = Bools | None


@dataclass(frozen=True)
class CaseScores:
    """What one system reaches for each query.

    Args:
        precision: level to average precision ``[q, classes]``, NaN where the query is not of the class.
        first_ten: level to precision at 10, likewise.
        ndcg: ``[q]`` nDCG@10, NaN where no case shares a statement.
    """

    precision: Mapping[str, Floats]
    first_ten: Mapping[str, Floats]
    ndcg: Floats


@dataclass(frozen=True)
class _Question:
    classes: Mapping[str, Classes]
    queries: Bools
    gallery: Bools
    weight: Floats
    allowed: Bools


def case_scores(split: Split, scores: Floats) -> CaseScores:
    """Every per-query figure of the task for one system's scores ``[q, g]``."""
    question = _question(split)
    count = len(scores)
    precision = {level: np.full(c.queries.shape, np.nan) for level, c in question.classes.items()}
    first_ten = {level: np.full(c.queries.shape, np.nan) for level, c in question.classes.items()}
    ndcg = np.full(count, np.nan)
    for begin in range(0, count, CHUNK):
        part = slice(begin, min(begin + CHUNK, count))
        allowed = question.allowed[part]
        ranking = rank_by_score(scores[part], allowed)
        gains = weighted_jaccard(question.queries[part], question.gallery, question.weight) * allowed
        ndcg[part] = ndcg_at(ranking, gains, K)
        for level, classes in question.classes.items():
            _by_class(ranking, classes, part, allowed, precision[level], first_ten[level])
    return CaseScores(precision, first_ten, ndcg)


def _question(split: Split) -> _Question:
    ours, theirs = split.queries.statements, split.gallery.statements
    gallery = statement_matrix(theirs)
    return _Question(
        {level: classes_of(level, ours, theirs) for level in LEVELS},
        statement_matrix(ours),
        gallery,
        inverse_frequency(gallery),
        other_patients(split.queries.patients, split.gallery.patients),
    )


def _by_class(
    ranking: Ranking, classes: Classes, part: slice, allowed: Bools, precision: Floats, first_ten: Floats
) -> None:
    for c in range(len(classes.names)):
        rows = np.flatnonzero(classes.queries[part, c])
        if rows.size:
            relevant = classes.gallery[None, :, c] & allowed[rows]
            ranked = ranking.rows(rows)
            precision[part.start + rows, c] = average_precision(ranked, relevant)
            first_ten[part.start + rows, c] = precision_at(ranked, relevant, K)


def case_measures(split: Split, systems: Sequence[System], bootstrap: PatientBootstrap) -> list[Measure]:
    """The lines of task 1, with the slices without NORM, of rare statements, and by age, sex, device and site."""
    found = {system.name: case_scores(split, system.scores()) for system in systems}
    classes = {level: classes_of(level, split.queries.statements, split.gallery.statements) for level in LEVELS}
    lines = [_graded(found, bootstrap, "page to case", None, headline=True)]
    for level in LEVELS:
        if classes[level].names:
            lines += _by_level(found, bootstrap, level, classes[level], None, "page to case")
    abnormal = ~np.array(["NORM" in codes for codes in split.queries.statements])
    lines.append(_graded(found, bootstrap, "page to case, without NORM", abnormal))
    other = np.array([name != "NORM" for name in classes["superclass"].names], dtype=np.bool_)
    if other.any():
        lines += _by_level(found, bootstrap, "superclass", classes["superclass"], other, "page to case, without NORM")
    rare = classes["statement"].gallery.mean(axis=0) < RARE
    if rare.any():
        lines += _by_level(found, bootstrap, "statement", classes["statement"], rare, "page to case, rare")
    for part in slices_of(split.queries):
        setting = f"page to case, {part.name} ({int(part.rows.sum()):,} queries)"
        lines.append(_graded(found, bootstrap, setting, part.rows))
    return lines


def _graded(
    found: Mapping[str, CaseScores], bootstrap: PatientBootstrap, setting: str, rows: Select, headline: bool = False
) -> Measure:
    scores = {
        name: bootstrap.mean(s.ndcg if rows is None else np.where(rows, s.ndcg, np.nan)) for name, s in found.items()
    }
    return Measure(1, setting, "nDCG@10", "%", scores, headline=headline)


def _by_level(
    found: Mapping[str, CaseScores],
    bootstrap: PatientBootstrap,
    level: str,
    classes: Classes,
    keep: NDArray[np.bool_] | None,
    setting: str,
) -> list[Measure]:
    keep = np.ones(len(classes.names), dtype=np.bool_) if keep is None else keep
    setting = f"{setting}, {level} ({int(keep.sum())} classes)"

    def macro(tables: Mapping[str, Floats]) -> Estimate:
        return bootstrap.macro(tables[level][:, keep])

    mean_ap = {name: macro(scores.precision) for name, scores in found.items()}
    ten = {name: macro(scores.first_ten) for name, scores in found.items()}
    # Of three relevant cases, ten places hold three at best.
    ceiling = float((np.minimum(classes.gallery[:, keep].sum(axis=0), K) / K).mean())
    main = level == "superclass" and keep.all()
    return [
        Measure(1, setting, "macro mAP", "%", mean_ap, headline=bool(main)),
        Measure(1, setting, "macro P@10", "%", ten, ceiling if ceiling < 1 else None, bool(main)),
    ]
