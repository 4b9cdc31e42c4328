"""Conditions as text, against a reading of them in plain Python."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from index import Case, Filter, Gallery, all_of, parse_where
from index.errors import BadSearch
from index.words import words_of
from tests.index.gallery_samples import new_gallery, unit
from tests.index.test_filters import made_up

COUNT = 60
REPORTS = ["sinus rhythm", "Vorhofflimmern", "Überleitung, sinus", "", "not age = 5"]
CASES = [
    Case(**{**vars(made_up(n)), "case_id": f"{n:03d}", "report": REPORTS[n % len(REPORTS)]}) for n in range(COUNT)
]

Truth = Callable[[Case], bool | None]
"""True, False, or None where the case does not say, as in SQL."""


@pytest.fixture(scope="module")
def gallery(tmp_path_factory):
    path = tmp_path_factory.mktemp("where") / "g"
    with new_gallery(path, 8) as writer:
        writer.add(CASES, unit(COUNT, 8))
    with Gallery.open(path) as reader:
        yield reader


def found(gallery: Gallery, where) -> list[str]:
    return sorted(hit.case_id for hit in gallery.search(unit(1, 8), k=COUNT, where=where)[0])


def value_of(case: Case, name: str):
    if name == "date":
        return case.recorded[:10] if case.recorded and case.recorded[:4].isdigit() else None
    return getattr(case, name)


COMPARE = {
    "=": lambda a, b: a == b,
    "!=": lambda a, b: a != b,
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
}
VALUES = {
    "age": ["0", "17.5", "40", "64.0", "-3", "200"],
    "date": ["1990-05-31", "1990-06-01", "2001-01-01", "1989-12-31"],
    "sex": ["female", "male", "other"],
    "site": ["s1", "s2", "and"],
    "device": ["d1", "d' OR 1=1 --", 'with "quotes"'],
    "source": ["a", "b"],
}


def quoted(text: str) -> st.SearchStrategy[str]:
    ways = ['"' + text.replace('"', '""') + '"', "'" + text.replace("'", "''") + "'"]
    if text.replace(".", "").replace("-", "").isalnum():
        ways.append(text)
    return st.sampled_from(ways)


def typed(name: str, text: str):
    return float(text) if name == "age" else text


@st.composite
def comparisons(draw) -> tuple[str, Truth]:
    name = draw(st.sampled_from(sorted(VALUES)))
    ordered = name in ("age", "date")
    kind = draw(st.sampled_from(["compare", "in", "is", "between"] if ordered else ["compare", "in", "is"]))
    if kind == "is":
        known = draw(st.booleans())
        return f"{name} IS {'known' if known else 'unknown'}", lambda c: (value_of(c, name) is not None) == known
    texts = draw(st.lists(st.sampled_from(VALUES[name]), min_size=1, max_size=3))
    values = [typed(name, text) for text in texts]
    written = [draw(quoted(text)) for text in texts]
    denied = draw(st.booleans())
    if kind == "in":
        text = f"{name} {'not ' * denied}in ({', '.join(written)})"
        return text, unless_unknown(name, lambda v: (v in values) != denied)
    if kind == "between":
        (first, first_text), (last, last_text) = sorted([(values[0], written[0]), (values[-1], written[-1])])
        text = f"{name} {'not ' * denied}between {first_text} and {last_text}"
        return text, unless_unknown(name, lambda v: (first <= v <= last) != denied)
    sign = draw(st.sampled_from(sorted(COMPARE) if ordered else ["=", "!="]))
    return f"{name}{sign} {written[0]}", unless_unknown(name, lambda v: COMPARE[sign](v, values[0]))


def unless_unknown(name: str, test: Callable) -> Truth:
    return lambda case: None if value_of(case, name) is None else test(value_of(case, name))


@st.composite
def others(draw) -> tuple[str, Truth]:
    kind = draw(st.sampled_from(["has", "lacks", "report"]))
    if kind == "report":
        text = draw(st.sampled_from(["sinus", "vorhof*", "UEBERLEITUNG sinus", "age"]))
        return f'report ~ "{text}"', lambda case: says(case.report, text)
    code = draw(st.sampled_from(["NORM", "AFIB", "NONE"]))
    return f"{kind} {draw(quoted(code))}", lambda case: (code in case.statements) == (kind == "has")


def says(report: str, text: str) -> bool:
    there = words_of(report)
    return all(any(w == t or (t.endswith("*") and w.startswith(t[:-1])) for w in there) for t in words_of(text))


def denied(one: tuple[str, Truth]) -> tuple[str, Truth]:
    def test(case: Case) -> bool | None:
        value = one[1](case)
        return None if value is None else not value

    return f"not ({one[0]})", test


def joined(parts: list[tuple[str, Truth]], word: str) -> tuple[str, Truth]:
    strong = word == "or"

    def test(case: Case) -> bool | None:
        values = [part[1](case) for part in parts]
        if strong in values:
            return strong
        return None if None in values else not strong

    return "(" + f" {word} ".join(part[0] for part in parts) + ")", test


conditions = st.recursive(
    comparisons() | others(),
    lambda inner: (
        inner.map(denied)
        | st.tuples(st.lists(inner, min_size=2, max_size=3), st.sampled_from(["and", "or"])).map(lambda p: joined(*p))
    ),
    max_leaves=6,
)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(one=conditions)
def test_a_condition_means_what_it_says(gallery, one):
    text, test = one
    expected = [case.case_id for case in CASES if test(case) is True]
    assert found(gallery, parse_where(text)) == expected


def test_and_binds_more_than_or_and_not_most(gallery):
    loose = "sex = male or age > 30 and not site = s1"
    assert parse_where(loose) == parse_where("sex = male or (age > 30 and (not (site = s1)))")
    assert found(gallery, parse_where(loose)) != found(
        gallery, parse_where("(sex = male or age > 30) and site != s1")
    )


def test_a_filter_and_a_condition_together(gallery):
    both = all_of(Filter(sex="female"), None, parse_where("age > 30 or has AFIB"))
    expected = [
        c.case_id
        for c in CASES
        if c.sex == "female" and ((c.age is not None and c.age > 30) or "AFIB" in c.statements)
    ]
    assert found(gallery, both) == expected
    assert all_of(None, None) is None
    assert found(gallery, all_of(Filter())) == found(gallery, None)


@pytest.mark.parametrize(
    ("text", "column", "words"),
    [
        ("", 1, "the end stands where age"),
        ("age >=", 7, "the end stands where a number"),
        ("age >= old", 8, "'old' stands where a number of years"),
        ("age = 1e9", 7, "number of years"),
        ("age = nan", 7, "number of years"),
        ("foo = 1", 1, "'foo' stands where age, date, sex"),
        ("sex < male", 5, "sex has no order"),
        ("site between a and b", 6, "site has no order"),
        ("age = 60 sex = male", 10, "'and', 'or' or the end"),
        ("(age = 60", 10, r"'\)' was expected"),
        ("age = 60)", 9, r"'\)' stands"),
        ("site in ()", 10, r"'\)' stands where a site"),
        ("site in (a b)", 12, r"'b' stands where '\)'"),
        ("site in a", 9, r"'\(' was expected"),
        ("age not 5", 9, "'between' or 'in'"),
        ("age is old", 8, "'known' or 'unknown'"),
        ("date = 1990", 8, "a date such as 1990-05-31"),
        ("date = 31.05.1990", 8, "a date such as"),
        ("date between 1995-01-01 and 1990-01-01", 14, "ends at '1990-01-01', before it starts"),
        ("age between 70 and 60", 13, "ends at 60.0"),
        ("age between 70 60", 16, "'and' and the end of the range"),
        ("has", 4, "a statement code"),
        ("report = x", 8, "'~' was expected"),
        ('report ~ "?!"', 10, "holds no word"),
        ("report ~", 9, "the words to look for"),
        ("site = 'a", 8, "quote that is never closed"),
        ("has “AFIB”", 5, "“ is no quote"),
        ("age ! 5", 5, "means nothing"),
        ("1=1; DROP TABLE cases", 1, "'1' stands"),
        ("age = 1;", 7, "'1;' stands"),
        ("(" * 60 + "age = 1" + ")" * 60, 9, "inside one another"),
        (" or ".join(["age = 1"] * 300), 2201, "200 tests"),
        (f"site in ({', '.join('a' * 600)})", 1511, "500 values"),
        ("x" * 10_001, 0, "10001 letters"),
    ],
)
def test_what_is_wrong_is_said_with_its_column(text, column, words):
    with pytest.raises(BadSearch, match=words) as caught:
        parse_where(text)
    assert "\n" not in str(caught.value)
    if column:
        assert f"the condition, column {column}: " in str(caught.value)


@given(st.text(alphabet=st.sampled_from("age=sx()<>~'\", andorti1"), max_size=40))
def test_any_text_is_a_condition_or_refused(text):
    try:
        sql, values = parse_where(text).conditions()
    except BadSearch:
        return
    assert sql.count("?") == len(values)


def test_the_examples_of_the_docs_are_conditions():
    text = (Path(__file__).parents[2] / "docs" / "where.md").read_text(encoding="utf-8")
    examples = text.split("```")[1].strip().splitlines()
    assert len([parse_where(example) for example in examples]) == 4
    with pytest.raises(BadSearch) as caught:
        parse_where("date = 1990")
    assert str(caught.value) in text


def test_the_largest_condition_that_is_taken_can_be_asked(gallery):
    text = " and ".join(["site in (s1, s2)"] * 200)
    assert found(gallery, parse_where(text)) == found(gallery, parse_where("site in (s1, s2)"))
    for pattern in ("age = 1 or sex in (a, b) and not ({})", "not ({}) and age = 1 or has X"):
        deep = 'report ~ "x"'
        for _ in range(7):
            deep = pattern.format(deep)
        assert found(gallery, all_of(parse_where(deep), Filter(sex="male"), Filter(text="sinus"))) is not None
        with pytest.raises(BadSearch, match="more than 8 conditions"):
            parse_where(pattern.format(deep))
    wide = " or ".join(["site = s1"] * 200)
    assert found(gallery, parse_where(wide)) == found(gallery, Filter(site="s1"))
