"""What the code above a gallery may count on, whatever keeps the cases: a folder on one machine, or Milvus.

:class:`index.gallery.Gallery` and :class:`index.milvus.MilvusGallery` fulfil it; one suite of tests holds both to the
same answers, to the byte. What a kind of gallery cannot do it refuses with a :class:`~index.errors.GalleryError`.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from index.case import Case, GalleryInfo, Neighbour, VerifyReport
from index.filters import Where
from index.found import Found
from index.ingest import Ingest


class CaseGallery(Protocol):
    """An open gallery. :class:`index.gallery.Gallery` says of each method what it does and raises."""

    @property
    def path(self) -> Path | str:
        """The folder, or the place as text."""
        ...

    @property
    def read_only(self) -> bool:
        """Whether changes are refused."""
        ...

    @property
    def dim(self) -> int:
        """The length of a vector."""
        ...

    @property
    def bundle_name(self) -> str:
        """The bundle that made the vectors."""
        ...

    @property
    def bundle_sha256(self) -> str:
        """What tells that bundle from any other."""
        ...

    @property
    def simulated(self) -> bool:
        """Whether the cases are simulated."""
        ...

    @property
    def exact(self) -> bool:
        """Whether a search without a filter compares with every case."""
        ...

    @property
    def notices(self) -> tuple[str, ...]:
        """What a user should hear about this gallery."""
        ...

    def __len__(self) -> int: ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def close(self) -> None:
        """Let go of it."""
        ...

    def snapshot(self) -> AbstractContextManager[int]:
        """All calls inside see one generation, which is given."""
        ...

    def find(
        self,
        queries: ArrayLike,
        k: int = 10,
        exclude_patients: Sequence[str | None] | None = None,
        where: Where | None = None,
    ) -> Found:
        """The k nearest cases of each query, and where the answer comes from."""
        ...

    def search(
        self,
        queries: ArrayLike,
        k: int = 10,
        exclude_patients: Sequence[str | None] | None = None,
        where: Where | None = None,
    ) -> list[list[Neighbour]]:
        """The neighbours of :meth:`find`."""
        ...

    def similarities(self, query: ArrayLike, ids: Sequence[str]) -> list[float]:
        """The cosine similarity of a vector with each of these cases."""
        ...

    def search_words(
        self, text: str, k: int = 10, where: Where | None = None, exclude_patient: str | None = None
    ) -> list[Neighbour]:
        """The first k cases by the words of their reports, where that is offered."""
        ...

    def search_hybrid(
        self,
        vector: ArrayLike,
        text: str,
        k: int = 10,
        where: Where | None = None,
        exclude_patient: str | None = None,
    ) -> list[Neighbour]:
        """The first k cases by vector and words, where that is offered."""
        ...

    def cases(self, ids: Sequence[str]) -> list[Case]:
        """The cases of these ids, in that order."""
        ...

    def known(self, ids: Sequence[str]) -> set[str]:
        """Those of these ids that are in the gallery."""
        ...

    def retired(self, ids: Sequence[str]) -> set[str]:
        """Those of these ids that were deleted and are never used again."""
        ...

    def ids(self, where: Where | None = None) -> list[str]:
        """The ids of all cases that meet a condition, in the order in which they were added."""
        ...

    def vectors(self, ids: Sequence[str] | None = None) -> NDArray[np.float32]:
        """The vectors ``[n, dim]`` of these ids, or of all."""
        ...

    def statement_counts(self) -> dict[str, int]:
        """How many cases have each statement, the most frequent first."""
        ...

    def earlier(self, patient_key: str) -> list[Case]:
        """All cases of a patient, the oldest first."""
        ...

    def added(self, ids: Sequence[str]) -> list[int]:
        """The generation in which each of these cases was added or last replaced."""
        ...

    def ingest(self, fingerprint: str) -> Ingest | None:
        """How far the stream of that fingerprint was taken."""
        ...

    def info(self) -> GalleryInfo:
        """The facts about this gallery."""
        ...

    def verify(self) -> VerifyReport:
        """Check what an answer could come from; reads the whole gallery."""
        ...

    def add(self, cases: Sequence[Case], vectors: ArrayLike, *, ingest: Ingest | None = None) -> int:
        """Add cases with their vectors, all or none; the new generation."""
        ...

    def replace(self, cases: Sequence[Case], vectors: ArrayLike) -> int:
        """Put cases in the place of those of the same ids, all or none; the new generation."""
        ...

    def delete(self, ids: Sequence[str]) -> int:
        """Delete cases, all or none, at once and for every process; the new generation."""
        ...

    def compact(self) -> None:
        """Let nothing of deleted cases stay."""
        ...

    def prepare_index(self, seed: int = 0) -> float | None:
        """Make or extend the approximate index where size or user ask for one; its measured recall@10."""
        ...
