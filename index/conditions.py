"""Conditions on a case as a tree, from which each kind of gallery makes what it asks its engine.

The tree knows no engine. :func:`sql_of_tree` makes the SQL of ``cases.db`` of it, :mod:`index.milvus.expressions`
Milvus' expressions. As in SQL a test of a value that is not known is neither true nor false, and a case is found only
where the whole is true.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Value = str | float
Field = Literal["age", "date", "sex", "site", "device", "source"]
Sign = Literal["=", "!=", "<", "<=", ">", ">="]

DAY = "CASE WHEN recorded GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]*' THEN substr(recorded, 1, 10) END"
"""The day of ``recorded``; NULL where it does not begin with one, so that no comparison holds, nor its opposite."""
HAS = "number IN (SELECT number FROM statements WHERE code = ?)"
LACKS = "number NOT IN (SELECT number FROM statements WHERE code = ?)"
SAYS = "number IN (SELECT rowid FROM words WHERE words MATCH ?)"
COLUMNS: dict[str, str] = {
    "age": "age",
    "date": DAY,
    "sex": "sex",
    "site": "site",
    "device": "device",
    "source": "source",
}
"""The SQL of each field; ``age`` and ``date`` have an order."""


@dataclass(frozen=True)
class Compare:
    """A field against one value."""

    field: Field
    sign: Sign
    value: Value


@dataclass(frozen=True)
class Between:
    """A field from one value to another, both included; ``denied`` for the opposite."""

    field: Field
    first: Value
    last: Value
    denied: bool = False


@dataclass(frozen=True)
class OneOf:
    """A field among values; ``denied`` for the opposite."""

    field: Field
    values: tuple[Value, ...]
    denied: bool = False


@dataclass(frozen=True)
class Known:
    """Whether a field is known, or ``denied`` whether it is not."""

    field: Field
    denied: bool = False


@dataclass(frozen=True)
class Has:
    """Whether a case has a statement, or ``denied`` whether it lacks it."""

    code: str
    denied: bool = False


@dataclass(frozen=True)
class Says:
    """Whether the report holds words: a query of :func:`index.words.containing`."""

    query: str


@dataclass(frozen=True)
class AddedUntil:
    """Whether a case was added or last replaced in this generation or an earlier one."""

    generation: int


@dataclass(frozen=True)
class NoneOf:
    """Whether the id of a case is none of these."""

    ids: tuple[str, ...]


@dataclass(frozen=True)
class Not:
    """The opposite of a condition."""

    inner: Tree


@dataclass(frozen=True)
class All:
    """Whether all parts hold; without parts it does."""

    parts: tuple[Tree, ...]


@dataclass(frozen=True)
class Any:
    """Whether any part holds; without parts none does."""

    parts: tuple[Tree, ...]


Test = Compare | Between | OneOf | Known | Has | Says | AddedUntil | NoneOf
Tree = Test | Not | All | Any


def sql_of_tree(tree: Tree) -> tuple[str, list[Value]]:
    """The SQL condition on ``cases`` and the values bound to it, in order; of no value a letter stands in the SQL."""
    if isinstance(tree, Not):
        sql, values = sql_of_tree(tree.inner)
        return f"NOT ({sql})", values
    if isinstance(tree, All | Any):
        if not tree.parts:
            return ("1" if isinstance(tree, All) else "0"), []
        parts = [sql_of_tree(part) for part in tree.parts]
        joined = (" AND " if isinstance(tree, All) else " OR ").join(sql for sql, _ in parts)
        bound = [value for _, values in parts for value in values]
        return (joined if len(parts) == 1 else f"({joined})"), bound
    return _test_sql(tree)


def _test_sql(test: Test) -> tuple[str, list[Value]]:
    match test:
        case Compare(field, sign, value):
            return f"{COLUMNS[field]} {sign} ?", [value]
        case Between(field, first, last, denied):
            return f"{COLUMNS[field]}{' NOT' * denied} BETWEEN ? AND ?", [first, last]
        case OneOf(field, values, denied):
            return f"{COLUMNS[field]}{' NOT' * denied} IN ({_marks(len(values))})", list(values)
        case Known(field, denied):
            return f"{COLUMNS[field]} IS {'' if denied else 'NOT '}NULL", []
        case Has(code, denied):
            return (LACKS if denied else HAS), [code]
        case Says(query):
            return SAYS, [query]
        case AddedUntil(generation):
            return "added <= ?", [generation]
        case NoneOf(ids):
            return f"case_id NOT IN ({_marks(len(ids))})", list(ids)


def _marks(count: int) -> str:
    return ", ".join("?" * count)
