"""The search itself: an ECG or a sentence becomes a vector, and a gallery names the nearest cases."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from index import Case, Filter, Gallery, Neighbour
from retrieval.answer import Answer, GalleryRef, Hit, ModelRef, Query
from retrieval.ecg.page import CanonicalPage, Gray, canonical_page
from retrieval.ecg.recording import Recording, check
from retrieval.errors import BadArgument, EmptySentence, NoWaveform
from retrieval.intake import Intake

if TYPE_CHECKING:
    from retrieval.intake.worker import Reader
    from retrieval.towers.bundle import Bundle

Vectors = NDArray[np.float32]
Progress = Callable[[int, int], None]
"""Called with (done, all) while something long goes on."""

Ecg = str | Path | Recording | CanonicalPage | Intake


def open_gallery(path: str | Path | None = None, bundle: str | Path | Bundle | None = None) -> Engine:
    """Open a gallery for search.

    Args:
        path: the gallery's folder; ``None`` is the embedded default of simulated cases, built on first use.
        bundle: a bundle, its folder, or ``None`` for the one that is shipped.

    Raises:
        GalleryMissing: when no gallery stands there.
        WrongBundle: when its vectors were made by another bundle.
        BundleError: when the bundle cannot be used.
    """
    towers = load_towers(bundle)
    if path is None:
        from retrieval.galleries import default_gallery

        path = default_gallery(towers)
    return Engine(Gallery.open(path, read_only=True, bundle_sha256=towers.sha256), towers)


def load_towers(bundle: str | Path | Bundle | None = None) -> Bundle:
    """The bundle itself, the one in that folder, or the shipped one."""
    if bundle is not None and not isinstance(bundle, str | Path):
        return bundle
    from retrieval.towers.bundle import Bundle

    return Bundle.load(bundle)


class Engine:
    """A gallery and the towers that made its vectors. Close it, or use it in a ``with`` block.

    Files are read in a process of their own, with limits of time and memory, that starts with the first of them.
    """

    def __init__(self, gallery: Gallery, towers: Bundle) -> None:
        self.gallery = gallery
        self.towers = towers
        self._counts: Mapping[str, int] | None = None
        self._reader: Reader | None = None

    def __enter__(self) -> Engine:
        """Give the engine itself; the gallery is closed at the end of the block."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the engine."""
        self.close()

    def close(self) -> None:
        """Close the gallery and end the process that reads files."""
        if self._reader is not None:
            self._reader.close()
        self.gallery.close()

    def _read(self, path: str | Path) -> Intake:
        if self._reader is None:
            from retrieval.intake.worker import Reader

            self._reader = Reader()
        return self._reader.read(path)

    def query(self, ecg: Ecg, k: int = 10, *, patient_key: str | None = None, where: Filter | None = None) -> Answer:
        """The ``k`` nearest cases of one ECG.

        Args:
            ecg: a file, or what was read from one.
            k: how many neighbours, 1 or more.
            patient_key: whose ECG this is, where the file does not say so; that patient's own ECGs are listed apart.
            where: which cases may answer.

        Raises:
            BadInput: its children say what is wrong with the file.
        """
        return self.query_all([ecg], k, patient_keys=[patient_key], where=where)[0]

    def query_all(
        self,
        ecgs: Sequence[Ecg],
        k: int = 10,
        *,
        patient_keys: Sequence[str | None] | None = None,
        where: Filter | None = None,
    ) -> list[Answer]:
        """As ``query`` for several ECGs, encoded and searched together; each answer is the same as alone."""
        _check_k(k)
        queries = [as_query(self._read(ecg) if isinstance(ecg, str | Path) else ecg) for ecg in ecgs]
        given = patient_keys or [None] * len(queries)
        patients = [key or _own_key(query) for key, query in zip(given, queries, strict=True)]
        pages = [self._image(query) for query in queries]
        vectors = self.towers.encode_pages(pages, threads=1 if len(pages) == 1 else 0)
        return self._answers(queries, vectors, k, patients, where)

    def search(self, text: str, k: int = 10, *, where: Filter | None = None) -> Answer:
        """The ``k`` cases whose ECGs are nearest to a sentence.

        Raises:
            EmptySentence: when the text holds no word.
        """
        _check_k(k)
        words = sentence(text)
        vectors = self.towers.encode_texts([words])
        return self._answers([Query(None, "text", text=words)], vectors, k, [None], where)[0]

    def statement_counts(self) -> Mapping[str, int]:
        """How many cases of the gallery have each statement."""
        if self._counts is None:
            self._counts = self.gallery.statement_counts()
        return self._counts

    def _answers(
        self,
        queries: Sequence[Query],
        vectors: Vectors,
        k: int,
        patients: Sequence[str | None],
        where: Filter | None,
    ) -> list[Answer]:
        model = ModelRef(self.towers.name, self.towers.sha256)
        with self.gallery.snapshot():  # the facts, the ranks and the cases are of one generation
            info = self.gallery.info()
            place = GalleryRef(str(info.path), info.generation, info.cases, info.simulated)
            found = self.gallery.search(vectors, k=k, exclude_patients=patients, where=where)
            hits = [self._hits(near) for near in found]
            earlier = [self._earlier(patient) for patient in patients]
        return [
            Answer(replace(query, vector=vector), place, model, near, self.gallery.exact, own)
            for query, vector, near, own in zip(queries, vectors, hits, earlier, strict=True)
        ]

    def _image(self, query: Query) -> Gray:
        try:
            return self.towers.image_of(query.page.pixels if query.page else None, query.recording)
        except NoWaveform as error:
            raise NoWaveform(f"'{query.file}': {error}") if query.file else error from error

    def _hits(self, neighbours: Sequence[Neighbour]) -> tuple[Hit, ...]:
        cases = self.gallery.cases([neighbour.case_id for neighbour in neighbours])
        return tuple(Hit(n.rank, n.score, case) for n, case in zip(neighbours, cases, strict=True))

    def _earlier(self, patient: str | None) -> tuple[Case, ...]:
        return tuple(self.gallery.earlier(patient)) if patient else ()


def as_query(ecg: Recording | CanonicalPage | Intake) -> Query:
    """What the image tower needs of an ECG, whatever it comes as."""
    if isinstance(ecg, Recording):
        return Query(None, "recording", check(ecg), page=canonical_page(ecg), recording=ecg)
    if isinstance(ecg, CanonicalPage):
        return Query(None, "page", page=ecg)
    return Query(ecg.file, ecg.kind, ecg.warnings, page=ecg.page, recording=ecg.recording)


def sentence(text: str) -> str:
    """A text query in one line.

    Raises:
        EmptySentence: when it holds no letter and no digit.
    """
    line = " ".join(text.split())
    if not any(letter.isalnum() for letter in line):
        shown = f"'{line}'" if line else "an empty text"
        raise EmptySentence(f'{shown} holds no word to search for; write a finding, such as "atrial fibrillation"')
    return line


def _own_key(query: Query) -> str | None:
    return query.recording.patient_key if query.recording is not None else None


def _check_k(k: int) -> None:
    if k < 1:
        raise BadArgument(f"k is {k}; at least 1 neighbour must be asked for")
