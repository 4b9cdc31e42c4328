"""The searches of a gallery: by vector, by the words of the reports, and by both."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike

from index import approximate, fusion, ranking, records, store, words
from index.blocks import Numbers, Rows
from index.case import Neighbour
from index.errors import BadSearch, GalleryDamaged
from index.filters import Where, matching_numbers, sql_of
from index.found import Found
from index.ranking import Mask
from index.rows import unit_rows
from index.session import Session


class Searching:
    """The part of a :class:`~index.gallery.Gallery` that answers."""

    path: Path
    _session: Session

    def search(
        self,
        queries: ArrayLike,
        k: int = 10,
        exclude_patients: Sequence[str | None] | None = None,
        where: Where | None = None,
    ) -> list[list[Neighbour]]:
        """The k nearest cases of each query, by descending cosine similarity and then by case id.

        As :meth:`find`, which also tells where the answer comes from and whether it is exact.
        """
        return self.find(queries, k, exclude_patients, where).neighbours

    def find(
        self,
        queries: ArrayLike,
        k: int = 10,
        exclude_patients: Sequence[str | None] | None = None,
        where: Where | None = None,
    ) -> Found:
        """The k nearest cases of each query, by descending cosine similarity and then by case id.

        Exactly, unless the gallery is large or was opened to be searched approximately; the answer says so.

        Args:
            queries: ``[q, dim]`` unit rows.
            k: how many; fewer come back only when the gallery has fewer that may be answered.
            exclude_patients: for each query the patient whose cases are left out, or None.
            where: which cases may be answered.

        Raises:
            BadVector: when a query is not a unit vector of the gallery's length.
            BadSearch: when k is below 1, or ``exclude_patients`` is not one for each query.
            WrongBundle: when a re-embedding has moved the gallery to another bundle since it was opened.
        """
        matrix = unit_rows(queries, self._session.dim, "the query vectors")
        patients = [None] * len(matrix) if exclude_patients is None else list(exclude_patients)
        _check_k(k)
        _check_patients(len(matrix), len(patients))
        with self._session.reading() as connection:
            rows = self._session.rows(connection)
            allowed = None if where is None else self._mask(connection, rows, where)
            nobody = np.empty(0, np.int64)
            own = {key: rows.positions(store.patient_numbers(connection, key)) for key in set(patients) if key}
            excluded = [own[key] if key else nobody for key in patients]
            index = self._session.index_for(connection, rows)
            answer = approximate.search(index, rows, matrix, k, allowed, excluded)
            meta = self._session.meta
        lists = [_neighbours((case_id, score) for score, case_id in found) for found in answer.ranked]
        return Found(lists, rows.generation, meta.bundle_name, meta.bundle_sha256, answer.exact, answer.recall)

    def _mask(self, connection: sqlite3.Connection, rows: Rows, where: Where) -> Mask:
        """Which rows a filter leaves, remembered while the gallery does not change."""
        sql, values = sql_of(connection, self.path, where)
        return self._session.masks.mask(rows, sql, values, lambda: matching_numbers(connection, self.path, where))

    def similarities(self, query: ArrayLike, ids: Sequence[str]) -> list[float]:
        """The cosine similarity of a vector ``[dim]`` with each of these cases, as :meth:`search` would give it.

        Raises:
            BadVector: when the vector is not a unit vector of the gallery's length.
            UnknownCase: when an id is not in the gallery.
        """
        vector = unit_rows(np.asarray(query)[None], self._session.dim, "the query vector")[0]
        with self._session.reading() as connection:
            rows = self._session.rows(connection)
            places = rows.positions(records.known_numbers(connection, self.path, list(ids)))
            return ranking.exact_scores(rows.vectors(places), vector).tolist()

    def search_words(
        self, text: str, k: int = 10, where: Where | None = None, exclude_patient: str | None = None
    ) -> list[Neighbour]:
        """The first k cases whose reports hold any word of the text, by descending BM25 and then by case id.

        A word counts by its first six letters, so that ``Vorhofflimmern`` also finds ``Vorhofflattern``, lower. The
        score is BM25 (:func:`index.words.ranked`), higher for better and without an upper end.

        Raises:
            BadSearch: when k is below 1, or there is no word in the text.
            GalleryError: when the gallery is of format 1, which has no words.
        """
        _check_k(k)
        with self._session.reading() as connection:
            words.require(connection, self.path)
            condition = sql_of(connection, self.path, where)
            return _neighbours(words.ranked(connection, text, k, condition, exclude_patient))

    def search_hybrid(
        self,
        vector: ArrayLike,
        text: str,
        k: int = 10,
        where: Where | None = None,
        exclude_patient: str | None = None,
    ) -> list[Neighbour]:
        """The first k cases by vector and by words together: the sum of both standard scores (:mod:`index.fusion`).

        Args:
            vector: ``[dim]``, of length 1.
            text: words of a report.
            k: how many.
            where: which cases may be answered.
            exclude_patient: the patient whose cases are left out, or None.

        Returns:
            Their score is that sum: without an upper end, and comparable within one answer only.

        Raises:
            BadVector: when the vector is not a unit vector of the gallery's length.
            BadSearch: when k is below 1, or there is no word in the text.
            GalleryError: when the gallery is of format 1, which has no words.
        """
        _check_k(k)
        query = unit_rows(np.asarray(vector)[None], self._session.dim, "the query vector")[0]
        with self._session.reading() as connection:
            words.require(connection, self.path)
            numbers, scores = words.matches(connection, text)
            rows = self._session.rows(connection)
            near = self.search(query[None], k, [exclude_patient], where)[0]
            nearest = rows.positions(records.known_numbers(connection, self.path, [hit.case_id for hit in near]))
            said = fusion.Said(rows.positions(numbers), scores)
            if len(said.rows) != len(numbers):
                raise GalleryDamaged(f"{self.path}: its words are those of other cases; compact it, or verify it")
            allowed = self._allowed(connection, rows, said.rows, where, exclude_patient)
            found = fusion.fused(rows, query, np.sort(nearest), said, allowed, k)
        return _neighbours((case_id, score) for score, case_id in found)

    def _allowed(
        self, connection: sqlite3.Connection, rows: Rows, chosen: Numbers, where: Where | None, patient: str | None
    ) -> Mask:
        """Which of some rows a filter and the exclusion of a patient leave."""
        kept = np.ones(len(chosen), np.bool_) if where is None else self._mask(connection, rows, where)[chosen]
        own = rows.positions(store.patient_numbers(connection, patient)) if patient else np.empty(0, np.int64)
        return kept & ~np.isin(chosen, own)


def _neighbours(found: Iterable[tuple[str, float]]) -> list[Neighbour]:
    return [Neighbour(place, case_id, score) for place, (case_id, score) in enumerate(found, start=1)]


def _check_k(k: int) -> None:
    if k < 1:
        raise BadSearch(f"k is {k}; it must be 1 or more")


def _check_patients(queries: int, patients: int) -> None:
    if patients != queries:
        raise BadSearch(
            f"exclude_patients names {patients} patients for {queries} queries; give one, or None, for each"
        )
