"""``nearbeat audit``: the table, the summary, and exit codes."""

from __future__ import annotations

import csv
import json
import shutil


def table_of(folder):
    with (folder / "audit.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_a_folder(nearbeat, ecg_files, tmp_path):
    done = nearbeat("audit", ecg_files, "--out", tmp_path / "out")
    assert done.exit_code == 0, done.output
    assert [row["file"] for row in table_of(tmp_path / "out")] == ["page.png", "record.hea"]
    assert "ECGs" in done.stdout
    assert "not judged" in done.stdout
    assert "decides nothing" in done.stdout


def test_rejected_files_are_rows_with_reasons_and_3(nearbeat, ecg_files, tmp_path):
    folder = tmp_path / "mixed"
    shutil.copytree(ecg_files, folder)
    (folder / "empty.pdf").touch()
    done = nearbeat("audit", folder, "--out", tmp_path / "out", "--json")
    assert done.exit_code == 3
    summary = json.loads(done.stdout)
    assert summary["schema"] == "nearbeat.audit/1"
    assert (summary["ecgs"], summary["rejected"], summary["not_judged"]) == (3, 1, 2)
    assert summary["refused"][0]["file"] == "empty.pdf"
    assert summary["refused"][0]["kind"] == "empty_file"
    (row,) = [row for row in table_of(tmp_path / "out") if row["status"] == "rejected"]
    assert (row["file"], row["kind"]) == ("empty.pdf", "empty_file")
    assert row["reason"] == summary["refused"][0]["message"]
    assert "refused empty.pdf" in done.stderr


def test_all_rejected_is_2_and_still_a_table(nearbeat, tmp_path):
    folder = tmp_path / "bad"
    folder.mkdir()
    (folder / "a.txt").write_text("no")
    assert nearbeat("audit", folder, "--out", tmp_path / "out").exit_code == 2
    assert len(table_of(tmp_path / "out")) == 1


def test_a_csv_with_reports_and_statements(nearbeat, ecg_files, tmp_path):
    table = tmp_path / "list.csv"
    table.write_text(
        f"path,report,statements\n{ecg_files / 'record.hea'},Normal ECG,PACE\n{ecg_files / 'page.png'},Flimmern,\n"
    )
    done = nearbeat("audit", table, "--out", tmp_path / "out", "--json")
    assert done.exit_code == 0, done.output
    first, second = table_of(tmp_path / "out")
    assert (first["judged_by"], second["judged_by"]) == ("statements", "text")
    assert first["verdict"] in {"unsure", "disagrees"}
    summary = json.loads(done.stdout)
    assert summary["agrees"] + summary["unsure"] + summary["disagrees"] == 2


def test_a_wrong_path_is_one_sentence(process, tmp_path):
    done = process(["audit", tmp_path / "none", "--out", tmp_path / "out"])
    assert (done.returncode, done.stdout) == (2, "")
    assert len(done.stderr.strip().splitlines()) == 1
    assert not (tmp_path / "out").exists()


def test_a_csv_without_the_column_is_one_sentence(process, tmp_path):
    (tmp_path / "list.csv").write_text("file,text\na,b\n")
    done = process(["audit", tmp_path / "list.csv", "--out", tmp_path / "out"])
    assert done.returncode == 2
    assert "'path'" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
