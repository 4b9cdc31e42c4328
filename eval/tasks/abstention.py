"""Knowing when not to answer: whether a nearest score tells that nothing like the query is in the gallery.

Three questions. How many queries are nearer to their nearest case than chance brings anything? Do pages whose every
statement is unknown to the gallery, and pages that are no ECG, lie farther off than others? And at a threshold that
fold 9 chose: how many of them are flagged, and how many ordinary queries of fold 10 by mistake?

* **Chance** keeps what a tower does to every page and takes away what it knows of one: each principal component of
  the queries is shuffled among them by itself; the nearest scores of these made-up vectors are what chance brings.
* **Unseen statements**: from each query's gallery, every case is taken that shares a statement with it. A smaller
  gallery alone makes nearest scores fall, so the same query in an equally small gallery, drawn at random, is the
  other side of the comparison.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from eval.baselines import unit_rows
from eval.bootstrap import Estimate, PatientBootstrap
from eval.measures import Measure
from eval.metrics.auroc import weighted_auroc
from eval.relevance import statement_matrix
from eval.split import Part, Split
from eval.strangers import KINDS, KNOWN_KINDS, Strangers, make_strangers
from eval.systems import CHANCE, CHECKED, System, Vectors
from retrieval.scoring import Bools, Floats, cosine, other_patients

__all__ = ["Nearest", "abstention_measures", "choose_threshold", "nearest_by_chance", "nearest_scores"]

TASK = 7
CHANCE_LEVEL = 0.95
MOST_FALSE_ALARMS = 0.05
CHUNK = 256
FEWEST_LEFT = 50
"""A query that leaves fewer cases in its gallery is not asked: of ten cases the nearest is always far."""
PAGES_OF_EACH = 25
CALIBRATION_PAGES_OF_EACH = 15
UNKNOWN_KINDS = tuple(kind for kind in KINDS if kind not in KNOWN_KINDS)


@dataclass(frozen=True)
class Nearest:
    """The nearest score of each query ``[q]``; NaN where it is not asked.

    Args:
        whole: in the whole gallery.
        unseen: among the cases that share no statement with it.
        as_small: among as many cases, drawn at random.
    """

    whole: Floats
    unseen: Floats
    as_small: Floats


@dataclass(frozen=True)
class _Alarm:
    """What one system's nearest scores tell.

    Args:
        nearest: of fold 10.
        strangers: ``[pages]`` nearest scores of pages that are no ECG; None for a system that reads no pages.
        threshold: chosen on fold 9; below it, nothing like the query is in the gallery.
    """

    nearest: Nearest
    strangers: Floats | None
    threshold: float


def abstention_measures(split: Split, systems: Sequence[System], bootstrap: PatientBootstrap) -> list[Measure]:
    """The lines on knowing when not to answer, as task 7 of the table.

    Args:
        split: gallery folds 1 to 8; fold 9 chooses the threshold, fold 10 asks.
        systems: those that read pages are shown pages that are no ECG as well.
        bootstrap: over the split's queries.
    """
    shown = make_strangers(tuple(KINDS), PAGES_OF_EACH, seed=10)
    alarms = {system.name: _alarm(split, system, shown) for system in systems}
    lines = [_beyond_chance(system, alarms, bootstrap) for system in systems if system.name == CHECKED]
    lines.append(_unseen(alarms, bootstrap))
    for kinds, named in ((tuple(KINDS), "of all kinds"), (UNKNOWN_KINDS, "of kinds that chose no threshold")):
        lines += _strangers(alarms, shown.of(kinds), named, bootstrap)
    return [*lines, *_at_threshold(alarms, bootstrap)]


def _alarm(split: Split, system: System, shown: Strangers) -> _Alarm:
    nearest = nearest_scores(split.queries, split.gallery, system.scores())
    strangers = _strange_scores(system, shown)
    known = make_strangers(KNOWN_KINDS, CALIBRATION_PAGES_OF_EACH, seed=9)
    before = nearest_scores(split.validation, split.gallery, system.validation_scores())
    groups = [before.unseen] if strangers is None else [before.unseen, _strange_scores(system, known)]
    threshold = choose_threshold(before.whole, [group for group in groups if group is not None])
    return _Alarm(nearest, strangers, threshold)


def _strange_scores(system: System, shown: Strangers) -> Floats | None:
    if system.encode_pages is None:
        return None
    return cosine(np.asarray(system.encode_pages(shown.pages)), system.gallery).max(axis=1)


def nearest_scores(part: Part, gallery: Part, scores: Floats, seed: int = 0) -> Nearest:
    """Nearest scores of a part by scores ``[q, g]``; a query's own patient is never near.

    The random galleries are drawn by the seed and the query's place alone, so all systems see the same ones.
    """
    ours, theirs = statement_matrix(part.statements), statement_matrix(gallery.statements).T.astype(np.float32)
    rng = np.random.default_rng(seed)
    found: list[Floats] = [np.zeros((3, 0))]
    for begin in range(0, len(scores), CHUNK):
        rows = slice(begin, begin + CHUNK)
        allowed = other_patients(part.patients[rows], gallery.patients)
        strange = allowed & (ours[rows].astype(np.float32) @ theirs == 0)
        left = strange.sum(axis=1)
        galleries = (allowed, strange, _as_many(allowed, left, rng))
        best = np.stack([_best(scores[rows], some) for some in galleries])
        best[1:, left < FEWEST_LEFT] = np.nan
        found.append(best)
    return Nearest(*np.concatenate(found, axis=1))


def _as_many(allowed: Bools, counts: NDArray[np.integer], rng: np.random.Generator) -> Bools:
    """In each row, as many of the allowed entries as ``counts`` says, drawn at random."""
    keys = np.where(allowed, rng.random(allowed.shape), np.inf)
    places = np.argsort(np.argsort(keys, axis=1), axis=1)
    return allowed & (places < counts[:, None])


def _best(scores: Floats, allowed: Bools) -> Floats:
    best = np.where(allowed, scores, -np.inf).max(axis=1, initial=-np.inf)
    return np.where(np.isfinite(best), best, np.nan)


def nearest_by_chance(queries: Vectors, gallery: Vectors, seed: int = 0) -> Floats:
    """Nearest scores ``[q]`` of made-up queries: each principal component shuffled among the real ones by itself."""
    centre = queries.mean(axis=0, dtype=np.float64)
    spread = queries.astype(np.float64) - centre
    _, _, axes = np.linalg.svd(spread, full_matrices=False)
    shuffled = np.random.default_rng(seed).permuted(spread @ axes.T, axis=0)
    made_up = unit_rows(shuffled @ axes + centre)
    return cosine(made_up, np.asarray(gallery)).max(axis=1)


def choose_threshold(known: Floats, unknown: Sequence[Floats], most_false_alarms: float = MOST_FALSE_ALARMS) -> float:
    """The score below which to say that nothing like the query is there.

    Of the thresholds that flag no more than that share of the known, the one that flags most of the unknown, less
    what it flags of the known; each group of unknown counts alike. The lowest of equal ones.

    Args:
        known: ``[n]`` nearest scores of queries that should be answered.
        unknown: groups of nearest scores that should not; NaN counts nowhere.
        most_false_alarms: share of the known.
    """
    known = np.sort(known[~np.isnan(known)])
    groups = [np.sort(group[~np.isnan(group)]) for group in unknown]
    scores = np.unique(np.concatenate([known, *groups]))
    if not known.size or not scores.size:
        return float("-inf")
    between = np.concatenate([[-np.inf], (scores[1:] + scores[:-1]) / 2])
    alarms = np.searchsorted(known, between) / known.size
    flagged = [np.searchsorted(group, between) / group.size for group in groups if group.size]
    gain = (np.mean(flagged, axis=0) if flagged else np.zeros(len(between))) - alarms
    allowed = alarms <= most_false_alarms + 1e-12
    return float(between[allowed][int(np.argmax(np.round(gain[allowed], 9)))])


def _beyond_chance(system: System, alarms: Mapping[str, _Alarm], bootstrap: PatientBootstrap) -> Measure:
    """Of the bundle alone: another system has another chance. By its own making, that is one case in twenty."""
    level, nearest = 1 - CHANCE_LEVEL, alarms[system.name].nearest.whole
    limit = np.quantile(nearest_by_chance(system.queries, system.gallery), CHANCE_LEVEL, method="higher")
    ours = bootstrap.mean(np.where(np.isnan(nearest), np.nan, (nearest > limit).astype(np.float64)))
    scores = {CHECKED: ours, CHANCE: Estimate(level, np.full(len(bootstrap.weights), level), ours.queries)}
    setting = "nearest score above the 95th percentile of chance"
    return Measure(TASK, setting, "share of queries", "%", scores, headline=True)


def _unseen(alarms: Mapping[str, _Alarm], bootstrap: PatientBootstrap) -> Measure:
    scores = {
        name: _apart(alarm.nearest.as_small, alarm.nearest.unseen, bootstrap, bootstrap.weights)
        for name, alarm in alarms.items()
    }
    asked = max((score.queries for score in scores.values()), default=0)
    return Measure(TASK, f"every statement unseen, by the nearest score ({asked:,} queries)", "AUROC", "area", scores)


def _strangers(alarms: Mapping[str, _Alarm], chosen: Bools, named: str, bootstrap: PatientBootstrap) -> list[Measure]:
    """The pages are drawn anew in each draw of the bootstrap, as the patients are."""
    drawn = PatientBootstrap([None] * int(chosen.sum()), len(bootstrap.weights), seed=1).weights
    scores = {
        name: _apart(alarm.nearest.whole, alarm.strangers[chosen], bootstrap, drawn)
        for name, alarm in alarms.items()
        if alarm.strangers is not None
    }
    if not scores:
        return []
    setting = f"no ECG, {named}, by the nearest score ({int(chosen.sum())} pages)"
    return [Measure(TASK, setting, "AUROC", "area", scores, headline=named == "of all kinds")]


def _apart(known: Floats, unknown: Floats, bootstrap: PatientBootstrap, unknown_weights: Floats) -> Estimate:
    """AUROC of the unknown lying farther off than the known; NaN takes no part."""
    here, there = ~np.isnan(known), ~np.isnan(unknown)
    labels = np.concatenate([np.zeros(int(here.sum()), dtype=np.bool_), np.ones(int(there.sum()), dtype=np.bool_)])
    scores = -np.concatenate([known[here], unknown[there]])
    weights = np.concatenate([bootstrap.weights[:, here], unknown_weights[:, there]], axis=1)
    value = weighted_auroc(labels, scores, np.ones((1, len(labels))))[0]
    return Estimate(float(value), weighted_auroc(labels, scores, weights), int(here.sum()))


def _at_threshold(alarms: Mapping[str, _Alarm], bootstrap: PatientBootstrap) -> list[Measure]:
    """What the bundle flags; other systems have other thresholds, of which none would be used."""
    if CHECKED not in alarms:
        return []
    ours = alarms[CHECKED]
    asked = {
        "ordinary queries": ("false alarms", ours.nearest.whole),
        "ordinary queries, a gallery as small as the next row's": ("false alarms", ours.nearest.as_small),
        "every statement unseen": ("flagged", ours.nearest.unseen),
    }
    found = [(name, metric, bootstrap.mean(_below(x, ours.threshold))) for name, (metric, x) in asked.items()]
    if ours.strangers is not None:
        pages = PatientBootstrap([None] * len(ours.strangers), len(bootstrap.weights), seed=1)
        found.append(("no ECG, of all kinds", "flagged", pages.mean(_below(ours.strangers, ours.threshold))))
    notes = {CHECKED: f"nearest score under {ours.threshold:.3f} means nothing alike"}
    return [
        Measure(TASK, f"{name}, at fold 9's threshold", metric, "%", {CHECKED: one}, None, place == 0, notes)
        for place, (name, metric, one) in enumerate(found)
    ]


def _below(nearest: Floats, threshold: float) -> Floats:
    return np.where(np.isnan(nearest), np.nan, (nearest < threshold).astype(np.float64))
