from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from index import Case, Gallery
from index.errors import UnknownCase
from retrieval.engine import Engine
from retrieval.errors import BadArgument, DamagedFile, NearBeatError
from retrieval.intake import read
from retrieval.intake.correction import Correction
from retrieval.service.desk import Desk, file_name, place_name, shown_case
from retrieval.service.scratch import PREFIX, Scratch
from retrieval.service.settings import Limits


def test_an_upload_is_answered_as_the_engine_answers_the_file(desk, csv, tmp_path):
    (tmp_path / "ecg.csv").write_bytes(csv)
    alone = desk.engine.query(read(tmp_path / "ecg.csv"), 4)
    answer = desk.query(desk.read(csv, "ecg.csv"), 4)
    assert [(hit.case_id, hit.score) for hit in answer.hits] == [(hit.case_id, hit.score) for hit in alone.hits]


def test_what_is_handed_out_names_no_folder(desk, csv):
    intake = desk.read(csv, "../../etc/ecg.csv")
    answer = desk.query(intake, 3)
    told = json.dumps(answer.as_json()) + json.dumps(desk.weigh(answer).as_json()) + str(desk.info())
    assert answer.query.file == "ecg.csv"
    assert str(desk.engine.gallery.path) not in told
    assert str(desk._scratch.path.parent) + "/" not in told


def test_a_refusal_names_the_upload_and_no_folder(desk):
    with pytest.raises(DamagedFile) as caught:
        desk.read(b"\x89PNG\r\n\x1a\n" + b"x" * 100, "photo of the ward.png")
    told = desk.plain(str(caught.value))
    assert "photo of the ward.png" in told
    assert str(desk._scratch.path) not in told


def test_no_upload_is_left_behind(desk, csv):
    desk.read(csv, "ecg.csv")
    with pytest.raises(NearBeatError):
        desk.read(b"nonsense", "page.png")
    assert list(desk._scratch.path.iterdir()) == []
    desk.close()
    assert not desk._scratch.path.exists()


def test_files_that_belong_together_are_read_together(desk, record):
    head = record["record.hea"]
    intake = desk.read(head, "record.hea", beside={"record.dat": record["record.dat"]})
    assert (intake.kind, intake.file) == ("wfdb", "record.hea")
    with pytest.raises(NearBeatError):
        desk.read(head, "record.hea")


def test_two_files_of_one_name_are_refused(desk, csv):
    with pytest.raises(BadArgument, match="called"):
        desk.read(csv, "a.csv", beside={"A/a.csv": csv})


def test_a_correction_reaches_the_reader(desk, png):
    intake = desk.read(png, "page.png", correction=Correction(speed=50.0))
    assert intake.report.speed == 50.0
    assert "corrected" in {finding.kind for finding in intake.findings}


def test_a_sentence_a_neighbour_and_a_case(desk):
    assert desk.search("atrial fibrillation", 2, by="words").hits[0].statements == {"AFIB": None}
    assert "case-00" not in [hit.case_id for hit in desk.like("case-00", 3).hits]
    assert desk.case("case-03").report == "Sinus rhythm. Normal ECG."
    with pytest.raises(UnknownCase):
        desk.case("none")


@pytest.mark.parametrize("k", [0, -1, 201])
def test_k_has_limits(desk, k):
    with pytest.raises(BadArgument, match="1 to 200"):
        desk.search("sinus", k)


def test_a_sentence_and_a_condition_have_limits(desk):
    with pytest.raises(BadArgument, match="sentence has 1001"):
        desk.search("a" * 1001, 1)
    with pytest.raises(BadArgument, match="condition has 1001"):
        desk.search("a", 1, where="a" * 1001)


def test_it_warms_and_closes_its_processes(small_gallery, towers):
    desk = Desk(Engine(Gallery.open(small_gallery), towers), Limits(workers=1))
    assert not desk.ready
    desk.warm()
    assert desk.ready
    processes = [child._process for child in desk.reader._all]
    assert all(process is not None and process.poll() is None for process in processes)
    desk.close()
    desk.close()
    assert all(process.poll() is not None for process in processes)


def test_limits_of_nothing_are_refused():
    with pytest.raises(BadArgument, match="workers"):
        Limits(workers=0)


@given(st.text())
def test_any_name_becomes_one_that_can_be_a_file(name):
    made = file_name(name)
    assert made == Path(made).name
    assert made not in ("", ".", "..")
    assert len(made.encode()) <= 140
    assert not set(made) & set('/\\<>:"|?*\0\n')


@pytest.mark.parametrize(
    ("name", "made"),
    [
        ("C:\\scans\\ecg.JPG", "ecg.JPG"),
        ("/etc/passwd", "passwd"),
        ("..", "upload"),
        ("", "upload"),
        ("é.png", "é.png"),
        ("a\0b.png", "ab.png"),
        (".hea", "upload.hea"),
    ],
)
def test_names(name, made):
    assert file_name(name) == made


@pytest.mark.parametrize(
    ("source", "shown"),
    [
        ("/data/archive/2020/a.png", "2020/a.png"),
        ("C:\\archive\\2020\\a.png", "2020/a.png"),
        ("records/a.png", "records/a.png"),
        ("PTB-XL", "PTB-XL"),
        ("", ""),
    ],
)
def test_a_source_that_is_a_whole_path_is_cut(source, shown):
    assert shown_case(Case("a", "", {}, source=source)).source == shown


def test_places_are_named_by_their_end(tmp_path):
    assert place_name(tmp_path / "gallery") == "gallery"
    assert place_name("http://user:secret@example.org:19530/ecgs") == "ecgs"


@pytest.mark.parametrize("folder", [".", "gallery"])
def test_a_relative_gallery_does_not_garble_sentences(small_gallery, towers, folder, monkeypatch):
    monkeypatch.chdir(small_gallery if folder == "." else small_gallery.parent)
    with Desk(Engine(Gallery.open(folder), towers)) as desk:
        assert desk.plain("a gallery. It is here.") == "a gallery. It is here."
        with pytest.raises(UnknownCase) as caught:
            desk.case("none")
        assert desk.plain(str(caught.value)).startswith("gallery: there is no case")


@pytest.mark.skipif(os.name == "nt", reason="needs signal 0")
def test_uploads_of_a_service_that_is_no_more_are_removed(tmp_path):
    code = (
        f"from pathlib import Path; from retrieval.service.scratch import Scratch; Scratch(Path({str(tmp_path)!r}))"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
    (left,) = tmp_path.glob(f"{PREFIX}*")
    own = Scratch(tmp_path)
    assert not left.exists()
    again = Scratch(tmp_path)
    assert own.path.exists()
    own.remove()
    again.remove()
    assert list(tmp_path.iterdir()) == []
