"""MFER, ISHNE and Mortara's XML through ecgdatakit (the extra ``formats``), which knows them and which we do not."""

from __future__ import annotations

import importlib
import warnings
from typing import Any

import numpy as np

from retrieval.errors import BadInput, DamagedFile, ExtraMissing, TooLarge, UnsupportedFormat
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
from retrieval.intake.opening import Opened, Recorded, Source
from retrieval.intake.xml_tree import parse_xml

PARSERS = {
    "mfer": ("mfer", "MFERParser"),
    "ishne": ("ishne_holter", "ISHNEHolterParser"),
    "mortara": ("mortara_el250", "MortaraEL250Parser"),
}
"""Kind of file -> module and class of its parser."""
MAX_OTHER_BYTES = 20_000_000
"""A resting ECG of these kinds has under one megabyte; a day of Holter recording is not what is looked for."""


def open_other(source: Source, kind: str) -> Opened:
    """A file of a kind that ecgdatakit parses, as one record.

    Raises:
        ExtraMissing: ecgdatakit is not installed.
        TooLarge: over 20 MB, or XML past our bounds.
        UnsupportedFormat: packed, which the parser cannot take.
    """
    if len(source.data) > MAX_OTHER_BYTES:
        size = len(source.data) / 1e6
        raise TooLarge(f"'{source.name}' has {size:.0f} MB; of {kind} at most {MAX_OTHER_BYTES // 10**6} are read")
    if not source.path.is_file():
        raise UnsupportedFormat(f"'{source.name}' is packed, and of {kind} files only plain ones are read: unpack it")
    if kind == "mortara":
        parse_xml(source)  # for its bounds
    module, name = PARSERS[kind]
    try:
        parser = getattr(importlib.import_module(f"ecgdatakit.parsing.parsers.{module}"), name)()
    except (ImportError, AttributeError) as error:
        raise ExtraMissing(
            f"'{source.name}' is a file of the kind {kind}, which needs ecgdatakit; "
            "install the extra: pip install 'nearbeat[formats]'"
        ) from error
    return Opened(kind, 1, lambda _: _record(parser, source))


def _record(parser: Any, source: Source) -> Recorded:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            parsed = parser.parse(source.path)
    except (MemoryError, BadInput):
        raise
    except Exception as error:
        reason = str(error).replace(str(source.path), source.name)[:200]
        raise DamagedFile(f"'{source.name}' cannot be understood ({reason}); export it again") from error
    leads = [lead for lead in parsed.leads if lead_of(str(lead.label)) is not None]
    check_amount(len(leads), max((len(lead.samples) for lead in leads), default=0), source.name)
    channels = [_channel(lead, source.name) for lead in leads]
    return assemble(channels, source.name, known_age(parsed.patient.age), known_sex(parsed.patient.sex))


def _channel(lead: Any, name: str) -> Channel:
    """Samples in mV: raw ones are counts, of which each is ``resolution`` in its unit, with an offset."""
    values = np.asarray(lead.samples, dtype=np.float64)
    unit = lead.units
    if lead.is_raw:
        values, unit = values * float(lead.resolution) + float(lead.offset), lead.resolution_unit
    return Channel(
        str(lead.label), values * unit_in_millivolts(unit or ""), checked_rate(float(lead.sampling_rate), name)
    )
