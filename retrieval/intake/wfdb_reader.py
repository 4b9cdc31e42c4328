"""Read a WFDB record (header and signal file, of one segment or several) as a 12-lead recording."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from retrieval.ecg.recording import Recording, Sex
from retrieval.errors import CompanionMissing, DamagedFile, TooLarge, UnsupportedFormat
from retrieval.intake.channels import (
    Channel,
    assemble,
    check_amount,
    checked_rate,
    known_age,
    known_sex,
    lead_of,
    unit_in_millivolts,
)
from retrieval.intake.limits import MAX_BYTES
from retrieval.intake.opening import Opened, Recorded

SIGNAL_SUFFIXES = frozenset({".dat", ".mat"})
MAX_HEADER_BYTES = 1_000_000
MAX_SEGMENTS = 1_000


def open_wfdb(path: Path) -> Opened:
    """The record that ``path`` (``.hea``, its signal file or the bare stem) belongs to.

    Raises:
        CompanionMissing: the header names a file that is not there.
        DamagedFile: the header cannot be understood.
        TooLarge: more than a quarter of an hour of twelve leads.
    """
    stem = path.with_suffix("") if path.suffix.lower() in {".hea", *SIGNAL_SUFFIXES} else path
    header_file = stem.with_name(stem.name + ".hea")
    header = _header(stem, header_file)
    check_amount(header.n_sig, header.sig_len or 0, header_file.name, float(header.fs))
    return Opened("wfdb", 1, lambda _: _record(stem, header_file))


def read_wfdb(path: Path) -> Recording:
    """Read a record, in mV; errors as ``open_wfdb``, and those of a recording without its leads."""
    recorded = open_wfdb(path).load(1)
    if not isinstance(recorded, Recorded):  # never: a WFDB record is a recording
        raise TypeError(type(recorded).__name__)
    return recorded.recording


def _header(stem: Path, header_file: Path) -> Any:
    import wfdb  # imports pandas and takes a second: only when a record is read

    if header_file.is_file() and header_file.stat().st_size > MAX_HEADER_BYTES:
        raise TooLarge(f"'{header_file.name}' is a header of over {MAX_HEADER_BYTES // 10**6} MB, which none has")
    try:
        header = wfdb.rdheader(str(stem))
    except Exception as error:  # wfdb raises whatever its parser stumbles over
        raise DamagedFile(f"'{header_file.name}' is not a WFDB header that can be understood: {error}") from error
    if not header.n_sig or not header.fs:
        raise DamagedFile(f"'{header_file.name}' names no signals; a 12-lead record is expected")
    checked_rate(float(header.fs), header_file.name)
    if isinstance(header, wfdb.MultiRecord):
        _check_segments(header, header_file)
    else:
        _check_files(header, header_file)
    return header


def _check_segments(header: Any, header_file: Path) -> None:
    """Each segment's own header must be there, in this folder, and be one of a record that we would read alone."""
    import wfdb

    names = [name for name in header.seg_name or [] if name != "~"]
    if not names or len(names) > MAX_SEGMENTS:
        raise DamagedFile(f"'{header_file.name}' names {len(names)} segments; 1 to {MAX_SEGMENTS} are expected")
    for name in dict.fromkeys(names):
        own = _beside(header_file, f"{name}.hea")
        try:
            segment = wfdb.rdheader(str(own.with_suffix("")))
        except Exception as error:
            raise DamagedFile(f"'{own.name}' is not a WFDB header that can be understood: {error}") from error
        if isinstance(segment, wfdb.MultiRecord):
            raise UnsupportedFormat(f"'{own.name}' is a segment that is made of segments; cut one out of it")
        if segment.sig_len:  # the first segment of a record with changing leads only describes them
            _check_files(segment, own)


def _check_files(header: Any, header_file: Path) -> None:
    if not header.sig_name:
        raise DamagedFile(f"'{header_file.name}' names no signals; a 12-lead record is expected")
    for name in dict.fromkeys(header.file_name or []):
        signals = _beside(header_file, str(name))
        if signals.stat().st_size > MAX_BYTES:
            raise TooLarge(f"'{signals.name}' has {signals.stat().st_size / 1e6:.0f} MB; cut out 10 seconds")


def _beside(header_file: Path, name: str) -> Path:
    """A file that a header names: it lies in the header's folder, and no header may lead anywhere else."""
    if Path(name).name != name or "\\" in name or ":" in name:
        raise UnsupportedFormat(f"'{header_file.name}' names a file outside its folder ('{name[:60]}'); bring both")
    beside = header_file.with_name(name)
    if not beside.is_file():
        raise CompanionMissing(f"'{header_file.name}' needs '{name}' beside it, which is missing; bring both")
    return beside


def _record(stem: Path, header_file: Path) -> Recorded:
    record = _samples(stem, header_file)
    signal = np.asarray(record.p_signal, dtype=np.float64)
    units = [str(unit or "mV") for unit in record.units or ["mV"] * record.n_sig]
    channels = [
        Channel(str(label), signal[:, i] * unit_in_millivolts(unit), float(record.fs))
        for i, (label, unit) in enumerate(zip(record.sig_name, units, strict=True))
        if lead_of(str(label)) is not None
    ]
    age, sex = _patient(record.comments or [])
    return assemble(channels, header_file.name, age, sex)


def _samples(stem: Path, header_file: Path) -> Any:
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
    return record


def _patient(comments: list[str]) -> tuple[float | None, Sex | None]:
    """Age and sex from comment lines such as ``Age: 63`` and ``Sex: Male``; names are never taken."""
    values = {}
    for line in comments:
        name, _, value = line.lower().lstrip("#< ").partition(":")
        values[name.strip(" >")] = value.strip()
    sex = values.get("sex", values.get("gender", ""))[:1]
    return known_age(values.get("age", "")), known_sex(sex if sex.isalpha() else "")
