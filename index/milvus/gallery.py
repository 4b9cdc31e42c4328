"""The gallery in Milvus: making, opening and changing it.

:mod:`index.milvus.searching` answers, :mod:`index.milvus.reading` gives back what was added.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Sequence
from dataclasses import replace
from types import TracebackType

import numpy as np
from numpy.typing import ArrayLike, NDArray

from index import choice
from index.case import Case
from index.choice import Method
from index.errors import BadVector, GalleryError, GalleryExists, GalleryMissing, WrongBundle
from index.ingest import Ingest
from index.milvus import approximate, ledger, writing
from index.milvus.ledger import State
from index.milvus.place import Place, place_in
from index.milvus.searching import Searching
from index.milvus.session import Session
from index.milvus.store import Store
from index.rows import unit_rows


class MilvusGallery(Searching):
    """Cases with their reports and vectors, in Milvus; made by :meth:`create`, used again by :meth:`open`.

    It answers as :class:`index.Gallery` does, to the byte. Reads see the last commit of any process; a change is all
    there or not at all. One process writes at a time, from its first change until :meth:`close`.
    """

    def __init__(self, session: Session, index: Method = "auto") -> None:
        self._session = session
        self._tail = approximate.Tail(session.store)
        self._wanted: Method = index

    @classmethod
    def create(
        cls,
        place: str | Place,
        *,
        bundle_name: str,
        bundle_sha256: str,
        dim: int,
        simulated: bool = False,
        building: bool = False,
    ) -> MilvusGallery:
        """Make an empty gallery and open it for writing.

        Args:
            place: where, as :mod:`index.milvus.place` has it.
            bundle_name: the bundle whose vectors it will hold.
            bundle_sha256: what tells that bundle from any other.
            dim: the length of a vector, 2 or more.
            simulated: whether its cases are simulated.
            building: whether it stays closed to readers until :meth:`finish_building`.

        Raises:
            GalleryExists: when a gallery of that name is there already.
        """
        if dim < 2:
            raise BadVector(f"Milvus keeps no vectors of length {dim}; dim must be 2 or more")
        store = Store(_place(place))
        with contextlib.ExitStack() as undo:
            undo.callback(store.close)
            if store.exists():
                store.load()
                with contextlib.suppress(GalleryMissing):  # collections without a commit: making it was cut off
                    ledger.read_state(store)
                    raise GalleryExists(f"{store.place}: a gallery is there already; open it, or choose another name")
            store.create(dim)
            state = State(bundle_name, bundle_sha256, dim, simulated, building=building)
            ledger.write_commit(store, state)
            undo.pop_all()
        return cls(Session(store, state, read_only=False))

    @classmethod
    def open(
        cls,
        place: str | Place,
        *,
        read_only: bool = True,
        bundle_sha256: str | None = None,
        index: Method = "auto",
    ) -> MilvusGallery:
        """Open a gallery.

        Args:
            place: where, as :mod:`index.milvus.place` has it.
            read_only: whether changes are refused.
            bundle_sha256: the bundle at hand, when the gallery shall be refused that another bundle made.
            index: what :meth:`prepare_index` makes: ``exact``, ``approximate``, or by size (:mod:`index.choice`).

        Raises:
            GalleryMissing: when there is none, or readers ask for one that is still being built.
            WrongBundle: when another bundle made its vectors.
        """
        where = _place(place)
        if where.file is not None and not where.file.exists():
            raise GalleryMissing(f"{where}: there is no such file; build a gallery or check the place")
        store = Store(where)
        with contextlib.ExitStack() as undo:
            undo.callback(store.close)
            if not store.exists():
                raise GalleryMissing(f"{where}: there is no gallery; build one or check the place")
            store.load(store.ledger)
            state = ledger.read_state(store)
            if state.building and read_only:
                raise GalleryMissing(f"{where}: the gallery is still being built; run the same build again to go on")
            _refuse_other_bundle(where, state, bundle_sha256)
            if not state.indexing:  # else there may be no index, and a writer puts it right with its first change
                store.load()
            undo.pop_all()
        return cls(Session(store, state, read_only=read_only), index)

    def close(self) -> None:
        """Give the right to write back and let go of the connection; once is enough."""
        self._session.close()

    def __enter__(self) -> MilvusGallery:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def building(self) -> bool:
        """Whether the gallery is still being built and closed to readers."""
        with self._session.reading() as view:
            return view.state.building

    def add(self, cases: Sequence[Case], vectors: ArrayLike, *, ingest: Ingest | None = None) -> int:
        """Add cases with their vectors ``[n, dim]``, unit rows, all or none; see :meth:`index.Gallery.add`.

        Raises:
            BadVector: when a vector has another length, is not finite or not of length 1.
            DuplicateCase: when an id is given twice, in the gallery, or was deleted from it.
            BadCase: when a case is longer than Milvus can keep.
            GalleryBusy: when another process is writing.
        """
        cases = list(cases)
        matrix = self._matrix(cases, vectors, "the vectors to add")
        with self._session.writing() as state:
            return writing.add(self._session, state, cases, matrix, ingest).generation

    def replace(self, cases: Sequence[Case], vectors: ArrayLike) -> int:
        """Put cases with their vectors in the place of those of the same ids; see :meth:`index.Gallery.replace`.

        Raises:
            BadVector: when a vector has another length, is not finite or not of length 1.
            UnknownCase: when an id is not in the gallery.
            DuplicateCase: when an id is given twice.
            GalleryBusy: when another process is writing.
        """
        cases = list(cases)
        matrix = self._matrix(cases, vectors, "the vectors to replace by")
        with self._session.writing() as state:
            return writing.replace_cases(self._session, state, cases, matrix).generation

    def delete(self, ids: Sequence[str]) -> int:
        """Delete cases, all or none, at once and for every process; their ids are never used again.

        Their rows are deleted by a later writer, or by :meth:`compact`.

        Raises:
            UnknownCase: when an id is not in the gallery.
            GalleryBusy: when another process is writing.
        """
        with self._session.writing() as state:
            return writing.delete(self._session, state, list(dict.fromkeys(ids))).generation

    def compact(self) -> None:
        """Delete the rows of deleted cases now, and ask Milvus to write its files anew without them.

        When the old files are removed is up to the server (``dataCoord.gc``); a reader that began before the deletion
        may have to ask again.
        """
        with self._session.writing() as state:
            new = ledger.purge(self._session.store, self._session.begin(state), time.time())
            self._session.commit(new)
        self._session.store.compact()

    def finish_building(self) -> None:
        """Open the gallery to readers."""
        with self._session.writing() as state:
            self._session.commit(replace(self._session.begin(state), building=False))

    def prepare_index(self, seed: int = 0) -> float | None:
        """Make the approximate index anew where the size of the gallery or ``index`` asks for one.

        Searches are refused (``GalleryBusy``) while it is made, which takes minutes for a million cases: all vectors
        are read once, to measure it.

        Args:
            seed: of the choice of cases that are searched for.

        Returns:
            Its recall@10, measured on the gallery's own vectors; None where searches stay exact.

        Raises:
            GalleryBusy: when another process is writing.
        """
        with self._session.writing() as state:
            if choice.method_for(state.cases, state.dim, self._wanted) == "exact" or not state.cases:
                return None
            if state.index is not None and state.next - state.index.below <= choice.UNINDEXED_SHARE * state.cases:
                return state.index.recall
            closed = replace(self._session.begin(state), index=None, indexing=True)
            self._session.commit(closed)
            # The rows that are read and measured are those of a commit; nothing else writes meanwhile.
            index = approximate.make(self._session.store, self._session.begin(closed), seed)
            self._session.commit(replace(closed, sequence=closed.sequence + 1, index=index, indexing=False))
            return index.recall

    def drop(self) -> None:
        """Remove the gallery with all its cases.

        Raises:
            GalleryBusy: when another process is writing.
        """
        with self._session.writing():
            pass
        self._session.store.drop()
        self.close()

    def backup(self, to: object) -> None:
        """Refused.

        Raises:
            GalleryError: always.
        """
        raise GalleryError(f"{self.path}: a gallery in Milvus is backed up with Milvus' own tools (milvus-backup)")

    def _matrix(self, cases: Sequence[Case], vectors: ArrayLike, what: str) -> NDArray[np.float32]:
        matrix = unit_rows(vectors if cases else np.empty((0, self.dim)), self.dim, what)
        if len(matrix) != len(cases):
            raise BadVector(f"{len(cases)} cases came with {len(matrix)} vectors; give one for each")
        return matrix


def _place(place: str | Place) -> Place:
    found = place if isinstance(place, Place) else place_in(place)
    if found is None:
        raise GalleryError(f"{place!r} is a folder; a place in Milvus begins with milvus+http:// or milvus+file:")
    return found


def _refuse_other_bundle(place: Place, state: State, bundle_sha256: str | None) -> None:
    if bundle_sha256 is not None and bundle_sha256 != state.bundle_sha256:
        raise WrongBundle(
            f"{place}: the bundle {state.bundle_name} ({state.bundle_sha256[:12]}) made this gallery, the one at "
            f"hand is {bundle_sha256[:12]}; use that bundle, or build the gallery again with this one"
        )
