"""The gallery: a folder of documented cases that finds the nearest ones to a vector.

What it does is told in parts: :mod:`index.searching` answers, :mod:`index.lookup` gives back what was added,
:mod:`index.reembed` moves it to another bundle; making, opening and changing it is here.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType

import numpy as np
from numpy.typing import ArrayLike, NDArray

from index import backup, schema, store, words
from index.case import Case, VerifyReport
from index.choice import Method
from index.connection import DATABASE, connect_reader, connect_writer, translated
from index.errors import BadVector, GalleryBusy, GalleryError, GalleryMissing, WrongBundle
from index.ingest import Ingest
from index.lookup import Lookup
from index.milvus.place import place_in
from index.reembed import Reembedding
from index.rows import unit_rows
from index.searching import Searching
from index.session import Session
from index.verify import Near, verify_gallery


class Gallery(Searching, Lookup, Reembedding):
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

    def __init__(self, session: Session) -> None:
        self.path = session.folder
        self.read_only = session.read_only
        self._session = session
        self._asked = {}
        self._embedded_to = 0

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
    def open(
        cls,
        path: str | Path,
        *,
        read_only: bool = True,
        bundle_sha256: str | None = None,
        index: Method = "auto",
    ) -> Gallery:
        """Open a gallery; its cache is checked, and built again where it does not fit the database.

        Args:
            path: its folder.
            read_only: whether :meth:`add`, :meth:`delete` and :meth:`compact` are refused.
            bundle_sha256: the bundle at hand, when the gallery shall be refused that another bundle made.
            index: ``exact``, ``approximate``, or by size (:mod:`index.choice`).

        Raises:
            GalleryMissing: when there is none.
            GalleryDamaged: when ``cases.db`` cannot be read.
            WrongBundle: when another bundle made its vectors.
        """
        if place_in(path) is not None:
            raise GalleryError(f"{path}: this can be done with a gallery in a folder only, not with one in Milvus")
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
            session = Session(folder, connection, meta, read_only=read_only, index=index)
            session.load()
            undo.pop_all()
        return cls(session)

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

    @property
    def exact(self) -> bool:
        """Whether a search without a filter compares with every case; :meth:`find` says it of each answer."""
        with self._session.reading() as connection:
            return self._session.index_for(connection, self._session.rows(connection)) is None

    @contextlib.contextmanager
    def snapshot(self) -> Iterator[int]:
        """All calls inside see one generation, which is given, whatever other processes commit meanwhile.

        Other threads wait for the end of it; keep it short.
        """
        with self._session.reading() as connection:
            yield store.generation(connection)

    def add(self, cases: Sequence[Case], vectors: ArrayLike, *, ingest: Ingest | None = None) -> int:
        """Add cases with their vectors ``[n, dim]``, unit rows, all or none; the new generation.

        Args:
            cases: the new cases.
            vectors: one for each.
            ingest: how far the stream is taken with these cases, committed with them; without cases it is committed
                alone, and the generation stays.

        Raises:
            BadVector: when a vector has another length, is not finite or not of length 1.
            DuplicateCase: when an id is given twice, in the gallery, or was deleted from it.
            WrongBundle: when a re-embedding has moved the gallery to another bundle since it was opened.
        """
        cases = list(cases)
        matrix = self._matrix(cases, vectors, "the vectors to add")
        with self._session.writing() as connection:
            return store.add_cases(connection, self.path, self._session.meta, cases, matrix, ingest)

    def replace(self, cases: Sequence[Case], vectors: ArrayLike) -> int:
        """Put cases with their vectors ``[n, dim]`` in the place of those of the same ids, all or none.

        Returns:
            The new generation. In :meth:`ids` they stand last, since each counts as added now.

        Raises:
            BadVector: when a vector has another length, is not finite or not of length 1.
            UnknownCase: when an id is not in the gallery.
            DuplicateCase: when an id is given twice.
            WrongBundle: when a re-embedding has moved the gallery to another bundle since it was opened.
        """
        cases = list(cases)
        matrix = self._matrix(cases, vectors, "the vectors to replace by")
        with self._session.writing() as connection:
            self._session.words_left = True
            return store.replace_cases(connection, self.path, self._session.meta, cases, matrix)

    def delete(self, ids: Sequence[str]) -> int:
        """Delete cases, all or none, at once and for every process; the new generation.

        Their ids are never used again. :meth:`compact` then removes their bytes from the disk.

        Raises:
            UnknownCase: when an id is not in the gallery.
        """
        with self._session.writing() as connection:
            self._session.words_left = True
            return store.delete_cases(connection, self.path, list(dict.fromkeys(ids)))

    def prepare_index(self, seed: int = 0) -> float | None:
        """Make or extend the approximate index where the size of the gallery or ``index`` asks for one.

        Takes minutes for a million cases; until then, and without it, searches are exact.

        Args:
            seed: of its training: the same cases and seed give the same index.

        Returns:
            Its recall@10, measured on the gallery's own vectors; None where searches stay exact.

        Raises:
            GalleryError: when it cannot be written.
        """
        found = self._session.prepare_index(seed)
        return None if found is None else found.tuning.recall

    def compact(self) -> None:
        """Write the database and the cache anew, so that no byte of a deleted case stays in the folder.

        Raises:
            GalleryBusy: when another process is in the way; call it again when that is done.
        """
        with self._session.writing() as connection:
            words.rebuild(connection)
            self._session.words_left = False
            connection.execute("VACUUM")
            busy = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
            if busy:
                raise GalleryBusy(f"{self.path}: a reader holds old bytes in use; compact again when it is done")
            self._session.save(must=True)
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()

    def backup(self, to: str | Path) -> None:
        """Copy the gallery as it is now to another folder, whole, while others write to this one.

        The copy is a gallery that can be opened. It is written beside its place and renamed into it. Other threads
        that use this object wait for the end of it.

        Raises:
            GalleryExists: when something stands there already.
            GalleryError: when it cannot be written.
        """
        with self._session.reading() as connection:
            backup.copy_to(connection, Path(to))

    @staticmethod
    def restore(source: str | Path, to: str | Path) -> None:
        """Make a gallery from a backup, after every byte of the backup was checked.

        Raises:
            GalleryMissing: when the backup is none.
            GalleryDamaged: when it is damaged, naming what is wrong first; nothing is made then.
            GalleryExists: when something stands at ``to`` already; move it aside.
        """
        backup.restore(Path(source), Path(to))

    def verify(self, near: Near = "auto") -> VerifyReport:
        """Check every byte that an answer could come from; reads the whole gallery.

        Args:
            near: from which cosine similarity on two cases of different patients are reported as near-duplicates, a
                finding that is no damage; None reports none, ``"auto"`` takes 0.9999 in galleries of at most 50,000
                cases, since the search grows with the square of their number.
        """
        report = self._verify_once(near)
        # A second look tells a damaged cache from one that a writer was just replacing.
        return self._verify_once(near) if report.cache == "damaged" else report

    def _verify_once(self, near: Near) -> VerifyReport:
        with self._session.reading() as connection:
            return verify_gallery(connection, self.path, self.dim, near)

    def _matrix(self, cases: Sequence[Case], vectors: ArrayLike, what: str) -> NDArray[np.float32]:
        matrix = unit_rows(vectors if cases else np.empty((0, self.dim)), self.dim, what)
        if len(matrix) != len(cases):
            raise BadVector(f"{len(cases)} cases came with {len(matrix)} vectors; give one for each")
        return matrix


def _refuse_other_bundle(folder: Path, meta: schema.Meta, bundle_sha256: str | None) -> None:
    if bundle_sha256 is not None and bundle_sha256 != meta.bundle_sha256:
        raise WrongBundle(
            f"{folder}: the bundle {meta.bundle_name} ({meta.bundle_sha256[:12]}) made this gallery, the one at hand "
            f"is {bundle_sha256[:12]}; use that bundle, or build the gallery again with this one"
        )
