"""Which cases a search may answer with: conditions that choose case numbers before the search runs."""

from __future__ import annotations

import math
import sqlite3
from dataclasses import dataclass
from datetime import date

import numpy as np
from numpy.typing import NDArray

from index.errors import BadSearch


@dataclass(frozen=True)
class Filter:
    """Conditions on a case; all that are given must hold. A case whose value is unknown meets no condition on it.

    Args:
        age_from, age_to: years, both ends included.
        sex, site, device, source: equal to this.
        recorded_from, recorded_to: ISO dates (``"1990-05-31"``), both days included.
        present: statement codes that the case must all have, whatever their likelihood.
        absent: statement codes of which the case may have none.

    Raises:
        BadSearch: when a date is no ISO date, or a range ends before it starts.

    Example:
        >>> Filter(age_from=60, sex="female", present=("IMI",)).conditions()
        ('age >= ? AND sex = ? AND number IN (SELECT number FROM statements WHERE code = ?)', [60, 'female', 'IMI'])
    """

    age_from: float | None = None
    age_to: float | None = None
    sex: str | None = None
    site: str | None = None
    device: str | None = None
    source: str | None = None
    recorded_from: str | None = None
    recorded_to: str | None = None
    present: tuple[str, ...] = ()
    absent: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name in ("present", "absent"):
            codes = getattr(self, name)
            object.__setattr__(self, name, (codes,) if isinstance(codes, str) else tuple(codes))
        for name in ("age_from", "age_to"):
            age = getattr(self, name)
            if age is not None and not math.isfinite(age):
                raise BadSearch(f"{name} is {age!r}; it must be a number of years")
        for name in ("recorded_from", "recorded_to"):
            _check_date(name, getattr(self, name))
        _check_range("age", self.age_from, self.age_to)
        _check_range("recorded", self.recorded_from, self.recorded_to)

    def conditions(self) -> tuple[str, list[str | float]]:
        """The SQL condition on ``cases`` and the values bound to it, in order."""
        clauses: list[tuple[str, str | float | None]] = [
            ("age >= ?", self.age_from),
            ("age <= ?", self.age_to),
            *((f"{column} = ?", getattr(self, column)) for column in ("sex", "site", "device", "source")),
            (f"{_IS_DATE} AND substr(recorded, 1, 10) >= ?", self.recorded_from),
            (f"{_IS_DATE} AND substr(recorded, 1, 10) <= ?", self.recorded_to),
            *(("number IN (SELECT number FROM statements WHERE code = ?)", code) for code in self.present),
            *(("number NOT IN (SELECT number FROM statements WHERE code = ?)", code) for code in self.absent),
        ]
        given = [(clause, value) for clause, value in clauses if value is not None]
        return " AND ".join(clause for clause, _ in given) or "1", [value for _, value in given]


_IS_DATE = "recorded GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]*'"


def matching_numbers(connection: sqlite3.Connection, where: Filter) -> NDArray[np.int64]:
    """The numbers of the cases that meet all conditions, ascending."""
    condition, values = where.conditions()
    # The condition is made of the fixed texts above; every value from outside is bound.
    found = connection.execute(f"SELECT number FROM cases WHERE {condition} ORDER BY number", values)  # noqa: S608
    return np.fromiter((number for (number,) in found), dtype=np.int64)


def _check_date(name: str, value: str | None) -> None:
    if value is None:
        return
    try:
        valid = date.fromisoformat(value).isoformat() == value
    except ValueError:
        valid = False
    if not valid:
        raise BadSearch(f"{name} is {value!r}; it must be a date such as 1990-05-31")


def _check_range(name: str, start: str | float | None, stop: str | float | None) -> None:
    if start is not None and stop is not None and start > stop:  # type: ignore[operator]  # both are of one kind
        raise BadSearch(f"the range of {name} ends at {stop!r}, before it starts at {start!r}; swap them")
