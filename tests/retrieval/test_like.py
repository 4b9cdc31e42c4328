"""More like a case of the gallery, and an ECG with a sentence beside it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from index import Case, Gallery
from index.errors import UnknownCase
from retrieval import open_gallery
from retrieval.answer_log import AnswerLog
from retrieval.engine import unit_sum
from retrieval.errors import BadArgument, EmptySentence
from retrieval.replay import replay


@pytest.fixture
def engine(small_gallery, towers):
    with open_gallery(small_gallery, towers) as opened:
        yield opened


def test_neither_the_case_nor_its_patient_is_like_it(engine):
    answer = engine.like("case-00", k=12)
    assert {hit.case_id for hit in answer.hits} == {f"case-{i:02d}" for i in range(2, 12)}
    assert [hit.rank for hit in answer.hits] == list(range(1, 11))
    assert [case.case_id for case in answer.earlier] == ["case-01"]
    assert (answer.query.kind, answer.query.case_id, answer.query.file) == ("case", "case-00", None)
    assert answer.as_json()["query"] == {"file": None, "kind": "case", "warnings": [], "case_id": "case-00"}


def test_it_is_ordered_as_the_cases_own_vector_has_it(engine):
    answer = engine.like("case-07", k=4)
    own = engine.gallery.vectors(["case-07"])[0]
    near = engine.gallery.find(own[None], 5).neighbours[0]
    assert near[0].case_id == "case-07"
    assert [(hit.case_id, hit.score) for hit in answer.hits] == [(n.case_id, n.score) for n in near[1:]]
    assert answer.query.recording is not None
    assert answer.query.recording.patient_key == "p7"
    assert answer.query.page is not None


def test_a_case_of_no_known_patient_and_without_samples(tmp_path, towers):
    path, rows = tmp_path / "g", towers.encode_texts(["one", "two", "three"])
    with Gallery.create(path, bundle_name="fake", bundle_sha256=towers.sha256, dim=towers.dim) as gallery:
        gallery.add([Case(name, name, {}) for name in ("a", "b", "c")], rows)
    with open_gallery(path, towers) as engine:
        answer = engine.like("b", k=10)
    assert {hit.case_id for hit in answer.hits} == {"a", "c"}
    assert answer.query.recording is None
    assert answer.earlier == ()


def test_a_condition_holds(engine):
    answer = engine.like("case-04", k=10, where="has IMI")
    assert answer.hits
    assert all("IMI" in hit.statements for hit in answer.hits)
    assert answer.where == "has IMI"


def test_what_is_not_there_is_refused(engine):
    with pytest.raises(UnknownCase):
        engine.like("case-99")
    with pytest.raises(BadArgument, match="k is 0"):
        engine.like("case-00", 0)


def test_it_can_be_given_again(small_gallery, towers, tmp_path):
    log = AnswerLog(tmp_path / "log.db")
    with open_gallery(small_gallery, towers, log) as engine:
        numbers = [engine.like(case_id, 3).log_id for case_id in ("case-00", "case-09")]
    with Gallery.open(small_gallery) as gallery:
        for number in numbers:
            assert number is not None
            again = replay(gallery, log.read(number))
            assert again.same, again.reasons


def test_text_and_ecg_count_alike(engine, towers, make_recording):
    ecg, text = make_recording(5), "Atrial fibrillation."
    answer = engine.query(ecg, 12, text=f"  {text} ", as_written=True)
    page = engine.query(ecg, 12).query.vector.astype(float)
    words = towers.encode_texts([text])[0].astype(float)
    both = (page + words) / np.linalg.norm(page + words)
    assert np.allclose(answer.query.vector, both, atol=1e-6)
    ids = [hit.case_id for hit in answer.hits]
    assert [hit.score for hit in answer.hits] == pytest.approx(engine.gallery.vectors(ids) @ both, abs=1e-6)
    assert (answer.query.text, answer.query.kind) == (text, "recording")
    assert answer.as_json()["query"]["text"] == text
    assert engine.query_all([ecg, make_recording(6)], 12, text=text, as_written=True)[0] == answer


def test_an_empty_sentence_beside_an_ecg_is_refused(engine, make_recording):
    with pytest.raises(EmptySentence):
        engine.query(make_recording(5), text=" - ")


def test_opposite_vectors_have_no_sum():
    rows = np.eye(2, 3, dtype=np.float32)
    assert np.array_equal(unit_sum(rows, -rows), rows)
    assert np.allclose(np.linalg.norm(unit_sum(rows, rows[:1]), axis=1), 1)


def test_an_answer_knows_what_was_asked(engine, make_recording):
    answer = engine.query(make_recording(0, patient_key="p0"), 3, where="has SR")
    assert (answer.k, answer.where, answer.patient) == (3, "has SR", "p0")
    assert "p0" not in repr(replace(answer, earlier=(), hits=(), query=replace(answer.query, file=None)))
