"""``nearbeat corpus fetch | check`` as a user runs them, and a newcomer's folder that becomes a gallery."""

from __future__ import annotations

import json

import pytest

from index import Gallery
from tests.retrieval.app.world import make_archive
from tests.retrieval.corpora.physionet_server import corpus, serving, wrong

DATA = "records100/00000/00001_lr.dat"


@pytest.fixture
def server():
    with serving(corpus()) as place:
        yield place


def test_a_fetch_tells_licence_and_citation_before_and_what_came_after(run, server, tmp_path):
    done = run("corpus", "fetch", "ptbxl", "--to", tmp_path / "p", "--from", server.base)
    assert done.exit_code == 0, done.output
    assert done.stdout.count("\n") == 1
    assert "15 files came" in done.stdout
    for words in ("CC BY 4.0", "10.13026/kfzx-aw45", "Scientific Data 7:154", "Goldberger"):
        assert words in done.stderr
    assert "Fetching PTB-XL 1.0.3: 12/12" in done.stderr
    again = run("corpus", "fetch", "ptbxl", "--to", tmp_path / "p", "--from", server.base, "--quiet")
    assert (again.stderr, "0 files came" in again.stdout) == ("", True)


def test_the_options_of_a_fetch(run, server, tmp_path):
    options = ("--folds", "2", "--rate", "both", "--connections", "1", "--json")
    done = run("corpus", "fetch", "PTBXL", "--to", tmp_path / "p", "--from", server.base.rstrip("/"), *options)
    told = json.loads(done.stdout)
    assert (told["fetched"], told["refused"], server.most_at_once) == (11, [], 1)
    assert len(list((tmp_path / "p").rglob("*_hr.dat"))) == 2


def test_what_could_not_be_had_is_named_and_3(run, server, tmp_path):
    server.faults[DATA] = [wrong, wrong]
    done = run("corpus", "fetch", "ptbxl", "--to", tmp_path / "p", "--from", server.base, "--json")
    assert done.exit_code == 3
    (refused,) = json.loads(done.stdout)["refused"]
    assert (refused["file"], refused["kind"]) == (DATA, "wrong_checksum")
    assert f"refused {DATA}: " in done.stderr


def test_a_server_that_is_not_there_is_one_sentence_and_2(run, tmp_path, monkeypatch):
    monkeypatch.setattr("retrieval.corpora.download.TRIES", 1)
    done = run("corpus", "fetch", "ptbxl", "--to", tmp_path / "p", "--from", "http://127.0.0.1:9/x", "-q")
    assert (done.exit_code, done.stdout) == (2, "")
    assert len(done.stderr.splitlines()) == 1
    assert "cannot be had" in done.stderr
    assert "object at 0x" not in done.stderr


def test_check_names_what_is_wrong(run, server, tmp_path):
    run("corpus", "fetch", "ptbxl", "--to", tmp_path, "--from", server.base)
    assert run("corpus", "check", tmp_path).exit_code == 0
    (tmp_path / DATA).write_bytes(b"altered")
    done = run("corpus", "check", tmp_path)
    assert done.exit_code == 3
    assert "14 files are what was published, 1 are not, 12 are not here" in done.stdout
    assert DATA in done.stderr


def test_check_of_a_folder_that_is_neither(run, tmp_path):
    done = run("corpus", "check", tmp_path)
    assert (done.exit_code, done.stdout) == (2, "")
    assert "--reports" in done.stderr


@pytest.mark.slow
def test_a_newcomers_folder_becomes_a_gallery(run, toy_bundle, tmp_path):
    """Headings as an archive has them, paths that name the folder, a date in German, a file that is not there."""
    make_archive(tmp_path)
    table = tmp_path / "reports.csv"
    text = table.read_text(encoding="utf-8").replace("2001-02-03", "03.02.2001")
    table.write_text(text + "archive/gone.png,x,p9,50,F,n/a\n", encoding="utf-8")
    files = ("--files", tmp_path / "archive", "--reports", table)
    looked = run("corpus", "check", tmp_path / "archive", "--reports", table)
    assert looked.exit_code == 3
    assert "2 image" in looked.stdout
    assert "refused archive/gone.png" in looked.stderr
    built = run("gallery", "build", *files, "--out", tmp_path / "g", "--bundle", toy_bundle)
    assert built.exit_code == 3
    assert "gone.png" in built.stderr
    with Gallery.open(tmp_path / "g", read_only=True) as gallery:
        (case,) = gallery.cases(["archive/1.png"])
    assert (case.patient_key, case.age, case.sex, case.recorded) == ("p1", 51.0, "male", "2001-02-03")
    assert case.report
