"""``nearbeat gallery add, delete, compact, snapshot, restore, diff, reembed`` as a user runs them."""

from __future__ import annotations

import json
import shutil

import pytest

from index import Gallery

pytestmark = pytest.mark.slow


@pytest.fixture
def gallery(toy_gallery, tmp_path):
    return shutil.copytree(toy_gallery, tmp_path / "g")


def told(done):
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


def test_deleted_cases_are_gone_and_compact_takes_their_bytes(run, gallery):
    gone = told(run("gallery", "delete", gallery, "case-1", "case-2", "--json"))
    assert (gone["schema"], gone["cases"], gone["generation"]) == ("nearbeat.change/1", 7, 2)
    assert told(run("gallery", "compact", gallery, "--json"))["cases"] == 7
    assert b"case-1" not in (gallery / "cases.db").read_bytes()
    unknown = run("gallery", "delete", gallery, "case-1")
    assert unknown.exit_code == 2
    assert "there is no case 'case-1'" in unknown.stderr


def test_a_snapshot_is_restored_and_a_diff_says_what_happened_since(run, gallery, tmp_path):
    told(run("gallery", "snapshot", gallery, "--out", tmp_path / "copy", "--json"))
    same = run("gallery", "diff", gallery, tmp_path / "copy")
    assert same.exit_code == 0
    assert "The same cases" in same.stdout
    run("gallery", "delete", gallery, "case-4")
    changed = run("gallery", "diff", gallery, tmp_path / "copy", "--json")
    assert changed.exit_code == 3
    assert json.loads(changed.stdout) == {
        "schema": "nearbeat.diff/1", "only_first": [], "only_second": ["case-4"], "case": [], "vector": []
    }  # fmt: skip
    back = told(run("gallery", "restore", tmp_path / "copy", "--out", tmp_path / "back", "--json"))
    assert back["cases"] == 9
    assert "only in" in run("gallery", "diff", gallery, tmp_path / "back").stdout


def test_adding_twice_adds_once(run, gallery, toy_bundle):
    command = ("gallery", "add", gallery, "--simulated", "3", "--bundle", toy_bundle, "--json")
    first = told(run(*command))
    assert (first["cases"], first["resumed"]) == (3, 0)
    again = told(run(*command))
    assert (again["cases"], again["resumed"]) == (3, 3)
    with Gallery.open(gallery) as opened:
        assert len(opened) == 12
    more = run("gallery", "add", gallery, "--simulated", "4", "--bundle", toy_bundle, "--json")
    assert more.exit_code == 3
    report = json.loads(more.stdout)
    assert report["cases"] == 1
    assert [one["kind"] for one in report["refused"]] == ["duplicate_case"] * 3
    updated = told(run("gallery", "add", gallery, "--simulated", "4", "--update", "--bundle", toy_bundle, "--json"))
    assert (updated["cases"], updated["refused"]) == (4, [])


def test_a_source_must_be_named(run, gallery):
    done = run("gallery", "add", gallery)
    assert done.exit_code == 2
    assert "say what to take" in done.stderr


def test_reembedding_to_the_same_bundle_does_nothing(run, gallery, toy_bundle):
    assert told(run("gallery", "reembed", gallery, "--bundle", toy_bundle, "--json"))["generation"] == 1


def test_a_gallery_goes_out_as_parquet_and_comes_back(run, gallery, tmp_path):
    pytest.importorskip("pyarrow")
    assert told(run("gallery", "export", gallery, "--out", tmp_path / "out", "--json"))["cases"] == 9
    assert told(run("gallery", "import", tmp_path / "out", "--out", tmp_path / "back", "--json"))["cases"] == 9
    assert run("gallery", "diff", gallery, tmp_path / "back").exit_code == 0
