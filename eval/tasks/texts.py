"""Task 3, text to case: what a sentence finds among the ECGs of fold 10.

A case is relevant when it carries every statement of the sentence. Systems search the pages, the reports hidden;
beside them stand searches that read the reports of the same ECGs, and the product's own, which reads both and asks in
the usual terms of a sentence as well. The sentences are made of such terms: all of them are in the product's table.
Intervals come from drawing the patients whose ECGs are searched (`PatientBootstrap.searched`); the sentences are the
same in every draw.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from eval.bootstrap import Estimate, PatientBootstrap, Searched
from eval.hybrid import hybrid_scores
from eval.measures import Measure
from eval.questions import LANGUAGES, Questions, questions_of
from eval.split import Part, Split
from eval.systems import BM25, CHECKED, E5, HYBRID, MINILM, WORDED, System
from eval.text_search import ReportSearch
from retrieval.rewording import reworded
from retrieval.scoring import Bools, Floats, cosine
from retrieval.sentences import KnownSentences

__all__ = ["text_measures"]

K = 10
KINDS: tuple[tuple[str, bool], ...] = (("single statements", True), ("pairs of statements", False))
Found = Mapping[str, tuple[Searched, Searched]]


def text_measures(
    split: Split, systems: Sequence[System], bootstrap: PatientBootstrap, searches: Sequence[ReportSearch] = ()
) -> list[Measure]:
    """The lines of task 3.

    Args:
        split: of the protocol; fold 10 is searched.
        systems: those with a text tower take part.
        bootstrap: over the split's queries, which are what is searched here.
        searches: those that read the reports.
    """
    questions = questions_of(split.queries)
    scores = _scores(split.queries, questions, systems, searches)
    lines: list[Measure] = []
    for place, (language, named) in enumerate(LANGUAGES.items()):
        rows = slice(place * len(questions.codes), (place + 1) * len(questions.codes))
        found = {name: bootstrap.searched(table[rows], questions.relevant, K) for name, table in scores.items()}
        for kind, single in KINDS:
            chosen = questions.single == single
            if chosen.any():
                headline = single and language != "short"
                lines += _lines(
                    found, chosen, f"text to case, {named}, {kind} ({int(chosen.sum())} queries)", headline
                )
    return lines


def _scores(
    part: Part, questions: Questions, systems: Sequence[System], searches: Sequence[ReportSearch]
) -> dict[str, Floats]:
    """Each system's ``queries``, each search's reports and the bundle's both: ``[languages x questions, ecgs]``."""
    sentences = [sentence for language in LANGUAGES for sentence in questions.sentences(language)]
    reports = [row.report for row in part.rows]
    found: dict[str, Floats] = {}
    for system in systems:
        if system.encode_texts is None:
            continue
        encode = KnownSentences(system.encode_texts)
        pages = np.asarray(system.queries)
        found[system.name] = cosine(encode(sentences), pages)
        if system.name == CHECKED:
            said = [reworded(sentence) for sentence in sentences]
            vectors = np.stack([one.vector(encode) for one in said])
            found[WORDED] = cosine(vectors, np.asarray(system.queries))
            found[HYBRID] = hybrid_scores(system.queries, reports, vectors, [one.words for one in said])
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
