"""What was read, as JSON and raw arrays: the documented form ``nearbeat.intake/1`` (docs/json.md), and back again.

This is how a reader in another process hands over its result. Nothing is pickled, so that a reader which was taken
over by the file it read can say false things about that file, and do nothing else.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import fields
from typing import TYPE_CHECKING, Any

from retrieval.intake.result import Finding, FoundLead, Intake, IntakeReport

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from index.errors import NearBeatError
    from retrieval.ecg.recording import Recording

SCHEMA = "nearbeat.intake/1"


def intake_json(intake: Intake) -> dict[str, Any]:
    """What was read as an object of ``nearbeat.intake/1``: no pixels, no samples, no key of a patient."""
    own = intake.recording
    return {
        "schema": SCHEMA,
        "file": intake.file,
        "kind": intake.kind,
        "number": intake.number,
        "pages": intake.pages,
        "page": {"layout": intake.page.layout},
        "recording": None if own is None else {**_facts(own), "seconds": round(own.seconds, 4)},
        "report": None if intake.report is None else _fields(intake.report),
        "findings": [_fields(finding) for finding in intake.findings],
    }


def refusal_json(file: str, error: NearBeatError) -> dict[str, Any]:
    """A file that could not be read, as an object of ``nearbeat.intake/1``."""
    return {"schema": SCHEMA, "file": file, "error": {"kind": error.kind, "message": " ".join(str(error).split())}}


def intake_of(
    answer: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]], patient_key: str | None = None
) -> Intake:
    """The intake that ``intake_json`` and ``arrays_of`` took apart.

    Raises:
        KeyError, TypeError, ValueError: when they do not fit together.
        BadSignal: when the samples cannot be those of an ECG.
    """
    from retrieval.ecg.page import CanonicalPage
    from retrieval.ecg.recording import Recording

    own, report = answer["recording"], answer["report"]
    if own is not None:
        facts = {name: own[name] for name in ("rate", "age", "sex")}
        own = Recording(arrays["signal"], **facts, patient_key=patient_key)
    return Intake(
        answer["file"],
        answer["kind"],
        CanonicalPage(arrays["page"], answer["page"]["layout"]),
        own,
        tuple(Finding(**finding) for finding in answer["findings"]),
        None if report is None else report_of(report),
        answer["number"],
        answer["pages"],
    )


def report_of(value: Mapping[str, Any]) -> IntakeReport:
    """The report that stands under ``report`` in ``nearbeat.intake/1``."""
    plain = {name: _tuples(part) for name, part in value.items() if name != "leads"}
    leads = tuple(FoundLead(**{name: _tuples(part) for name, part in lead.items()}) for lead in value["leads"])
    return IntakeReport(**plain, leads=leads)


def arrays_of(intake: Intake) -> dict[str, NDArray[Any]]:
    """The arrays that go with the JSON: ``page`` uint8 ``[256, 512]`` and, of recordings, ``signal`` ``[12, n]``."""
    arrays: dict[str, NDArray[Any]] = {"page": intake.page.pixels}
    if intake.recording is not None:
        arrays["signal"] = intake.recording.signal
    return arrays


def pack(message: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> bytes:
    """A message as bytes: the length of its JSON, the JSON with the arrays' types and shapes, and their numbers.

    Raises:
        ValueError: when a number of the message is not finite, or an array holds something else than numbers.
    """
    import numpy as np

    plain = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
    if any(array.dtype.kind not in "biuf" for array in plain.values()):
        raise ValueError("only arrays of numbers can be sent")
    shapes = [[name, array.dtype.str, list(array.shape)] for name, array in plain.items()]
    text = json.dumps({"message": message, "arrays": shapes}, allow_nan=False, default=_number).encode("ascii")
    return b"".join([len(text).to_bytes(8, "big"), text, *(array.tobytes() for array in plain.values())])


def unpack(data: bytes) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """Message and arrays from ``pack``; nothing but numbers ever becomes an array.

    Raises:
        ValueError: when the bytes are no such message.
    """
    import numpy as np

    at = 8 + int.from_bytes(data[:8], "big")
    try:
        whole = json.loads(data[8:at])
        message, arrays = whole["message"], {}
        for name, kind, shape in whole["arrays"]:
            one = np.dtype(str(kind))
            if one.kind not in "biuf" or min(shape, default=0) < 0 or not isinstance(message, dict):
                raise ValueError(f"a message holds an object and numbers, not {kind}")
            count = math.prod(int(side) for side in shape)
            arrays[str(name)] = np.frombuffer(data, one, count, at).reshape(shape)
            at += count * one.itemsize
    except (KeyError, TypeError, RecursionError, OverflowError) as error:
        raise ValueError(f"no message of a reader ({error})") from error
    return message, arrays


def _facts(recording: Recording) -> dict[str, Any]:
    return {"rate": recording.rate, "age": recording.age, "sex": recording.sex}


def _fields(value: Any) -> Any:
    """A dataclass as a mapping, tuples as lists, through all levels."""
    if isinstance(value, Finding | FoundLead | IntakeReport):
        return {field.name: _fields(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, tuple | list):
        return [_fields(part) for part in value]
    return value.item() if hasattr(value, "item") else value


def _tuples(value: Any) -> Any:
    return tuple(_tuples(part) for part in value) if isinstance(value, list) else value


def _number(value: Any) -> Any:
    """A number of numpy's, which ``json`` does not know, as Python's."""
    if hasattr(value, "item"):
        return value.item()
    raise TypeError(f"{type(value).__name__} has no place in a message")
