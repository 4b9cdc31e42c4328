"""PTB-XL in its official layout, whole or in part.

Wagner et al., PTB-XL, a large publicly available electrocardiography dataset, Scientific Data 7:154 (2020).
"""

from __future__ import annotations

import ast
import csv
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from retrieval.ecg.recording import LEADS, Recording, Sex, from_leads
from retrieval.errors import BadInput, CorpusError

DATABASE = "ptbxl_database.csv"
RATE = 100.0
FIRST, LAST = 2, 985
"""Samples of the 100 Hz records in use: the edges of some differ between folds (filter tails) and would tell them."""

# AGE: ages over 89 years are stored as 300 to protect the patients.
_HIDDEN_AGE = 300.0
# Reports end after 255 characters, so the footer may be cut; "alter unbest." (age unknown) is a finding and stays.
_DEVICE_FOOTER = re.compile(
    r"\s*\b4\.46\b|\s*\bunbest\S*tigter?\s+bericht\b|\s*\bunbestä\w*(?:\s+b\w*)?\s*$|\s*\bunconfirmed report\b",
    re.IGNORECASE,
)
# 555 reports end in the codes that a later reader of the corpus wrote ("Edit: NORM 100, rSIII"): labels, no report.
_LATER_CODES = re.compile(r"\s*\bEdit:.*$", re.IGNORECASE | re.DOTALL)


@dataclass(frozen=True)
class PtbXlRow:
    """One line of ``ptbxl_database.csv``.

    ``statements`` maps SCP codes to their likelihood in per cent, or to ``None`` where the file says 0, which means
    that the statement is present and its certainty was not given.
    """

    ecg_id: int
    patient_key: str
    age: float | None
    sex: Sex | None
    site: str | None
    device: str
    recorded: str
    report: str
    statements: dict[str, float | None]
    fold: int
    path: str

    @property
    def case_id(self) -> str:
        """The id that a gallery gives this record."""
        return f"ptbxl-{self.ecg_id:05d}"


@dataclass(frozen=True)
class PtbXl:
    """The rows of a PTB-XL folder, and access to those records whose files are there."""

    folder: Path
    rows: tuple[PtbXlRow, ...]

    @classmethod
    def open(cls, folder: str | Path) -> PtbXl:
        """Read the database of a PTB-XL folder.

        Raises:
            CorpusError: when the folder holds no readable ``ptbxl_database.csv``.
        """
        path = Path(folder) / DATABASE
        if not path.is_file():
            raise CorpusError(f"{folder} holds no {DATABASE}; give the folder into which PTB-XL was unpacked")
        with path.open(encoding="utf-8", newline="") as lines:
            try:
                rows = tuple(_row(line) for line in csv.DictReader(lines))
            except (KeyError, ValueError, TypeError, SyntaxError, AttributeError, csv.Error) as error:
                raise CorpusError(f"{path} is not the database of PTB-XL 1.0.3: {error!r}") from error
        return cls(Path(folder), rows)

    def of_folds(self, folds: Iterable[int]) -> tuple[PtbXlRow, ...]:
        """The rows of these folds, in file order."""
        wanted = set(folds)
        return tuple(row for row in self.rows if row.fold in wanted)

    def present(self, row: PtbXlRow) -> bool:
        """Whether the record's header and samples are both there."""
        stem = self.folder / row.path
        return stem.with_suffix(".hea").is_file() and stem.with_suffix(".dat").is_file()

    def recording(self, row: PtbXlRow) -> Recording:
        """The record at 100 Hz, ``[12, 983]`` in mV.

        Raises:
            CorpusError: when its files are absent or damaged, or lack a lead.
        """
        import wfdb

        if not self.present(row):
            raise CorpusError(f"the files of record {row.ecg_id} are absent under {self.folder / row.path}")
        try:
            record = wfdb.rdrecord(str(self.folder / row.path))
        except Exception as error:
            raise CorpusError(f"record {row.ecg_id} cannot be read: {error}") from error
        if not isinstance(record, wfdb.Record) or record.p_signal is None or not record.fs:
            raise CorpusError(f"record {row.ecg_id} holds no signal; fetch its files again")
        signal = np.asarray(record.p_signal, dtype=np.float32).T
        by_name = {name: lead for name, lead in zip(record.sig_name or LEADS, signal, strict=True)}
        try:
            leads = from_leads(by_name)[:, FIRST:LAST]
            return Recording(leads, float(record.fs), row.age, row.sex, row.patient_key)
        except BadInput as error:
            raise CorpusError(f"record {row.ecg_id} is no 12-lead ECG: {error}") from error

    def recordings(self, folds: Iterable[int]) -> Iterator[tuple[PtbXlRow, Recording]]:
        """Rows of these folds with their recordings; records whose files are absent are passed over."""
        for row in self.of_folds(folds):
            if self.present(row):
                yield row, self.recording(row)

    def missing(self, folds: Iterable[int]) -> int:
        """How many records of these folds have no files here."""
        return sum(not self.present(row) for row in self.of_folds(folds))


def clean_report(report: str) -> str:
    """A report without the device's footer ('4.46 unbestätigter bericht') and without codes that were added later."""
    return re.sub(r"\s+", " ", _DEVICE_FOOTER.sub("", _LATER_CODES.sub("", report))).strip()


def parse_folds(text: str) -> tuple[int, ...]:
    """``"1-8"`` or ``"1,3,9-10"`` as folds.

    Raises:
        CorpusError: when it is neither.
    """
    folds: list[int] = []
    for part in text.split(","):
        match = re.fullmatch(r"\s*(\d+)\s*(?:-\s*(\d+)\s*)?", part)
        if match is None:
            raise CorpusError(f"'{text}' names no folds; write them as 1-8 or 1,2,9")
        first, last = int(match[1]), int(match[2] or match[1])
        if not 1 <= first <= last <= 10:
            raise CorpusError(f"'{text}' names folds outside 1 to 10")
        folds += range(first, last + 1)
    return tuple(dict.fromkeys(folds))


def _row(line: dict[str, str]) -> PtbXlRow:
    if None in line.values():
        raise ValueError(f"the line of ecg_id {line['ecg_id']} is cut short")
    codes: dict[str, float] = ast.literal_eval(line["scp_codes"])
    age = float(line["age"]) if line["age"] else None
    return PtbXlRow(
        ecg_id=int(line["ecg_id"]),
        patient_key=str(int(float(line["patient_id"]))),
        age=89.0 if age == _HIDDEN_AGE else age,
        sex={"0": "male", "1": "female"}.get(line["sex"].removesuffix(".0")),  # type: ignore[arg-type]  # a Literal
        site=line["site"].removesuffix(".0") or None,
        device=re.sub(r"\s+", " ", line["device"]).strip(),
        recorded=line["recording_date"],
        report=clean_report(line["report"]),
        statements={code: likelihood or None for code, likelihood in codes.items()},
        fold=int(line["strat_fold"]),
        path=line["filename_lr"],
    )
