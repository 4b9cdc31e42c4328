"""Task 4, what the neighbours say: the vote of the nearest cases, its F1, and the statement texts as prompts."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from eval.baselines import unit_rows
from eval.bootstrap import Estimate, PatientBootstrap
from eval.measures import Measure
from eval.relevance import MIN_POSITIVES, Classes, Level, classes_of
from eval.slices import slices_of
from eval.split import Split
from eval.systems import CHANCE, System
from retrieval.ecg.statements import STATEMENTS, synonyms
from retrieval.scoring import Floats, cosine, macro_auroc, neighbour_vote, other_patients
from retrieval.superclass_words import SUPERCLASS_WORDS

__all__ = ["choose_vote", "prompts", "vote_measures"]

KS = (10, 20, 50, 100, 200)
TEMPERATURES = (0.02, 0.05, 0.1, 0.2, float("inf"))
FALLBACK = (50, float("inf"))
F1_NEIGHBOURS = 10
VOTED: tuple[Level, ...] = ("superclass", "statement")


@dataclass(frozen=True)
class _Votes:
    """What one system's neighbours say of each query, by level: ``[q, classes]``."""

    chosen: tuple[int, float]
    many: Mapping[str, Floats]
    ten: Mapping[str, Floats]


def vote_measures(
    split: Split, systems: Sequence[System], bootstrap: PatientBootstrap, held_out: Collection[str] = ()
) -> list[Measure]:
    """The lines of task 4: five superclasses, then all statements with enough positives, then the slices.

    Args:
        split: of the protocol.
        systems: those with a text tower are prompted as well.
        bootstrap: over the split's queries.
        held_out: codes of the statements that the bundle saw neither as words nor as labels: its true zero-shot.
    """
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
        lines += _prompted(level, members, systems, bootstrap, held_out)
        f1 = {name: _f1(members, found.ten[level], bootstrap) for name, found in votes.items()}
        lines.append(Measure(4, f"majority of 10 neighbours, {level}", "macro F1", "%", f1))
    return lines + _sliced(split, classes["superclass"], votes, bootstrap)


def _sliced(
    split: Split, classes: Classes, votes: Mapping[str, _Votes], bootstrap: PatientBootstrap
) -> list[Measure]:
    """The vote on the superclasses by age, sex, device and site; a class needs its ten positives in each group."""
    lines: list[Measure] = []
    for part in slices_of(split.queries):
        keep = classes.queries[part.rows].sum(axis=0) >= MIN_POSITIVES
        if not keep.any():
            continue
        setting = f"neighbour vote, {part.name} ({int(part.rows.sum()):,} queries, {int(keep.sum())} superclasses)"
        labels = classes.queries[:, keep]
        areas = {
            name: bootstrap.auroc(labels, found.many["superclass"][:, keep], part.rows)
            for name, found in votes.items()
        }
        lines.append(Measure(4, setting, "macro AUROC", "area", areas))
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
        members = [code for code in STATEMENTS if code in _members(level, name)]
        return (*SUPERCLASS_WORDS[name], *(synonyms(c, lang)[0] for c in members for lang in ("en", "de")))
    return (*synonyms(name, "en"), *synonyms(name, "de"))


def _prompted(
    level: Level,
    classes: Classes,
    systems: Sequence[System],
    bootstrap: PatientBootstrap,
    held_out: Collection[str],
) -> list[Measure]:
    """A row for the classes seen in training and one for those held out of it, each where there are any."""
    unseen = np.array([_members(level, name) <= set(held_out) for name in classes.names], dtype=np.bool_)
    lines: list[Measure] = []
    for keep, seen in ((~unseen, "seen in training"), (unseen, "held out of training")):
        chosen = classes.only(keep)
        areas: dict[str, Estimate] = {}
        for system in systems if chosen.names else ():
            texts = _class_vectors(level, chosen.names, system)
            if texts is not None:
                areas[system.name] = bootstrap.auroc(chosen.queries, cosine(system.queries, texts))
        if not set(areas) <= {CHANCE}:
            count = f"{len(chosen.names)} classes, {seen}" if held_out else seen
            setting = f"prompted by statement texts, {level} ({count})"
            headline = level == "superclass" or seen != "seen in training"
            lines.append(Measure(4, setting, "macro AUROC", "area", areas, headline=headline))
    return lines


def _members(level: Level, name: str) -> set[str]:
    if level != "superclass":
        return {name}
    return {code for code, statement in STATEMENTS.items() if statement.superclass == name}


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
