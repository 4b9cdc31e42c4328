"""Task 3, text to case: what a sentence finds among the ECGs of fold 10.

A case is relevant when it carries every statement of the sentence. Systems search the pages, the reports hidden;
beside them stand searches that read the reports of the same ECGs, and the hybrid of both. Intervals come from drawing
the patients whose ECGs are searched (`PatientBootstrap.searched`); the sentences are the same in every draw.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from eval.bootstrap import Estimate, PatientBootstrap, Searched
from eval.fusion import Fusion, fusions_of
from eval.measures import Measure
from eval.metrics.ranking import average_precision, precision_at, rank_by_score
from eval.questions import LANGUAGES, Questions, questions_of
from eval.split import Part, Split
from eval.systems import BM25, CHECKED, E5, HYBRID, MINILM, System, Vectors
from eval.text_search import ReportSearch, VectorSearch
from retrieval.scoring import Bools, Floats, cosine

__all__ = ["OWN_TOWER", "choose_fusion", "text_measures"]

K = 10
OWN_TOWER = "its own text tower"
"""The bundle's text tower as a search among reports; only the hybrid asks it."""
IN_HYBRID = (BM25, OWN_TOWER)
"""What a gallery can do with the bundle alone; a hybrid that needs a second model is none that this product has."""
FEWEST_IN_FOLD_9 = 5
"""Fold 9 has 242 ECGs; of statements with ten positives it has 14."""
KINDS: tuple[tuple[str, bool], ...] = (("single statements", True), ("pairs of statements", False))
Found = Mapping[str, tuple[Searched, Searched]]


def text_measures(
    split: Split, systems: Sequence[System], bootstrap: PatientBootstrap, searches: Sequence[ReportSearch] = ()
) -> list[Measure]:
    """The lines of task 3.

    Args:
        split: of the protocol; fold 9 chooses the fusion, fold 10 is searched.
        systems: those with a text tower take part.
        bootstrap: over the split's queries, which are what is searched here.
        searches: those that read the reports; without any, the hybrid has the bundle's own text tower alone.
    """
    questions = questions_of(split.queries)
    own = next((system for system in systems if system.name == CHECKED and system.encode_texts is not None), None)
    fusion = None if own is None else choose_fusion(split.validation, own, searches)
    scores = _scores(split.queries, questions, systems, searches)
    if own is not None and fusion is not None:
        scores[HYBRID] = fusion(scores[CHECKED], scores | _scores(split.queries, questions, [], [_own_tower(own)]))
    lines: list[Measure] = []
    for place, named in enumerate(LANGUAGES.values()):
        rows = slice(place * len(questions.codes), (place + 1) * len(questions.codes))
        found = {name: bootstrap.searched(table[rows], questions.relevant, K) for name, table in scores.items()}
        for kind, single in KINDS:
            chosen = questions.single == single
            if chosen.any():
                lines += _lines(found, chosen, f"text to case, {named}, {kind} ({int(chosen.sum())} queries)", single)
    return [replace(line, notes={HYBRID: str(fusion)}) if HYBRID in line.scores else line for line in lines]


def _scores(
    part: Part, questions: Questions, systems: Sequence[System], searches: Sequence[ReportSearch]
) -> dict[str, Floats]:
    """Each system's ``queries`` and each search's reports, ``[languages x questions, ecgs]``, English first."""
    sentences = [sentence for language in LANGUAGES for sentence in questions.sentences(language)]
    reports = [row.report for row in part.rows]
    found: dict[str, Floats] = {}
    for system in systems:
        texts = system.text_vectors(sentences)
        if texts is not None:
            found[system.name] = cosine(texts, np.asarray(system.queries))
    return found | {search.name: search.scores(sentences, reports) for search in searches}


def _lines(found: Found, rows: Bools, setting: str, headline: bool) -> list[Measure]:
    ten = {name: precision.mean(rows) for name, (precision, _) in found.items()}
    mean_ap = {name: average.mean(rows) for name, (_, average) in found.items()}
    lines = [
        Measure(3, setting, "macro P@10", "%", ten, headline=headline),
        Measure(3, setting, "macro mAP", "%", mean_ap),
    ]
    if BM25 in ten:
        share = {name: _over(score, ten[BM25]) for name, score in ten.items() if name != BM25}
        lines.append(Measure(3, setting, "P@10 as a share of BM25's", "%", share))
    readers = [name for name in (BM25, E5, MINILM) if name in ten]
    if HYBRID in ten and readers:
        ahead = {name: ten[HYBRID].minus(ten[name]) for name in readers}
        lines.append(Measure(3, setting, "P@10, hybrid less this search", "%", ahead))
    return lines


def _over(score: Estimate, other: Estimate) -> Estimate:
    """The paired ratio of two figures of one bootstrap."""
    draws = np.divide(score.draws, other.draws, out=np.full(score.draws.shape, np.nan), where=other.draws > 0)
    value = score.value / other.value if other.value > 0 else float("nan")
    return Estimate(value, draws, score.queries)


def choose_fusion(part: Part, system: System, searches: Sequence[ReportSearch] = ()) -> Fusion | None:
    """The fusion that finds best on fold 9, the earlier of equal ones; None where the fold has no question to ask.

    Best is the mean of P@10 and average precision, over both languages and over single statements and pairs alike.

    Args:
        part: fold 9.
        system: with a text tower; its ``validation`` holds the pages of the part.
        searches: those that read the reports; of them BM25 may be chosen, beside the system's own text tower.
    """
    questions = questions_of(part, FEWEST_IN_FOLD_9)
    if not questions.codes:
        return None
    here = replace(system, queries=system.validation)
    asked = [*(search for search in searches if search.name in IN_HYBRID), _own_tower(system)]
    found = _scores(part, questions, [here], asked)
    choices = fusions_of([search.name for search in asked])
    reached = [_reached(choice(found[system.name], found), questions) for choice in choices]
    return choices[int(np.argmax(np.round(reached, 9)))]


def _reached(scores: Floats, questions: Questions) -> float:
    relevant = np.tile(questions.relevant, (len(LANGUAGES), 1))
    single = np.tile(questions.single, len(LANGUAGES))
    ranking = rank_by_score(scores)
    both = (precision_at(ranking, relevant, K) + average_precision(ranking, relevant)) / 2
    groups = [both[single == kind] for _, kind in KINDS]
    return float(np.mean([group.mean() for group in groups if group.size]))


def _own_tower(system: System) -> VectorSearch:
    def encode(texts: Sequence[str]) -> Vectors:
        return np.asarray(system.text_vectors(texts))

    return VectorSearch(OWN_TOWER, encode, encode)
