"""``nearbeat gallery build | info | verify`` and ``doctor``, as a person and as a program reads them."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace

import pytest

from index import Gallery
from retrieval.towers.bundle import Bundle


def test_build_from_files_lists_the_refused_and_exits_with_3(run, toy_bundle, ecg_files, tmp_path):
    table = tmp_path / "reports.csv"
    table.write_text("path,report\nrecord.hea,Sinus rhythm\npage.png,Flutter\ngone.png,lost\n")
    options = ["--files", ecg_files, "--reports", table, "--bundle", toy_bundle]
    done = run("gallery", "build", *options, "--out", tmp_path / "g", "--json")
    assert done.exit_code == 3, done.output
    report = json.loads(done.stdout)
    assert (report["schema"], report["cases"], report["missing"]) == ("nearbeat.build/1", 2, 0)
    assert [(one["file"], one["kind"]) for one in report["refused"]] == [("gone.png", "file_missing")]
    again = run("gallery", "build", *options, "--out", tmp_path / "g")
    assert again.exit_code == 2
    assert "is there already" in again.stderr


def test_build_simulated_then_info_and_verify(run, toy_bundle, tmp_path):
    path = tmp_path / "g"
    built = run("gallery", "build", "--simulated", "5", "--out", path, "--bundle", toy_bundle)
    assert built.exit_code == 0, built.output
    assert "5 cases" in built.stdout
    info = json.loads(run("gallery", "info", path, "--json").stdout)
    assert info["schema"] == "nearbeat.gallery/1"
    assert (info["cases"], info["patients"], info["simulated"]) == (5, 5, True)
    assert info["bundle_sha256"] == Bundle.load(toy_bundle).sha256
    assert sum(info["statements"].values()) >= 5
    checked = run("gallery", "verify", path, "--json")
    assert checked.exit_code == 0
    assert json.loads(checked.stdout) == {
        "schema": "nearbeat.verify/1",
        "path": str(path),
        "ok": True,
        "cases": 5,
        "generation": info["generation"],
        "cache": "fresh",
        "problems": [],
        "near_duplicates": [],
    }
    assert "simulated" in run("gallery", "info", path).stdout
    assert "none" in run("gallery", "verify", path).stdout


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ([], "exactly one"),
        (["--simulated", "3", "--ptbxl", "x"], "exactly one"),
        (["--files", "x"], "belong together"),
        (["--ptbxl", "nowhere"], "nowhere"),
        (["--ptbxl", "nowhere", "--folds", "1-99"], "1-99"),
    ],
)
def test_builds_that_cannot_be(run, toy_bundle, tmp_path, options, says):
    done = run("gallery", "build", "--out", tmp_path / "g", "--bundle", toy_bundle, *options)
    assert done.exit_code == 2
    assert len(done.stderr.strip().splitlines()[-1:]) == 1
    assert says in done.stderr
    assert not (tmp_path / "g").exists()


def test_info_and_verify_of_nothing(run, tmp_path):
    for command in ("info", "verify"):
        done = run("gallery", command, tmp_path / "none")
        assert done.exit_code == 2
        assert len(done.stderr.strip().splitlines()) == 1


def test_verify_finds_a_changed_report(run, toy_bundle, tmp_path):
    import sqlite3

    path = tmp_path / "g"
    run("gallery", "build", "--simulated", "3", "--out", path, "--bundle", toy_bundle)
    with Gallery.open(path) as gallery:
        report = gallery.cases(gallery.ids())[0].report
    connection = sqlite3.connect(path / "cases.db")
    (changed,) = connection.execute("SELECT count(*) FROM cases WHERE report = ?", (report,)).fetchone()
    connection.execute("UPDATE cases SET report = 'all is well' WHERE report = ?", (report,))
    connection.commit()
    connection.close()
    assert changed >= 1
    done = run("gallery", "verify", path, "--json")
    assert done.exit_code == 2
    assert json.loads(done.stdout)["ok"] is False
    assert json.loads(done.stdout)["problems"]


def test_doctor_says_what_a_bug_report_needs(run, toy_bundle, toy_gallery):
    done = run("doctor", "--bundle", toy_bundle, "--gallery", toy_gallery, "--json")
    assert done.exit_code == 0, done.output
    report = json.loads(done.stdout)
    assert report["schema"] == "nearbeat.doctor/1"
    assert report["problems"] == []
    assert report["packages"]["numpy"]
    assert report["bundle"]["sha256"] == Bundle.load(toy_bundle).sha256
    assert (report["gallery"]["cases"], report["gallery"]["generation"]) == (9, 1)
    assert report["threads"]["processors"] >= 1
    table = run("doctor", "--bundle", toy_bundle, "--gallery", toy_gallery).stdout
    assert "onnxruntime" in table
    assert "problems" in table


def test_doctor_goes_on_past_what_is_broken_and_builds_nothing(run, toy_bundle, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    done = run("doctor", "--bundle", tmp_path / "none", "--json")
    assert done.exit_code == 2
    assert "bundle" in json.loads(done.stdout)["problems"][0]
    fresh = json.loads(run("doctor", "--bundle", toy_bundle, "--json").stdout)
    assert fresh["gallery"]["built"] is False
    assert list(tmp_path.iterdir()) == []


def test_version_and_help(run):
    assert run("--version").stdout.startswith("nearbeat ")
    text = run("--help").stdout
    for command in ("query", "search", "audit", "gallery", "demo", "doctor"):
        assert command in text


def test_an_entry_point_that_cannot_be_loaded_breaks_nothing_else(run, monkeypatch):
    from importlib.metadata import EntryPoint

    lost = EntryPoint("train", "no_such_module:register", "nearbeat.commands")
    monkeypatch.setattr("retrieval.app.main.entry_points", lambda group: [lost])
    done = run("train")
    assert done.exit_code == 2
    assert "nearbeat[train]" in done.stderr
    assert run("--version").exit_code == 0


def test_verify_names_one_ecg_under_two_patients(run, toy_gallery, tmp_path):
    twice = shutil.copytree(toy_gallery, tmp_path / "g")
    with Gallery.open(twice, read_only=False) as gallery:
        (case,) = gallery.cases(["case-0"])
        gallery.add([replace(case, case_id="again", patient_key="another")], gallery.vectors(["case-0"]))
    checked = run("gallery", "verify", twice, "--json")
    assert checked.exit_code == 0  # a finding, not damage
    assert {frozenset(pair[:2]) for pair in json.loads(checked.stdout)["near_duplicates"]} == {
        frozenset(("again", "case-0"))
    }
    assert "again" in run("gallery", "verify", twice).stdout
