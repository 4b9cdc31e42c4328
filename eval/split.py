"""Who is asked and who answers: the folds of PTB-XL, and the refusal to mix patients."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from eval.relevance import normalised_text
from retrieval.corpora.ptbxl import PtbXlRow
from retrieval.ecg.recording import Recording
from retrieval.errors import CorpusError

__all__ = ["GALLERY_FOLDS", "QUERY_FOLD", "VALIDATION_FOLD", "Corpus", "Part", "Split", "split_by_fold"]

GALLERY_FOLDS = tuple(range(1, 9))
VALIDATION_FOLD = 9
QUERY_FOLD = 10


class Corpus(Protocol):
    """What the protocol needs of PTB-XL."""

    @property
    def rows(self) -> Sequence[PtbXlRow]:
        """All rows of the database, those without files included."""
        ...

    def present(self, row: PtbXlRow) -> bool:
        """Whether the files of a row are there."""
        ...

    def recording(self, row: PtbXlRow) -> Recording:
        """The waveform of a row."""
        ...


@dataclass(frozen=True)
class Part:
    """The ECGs of some folds, those whose files are there."""

    rows: tuple[PtbXlRow, ...]
    absent: int = 0

    @property
    def ids(self) -> tuple[int, ...]:
        """The ``ecg_id`` of each."""
        return tuple(row.ecg_id for row in self.rows)

    @property
    def statements(self) -> list[Mapping[str, float | None]]:
        """Code to likelihood or None of each."""
        return [row.statements for row in self.rows]

    @property
    def patients(self) -> list[str | None]:
        """The patient key of each."""
        return [row.patient_key for row in self.rows]

    @property
    def devices(self) -> list[str]:
        """The recorder of each."""
        return [row.device for row in self.rows]

    @property
    def texts(self) -> list[str]:
        """The normalised report of each; equal texts are one report."""
        return [normalised_text(row.report) for row in self.rows]

    def without(self, ids: Iterable[int]) -> Part:
        """The part without some ECGs, which then count as absent."""
        gone = set(ids)
        kept = tuple(row for row in self.rows if row.ecg_id not in gone)
        return replace(self, rows=kept, absent=self.absent + len(self.rows) - len(kept))


@dataclass(frozen=True)
class Split:
    """Gallery (folds 1 to 8), validation (fold 9) and queries (fold 10)."""

    gallery: Part
    validation: Part
    queries: Part

    @property
    def parts(self) -> tuple[Part, Part, Part]:
        """Gallery, validation, queries."""
        return self.gallery, self.validation, self.queries

    @property
    def sha256(self) -> str:
        """Of one line ``ecg_id,patient,fold`` per ECG in use, sorted: two results of one hash were measured alike."""
        rows = sorted((row.ecg_id, row.patient_key, row.fold) for part in self.parts for row in part.rows)
        lines = "".join(f"{ecg},{patient},{fold}\n" for ecg, patient, fold in rows)
        return hashlib.sha256(lines.encode()).hexdigest()

    def without(self, ids: Iterable[int]) -> Split:
        """The split without some ECGs."""
        gone = set(ids)
        return Split(*(part.without(gone) for part in self.parts))


def split_by_fold(corpus: Corpus) -> Split:
    """The split of the protocol.

    Raises:
        CorpusError: when a patient stands on both sides, or a side is empty.
    """
    _refuse_shared_patients(corpus.rows)
    parts = [_part(corpus, folds) for folds in (GALLERY_FOLDS, (VALIDATION_FOLD,), (QUERY_FOLD,))]
    for part, name in ((parts[0], "folds 1 to 8"), (parts[2], "fold 10")):
        if not part.rows:
            raise CorpusError(
                f"none of the {part.absent} records of {name} has its files here; fetch records100/ of PTB-XL"
            )
    return Split(*parts)


def _part(corpus: Corpus, folds: tuple[int, ...]) -> Part:
    rows = [row for row in corpus.rows if row.fold in folds]
    present = tuple(row for row in rows if corpus.present(row))
    return Part(present, len(rows) - len(present))


def _refuse_shared_patients(rows: Sequence[PtbXlRow]) -> None:
    side: dict[str, tuple[str, int]] = {}
    for row in rows:
        here = "train" if row.fold in GALLERY_FOLDS else "validation" if row.fold == VALIDATION_FOLD else "test"
        there, fold = side.setdefault(row.patient_key, (here, row.fold))
        if there != here:
            raise CorpusError(
                f"patient {row.patient_key} stands in fold {fold} ({there}) and in fold {row.fold} ({here}, record "
                f"{row.ecg_id}); a figure on such a split would be too good; use the strat_fold column as published"
            )
