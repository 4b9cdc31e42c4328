"""Folders and manifests as streams that begin anywhere."""

from __future__ import annotations

from pathlib import Path

import pytest

from index import Gallery
from retrieval.auditing import archive_of, archive_of_gallery
from retrieval.errors import BadArgument, FileMissing

MANIFEST = (
    "Path,Report,SCP_codes,patient_id,Age,Gender,Hospital,Device,Reader,Date,Trusted\n"
    'a.hea,"line one, two",AFIB; IMI:80,p1,61,f,north,CS-12,Dr A,1990-05-31,yes\n'
    "b.hea,normal,,,,,,,,,\n"
)


def test_a_manifest_and_what_it_knows(tmp_path):
    (tmp_path / "list.csv").write_text(MANIFEST)
    found = archive_of(tmp_path / "list.csv")
    first, second = found.after(0)
    assert found.total == 2
    assert (first.path, first.report, first.statements) == (
        tmp_path / "a.hea",
        "line one, two",
        {"AFIB": None, "IMI": 80.0},
    )
    assert (first.patient, first.age, first.sex, first.site) == ("p1", 61.0, "female", "north")
    assert (first.device, first.reader, first.recorded, first.trusted) == ("CS-12", "Dr A", "1990-05-31", True)
    assert (second.number, second.statements, second.site, second.trusted) == (1, None, None, False)
    assert [entry.number for entry in found.after(1)] == [1]


def test_a_parquet_manifest_is_the_same_as_a_csv(tmp_path):
    arrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    columns = {"path": ["a.hea", "b.hea"], "report": ["x", None], "patient": [17, None], "site": ["north", None]}
    parquet.write_table(arrow.table(columns), tmp_path / "list.parquet")
    (tmp_path / "list.csv").write_text("path,report,patient,site\na.hea,x,17,north\nb.hea,,,\n")
    assert list(archive_of(tmp_path / "list.parquet").after(0)) == list(archive_of(tmp_path / "list.csv").after(0))


def test_a_damaged_parquet_manifest_is_said_in_words(tmp_path):
    pytest.importorskip("pyarrow")
    (tmp_path / "list.parquet").write_bytes(b"PAR1 and nothing more")
    with pytest.raises(BadArgument, match="Parquet"):
        archive_of(tmp_path / "list.parquet")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a,b\n1,2\n", "'path'"),
        ("path,statements\nx.hea,AFIB:900\n", "line 2"),
        ("path,trusted\nx.hea,perhaps\n", "trusted is 'perhaps'"),
        ("path,report\n,nothing\n", "has no path"),
        ("path,report\n", "names no ECG"),
    ],
)
def test_what_is_wrong_with_a_manifest_is_named(tmp_path, text, words):
    (tmp_path / "list.csv").write_text(text)
    with pytest.raises(BadArgument, match=words):
        archive_of(tmp_path / "list.csv")


def test_a_folder_in_order_without_hidden_files_and_companions(tmp_path):
    for name in ("b/2.png", "a/1.hea", "a/1.dat", ".hidden/x.png", "b/.x.png", "c.pdf", "lone.dat"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("x")
    found = archive_of(tmp_path)
    assert [entry.file for entry in found.after(0)] == ["c.pdf", "lone.dat", "a/1.hea", "b/2.png"]
    assert [entry.file for entry in found.after(2)] == ["a/1.hea", "b/2.png"]
    (tmp_path / "c.pdf").write_text("longer")
    assert archive_of(tmp_path).name != found.name


def test_sources_that_cannot_be_audited(tmp_path):
    with pytest.raises(FileMissing, match="nothing at"):
        archive_of(tmp_path / "none")
    with pytest.raises(BadArgument, match="names no ECG"):
        archive_of(tmp_path)


def test_a_gallery_is_a_stream_of_its_cases(small_gallery: Path):
    with Gallery.open(small_gallery) as gallery:
        found = archive_of_gallery(gallery, lambda ids: {"case-03"} & set(ids))
        entries = list(found.after(2))
    assert (found.total, found.gallery, len(entries)) == (12, True, 10)
    assert (entries[0].file, entries[0].path, entries[0].patient) == ("case-02", None, "p2")
    assert [entry.file for entry in entries if entry.trusted] == ["case-03"]
