"""The audit: a row for each ECG, judged against its neighbours or rejected with the reason."""

from __future__ import annotations

import csv

import pytest
from PIL import Image

from retrieval import open_gallery
from retrieval.audit import COLUMNS, AuditRow, audit, audit_entries, write_table
from retrieval.ecg.drawing import draw_page
from retrieval.errors import BadArgument, FileMissing


def write_wfdb(folder, name, recording):
    import wfdb

    wfdb.wrsamp(
        name,
        fs=recording.rate,
        units=["mV"] * 12,
        sig_name=["I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6"],
        p_signal=recording.signal.T.astype(float),
        fmt=["16"] * 12,
        write_dir=str(folder),
    )


@pytest.fixture
def archive(tmp_path, make_recording):
    """Two records of the gallery's own (seeds 1 and 2), one foreign, and two files that are none."""
    folder = tmp_path / "archive"
    folder.mkdir()
    for seed in (1, 2, 77):
        write_wfdb(folder, f"r{seed}", make_recording(seed))
    (folder / "notes.txt").write_text("not an ECG")
    (folder / "cut.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    (folder / ".hidden").write_text("ignored")
    return folder


def rows_of(path):
    with path.open(encoding="utf-8", newline="") as file:
        return {row["file"]: row for row in csv.DictReader(file)}


def test_a_folder_gives_a_row_for_each_file(archive, tmp_path, small_gallery, towers):
    seen = []
    with open_gallery(small_gallery, towers) as engine:
        summary = audit(engine, archive, tmp_path / "out", 4, lambda done, total: seen.append((done, total)))
    rows = rows_of(tmp_path / "out" / "audit.csv")
    assert set(rows) == {"r1.hea", "r2.hea", "r77.hea", "notes.txt", "cut.png"}
    assert list(rows["r1.hea"]) == list(COLUMNS)
    assert seen[-1] == (5, 5)
    assert {row.file for row in summary.rejected} == {"notes.txt", "cut.png"}
    assert summary.count("") == 3
    for name in ("notes.txt", "cut.png"):
        assert rows[name]["status"] == "rejected"
        assert rows[name]["kind"]
        assert rows[name]["reason"]
    good = rows["r77.hea"]
    assert (good["status"], good["kind"], good["verdict"], good["agreement"]) == ("ok", "wfdb", "", "")
    assert good["reason"] == "no report to compare with"
    assert len(good["nearest"].split("; ")) == len(good["scores"].split("; ")) == 4
    assert good["vote"]


def test_an_ecg_never_testifies_for_itself(archive, tmp_path, small_gallery, towers):
    """The files hold the gallery's samples to within WFDB's rounding, so that the page is the same or nearly so."""
    with open_gallery(small_gallery, towers) as engine:
        audit(engine, archive, tmp_path / "out", 3)
    row = rows_of(tmp_path / "out" / "audit.csv")["r2.hea"]
    assert all(float(score) < 1 - 1e-6 for score in row["scores"].split("; "))


def test_statements_and_reports_of_a_table_are_judged(archive, tmp_path, small_gallery, towers):
    table = archive / "reports.csv"
    table.write_text(
        "path,report,statements,patient\n"
        "r1.hea,Vorhofflimmern,AFIB,p0\n"
        "r2.hea,Sinus rhythm,,\n"
        "r77.hea,,,\n"
        "gone.hea,lost,,\n"
    )
    with open_gallery(small_gallery, towers) as engine:
        summary = audit(engine, table, tmp_path / "out", 5)
    rows = rows_of(summary.path)
    assert list(rows) == ["r1.hea", "r2.hea", "r77.hea", "gone.hea"]
    assert (rows["r1.hea"]["judged_by"], rows["r1.hea"]["own_statements"]) == ("statements", "AFIB")
    assert not {"case-00", "case-01"} & set(rows["r1.hea"]["nearest"].split("; "))
    assert rows["r2.hea"]["judged_by"] == "text"
    assert 0 <= float(rows["r2.hea"]["agreement"]) <= 1
    assert "reports of other cases" in rows["r2.hea"]["reason"]
    assert rows["r77.hea"]["verdict"] == ""
    assert rows["gone.hea"]["status"] == "rejected"
    judged = sum(summary.count(v) for v in ("agrees", "unsure", "disagrees"))
    assert (judged, summary.count(""), len(summary.rejected)) == (2, 1, 1)


def test_the_reports_of_other_cases_are_encoded_once(archive, tmp_path, small_gallery, towers):
    table = archive / "reports.csv"
    table.write_text("path,report\nr1.hea,infarct\nr2.hea,block\nr77.hea,flutter\n")
    with open_gallery(small_gallery, towers) as engine:
        before = towers.texts_seen
        audit(engine, table, tmp_path / "out", 3)
    assert towers.texts_seen - before == 3 + 3  # three own reports, three distinct ones in the gallery


def test_a_picture_is_audited_as_a_record_is(tmp_path, small_gallery, towers, make_recording):
    folder = tmp_path / "pages"
    folder.mkdir()
    Image.fromarray(draw_page(make_recording(4)).pixels).save(folder / "page.png")
    with open_gallery(small_gallery, towers) as engine:
        summary = audit(engine, folder, tmp_path / "out", 3)
    assert [(row.file, row.status, row.kind) for row in summary.rows] == [("page.png", "ok", "image")]


def test_sources_that_cannot_be_audited(tmp_path):
    with pytest.raises(FileMissing, match="nothing at"):
        audit_entries(tmp_path / "none")
    with pytest.raises(BadArgument, match="names no ECG"):
        audit_entries(tmp_path)


def test_the_table_is_whole_or_the_old_one(tmp_path):
    path = tmp_path / "audit.csv"
    write_table(path, [AuditRow("a", "ok", "fine", "wfdb")])
    before = path.read_bytes()

    def breaking():
        yield AuditRow("b", "ok", "fine", "wfdb")
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        write_table(path, breaking())
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["audit.csv"]
