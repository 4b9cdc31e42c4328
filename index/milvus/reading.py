"""What a gallery in Milvus gives back of what was added, and the facts about it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from index.case import Case, GalleryInfo, VerifyReport
from index.errors import GalleryBusy, GalleryDamaged, UnknownCase
from index.filters import Where, condition_of
from index.ingest import Ingest
from index.milvus import ledger, ranking, rows
from index.milvus.expressions import expression_of
from index.milvus.layout import digest
from index.milvus.session import Session, View

MOST_PROBLEMS = 50


class Reading:
    """The part of a :class:`~index.milvus.gallery.MilvusGallery` that changes nothing."""

    _session: Session

    @property
    def path(self) -> str:
        """The place, as text."""
        return str(self._session.store.place)

    @property
    def read_only(self) -> bool:
        """Whether changes are refused."""
        return self._session.read_only

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

    @property
    def notices(self) -> tuple[str, ...]:
        """What a user should hear about this gallery: nothing so far."""
        return ()

    @property
    def exact(self) -> bool:
        """Whether a search without a filter compares with every case."""
        with self._session.reading() as view:
            return view.state.index is None

    def __len__(self) -> int:
        with self._session.reading() as view:
            return view.state.cases

    @contextlib.contextmanager
    def snapshot(self) -> Iterator[int]:
        """All calls of this thread inside see one generation, which is given, for half a minute at most."""
        with self._session.reading() as view:
            yield view.state.generation

    def cases(self, ids: Sequence[str]) -> list[Case]:
        """The cases of these ids, in that order, each checked to be what was added.

        Raises:
            UnknownCase: when an id is not in the gallery.
            GalleryDamaged: when a case is not what was added.
        """
        with self._session.reading() as view:
            return self._cases_of(self._known_numbers(view, ids))

    def known(self, ids: Sequence[str]) -> set[str]:
        """Those of these ids that are in the gallery."""
        with self._session.reading() as view:
            return set(self._numbers(view, ids))

    def retired(self, ids: Sequence[str]) -> set[str]:
        """Those of these ids that were deleted and are never used again."""
        with self._session.reading() as view:
            return ledger.read_retired(self._session.store, view.state, list(ids))

    def ids(self, where: Where | None = None) -> list[str]:
        """The ids of all cases that meet a condition, in the order in which they were added.

        Raises:
            GalleryError: when the condition asks for words of the report.
        """
        tree = None if where is None else condition_of(where).tree
        wanted = None if tree is None else expression_of(tree)
        with self._session.reading() as view:
            if wanted is None:
                return [row["case_id"] for row in self._all_rows(view, ("case_id",))]
            found = ranking.blocks(self._session.store, view.state, ("case_id",), wanted)
            return [row["case_id"] for block in found for row in block]

    def vectors(self, ids: Sequence[str] | None = None) -> NDArray[np.float32]:
        """The vectors ``[n, dim]`` of these ids, or of all in the order of :meth:`ids`.

        Raises:
            UnknownCase: when an id is not in the gallery.
        """
        with self._session.reading() as view:
            if ids is None:
                found = [row["vector"] for row in self._all_rows(view, ("vector",))]
            else:
                numbers = self._known_numbers(view, ids)
                by_number = self._rows(numbers, ("vector",))
                found = [by_number[number]["vector"] for number in numbers]
            return np.array(found, np.float32).reshape(len(found), self.dim)

    def statement_counts(self) -> dict[str, int]:
        """How many cases have each statement, the most frequent first."""
        with self._session.reading() as view:
            return dict(sorted(view.state.counts.items(), key=lambda pair: (-pair[1], pair[0])))

    def earlier(self, patient_key: str) -> list[Case]:
        """All cases of a patient, the oldest first."""
        with self._session.reading() as view:
            numbers = numbers_of_patients(self._session, view, {patient_key}).get(patient_key, frozenset())
            found = self._cases_of(sorted(numbers))
        return sorted(found, key=lambda case: (case.recorded is None, case.recorded or "", case.case_id))

    def added(self, ids: Sequence[str]) -> list[int]:
        """The generation in which each of these cases was added or last replaced.

        Raises:
            UnknownCase: when an id is not in the gallery.
        """
        with self._session.reading() as view:
            numbers = self._known_numbers(view, ids)
            by_number = self._rows(numbers, ("added",))
            return [by_number[number]["added"] for number in numbers]

    def ingest(self, fingerprint: str) -> Ingest | None:
        """How far the stream of that fingerprint was taken, or None when it was not begun."""
        with self._session.reading() as view:
            return ledger.read_ingest(self._session.store, view.state, fingerprint)

    def info(self) -> GalleryInfo:
        """The facts about this gallery; its bytes are known of a file only, and 0 of a server."""
        file = self._session.store.place.file
        files = [] if file is None else ([file] if file.is_file() else file.rglob("*"))
        with self._session.reading() as view:
            return GalleryInfo(
                path=self.path,
                generation=view.state.generation,
                cases=view.state.cases,
                dim=self.dim,
                bundle_name=self.bundle_name,
                bundle_sha256=self.bundle_sha256,
                simulated=self.simulated,
                patients=view.state.patients,
                bytes=sum(one.stat().st_size for one in files if one.is_file()),
            )

    def verify(self) -> VerifyReport:
        """Check that every case and every vector is what was added; near-duplicates are not looked for.

        ``cache`` is always fresh: there is none.
        """
        with self._session.reading() as view:
            problems = list(self._problems(view))
            state = view.state
        return VerifyReport(not problems, tuple(problems[:MOST_PROBLEMS]), state.cases, state.generation, "fresh")

    def _problems(self, view: View) -> Iterator[str]:
        count = 0
        fields = ("case_id", "vector_sha256", "vector", *rows.DOCUMENT)
        for block in ranking.blocks(self._session.store, view.state, fields):
            for row in block:
                count += 1
                if rows.vector_digest(np.asarray(row["vector"], np.float32)) != row["vector_sha256"]:
                    yield f"{self.path}: the vector of case {row['case_id']!r} is not what was added"
                try:
                    list(rows.cases_in(self._session.store, [row]))
                except GalleryDamaged as error:
                    yield str(error)
        if count != view.state.cases:
            yield f"{self.path}: {count} cases are there, {view.state.cases} were committed"

    def _all_rows(self, view: View, fields: Sequence[str]) -> list[dict[str, Any]]:
        """Every row that counts, by ascending number.

        Raises:
            GalleryBusy: when rows were removed while they were read, which takes longer than deleted ones stay.
        """
        blocks = ranking.blocks(self._session.store, view.state, fields)
        found = [row for block in blocks for row in block]
        if len(found) != view.state.cases:
            raise GalleryBusy(
                f"{self.path}: {len(found)} of {view.state.cases} cases could be read; either the gallery was "
                "changed meanwhile, then ask again, or it is damaged, which verify tells"
            )
        return found

    def _rows(self, numbers: Sequence[int], fields: Sequence[str]) -> dict[int, dict[str, Any]]:
        store = self._session.store
        found = store.same_rows(store.cases, "number", list(dict.fromkeys(numbers)), fields)
        by_number = {row["number"]: row for row in found}
        for number in numbers:
            if number not in by_number:
                raise GalleryDamaged(f"{self.path}: case number {number} cannot be read back; add it again")
        return by_number

    def _cases_of(self, numbers: Sequence[int]) -> list[Case]:
        by_number = self._rows(numbers, ("case_id", *rows.DOCUMENT))
        return list(rows.cases_in(self._session.store, [by_number[number] for number in numbers]))

    def _numbers(self, view: View, ids: Sequence[str]) -> dict[str, int]:
        """The numbers of those ids that are in the gallery."""
        return numbers_of(self._session, view, ids)

    def _known_numbers(self, view: View, ids: Sequence[str]) -> list[int]:
        """The number of each id, in order.

        Raises:
            UnknownCase: naming the first id that is not in the gallery.
        """
        found = self._numbers(view, ids)
        for case_id in ids:
            if case_id not in found:
                raise UnknownCase(
                    f"{self.path}: there is no case {case_id!r}, or it was deleted; ids() lists those there are"
                )
        return [found[case_id] for case_id in ids]


def numbers_of(session: Session, view: View, ids: Sequence[str]) -> dict[str, int]:
    """The numbers of those ids that are in the gallery; what a view has looked up it remembers."""
    unknown = {digest(case_id): case_id for case_id in ids if case_id not in view.numbers}
    store = session.store
    rows = store.query_keys(store.cases, "case_key", list(unknown), ("number", "case_id"), view.state.visible())
    view.numbers.update((row["case_id"], row["number"]) for row in rows)
    return {case_id: view.numbers[case_id] for case_id in ids if case_id in view.numbers}


def numbers_of_patients(session: Session, view: View, keys: set[str]) -> dict[str, frozenset[int]]:
    """The numbers of the cases of each of these patients that has any."""
    store = session.store
    by_digest = {digest(key): key for key in keys}
    found: dict[str, set[int]] = {}
    visible = view.state.visible()
    for row in store.query_keys(store.cases, "patient", list(by_digest), ("number", "patient"), visible):
        found.setdefault(by_digest[row["patient"]], set()).add(row["number"])
    return {key: frozenset(numbers) for key, numbers in found.items()}
