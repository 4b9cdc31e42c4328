"""Task 4, what the neighbours say: the vote of the nearest cases, its F1, and the statement texts as prompts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from eval.baselines import unit_rows
from eval.bootstrap import Estimate, PatientBootstrap
from eval.measures import Measure
from eval.relevance import Classes, Level, classes_of
from eval.split import Split
from eval.systems import CHANCE, System
from retrieval.ecg.statements import STATEMENTS, synonyms
from retrieval.scoring import Floats, cosine, macro_auroc, neighbour_vote, other_patients

__all__ = ["choose_vote", "prompts", "vote_measures"]

KS = (10, 20, 50, 100, 200)
TEMPERATURES = (0.02, 0.05, 0.1, 0.2, float("inf"))
FALLBACK = (50, float("inf"))
F1_NEIGHBOURS = 10
VOTED: tuple[Level, ...] = ("superclass", "statement")
SUPERCLASS_WORDS = {
    "NORM": ("normal ECG", "normales EKG"),
    "MI": ("myocardial infarction", "Myokardinfarkt"),
    "STTC": ("ST and T wave changes", "ST-T-Veränderungen"),
    "CD": ("conduction disturbance", "Erregungsleitungsstörung"),
    "HYP": ("hypertrophy", "Hypertrophie"),
}


@dataclass(frozen=True)
class _Votes:
    """What one system's neighbours say of each query, by level: ``[q, classes]``."""

    chosen: tuple[int, float]
    many: Mapping[str, Floats]
    ten: Mapping[str, Floats]


def vote_measures(split: Split, systems: Sequence[System], bootstrap: PatientBootstrap) -> list[Measure]:
    """The lines of task 4: five superclasses, then all statements with enough positives."""
    classes: dict[Level, Classes] = {
        level: classes_of(level, split.queries.statements, split.gallery.statements) for level in VOTED
    }
    votes = {system.name: _votes(split, system, classes) for system in systems}
    notes = {name: f"k={found.chosen[0]}, temperature {found.chosen[1]:g}" for name, found in votes.items()}
    lines: list[Measure] = []
    for level, members in classes.items():
        if not members.names:
            continue
        setting = f"neighbour vote, {level} ({len(members.names)} classes)"
        areas = {name: bootstrap.auroc(members.queries, found.many[level]) for name, found in votes.items()}
        lines.append(Measure(4, setting, "macro AUROC", "area", areas, headline=True, notes=notes))
        lines += _prompted(level, members, systems, bootstrap)
        f1 = {name: _f1(members, found.ten[level], bootstrap) for name, found in votes.items()}
        lines.append(Measure(4, f"majority of 10 neighbours, {level}", "macro F1", "%", f1))
    return lines


def _votes(split: Split, system: System, classes: Mapping[Level, Classes]) -> _Votes:
    """One system at a time: the scores of a whole PTB-XL take 300 MB."""
    chosen = choose_vote(split, system)
    allowed = other_patients(split.queries.patients, split.gallery.patients)
    scores = np.where(allowed, system.scores(), -np.inf)
    many = {level: neighbour_vote(scores, members.gallery, *chosen) for level, members in classes.items()}
    if system.name == CHANCE:
        # Ten random neighbours: a majority of tied cases would be the prevalence, which no ten cases are.
        scores = np.where(allowed, np.random.default_rng(0).random(scores.shape), -np.inf)
    ten = {level: neighbour_vote(scores, members.gallery, F1_NEIGHBOURS) for level, members in classes.items()}
    return _Votes(chosen, many, ten)


def choose_vote(split: Split, system: System) -> tuple[int, float]:
    """The k and temperature of the best superclass macro AUROC on fold 9; ties go to the earlier choice."""
    classes = classes_of("superclass", split.validation.statements, split.gallery.statements)
    if not classes.names:
        return FALLBACK
    allowed = other_patients(split.validation.patients, split.gallery.patients)
    scores = np.where(allowed, system.validation_scores(), -np.inf)
    choices = [FALLBACK, *((k, t) for k in KS for t in TEMPERATURES)]
    reached = [macro_auroc(classes.queries, neighbour_vote(scores, classes.gallery, k, t)) for k, t in choices]
    return choices[int(np.argmax(reached))]


def prompts(level: Level, name: str) -> tuple[str, ...]:
    """The sentences that stand for a class, in English and German."""
    if level == "superclass":
        members = [code for code, statement in STATEMENTS.items() if statement.superclass == name]
        return (*SUPERCLASS_WORDS[name], *(synonyms(c, lang)[0] for c in members for lang in ("en", "de")))
    return (*synonyms(name, "en"), *synonyms(name, "de"))


def _prompted(
    level: Level, classes: Classes, systems: Sequence[System], bootstrap: PatientBootstrap
) -> list[Measure]:
    areas: dict[str, Estimate] = {}
    for system in systems:
        texts = _class_vectors(level, classes.names, system)
        if texts is not None:
            areas[system.name] = bootstrap.auroc(classes.queries, cosine(system.queries, texts))
    if set(areas) <= {CHANCE}:
        return []
    setting = f"prompted by statement texts, {level} (seen in training)"
    return [Measure(4, setting, "macro AUROC", "area", areas, headline=level == "superclass")]


def _class_vectors(level: Level, names: Sequence[str], system: System) -> NDArray[np.float32] | None:
    sentences = [prompts(level, name) for name in names]
    vectors = system.text_vectors([text for group in sentences for text in group])
    if vectors is None:
        return None
    bounds = np.cumsum([0, *(len(group) for group in sentences)])
    return unit_rows(np.stack([vectors[a:b].mean(axis=0) for a, b in pairwise(bounds)]))


def _f1(classes: Classes, vote: Floats, bootstrap: PatientBootstrap) -> Estimate:
    """Macro F1 = 2 TP / (2 TP + FP + FN) of the statements that more than half of the neighbours carry."""
    said = vote > 0.5
    agreed = (said & classes.queries).astype(np.float64)
    return bootstrap.ratio(2 * agreed, said.astype(np.float64) + classes.queries)
