"""What is compared: anything that gives each page a vector, and perhaps each sentence."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from retrieval.ecg.page import Gray
from retrieval.scoring import Floats, cosine

__all__ = [
    "BM25",
    "CHANCE",
    "CHECKED",
    "E5",
    "ENCODED",
    "HYBRID",
    "MINILM",
    "ORACLE",
    "PIXELS",
    "REFERENCES",
    "SIGNAL",
    "UNTRAINED",
    "WORDED",
    "Encoder",
    "PageEncoder",
    "System",
    "chance",
]

Vectors = NDArray[np.floating]
Encoder = Callable[[Sequence[str]], NDArray[np.float32]]
PageEncoder = Callable[[Sequence[Gray]], NDArray[np.floating]]

CHECKED = "bundle"
UNTRAINED = "untrained"
PIXELS = "pixels"
CHANCE = "chance"
ORACLE = "oracle"
SIGNAL = "signal"
ENCODED = "encoding"
BM25 = "bm25"
E5 = "e5"
MINILM = "minilm"
WORDED = "worded"
"""The bundle, asked in the usual terms of a sentence as well, as the product asks it (``retrieval.rewording``)."""
HYBRID = "hybrid"
REFERENCES = frozenset({ORACLE, SIGNAL, WORDED, BM25, E5, MINILM, HYBRID})
"""Systems that know what a page does not show (the answer, the samples, the reports), and the bundle asked otherwise:
printed beside the bundle, and no baselines that it must be ahead of."""


@dataclass(frozen=True)
class System:
    """One way of placing pages, all vectors unit rows.

    Args:
        name: as printed.
        gallery: ``[g, dim]`` pages of folds 1 to 8.
        validation: ``[v, dim]`` pages of fold 9.
        queries: ``[q, dim]`` pages of fold 10.
        encode_texts: sentences to ``[n, dim]``; None for a system that reads pages only.
        encode_pages: canonical pages to unit rows ``[n, dim]``; None for a system that reads no pages.
    """

    name: str
    gallery: Vectors
    validation: Vectors
    queries: Vectors
    encode_texts: Encoder | None = None
    encode_pages: PageEncoder | None = None

    def scores(self) -> Floats:
        """Fold 10 against the gallery, ``[q, g]``."""
        return cosine(self.queries, self.gallery)

    def validation_scores(self) -> Floats:
        """Fold 9 against the gallery, ``[v, g]``."""
        return cosine(self.validation, self.gallery)

    def text_vectors(self, texts: Sequence[str]) -> NDArray[np.float32] | None:
        """``[n, dim]``, each distinct text encoded once so that equal texts tie; None without a tower."""
        if self.encode_texts is None:
            return None
        distinct, place = np.unique(np.array(list(texts), dtype=np.str_), return_inverse=True)
        return np.asarray(self.encode_texts([str(text) for text in distinct]))[place.ravel()]


def chance(gallery: int, validation: int, queries: int) -> System:
    """The system that tells nothing: all scores are equal, and the measures give a tie its expected value."""

    def nothing(items: Sequence[object]) -> NDArray[np.float32]:
        return np.zeros((len(items), 1), dtype=np.float32)

    parts = (np.zeros((count, 1)) for count in (gallery, validation, queries))
    return System(CHANCE, *parts, encode_texts=nothing, encode_pages=nothing)
