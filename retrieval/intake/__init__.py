"""Any file that holds an ECG -> its canonical page, with what was found and how certain that is."""

from __future__ import annotations

from pathlib import Path

from retrieval.intake.result import Finding, FoundLead, Intake, IntakeReport

__all__ = ["Finding", "FoundLead", "Intake", "IntakeReport", "read"]


def read(path: str | Path) -> Intake:
    """Read a file: WFDB, DICOM waveform, PNG, JPEG, BMP, WebP, TIFF or PDF.

    Args:
        path: the file; of a WFDB record its ``.hea``, its ``.dat`` or the bare stem.

    Raises:
        BadInput: one of its children, for what the user can mend: ``FileMissing``, ``EmptyFile``,
            ``UnsupportedFormat``, ``DamagedFile``, ``TooLarge``, ``EncryptedFile``, ``NoWaveform``,
            ``CompanionMissing``, ``LeadsMissing``, ``BadSignal``, ``NotAnEcg``. Its message names the file.
    """
    # Imported here, since the package of errors brings numpy with it.
    from retrieval.errors import BadInput

    file = Path(path)
    try:
        return _read(file, str(path))
    except BadInput as error:
        if file.name in str(error):
            raise
        raise type(error)(f"'{file.name}': {error}") from error


def _read(file: Path, given: str) -> Intake:
    # The readers import cv2, wfdb or pydicom; nobody pays for those by importing this package.
    from retrieval.intake.sniff import sniff

    kind = sniff(file)
    if kind in {"wfdb", "dicom_waveform"}:
        return _read_recording(file, kind)
    if kind == "pdf":
        return _read_pdf(file)
    from retrieval.intake.image_reader import read_image
    from retrieval.intake.page import read_page

    page, report, findings = read_page(read_image(file))
    return Intake(given, kind, page, None, findings, report)


def _read_recording(file: Path, kind: str) -> Intake:
    from retrieval.ecg.page import canonical_page
    from retrieval.ecg.recording import check

    if kind == "wfdb":
        from retrieval.intake.wfdb_reader import read_wfdb

        recording = read_wfdb(file)
    else:
        from retrieval.intake.dicom_reader import read_dicom

        recording = read_dicom(file)
    findings = tuple(Finding("signal", sentence) for sentence in check(recording))
    return Intake(str(file), kind, canonical_page(recording), recording, findings)


def _read_pdf(file: Path) -> Intake:
    """The first page on which an ECG is found; the last page's reason where there is none."""
    from retrieval.errors import NotAnEcg
    from retrieval.intake.page import read_page
    from retrieval.intake.pdf_reader import render_pages

    refusal = NotAnEcg(f"'{file.name}' has no page that could be read")
    for number, (rgb, _) in enumerate(render_pages(file), start=1):
        try:
            page, report, findings = read_page(rgb)
        except NotAnEcg as error:
            refusal = NotAnEcg(f"page {number} of '{file.name}': {error}")
            continue
        if number > 1:
            note = f"the ECG was found on page {number}; later pages were not looked at"
            findings = (*findings, Finding("later_page", note))
        return Intake(str(file), "pdf", page, None, findings, report, number)
    raise refusal
