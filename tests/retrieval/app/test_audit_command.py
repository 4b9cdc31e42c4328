"""``nearbeat audit``, ``audit-mark`` and ``cohort``: tables, summaries, and exit codes."""

from __future__ import annotations

import csv
import json
import shutil

import pytest


def table_of(file):
    with file.open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines))


@pytest.fixture
def manifest(ecg_files, tmp_path):
    table = tmp_path / "list.csv"
    table.write_text(
        "path,report,statements,reader\n"
        f"{ecg_files / 'record.hea'},Normal ECG,AFIB,A\n{ecg_files / 'page.png'},Flimmern,,B\n"
    )
    return table


def test_a_folder(nearbeat, ecg_files, tmp_path):
    done = nearbeat("audit", ecg_files, "--out", tmp_path / "out")
    assert done.exit_code == 0, done.output
    rows = table_of(tmp_path / "out" / "audit.csv")
    assert [row["file"] for row in rows] == ["page.png", "record.hea"]
    assert "ECGs" in done.stdout
    assert "not judged" in done.stdout
    assert "decides nothing" in done.stdout
    assert (tmp_path / "out" / "audit.html").is_file()


def test_rejected_files_are_rows_with_reasons_and_3(nearbeat, ecg_files, tmp_path):
    folder = tmp_path / "mixed"
    shutil.copytree(ecg_files, folder)
    (folder / "empty.pdf").touch()
    done = nearbeat("audit", folder, "--out", tmp_path / "out", "--json")
    assert done.exit_code == 3
    summary = json.loads(done.stdout)
    assert summary["schema"] == "nearbeat.audit/2"
    assert (summary["ecgs"], summary["rejected"], summary["not_judged"]) == (3, 1, 2)
    assert summary["refused"][0]["file"] == "empty.pdf"
    assert summary["refused"][0]["kind"] == "empty_file"
    (row,) = [row for row in table_of(tmp_path / "out" / "audit.csv") if row["status"] == "rejected"]
    assert (row["file"], row["kind"]) == ("empty.pdf", "empty_file")
    assert row["reason"] == summary["refused"][0]["message"]
    assert "refused empty.pdf" in done.stderr


def test_all_rejected_is_2_and_still_a_table(nearbeat, tmp_path):
    folder = tmp_path / "bad"
    folder.mkdir()
    (folder / "a.txt").write_text("no")
    assert nearbeat("audit", folder, "--out", tmp_path / "out").exit_code == 2
    assert len(table_of(tmp_path / "out" / "audit.csv")) == 1


def test_a_manifest_is_judged_and_marked(nearbeat, run, manifest, ecg_files, tmp_path):
    out = tmp_path / "out"
    done = nearbeat("audit", manifest, "--out", out, "--json")
    assert done.exit_code == 0, done.output
    summary = json.loads(done.stdout)
    assert summary["agrees"] + summary["unsure"] + summary["disagrees"] == 2
    assert summary["reference"] == "gallery"
    assert {row["judged_by"] for row in table_of(out / "audit.csv")} == {"both", "text"}
    name = str(ecg_files / "record.hea")
    done = run("audit-mark", out, name, "confirmed", "--note", "looked at it, AF", "--json")
    assert json.loads(done.stdout) == {
        "schema": "nearbeat.audit-mark/1",
        "folder": str(out),
        "set": 1,
        "marks": 1,
    }
    (row,) = [row for row in table_of(out / "audit.csv") if row["file"] == name]
    assert (row["mark"], row["note"]) == ("confirmed", "looked at it, AF")
    assert "looked at it, AF" in (out / "audit.html").read_text()
    assert nearbeat("audit", manifest, "--out", out).exit_code == 0
    assert [row["mark"] for row in table_of(out / "audit.csv") if row["file"] == name] == ["confirmed"]


def test_marks_by_hand_and_by_a_table(nearbeat, run, manifest, ecg_files, tmp_path):
    out, name = tmp_path / "out", str(ecg_files / "page.png")
    nearbeat("audit", manifest, "--out", out)
    (out / "marks.csv").write_text(f"file;mark;note\n{name};Dismissed;by hand\n")
    assert run("audit-mark", out).exit_code == 0
    assert {row["mark"] for row in table_of(out / "audit.csv")} == {"open", "dismissed"}
    (tmp_path / "more.csv").write_text(f"file,mark\n{name},confirmed\n")
    assert run("audit-mark", out, "--import", tmp_path / "more.csv").exit_code == 0
    assert {row["mark"] for row in table_of(out / "audit.csv")} == {"open", "confirmed"}


def test_marks_that_cannot_be(nearbeat, run, manifest, tmp_path):
    nearbeat("audit", manifest, "--out", tmp_path / "out")
    for args, words in (
        (["list", "confirmed"], "has no ECG 'list'"),
        (["list"], "needs both"),
        (["list", "maybe"], "one of confirmed, dismissed, open"),
        (["--import", "no.csv"], "no table of marks"),
    ):
        done = run("audit-mark", tmp_path / "out", *args)
        assert done.exit_code == 2
        assert words in done.stderr
    assert not (tmp_path / "out" / "marks.csv").exists()


def test_the_gallery_itself_both_ways(run, toy_gallery, toy_bundle, tmp_path):
    for name, args in (("one", ["--gallery", toy_gallery, "--itself"]), ("other", [toy_gallery])):
        done = run("audit", *args, "--out", tmp_path / name, "--bundle", toy_bundle)
        assert done.exit_code == 0, done.output
        assert "No share of false flags can be promised" in done.stdout
    assert table_of(tmp_path / "one" / "audit.csv") == table_of(tmp_path / "other" / "audit.csv")


def test_a_sample_first(nearbeat, manifest, tmp_path):
    done = nearbeat("audit", manifest, "--out", tmp_path / "out", "--sample", "1000", "--price", "0.05", "--json")
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    assert found["schema"] == "nearbeat.audit-estimate/1"
    assert (found["total"], found["done"], found["seconds"]["value"], found["cost"]["value"]) == (2, 2, 0.0, 0.0)
    said = nearbeat("audit", manifest, "--out", tmp_path / "out", "--sample", "10").stdout
    assert "2 of 2 ECGs are done" in said
    assert "Processor hours" in said


def test_what_to_audit_must_be_said(nearbeat, ecg_files, tmp_path):
    for args in ([], [ecg_files, "--itself"]):
        done = nearbeat("audit", *args, "--out", tmp_path / "out")
        assert done.exit_code == 2
        assert "say what to audit" in done.stderr


def test_a_wrong_path_is_one_sentence(process, tmp_path):
    done = process(["audit", tmp_path / "none", "--out", tmp_path / "out"])
    assert (done.returncode, done.stdout) == (2, "")
    assert len(done.stderr.strip().splitlines()) == 1
    assert not (tmp_path / "out").exists()


def test_a_csv_without_the_column_is_one_sentence(process, tmp_path):
    (tmp_path / "list.csv").write_text("note,text\na,b\n")
    done = process(["audit", tmp_path / "list.csv", "--out", tmp_path / "out"])
    assert done.returncode == 2
    assert "'path'" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_a_cohort_of_a_condition(nearbeat, tmp_path):
    done = nearbeat("cohort", "--where", "has AFIB", "--out", tmp_path / "af.csv", "--json")
    assert json.loads(done.stdout) == {"schema": "nearbeat.cohort/1", "table": str(tmp_path / "af.csv"), "cases": 3}
    rows = table_of(tmp_path / "af.csv")
    assert [row["case_id"] for row in rows] == ["case-1", "case-4", "case-7"]
    assert {row["statements"] for row in rows} == {"AFIB"}
    assert [row["patient_key"] for row in rows] == ["p1", "p4", "p7"]
    assert rows[0]["score"] == ""
    nearbeat("cohort", "--where", "has AFIB", "-k", "2", "--no-patients", "--out", tmp_path / "two.csv")
    assert [row["patient_key"] for row in table_of(tmp_path / "two.csv")] == ["", ""]


def test_a_cohort_is_asked_for_in_usual_terms_unless_told_otherwise(nearbeat, tmp_path):
    asked = ("cohort", "Vorhofflimmern", "--by", "words", "--json")  # no report has the German word
    found = [
        json.loads(nearbeat(*asked, *more, "--out", tmp_path / "c.csv").stdout)["cases"]
        for more in ((), ("--as-written",))
    ]
    assert found == [3, 0]
    assert table_of(tmp_path / "c.csv") == []


def test_a_cohort_of_a_search_as_parquet(nearbeat, ecg_files, tmp_path):
    parquet = pytest.importorskip("pyarrow.parquet")
    for args in (["infarct"], ["--ecg", ecg_files / "record.hea"]):
        for ending in ("csv", "parquet"):
            assert nearbeat("cohort", *args, "-k", "4", "--out", tmp_path / f"c.{ending}").exit_code == 0
        stored = parquet.read_table(tmp_path / "c.parquet").to_pylist()
        as_text = [{name: "" if value is None else str(value) for name, value in row.items()} for row in stored]
        assert as_text == table_of(tmp_path / "c.csv")
        assert [row["rank"] for row in stored] == [1, 2, 3, 4]
        assert len({row["score"] for row in stored}) == 4


def test_cohorts_that_cannot_be(nearbeat, tmp_path):
    done = nearbeat("cohort", "--out", tmp_path / "c.txt")
    assert done.exit_code == 2
    assert "neither .csv nor .parquet" in done.stderr
    done = nearbeat("cohort", "word", "--ecg", "x.png", "--out", tmp_path / "c.csv")
    assert done.exit_code == 2
    assert "give one of them" in done.stderr
    assert not list(tmp_path.glob("c.*"))
