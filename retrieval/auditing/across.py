"""What is seen only across ECGs: one ECG several times, and ECGs of one patient that do not go together."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np

from retrieval.auditing.duplicates import Matrix, near_identical
from retrieval.auditing.journal import Journal, Row

DUPLICATES, PATIENTS = "duplicates", "patients"
STRANGERS = 20_000
"""Random pairs that tell how alike ECGs of different patients are."""
YEARS = 2.0
"""By how many years two ages may differ from the years between two recordings."""

Finding = tuple[str, dict[str, Any]]


@dataclass(frozen=True)
class _Vectors:
    """The vectors of all ECGs in a file that is gone at the end, with the numbers of their rows."""

    numbers: np.ndarray
    matrix: Matrix

    def of(self, number: int) -> np.ndarray | None:
        place = int(np.searchsorted(self.numbers, number))
        here = place < len(self.numbers) and self.numbers[place] == number
        return self.matrix[place].astype(np.float64) if here else None


def look_across(journal: Journal) -> None:
    """Find duplicates and patients whose ECGs do not go together, and keep both in the journal."""
    with tempfile.TemporaryDirectory(prefix=".audit-", dir=journal.path.parent) as scratch:
        vectors = _gather(journal, Path(scratch) / "vectors")
        if vectors is not None:
            journal.keep_findings([*_duplicates(journal, vectors), *_patients(journal, vectors)])
        del vectors


def _gather(journal: Journal, file: Path) -> _Vectors | None:
    numbers: list[int] = []
    dim = 0
    with file.open("wb") as data:
        for part, vectors in journal.vectors():
            numbers += part
            dim = vectors.shape[1]
            data.write(np.ascontiguousarray(vectors, "<f4").tobytes())
    if not numbers:
        return None
    matrix = np.memmap(file, dtype="<f4", mode="r", shape=(len(numbers), dim))
    return _Vectors(np.array(numbers, dtype=np.int64), matrix)


def _duplicates(journal: Journal, vectors: _Vectors) -> Iterator[Finding]:
    for group in near_identical(vectors.matrix):
        numbers = vectors.numbers[group].tolist()
        rows = [row for number in numbers for row in journal.rows("number = ?", (number,))]
        yield DUPLICATES, {"numbers": numbers, "files": [row.file for row in rows], "what": _what(rows)}


def _what(rows: Sequence[Row]) -> str:
    patients = {row.patient for row in rows if row.patient}
    reports = {(row.facts.get("report"), str(row.facts.get("statements"))) for row in rows}
    parts = ["the same ECG"]
    if len(patients) > 1:
        parts.append(f"under {len(patients)} patients")
    if len(reports) > 1:
        parts.append(f"with {len(reports)} different reports")
    return " ".join(parts)


def _patients(journal: Journal, vectors: _Vectors) -> Iterator[Finding]:
    """Per patient of several ECGs; the stranger's similarity is the median of random pairs of different patients."""
    chance = _chance(journal, vectors)
    rows = journal.rows("patient IS NOT NULL AND status = 'ok'", order="patient, number")
    for patient, group in groupby(rows, key=lambda row: row.patient):
        own = list(group)
        if len(own) < 2:
            continue
        what = [*_of_two_sexes(own), *_of_two_ages(own), *_unlike(own, vectors, chance)]
        if what:
            numbers, files = [row.number for row in own], [row.file for row in own]
            yield PATIENTS, {"patient": patient, "numbers": numbers, "files": files, "what": "; ".join(what)}


def _chance(journal: Journal, vectors: _Vectors) -> float:
    """The median similarity of random pairs; few of them are of one patient, which the median does not feel."""
    rng = np.random.default_rng(0)
    count = len(vectors.numbers)
    one, other = rng.integers(0, count, STRANGERS), rng.integers(0, count, STRANGERS)
    apart = one != other
    pairs = zip(np.array_split(one[apart], 20), np.array_split(other[apart], 20), strict=True)
    found = [np.einsum("nd,nd->n", vectors.matrix[a], vectors.matrix[b]) for a, b in pairs if len(a)]
    return float(np.median(np.concatenate(found))) if found else -1.0


def _of_two_sexes(rows: Sequence[Row]) -> Iterator[str]:
    if len({row.facts.get("sex") for row in rows} - {None}) > 1:
        yield "recorded as female and as male"


def _of_two_ages(rows: Sequence[Row]) -> Iterator[str]:
    """Years of birth that cannot be one person's."""
    births = [
        int(str(row.facts["recorded"])[:4]) - float(row.facts["age"])
        for row in rows
        if row.facts.get("age") is not None and str(row.facts.get("recorded") or "")[:4].isdigit()
    ]
    if births and max(births) - min(births) > YEARS:
        yield f"ages that differ by {max(births) - min(births):.0f} years from the years between the recordings"


def _unlike(rows: Sequence[Row], vectors: _Vectors, chance: float) -> Iterator[str]:
    """ECGs that are less like each other of the patient's than two of strangers are."""
    known = [(row.file, vector) for row in rows if (vector := vectors.of(row.number)) is not None]
    if len(known) < 2:
        return
    matrix = np.stack([vector for _, vector in known])
    alike = matrix @ matrix.T
    np.fill_diagonal(alike, -np.inf)
    nearest = alike.max(axis=1)
    for (file, _), best in zip(known, nearest.tolist(), strict=True):
        if best < chance:
            yield f"{file} is less like the patient's other ECGs ({best:.2f}) than strangers' are ({chance:.2f})"
