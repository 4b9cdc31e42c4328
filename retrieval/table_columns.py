"""Columns of tables of ECGs under the names that archives give them, and cells as archives write them."""

from __future__ import annotations

import datetime
import glob
import re
from collections.abc import Sequence
from pathlib import Path

from retrieval.errors import BadArgument

NAMES: dict[str, tuple[str, ...]] = {
    "path": ("file", "filename", "file_name", "filepath", "file_path", "image", "image_path", "ecg", "ecg_file",
             "datei", "dateiname", "pfad", "bild"),
    "report": ("report_text", "text", "findings", "finding", "interpretation", "impression", "conclusion", "befund",
               "befundtext", "bericht"),
    "statements": ("scp_codes", "codes"),
    "patient": ("patient_id", "patientid", "patient_key", "patientkey", "subject", "subject_id", "mrn", "pid"),
    "age": ("patient_age", "age_years", "alter"),
    "sex": ("gender", "patient_sex", "geschlecht"),
    "site": ("hospital", "clinic", "centre", "center", "ward", "klinik", "standort"),
    "device": ("recorder", "cart", "machine", "geraet", "gerät"),
    "recorded": ("date", "recording_date", "recorded_at", "acquired", "acquisition_date", "datum", "aufnahmedatum"),
}  # fmt: skip
"""The name of each column, and what it is also called; small letters, ``_`` for what stands between words."""
_NAME_OF = {also: name for name, others in NAMES.items() for also in (name, *others)}
_UNKNOWN = frozenset({"", "-", "?", "na", "n/a", "nan", "none", "null", "unknown", "unbekannt", "u", "x"})
_SEXES = {
    **dict.fromkeys(("f", "female", "w", "weiblich", "woman", "frau"), "female"),
    **dict.fromkeys(("m", "male", "männlich", "maennlich", "man", "mann"), "male"),
}
_DATES = (
    re.compile(r"(?P<y>\d{4})-(?P<m>\d{2})-(?P<d>\d{2})(?:[T ](?P<t>\d{2}:\d{2}(?::\d{2})?)(?:\.\d+)?)?"),
    re.compile(r"(?P<d>\d{1,2})\.(?P<m>\d{1,2})\.(?P<y>\d{4})(?:,? (?P<t>\d{2}:\d{2}(?::\d{2})?))?"),
    re.compile(r"(?P<y>\d{4})(?P<m>\d{2})(?P<d>\d{2})(?P<t>)"),
)
"""ISO, German with points, DICOM. With slashes day and month stand either way round."""
_AGE = re.compile(r"(\d{1,3}(?:[.,]\d+)?)\s*(?:y|yr|yrs|years?|j|jahre?)?\.?", re.IGNORECASE)


def known_columns(given: Sequence[str], place: Path | str) -> list[str]:
    """The headings of a table under our names; a heading that says nothing to us stays as it is, in small letters.

    Args:
        given: the headings, as they stand there.
        place: the table, for the message.

    Raises:
        BadArgument: when none names the files, or two mean the same.
    """
    plain = [re.sub(r"[\s\-./]+", "_", (name or "").strip().lower()).strip("_") for name in given]
    named = [name if _NAME_OF.get(name, name) in plain else _NAME_OF.get(name, name) for name in plain]
    for name in NAMES:
        same = [heading for heading, ours in zip(given, named, strict=True) if ours == name]
        if len(same) > 1:
            raise BadArgument(f"{place}: the columns {' and '.join(same)} both mean '{name}'; rename or drop one")
    if "path" not in named:
        raise BadArgument(
            f"{place} has the columns {list(given)}; it needs 'path' (or 'file', 'image', …) with the place of each "
            "ECG, and 'report' where there are reports"
        )
    return named


def age_of(cell: str) -> float | None:
    """Years, as a number, with a unit, or as DICOM's ``061Y``; None where the cell says that it is not known.

    Raises:
        BadArgument: when it is none of these.
    """
    if cell.lower() in _UNKNOWN:
        return None
    found = _AGE.fullmatch(cell)
    if found is None:
        raise BadArgument(f"'{cell}' is no age in years")
    return float(found[1].replace(",", "."))


def sex_of(cell: str) -> str | None:
    """``female`` or ``male``; None where the cell says that it is not known.

    Raises:
        BadArgument: when it is a number, which tables use either way round, or anything else.
    """
    if cell.lower() in _UNKNOWN:
        return None
    if cell.lower() not in _SEXES:
        raise BadArgument(f"'{cell}' is no sex that can be read; write female or male, or leave it empty")
    return _SEXES[cell.lower()]


def date_of(cell: str) -> str | None:
    """``1990-05-31`` or ``1990-05-31 14:05:00``; None where the cell says that it is not known.

    Raises:
        BadArgument: when it is no date, or one whose day and month could be exchanged.
    """
    if cell.lower() in _UNKNOWN:
        return None
    found = next(filter(None, (pattern.fullmatch(cell) for pattern in _DATES)), None)
    try:
        if found is None:
            raise ValueError
        day = datetime.date(int(found["y"]), int(found["m"]), int(found["d"])).isoformat()
    except ValueError as error:
        raise BadArgument(f"'{cell}' is no date that can be read for sure; write it as 1990-05-31") from error
    return f"{day} {found['t']}" if found["t"] else day


def file_at(roots: Sequence[Path], cell: str) -> Path:
    """Where a cell's file lies, in the first folder that has it.

    It is looked for as it is written, with Windows' separators, and without its suffix, where that leaves one file.
    """
    found = [_file_in(root, cell) for root in roots]
    return next((path for path in found if path.exists()), found[0])


def _file_in(root: Path, cell: str) -> Path:
    path = root / cell
    if path.is_file():
        return path
    path = root / cell.replace("\\", "/")
    if path.is_file() or path.suffix or not path.parent.is_dir() or not path.name:
        return path
    alike = sorted(file for file in path.parent.glob(f"{glob.escape(path.name)}.*") if file.is_file())
    headers = [file for file in alike if file.suffix.lower() == ".hea"] or alike
    return headers[0] if len(headers) == 1 else path
