"""ECGs of an archive, or cases of the gallery itself, compared with their nearest cases, a chunk at a time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from retrieval.auditing.entries import Entry
from retrieval.auditing.journal import Row
from retrieval.auditing.judging import Disagreement, Electorate, disagreement, text_fit
from retrieval.auditing.reasons import reason
from retrieval.engine import Engine, as_query
from retrieval.errors import BadInput, ExtraMissing
from retrieval.intake import Intake
from retrieval.vote import vote

ITSELF = 1 - 1e-6
"""A neighbour at this similarity is the ECG itself, which an archive's own gallery holds; it cannot testify."""
ITSELF_ROOM = 8
"""How many copies of the ECG itself are looked past."""
SAMPLE = 256
"""Other reports that a report's fit is taken among."""
SAMPLE_SEED = 0
VOTED = 8
"""Statements of the vote that a row keeps."""

Vector = NDArray[np.float32]
Examined = tuple[list[Row], list[Vector | None]]


@dataclass(frozen=True)
class NearCase:
    """A neighbour, as much of it as votes; ``retrieval.vote.Voter``."""

    case_id: str
    score: float
    statements: Mapping[str, float | None]


@dataclass(frozen=True)
class Subject:
    """One ECG that was read.

    Args:
        entry: what the archive says of it.
        vector: the tower's ``[dim]``.
        kind: the reader that took it, or ``case``.
        patient: its patient's key, from the archive or else from the file.
        sex: likewise.
        age: likewise.
        warnings: what the reader noticed.
    """

    entry: Entry
    vector: Vector
    kind: str
    patient: str | None
    sex: str | None
    age: float | None
    warnings: tuple[str, ...] = ()


class Examiner:
    """Holds what every ECG needs: the engine, the electorate, and a sample of other reports, encoded once.

    Args:
        engine: an open gallery, that does not change meanwhile.
        k: neighbours that a row shows; the vote has voters of its own number.
    """

    def __init__(self, engine: Engine, k: int) -> None:
        self.engine, self.k = engine, k
        self.electorate = Electorate(engine.statement_counts(), len(engine.gallery))
        self._sample: tuple[tuple[str, ...], NDArray[np.float32]] | None = None

    def files(self, entries: Sequence[Entry], coming: Iterator[Future[Intake]]) -> Examined:
        """Rows and vectors of files, which the next of ``coming`` are; a file that cannot be read is a row too."""
        rejected: dict[int, Row] = {}
        taken: list[tuple[Entry, Intake]] = []
        for entry in entries:
            try:
                got = next(coming).result()
                if not self.engine.towers.encoding.is_page:
                    self.engine.towers.checked(got.recording)
                taken.append((entry, got))
            except (BadInput, ExtraMissing) as error:
                rejected[entry.number] = _rejected(entry, error.kind, " ".join(str(error).split()))
        subjects = self._subjects(taken)
        judged = {row.number: row for row in self._rows(subjects)}
        vectors = {subject.entry.number: subject.vector for subject in subjects}
        both = judged | rejected
        return [both[entry.number] for entry in entries], [vectors.get(entry.number) for entry in entries]

    def cases(self, entries: Sequence[Entry]) -> Examined:
        """Rows and vectors of cases of the gallery, each compared with the others."""
        vectors = self.engine.gallery.vectors([entry.file for entry in entries])
        subjects = [
            Subject(entry, vector, "case", entry.patient, entry.sex, entry.age)
            for entry, vector in zip(entries, vectors, strict=True)
        ]
        return list(self._rows(subjects)), list(vectors)

    def judge_cases(self, entries: Sequence[Entry]) -> list[Disagreement | None]:
        """How much cases of the gallery disagree with the others, without their rows."""
        vectors = self.engine.gallery.vectors([entry.file for entry in entries])
        subjects = [
            Subject(entry, vector, "case", entry.patient, entry.sex, entry.age)
            for entry, vector in zip(entries, vectors, strict=True)
        ]
        return [found for found, _, _ in self._judged(subjects)]

    def _subjects(self, taken: Sequence[tuple[Entry, Intake]]) -> list[Subject]:
        if not taken:
            return []
        towers, subjects = self.engine.towers, []
        queries = [as_query(got) for _, got in taken]
        images = [towers.image_of(query.page.pixels if query.page else None, query.recording) for query in queries]
        for (entry, got), vector in zip(taken, towers.encode_pages(images), strict=True):
            own = got.recording
            subjects.append(
                Subject(
                    entry,
                    vector,
                    got.kind,
                    entry.patient or (own.patient_key if own else None),
                    entry.sex or (own.sex if own else None),
                    entry.age if entry.age is not None or own is None else own.age,
                    tuple(got.warnings),
                )
            )
        return subjects

    def _judged(
        self, subjects: Sequence[Subject]
    ) -> Iterator[tuple[Disagreement | None, list[NearCase], list[NearCase]]]:
        """Of each: what was judged, its nearest cases, and the gallery's copies of itself."""
        fits = self._fits(subjects)
        for subject, near, fit in zip(subjects, self._near(subjects), fits, strict=True):
            others = [one for one in near if one.score < ITSELF]
            copies = [one for one in near if one.score >= ITSELF and one.case_id != subject.entry.file]
            own_case = subject.entry.path is None or bool(copies)
            found = disagreement(
                subject.entry.statements,
                others[: self.electorate.voters],
                self.electorate,
                fit=fit,
                of_the_gallery=own_case,
            )
            yield found, others, copies

    def _near(self, subjects: Sequence[Subject]) -> list[list[NearCase]]:
        if not subjects:
            return []
        gallery = self.engine.gallery
        k = max(self.k, self.electorate.voters) + ITSELF_ROOM
        found = gallery.search(
            np.stack([subject.vector for subject in subjects]),
            k=k,
            exclude_patients=[subject.patient for subject in subjects],
        )
        ids = list(dict.fromkeys(one.case_id for near in found for one in near))
        known = {case.case_id: case.statements for case in gallery.cases(ids)}
        return [[NearCase(one.case_id, one.score, known[one.case_id]) for one in near] for near in found]

    def _rows(self, subjects: Sequence[Subject]) -> Iterator[Row]:
        for subject, (found, others, copies) in zip(subjects, self._judged(subjects), strict=True):
            yield self._row(subject, found, others[: self.k], copies)

    def _row(
        self, subject: Subject, found: Disagreement | None, nearest: Sequence[NearCase], copies: Sequence[NearCase]
    ) -> Row:
        entry = subject.entry
        ballots = vote(nearest, self.electorate.counts, self.electorate.total)[:VOTED]
        facts: dict[str, Any] = {
            **_known(entry),
            "age": subject.age,
            "sex": subject.sex,
            "kind": subject.kind,
            "warnings": list(subject.warnings),
            "nearest": [[one.case_id, one.score] for one in nearest],
            "vote": [[ballot.code, ballot.cases, round(ballot.lift, 2)] for ballot in ballots],
            "same_as": [one.case_id for one in copies],
            "against": reason(entry.statements, nearest, found, suspicious=True),
            "with": reason(entry.statements, nearest, found, suspicious=False),
            "fit": None if found is None or found.fit is None else round(found.fit, 3),
        }
        by, score = (None, None) if found is None else (found.by, round(found.score, 6))
        return Row(
            *(entry.number, entry.file, "ok", by, score, entry.trusted),
            *(subject.patient, entry.site, entry.device, entry.reader),
            facts,
        )

    def _fits(self, subjects: Sequence[Subject]) -> list[float | None]:
        """How well each report fits its ECG; None where there is none."""
        wordy = [i for i, one in enumerate(subjects) if any(sign.isalnum() for sign in one.entry.report)]
        fits: list[float | None] = [None] * len(subjects)
        if wordy:
            texts, vectors = self._other_reports()
            own = self.engine.towers.encode_texts([subjects[i].entry.report for i in wordy])
            for i, vector in zip(wordy, own, strict=True):
                others = vectors[[j for j, text in enumerate(texts) if text != subjects[i].entry.report.strip()]]
                fits[i] = text_fit(subjects[i].vector, vector, others)
        return fits

    def _other_reports(self) -> tuple[tuple[str, ...], NDArray[np.float32]]:
        if self._sample is None:
            gallery, towers = self.engine.gallery, self.engine.towers
            ids = gallery.ids()
            chosen = np.random.default_rng(SAMPLE_SEED).permutation(len(ids))[: 2 * SAMPLE]
            reports = (case.report.strip() for case in gallery.cases([ids[i] for i in sorted(chosen)]))
            wordy = (text for text in reports if any(sign.isalnum() for sign in text))
            texts = tuple(dict.fromkeys(wordy))[:SAMPLE]
            self._sample = texts, towers.encode_texts(texts) if texts else np.zeros((0, towers.dim), np.float32)
        return self._sample


def _rejected(entry: Entry, kind: str, message: str) -> Row:
    facts = {**_known(entry), "age": entry.age, "sex": entry.sex, "kind": kind, "against": message, "with": message}
    return Row(
        *(entry.number, entry.file, "rejected", None, None, entry.trusted),
        *(entry.patient, entry.site, entry.device, entry.reader),
        facts,
    )


def _known(entry: Entry) -> dict[str, Any]:
    statements = None if entry.statements is None else dict(entry.statements)
    return {"report": entry.report, "statements": statements, "recorded": entry.recorded}
