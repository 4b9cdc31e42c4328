"""Age bands, sex, device and site: who is in which, and who has no row."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from eval.bootstrap import PatientBootstrap
from eval.slices import age_band, left_out, slices_of
from eval.split import Part, split_by_fold
from eval.systems import CHANCE, CHECKED, System, chance
from eval.tasks.cases import case_measures, case_scores
from eval.tasks.votes import choose_vote, vote_measures
from retrieval.scoring import macro_auroc, neighbour_vote, other_patients, superclass_labels
from tests.eval.corpus import MemoryCorpus, make_rows

AGES = (None, 18.0, 39.9, 40.0, 59.0, 60.0, 79.0, 80.0, 89.0)


@pytest.fixture(scope="module")
def split():
    rows = make_rows(gallery=120, validation=20, queries=160, seed=4)
    mixed = [
        replace(row, age=AGES[i % 9], sex=("male", "female", "male", None)[i % 4], site=str(i % 3 and i % 17))
        for i, row in enumerate(rows)
    ]
    return split_by_fold(MemoryCorpus(mixed))


def test_the_bands_meet_without_a_gap():
    row = make_rows(1, 0, 0)[0]
    bands = [age_band(replace(row, age=age)) for age in AGES]
    young, middle, old, oldest = "under 40", "40 to 59", "60 to 79", "80 and over"
    assert bands == [None, young, young, middle, middle, old, old, oldest, oldest]


def test_small_groups_have_no_row_and_are_counted():
    row = make_rows(1, 0, 0)[0]
    sites = ["7"] * 3 + ["1"] * 5 + ["2", None]
    part = Part(tuple(replace(row, site=site, sex=None, age=30.0, device="") for site in sites))
    found = slices_of(part, fewest=3)
    assert [one.name for one in found] == ["age under 40", "site 1", "site 7"]
    assert found[1].rows.tolist() == [site == "1" for site in sites]
    told = left_out(part, fewest=3)
    assert told[-1] == (
        "By site, these have no row: 1 of fewer than 3 queries each (1 together); 1 queries of which it is not known."
    )
    assert len(told) == 3  # Sex and device are not known of anyone; every age has its row.


def test_each_group_has_its_own_figures(split):
    rng = np.random.default_rng(0)
    pages = [rng.standard_normal((len(part.rows), 8)) for part in split.parts]
    system = System(CHECKED, *(one / np.linalg.norm(one, axis=1, keepdims=True) for one in pages))
    bootstrap = PatientBootstrap(split.queries.patients, 20)
    systems = [system, chance(*(len(part.rows) for part in split.parts))]
    lines = {line.setting: line for line in case_measures(split, systems, bootstrap)}
    ndcg = case_scores(split, system.scores()).ndcg
    groups = [one for one in slices_of(split.queries) if not one.name.startswith("device")]
    assert {"sex male", "sex female"} & {one.name for one in groups}
    for one in groups:
        line = lines[f"page to case, {one.name} ({one.rows.sum()} queries)"]
        assert line.scores[CHECKED].value == pytest.approx(np.nanmean(ndcg[one.rows]))
        assert set(line.scores) == {CHECKED, CHANCE}
    votes = {line.setting: line for line in vote_measures(split, systems, bootstrap)}
    allowed = other_patients(split.queries.patients, split.gallery.patients)
    theirs = superclass_labels(split.gallery.statements)
    said = neighbour_vote(np.where(allowed, system.scores(), -np.inf), theirs, *choose_vote(split, system))
    for one in groups:
        labels = superclass_labels(split.queries.statements)
        keep = labels[one.rows].sum(axis=0) >= 10
        if one.name.startswith("sex"):
            line = votes[f"neighbour vote, {one.name} ({one.rows.sum()} queries, {keep.sum()} superclasses)"]
            expected = macro_auroc(labels[one.rows][:, keep], said[one.rows][:, keep])
            assert line.scores[CHECKED].value == pytest.approx(expected)
            assert line.scores[CHANCE].value == pytest.approx(0.5)


def test_an_area_over_some_rows_is_that_of_those_rows_alone():
    rng = np.random.default_rng(1)
    labels, scores = rng.random((50, 3)) < 0.4, rng.random((50, 3))
    rows = rng.random(50) < 0.5
    patients = [str(i // 2) for i in range(50)]
    some = PatientBootstrap(patients, 30).auroc(labels, scores, rows)
    alone = PatientBootstrap([p for p, kept in zip(patients, rows, strict=True) if kept], 0)
    assert some.value == pytest.approx(alone.auroc(labels[rows], scores[rows]).value)
    spoiled = np.where(rows[:, None], scores, rng.random((50, 3)))
    np.testing.assert_array_equal(some.draws, PatientBootstrap(patients, 30).auroc(labels, spoiled, rows).draws)
