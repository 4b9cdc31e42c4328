"""What a visitor asks for, as forms send it: the file or sentence, the filters, and what was set by hand."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import PurePosixPath
from typing import Any, Literal

from index import parse_where
from retrieval.answer import RankedBy
from retrieval.errors import BadArgument
from retrieval.intake.correction import Correction
from retrieval.intake.result import Quad
from retrieval.intake.sniff import picture_kind

Kind = Literal["ecg", "text", "case"]
K_CHOICES = (5, 10, 20)
UNITS = ("mV", "uV", "nV", "V")
TABLES = (".csv", ".tsv", ".txt", ".npy", ".npz")
MAX_TEXT = 500
"""Letters of a sentence or of one field of the filters."""


@dataclass(frozen=True)
class Upload:
    """A file as it came, held in memory: its bytes, its name, and the files that belong to it (WFDB's ``.dat``)."""

    data: bytes = field(repr=False)
    name: str
    beside: Mapping[str, bytes] = field(default_factory=dict, repr=False)

    @property
    def shown_as(self) -> str | None:
        """The type under which a browser can show it itself, ``None`` for what it cannot."""
        if self.data.startswith(b"\xff\xd8\xff"):
            return "image/jpeg"
        if self.data.startswith(b"\x89PNG\r\n\x1a\n"):
            return "image/png"
        if self.data[:4] == b"RIFF" and self.data[8:12] == b"WEBP":
            return "image/webp"
        return None

    @property
    def pictured(self) -> bool:
        """Whether it may hold pages that are pictures, by its first bytes."""
        return picture_kind(self.data) is not None

    @property
    def tabular(self) -> bool:
        """Whether it may be a table of samples, which seldom says itself how fast and in what they were taken."""
        return not self.pictured and self.name.lower().removesuffix(".gz").endswith(TABLES)

    def declared(self, rate: float | None, unit: str | None) -> Upload:
        """The same file with what is said of its samples in a file beside it, as docs/formats.md has it."""
        beside = f"{PurePosixPath(self.name.removesuffix('.gz')).stem}.json"
        try:
            before = json.loads(self.beside.get(beside, b"{}"))
        except ValueError:
            before = {}
        said = {name: value for name, value in (("rate", rate), ("unit", unit)) if value is not None}
        whole = (before if isinstance(before, dict) else {}) | said
        return replace(self, beside={**self.beside, beside: json.dumps(whole).encode()})


@dataclass(frozen=True)
class Filters:
    """Which cases may answer, as typed: a field that is empty asks for nothing.

    ``where`` is a condition in the language of docs/where.md; all fields must hold.
    """

    age_from: str = ""
    age_to: str = ""
    sex: str = ""
    site: str = ""
    device: str = ""
    date_from: str = ""
    date_to: str = ""
    words: str = ""
    where: str = ""
    present: tuple[str, ...] = ()
    absent: tuple[str, ...] = ()

    def condition(self) -> str | None:
        """All fields as one condition, ``None`` where nothing was asked for.

        Raises:
            BadSearch: when a field cannot be used; the free condition is judged by itself, so that the column that
                its error names is the one in its field.
        """
        if self.where:
            parse_where(self.where)
        parts = [f"{text} {quoted(value)}" for text, value in self._comparisons() if value]
        parts += [f"has {quoted(code)}" for code in self.present]
        parts += [f"lacks {quoted(code)}" for code in self.absent]
        parts += [f"({self.where})"] if self.where and parts else [self.where] if self.where else []
        whole = " and ".join(parts)
        if whole:
            parse_where(whole)
        return whole or None

    def _comparisons(self) -> Iterable[tuple[str, str]]:
        yield "age >=", self.age_from
        yield "age <=", self.age_to
        yield "sex =", self.sex
        yield "site =", self.site
        yield "device =", self.device
        yield "date >=", self.date_from
        yield "date <=", self.date_to
        yield "report ~", self.words


@dataclass(frozen=True)
class Asked:
    """One question.

    Args:
        kind: an ECG that was brought, a sentence, or a case of the gallery.
        upload: the ECG.
        page: which page of it; ``None`` for the first with an ECG.
        correction: what was set by hand.
        text: the sentence, or what was added to the ECG.
        case_id: of the case.
        k: how many cases.
        by: what orders the cases of a sentence.
        as_written: whether the text is asked as it stands, not in its usual terms as well.
        filters: which cases may answer.
        example: the name of the simulated example that this is.
    """

    kind: Kind
    upload: Upload | None = None
    page: int | None = None
    correction: Correction | None = None
    text: str = ""
    case_id: str = ""
    k: int = 10
    by: RankedBy = "both"
    as_written: bool = False
    filters: Filters = field(default_factory=Filters)
    example: str = ""


Form = Mapping[str, list[str]]
"""The text fields of a form, each with all its values."""


def first(form: Form, name: str) -> str:
    """The first value of a field on one line, cut at ``MAX_TEXT`` letters; empty where there is none."""
    return " ".join((form.get(name) or [""])[0].split())[:MAX_TEXT]


def filters_of(form: Form) -> Filters:
    """The filters that a form holds."""
    plain = [one.name for one in fields(Filters) if one.name not in ("present", "absent")]
    codes: dict[str, Any] = {
        name: tuple(code[:40] for code in form.get(name, []) if code)[:40] for name in ("present", "absent")
    }
    texts: dict[str, Any] = {name: first(form, name) for name in plain}
    return Filters(**texts, **codes)


def k_of(form: Form) -> int:
    """How many cases are wanted; ten where that is not said.

    Raises:
        BadArgument: when it is none of ``K_CHOICES``.
    """
    given = first(form, "k") or "10"
    if given not in map(str, K_CHOICES):
        raise BadArgument(f"k is '{given}'; the page offers {', '.join(map(str, K_CHOICES))}")
    return int(given)


def by_of(form: Form) -> RankedBy:
    """What orders the cases of a sentence."""
    given = first(form, "by")
    return "words" if given == "words" else "vectors" if given == "vectors" else "both"


def as_written_in(form: Form) -> bool:
    """Whether a text is to be asked as it stands."""
    return first(form, "as_written") == "1"


def chosen_in(asked: Asked, form: Form) -> Asked:
    """The question with how many cases are wanted, in which order, in which words, and which may answer.

    Raises:
        BadArgument: as ``k_of``.
    """
    return replace(asked, k=k_of(form), by=by_of(form), as_written=as_written_in(form), filters=filters_of(form))


def correction_of(form: Form) -> Correction | None:
    """What was set by hand; ``None`` where nothing was.

    Raises:
        BadArgument: naming the field that cannot be used.
    """
    turns, layout = first(form, "turns"), first(form, "layout")
    correction = Correction(
        turns=int(turns) if turns in ("1", "2", "3", "4") else 0,
        corners=_corners(form),
        layout=layout or None,
        speed=_number(form, "speed"),
        gain=_number(form, "gain"),
    )
    return correction if correction.given else None


def declared_in(form: Form, upload: Upload) -> Upload:
    """The upload with what the form says of its samples; itself where it says nothing.

    Raises:
        BadArgument: when the rate is no number or the unit none that is known.
    """
    rate, unit = _number(form, "rate"), first(form, "unit") or None
    if rate is None and unit is None:
        return upload
    if unit is not None and unit not in UNITS:
        raise BadArgument(f"the unit is '{unit}'; the page offers {', '.join(UNITS)}")
    return upload.declared(rate, unit)


def _corners(form: Form) -> Quad | None:
    given = [[_number(form, f"{axis}{i}") for axis in "xy"] for i in range(4)]
    known = [value for pair in given for value in pair if value is not None]
    if not known or first(form, "use_corners") != "1":
        return None
    if len(known) < 8:
        raise BadArgument("the corners are four points of x and y; one of the eight numbers is missing")
    return tuple((known[2 * i], known[2 * i + 1]) for i in range(4))  # type: ignore[return-value]  # four pairs


def _number(form: Form, name: str) -> float | None:
    given = first(form, name).replace(",", ".")
    if not given:
        return None
    try:
        value = float(given)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise BadArgument(f"{name} is '{given}'; it must be a number")
    return value


def quoted(value: str) -> str:
    """A value as it stands in a condition."""
    doubled = value.replace('"', '""')
    return f'"{doubled}"'


def page_of(form: Form) -> int | None:
    """Which page of the file; ``None`` where that is left to the reader."""
    given = first(form, "page")
    return int(given) if given.isdecimal() and len(given) < 5 else None
