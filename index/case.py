"""What a gallery holds and what it answers: cases, neighbours, and the facts about a gallery."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from index.errors import BadCase

TEXT_FIELDS = ("case_id", "report", "source", "patient_key", "sex", "site", "device", "recorded")

CacheState = Literal["fresh", "stale", "damaged", "absent"]
"""``fresh``: as recorded. ``stale``: of an earlier generation. ``damaged``: not the bytes that were recorded."""


@dataclass(frozen=True)
class Case:
    """One documented ECG: what clinicians wrote for it and what is known about it.

    Args:
        case_id: unique in a gallery for ever: an id is not used again after its case was deleted.
        report: the report, as it was written.
        statements: coded statements with their likelihood in percent, ``None`` where it is not known.
        patient_key: the archive's key of the patient; keeps a patient's own ECGs out of the neighbours.
        source: where the case comes from, such as ``"simulated"`` or ``"PTB-XL"``.
        age: years.
        sex: ``"female"`` or ``"male"``.
        site: where it was recorded.
        device: the recorder.
        recorded: date and time, ISO 8601 (``"1990-05-31"`` or ``"1990-05-31 14:05:00"``); date filters read it.
        extra: anything else, as text.
        waveform: the recording in a form that the gallery does not look into.
        page: a picture of the page (PNG bytes) that the gallery does not look into.

    Raises:
        BadCase: when a value cannot be kept, naming the field and the value.
    """

    case_id: str
    report: str
    statements: Mapping[str, float | None]
    patient_key: str | None = None
    source: str = ""
    age: float | None = None
    sex: str | None = None
    site: str | None = None
    device: str | None = None
    recorded: str | None = None
    extra: Mapping[str, str] = field(default_factory=dict)
    waveform: bytes | None = None
    page: bytes | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.case_id, str) or not self.case_id.strip():
            raise BadCase(f"the case id is {self.case_id!r}; it must be a text that is not empty")
        for name in TEXT_FIELDS:
            _check_text(self.case_id, name, getattr(self, name), optional=name not in ("case_id", "report", "source"))
        _check_number(self.case_id, "age", self.age)
        for code, likelihood in self.statements.items():
            _check_text(self.case_id, "statements", code)
            _check_number(self.case_id, f"likelihood of {code}", likelihood)
        for key, value in self.extra.items():
            _check_text(self.case_id, "extra", key)
            _check_text(self.case_id, f"extra[{key!r}]", value)


@dataclass(frozen=True)
class Neighbour:
    """One answer of a search: its rank from 1, its case and the cosine similarity, rounded to 1e-7."""

    rank: int
    case_id: str
    score: float


@dataclass(frozen=True)
class GalleryInfo:
    """The facts about a gallery; ``bytes`` is the size of its folder."""

    path: str
    generation: int
    cases: int
    dim: int
    bundle_name: str
    bundle_sha256: str
    simulated: bool
    patients: int
    bytes: int


@dataclass(frozen=True)
class NearDuplicate:
    """Two cases of different patients whose vectors are all but the same: one ECG twice in the archive, perhaps."""

    case_id: str
    other_id: str
    score: float


@dataclass(frozen=True)
class VerifyReport:
    """What a check of every byte found; ``problems`` are sentences, and none of them means ``ok``.

    Args:
        near_duplicates: pairs across patients from ``near_from`` on, the nearest first; a finding, not damage.
        near_from: the cosine similarity from which on pairs were looked for; None when they were not.
        near_count: how many pairs there are, of which the first 1,000 are listed.
    """

    ok: bool
    problems: tuple[str, ...]
    cases: int
    generation: int
    cache: CacheState
    near_duplicates: tuple[NearDuplicate, ...] = ()
    near_from: float | None = None
    near_count: int = 0


def _check_text(case_id: str, name: str, value: object, *, optional: bool = False) -> None:
    if value is None and optional:
        return
    if not isinstance(value, str):
        raise BadCase(f"case {case_id!r}: {name} is {value!r}; it must be a text")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise BadCase(f"case {case_id!r}: {name} is {value!r}, which is not valid Unicode text") from None


def _check_number(case_id: str, name: str, value: object) -> None:
    if value is None:
        return
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise BadCase(f"case {case_id!r}: {name} is {value!r}; it must be a finite number, or None when unknown")
