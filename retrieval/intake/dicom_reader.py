"""Open a DICOM file by what it holds: a waveform, a secondary capture, or an encapsulated PDF."""

from __future__ import annotations

import io
import warnings
from pathlib import Path
from typing import Any

from retrieval.ecg.recording import Recording, Sex
from retrieval.errors import BadInput, DamagedFile, NoWaveform, UnsupportedFormat
from retrieval.intake.channels import age_between, known_age
from retrieval.intake.opening import Opened, Recorded, Source, inflate, load_source

DEFLATED = b"1.2.840.10008.1.2.1.99"
CAPTURES = ("1.2.840.10008.5.1.4.1.1.7", "1.2.840.10008.5.1.4.1.1.77.1.4")
"""Secondary Capture with its multi-frame kinds, and photographs; other images are of other modalities."""
PDF_CLASS = "1.2.840.10008.5.1.4.1.1.104.1"
PREAMBLE = 132
AGE_UNITS = {"Y": 1.0, "M": 1 / 12, "W": 1 / 52.18, "D": 1 / 365.25}


def open_dicom(source: Source) -> Opened:
    """A DICOM file: its kind is ``dicom_waveform``, ``dicom_image`` or ``dicom_pdf``.

    Raises:
        NoWaveform: a DICOM object without an ECG that could be read, or with a median beat only.
        DamagedFile: not to be parsed.
        TooLarge: it unpacks to more than can be an ECG.
    """
    dataset = _dataset(source)
    if "SOPClassUID" not in dataset:
        raise DamagedFile(f"'{source.name}' is not a whole DICOM object: it lacks its SOP class; export it again")
    if dataset.get("WaveformSequence"):
        from retrieval.intake.dicom_waveform import open_waveform

        return open_waveform(dataset, source.name)
    kind = str(dataset.SOPClassUID)
    if kind == PDF_CLASS or "EncapsulatedDocument" in dataset:
        return _open_pdf(dataset, source)
    if "PixelData" in dataset and any(kind == one or kind.startswith(one + ".") for one in CAPTURES):
        from retrieval.intake.dicom_picture import open_picture

        return open_picture(dataset, source.name)
    raise NoWaveform(
        f"'{source.name}' is a DICOM object ({dataset.SOPClassUID.name}) without a waveform, PDF or captured page; "
        "export the ECG as 12-lead waveform"
    )


def read_dicom(path: Path) -> Recording:
    """Read the 12-lead rhythm group of a DICOM file, in mV.

    Raises:
        NoWaveform: a DICOM object without a waveform, or with a median beat only.
        LeadsMissing: no rhythm group from which the 12 leads can be had.
        DamagedFile: not to be parsed, or its samples end early.
    """
    opened = open_dicom(load_source(path))
    recorded = opened.load(1)
    if not isinstance(recorded, Recorded):
        raise NoWaveform(f"'{path.name}' is a DICOM file of a page, without a waveform")
    return recorded.recording


def _dataset(source: Source) -> Any:
    import pydicom

    data, name = source.data, source.name
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of values that break the standard's rules; most files have some
            _check_deflated(source)
            return pydicom.dcmread(io.BytesIO(data), force=True)
    except (MemoryError, BadInput):
        raise
    except Exception as error:  # pydicom raises whatever its parser stumbles over
        raise DamagedFile(f"'{name}' cannot be parsed as DICOM (truncated?): {error}") from error


def _check_deflated(source: Source) -> None:
    """Unpack a deflated data set within our bounds before pydicom does it without any.

    The file meta information begins behind the preamble with its own length, the tag (0002,0000).
    """
    data = source.data
    if data[128:PREAMBLE] != b"DICM" or data[PREAMBLE : PREAMBLE + 4] != b"\2\0\0\0":
        return
    start = PREAMBLE + 12 + int.from_bytes(data[PREAMBLE + 8 : PREAMBLE + 12], "little")
    if DEFLATED in data[PREAMBLE:start]:
        inflate(data[start:], source.name, window=-15)


def _open_pdf(dataset: Any, source: Source) -> Opened:
    from retrieval.intake.pdf_reader import open_pdf

    document = bytes(dataset.get("EncapsulatedDocument") or b"")
    kind = str(dataset.get("MIMETypeOfEncapsulatedDocument") or "application/pdf")
    if not document:
        raise DamagedFile(f"'{source.name}' says it holds a document, and there is none; export it again")
    if b"%PDF-" not in document[:1024]:
        raise UnsupportedFormat(f"'{source.name}' holds a document of the type {kind[:60]}; PDF can be read")
    return open_pdf(Source(source.path, document), "dicom_pdf")


def patient(dataset: Any) -> tuple[float | None, Sex | None]:
    """Age in years and sex; ages in months, weeks and days are years in part (PS3.5, VR AS).

    Without an age, the whole years from the day of birth to that of the study.
    """
    text = str(dataset.get("PatientAge") or "").strip()
    years = AGE_UNITS.get(text[-1:])
    age = known_age(text[:-1], years) if years and text[:-1].isdigit() else None
    if age is None:
        day = str(dataset.get("StudyDate") or dataset.get("AcquisitionDateTime") or dataset.get("ContentDate") or "")
        age = age_between(str(dataset.get("PatientBirthDate") or ""), day)
    known: dict[str, Sex] = {"F": "female", "M": "male"}
    return age, known.get(str(dataset.get("PatientSex") or ""))
