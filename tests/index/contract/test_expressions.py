"""Any condition means in Milvus what it means in SQL."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from index import Filter, parse_where
from index.conditions import All, Any, NoneOf, Not
from index.errors import GalleryError
from index.filters import Condition
from index.milvus.expressions import day_number, expression_of
from tests.index.contract.backends import DIM
from tests.index.gallery_samples import unit
from tests.index.test_where import CASES, conditions


@pytest.fixture(scope="module")
def gallery(lite_file):
    with lite_file.fresh() as gallery:
        gallery.add(CASES, unit(len(CASES), DIM))
        yield gallery


@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
@given(one=conditions.filter(lambda one: "report" not in one[0]))
def test_a_condition_means_what_it_says(gallery, one):
    text, test = one
    found = sorted(hit.case_id for hit in gallery.search(unit(1, DIM), k=len(CASES), where=parse_where(text))[0])
    assert found == [case.case_id for case in CASES if test(case) is True]


def test_conditions_without_parts(gallery):
    for tree, count in ((All(()), len(CASES)), (Any(()), 0), (Not(All(())), 0), (NoneOf(()), len(CASES))):
        assert len(gallery.search(unit(1, DIM), k=len(CASES), where=Condition(tree))[0]) == count, tree


@given(st.text(max_size=8))
def test_nothing_from_outside_reaches_an_expression(text):
    where = Filter(site=text, sex=text, present=(text,), age_from=3.25).condition()
    expression = expression_of(where.tree)
    assert expression is not None
    assert expression_of(Filter(site=text + "x", age_from=3.25).condition().tree) != expression
    assert set(expression) <= set('abcdefghijklmnopqrstuvwxyz0123456789_ ()[]<>=!.,"-')
    assert not text or f'"{text}"' not in expression


def test_words_are_refused():
    for where in (parse_where('not (age > 3 or report ~ "a")'), Filter(text="a").condition()):
        with pytest.raises(GalleryError, match="words"):
            expression_of(where.tree)


@pytest.mark.parametrize(
    ("recorded", "day"),
    [
        ("1990-05-31", 19900531),
        ("1990-05-31 14:05:00", 19900531),
        ("0000-00-00x", 0),
        ("1990-5-31", -1),
        ("1990-05", -1),
        ("", -1),
        (None, -1),
        ("١٩٩٠-05-31", -1),
        ("1990x05-31", -1),
    ],
)
def test_the_day_of_a_recording(recorded, day):
    assert day_number(recorded) == day
