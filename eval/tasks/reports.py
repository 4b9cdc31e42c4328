"""Task 2, page to report and report to page on fold 10: whether the ECG's own report is found.

Many reports share their text, and wording and trace both tell the recorder. So each figure stands three ways (raw, by
report group, deduplicated), overall and within device, beside a perfect model and beside an oracle that knows nothing
but the superclasses and the device.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from eval.bootstrap import Estimate, PatientBootstrap
from eval.measures import Measure, Unit
from eval.metrics.pairs import FORMS, SCOPES, Form, PairView, Scope, pair_view
from eval.split import Part, Split
from eval.systems import CHANCE, ORACLE, System
from retrieval.ecg.statements import superclasses
from retrieval.scoring import FirstHit, Floats, cosine

__all__ = ["oracle_scores", "readable", "report_measures"]

DIRECTIONS = ("page to report", "report to page")
KS = (1, 5, 10)
MEDIAN = "median rank"
ORDER: tuple[tuple[str, Unit], ...] = (("R@1", "%"), ("R@5", "%"), ("R@10", "%"), ("MRR", "%"), (MEDIAN, "place"))
Places = NDArray[np.intp]


def readable(part: Part) -> Part:
    """The ECGs whose report says anything; a blank one cannot be asked for."""
    return part.without(row.ecg_id for row, text in zip(part.rows, part.texts, strict=True) if not text)


def report_measures(split: Split, systems: Sequence[System], bootstrap: PatientBootstrap) -> list[Measure]:
    """The lines of task 2.

    Args:
        split: of the protocol; only its queries are read.
        systems: those with a text tower take part.
        bootstrap: over all of the split's queries.
    """
    part = readable(split.queries)
    place = {ecg_id: i for i, ecg_id in enumerate(split.queries.ids)}
    rows = np.array([place[ecg_id] for ecg_id in part.ids], dtype=np.intp)
    scores: dict[str, Floats] = {}
    for system in systems:
        texts = system.text_vectors([row.report for row in part.rows])
        if texts is not None:
            scores[system.name] = cosine(system.queries[rows], texts)
    scores[ORACLE] = oracle_scores(part)
    same_text = np.array(part.texts, dtype=np.str_)
    perfect = (same_text[:, None] == same_text[None, :]).astype(np.float64)
    lines: list[Measure] = []
    for scope in SCOPES:
        for form in FORMS:
            view = pair_view(part.texts, part.patients, part.devices, form, scope)
            if len(view.rows):
                lines += _two_ways(view, scores, perfect, rows, bootstrap, form, scope)
    return lines


def oracle_scores(part: Part) -> Floats:
    """What superclasses and device alone tell, ``[n, n]``: 1 where both agree, else 0."""
    know = np.array([f"{sorted(superclasses(row.statements))} {row.device}" for row in part.rows], dtype=np.str_)
    return (know[:, None] == know[None, :]).astype(np.float64)


def _two_ways(
    view: PairView,
    scores: Mapping[str, Floats],
    perfect: Floats,
    rows: Places,
    bootstrap: PatientBootstrap,
    form: Form,
    scope: Scope,
) -> list[Measure]:
    lines: list[Measure] = []
    asked = rows[view.rows]
    for direction in DIRECTIONS:
        turn = direction == "report to page"
        found = {name: _figures([view.first_hits(s.T if turn else s)]) for name, s in scores.items()}
        if form == "report group" and not turn:
            found[CHANCE] = _figures([view.first_hits(s) for s in _random_by_text(perfect)])
        best = _figures([view.first_hits(perfect)])
        setting = f"{direction}, {scope}, {form} ({len(view.rows):,} queries)"
        for metric, unit in ORDER:
            estimates = {name: _estimate(by[metric], asked, bootstrap) for name, by in found.items()}
            ceiling = _estimate(best[metric], asked, bootstrap).value if form == "raw" else None
            headline = metric == "R@10" and (form == "deduplicated" or (form, scope) == ("raw", "within device"))
            lines.append(Measure(2, setting, metric, unit, estimates, ceiling, headline))
    return lines


def _figures(hits: Sequence[FirstHit]) -> dict[str, Floats]:
    """Recalls and reciprocal rank ``[m]``, and the distribution of places ``[m, m]``: means over the draws."""
    recalls = {f"R@{k}": np.mean([hit.recall_at(k) for hit in hits], axis=0) for k in KS}
    turned = np.mean([hit.reciprocal_rank() for hit in hits], axis=0)
    reached = sum(hit.reached(len(hit.above)) for hit in hits) / len(hits)
    return {**recalls, "MRR": turned, MEDIAN: np.asarray(reached)}


def _random_by_text(same_text: Floats, draws: int = 8, seed: int = 0) -> Iterator[Floats]:
    """Random scores ``[n, n]`` that are equal where the texts are.

    Whatever a text tower thinks, equal texts stand in one block; a block of a hundred fills the first ten places. The
    chance of such a ranking has no short closed form, so it is drawn.
    """
    block = np.argmax(same_text > 0, axis=1)
    rng = np.random.default_rng(seed)
    for _ in range(draws):
        yield rng.random(same_text.shape)[:, block]


def _estimate(values: Floats, rows: Places, bootstrap: PatientBootstrap) -> Estimate:
    """Values of the queries that were asked, among all; NaN marks the others."""
    spread = np.full((bootstrap.weights.shape[1], *values.shape[1:]), np.nan)
    spread[rows] = values
    return bootstrap.median_place(spread) if values.ndim == 2 else bootstrap.mean(spread)
