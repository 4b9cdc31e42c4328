"""The tasks on made-up corpora: chance, ceilings, and what each line must show."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from eval.baselines import random_vectors, unit_rows
from eval.bootstrap import PatientBootstrap
from eval.split import split_by_fold
from eval.systems import CHANCE, CHECKED, ORACLE, System, chance
from eval.tasks.cases import case_measures
from eval.tasks.reports import oracle_scores, readable, report_measures
from eval.tasks.votes import choose_vote, prompts, vote_measures
from retrieval.corpora.ptbxl import PtbXl
from retrieval.ecg.statements import STATEMENTS
from tests.eval.corpus import MemoryCorpus, make_rows

pytestmark = pytest.mark.slow

SEEDS = 16


@pytest.fixture(scope="module")
def split():
    return split_by_fold(MemoryCorpus(make_rows()))


def chance_of(split):
    return chance(*(len(part.rows) for part in split.parts))


def random_system(split, seed):
    rng = np.random.default_rng(seed)
    pages = [random_vectors(len(part.rows), 24, rng) for part in split.parts]
    return System(CHECKED, *pages, lambda texts: random_vectors(len(texts), 24, rng).astype(np.float32))


def all_measures(split, systems, draws=0):
    bootstrap = PatientBootstrap(split.queries.patients, draws)
    return [m for task in (case_measures, report_measures, vote_measures) for m in task(split, systems, bootstrap)]


def test_random_vectors_reach_chance_in_every_line(split):
    runs = [all_measures(split, [random_system(split, seed), chance_of(split)]) for seed in range(SEEDS)]
    for lines in zip(*runs, strict=True):
        reached = np.array([line.scores[CHECKED].value for line in lines])
        expected, spread = lines[0].scores[CHANCE].value, reached.std(ddof=1)
        drawn = "F1" in lines[0].metric or "report group" in lines[0].setting
        error = spread * np.sqrt(1 / SEEDS + (1 if drawn else 0))
        # A median over a hundred queries moves by whole places.
        slack = 0.1 * expected if lines[0].unit == "place" else 1e-9
        assert abs(reached.mean() - expected) <= 4 * error + slack, lines[0].key


def test_a_random_bundle_is_not_called_ahead(split):
    lines = all_measures(split, [random_system(split, 3), chance_of(split)], draws=200)
    inside = [
        line.scores[CHECKED].interval[0] <= line.scores[CHANCE].interval[1]
        and line.scores[CHANCE].interval[0] <= line.scores[CHECKED].interval[1]
        for line in lines
    ]
    assert np.mean(inside) > 0.85
    assert np.mean([line.leads() is True for line in lines]) < 0.1
    assert all(np.isfinite(line.scores[CHECKED].value) for line in lines)
    assert len({line.key for line in lines}) == len(lines)


def test_a_perfect_reader_of_texts_reaches_the_ceiling_and_no_more(split):
    names = sorted(set(split.queries.texts))

    def encode(texts):
        return np.eye(len(names), dtype=np.float32)[[names.index(text) for text in texts]]

    pages = [np.zeros((len(part.rows), len(names))) for part in (split.gallery, split.validation)]
    system = System(CHECKED, *pages, encode(split.queries.texts), encode)
    lines = report_measures(split, [system, chance_of(split)], PatientBootstrap(split.queries.patients, 20))
    for line in lines:
        assert line.scores[CHECKED].value == pytest.approx(1.0 if line.ceiling is None else line.ceiling), line.key
    raw = next(line for line in lines if ", overall, raw" in line.setting and line.metric == "R@1")
    assert raw.ceiling is not None
    assert 0.3 < raw.ceiling < 1


def test_chance_of_exact_pairs_by_hand(split):
    lines = report_measures(split, [chance_of(split)], PatientBootstrap(split.queries.patients, 0))
    found = {(line.setting.rsplit(" (", 1)[0], line.metric): line.scores[CHANCE].value for line in lines}
    texts = len({text for text in split.queries.texts if text})
    # Two representatives of one patient leave each other out, so a gallery may be smaller by one.
    assert found["page to report, overall, deduplicated", "R@10"] == pytest.approx(10 / texts, rel=0.01)
    assert found["page to report, overall, raw", "R@1"] == pytest.approx(1 / len(split.queries.rows), rel=0.01)


def test_a_reader_of_statements_finds_like_cases(split):
    codes = sorted({code for part in split.parts for row in part.rows for code in row.statements})

    def encode(part):
        table = np.array([[float(code in row.statements) for code in codes] for row in part.rows])
        return table / np.linalg.norm(table, axis=1, keepdims=True)

    system = System(CHECKED, *(encode(part) for part in split.parts))
    bootstrap = PatientBootstrap(split.queries.patients, 100)
    lines = [*case_measures(split, [system, chance_of(split)], bootstrap)]
    lines += vote_measures(split, [system, chance_of(split)], bootstrap)
    headline = [line for line in lines if line.headline]
    assert headline
    assert all(line.leads() for line in headline), [line.key for line in headline if not line.leads()]
    for line in lines:
        ceiling = 1.0 if line.ceiling is None else line.ceiling
        assert all(score.value <= ceiling + 1e-9 for score in line.scores.values()), line.key


def test_the_own_patient_never_answers(split):
    queries = split.gallery  # Every query stands in the gallery itself, and its patient must be left out.
    mirrored = type(split)(split.gallery, split.validation, queries)
    rng = np.random.default_rng(0)
    pages = random_vectors(len(queries.rows), 200, rng)
    system = System(CHECKED, pages, random_vectors(len(split.validation.rows), 200, rng), pages)
    bootstrap = PatientBootstrap(mirrored.queries.patients, 0)
    lines = case_measures(mirrored, [system, chance_of(mirrored)], bootstrap)
    first = lines[0]
    assert first.scores[CHECKED].value == pytest.approx(first.scores[CHANCE].value, rel=0.15)


def test_the_vote_is_chosen_on_fold_9(split):
    assert choose_vote(split, chance_of(split)) == (50, float("inf"))
    empty = type(split)(split.gallery, split.validation.without(split.validation.ids), split.queries)
    assert choose_vote(empty, random_system(empty, 0)) == (50, float("inf"))


def test_a_blank_report_is_not_asked_for(split):
    rows = (replace(split.queries.rows[0], report=" . "), *split.queries.rows[1:])
    assert len(readable(replace(split.queries, rows=rows)).rows) == len(rows) - 1


def test_every_class_has_prompts_in_both_languages():
    assert "myocardial infarction" in prompts("superclass", "MI")
    assert "Myokardinfarkt" in prompts("superclass", "MI")
    assert len(prompts("statement", "AFIB")) >= 2


def test_prompts_for_held_out_statements_have_a_row_of_their_own(split):
    def encode(texts):
        spelled = [np.bincount([ord(letter) % 24 for letter in text], minlength=24) for text in texts]
        return unit_rows(np.array(spelled, dtype=np.float64))

    systems = [replace(random_system(split, 1), encode_texts=encode), chance_of(split)]
    bootstrap = PatientBootstrap(split.queries.patients, 20)
    held = {"AFIB", "LVH", "VCLVH"}  # The last has no query; LVH is all that the corpus has of its superclass.
    plain = [line for line in vote_measures(split, systems, bootstrap) if "prompted" in line.setting]
    told = [line for line in vote_measures(split, systems, bootstrap, held) if "prompted" in line.setting]
    assert [line.setting.rsplit("(")[1] for line in plain] == ["seen in training)"] * 2
    assert len(told) == 3
    whole, seen, unseen = told
    assert whole.setting == "prompted by statement texts, superclass (5 classes, seen in training)"
    assert unseen.setting == "prompted by statement texts, statement (2 classes, held out of training)"
    assert unseen.headline
    assert not seen.headline
    counts = [line.scores[CHECKED].classes for line in (seen, unseen)]
    assert sum(counts) == plain[1].scores[CHECKED].classes
    # The two rows together are the row of all.
    mean = np.average([line.scores[CHECKED].value for line in (seen, unseen)], weights=counts)
    assert mean == pytest.approx(plain[1].scores[CHECKED].value)
    every = {code for code in STATEMENTS if STATEMENTS[code].superclass == "HYP"}
    zero_shot = [
        line.setting for line in vote_measures(split, systems, bootstrap, every) if "prompted" in line.setting
    ]
    assert "prompted by statement texts, superclass (1 classes, held out of training)" in zero_shot


@pytest.mark.slow
@pytest.mark.realdata
def test_ptbxl_ceiling_and_oracle(shared):
    split = split_by_fold(PtbXl.open(shared / "ptbxl"))
    lines = report_measures(split, [chance_of(split)], PatientBootstrap(split.queries.patients, 0))
    found = {(line.setting.rsplit(" (", 1)[0], line.metric): line for line in lines}
    ceiling = found["page to report, overall, raw", "R@1"].ceiling
    assert ceiling is not None
    assert 0.55 < ceiling < 0.67  # "A perfect model's exact-pair R@1 is about 58 to 65 %".
    unique = found["page to report, overall, deduplicated", "R@10"].scores
    # 1,294 distinct texts once the footers and the codes appended later are off.
    assert unique[CHANCE].value == pytest.approx(10 / 1294, abs=1e-5)
    assert unique[ORACLE].value == pytest.approx(0.535, abs=0.02)
    assert oracle_scores(split.queries).shape == (len(split.queries.rows),) * 2
