"""A condition as an expression of Milvus, with SQL's three truths: a test of what is not known is neither.

Milvus 2.3 knows no null, so each test becomes two expressions, one for true and one for false, and where the value is
not known neither holds. Texts stand as digests; the only values that reach an expression are numbers and digests.
"""

from __future__ import annotations

from index.conditions import (
    AddedUntil,
    All,
    Any,
    Between,
    Compare,
    Field,
    Has,
    Known,
    NoneOf,
    Not,
    OneOf,
    Says,
    Sign,
    Test,
    Tree,
    Value,
)
from index.errors import GalleryError
from index.milvus.layout import UNKNOWN_DAY, digest

_OPPOSITE: dict[Sign, Sign] = {"=": "!=", "!=": "=", "<": ">=", ">=": "<", ">": "<=", "<=": ">"}


def expression_of(tree: Tree, *, true: bool = True) -> str | None:
    """The expression that holds where the tree is true, or with ``true=False`` where it is false.

    Returns:
        None where it always holds.

    Raises:
        GalleryError: when words of the report are asked for, which Milvus 2.3 cannot search.
    """
    if isinstance(tree, Not):
        return expression_of(tree.inner, true=not true)
    if not isinstance(tree, All | Any):
        return _test(tree, true)
    every = isinstance(tree, All) is true  # all parts are true, or any is false: de Morgan
    parts = [expression_of(part, true=true) for part in tree.parts]
    if every:
        parts = [part for part in parts if part is not None]
        return " and ".join(f"({part})" for part in parts) if parts else None
    if not parts:
        return "number < 0"
    given = [part for part in parts if part is not None]
    return " or ".join(f"({part})" for part in given) if len(given) == len(parts) else None


def _test(test: Test, true: bool) -> str:
    match test:
        case Compare(field, sign, value):
            return _compared(field, sign if true else _OPPOSITE[sign], value)
        case Between(field, first, last, denied):
            if denied is true:
                return f"({_compared(field, '<', first)}) or ({_compared(field, '>', last)})"
            return f"({_compared(field, '>=', first)}) and ({_compared(field, '<=', last)})"
        case OneOf(field, values, denied):
            word = "not in" if denied is true else "in"
            return f"{_known(field)} and {_column(field)} {word} [{', '.join(_literal(field, v) for v in values)}]"
        case Known(field, denied):
            return _unknown(field) if denied is true else _known(field)
        case Has(code, denied):
            return f'{"not " * (denied is true)}array_contains(statements, "{digest(code)}")'
        case AddedUntil(generation):
            return f"added {'<=' if true else '>'} {generation}"
        case NoneOf(ids):
            keys = ", ".join(f'"{digest(case_id)}"' for case_id in ids)
            return f"case_key {'not in' if true else 'in'} [{keys}]"
        case Says():
            raise GalleryError(
                "a gallery in Milvus cannot search the words of reports; leave report ~ … out of the condition, or "
                "keep the gallery in a folder"
            )


def _compared(field: Field, sign: Sign, value: Value) -> str:
    return f"{_known(field)} and {_column(field)} {'==' if sign == '=' else sign} {_literal(field, value)}"


def _column(field: Field) -> str:
    return "day" if field == "date" else field


def _known(field: Field) -> str:
    if field == "age":
        return "has_age == 1"
    return "day >= 0" if field == "date" else f'{field} != ""'


def _unknown(field: Field) -> str:
    if field == "age":
        return "has_age == 0"
    return f"day == {UNKNOWN_DAY}" if field == "date" else f'{field} == ""'


def _literal(field: Field, value: Value) -> str:
    if field == "age":
        return repr(float(value))
    return str(day_number(str(value))) if field == "date" else f'"{digest(str(value))}"'


def day_number(recorded: str | None) -> int:
    """The day of ``recorded`` as the number YYYYMMDD, whose order is that of the texts; -1 where there is none."""
    day = (recorded or "")[:10]
    digits = day[:4] + day[5:7] + day[8:]
    if len(day) == 10 and day[4] == day[7] == "-" and digits.isascii() and digits.isdigit():
        return int(digits)
    return UNKNOWN_DAY
