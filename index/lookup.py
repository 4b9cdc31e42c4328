"""What a gallery gives back of what was added to it, and the facts about it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from index import ingest, records, store
from index.case import Case, GalleryInfo
from index.filters import Where, sql_of
from index.ingest import Ingest
from index.session import Session


class Lookup:
    """The part of a :class:`~index.gallery.Gallery` that gives back cases, vectors and counts."""

    path: Path
    _session: Session

    @property
    def dim(self) -> int:
        """The length of a vector."""
        return self._session.meta.dim

    @property
    def bundle_name(self) -> str:
        """The bundle that made the vectors."""
        return self._session.meta.bundle_name

    @property
    def bundle_sha256(self) -> str:
        """What tells that bundle from any other."""
        return self._session.meta.bundle_sha256

    @property
    def simulated(self) -> bool:
        """Whether the cases are simulated."""
        return self._session.meta.simulated

    def cases(self, ids: Sequence[str]) -> list[Case]:
        """The cases of these ids, in that order, each checked to be what was added.

        Raises:
            UnknownCase: when an id is not in the gallery.
            GalleryDamaged: when a case is not what was added.
        """
        with self._session.reading() as connection:
            numbers = records.known_numbers(connection, self.path, list(ids))
            return list(records.read_cases(connection, self.path, numbers))

    def known(self, ids: Sequence[str]) -> set[str]:
        """Those of these ids that are in the gallery."""
        with self._session.reading() as connection:
            return set(records.numbers_of(connection, list(ids)))

    def retired(self, ids: Sequence[str]) -> set[str]:
        """Those of these ids that were deleted and are never used again."""
        with self._session.reading() as connection:
            return {case_id for case_id in ids if store.is_retired(connection, case_id)}

    def ids(self, where: Where | None = None) -> list[str]:
        """The ids of all cases that meet a condition, in the order in which they were added."""
        with self._session.reading() as connection:
            condition, values = sql_of(connection, self.path, where)  # of fixed texts; every value is bound
            found = connection.execute(f"SELECT case_id FROM cases WHERE {condition} ORDER BY number", values)  # noqa: S608
            return [case_id for (case_id,) in found]

    def vectors(self, ids: Sequence[str] | None = None) -> NDArray[np.float32]:
        """The vectors ``[n, dim]`` of these ids, or of all in the order of :meth:`ids`; a copy.

        Raises:
            UnknownCase: when an id is not in the gallery.
        """
        with self._session.reading() as connection:
            rows = self._session.rows(connection)
            if ids is None:
                return rows.vectors()
            return rows.vectors(rows.positions(records.known_numbers(connection, self.path, list(ids))))

    def statement_counts(self) -> dict[str, int]:
        """How many cases have each statement, the most frequent first."""
        with self._session.reading() as connection:
            return store.statement_counts(connection)

    def earlier(self, patient_key: str) -> list[Case]:
        """All cases of a patient, the oldest first."""
        with self._session.reading() as connection:
            numbers = store.patient_numbers(connection, patient_key)
            return list(records.read_cases(connection, self.path, numbers))

    def added(self, ids: Sequence[str]) -> list[int]:
        """The generation in which each of these cases was added or last replaced; 0 when a format before 2 added it.

        Raises:
            UnknownCase: when an id is not in the gallery.
        """
        with self._session.reading() as connection:
            numbers = records.known_numbers(connection, self.path, list(ids))
            return store.added_in(connection, numbers)

    def ingest(self, fingerprint: str) -> Ingest | None:
        """How far the stream of that fingerprint was taken by :meth:`Gallery.add`, or None when it was not begun."""
        with self._session.reading() as connection:
            return ingest.read(connection, fingerprint)

    def info(self) -> GalleryInfo:
        """The facts about this gallery."""
        with self._session.reading() as connection:
            size = sum(file.stat().st_size for file in self.path.iterdir() if file.is_file())
            return GalleryInfo(
                path=str(self.path),
                generation=store.generation(connection),
                cases=store.count_cases(connection),
                dim=self.dim,
                bundle_name=self.bundle_name,
                bundle_sha256=self.bundle_sha256,
                simulated=self.simulated,
                patients=store.count_patients(connection),
                bytes=size,
            )
