"""Any file that holds an ECG -> its canonical page, with what was found and how certain that is."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from retrieval.intake.result import Finding, FoundLead, Intake, IntakeReport

if TYPE_CHECKING:
    from retrieval.intake.correction import Correction
    from retrieval.intake.declared import Declared
    from retrieval.intake.opening import Contents, Opened

__all__ = ["Finding", "FoundLead", "Intake", "IntakeReport", "read", "read_all"]


def read(
    path: str | Path,
    page: int | None = None,
    declared: Declared | None = None,
    correction: Correction | None = None,
) -> Intake:
    """Read a file; docs/formats.md lists the kinds and what is read of each.

    Args:
        path: the file; of a WFDB record its ``.hea``, its signal file or the bare stem.
        page: which page or record of the file, from 1; without it, the first that holds an ECG.
        declared: rate, unit and leads of samples whose file does not say them.
        correction: what a person sets by hand of a page that is a picture (docs/evidence.md).

    Raises:
        BadInput: one of its children, for what the user can mend: ``FileMissing``, ``EmptyFile``,
            ``UnsupportedFormat``, ``DamagedFile``, ``TooLarge``, ``EncryptedFile``, ``NoWaveform``,
            ``CompanionMissing``, ``LeadsMissing``, ``BadSignal``, ``NotAnEcg``, ``BadArgument``. Its message names
            the file.
        ExtraMissing: the kind of file needs a package that is not installed.
    """
    from retrieval.intake.reading_files import read_file

    return read_file(path, page, declared, correction)


def read_all(path: str | Path, declared: Declared | None = None) -> Contents:
    """Read every page or record of a file; those that were not read are listed with the reason.

    Args:
        path: as for ``read``.
        declared: as for ``read``.

    Raises:
        BadInput: the file as a whole cannot be opened; as for ``read``.
        ExtraMissing: as for ``read``.
    """
    from retrieval.intake.reading_files import read_whole_file

    return read_whole_file(path, declared)


def open_file(path: str | Path, declared: Declared | None = None) -> Opened:
    """Open a file without reading any ECG in it: how many pages it has, and each as picture or samples.

    Raises:
        BadInput, ExtraMissing: as for ``read``.
    """
    from retrieval.intake.reading_files import opened_file

    return opened_file(path, declared)
