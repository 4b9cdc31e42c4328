"""Read samples from NumPy's files, NPY and NPZ, whose rate and unit are declared; nothing pickled is ever loaded."""

from __future__ import annotations

import io
import math
import zipfile
import zlib
from pathlib import PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from retrieval.errors import BadSignal, DamagedFile, TooLarge, UnsupportedFormat
from retrieval.intake.channels import Channel, assemble, check_amount, checked_rate, known_sex, lead_of
from retrieval.intake.declared import ALIASES, Declared, declared_in, sidecar
from retrieval.intake.limits import MAX_VALUES
from retrieval.intake.opening import Opened, Recorded, Source

MAGIC = b"\x93NUMPY"
SIGNAL_NAMES = ("signal", "ecg", "signals", "data", "x", "arr_0")
MAX_MEMBERS = 200
MAX_HEADER = 10_000
MAX_RECORDS = 1_000


def open_npy(source: Source, said: Declared) -> Opened:
    """An NPY file: ``[leads, samples]``, ``[samples, leads]``, or records of either.

    Raises:
        BadSignal: a shape or a type of numbers that no ECG has.
        TooLarge: more values than a quarter of an hour of twelve leads.
    """
    array = _array(source.data, source.name)
    return _opened("npy", array, said.over(sidecar(source.path), source.name), source.name)


def open_npz(source: Source, said: Declared) -> Opened:
    """An NPZ file: an array ``signal`` (or ``ecg``, ``data``, the only one), or an array for each lead.

    ``rate``, ``unit``, ``leads``, ``age`` and ``sex`` may stand beside it.

    Raises:
        UnsupportedFormat: a zip file without arrays.
        BadSignal, DamagedFile, TooLarge: as ``open_npy``.
    """
    arrays = _members(source)
    own = declared_in({key: _plain(value) for key, value in arrays.items() if key.lower() in ALIASES}, source.name)
    said = said.over(sidecar(source.path).over(own, source.name), source.name)
    leads = {key: value for key, value in arrays.items() if lead_of(key) is not None}
    if len(leads) > 1:
        if len({value.shape for value in leads.values()}) > 1 or next(iter(leads.values())).ndim != 1:
            raise BadSignal(f"the leads of '{source.name}' differ in length or are no rows of samples")
        whole = Declared(leads=tuple(leads)).over(said, source.name)
        return _opened("npz", np.stack(list(leads.values())), whole, source.name)
    signals = {key: value for key, value in arrays.items() if value.ndim >= 2}
    named = [key for key in SIGNAL_NAMES if key in signals] or list(signals)
    if not named or (len(signals) > 1 and named[0] not in SIGNAL_NAMES):
        holds = ", ".join(list(arrays)[:8]) or "nothing"
        raise BadSignal(f"'{source.name}' holds {holds}; expected an array 'signal' of [12, samples]")
    return _opened("npz", signals[named[0]], said, source.name)


def _members(source: Source) -> dict[str, NDArray[Any]]:
    """Arrays by name, each checked for its size before it is unpacked."""
    name = source.name
    try:
        with zipfile.ZipFile(io.BytesIO(source.data)) as packed:
            parts = [part for part in packed.infolist() if part.filename.endswith(".npy")]
            if not parts:
                raise UnsupportedFormat(f"'{name}' is a zip file without NumPy arrays")
            if len(parts) > MAX_MEMBERS or sum(part.file_size for part in parts) > 8 * MAX_VALUES:
                raise TooLarge(f"'{name}' unpacks to more than an ECG needs; keep its rhythm alone")
            if any(part.flag_bits & 1 for part in parts):
                raise UnsupportedFormat(f"'{name}' is packed with a password; save it without one")
            return {PurePosixPath(part.filename).stem: _array(_bytes(packed, part), name) for part in parts}
    except (zipfile.BadZipFile, zlib.error, OSError, ValueError, EOFError, NotImplementedError) as error:
        raise DamagedFile(f"'{name}' is a damaged NPZ file ({error}); save it again") from error


def _bytes(packed: zipfile.ZipFile, part: zipfile.ZipInfo) -> bytes:
    with packed.open(part) as file:
        return file.read(part.file_size + 1)


def _array(data: bytes, name: str) -> NDArray[Any]:
    """An array whose header is checked before its numbers are touched."""
    file = io.BytesIO(data)
    try:
        version = np.lib.format.read_magic(file)[0]
        if version == 1:
            shape, fortran, kind = np.lib.format.read_array_header_1_0(file, MAX_HEADER)
        elif version == 2:
            shape, fortran, kind = np.lib.format.read_array_header_2_0(file, MAX_HEADER)
        else:
            raise DamagedFile(f"'{name}' is NPY of version {version}; 1 and 2 can be read")
    except (ValueError, SyntaxError, TypeError, EOFError) as error:
        raise DamagedFile(f"'{name}' has no readable NPY header ({error}); save it again") from error
    if kind.hasobject:
        raise UnsupportedFormat(f"'{name}' holds pickled objects, which are never loaded; save plain numbers")
    count = math.prod(shape)
    if count > MAX_VALUES:
        raise TooLarge(f"'{name}' holds {count:,} values; at most {MAX_VALUES:,} are read")
    rest = data[file.tell() :]
    if len(rest) < count * kind.itemsize:
        raise DamagedFile(f"'{name}' ends early: {len(rest):,} of {count * kind.itemsize:,} bytes are there")
    return np.frombuffer(rest, kind, count).reshape(shape, order="F" if fortran else "C")


def _plain(value: NDArray[Any]) -> Any:
    return value.item() if value.size == 1 else value.tolist()


def _opened(kind: str, array: NDArray[Any], said: Declared, name: str) -> Opened:
    if array.dtype.kind not in "fiu" or array.ndim not in {2, 3} or 0 in array.shape:
        raise BadSignal(f"'{name}' holds {array.dtype} {list(array.shape)}; expected numbers of [12, samples]")
    records = array[None] if array.ndim == 2 else array
    if len(records) > MAX_RECORDS:
        raise TooLarge(f"'{name}' holds {len(records):,} records; at most {MAX_RECORDS:,} are read from a file")
    return Opened(kind, len(records), lambda number: _record(records[number - 1], said, name))


def _record(values: NDArray[Any], said: Declared, name: str) -> Recorded:
    rows = values if values.shape[0] <= values.shape[1] else values.T
    check_amount(rows.shape[0], rows.shape[1], name)
    labels, findings = said.lead_names(len(rows), name)
    factor, rate = said.millivolts(name), checked_rate(said.samples_per_second(name), name)
    channels = [
        Channel(label, row.astype(np.float64) * factor, rate) for label, row in zip(labels, rows, strict=True)
    ]
    recorded = assemble(channels, name, said.age, known_sex(said.sex))
    return Recorded(recorded.recording, (*findings, *recorded.findings))
