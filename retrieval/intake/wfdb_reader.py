"""Read a WFDB record (header and signal file) as a 12-lead recording."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from retrieval.ecg.recording import Recording, Sex, from_leads
from retrieval.errors import BadSignal, CompanionMissing, DamagedFile, TooLarge, UnsupportedFormat

MILLIVOLTS: dict[str, float] = {"mv": 1.0, "uv": 1e-3, "µv": 1e-3, "μv": 1e-3, "v": 1e3, "nv": 1e-6}
"""What one unit of a header is in millivolts; a header that names no unit means mV (WFDB's default)."""
MAX_SAMPLES = 12 * 500 * 3600
"""An hour of twelve leads at 500 Hz; a longer file is a monitor's, of which the user must cut a part."""


def read_wfdb(path: Path) -> Recording:
    """Read the record that ``path`` (``.hea``, ``.dat`` or the bare stem) belongs to, in mV.

    Raises:
        CompanionMissing: the header names a signal file that is not there.
        LeadsMissing: fewer than I, II and V1 to V6 can be had.
        DamagedFile: the header or the signal file cannot be understood.
    """
    stem = path.with_suffix("") if path.suffix.lower() in {".hea", ".dat"} else path
    header_file = stem.with_name(stem.name + ".hea")
    header = _header(stem, header_file)
    for name in dict.fromkeys(header.file_name or []):
        if not header_file.with_name(Path(name).name).is_file():
            raise CompanionMissing(f"'{header_file.name}' needs '{name}' beside it, which is missing; bring both")
    if (header.sig_len or 0) * header.n_sig > MAX_SAMPLES:
        raise TooLarge(f"'{header_file.name}' holds {header.sig_len / header.fs / 60:.0f} minutes; cut out 10 s")
    signal = _samples(stem, header_file)
    leads = {name: signal[:, i] * _factor(unit) for i, (name, unit) in enumerate(_channels(header))}
    age, sex = _patient(header.comments or [])
    return Recording(from_leads(_fill_gaps(leads)), float(header.fs), age, sex)


def _header(stem: Path, header_file: Path) -> Any:
    import wfdb  # imports pandas and takes a second: only when a record is read

    try:
        header = wfdb.rdheader(str(stem))
    except Exception as error:  # wfdb raises whatever its parser stumbles over
        raise DamagedFile(f"'{header_file.name}' is not a WFDB header that can be understood: {error}") from error
    if not isinstance(header, wfdb.Record):
        raise UnsupportedFormat(f"'{header_file.name}' is a multi-segment record; cut one segment out of it")
    if not header.n_sig or not header.sig_name or not header.fs:
        raise DamagedFile(f"'{header_file.name}' names no signals; a 12-lead record is expected")
    return header


def _samples(stem: Path, header_file: Path) -> np.ndarray:
    import wfdb

    try:
        record = wfdb.rdrecord(str(stem))
    except Exception as error:
        raise DamagedFile(
            f"the signal file of '{header_file.name}' does not fit its header (truncated?): {error}"
        ) from error
    signal = getattr(record, "p_signal", None)
    if signal is None or not len(signal):
        raise DamagedFile(f"the signal file of '{header_file.name}' holds no samples")
    return np.asarray(signal, dtype=np.float64)


def _channels(header: Any) -> list[tuple[str, str]]:
    units = header.units or ["mV"] * header.n_sig
    return [(str(name), str(unit or "mV")) for name, unit in zip(header.sig_name, units, strict=True)]


def _factor(unit: str) -> float:
    if unit.strip().lower() not in MILLIVOLTS:
        raise BadSignal(f"the header gives the unit '{unit}'; an ECG is in one of {', '.join(MILLIVOLTS)}")
    return MILLIVOLTS[unit.strip().lower()]


def _fill_gaps(leads: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """WFDB marks lost samples as NaN; a gap of a few of them is bridged by a straight line."""
    filled = {}
    for name, row in leads.items():
        gap = ~np.isfinite(row)
        if gap.any() and gap.mean() < 0.02:
            at = np.arange(len(row))
            row = np.where(gap, np.interp(at, at[~gap], row[~gap]), row)
        filled[name] = row
    return filled


def _patient(comments: list[str]) -> tuple[float | None, Sex | None]:
    """Age and sex from comment lines such as ``Age: 63`` and ``Sex: Male``; names are never taken."""
    values = {}
    for line in comments:
        name, _, value = line.lower().lstrip("#< ").partition(":")
        values[name.strip(" >")] = value.strip()
    age = values.get("age", "")
    sex = values.get("sex", values.get("gender", ""))[:1]
    known: dict[str, Sex] = {"f": "female", "m": "male"}
    return (float(age) if age.isdigit() and 0 < int(age) <= 120 else None), known.get(sex)
