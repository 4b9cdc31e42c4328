"""Searching by vector and words together, against both standard scores of every case added by hand."""

from __future__ import annotations

import statistics

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from index import Case, Filter, Gallery
from index.blocks import Rows, block_of
from index.errors import GalleryDamaged
from index.fusion import Said, Spread, spread_of
from tests.index.gallery_samples import filled, fused_by_hand, new_gallery, unit

WORDS = ("sinus", "vorhofflimmern", "infarkt", "block", "normal", "ekg")
CASES = 60
VECTORS = unit(CASES, 8, seed=11)


def report_of(number: int) -> str:
    return " ".join(word for place, word in enumerate(WORDS) if number % (place + 2) == 0)


@pytest.fixture(scope="module")
def gallery(tmp_path_factory):
    with new_gallery(tmp_path_factory.mktemp("fusion") / "g", 8) as writer:
        cases = [
            Case(f"{n * 7 % CASES:02d}", report_of(n), {}, patient_key=f"p{n % 9}" if n % 4 else None, age=float(n))
            for n in range(CASES)
        ]
        writer.add(cases[:40], VECTORS[:40])
        writer.add(cases[40:], VECTORS[40:])
        writer.delete([cases[5].case_id, cases[50].case_id])
        yield writer


def by_hand(gallery: Gallery, query: np.ndarray, text: str, where: Filter | None, exclude: str | None) -> list[str]:
    """Every case's two scores, each from a search for all cases; fused, filtered, ordered."""
    near = [(hit.case_id, hit.score) for hit in gallery.search(query[None], CASES)[0]]
    total = fused_by_hand(near, [(hit.case_id, hit.score) for hit in gallery.search_words(text, CASES)])
    allowed = [hit.case_id for hit in gallery.search(query[None], CASES, [exclude], where)[0]]
    return sorted(allowed, key=lambda case_id: (-round(total[case_id], 6), case_id))


@pytest.mark.parametrize("exclude", [None, "p2"])
@pytest.mark.parametrize("where", [None, Filter(age_from=34), Filter(text="infarkt"), Filter(age_from=1000)])
@given(
    text=st.lists(st.sampled_from([*WORDS, "absent"]), min_size=1, max_size=3).map(" ".join), seed=st.integers(0, 99)
)
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_both_standard_scores_added(gallery, text, seed, where, exclude):
    query = unit(1, 8, seed=seed)[0]
    expected = by_hand(gallery, query, text, where, exclude)
    for k in (1, 3, 10, CASES):
        found = [hit.case_id for hit in gallery.search_hybrid(query, text, k, where, exclude)]
        assert found == expected[:k]


def test_the_same_answer_whatever_k_and_after_opening_again(gallery):
    query = unit(1, 8, seed=5)[0]
    whole = gallery.search_hybrid(query, "infarkt block", CASES)
    with Gallery.open(gallery.path) as reader:
        for k in range(1, CASES, 7):
            assert reader.search_hybrid(query, "infarkt block", k) == whole[:k]


def test_equal_vectors_add_nothing(tmp_path):
    """Nothing is told by scores that are all the same: the words decide alone."""
    rows = np.repeat(unit(1, 8), 6, axis=0)
    with Gallery.open(filled(tmp_path / "g", rows)) as alike:
        found = [hit.case_id for hit in alike.search_hybrid(rows[0], "report 3", 6)]
        assert found[0] == alike.search_words("report 3", 1)[0].case_id


def test_an_empty_gallery_answers_with_nothing(tmp_path):
    with new_gallery(tmp_path / "g", 8) as empty:
        assert empty.search_hybrid(unit(1, 8)[0], "infarkt", 5) == []


def test_words_of_cases_that_are_not_there_are_said(gallery, monkeypatch):
    numbers = np.array([10**6], np.int64)
    monkeypatch.setattr("index.words.matches", lambda *_: (numbers, np.ones(1)))
    with pytest.raises(GalleryDamaged, match="words are those of other cases"):
        gallery.search_hybrid(VECTORS[0], "infarkt", 5)


@given(st.lists(st.floats(0.001, 30), max_size=20), st.integers(0, 40))
def test_the_spread_counts_cases_without_the_words(scores, others):
    cases = len(scores) + others
    if not cases:
        return
    spread = Said(np.arange(len(scores)), np.array(scores)).spread(cases)
    everyone = [*scores, *[0.0] * others]
    assert spread.mean == pytest.approx(statistics.fmean(everyone), abs=1e-9)
    assert spread.deviation == pytest.approx(statistics.pstdev(everyone), abs=1e-5)


def test_a_large_gallery_is_judged_by_evenly_chosen_cases(monkeypatch):
    monkeypatch.setattr("index.fusion.SPREAD_ROWS", 500)
    rows = unit(4000, 8, seed=2)
    held = Rows(1, (block_of(rows, np.arange(1, 4001), [f"{n}" for n in range(4000)]),))
    found = spread_of(held, rows[7])
    scores = rows.astype(np.float64) @ rows[7]
    assert isinstance(found, Spread)
    assert found.mean == pytest.approx(scores[7::8].mean(), abs=1e-6)
    assert found.deviation == pytest.approx(scores.std(), rel=0.1)
