"""The audit from end to end: rows, resumption after a kill, marks, tables, and the page."""

from __future__ import annotations

import csv
import os
import re
import signal
import sqlite3
import subprocess
import sys
from html.parser import HTMLParser

import pytest
from PIL import Image

from retrieval import open_gallery
from retrieval.auditing import Mark, Marks, Plan, audit, estimate, export
from retrieval.auditing.journal import NAME, Journal
from retrieval.auditing.running import reports_of
from retrieval.auditing.tables import COLUMNS
from retrieval.ecg.drawing import draw_page
from retrieval.errors import BadArgument, DamagedFile

OUTPUT = ("audit.csv", "audit.parquet", "audit.html")
HOSTILE = '<script>fetch("https://example.org")</script><img src=x onerror=alert(1)>" \' =1+1 &amp;'


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


@pytest.fixture
def table(archive):
    path = archive / "reports.csv"
    path.write_text(
        "path,report,statements,patient,site,device,reader\n"
        "r1.hea,Vorhofflimmern,AFIB,p0,north,CS-12,A\n"
        "r2.hea,Sinus rhythm,,,south,CS-12,B\n"
        "r77.hea,,,,south,,\n"
        f'cut.png,"{HOSTILE.replace(chr(34), chr(34) * 2)}",,,,,\n'
        "gone.hea,lost,,,,,\n"
    )
    return path


def rows_of(folder):
    with (folder / "audit.csv").open(encoding="utf-8", newline="") as file:
        return {row["file"]: row for row in csv.DictReader(file)}


def test_a_folder_gives_a_row_for_each_file(archive, tmp_path, small_gallery, towers):
    seen = []
    with open_gallery(small_gallery, towers) as engine:
        summary = audit(engine, Plan(archive, k=4), tmp_path / "out", lambda done, total: seen.append((done, total)))
    rows = rows_of(tmp_path / "out")
    assert set(rows) == {"r1.hea", "r2.hea", "r77.hea", "notes.txt", "cut.png"}
    assert list(rows["r1.hea"]) == list(COLUMNS)
    assert seen[-1] == (5, 5)
    assert {file for file, _, _ in summary.refused} == {"notes.txt", "cut.png"}
    assert (summary.ecgs, summary.not_judged, summary.rejected) == (5, 3, 2)
    for name in ("notes.txt", "cut.png"):
        assert rows[name]["status"] == "rejected"
        assert rows[name]["kind"]
        assert rows[name]["reason"]
    good = rows["r77.hea"]
    assert (good["status"], good["kind"], good["verdict"], good["p"]) == ("ok", "wfdb", "", "")
    assert good["reason"] == "no report to compare with"
    assert len(good["nearest"].split("; ")) == len(good["scores"].split("; ")) == 4
    assert good["vote"]


def test_an_ecg_never_testifies_for_itself(archive, tmp_path, small_gallery, towers):
    """The files hold the gallery's samples to within WFDB's rounding, so that the page is the same or nearly so."""
    with open_gallery(small_gallery, towers) as engine:
        audit(engine, Plan(archive, k=3), tmp_path / "out")
    row = rows_of(tmp_path / "out")["r2.hea"]
    assert all(float(score) < 1 - 1e-6 for score in row["scores"].split("; "))


def test_statements_and_reports_of_a_table_are_judged(table, tmp_path, small_gallery, towers):
    with open_gallery(small_gallery, towers) as engine:
        summary = audit(engine, Plan(table, k=5), tmp_path / "out")
    rows = rows_of(tmp_path / "out")
    assert (rows["r1.hea"]["judged_by"], rows["r1.hea"]["own_statements"]) == ("both", "AFIB")
    assert not {"case-00", "case-01"} & set(rows["r1.hea"]["nearest"].split("; "))
    assert rows["r2.hea"]["judged_by"] == "text"
    assert "reports of other cases" in rows["r2.hea"]["reason"]
    for name in ("r1.hea", "r2.hea"):
        assert 0 < float(rows[name]["p"]) <= float(rows[name]["q"]) <= 1
    assert rows["r77.hea"]["verdict"] == ""
    assert (rows["gone.hea"]["status"], rows["cut.png"]["status"]) == ("rejected", "rejected")
    judged = summary.disagrees + summary.unsure + summary.agrees
    assert (judged, summary.not_judged, summary.rejected) == (2, 1, 2)
    ranks = [int(row["rank"]) for row in rows.values()]
    assert ranks == [1, 2, 3, 4, 5]
    assert [row["status"] for row in rows.values()][-2:] == ["rejected", "rejected"]


def test_a_picture_is_audited_as_a_record_is(tmp_path, small_gallery, towers, make_recording):
    folder = tmp_path / "pages"
    folder.mkdir()
    Image.fromarray(draw_page(make_recording(4)).pixels).save(folder / "page.png")
    with open_gallery(small_gallery, towers) as engine:
        audit(engine, Plan(folder, k=3), tmp_path / "out")
    row = rows_of(tmp_path / "out")["page.png"]
    assert (row["status"], row["kind"]) == ("ok", "image")


def test_a_gallery_against_itself(tmp_path, small_gallery, towers):
    """No false-discovery rate is promised without trusted cases; every case meets the others, never its patient's."""
    with open_gallery(small_gallery, towers) as engine:
        summary = audit(engine, Plan(None, k=4), tmp_path / "out")
        rows = rows_of(tmp_path / "out")
        assert (summary.ecgs, summary.reference, summary.disagrees) == (12, "none", 0)
        assert all(row["q"] == "" and row["p"] for row in rows.values())
        assert not {"case-00", "case-01"} & set(rows["case-00"]["nearest"].split("; "))
        assert "case-05" not in rows["case-05"]["nearest"]
        assert "no share of false flags can be promised" in (tmp_path / "out" / "audit.html").read_text()


def test_trusted_ecgs_are_the_reference_and_are_not_flagged(tmp_path, small_gallery, towers, monkeypatch):
    monkeypatch.setattr("retrieval.auditing.settling.FEWEST_TRUSTED", 4)
    with open_gallery(small_gallery, towers) as engine:
        summary = audit(engine, Plan(None, trusted="source = 'archive'"), tmp_path / "out")
    rows = rows_of(tmp_path / "out")
    assert (summary.reference, summary.trusted) == ("archive", 10)
    assert {name for name, row in rows.items() if row["verdict"] == "trusted"} == {f"case-{i:02d}" for i in range(10)}
    assert all(rows[f"case-{i}"]["q"] for i in (10, 11))


@pytest.mark.parametrize(
    ("plan", "words"),
    [({"level": 0.0}, "between 0 and 1"), ({"level": 1.5}, "between 0 and 1"), ({"trusted": "age > 1"}, "itself")],
)
def test_a_plan_that_cannot_be(plan, words):
    with pytest.raises(BadArgument, match=words):
        Plan("folder", **plan)


CHILD = """
import sys, time
from pathlib import Path
from retrieval import open_gallery
from retrieval.auditing import Plan, audit, running
from retrieval.auditing import journal
from tests.retrieval.conftest import FakeTowers
running.CHUNK = 2
whole = journal.Journal.add
def slow(self, rows, vectors):
    whole(self, rows, vectors)
    print(len(rows), flush=True)
    time.sleep(0.3)
journal.Journal.add = slow
with open_gallery(Path(sys.argv[1]), FakeTowers()) as engine:
    audit(engine, Plan(Path(sys.argv[2]), k=4), sys.argv[3])
"""


def test_a_killed_audit_goes_on_and_gives_the_same_bytes(table, tmp_path, small_gallery, towers, monkeypatch):
    monkeypatch.setattr("retrieval.auditing.running.CHUNK", 2)
    with open_gallery(small_gallery, towers) as engine:
        audit(engine, Plan(table, k=4), tmp_path / "whole")
    command = [sys.executable, "-c", CHILD, str(small_gallery), str(table), str(tmp_path / "cut")]
    child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True)
    assert child.stdout is not None
    assert child.stdout.readline().strip() == "2"
    os.killpg(child.pid, signal.SIGKILL)
    child.wait()
    child.stdout.close()
    assert not (tmp_path / "cut" / "audit.csv").exists()
    with open_gallery(small_gallery, towers) as engine:
        with pytest.raises(BadArgument, match="unfinished audit of other arguments"):
            audit(engine, Plan(table, k=5), tmp_path / "cut")
        summary = audit(engine, Plan(table, k=4), tmp_path / "cut")
    assert 2 <= summary.resumed < 5
    for name in OUTPUT:
        assert (tmp_path / "cut" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes(), name


def test_called_again_it_examines_nothing_again(table, tmp_path, small_gallery, towers):
    with open_gallery(small_gallery, towers) as engine:
        audit(engine, Plan(table), tmp_path / "out")
        before = {name: (tmp_path / "out" / name).read_bytes() for name in OUTPUT}
        texts = towers.texts_seen
        assert audit(engine, Plan(table), tmp_path / "out").resumed == 5
        assert towers.texts_seen == texts
    assert before == {name: (tmp_path / "out" / name).read_bytes() for name in OUTPUT}


def test_another_archive_begins_anew_after_a_finished_one_and_the_marks_stay(table, tmp_path, small_gallery, towers):
    out = tmp_path / "out"
    with open_gallery(small_gallery, towers) as engine:
        audit(engine, Plan(table), out)
        Marks(out).set(
            [
                Mark("r1.hea", "confirmed", "no AF here", reports_of(out, ["r1.hea"])["r1.hea"]),
                Mark("r2.hea", "dismissed"),
            ]
        )
        export(out)
        assert rows_of(out)["r1.hea"]["mark"] == "confirmed"
        table.write_text(table.read_text().replace("Vorhofflimmern,AFIB", "Sinusrhythmus,SR"))
        assert audit(engine, Plan(table), out).resumed == 0
    rows = rows_of(out)
    assert (rows["r1.hea"]["mark"], rows["r2.hea"]["mark"], rows["r77.hea"]["mark"]) == (
        "confirmed",
        "dismissed",
        "open",
    )
    assert rows["r1.hea"]["note"] == "no AF here (the report has changed since)"
    assert rows["r2.hea"]["note"] == ""


def test_parquet_equals_csv(table, tmp_path, small_gallery, towers):
    parquet = pytest.importorskip("pyarrow.parquet")
    with open_gallery(small_gallery, towers) as engine:
        assert audit(engine, Plan(table), tmp_path / "out").parquet
    stored = parquet.read_table(tmp_path / "out" / "audit.parquet").to_pylist()
    assert [{name: "" if value is None else str(value) for name, value in row.items()} for row in stored] == list(
        rows_of(tmp_path / "out").values()
    )
    assert {type(row["p"]) for row in stored} == {float, type(None)}


def test_without_pyarrow_there_is_csv_and_no_stale_parquet(table, tmp_path, small_gallery, towers, monkeypatch):
    with open_gallery(small_gallery, towers) as engine:
        audit(engine, Plan(table), tmp_path / "out")
        monkeypatch.setitem(sys.modules, "pyarrow", None)
        monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
        assert not audit(engine, Plan(table), tmp_path / "out").parquet
    assert not (tmp_path / "out" / "audit.parquet").exists()
    assert len(rows_of(tmp_path / "out")) == 5


class Elements(HTMLParser):
    """What a browser would make of the page, as far as it matters here."""

    def __init__(self):
        super().__init__()
        self.seen, self.text = [], []

    def handle_starttag(self, tag, attrs):
        self.seen.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.text.append(data)


def test_the_page_escapes_what_is_hostile_and_fetches_nothing(tmp_path, small_gallery, towers, make_recording):
    folder = tmp_path / HOSTILE.replace("/", "_")
    folder.mkdir()
    write_wfdb(folder, "r5", make_recording(5))
    quoted = '"' + HOSTILE.replace('"', '""') + '"'
    fields = "path,report,statements,patient,site,device,reader\n"
    (folder / "list.csv").write_text(fields + f"r5.hea,{quoted},AFIB,{','.join([quoted] * 4)}\n")
    with open_gallery(small_gallery, towers) as engine:
        audit(engine, Plan(folder / "list.csv"), tmp_path / "out")
    Marks(tmp_path / "out").set([Mark("r5.hea", "open", HOSTILE)])
    export(tmp_path / "out")
    page = Elements()
    page.feed((tmp_path / "out" / "audit.html").read_text(encoding="utf-8"))
    tags = [tag for tag, _ in page.seen]
    assert (tags.count("script"), tags.count("style")) == (1, 1)
    assert not {"link", "iframe", "object", "embed", "base"} & set(tags)
    for tag, attributes in page.seen:
        assert not [name for name in attributes if name.startswith("on")], tag
        assert (attributes.get("src") or "data:image/png").startswith("data:image/png"), tag
        assert "href" not in attributes
    policy = next(given["content"] for tag, given in page.seen if given.get("http-equiv"))
    assert policy.startswith("default-src 'none'; img-src data:")
    assert HOSTILE in "".join(page.text)
    assert [given["value"] for tag, given in page.seen if tag == "input" and "value" in given] == [HOSTILE]


def test_the_page_tells_of_groups_pictures_and_what_could_not_be_read(table, tmp_path, small_gallery, towers):
    with open_gallery(small_gallery, towers) as engine:
        audit(engine, Plan(table), tmp_path / "out")
    text = (tmp_path / "out" / "audit.html").read_text(encoding="utf-8")
    for words in ("By site", "By device", "By reader", "gone.hea", "data:image/png;base64,"):
        assert words in text
    assert len(re.findall("<figure", text)) >= 4


def test_the_same_ecg_twice_and_a_patient_of_two_sexes(tmp_path, small_gallery, towers, make_recording):
    folder = tmp_path / "archive"
    folder.mkdir()
    for name, seed in (("one", 40), ("copy", 40), ("other", 41)):
        write_wfdb(folder, name, make_recording(seed))
    (folder / "list.csv").write_text(
        "path,report,patient,sex,age,recorded\n"
        "one.hea,a,p1,female,60,2000-01-01\n"
        "copy.hea,b,p2,female,50,2000-01-01\n"
        "other.hea,a,p1,male,72,2001-01-01\n"
    )
    with open_gallery(small_gallery, towers) as engine:
        audit(engine, Plan(folder / "list.csv"), tmp_path / "out")
    rows = rows_of(tmp_path / "out")
    assert (rows["one.hea"]["duplicates"], rows["copy.hea"]["duplicates"]) == ("copy.hea", "one.hea")
    assert rows["other.hea"]["duplicates"] == ""
    assert "recorded as female and as male" in rows["one.hea"]["patient_mismatch"]
    assert "ages that differ by 11 years" in rows["other.hea"]["patient_mismatch"]
    assert rows["copy.hea"]["patient_mismatch"] == ""
    assert "the same ECG under 2 patients with 2 different reports" in (tmp_path / "out" / "audit.html").read_text()


def test_a_sample_says_what_the_whole_takes_and_is_not_done_again(
    table, tmp_path, small_gallery, towers, monkeypatch
):
    monkeypatch.setattr("retrieval.auditing.running.CHUNK", 2)
    monkeypatch.setattr("retrieval.auditing.sampling.CHUNK", 2)
    with open_gallery(small_gallery, towers) as engine:
        found = estimate(engine, Plan(table), tmp_path / "out", 2)
        assert (found.total, found.done) in {(5, 1), (5, 2)}
        assert 0 < found.seconds.low <= found.seconds.value <= found.seconds.high
        assert 0 <= found.rejected.low <= found.rejected.value <= found.rejected.high <= 1
        assert found.processor_seconds.value > 0
        assert found.megabytes > 0
        assert not (tmp_path / "out" / "audit.csv").exists()
        assert audit(engine, Plan(table), tmp_path / "out").resumed == found.done
        audit(engine, Plan(table), tmp_path / "straight")
    assert rows_of(tmp_path / "out") == rows_of(tmp_path / "straight")
    with pytest.raises(BadArgument, match="at least 1"):
        estimate(engine, Plan(table), tmp_path / "none", 0)


def test_a_journal_that_is_none(tmp_path):
    (tmp_path / NAME).write_text("this is no database, however long it may be " * 40)
    with pytest.raises(DamagedFile, match="delete it"):
        Journal(tmp_path)
    with pytest.raises(BadArgument, match="holds no audit"):
        export(tmp_path / "elsewhere")


def test_output_is_whole_or_the_old_one(table, tmp_path, small_gallery, towers, monkeypatch):
    out = tmp_path / "out"
    with open_gallery(small_gallery, towers) as engine:
        audit(engine, Plan(table), out)
    before = {name: (out / name).read_bytes() for name in OUTPUT}
    Marks(out).set([Mark("r1.hea", "confirmed")])

    def broken(*args):
        raise OSError("disk full")

    monkeypatch.setattr("retrieval.auditing.tables.cells", broken)
    with pytest.raises(OSError, match="disk full"):
        export(out)
    assert before == {name: (out / name).read_bytes() for name in OUTPUT}
    assert sorted(file.name for file in out.iterdir()) == sorted([*OUTPUT, NAME, "marks.csv"])


def test_the_journal_is_readable_by_anything_that_reads_sqlite(table, tmp_path, small_gallery, towers):
    with open_gallery(small_gallery, towers) as engine:
        audit(engine, Plan(table), tmp_path / "out")
    connection = sqlite3.connect(tmp_path / "out" / NAME)
    assert connection.execute("SELECT count(*) FROM rows").fetchone() == (5,)
    connection.close()
