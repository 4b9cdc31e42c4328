"""Logged answers: what is put down, and that the same answer comes again after the gallery has moved on."""

from __future__ import annotations

import sqlite3
from dataclasses import replace

import numpy as np
import pytest

from index import Filter, Gallery
from index.errors import BadSearch
from retrieval.answer_log import AnswerLog, BadLog, LoggedAnswer
from retrieval.engine import Engine, condition_of
from retrieval.replay import replay
from tests.index.gallery_samples import filled, sample_case, unit
from tests.retrieval.conftest import heartbeats

ANSWER = LoggedAnswer(
    gallery="g",
    generation=3,
    cases=4,
    bundle_name="toy",
    bundle_sha256="0" * 64,
    vector=np.array([0.6, 0.8], np.float32),
    words="",
    ranked_by="vectors",
    k=2,
    where=Filter(age_from=60, present=("IMI",)),
    excluded=("a", "b"),
    exact=True,
    hits=(("c", 0.1 + 0.2), ("d", -0.5)),
)


@pytest.fixture
def gallery(tmp_path):
    return filled(tmp_path / "g", unit(40))


@pytest.fixture
def log(tmp_path):
    return AnswerLog(tmp_path / "answers.db")


def asked(gallery, log, words="", ranked_by="vectors", where=None, k=8, excluded=()):
    """An answer of the gallery as the engine would put it down; its number."""
    vector = unit(1, seed=9)[0]
    with Gallery.open(gallery) as opened:
        left_out = [f"case-{n:05d}" for n in range(40) if f"patient-{n // 3}" in excluded]
        condition = condition_of(where)
        if ranked_by == "vectors":
            found = opened.search(vector[None], k, [excluded[0] if excluded else None], condition)[0]
        elif ranked_by == "words":
            found = opened.search_words(words, k, condition)
        else:
            found = opened.search_hybrid(vector, words, k, condition)
        ids = [hit.case_id for hit in found]
        info = opened.info()
        hits = tuple(zip(ids, opened.similarities(vector, ids), strict=True))
    answer = replace(
        ANSWER,
        gallery=str(gallery),
        generation=info.generation,
        cases=info.cases,
        bundle_sha256=info.bundle_sha256,
        vector=vector,
        words=words,
        ranked_by=ranked_by,
        k=k,
        where=where,
        excluded=tuple(left_out),
        hits=hits,
    )
    return log.append(answer)


def again(gallery, log, number):
    with Gallery.open(gallery) as opened:
        return replay(opened, log.read(number))


def change(gallery, add=(), delete=(), put=()):
    with Gallery.open(gallery, read_only=False) as opened:
        if add:
            opened.add([sample_case(n) for n in add], unit(len(add), seed=5))
        if put:
            opened.replace([sample_case(n, report="written anew") for n in put], unit(len(put), seed=6))
        if delete:
            opened.delete([f"case-{n:05d}" for n in delete])


def numbers(replayed):
    return [int(hit.case_id.removeprefix("case-")) for hit in replayed.hits]


def test_what_is_put_down_is_read_back(log):
    for where in (ANSWER.where, 'sex = female and report ~ "über"', None):
        number = log.append(replace(ANSWER, where=where))
        found = log.read(number)
        assert found.vector.tobytes() == ANSWER.vector.tobytes()
        expected = replace(ANSWER, where=where, at=found.at, log_id=number, vector=found.vector)
        assert found == expected
    assert number == 3


@pytest.mark.parametrize("ranked_by", ["vectors", "words", "both"])
@pytest.mark.parametrize("where", [None, "age < 50", Filter(present=("IMI",))])
def test_an_unchanged_gallery_gives_the_same_answer(gallery, log, ranked_by, where):
    found = again(gallery, log, asked(gallery, log, "report 7", ranked_by, where))
    assert (found.same, found.reasons) == (True, ())
    assert {hit.state for hit in found.hits} == {"the same"}


def test_cases_added_since_take_no_part(gallery, log):
    number = asked(gallery, log, k=40, excluded=("patient-2",))
    change(gallery, add=range(40, 90))
    found = again(gallery, log, number)
    assert found.same
    assert found.reasons == ("the gallery was at generation 1, it is at 2 now",)
    assert len(found.hits) == 37


def test_deleted_and_replaced_cases_are_shown_as_such(gallery, log):
    number = asked(gallery, log)
    order = numbers(again(gallery, log, number))
    change(gallery, add=range(40, 60), delete=[order[1], order[4]], put=[order[2]])
    found = again(gallery, log, number)
    assert numbers(found) == order
    assert [hit.state for hit in found.hits] == [
        "the same", "removed", "replaced", "the same", "removed", "the same", "the same", "the same"
    ]  # fmt: skip
    assert found.same
    assert f"removed since: case-{order[1]:05d}, case-{order[4]:05d}" in found.reasons


def test_an_answer_that_does_not_come_again_is_said_to_be_another(gallery, log):
    number = asked(gallery, log)
    logged = log.read(number)
    swapped = (logged.hits[1], logged.hits[0], *logged.hits[2:])
    assert not again(gallery, log, log.append(replace(logged, hits=swapped))).same
    nudged = ((logged.hits[0][0], logged.hits[0][1] + 1e-7), *logged.hits[1:])
    found = again(gallery, log, log.append(replace(logged, hits=nudged)))
    assert not found.same
    assert found.reasons == ("the search gives other cases or scores now",)


def test_a_gallery_of_another_bundle_is_said(gallery, log):
    number = asked(gallery, log)
    with Gallery.open(gallery, read_only=False) as opened:
        opened.reembed_begin("toy 2", "cd" * 32, 16)
        opened.reembed_put(opened.reembed_pending(100), unit(40, seed=3))
        opened.reembed_finish()
    found = again(gallery, log, number)
    assert not found.same
    assert "the gallery's vectors are of toy 2 (cdcdcdcdcdcd) now" in found.reasons[0]


def test_the_engine_puts_down_every_answer_and_no_names(small_gallery, towers, tmp_path):
    with Engine(Gallery.open(small_gallery), towers, AnswerLog(tmp_path / "log.db")) as engine:
        answers = engine.query_all([heartbeats(0, patient_key="p0"), heartbeats(41)], k=3, where="age > 1")
        answers.append(engine.search("Inferior infarct", k=2))
        answers.append(engine.search("Vorhofflimmern", k=12, by="words"))  # which only its usual terms find
        assert [answer.log_id for answer in answers] == [1, 2, 3, 4]
        assert [answer.ranked_by for answer in answers[2:]] == ["both", "words"]
        assert answers[3].hits
        for answer in answers:
            found = replay(engine.gallery, AnswerLog(tmp_path / "log.db").read(answer.log_id or 0))
            assert found.same
            assert [(hit.case_id, hit.score) for hit in found.hits] == [(h.case_id, h.score) for h in answer.hits]
    kept = (tmp_path / "log.db").read_bytes()
    assert b"p0" not in kept
    assert b"Sinus rhythm" not in kept
    assert b"Inferior infarct" in kept


def test_a_log_that_is_none_is_refused(tmp_path, log):
    with pytest.raises(BadLog, match="has no answer 1; it is empty"):
        log.read(1)
    log.append(ANSWER)
    with pytest.raises(BadLog, match="has no answer 7; it has 1 to 1"):
        log.read(7)
    (tmp_path / "text").write_text("dear diary, this is no database at all")
    with pytest.raises(BadLog, match="cannot be used as a log"):
        AnswerLog(tmp_path / "text")
    with sqlite3.connect(tmp_path / "other.db") as other:
        other.execute("CREATE TABLE songs (name TEXT)")
    with pytest.raises(BadLog, match="is a database, yet no log"):
        AnswerLog(tmp_path / "other.db")
    with sqlite3.connect(log.path) as connection:
        connection.execute("""UPDATE answers SET hits = '[["a"'""")
    with pytest.raises(BadLog, match="answer 1 is damaged"):
        log.read(1)


def test_a_condition_in_a_log_is_parsed_again_and_never_run_as_it_stands(gallery, log):
    number = asked(gallery, log)
    with sqlite3.connect(log.path) as connection:
        connection.execute("""UPDATE answers SET condition = '"1; DROP TABLE cases"'""")
    with pytest.raises(BadSearch):
        again(gallery, log, number)
