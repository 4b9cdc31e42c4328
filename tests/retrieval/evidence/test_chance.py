"""Percentiles and thresholds against plain counting, and how often a gallery's own like are called strange."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from index import Gallery
from retrieval.evidence.chance import FALSE_ALARMS, LEAST_FOR_PAIRS, SAMPLE, draw_chance, threshold_of
from tests.retrieval.evidence.conftest import CASES, made_cases, make_gallery, opened, unit, vectors


def test_pairs_are_those_of_different_patients(made_gallery: Path) -> None:
    with Gallery.open(made_gallery) as gallery:
        chance = draw_chance(gallery)
        rows, cases = gallery.vectors().astype(float), gallery.cases(gallery.ids())
    assert CASES <= SAMPLE
    expected = [
        rows[i] @ rows[j]
        for i in range(CASES)
        for j in range(i + 1, CASES)
        if cases[i].patient_key != cases[j].patient_key
    ]
    assert np.allclose(chance.pairs, np.sort(expected), atol=1e-12)
    own = [
        max(rows[i] @ rows[j] for j in range(CASES) if cases[i].patient_key != cases[j].patient_key)
        for i in range(CASES)
    ]
    assert np.allclose(chance.nearest, np.sort(own), atol=2e-7)


def test_a_percentile_counts_the_pairs_that_are_less_similar(made_gallery: Path) -> None:
    with Gallery.open(made_gallery) as gallery:
        chance = draw_chance(gallery)
    for score in (-0.5, 0.0, 0.31, float(chance.pairs[77]), 0.999, 1.0):
        less, same = (chance.pairs < score).mean(), (chance.pairs == score).mean()
        assert chance.percentiles([score]) == pytest.approx((100 * (less + same / 2),), abs=1e-3)


def test_of_a_sentence_it_counts_the_cases(made_gallery: Path) -> None:
    sentence = unit(np.ones(vectors(0, 1).shape[1]))
    with Gallery.open(made_gallery) as gallery:
        chance, rows = draw_chance(gallery), gallery.vectors().astype(float)
    nearness = rows @ sentence
    assert chance.percentiles_of(sentence, [0.2]) == pytest.approx((100 * (nearness < 0.2).mean(),), abs=1e-3)


def test_the_same_seed_draws_the_same(made_gallery: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("retrieval.evidence.chance.SAMPLE", 50)
    with Gallery.open(made_gallery) as gallery:
        one, again, other = draw_chance(gallery), draw_chance(gallery), draw_chance(gallery, seed=1)
    assert len(one.vectors) == 50
    assert np.array_equal(one.pairs, again.pairs)
    assert one.threshold == again.threshold
    assert not np.array_equal(one.vectors, other.vectors)


@pytest.mark.parametrize("cases", [0, 1, 2, LEAST_FOR_PAIRS - 1])
def test_of_few_cases_nothing_is_said(tmp_path: Path, cases: int) -> None:
    path = make_gallery(tmp_path / "g", made_cases(cases), vectors(0, cases))
    with Gallery.open(path) as gallery:
        chance = draw_chance(gallery)
    assert chance.threshold is None
    assert chance.percentiles([0.5]) == ()
    assert chance.percentiles_of(unit(np.ones(48)), [0.5]) == ()


def test_the_threshold_is_under_chance_where_all_are_alike() -> None:
    """Where nearest scores are no higher than those of far pairs, the pairs are the limit."""
    near, pairs = np.linspace(0.9, 1, 500), np.linspace(0, 0.5, 5000)
    assert threshold_of(near, pairs) == pytest.approx(np.quantile(pairs, 0.999), abs=1e-6)
    assert threshold_of(near, np.linspace(0, 1, 5000)) == pytest.approx(np.quantile(near, FALSE_ALARMS), abs=1e-6)
    assert threshold_of(np.zeros(0), pairs) is None


def test_how_many_of_its_like_a_gallery_calls_strange(tmp_path: Path) -> None:
    """Queries of the same making: about one in fifty; of another making: nearly all."""
    number = 900
    path = make_gallery(tmp_path / "g", made_cases(number), vectors(3, number))
    with opened(path) as engine:
        limit = draw_chance(engine.gallery).threshold
        alike = engine.gallery.find(vectors(4, 2000), 1).neighbours
        strange = engine.gallery.find(unit(np.random.default_rng(5).normal(size=(200, 48))), 1).neighbours
    assert limit is not None
    # Two thousand draws of one in fifty, and a threshold that is itself drawn from 600.
    assert np.mean([hits[0].score < limit for hits in alike]) == pytest.approx(FALSE_ALARMS, abs=0.018)
    assert np.mean([hits[0].score < limit for hits in strange]) > 0.95
