"""A gallery in Milvus on the command line: built, asked, added to, deleted from, and what it refuses."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from retrieval.galleries import build_gallery
from retrieval.streams import simulated_stream
from retrieval.towers.bundle import Bundle

pytest.importorskip("milvus_lite", reason="milvus-lite is not installed (pip install 'nearbeat[dev]')")


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory, toy_bundle: Path) -> tuple[str, Path]:
    """The same simulated cases in a file of milvus-lite and in a folder."""
    folder, towers = tmp_path_factory.mktemp("places"), Bundle.load(toy_bundle)
    place = f"milvus+file:{folder / 'galleries.db'}#cases"
    for one in (place, folder / "cases"):
        report = build_gallery(one, simulated_stream(8), towers)
        assert (report.cases, str(report.path)) == (8, str(one))
    return place, folder / "cases"


def told(result) -> dict:
    assert result.exit_code == 0, result.stderr
    return json.loads(result.stdout)


def test_the_same_answer_as_from_a_folder(run, places, ecg_files, toy_bundle):
    answers = []
    for place in places:
        asked = ("--gallery", place, "--bundle", toy_bundle, "--json", "--where", "age >= 1")
        answer = told(run("query", ecg_files / "page.png", *asked))
        assert answer.pop("gallery")["path"] == str(place)
        answers.append(answer)
    assert answers[0] == answers[1]
    assert len(answers[0]["hits"]) == 8


def test_a_sentence_finds_by_vectors_and_words_are_refused(run, places, toy_bundle):
    asked = ("search", "atrial fibrillation", "--gallery", places[0], "--bundle", toy_bundle)
    assert run(*asked, "--by", "vectors").exit_code == 0
    refused = run(*asked)
    assert refused.exit_code == 2
    assert "--by vectors" in refused.stderr


def test_an_answer_is_given_again(run, places, ecg_files, toy_bundle, tmp_path):
    log = tmp_path / "log.db"
    asked = ("--gallery", places[0], "--bundle", toy_bundle, "--json", "--log", log)
    log_id = told(run("query", ecg_files / "page.png", *asked))["log_id"]
    assert told(run("replay", log_id, "--log", log, "--json"))["same"]


def test_info_add_and_delete(run, places, toy_bundle):
    place = places[0]
    facts = told(run("gallery", "info", place, "--json"))
    assert (facts["cases"], facts["path"], facts["simulated"]) == (8, place, True)
    added = run("gallery", "add", place, "--simulated", "10", "--bundle", toy_bundle, "--json")
    assert json.loads(added.stdout)["cases"] == 2
    (first, *_) = json.loads(added.stdout)["refused"]
    deleted = told(run("gallery", "delete", place, first["file"], "--json"))
    assert deleted["cases"] == 9
    again = run("gallery", "delete", place, first["file"])
    assert (again.exit_code, again.stderr.count("\n")) == (2, 1)
    assert told(run("gallery", "verify", place, "--json"))["ok"]


@pytest.mark.parametrize(
    "place",
    [
        "milvus+http://nowhere",
        "milvus+file:x.db",
        "milvus+file:no.db#cases",
        "milvus+ftp://h:1/x",
        "milvus+http://h:1/x-y",
    ],
)
def test_a_place_that_is_none_is_refused_in_a_sentence(run, place, toy_bundle, ecg_files):
    result = run("query", ecg_files / "page.png", "--gallery", place, "--bundle", toy_bundle)
    assert result.exit_code == 2
    assert "Traceback" not in result.stderr


def test_what_a_folder_only_can_do_is_refused_in_a_sentence(run, places, tmp_path, toy_bundle):
    for command in (("snapshot", places[0], "--out", tmp_path / "x"), ("reembed", places[0], "--bundle", toy_bundle)):
        result = run("gallery", *command)
        assert result.exit_code == 2
        assert "folder only" in result.stderr
