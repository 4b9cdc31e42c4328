"""The search itself: an ECG or a sentence becomes a vector, and a gallery names the nearest cases."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from index import Case, CaseGallery, Filter, Neighbour, Where, open_at, parse_where
from retrieval.answer import Answer, GalleryRef, Hit, ModelRef, Query, RankedBy
from retrieval.answer_log import AnswerLog, LoggedAnswer
from retrieval.ecg.page import CanonicalPage, Gray, canonical_page
from retrieval.ecg.recording import Recording, check
from retrieval.errors import BadArgument, EmptySentence, NoWaveform
from retrieval.intake import Intake
from retrieval.rewording import Reworded, reworded
from retrieval.sentences import KnownSentences

if TYPE_CHECKING:
    from retrieval.intake.worker import Reader
    from retrieval.towers.bundle import Bundle

Vectors = NDArray[np.float32]
WhereText = str | Filter
"""Which cases may answer: the text of a condition, or a filter."""
Made = TypeVar("Made")
Ecg = str | Path | Recording | CanonicalPage | Intake


def open_gallery(
    path: str | Path | None = None,
    bundle: str | Path | Bundle | None = None,
    log: str | Path | AnswerLog | None = None,
) -> Engine:
    """Open a gallery for search.

    Args:
        path: the gallery's folder, or its place in Milvus (docs/milvus.md); ``None`` is the embedded default of
            simulated cases, built on first use.
        bundle: a bundle, its folder, or ``None`` for the one that is shipped.
        log: a file in which every answer is put down, so that it can be given again (``retrieval.replay``).

    Raises:
        GalleryMissing: when no gallery stands there.
        WrongBundle: when its vectors were made by another bundle.
        BundleError: when the bundle cannot be used.
    """
    towers = load_towers(bundle)
    if path is None:
        from retrieval.galleries import default_gallery

        path = default_gallery(towers)
    kept = AnswerLog(log) if isinstance(log, str | Path) else log
    return Engine(open_at(path, bundle_sha256=towers.sha256), towers, kept)


def load_towers(bundle: str | Path | Bundle | None = None) -> Bundle:
    """The bundle itself, the one in that folder, or the shipped one."""
    if bundle is not None and not isinstance(bundle, str | Path):
        return bundle
    from retrieval.towers.bundle import Bundle

    return Bundle.load(bundle)


@dataclass(frozen=True)
class _Asked:
    """What a search was asked for, and where."""

    place: GalleryRef
    k: int
    where: WhereText | None
    by: RankedBy


class Engine:
    """A gallery and the towers that made its vectors. Close it, or use it in a ``with`` block.

    Files are read in a process of their own, with limits of time and memory, that starts with the first of them.
    """

    def __init__(self, gallery: CaseGallery, towers: Bundle, log: AnswerLog | None = None) -> None:
        self.gallery = gallery
        self.towers = towers
        self.log = log
        self._known: dict[str, tuple[int, Any]] = {}
        self._encoded = KnownSentences(towers.encode_texts)
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

    def query(
        self,
        ecg: Ecg,
        k: int = 10,
        *,
        patient_key: str | None = None,
        where: WhereText | None = None,
        text: str | None = None,
        as_written: bool = False,
    ) -> Answer:
        """The ``k`` nearest cases of one ECG.

        Args:
            ecg: a file, or what was read from one.
            k: how many neighbours, 1 or more.
            patient_key: whose ECG this is, where the file does not say so; that patient's own ECGs are listed apart.
            where: which cases may answer, as a text (docs/where.md) or a ``Filter``.
            text: what is sought beside the ECG: its vector and that of the ECG count alike.
            as_written: take the text as it stands, and not in the usual terms of what it names as well.

        Raises:
            BadInput: its children say what is wrong with the file; ``EmptySentence`` when the text holds no word.
            BadSearch: when the condition is none.
        """
        keys = [patient_key]
        return self.query_all([ecg], k, patient_keys=keys, where=where, text=text, as_written=as_written)[0]

    def query_all(
        self,
        ecgs: Sequence[Ecg],
        k: int = 10,
        *,
        patient_keys: Sequence[str | None] | None = None,
        where: WhereText | None = None,
        text: str | None = None,
        as_written: bool = False,
    ) -> list[Answer]:
        """As ``query`` for several ECGs, encoded and searched together; each answer is the same as alone."""
        _check_k(k)
        condition = condition_of(where)
        said = None if text is None else _said(text, as_written)
        queries = [as_query(self._read(ecg) if isinstance(ecg, str | Path) else ecg) for ecg in ecgs]
        given = patient_keys or [None] * len(queries)
        patients = [key or _own_key(query) for key, query in zip(given, queries, strict=True)]
        pages = [self._image(query) for query in queries]
        vectors = self.towers.encode_pages(pages, threads=1 if len(pages) == 1 else 0)
        if said is not None:
            vectors = unit_sum(vectors, said.vector(self._encoded)[None])
            queries = [replace(query, text=said.text, also=said.added) for query in queries]
        with self.gallery.snapshot() as generation:  # the facts, the ranks and the cases are of one generation
            asked = _Asked(self._place(generation), k, where, "vectors")
            found = self.gallery.find(vectors, k=k, exclude_patients=patients, where=condition)
            return [
                self._answer(replace(query, vector=vector), asked, near, patient, found.recall)
                for query, vector, near, patient in zip(queries, vectors, found.neighbours, patients, strict=True)
            ]

    def search(
        self,
        text: str,
        k: int = 10,
        *,
        where: WhereText | None = None,
        by: RankedBy = "both",
        as_written: bool = False,
    ) -> Answer:
        """The first ``k`` cases for a sentence.

        Args:
            text: the sentence. What it names is asked for in its usual English and German terms as well
                (``retrieval.rewording``), and ``Query.also`` says in which.
            k: how many, 1 or more.
            where: which cases may answer, as a text (docs/where.md) or a ``Filter``.
            by: ``vectors``, how near the ECG lies to the sentence; ``words``, whether the report has its words; or
                ``both``, their lists fused.
            as_written: search for the sentence as it stands.

        Raises:
            EmptySentence: when the text holds no word.
            BadSearch: when the condition is none.
        """
        _check_k(k)
        said, condition = _said(text, as_written), condition_of(where)
        vector = said.vector(self._encoded)
        with self.gallery.snapshot() as generation:
            recall = None
            if by == "words":
                near = self.gallery.search_words(said.words, k, condition)
            elif by == "both":
                near = self.gallery.search_hybrid(vector, said.words, k, condition)
            else:
                found = self.gallery.find(vector[None], k=k, where=condition)
                near, recall = found.neighbours[0], found.recall
            query = Query(None, "text", text=said.text, vector=vector, also=said.added)
            return self._answer(query, _Asked(self._place(generation), k, where, by), near, None, recall)

    def like(self, case_id: str, k: int = 10, *, where: WhereText | None = None) -> Answer:
        """The ``k`` cases nearest to one of the gallery's own; neither it nor its patient's others are among them.

        Args:
            case_id: the case.
            k: how many neighbours, 1 or more.
            where: which cases may answer, as a text (docs/where.md) or a ``Filter``.

        Raises:
            UnknownCase: when the gallery has no such case.
            BadSearch: when the condition is none.
        """
        _check_k(k)
        condition = condition_of(where)
        with self.gallery.snapshot() as generation:
            case, vector = self.gallery.cases([case_id])[0], self.gallery.vectors([case_id])[0]
            asked = _Asked(self._place(generation), k, where, "vectors")
            found = self.gallery.find(vector[None], k + 1, [case.patient_key], condition)
            near = [one for one in found.neighbours[0] if one.case_id != case_id][:k]
            ranked = [replace(one, rank=rank) for rank, one in enumerate(near, start=1)]
            return self._answer(_case_query(case, vector), asked, ranked, case.patient_key, found.recall)

    def statement_counts(self) -> Mapping[str, int]:
        """How many cases of the gallery have each statement."""
        return self.remembered("statement_counts", self.gallery.statement_counts)

    def remembered(self, name: str, make: Callable[[], Made]) -> Made:
        """What ``make`` tells of the gallery, made once for each of its generations."""
        with self.gallery.snapshot() as generation:
            known = self._known.get(name)
        if known is None or known[0] != generation:
            # Made without a lock: two threads at once make the same twice, and neither waits for the other.
            known = generation, make()
            self._known[name] = known
        return known[1]

    def _answer(
        self,
        query: Query,
        asked: _Asked,
        near: Sequence[Neighbour],
        patient: str | None,
        recall: float | None,
    ) -> Answer:
        """What was found as an answer, put down in the log where one is kept; call it inside a snapshot."""
        model = ModelRef(self.towers.name, self.towers.sha256)
        hits = self._hits(query, near, asked.by)
        earlier = tuple(case for case in self._earlier(patient) if case.case_id != query.case_id)
        answer = Answer(query, asked.place, model, hits, recall is None, earlier, asked.by, recall)
        answer = replace(answer, k=asked.k, where=asked.where, patient=patient)
        if self.log is None:
            return answer
        return replace(answer, log_id=self.log.append(logged(answer, asked.k, asked.where)))

    def _place(self, generation: int) -> GalleryRef:
        gallery = self.gallery
        return GalleryRef(str(gallery.path), generation, len(gallery), gallery.simulated)

    def _image(self, query: Query) -> Gray:
        try:
            return self.towers.image_of(query.page.pixels if query.page else None, query.recording)
        except NoWaveform as error:
            raise NoWaveform(f"'{query.file}': {error}") if query.file else error from error

    def _hits(self, query: Query, neighbours: Sequence[Neighbour], by: RankedBy) -> tuple[Hit, ...]:
        ids = [neighbour.case_id for neighbour in neighbours]
        scores = [neighbour.score for neighbour in neighbours]
        if by != "vectors" and query.vector is not None:
            scores = self.gallery.similarities(query.vector, ids)
        cases = self.gallery.cases(ids)
        return tuple(Hit(n.rank, score, case) for n, score, case in zip(neighbours, scores, cases, strict=True))

    def _earlier(self, patient: str | None) -> tuple[Case, ...]:
        return tuple(self.gallery.earlier(patient)) if patient else ()


def as_query(ecg: Recording | CanonicalPage | Intake) -> Query:
    """What the image tower needs of an ECG, whatever it comes as."""
    if isinstance(ecg, Recording):
        return Query(None, "recording", check(ecg), page=canonical_page(ecg), recording=ecg)
    if isinstance(ecg, CanonicalPage):
        return Query(None, "page", page=ecg)
    return Query(ecg.file, ecg.kind, ecg.warnings, page=ecg.page, recording=ecg.recording)


def unit_sum(vectors: Vectors, others: Vectors) -> Vectors:
    """Sums of unit rows ``[n, dim]`` with others ``[n or 1, dim]``, of length 1 again; both count alike.

    Opposite rows have no sum to speak of; the first is kept then.
    """
    both = vectors.astype(np.float64) + others.astype(np.float64)
    length = np.linalg.norm(both, axis=1, keepdims=True)
    return np.where(length > 1e-6, both / np.maximum(length, 1e-6), vectors).astype(np.float32)


def _said(text: str, as_written: bool) -> Reworded:
    line = sentence(text)
    return Reworded.as_written(line) if as_written else reworded(line)


def _case_query(case: Case, vector: NDArray[np.float32]) -> Query:
    """A case of the gallery as a query: its recording, where one is kept, and its vector."""
    recording = None
    if case.waveform is not None:
        from retrieval.waveforms import unpack

        recording = replace(unpack(case.waveform), age=case.age, sex=case.sex, patient_key=case.patient_key)
    page = None if recording is None else canonical_page(recording)
    return Query(None, "case", page=page, recording=recording, vector=vector, case_id=case.case_id)


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


def condition_of(where: WhereText | None) -> Where | None:
    """A condition from what a user gives.

    Raises:
        BadSearch: when the text is none.
    """
    return parse_where(where) if isinstance(where, str) else where


def logged(answer: Answer, k: int, where: WhereText | None) -> LoggedAnswer:
    """An answer as the log keeps it: no file name, no patient's key, no pixels."""
    if answer.query.vector is None:
        raise BadArgument("an answer without its query's vector cannot be put down")
    own = answer.query.case_id
    return LoggedAnswer(
        gallery=answer.gallery.path,
        generation=answer.gallery.generation,
        cases=answer.gallery.cases,
        bundle_name=answer.model.name,
        bundle_sha256=answer.model.sha256,
        vector=answer.query.vector,
        words=answer.query.words,
        ranked_by=answer.ranked_by,
        k=k,
        where=where,
        excluded=(*((own,) if own else ()), *(case.case_id for case in answer.earlier)),
        exact=answer.exact,
        hits=tuple((hit.case_id, hit.score) for hit in answer.hits),
    )


def _own_key(query: Query) -> str | None:
    return query.recording.patient_key if query.recording is not None else None


def _check_k(k: int) -> None:
    if k < 1:
        raise BadArgument(f"k is {k}; at least 1 neighbour must be asked for")
