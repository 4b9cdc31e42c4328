"""What a search answers with: the query as it was read, and the nearest cases as evidence.

``Answer.as_json`` is the documented form ``nearbeat.answer/1`` (docs/json.md).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from index import Case, Filter
from retrieval.ecg.page import CanonicalPage
from retrieval.ecg.recording import Recording
from retrieval.errors import NearBeatError

SCHEMA = "nearbeat.answer/1"
RankedBy = Literal["vectors", "words", "both"]
SIMULATED = "simulated"
"""The source of a case that a program made and no patient has."""

NOTICE = "Research software, not a diagnosis: the cases below are evidence to read, not a verdict."


@dataclass(frozen=True)
class Query:
    """What was asked, as it was understood.

    ``file`` is the path as given, ``None`` for a sentence or an object in memory; ``kind`` the reader that took it
    (``"text"`` for a sentence). ``page`` is the canonical page; ``recording`` exists where the file held
    samples; ``vector`` is the tower's answer, float32 ``[dim]`` of length 1. ``text`` is the sentence, or what was
    sought beside an ECG, ``also`` the usual terms in which it was asked as well (``retrieval.rewording``);
    ``case_id`` the gallery's own case that was asked about (kind ``"case"``).
    """

    file: str | None
    kind: str
    warnings: tuple[str, ...] = ()
    text: str | None = None
    page: CanonicalPage | None = field(default=None, compare=False, repr=False)
    recording: Recording | None = field(default=None, compare=False, repr=False)
    vector: NDArray[np.float32] | None = field(default=None, compare=False, repr=False)
    case_id: str | None = None
    also: tuple[str, ...] = ()

    @property
    def words(self) -> str:
        """All that was asked in words: the sentence and its usual terms; empty for an ECG alone."""
        return " ".join((self.text, *self.also)) if self.text is not None else ""


@dataclass(frozen=True)
class GalleryRef:
    """The gallery that answered, at the generation it had then."""

    path: str
    generation: int
    cases: int
    simulated: bool = False


@dataclass(frozen=True)
class ModelRef:
    """The bundle whose towers made the vectors."""

    name: str
    sha256: str


@dataclass(frozen=True)
class Hit:
    """One neighbour: its place, the cosine similarity to the query, and the case itself."""

    rank: int
    score: float
    case: Case

    @property
    def case_id(self) -> str:
        """The case's id in its gallery."""
        return self.case.case_id

    @property
    def report(self) -> str:
        """The report that was written for the case."""
        return self.case.report

    @property
    def statements(self) -> Mapping[str, float | None]:
        """Statement code to likelihood in per cent; ``None`` where it is present and the certainty was not given."""
        return self.case.statements

    @property
    def source(self) -> str:
        """Where the case comes from."""
        return self.case.source

    @property
    def simulated(self) -> bool:
        """Whether a program made the case."""
        return self.case.source.lower().startswith(SIMULATED)

    def as_json(self) -> dict[str, Any]:
        """The hit as an object of the schema."""
        return {"rank": self.rank, **_case_json(self.case, self.score)}


@dataclass(frozen=True)
class Answer:
    """The nearest cases of one query, best first; the same patient's own ECGs stand apart in ``earlier``.

    ``ranked_by`` says what ordered the hits: similarity of vectors, the words of the reports, or both fused; a hit's
    ``score`` is its cosine similarity in each case. Where the search was not ``exact``, ``recall`` is the share of
    the ten nearest that it finds, measured on the gallery's own vectors. ``log_id`` is its number in the log.
    ``k`` and ``where`` are what was asked for, ``patient`` whose ECGs were left out; it is in no JSON.
    """

    query: Query
    gallery: GalleryRef
    model: ModelRef
    hits: tuple[Hit, ...]
    exact: bool = True
    earlier: tuple[Case, ...] = field(default=())
    ranked_by: RankedBy = "vectors"
    recall: float | None = None
    log_id: int | None = None
    k: int = 0
    where: str | Filter | None = None
    patient: str | None = field(default=None, repr=False)

    def as_json(self) -> dict[str, Any]:
        """The answer as an object of ``nearbeat.answer/1``."""
        query: dict[str, Any] = {
            "file": self.query.file,
            "kind": self.query.kind,
            "warnings": list(self.query.warnings),
        }
        if self.query.text is not None:
            query["text"] = self.query.text
        if self.query.also:
            query["also"] = list(self.query.also)
        if self.query.case_id is not None:
            query["case_id"] = self.query.case_id
        answer: dict[str, Any] = {
            "schema": SCHEMA,
            "query": query,
            "gallery": {
                "path": self.gallery.path,
                "generation": self.gallery.generation,
                "cases": self.gallery.cases,
            },
            "model": {"name": self.model.name, "sha256": self.model.sha256},
            "exact": self.exact,
            "ranked_by": self.ranked_by,
            "hits": [hit.as_json() for hit in self.hits],
        }
        if self.recall is not None:
            answer["recall"] = self.recall
        if self.log_id is not None:
            answer["log_id"] = self.log_id
        if self.earlier:
            answer["earlier"] = [_case_json(case) for case in self.earlier]
        return answer


def refusal_json(file: str | None, error: NearBeatError) -> dict[str, Any]:
    """A file that could not be used, as an object of the schema."""
    return {"query": {"file": file}, "error": {"kind": error.kind, "message": str(error)}}


def _case_json(case: Case, score: float | None = None) -> dict[str, Any]:
    scored = {} if score is None else {"score": score}
    return {
        "case_id": case.case_id,
        **scored,
        "report": case.report,
        "statements": dict(case.statements),
        "source": case.source,
        "age": case.age,
        "sex": case.sex,
    }
