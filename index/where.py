"""Conditions as text: ``age >= 60 and not (sex = male or has PACE) and report ~ "vorhofflimmern"``.

The grammar is described with examples in ``docs/where.md``::

    condition = all {"or" all}
    all       = one {"and" one}
    one       = "not" one | "(" condition ")" | test
    test      = field ("=" | "!=" | "<" | "<=" | ">" | ">=") value
              | field ["not"] "between" value "and" value
              | field ["not"] "in" "(" value {"," value} ")"
              | field "is" ("known" | "unknown")
              | ("has" | "lacks") code
              | "report" "~" text

Every value becomes one of the tree (:mod:`index.conditions`) and a bound parameter; of the text itself nothing
reaches SQL.
"""

from __future__ import annotations

import re
from typing import cast

from index import filters, words
from index.conditions import All, Any, Between, Compare, Field, Has, Known, Not, OneOf, Says, Sign, Tree, Value
from index.errors import BadSearch
from index.filters import Condition
from index.where_tokens import Token, tokens

MOST_LETTERS = 10_000
MOST_TESTS = 200
"""SQLite takes no deeper expressions than 1,000 and, in its oldest supported builds, 999 bound values."""
MOST_VALUES = 500
DEEPEST = 8
"""Conditions inside one another: the stack of SQLite's parser holds 100 entries, up to ten for each."""

_FIELDS = ("age", "date", "sex", "site", "device", "source")
_ORDERED = ("age", "date")
_COMPARISONS = ("=", "!=", "<", "<=", ">", ">=")
_NUMBER = re.compile(r"-?\d{1,15}(\.\d{1,15})?")


def parse_where(text: str) -> Condition:
    """The condition that a text describes.

    Raises:
        BadSearch: naming the column of the text, what stands there and what was expected.

    Example:
        >>> parse_where("age >= 60 and (sex = female or lacks PACE)").conditions()[1]
        [60.0, 'female', 'PACE']
    """
    if len(text) > MOST_LETTERS:
        raise BadSearch(f"the condition has {len(text)} letters; give at most {MOST_LETTERS}")
    return _Parser(text).whole()


class _Parser:
    """Recursive descent over the tokens; each method reads what its name says and gives its tree."""

    def __init__(self, text: str) -> None:
        self._tokens = tokens(text)
        self._at = 0
        self._depth = 0
        self._tests = 0
        self._values = 0

    def whole(self) -> Condition:
        tree = self._condition()
        if self._now.kind != "end":
            raise self._wrong("'and', 'or' or the end")
        return Condition(tree)

    @property
    def _now(self) -> Token:
        return self._tokens[self._at]

    def _take(self) -> Token:
        token = self._now
        self._at += token.kind != "end"
        return token

    def _wrong(self, expected: str, token: Token | None = None) -> BadSearch:
        token = token or self._now
        return BadSearch(f"the condition, column {token.column}: {token} stands where {expected} was expected")

    def _too_many(self, what: str) -> BadSearch:
        return BadSearch(f"the condition, column {self._now.column}: it has more than {what}; make it simpler")

    def _sign(self, sign: str) -> None:
        if not self._now.is_sign(sign):
            raise self._wrong(f"{sign!r}")
        self._take()

    def _word(self, name: str) -> bool:
        found = self._now.is_word(name)
        self._at += found
        return found

    def _condition(self) -> Tree:
        self._depth += 1
        if self._depth > DEEPEST:
            raise self._too_many(f"{DEEPEST} conditions inside one another")
        parts = [self._all()]
        while self._word("or"):
            parts.append(self._all())
        self._depth -= 1
        return parts[0] if len(parts) == 1 else Any(tuple(parts))

    def _all(self) -> Tree:
        parts = [self._one()]
        while self._word("and"):
            parts.append(self._one())
        return parts[0] if len(parts) == 1 else All(tuple(parts))

    def _one(self) -> Tree:
        denied = False
        while self._word("not"):
            denied = not denied
        if self._now.is_sign("("):
            self._take()
            inner = self._condition()
            self._sign(")")
        else:
            inner = self._test()
        return Not(inner) if denied else inner

    def _test(self) -> Tree:
        token = self._now
        self._tests += 1
        if self._tests > MOST_TESTS:
            raise self._too_many(f"{MOST_TESTS} tests")
        if self._word("has"):
            return Has(self._counted(self._text("a statement code")))
        if self._word("lacks"):
            return Has(self._counted(self._text("a statement code")), denied=True)
        if self._word("report"):
            return self._report()
        name = token.text.lower()
        if token.kind != "word" or name not in _FIELDS:
            raise self._wrong(f"{', '.join(_FIELDS)}, report, has, lacks, not or '('")
        self._take()
        return self._about(cast(Field, name))

    def _about(self, name: Field) -> Tree:
        """What follows the name of a field."""
        if self._now.is_sign(*_COMPARISONS):
            return self._comparison(name)
        if self._word("is"):
            return self._known(name)
        denied = self._word("not")
        if self._now.is_word("between"):
            return self._between(name, denied)
        if self._word("in"):
            return OneOf(name, tuple(self._listed(name)), denied)
        expected = "'between' or 'in'" if denied else f"{', '.join(_COMPARISONS)}, 'between', 'in' or 'is'"
        raise self._wrong(expected)

    def _comparison(self, name: Field) -> Tree:
        sign = self._now
        if name not in _ORDERED and sign.text not in ("=", "!="):
            raise self._wrong(f"'=', '!=' or 'in' ({name} has no order)")
        self._take()
        return Compare(name, cast(Sign, sign.text), self._value(name))

    def _between(self, name: Field, denied: bool) -> Tree:
        if name not in _ORDERED:
            raise self._wrong(f"'=', '!=' or 'in' ({name} has no order)")
        self._take()
        at = self._now
        first = self._value(name)
        if not self._word("and"):
            raise self._wrong("'and' and the end of the range")
        last = self._value(name)
        if (isinstance(first, str) and isinstance(last, str) and first > last) or (
            isinstance(first, float) and isinstance(last, float) and first > last
        ):
            raise BadSearch(
                f"the condition, column {at.column}: the range ends at {last!r}, before it starts at {first!r}; "
                "swap them"
            )
        return Between(name, first, last, denied)

    def _listed(self, name: Field) -> list[Value]:
        self._sign("(")
        values = [self._value(name)]
        while self._now.is_sign(","):
            self._take()
            values.append(self._value(name))
        self._sign(")")
        return values

    def _known(self, name: Field) -> Tree:
        if self._word("known"):
            return Known(name)
        if self._word("unknown"):
            return Known(name, denied=True)
        raise self._wrong("'known' or 'unknown'")

    def _report(self) -> Tree:
        self._sign("~")
        at = self._now
        try:
            return Says(self._counted(words.containing(self._text("the words to look for, in quotes"))))
        except BadSearch as error:
            if str(error).startswith("the condition"):
                raise
            raise BadSearch(f"the condition, column {at.column}: {error}") from None

    def _text(self, expected: str) -> str:
        token = self._now
        if token.kind not in ("quoted", "word"):
            raise self._wrong(expected)
        return self._take().text

    def _value(self, name: Field) -> Value:
        token = self._now
        if name == "age":
            text = self._text("a number of years")
            if not _NUMBER.fullmatch(text):
                raise self._wrong("a number of years", token)
            self._counted(text)
            return float(text)
        text = self._text(f"a {name}")
        if name == "date":
            try:
                filters.check_date("date", text)
            except BadSearch:
                raise self._wrong("a date such as 1990-05-31", token) from None
        return self._counted(text)

    def _counted(self, text: str) -> str:
        """The text of a value, once there is room for one more."""
        if self._values >= MOST_VALUES:
            raise self._too_many(f"{MOST_VALUES} values")
        self._values += 1
        return text
