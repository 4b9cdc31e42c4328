"""Which cases a search may answer with: conditions that choose case numbers before the search runs.

A :class:`Filter` is made of values, :func:`index.where.parse_where` makes a :class:`Condition` of a text; both become
one tree (:mod:`index.conditions`), and that one SQL condition of fixed texts in which every value from outside is
bound, or what another engine asks for.
"""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from index import words
from index.conditions import (
    SAYS,
    AddedUntil,
    All,
    Compare,
    Field,
    Has,
    NoneOf,
    Says,
    Sign,
    Tree,
    Value,
    sql_of_tree,
)
from index.errors import BadSearch


@dataclass(frozen=True)
class Condition:
    """A condition on a case: a tree, and the same as SQL over the columns of ``cases`` with the values bound to it.

    Made by :func:`index.where.parse_where`, :meth:`Filter.condition`, :func:`all_of`, :func:`added_until` and
    :func:`none_of`.
    """

    tree: Tree

    @cached_property
    def _sql(self) -> tuple[str, list[Value]]:
        return sql_of_tree(self.tree)

    @property
    def sql(self) -> str:
        """The SQL condition."""
        return self._sql[0]

    def conditions(self) -> tuple[str, list[Value]]:
        """The SQL condition on ``cases`` and the values bound to it, in order."""
        sql, values = self._sql
        return sql, list(values)

    @property
    def reads_words(self) -> bool:
        """Whether the table ``words`` is needed, which galleries of format 1 lack."""
        return SAYS in self.sql


@dataclass(frozen=True)
class Filter:
    """Conditions on a case; all that are given must hold. A case whose value is unknown meets no condition on it.

    Args:
        age_from, age_to: years, both ends included.
        sex, site, device, source: equal to this.
        recorded_from, recorded_to: ISO dates (``"1990-05-31"``), both days included.
        present: statement codes that the case must all have, whatever their likelihood.
        absent: statement codes of which the case may have none.
        text: words that the report must all contain, whole, in any order and in any of the spellings that
            :func:`index.words.folded` takes for one; ``infarkt*`` stands for words that begin so.

    Raises:
        BadSearch: when a date is no ISO date, a range ends before it starts, or the text holds no word.

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
    text: str | None = None

    def __post_init__(self) -> None:
        for name in ("present", "absent"):
            codes = getattr(self, name)
            object.__setattr__(self, name, (codes,) if isinstance(codes, str) else tuple(codes))
        for name in ("age_from", "age_to"):
            age = getattr(self, name)
            if age is not None and not math.isfinite(age):
                raise BadSearch(f"{name} is {age!r}; it must be a number of years")
        for name in ("recorded_from", "recorded_to"):
            if getattr(self, name) is not None:
                check_date(name, getattr(self, name))
        _check_range("age", self.age_from, self.age_to)
        _check_range("recorded", self.recorded_from, self.recorded_to)
        if self.text is not None:
            words.containing(self.text)

    def conditions(self) -> tuple[str, list[Value]]:
        """The SQL condition on ``cases`` and the values bound to it, in order."""
        given = [sql_of_tree(test) for test in self._tests()]
        return " AND ".join(sql for sql, _ in given) or "1", [value for _, values in given for value in values]

    def condition(self) -> Condition:
        """The same as a :class:`Condition`."""
        return Condition(All(tuple(self._tests())))

    def _tests(self) -> list[Tree]:
        compared: list[tuple[Field, Sign, Value | None]] = [
            ("age", ">=", self.age_from),
            ("age", "<=", self.age_to),
            ("sex", "=", self.sex),
            ("site", "=", self.site),
            ("device", "=", self.device),
            ("source", "=", self.source),
            ("date", ">=", self.recorded_from),
            ("date", "<=", self.recorded_to),
        ]
        tests: list[Tree] = [Compare(field, sign, value) for field, sign, value in compared if value is not None]
        tests += [Has(code) for code in self.present] + [Has(code, denied=True) for code in self.absent]
        return tests if self.text is None else [*tests, Says(words.containing(self.text))]


Where = Filter | Condition


def all_of(*wheres: Where | None) -> Condition | None:
    """The condition that holds when all of them do; None when none is given."""
    given = [condition_of(where).tree for where in wheres if where is not None]
    return Condition(All(tuple(given))) if given else None


def condition_of(where: Where) -> Condition:
    """A filter or a condition as a condition."""
    return where.condition() if isinstance(where, Filter) else where


def added_until(generation: int) -> Condition:
    """Cases that were added or last replaced in this generation or an earlier one."""
    return Condition(AddedUntil(generation))


def none_of(ids: Sequence[str]) -> Condition:
    """Cases whose id is none of these."""
    return Condition(NoneOf(tuple(ids)))


def sql_of(connection: sqlite3.Connection, folder: Path, where: Where | None) -> tuple[str, list[Value]]:
    """The SQL condition and its values, ``"1"`` for None; the gallery is checked to have what it reads.

    Raises:
        GalleryError: when words are asked for and the gallery is of a format that has none.
    """
    if where is None:
        return "1", []
    condition = condition_of(where)
    if condition.reads_words:
        words.require(connection, folder)
    return condition.conditions()


def matching_numbers(connection: sqlite3.Connection, folder: Path, where: Where) -> NDArray[np.int64]:
    """The numbers of the cases that meet all conditions, ascending."""
    condition, values = sql_of(connection, folder, where)
    # The condition is made of fixed texts; every value from outside is bound.
    found = connection.execute(f"SELECT number FROM cases WHERE {condition} ORDER BY number", values)  # noqa: S608
    return np.fromiter((number for (number,) in found), dtype=np.int64)


def check_date(name: str, value: str) -> None:
    """Refuse what is no ISO date.

    Raises:
        BadSearch: naming the field and the value.
    """
    try:
        valid = date.fromisoformat(value).isoformat() == value
    except ValueError:
        valid = False
    if not valid:
        raise BadSearch(f"{name} is {value!r}; it must be a date such as 1990-05-31")


def _check_range(name: str, start: str | float | None, stop: str | float | None) -> None:
    if start is not None and stop is not None and start > stop:  # type: ignore[operator]  # both are of one kind
        raise BadSearch(f"the range of {name} ends at {stop!r}, before it starts at {start!r}; swap them")
