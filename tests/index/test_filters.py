"""Filters and the exclusion of patients, against plain Python over every case."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from index import Case, Filter, Gallery
from index.errors import BadSearch
from tests.index.gallery_samples import by_hand, clumped, new_gallery

COUNT = 90
ROWS = clumped(COUNT, 8, seed=4)


def made_up(number: int) -> Case:
    rng = np.random.default_rng(number)
    pick = lambda *values: values[rng.integers(len(values))]  # noqa: E731
    return Case(
        case_id=f"{number * 31 % COUNT:03d}",
        report=pick("", "Sinusrhythmus", "Vorhofflimmern, Überleitung", "sinusrhythmus mit ueberleitung"),
        statements={code: None for code in ("NORM", "IMI", "SR", "AFIB") if rng.random() < 0.4},
        patient_key=pick(None, "p1", "p2", "p3", "p4"),
        source=pick("a", "b"),
        age=pick(None, 0.0, 17.5, 40.0, 64.0, 89.0),
        sex=pick(None, "female", "male"),
        site=pick(None, "s1", "s2"),
        device=pick(None, "d1", "d' OR 1=1 --"),
        recorded=pick(None, "1990-05-31", "1990-06-01 23:59:59", "2001-01-01T00:00:00", "in June", "17 June"),
    )


CASES = [made_up(number) for number in range(COUNT)]


@pytest.fixture(scope="module")
def gallery(tmp_path_factory):
    path = tmp_path_factory.mktemp("filters") / "g"
    with new_gallery(path, 8) as writer:
        writer.add(CASES, ROWS)
    with Gallery.open(path) as reader:
        yield reader


def meets(case: Case, where: Filter) -> bool:
    """What a filter means, said once more in Python."""
    day = case.recorded[:10] if case.recorded and case.recorded[:4].isdigit() else None
    tests = [
        where.age_from is None or (case.age is not None and case.age >= where.age_from),
        where.age_to is None or (case.age is not None and case.age <= where.age_to),
        where.recorded_from is None or (day is not None and day >= where.recorded_from),
        where.recorded_to is None or (day is not None and day <= where.recorded_to),
        *(
            getattr(where, name) is None or getattr(case, name) == getattr(where, name)
            for name in ("sex", "site", "device", "source")
        ),
        set(where.present) <= set(case.statements),
        not set(where.absent) & set(case.statements),
        where.text is None or all(word in case.report.lower().replace("ü", "ue") for word in where.text.split()),
    ]
    return all(tests)


def maybe(*values):
    return st.none() | st.sampled_from(values)


codes = st.lists(st.sampled_from(["NORM", "IMI", "SR", "AFIB", "NONE"]), max_size=2).map(tuple)


@st.composite
def filters(draw):
    ages, days = draw(st.tuples(maybe(0, 17, 40), maybe(40, 64.5, 120))), ("1990-05-31", "1990-06-01", "2001-01-01")
    first, last = draw(st.tuples(maybe(*days), maybe(*days)))
    if first and last and first > last:
        first, last = last, first
    return Filter(
        *ages,
        sex=draw(maybe("female", "male")),
        site=draw(maybe("s1", "s2", "nowhere")),
        device=draw(maybe("d1", "d' OR 1=1 --")),
        source=draw(maybe("a", "b")),
        recorded_from=first,
        recorded_to=last,
        present=draw(codes),
        absent=draw(codes),
        text=draw(maybe("sinusrhythmus", "ueberleitung", "ueberleitung sinusrhythmus", "nothing")),
    )


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    where=st.none() | filters(),
    patients=st.lists(maybe("p1", "p2", "p3", "p4", "stranger"), min_size=1, max_size=3),
    k=st.integers(1, COUNT + 5),
    first=st.integers(0, COUNT - 3),
)
def test_exactly_the_nearest_that_may_be_answered(gallery, where, patients, k, first):
    queries = ROWS[first : first + len(patients)]
    found = gallery.search(queries, k=k, exclude_patients=patients, where=where)
    for query, patient, hits in zip(queries, patients, found, strict=True):
        allowed = [n for n, case in enumerate(CASES) if where is None or meets(case, where)]
        if patient is not None:
            allowed = [n for n in allowed if CASES[n].patient_key != patient]
        expected = by_hand(ROWS[allowed], [CASES[n].case_id for n in allowed], query, k)
        assert [(hit.case_id, hit.score) for hit in hits] == expected


def test_an_empty_filter_lets_all_pass(gallery):
    assert gallery.search(ROWS[:3], k=COUNT, where=Filter()) == gallery.search(ROWS[:3], k=COUNT)


def test_a_filter_that_nothing_meets_gives_no_hits(gallery):
    assert gallery.search(ROWS[:2], where=Filter(site="nowhere")) == [[], []]


def test_one_code_may_be_given_without_a_tuple():
    assert Filter(present="IMI") == Filter(present=("IMI",))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"recorded_from": "31.05.1990"}, "recorded_from is '31.05.1990'"),
        ({"recorded_to": "19900531"}, "date such as"),
        ({"age_from": 70, "age_to": 60}, "ends at 60, before it starts at 70"),
        ({"age_from": float("nan")}, "number of years"),
        ({"recorded_from": "2001-01-01", "recorded_to": "2000-01-01"}, "range of recorded"),
    ],
)
def test_bad_filters_are_refused_by_name(values, words):
    with pytest.raises(BadSearch, match=words):
        Filter(**values)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(where=st.none() | filters())
def test_the_ids_that_meet_a_condition(gallery, where):
    assert gallery.ids(where) == [case.case_id for case in CASES if where is None or meets(case, where)]
