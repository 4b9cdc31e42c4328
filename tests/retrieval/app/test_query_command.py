"""``nearbeat query`` and ``search``: the JSON schema field by field, exit codes, and a batch that goes on."""

from __future__ import annotations

import json

import numpy as np
import pytest

from retrieval.towers.bundle import Bundle
from tests.retrieval.conftest import heartbeats

pytestmark = pytest.mark.slow

HIT_FIELDS = {"rank", "case_id", "score", "report", "statements", "source", "age", "sex"}


def check_answer(answer, file, kind, gallery, bundle, k):
    """The documented form of ``nearbeat.answer/1``, every field of it."""
    assert set(answer) == {"schema", "query", "gallery", "model", "exact", "ranked_by", "hits", "evidence"}
    assert set(answer["evidence"]) == {"schema", "percentiles", "ballots", "contrary", "strange", "cautions"}
    assert answer["ranked_by"] == ("both" if kind == "text" else "vectors")
    assert answer["schema"] == "nearbeat.answer/1"
    assert (answer["query"]["file"], answer["query"]["kind"]) == (file, kind)
    assert isinstance(answer["query"]["warnings"], list)
    assert set(answer["query"]) == {"file", "kind", "warnings"} | ({"text", "also"} if kind == "text" else set())
    assert answer["gallery"] == {"path": str(gallery), "generation": 1, "cases": 9}
    assert answer["model"] == {"name": "toy", "sha256": Bundle.load(bundle).sha256}
    assert answer["exact"] is True
    assert [hit["rank"] for hit in answer["hits"]] == list(range(1, k + 1))
    for hit in answer["hits"]:
        assert set(hit) == HIT_FIELDS
        assert isinstance(hit["score"], float)
        assert -1 <= hit["score"] <= 1
        assert all(isinstance(hit[name], str) for name in ("case_id", "report", "source", "sex"))
        assert isinstance(hit["age"], float)
        assert hit["statements"]
        assert all(likelihood is None or 0 < likelihood <= 100 for likelihood in hit["statements"].values())
    assert len({hit["case_id"] for hit in answer["hits"]}) == k


def test_json_of_a_file_has_every_documented_field(nearbeat, ecg_files, toy_gallery, toy_bundle):
    file = str(ecg_files / "record.hea")
    done = nearbeat("query", file, "-k", "4", "--json")
    assert done.exit_code == 0, done.output
    (line,) = done.stdout.splitlines()
    check_answer(json.loads(line), file, "wfdb", toy_gallery, toy_bundle, 4)


def test_samples_that_say_nothing_of_themselves_are_read_once_that_is_said(nearbeat, tmp_path):
    path = tmp_path / "ecg.npy"
    np.save(path, heartbeats(5).signal)
    refused = nearbeat("query", str(path))
    assert refused.exit_code == 2
    assert "--rate and --unit" in refused.stderr
    done = nearbeat("query", str(path), "--rate", f"{heartbeats(5).rate:g}", "--unit", "mV", "-k", "1", "--json")
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["query"]["kind"] == "npy"


def test_json_of_a_sentence(nearbeat, toy_gallery, toy_bundle):
    done = nearbeat("search", "Vorhofflimmern", "-k", "2", "--json")
    answer = json.loads(done.stdout)
    check_answer(answer, None, "text", toy_gallery, toy_bundle, 2)
    assert answer["query"]["text"] == "Vorhofflimmern"
    assert answer["query"]["also"] == ["atrial fibrillation"]
    assert "Also asked as: atrial fibrillation\n" in nearbeat("search", "Vorhofflimmern").stdout
    assert "Also asked" not in nearbeat("search", "Vorhofflimmern", "--as-written").stdout


def test_several_files_give_a_line_each_in_order(nearbeat, ecg_files):
    files = [str(ecg_files / name) for name in ("page.png", "record.hea", "page.png")]
    done = nearbeat("query", *files, "--json")
    assert done.exit_code == 0, done.output
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert [answer["query"]["file"] for answer in answers] == files
    assert [answer["query"]["kind"] for answer in answers] == ["image", "wfdb", "image"]
    assert answers[0]["hits"] == answers[2]["hits"]


def test_a_batch_goes_on_past_refused_files(nearbeat, ecg_files, tmp_path):
    empty = tmp_path / "empty.png"
    empty.touch()
    files = [str(empty), str(ecg_files / "record.hea"), str(tmp_path / "none.pdf")]
    done = nearbeat("query", *files, "--json")
    assert done.exit_code == 3
    first, second, third = [json.loads(line) for line in done.stdout.splitlines()]
    for refused, file, kind in ((first, files[0], "empty_file"), (third, files[2], "file_missing")):
        assert set(refused) == {"query", "error"}
        assert refused["query"] == {"file": file}
        assert set(refused["error"]) == {"kind", "message"}
        assert refused["error"]["kind"] == kind
    assert second["schema"] == "nearbeat.answer/1"
    assert len(done.stderr.strip().splitlines()) == 2


def test_all_refused_is_2_one_or_many(nearbeat, tmp_path):
    assert nearbeat("query", tmp_path / "a.png").exit_code == 2
    assert nearbeat("query", tmp_path / "a.png", tmp_path / "b.png", "--json").exit_code == 2


def test_the_same_query_prints_the_same_bytes(nearbeat, ecg_files):
    first, second = (nearbeat("query", ecg_files / "page.png", "--json").stdout for _ in range(2))
    assert first == second != ""


def test_the_table_shows_the_evidence_and_says_simulated(nearbeat, ecg_files, monkeypatch):
    monkeypatch.setenv("COLUMNS", "140")
    done = nearbeat("query", ecg_files / "record.hea", "-k", "9")
    assert done.exit_code == 0
    text = done.stdout
    assert "read as wfdb" in text
    assert text.count("SIMULATED") == 4  # three cases, and the sentence below the table
    assert "3 of these 9 cases were made by a program" in text
    assert "Atrial fibrillation." in text
    assert "atrial fibrillation (AFIB)" in text
    assert "not a diagnosis" in text
    assert "archive" in text


def test_fewer_cases_than_k_are_all_of_them(nearbeat, ecg_files):
    answer = json.loads(nearbeat("query", ecg_files / "record.hea", "-k", "50", "--json").stdout)
    assert len(answer["hits"]) == 9


def test_k_must_be_positive(nearbeat, ecg_files):
    done = nearbeat("query", ecg_files / "record.hea", "-k", "0")
    assert done.exit_code == 2
    assert "-k" in done.stderr


def test_own_ecgs_of_a_patient_stand_apart(nearbeat, ecg_files, toy_gallery):
    file = ecg_files / "record.hea"
    answer = json.loads(nearbeat("query", file, "-k", "9", "--json", "--patient", "p4").stdout)
    assert [case["case_id"] for case in answer["earlier"]] == ["case-4"]
    assert set(answer["earlier"][0]) == HIT_FIELDS - {"rank", "score"}
    assert "case-4" not in {hit["case_id"] for hit in answer["hits"]}
    assert "Earlier recordings of the same patient" in nearbeat("query", file, "--patient", "p4").stdout


def test_the_default_gallery_is_announced_built_once_and_simulated(run, toy_bundle, ecg_files, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr("retrieval.galleries.DEFAULT_CASES", 4)
    first = run("query", ecg_files / "record.hea", "--bundle", toy_bundle, "--json")
    assert first.exit_code == 0, first.output
    assert "4 SIMULATED cases" in first.stderr
    assert "Building" in first.stderr
    answer = json.loads(first.stdout)
    assert {hit["source"] for hit in answer["hits"]} == {"simulated"}
    second = run("query", ecg_files / "record.hea", "--bundle", toy_bundle, "--json")
    assert "SIMULATED" in second.stderr
    assert "Building" not in second.stderr
    assert second.stdout == first.stdout


@pytest.mark.parametrize("text", ["", "   ", "?"])
def test_an_empty_sentence(nearbeat, text):
    done = nearbeat("search", text)
    assert done.exit_code == 2
    assert len(done.stderr.strip().splitlines()) == 1
    assert "no word" in done.stderr


def test_a_condition_chooses_who_may_answer(nearbeat, ecg_files):
    done = nearbeat("query", str(ecg_files / "record.hea"), "-k", "9", "--where", "has IMI", "--json")
    hits = json.loads(done.stdout)["hits"]
    assert len(hits) == 3
    assert all("IMI" in hit["statements"] for hit in hits)
    wrong = nearbeat("search", "infarct", "--where", "age >")
    assert wrong.exit_code == 2
    assert "column" in wrong.stderr
    assert wrong.stderr.count("\n") == 1


def test_a_search_by_words_finds_reports_with_them(nearbeat):
    done = nearbeat("search", "fibrillation", "--by", "words", "--json")
    assert {hit["report"] for hit in json.loads(done.stdout)["hits"]} == {"Atrial fibrillation."}


def test_an_answer_is_put_down_and_given_again(nearbeat, run, toy_gallery, ecg_files, tmp_path):
    log = tmp_path / "answers.db"
    first = nearbeat("query", str(ecg_files / "record.hea"), "-k", "4", "--log", log, "--json")
    answer = json.loads(first.stdout)
    assert answer["log_id"] == 1
    again = run("replay", "1", "--log", log, "--json")
    assert again.exit_code == 0, again.output
    replayed = json.loads(again.stdout)
    assert replayed["schema"] == "nearbeat.replay/1"
    assert (replayed["same"], replayed["reasons"]) == (True, [])
    assert [(hit["case_id"], hit["score"]) for hit in replayed["hits"]] == [
        (hit["case_id"], hit["score"]) for hit in answer["hits"]
    ]
    shown = run("replay", "1", "--log", log)
    assert "The same answer, byte for byte." in shown.stdout
    moved = run("replay", "1", "--log", log, "--gallery", toy_gallery)
    assert moved.exit_code == 0


def test_what_cannot_be_replayed_is_refused(nearbeat, run, ecg_files, tmp_path):
    log = tmp_path / "answers.db"
    assert run("replay", "1", "--log", log).exit_code == 2
    nearbeat("search", "infarct", "--log", log)
    missing = run("replay", "5", "--log", log)
    assert missing.exit_code == 2
    assert "it has 1 to 1" in missing.stderr
    gone = run("replay", "1", "--log", log, "--gallery", tmp_path / "nowhere")
    assert gone.exit_code == 2
    assert "name its new place" in gone.stderr
