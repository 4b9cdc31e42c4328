"""The searches of a gallery in Milvus."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from index import ranking as exact
from index.case import Neighbour
from index.errors import BadSearch, GalleryBusy, GalleryError
from index.filters import Where, condition_of
from index.found import Found
from index.milvus import approximate, ranking
from index.milvus.expressions import expression_of
from index.milvus.reading import Reading, numbers_of_patients
from index.milvus.session import View
from index.rows import unit_rows

_NO_WORDS = (
    "{place}: a gallery in Milvus cannot search the words of reports; search by vectors (--by vectors), or keep the "
    "gallery in a folder"
)


class Searching(Reading):
    """The part of a :class:`~index.milvus.gallery.MilvusGallery` that answers."""

    _tail: approximate.Tail

    def search(
        self,
        queries: ArrayLike,
        k: int = 10,
        exclude_patients: Sequence[str | None] | None = None,
        where: Where | None = None,
    ) -> list[list[Neighbour]]:
        """The neighbours of :meth:`find`."""
        return self.find(queries, k, exclude_patients, where).neighbours

    def find(
        self,
        queries: ArrayLike,
        k: int = 10,
        exclude_patients: Sequence[str | None] | None = None,
        where: Where | None = None,
    ) -> Found:
        """The k nearest cases of each query; see :meth:`index.searching.Searching.find`.

        Raises:
            BadVector: when a query is not a unit vector of the gallery's length.
            BadSearch: when k is below 1, or ``exclude_patients`` is not one for each query.
            GalleryError: when the condition asks for words of the report.
        """
        matrix = unit_rows(queries, self.dim, "the query vectors")
        patients = [None] * len(matrix) if exclude_patients is None else list(exclude_patients)
        _check(k, len(matrix), len(patients))
        tree = None if where is None else condition_of(where).tree
        with self._session.reading() as view:
            wanted = None if tree is None else expression_of(tree)
            own = numbers_of_patients(self._session, view, {key for key in patients if key})
            excluded = [own.get(key or "", frozenset()) for key in patients]
            lists, recall = self._ranked(view, matrix, k, excluded, wanted)
            generation = view.state.generation
        found = [
            [Neighbour(place, case_id, score) for place, (score, case_id) in enumerate(ranked, start=1)]
            for ranked in lists
        ]
        return Found(found, generation, self.bundle_name, self.bundle_sha256, recall is None, recall)

    def _ranked(
        self,
        view: View,
        matrix: NDArray[np.float32],
        k: int,
        excluded: Sequence[frozenset[int]],
        wanted: str | None,
    ) -> tuple[list[exact.Ranked], float | None]:
        if not view.state.cases or not len(matrix):
            return [[] for _ in matrix], None
        if view.state.indexing:
            raise GalleryBusy(
                f"{self.path}: the index is being made, or making it was cut off; ask again later, or make it again"
            )
        if view.state.index is not None:
            return approximate.search(self._session.store, view.state, self._tail, matrix, k, excluded, wanted)
        visible = view.state.visible(wanted)
        return ranking.rank(self._session.store, view.state, matrix, k, excluded, visible, {}), None

    def similarities(self, query: ArrayLike, ids: Sequence[str]) -> list[float]:
        """The cosine similarity of a vector ``[dim]`` with each of these cases, as :meth:`search` would give it."""
        vector = unit_rows(np.asarray(query)[None], self.dim, "the query vector")[0]
        return exact.exact_scores(self.vectors(ids), vector).tolist() if len(ids) else []

    def search_words(
        self, text: str, k: int = 10, where: Where | None = None, exclude_patient: str | None = None
    ) -> list[Neighbour]:
        """Refused: Milvus 2.3 has no index of words.

        Raises:
            GalleryError: always.
        """
        raise GalleryError(_NO_WORDS.format(place=self.path))

    def search_hybrid(
        self,
        vector: ArrayLike,
        text: str,
        k: int = 10,
        where: Where | None = None,
        exclude_patient: str | None = None,
    ) -> list[Neighbour]:
        """Refused: Milvus 2.3 has no index of words.

        Raises:
            GalleryError: always.
        """
        raise GalleryError(_NO_WORDS.format(place=self.path))


def _check(k: int, queries: int, patients: int) -> None:
    if k < 1:
        raise BadSearch(f"k is {k}; it must be 1 or more")
    if patients != queries:
        raise BadSearch(
            f"exclude_patients names {patients} patients for {queries} queries; give one, or None, for each"
        )
