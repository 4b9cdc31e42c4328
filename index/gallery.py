"""The gallery: a folder of documented cases that finds the nearest ones to a vector."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType

import numpy as np
from numpy.typing import ArrayLike, NDArray

from index import ranking, records, schema, store
from index.case import Case, GalleryInfo, Neighbour, VerifyReport
from index.connection import DATABASE, connect_reader, connect_writer, translated
from index.errors import BadSearch, BadVector, GalleryBusy, GalleryError, GalleryMissing, WrongBundle
from index.filters import Filter, matching_numbers
from index.rows import unit_rows
from index.session import Session
from index.verify import verify_gallery


class Gallery:
    """Cases with their reports and vectors, in a folder; made by :meth:`create`, used again by :meth:`open`.

    Reads see the last commit of any process; a change is all there or not at all. Safe to use from several threads.

    Example:
        >>> import numpy as np, tempfile
        >>> folder = tempfile.mkdtemp()
        >>> with Gallery.create(folder + "/gallery", bundle_name="toy", bundle_sha256="0" * 64, dim=2) as gallery:
        ...     cases = [Case("a", "sinus rhythm", {"NORM": 100.0}), Case("b", "inferior infarct", {"IMI": 80.0})]
        ...     generation = gallery.add(cases, np.eye(2, dtype=np.float32))
        ...     gallery.search(np.array([[0.6, 0.8]], np.float32), k=1)
        [[Neighbour(rank=1, case_id='b', score=0.8)]]
    """

    exact = True
    """The search compares with every case; no approximate index is used."""

    def __init__(self, session: Session, meta: schema.Meta) -> None:
        self.path = session.folder
        self.read_only = session.read_only
        self.dim = meta.dim
        self.bundle_name = meta.bundle_name
        self.bundle_sha256 = meta.bundle_sha256
        self.simulated = meta.simulated
        self._session = session

    @classmethod
    def create(
        cls, path: str | Path, *, bundle_name: str, bundle_sha256: str, dim: int, simulated: bool = False
    ) -> Gallery:
        """Make an empty gallery and open it for writing.

        Args:
            path: its folder, made when absent.
            bundle_name: the bundle whose vectors it will hold.
            bundle_sha256: what tells that bundle from any other.
            dim: the length of a vector.
            simulated: whether its cases are simulated, which every answer says aloud.

        Raises:
            GalleryExists: when the folder holds a gallery already.
        """
        if dim < 1:
            raise BadVector(f"a gallery of vectors of length {dim} cannot be; dim must be 1 or more")
        folder = Path(path)
        try:
            with translated(folder):
                store.create_database(folder, schema.Meta(bundle_name, bundle_sha256, dim, simulated))
        except OSError as error:
            raise GalleryError(
                f"{folder}: no gallery can be made there ({error.strerror}); choose another folder"
            ) from error
        return cls.open(folder, read_only=False)

    @classmethod
    def open(cls, path: str | Path, *, read_only: bool = True, bundle_sha256: str | None = None) -> Gallery:
        """Open a gallery; its cache is checked, and built again where it does not fit the database.

        Args:
            path: its folder.
            read_only: whether :meth:`add`, :meth:`delete` and :meth:`compact` are refused.
            bundle_sha256: the bundle at hand, when the gallery shall be refused that another bundle made.

        Raises:
            GalleryMissing: when there is none.
            GalleryDamaged: when ``cases.db`` cannot be read.
            WrongBundle: when another bundle made its vectors.
        """
        folder = Path(path)
        database = folder / DATABASE
        if not database.is_file():
            raise GalleryMissing(
                f"{folder}: there is no gallery (a folder with {DATABASE}); build one or check the path"
            )
        with translated(folder), contextlib.ExitStack() as undo:
            connection = connect_reader(database) if read_only else connect_writer(database)
            undo.callback(connection.close)
            version = schema.check_version(connection, str(folder))
            if not read_only:
                schema.migrate(connection, version)
            meta = schema.read_meta(connection, str(folder))
            _refuse_other_bundle(folder, meta, bundle_sha256)
            session = Session(folder, connection, meta.dim, read_only=read_only)
            session.load()
            undo.pop_all()
        return cls(session, meta)

    def close(self) -> None:
        """Bring the cache up to date (writers), settle the database into one file, and let go of it."""
        self._session.close()

    def __enter__(self) -> Gallery:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __len__(self) -> int:
        with self._session.reading() as connection:
            return store.count_cases(connection)

    @property
    def notices(self) -> tuple[str, ...]:
        """What a user should hear about this gallery, each said once; also logged as warnings."""
        return tuple(self._session.notices)

    @contextlib.contextmanager
    def snapshot(self) -> Iterator[int]:
        """All calls inside see one generation, which is given, whatever other processes commit meanwhile.

        Other threads wait for the end of it; keep it short.
        """
        with self._session.reading() as connection:
            yield store.generation(connection)

    def add(self, cases: Sequence[Case], vectors: ArrayLike) -> int:
        """Add cases with their vectors ``[n, dim]``, unit rows, all or none; the new generation.

        Raises:
            BadVector: when a vector has another length, is not finite or not of length 1.
            DuplicateCase: when an id is given twice, in the gallery, or was deleted from it.
        """
        cases = list(cases)
        matrix = unit_rows(vectors if cases else np.empty((0, self.dim)), self.dim, "the vectors to add")
        if len(matrix) != len(cases):
            raise BadVector(f"{len(cases)} cases came with {len(matrix)} vectors; give one for each")
        with self._session.writing() as connection:
            return store.add_cases(connection, self.path, cases, matrix)

    def delete(self, ids: Sequence[str]) -> int:
        """Delete cases, all or none, at once and for every process; the new generation.

        Their ids are never used again. :meth:`compact` then removes their bytes from the disk.

        Raises:
            UnknownCase: when an id is not in the gallery.
        """
        with self._session.writing() as connection:
            return store.delete_cases(connection, self.path, list(dict.fromkeys(ids)))

    def compact(self) -> None:
        """Write the database and the cache anew, so that no byte of a deleted case stays in the folder.

        Raises:
            GalleryBusy: when another process is in the way; call it again when that is done.
        """
        with self._session.writing() as connection:
            connection.execute("VACUUM")
            busy = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
            if busy:
                raise GalleryBusy(f"{self.path}: a reader holds old bytes in use; compact again when it is done")
            self._session.save(must=True)
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()

    def search(
        self,
        queries: ArrayLike,
        k: int = 10,
        exclude_patients: Sequence[str | None] | None = None,
        where: Filter | None = None,
    ) -> list[list[Neighbour]]:
        """The k nearest cases of each query, exactly, by descending cosine similarity and then by case id.

        Args:
            queries: ``[q, dim]`` unit rows.
            k: how many; fewer come back only when the gallery has fewer that may be answered.
            exclude_patients: for each query the patient whose cases are left out, or None.
            where: which cases may be answered.

        Raises:
            BadVector: when a query is not a unit vector of the gallery's length.
            BadSearch: when k is below 1, or ``exclude_patients`` is not one for each query.
        """
        matrix = unit_rows(queries, self.dim, "the query vectors")
        patients = [None] * len(matrix) if exclude_patients is None else list(exclude_patients)
        _check_search(k, len(matrix), len(patients))
        with self._session.reading() as connection:
            rows = self._session.rows(connection)
            allowed = None
            if where is not None:
                allowed = np.zeros(len(rows.numbers), bool)
                allowed[rows.positions(matching_numbers(connection, where))] = True
            nobody = np.empty(0, np.int64)
            own = {key: rows.positions(store.patient_numbers(connection, key)) for key in set(patients) if key}
            excluded = [own[key] if key else nobody for key in patients]
            ranked = ranking.rank(rows, matrix, k, allowed, excluded)
        return [_neighbours(found) for found in ranked]

    def cases(self, ids: Sequence[str]) -> list[Case]:
        """The cases of these ids, in that order, each checked to be what was added.

        Raises:
            UnknownCase: when an id is not in the gallery.
            GalleryDamaged: when a case is not what was added.
        """
        with self._session.reading() as connection:
            numbers = records.known_numbers(connection, self.path, list(ids))
            return list(records.read_cases(connection, self.path, numbers))

    def ids(self) -> list[str]:
        """The ids of all cases, in the order in which they were added."""
        with self._session.reading() as connection:
            return [case_id for (case_id,) in connection.execute("SELECT case_id FROM cases ORDER BY number")]

    def vectors(self, ids: Sequence[str] | None = None) -> NDArray[np.float32]:
        """The vectors ``[n, dim]`` of these ids, or of all in the order of :meth:`ids`; a copy.

        Raises:
            UnknownCase: when an id is not in the gallery.
        """
        with self._session.reading() as connection:
            rows = self._session.rows(connection)
            if ids is None:
                return rows.matrix.copy()
            return rows.matrix[rows.positions(records.known_numbers(connection, self.path, list(ids)))]

    def statement_counts(self) -> dict[str, int]:
        """How many cases have each statement, the most frequent first."""
        with self._session.reading() as connection:
            return store.statement_counts(connection)

    def earlier(self, patient_key: str) -> list[Case]:
        """All cases of a patient, the oldest first."""
        with self._session.reading() as connection:
            numbers = store.patient_numbers(connection, patient_key)
            return list(records.read_cases(connection, self.path, numbers))

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

    def verify(self) -> VerifyReport:
        """Check every byte that an answer could come from; reads the whole gallery."""
        report = self._verify_once()
        # A second look tells a damaged cache from one that a writer was just replacing.
        return self._verify_once() if report.cache == "damaged" else report

    def _verify_once(self) -> VerifyReport:
        with self._session.reading() as connection:
            return verify_gallery(connection, self.path, self.dim)


def _refuse_other_bundle(folder: Path, meta: schema.Meta, bundle_sha256: str | None) -> None:
    if bundle_sha256 is not None and bundle_sha256 != meta.bundle_sha256:
        raise WrongBundle(
            f"{folder}: the bundle {meta.bundle_name} ({meta.bundle_sha256[:12]}) made this gallery, the one at hand "
            f"is {bundle_sha256[:12]}; use that bundle, or build the gallery again with this one"
        )


def _neighbours(found: ranking.Ranked) -> list[Neighbour]:
    return [Neighbour(place, case_id, score) for place, (score, case_id) in enumerate(found, start=1)]


def _check_search(k: int, queries: int, patients: int) -> None:
    if k < 1:
        raise BadSearch(f"k is {k}; it must be 1 or more")
    if patients != queries:
        raise BadSearch(
            f"exclude_patients names {patients} patients for {queries} queries; give one, or None, for each"
        )
