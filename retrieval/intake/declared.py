"""What the user says about samples whose file does not: rate, unit and leads; nothing of it is ever guessed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from retrieval.ecg.recording import INDEPENDENT_LEADS, LEADS
from retrieval.errors import BadSignal, DamagedFile
from retrieval.intake.channels import known_age, known_sex, unit_in_millivolts
from retrieval.intake.result import Finding

ALIASES = {
    "rate": "rate", "sampling_rate": "rate", "sample_rate": "rate", "fs": "rate", "hz": "rate", "frequency": "rate",
    "unit": "unit", "units": "unit", "leads": "leads", "lead_names": "leads", "age": "age", "sex": "sex",
}  # fmt: skip
MAX_SIDECAR_BYTES = 65_536
HOW = (
    "say it with lines '# rate: 500' and '# unit: mV' at the top of a CSV file, with a file of the same name that "
    'ends in .json and holds {"rate": 500, "unit": "mV"}, with arrays rate and unit in an NPZ file, or with --rate '
    "and --unit"
)


@dataclass(frozen=True)
class Declared:
    """What is said about samples.

    Args:
        rate: samples per second.
        unit: ``mV``, ``uV``, ``nV`` or ``V``.
        leads: their names in the order of the columns or rows.
        age: years.
        sex: ``female`` or ``male``.
    """

    rate: float | None = None
    unit: str | None = None
    leads: tuple[str, ...] | None = None
    age: float | None = None
    sex: str | None = None

    def over(self, other: Declared, name: str) -> Declared:
        """What either of the two says.

        Raises:
            BadSignal: both say something and differ.
        """
        for field in fields(self):
            mine, theirs = getattr(self, field.name), getattr(other, field.name)
            if mine is not None and theirs is not None and mine != theirs:
                raise BadSignal(f"'{name}' and what was said about it differ in {field.name}: {mine} and {theirs}")
        known = {field.name: getattr(self, field.name) for field in fields(self)}
        return replace(other, **{key: value for key, value in known.items() if value is not None})

    def millivolts(self, name: str) -> float:
        """What one unit is in mV.

        Raises:
            BadSignal: the unit was not said.
        """
        if self.unit is None:
            raise BadSignal(f"'{name}' does not say whether its numbers are mV or uV; {HOW}")
        return unit_in_millivolts(self.unit)

    def samples_per_second(self, name: str) -> float:
        """The rate.

        Raises:
            BadSignal: it was not said.
        """
        if self.rate is None:
            raise BadSignal(f"'{name}' does not say how many samples a second has; {HOW}")
        return self.rate

    def lead_names(self, count: int, name: str) -> tuple[tuple[str, ...], tuple[Finding, ...]]:
        """Names of ``count`` leads: as said, else in the usual order of twelve or eight, which a finding tells.

        Raises:
            BadSignal: names and leads differ in number, or there is no usual order of so many.
        """
        if self.leads is not None:
            if len(self.leads) != count:
                raise BadSignal(f"'{name}' holds {count} leads, but {len(self.leads)} names were given for them")
            return self.leads, ()
        usual = {len(LEADS): LEADS, len(INDEPENDENT_LEADS): INDEPENDENT_LEADS}.get(count)
        if usual is None:
            raise BadSignal(
                f"'{name}' holds {count} leads without names; 12, or {', '.join(INDEPENDENT_LEADS)} expected"
            )
        note = f"the leads have no names; they were taken in the order {', '.join(usual)}"
        return usual, (Finding("lead_order_assumed", note, 0.7),)


def declared_in(pairs: Mapping[str, Any], name: str) -> Declared:
    """What pairs of name and value say, by any of the usual names; others are passed over.

    Raises:
        DamagedFile: a value of the wrong kind.
    """
    known: dict[str, Any] = {}
    for key, value in pairs.items():
        field = ALIASES.get(str(key).strip().lower().replace(" ", "_"))
        if field is not None:
            known[field] = _value(field, value, name)
    return Declared(**known)


def _value(field: str, value: Any, name: str) -> Any:
    if field == "leads":
        names = value.replace(";", ",").split(",") if isinstance(value, str) else list(value)
        return tuple(str(one).strip() for one in names)
    if field == "unit":
        return str(value).strip()
    if field == "sex":
        return known_sex(str(value))
    try:
        number = float(str(value).lower().removesuffix("hz").strip())
    except ValueError as error:
        raise DamagedFile(f"'{name}' is said to have the {field} '{str(value)[:40]}', which is no number") from error
    return known_age(number) if field == "age" else number


def sidecar(path: Path) -> Declared:
    """What ``name.json`` or ``name.csv.json`` beside a file says; nothing where there is none.

    Raises:
        DamagedFile: it is no JSON object of the kind.
    """
    for beside in (path.with_suffix(".json"), path.with_name(path.name + ".json")):
        if beside == path or not beside.is_file():
            continue
        try:
            with beside.open("rb") as file:
                pairs = json.loads(file.read(MAX_SIDECAR_BYTES))
        except (OSError, ValueError, RecursionError) as error:
            raise DamagedFile(
                f"'{beside.name}' beside '{path.name}' is no JSON that can be read ({error})"
            ) from error
        if not isinstance(pairs, dict):
            raise DamagedFile(f'\'{beside.name}\' is no JSON object such as {{"rate": 500, "unit": "mV"}}')
        return declared_in(pairs, beside.name)
    return Declared()
