"""Cases by number, whether they are in memory or read when they are asked for."""

from __future__ import annotations

from abc import abstractmethod
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any, TypeVar

from retrieval.ecg.recording import Signal

T = TypeVar("T")


@dataclass(frozen=True)
class TrainingCase:
    """One ECG: ``signal`` ``[12, 983]`` in mV at 100 Hz, its statements, and texts that describe it.

    The first text is the report as it was written; the others word its statements.
    """

    case_id: str
    signal: Signal
    statements: dict[str, float | None]
    texts: tuple[str, ...]
    patient_key: str | None = None
    simulated: bool = False


class Cases(Sequence[TrainingCase]):
    """Cases by number, kept in memory or read when they are asked for; what needs no waveform reads none."""

    @property
    @abstractmethod
    def kept(self) -> bool:
        """Whether they are in memory with their texts."""

    @abstractmethod
    def statements(self) -> Iterator[dict[str, float | None]]:
        """The statements of each case."""

    @abstractmethod
    def patient_keys(self) -> Iterator[str | None]:
        """The patient of each case."""

    @abstractmethod
    def texts(self) -> Iterator[tuple[str, ...]]:
        """The texts of each case."""

    def __iter__(self) -> Iterator[TrainingCase]:
        """The cases in order."""
        return (self[number] for number in range(len(self)))


class KeptCases(Cases):
    """Cases in memory."""

    def __init__(self, cases: Iterable[TrainingCase]) -> None:
        self._cases = tuple(cases)

    @property
    def kept(self) -> bool:
        """They are."""
        return True

    def __len__(self) -> int:
        return len(self._cases)

    def __getitem__(self, number: Any) -> Any:
        """A case, or a tuple of them."""
        return self._cases[number]

    def statements(self) -> Iterator[dict[str, float | None]]:
        """The statements of each case."""
        return (case.statements for case in self._cases)

    def patient_keys(self) -> Iterator[str | None]:
        """The patient of each case."""
        return (case.patient_key for case in self._cases)

    def texts(self) -> Iterator[tuple[str, ...]]:
        """The texts of each case."""
        return (case.texts for case in self._cases)


class ChosenCases(Cases):
    """Some of other cases."""

    def __init__(self, cases: Cases, chosen: Sequence[int]) -> None:
        self._cases, self._chosen = cases, tuple(chosen)

    @property
    def kept(self) -> bool:
        """Whether all of them are in memory."""
        return self._cases.kept

    def __len__(self) -> int:
        return len(self._chosen)

    def __getitem__(self, number: Any) -> Any:
        """A case, or a tuple of them."""
        chosen = self._chosen[number]
        return tuple(self._cases[i] for i in chosen) if isinstance(number, slice) else self._cases[chosen]

    def statements(self) -> Iterator[dict[str, float | None]]:
        """The statements of each case."""
        return self._of(self._cases.statements())

    def patient_keys(self) -> Iterator[str | None]:
        """The patient of each case."""
        return self._of(self._cases.patient_keys())

    def texts(self) -> Iterator[tuple[str, ...]]:
        """The texts of each case."""
        return self._of(self._cases.texts())

    def _of(self, items: Iterator[T]) -> Iterator[T]:
        wanted = set(self._chosen)
        return (item for number, item in enumerate(items) if number in wanted)


def without_statements(cases: Cases, codes: Iterable[str]) -> Cases:
    """The cases that carry none of these statements."""
    held = set(codes)
    kept = [number for number, stated in enumerate(cases.statements()) if not held & set(stated)]
    return cases if len(kept) == len(cases) else ChosenCases(cases, kept)


class JoinedCases(Cases):
    """The cases of several corpora one after the other."""

    def __init__(self, parts: Sequence[Cases]) -> None:
        self.parts = tuple(parts)
        self.ends = list(accumulate(len(part) for part in self.parts))

    @property
    def kept(self) -> bool:
        """Whether all of them are in memory."""
        return all(part.kept for part in self.parts)

    def __len__(self) -> int:
        return self.ends[-1] if self.ends else 0

    def __getitem__(self, number: Any) -> Any:
        """A case, or a tuple of them."""
        if isinstance(number, slice):
            return tuple(self[i] for i in range(*number.indices(len(self))))
        place = number + len(self) if number < 0 else number
        if not 0 <= place < len(self):
            raise IndexError(number)
        part = bisect_right(self.ends, place)
        return self.parts[part][place - (self.ends[part - 1] if part else 0)]

    def statements(self) -> Iterator[dict[str, float | None]]:
        """The statements of each case."""
        return (item for part in self.parts for item in part.statements())

    def patient_keys(self) -> Iterator[str | None]:
        """The patient of each case."""
        return (item for part in self.parts for item in part.patient_keys())

    def texts(self) -> Iterator[tuple[str, ...]]:
        """The texts of each case."""
        return (item for part in self.parts for item in part.texts())
