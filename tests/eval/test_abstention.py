"""Knowing when not to answer: thresholds, galleries without what is asked, chance, and pages that are no ECG."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from eval.baselines import random_vectors, unit_rows
from eval.bootstrap import PatientBootstrap
from eval.split import Part, split_by_fold
from eval.strangers import KINDS, KNOWN_KINDS, make_strangers
from eval.systems import CHANCE, CHECKED, System, chance
from eval.tasks import abstention
from eval.tasks.abstention import abstention_measures, choose_threshold, nearest_by_chance, nearest_scores
from retrieval.ecg.page import CANONICAL
from tests.eval.corpus import MemoryCorpus, make_rows


@pytest.fixture(scope="module")
def split():
    return split_by_fold(MemoryCorpus(make_rows(300, 60, 120, seed=6)))


def chance_of(split):
    return chance(*(len(part.rows) for part in split.parts))


def value(lines, words, metric=None, name=CHECKED):
    (found,) = [m for m in lines if words in m.setting and (metric is None or m.metric == metric)]
    return found.scores[name].value


def test_the_threshold_by_hand():
    known = np.array([0.9, 0.8, 0.7, 0.6, np.nan])
    # 0.65 flags all strangers and one of four known ones; 0.55 flags two of three and nobody else.
    strange = np.array([0.5, 0.4, 0.62])
    assert choose_threshold(known, [strange], most_false_alarms=0.25) == pytest.approx(0.66)
    assert choose_threshold(known, [strange], most_false_alarms=0.2) == pytest.approx(0.55)
    # Groups count alike, however many they are.
    assert choose_threshold(known, [np.array([0.65]), np.full(99, 0.1)], 0.25) == pytest.approx(0.675)
    assert choose_threshold(np.array([0.5, 0.5]), [np.array([0.5])]) == float("-inf")
    assert choose_threshold(np.array([]), [np.array([0.1])]) == float("-inf")


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.integers(0, 9), min_size=1, max_size=30), st.lists(st.integers(0, 9), max_size=30), st.floats(0, 1)
)
def test_no_threshold_gives_more_false_alarms_than_allowed_or_gains_more(known, unknown, most):
    here, there = np.array(known, dtype=float), np.array(unknown, dtype=float)

    def gain(limit):
        return (there < limit).mean() - (here < limit).mean() if there.size else -(here < limit).mean()

    chosen = choose_threshold(here, [there], most)
    assert (here < chosen).mean() <= most + 1e-9
    others = [limit for limit in np.arange(-0.5, 10) if (here < limit).mean() <= most]
    assert gain(chosen) >= max(gain(limit) for limit in others) - 1e-9


def test_nearest_scores_by_hand(monkeypatch):
    monkeypatch.setattr(abstention, "FEWEST_LEFT", 1)
    row = make_rows(1, 0, 0)[0]
    said = [{"AFIB": None}, {"SR": None, "IMI": 50.0}, {"IMI": None}, {"LVH": 0.0}]
    gallery = Part(tuple(replace(row, patient_key=str(i), statements=codes) for i, codes in enumerate(said)))
    asking = [("9", {"IMI": None}), ("0", {"AFIB": 80.0}), ("3", {"SR": None, "AFIB": None, "IMI": None})]
    part = Part(tuple(replace(row, patient_key=key, statements=codes) for key, codes in asking))
    scores = np.array([[0.1, 0.9, 0.8, 0.3], [1.0, 0.2, 0.4, 0.3], [0.5, 0.6, 0.7, 0.9]])
    found = nearest_scores(part, gallery, scores)
    # The second asks with a patient of the gallery; the third has nothing left once its own patient is out.
    assert found.whole.tolist() == [0.9, 0.4, 0.7]
    np.testing.assert_array_equal(found.unseen, [0.3, 0.4, np.nan])
    assert np.isnan(found.as_small[2])
    assert found.as_small[1] == 0.4  # As many as all that are allowed.
    assert found.as_small[0] in scores[0]


def test_few_cases_left_are_not_asked(split):
    found = nearest_scores(split.queries, split.gallery.without(split.gallery.ids[45:]), np.zeros((120, 45)))
    assert np.isnan(found.unseen).all()
    assert not np.isnan(found.whole).any()


def test_chance_is_what_random_vectors_reach():
    rng = np.random.default_rng(1)
    gallery, queries = random_vectors(800, 12, rng), random_vectors(500, 12, rng)
    real, made_up = (queries @ gallery.T).max(axis=1), nearest_by_chance(queries, gallery)
    assert roc_auc_score(np.repeat([1, 0], 500), np.concatenate([real, made_up])) == pytest.approx(0.5, abs=0.05)
    # Where the queries have a structure that the gallery shares, chance loses it.
    turns = np.arange(800)[:, None] * np.arange(1, 4)
    curve = unit_rows(np.concatenate([np.cos(turns), np.sin(turns)], axis=1))
    real = (curve[:400] @ curve[400:].T).max(axis=1)
    assert np.median(nearest_by_chance(curve[:400], curve[400:])) < real.min()


def test_strangers_are_the_same_for_a_seed_and_of_a_page_size():
    one, again, other = (make_strangers(tuple(KINDS), 2, seed) for seed in (3, 3, 4))
    assert one.kinds == tuple(kind for kind in KINDS for _ in range(2))
    for page, same, not_same in zip(one.pages, again.pages, other.pages, strict=True):
        assert page.shape == CANONICAL.shape
        assert page.dtype == np.uint8
        assert page.std() > 3  # Something is drawn.
        np.testing.assert_array_equal(page, same)
        assert (page != not_same).any()
    assert one.of(("text", "chart")).sum() == 4
    assert set(KNOWN_KINDS) < set(KINDS)


def pages_apart(pages):
    """Strangers lie where no ECG does."""
    return np.tile(np.eye(24)[23], (len(pages), 1))


def test_random_vectors_tell_nothing(split):
    rng = np.random.default_rng(2)
    vectors = [random_vectors(len(part.rows), 24, rng) for part in split.parts]
    system = System(CHECKED, *vectors, encode_pages=lambda pages: random_vectors(len(pages), 24, rng))
    lines = abstention_measures(split, [system, chance_of(split)], PatientBootstrap(split.queries.patients, 50))
    for line in lines:
        ours = line.scores[CHECKED]
        if line.metric == "AUROC":
            assert ours.value == pytest.approx(0.5, abs=0.1)
            assert line.scores[CHANCE].value == pytest.approx(0.5)
        else:
            # Fold 9 has 60 queries here: a threshold from so few may flag a tenth of others.
            assert ours.value < 0.2
    assert value(lines, "chance", name=CHANCE) == pytest.approx(0.05)
    assert {line.task for line in lines} == {7}
    assert len({line.key for line in lines}) == len(lines) == 8


def test_a_reader_of_statements_knows_when_nothing_is_alike(split):
    codes = sorted({code for row in split.gallery.rows for code in row.statements})
    assert len(codes) < 23

    def table(part):
        rows = np.array([[float(code in row.statements) for code in codes] for row in part.rows])
        return unit_rows(np.pad(rows, ((0, 0), (0, 24 - len(codes)))))

    system = System(CHECKED, *(table(part) for part in split.parts), encode_pages=pages_apart)
    bootstrap = PatientBootstrap(split.queries.patients, 50)
    lines = abstention_measures(split, [system, chance_of(split)], bootstrap)
    assert value(lines, "every statement unseen", "AUROC") > 0.99
    assert value(lines, "no ECG, of all kinds", "AUROC") == 1.0
    assert value(lines, "every statement unseen", "flagged") == 1.0
    assert value(lines, "no ECG, of all kinds", "flagged") == 1.0
    (alarms,) = [m for m in lines if m.metric == "false alarms" and "small" not in m.setting]
    assert alarms.scores[CHECKED].value < 0.05
    assert alarms.headline
    assert "nothing alike" in alarms.notes[CHECKED]


def test_fold_9_alone_chooses_the_threshold(split):
    rng = np.random.default_rng(3)
    vectors = [random_vectors(len(part.rows), 6, rng) for part in split.parts]
    bootstrap = PatientBootstrap(split.queries.patients, 5)
    notes = []
    for queries in (vectors[2], np.tile(vectors[2][:1], (len(vectors[2]), 1))):
        system = System(CHECKED, vectors[0], vectors[1], queries)
        (line,) = [
            m for m in abstention_measures(split, [system], bootstrap) if m.setting.startswith("ordinary queries, at")
        ]
        notes.append(dict(line.notes))
    assert notes[0] == notes[1]


def test_a_system_that_reads_no_pages_is_shown_none(split):
    system = replace(chance_of(split), name=CHECKED, encode_pages=None)
    lines = abstention_measures(split, [system], PatientBootstrap(split.queries.patients, 5))
    assert not [line for line in lines if "no ECG" in line.setting]
    assert value(lines, "ordinary queries, at") == 0.0  # All scores alike: no threshold lies between them.
