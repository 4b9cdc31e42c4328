"""What the product's own search by a sentence finds when the ECGs of a part are its gallery."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from eval.systems import Vectors
from index import Case, Gallery, Neighbour
from retrieval.scoring import Floats

__all__ = ["hybrid_scores", "word_scores"]


def hybrid_scores(pages: Vectors, reports: Sequence[str], vectors: Vectors, sentences: Sequence[str]) -> Floats:
    """The scores of ``Gallery.search_hybrid``, ``nearbeat search --by both``.

    Args:
        pages: ``[n, dim]``, a unit row for each ECG.
        reports: the report of each.
        vectors: ``[q, dim]``, a unit row for each sentence.
        sentences: what is asked.

    Returns:
        ``[q, n]``.
    """
    asked = list(zip(np.asarray(vectors, np.float32), sentences, strict=True))
    with _gallery(pages, reports) as gallery:
        return _table([gallery.search_hybrid(vector, text, len(reports)) for vector, text in asked], len(reports))


def word_scores(reports: Sequence[str], sentences: Sequence[str]) -> Floats:
    """The scores ``[q, n]`` of ``Gallery.search_words``; 0 for a report without any of the words."""
    with _gallery(np.ones((len(reports), 1)), reports) as gallery:
        return _table([gallery.search_words(text, len(reports)) for text in sentences], len(reports))


@contextmanager
def _gallery(pages: Vectors, reports: Sequence[str]) -> Iterator[Gallery]:
    with tempfile.TemporaryDirectory(prefix="nearbeat-hybrid-") as folder:
        path = Path(folder) / "gallery"
        with Gallery.create(path, bundle_name="hybrid", bundle_sha256="0" * 64, dim=pages.shape[1]) as gallery:
            cases = [Case(str(place), report, {}) for place, report in enumerate(reports)]
            gallery.add(cases, np.asarray(pages, np.float32))
            yield gallery


def _table(answers: Sequence[Sequence[Neighbour]], cases: int) -> Floats:
    scores = np.zeros((len(answers), cases))
    for row, answer in zip(scores, answers, strict=True):
        for hit in answer:
            row[int(hit.case_id)] = hit.score
    return scores
