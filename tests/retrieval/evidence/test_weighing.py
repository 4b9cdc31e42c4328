"""Weighed answers: the contrary case, what is strange, and every caution, each with a case that has none."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from index import Case, Gallery
from retrieval.ecg.beats import without_drift
from retrieval.ecg.recording import Recording
from retrieval.ecg.simulator import simulate
from retrieval.engine import Engine
from retrieval.evidence import Evidence, weigh
from retrieval.evidence.cautions import FEW
from retrieval.intake.pacing import paced
from tests.retrieval.conftest import heartbeats
from tests.retrieval.evidence.conftest import CASES, asked, centres, made_cases, make_gallery, opened, unit, vectors


def kinds(evidence: Evidence) -> list[str]:
    return [caution.kind for caution in evidence.cautions]


def test_an_answer_is_weighed(engine: Engine) -> None:
    evidence = weigh(engine, asked(engine, unit(centres()[1])))
    assert [ballot.code for ballot in evidence.ballots] == ["AFIB"]
    assert evidence.ballots[0].share == pytest.approx(1)
    assert evidence.ballots[0].lift == pytest.approx(3)
    assert evidence.ballots[0].adjusted > 0.85
    assert len(evidence.percentiles) == 10
    assert min(evidence.percentiles) > 60
    assert evidence.strange is None
    assert kinds(evidence) == []
    again = json.loads(json.dumps(evidence.as_json(), allow_nan=False))
    assert again["schema"] == "nearbeat.evidence/1"
    assert again["contrary"]["hit"]["case_id"] == evidence.contrary.hit.case_id if evidence.contrary else False


def test_the_contrary_case_beyond_the_answer_is_the_nearest_there_is(engine: Engine) -> None:
    vector = unit(centres()[1])
    found = weigh(engine, asked(engine, vector)).contrary
    assert found is not None
    assert (found.among, found.code, found.hit.rank) == (False, "AFIB", 0)
    everyone = engine.gallery.find(vector[None], CASES).neighbours[0]
    cases = engine.gallery.cases([one.case_id for one in everyone])
    first = next(one for one, case in zip(everyone, cases, strict=True) if "AFIB" not in case.statements)
    assert (found.hit.case_id, found.hit.score) == (first.case_id, first.score)
    assert "None of the 10 nearest cases speaks against atrial fibrillation" in found.english
    assert "keiner gegen „Vorhofflimmern“" in found.german


def test_the_contrary_case_among_the_answers_is_the_first(engine: Engine) -> None:
    between = (asked(engine, unit(centres()[1] + share * centres()[2]), 12) for share in np.linspace(0, 1, 81))
    answer = next(one for one in between if 2 < sum("AFIB" not in hit.statements for hit in one.hits) < 6)
    against = [hit for hit in answer.hits if "AFIB" not in hit.statements]
    found = weigh(engine, answer).contrary
    assert found is not None
    assert found.among
    assert found.hit == against[0]
    assert f"Case {against[0].rank} of 12" in found.english
    assert "it reports sinus rhythm" in found.english or "it reports inferior" in found.english


def test_one_that_has_the_statement_and_one_that_excludes_it_is_contrary(tmp_path: Path) -> None:
    cases = made_cases(30)
    cases[1] = replace(cases[1], statements={"AFIB": None, "SR": None})
    path = make_gallery(tmp_path / "g", cases, vectors(0, 30))
    with opened(path) as engine:
        answer = asked(engine, vectors(0, 30)[1], 5)
        assert answer.hits[0].case_id == "case-001"
        found = weigh(engine, answer).contrary
    assert found is not None
    assert found.hit.rank == 1
    assert "it also reports sinus rhythm" in found.english


def test_the_same_patient_and_the_condition_hold_for_the_contrary_case_too(engine: Engine) -> None:
    vector = unit(centres()[1])
    plain = weigh(engine, asked(engine, vector)).contrary
    assert plain is not None
    own = plain.hit.case.patient_key
    other = weigh(engine, replace(asked(engine, vector), patient=own)).contrary
    assert other is not None
    assert other.hit.case.patient_key != own
    infarct = weigh(engine, replace(asked(engine, vector), where="has IMI")).contrary
    assert infarct is not None
    assert "IMI" in infarct.hit.statements
    assert weigh(engine, replace(asked(engine, vector), where="has AFIB")).contrary is None


def test_nothing_like_this(engine: Engine) -> None:
    far = unit(np.random.default_rng(9).normal(size=48))
    evidence = weigh(engine, asked(engine, far))
    assert evidence.strange is not None
    assert evidence.strange.score < evidence.strange.threshold
    assert evidence.strange.english.startswith("Nothing like this is in the gallery")
    assert evidence.strange.german.startswith("Nichts dergleichen ist in der Sammlung")
    assert weigh(engine, asked(engine, far, text="atrial fibrillation")).strange is None


def test_a_condition_does_not_make_a_query_strange(engine: Engine) -> None:
    near = asked(engine, unit(centres()[1]))
    assert weigh(engine, replace(near, hits=near.hits[:1], where="has IMI")).strange is None


def test_a_new_generation_is_weighed_anew(tmp_path: Path) -> None:
    path = make_gallery(tmp_path / "g", made_cases(120), vectors(0, 120))
    far = unit(np.random.default_rng(9).normal(size=48))
    with opened(path) as engine:
        assert weigh(engine, asked(engine, far)).strange is not None
        counts = engine.statement_counts()
        with Gallery.open(path, read_only=False) as writer:
            writer.add([Case("new", "as the query", {"PACE": None})], far[None])
        assert weigh(engine, asked(engine, far)).strange is None
        assert engine.statement_counts()["PACE"] == 1
        assert "PACE" not in counts


@pytest.mark.parametrize("whole", [True, False])
def test_simulated_cases_are_said(tmp_path: Path, whole: bool) -> None:
    cases = made_cases(120, source="simulated")
    path = make_gallery(tmp_path / "g", cases, vectors(0, 120), simulated=whole)
    with opened(path) as engine:
        (caution,) = weigh(engine, asked(engine, vectors(0, 1)[0])).cautions
    assert caution.kind == "simulated"
    assert ("The gallery is SIMULATED" if whole else "10 of these 10 cases are SIMULATED") in caution.english
    assert "SIMULIERT" in caution.german


@pytest.fixture(scope="module")
def spiked() -> Recording:
    """A simulated paced ECG whose spikes are seen."""
    recordings = (simulate(seed, "paced", rate=250.0).recording for seed in range(12))
    return next(replace(one, age=70.0) for one in recordings if paced(without_drift(one)))


def test_a_paced_query_is_warned_of_where_few_are(engine: Engine, tmp_path: Path, spiked: Recording) -> None:
    vector = unit(centres()[1])
    assert kinds(weigh(engine, asked(engine, vector, recording=heartbeats(3)))) == []
    (caution,) = weigh(engine, asked(engine, vector, recording=spiked)).cautions
    assert caution.kind == "paced"
    assert caution.english == "The query is paced, and none of the 240 cases of the gallery are."
    assert kinds(weigh(engine, asked(engine, vector, text="Schrittmacher"))) == ["paced"]
    enough = [
        replace(case, statements={"PACE": None}) if i < FEW else case for i, case in enumerate(made_cases(CASES))
    ]
    with opened(make_gallery(tmp_path / "p", enough, vectors(0, CASES))) as other:
        assert kinds(weigh(other, asked(other, vector, recording=spiked))) == []


def test_a_child_is_warned_of_where_few_are(engine: Engine, tmp_path: Path) -> None:
    vector, child = unit(centres()[0]), replace(heartbeats(3), age=7.0)
    (caution,) = weigh(engine, asked(engine, vector, recording=child)).cautions
    assert caution.kind == "child"
    assert "a patient of 7 years" in caution.english
    assert "none of the 240" in caution.english
    assert kinds(weigh(engine, asked(engine, vector, recording=replace(child, age=None)))) == []
    assert kinds(weigh(engine, asked(engine, vector, recording=replace(child, age=16.0)))) == []
    children = made_cases(CASES, age=8.0)
    with opened(make_gallery(tmp_path / "c", children, vectors(0, CASES))) as other:
        assert kinds(weigh(other, asked(other, vector, recording=child))) == []


def test_a_small_gallery_few_voices_no_statements_and_approximation_are_said(engine: Engine, tmp_path: Path) -> None:
    vector = unit(centres()[0])
    assert kinds(weigh(engine, asked(engine, vector, 3))) == ["few_voices"]
    near = replace(asked(engine, vector), exact=False, recall=0.987)
    assert [one.english for one in weigh(engine, near).cautions] == [
        "The search is approximate and finds 98.7% of the ten nearest cases of this gallery."
    ]
    bare = [replace(case, statements={}) for case in made_cases(30)]
    with opened(make_gallery(tmp_path / "b", bare, vectors(0, 30))) as small:
        evidence = weigh(small, asked(small, vector))
    assert kinds(evidence) == ["few_cases", "no_statements"]
    assert (evidence.ballots, evidence.contrary, evidence.strange) == ((), None, None)


def test_an_empty_gallery_is_weighed(tmp_path: Path) -> None:
    with opened(make_gallery(tmp_path / "e", [], vectors(0, 0))) as empty:
        evidence = weigh(empty, asked(empty, unit(centres()[0])))
    assert (evidence.percentiles, evidence.ballots, evidence.contrary) == ((), (), None)
    assert kinds(evidence) == ["few_cases"]
