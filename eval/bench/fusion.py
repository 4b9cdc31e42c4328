"""Which fusion of a search by vector and one by words finds most, and in which terms, on PTB-XL's fold 9.

``python -m eval.bench.fusion --ptbxl FOLDER [--bundle FOLDER]`` prints a table for each way of asking, with a row for
each rule and weight of the vectors: P@10 of statements and of pairs of them, in English, German and abbreviations.
The rule of ``index.fusion`` was chosen by it, and that ``retrieval.rewording`` adds one usual term a language.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from itertools import product
from pathlib import Path

import numpy as np

from eval.hybrid import word_scores
from eval.metrics.ranking import precision_at, rank_by_score
from eval.questions import LANGUAGES, Questions, questions_of
from eval.split import split_by_fold
from retrieval.corpora.ptbxl import PtbXl
from retrieval.ecg.page import canonical_page
from retrieval.ecg.statements import synonyms
from retrieval.rewording import Reworded, reworded
from retrieval.scoring import Floats, cosine
from retrieval.towers.bundle import Bundle

K = 10
FEWEST = 5
"""Fold 9 has 242 ECGs at hand; of statements with ten positives it has 14."""
RRF_K = 60
"""Of Cormack, Clarke and Büttcher (SIGIR 2009), who found its size to matter little."""
WEIGHTS = (0.5, 1.0, 2.0, 3.0)


def main() -> None:
    """Encode the fold, ask, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ptbxl", type=Path, required=True, help="the folder that holds ptbxl_database.csv")
    parser.add_argument("--bundle", type=Path, default=None, help="the bundle; the shipped one without it")
    options = parser.parse_args()
    corpus, towers = PtbXl.open(options.ptbxl), Bundle.load(options.bundle)
    part = split_by_fold(corpus).validation
    recordings = [corpus.recording(row) for row in part.rows]
    pages = towers.encode_pages([towers.image_of(canonical_page(one).pixels, one) for one in recordings])
    questions = questions_of(part, FEWEST)
    reports = [row.report for row in part.rows]
    kinds = [f"{name}, {kind}" for name, kind in product(LANGUAGES.values(), ("single", "pairs"))]
    for way, asked in ways_of_asking(questions).items():
        vectors = cosine(np.stack([one.vector(towers.encode_texts) for one in asked]), pages)
        words = word_scores(reports, [one.words for one in asked])
        _row([way, *kinds, "mean"])
        _row(["---"] * (len(kinds) + 2))
        for name, scores in _choices(vectors, words):
            reached = _precision(scores, questions)
            _row([name, *(f"{100 * share:.1f}" for share in [*reached, float(np.mean(reached))])])
        sys.stdout.write("\n")


def ways_of_asking(questions: Questions) -> dict[str, list[Reworded]]:
    """The questions in every language: as they stand, in the usual terms as well, and in every wording there is."""
    sentences = [sentence for language in LANGUAGES for sentence in questions.sentences(language)]
    every = [
        tuple(wording for code in codes for language in LANGUAGES for wording in synonyms(code, language))
        for codes in questions.codes * len(LANGUAGES)
    ]
    return {
        "as written": [Reworded.as_written(text) for text in sentences],
        "usual terms": [reworded(text) for text in sentences],
        "every wording": [Reworded(text, more, (text, *more)) for text, more in zip(sentences, every, strict=True)],
    }


def reciprocal_ranks(scores: Floats) -> Floats:
    """1 / (60 + place) for scores ``[q, n]``; tied entries share the mean of their places."""
    ranking = rank_by_score(scores)
    places = np.empty(scores.shape)
    np.put_along_axis(places, ranking.order, (ranking.start + ranking.stop + 1) / 2, axis=1)
    return 1 / (RRF_K + places)


def standard_scores(scores: Floats) -> Floats:
    """Each row of ``[q, n]`` less its mean and over its spread; 0 for a row of equal scores."""
    spread = scores.std(axis=1, keepdims=True)
    return (scores - scores.mean(axis=1, keepdims=True)) / np.where(spread > 1e-9, spread, np.inf)


def _choices(vectors: Floats, words: Floats) -> Iterator[tuple[str, Floats]]:
    yield "vectors alone", vectors
    yield "words alone", words
    for rule in (reciprocal_ranks, standard_scores):
        for weight in WEIGHTS:
            total = weight * rule(vectors) + rule(words)
            yield f"{rule.__name__.replace('_', ' ')}, vectors {weight:g}", total.round(12)


def _precision(scores: Floats, questions: Questions) -> list[float]:
    """P@10 by language, for single statements and for pairs."""
    relevant = np.tile(questions.relevant, (len(LANGUAGES), 1))
    found = precision_at(rank_by_score(scores), relevant, K).reshape(len(LANGUAGES), -1)
    return [float(of[questions.single == single].mean()) for of in found for single in (True, False)]


def _row(cells: list[str]) -> None:
    sys.stdout.write("| " + " | ".join(cells) + " |\n")


if __name__ == "__main__":
    main()
