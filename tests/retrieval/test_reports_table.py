"""Tables of reports as archives write them, and as they should not."""

from __future__ import annotations

from pathlib import Path

import pytest

from retrieval.errors import BadArgument, FileMissing
from retrieval.reports_table import parse_statements, read_reports
from retrieval.table_columns import date_of


def table(tmp_path: Path, text: str, encoding: str = "utf-8") -> Path:
    path = tmp_path / "reports.csv"
    path.write_bytes(text.encode(encoding))
    return path


def test_every_column_is_read(tmp_path):
    path = table(tmp_path, 'path,report,statements,patient,age,sex\na.png,"Sinus, normal",NORM:80; SR,p1,61,F\n')
    (row,) = read_reports(path)
    assert row.path == tmp_path / "a.png"
    assert (row.file, row.report, row.patient, row.age, row.sex) == ("a.png", "Sinus, normal", "p1", 61.0, "female")
    assert row.statements == {"NORM": 80.0, "SR": None}


def test_semicolons_a_byte_order_mark_and_capitals_as_spreadsheets_write_them(tmp_path):
    path = table(tmp_path, "\ufeffPath;Report\r\nb.pdf;Vorhofflimmern, schnell\r\n")
    (row,) = read_reports(path, "/archive")
    assert (row.path, row.report, row.statements) == (Path("/archive/b.pdf"), "Vorhofflimmern, schnell", None)


def test_a_report_over_several_lines_stays_one(tmp_path):
    (row,) = read_reports(table(tmp_path, 'path,report\na.png,"line one\nline two"\n'))
    assert row.report == "line one\nline two"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("number,report\na,b\n", "'path'"),
        ("image,file\na,b\n", "image and file both mean 'path'"),
        ("path,sex\na,1\n", "line 2.*female or male"),
        ("path,date\na,05/06/1990\n", "line 2.*05/06/1990.*1990-05-31"),
        ("path,date\na,1990-13-01\n", "line 2.*1990-13-01"),
        ("", "'path'"),
        ("path,report\n,b\n", "line 2 has no path"),
        ("path,age\na,old\n", "line 2"),
        ("path,statements\na,IMI:200\n", "line 2.*200"),
        ("path,statements\na,{broken\n", "line 2"),
    ],
)
def test_a_table_that_cannot_be_used_is_refused_with_the_place(tmp_path, text, says):
    with pytest.raises(BadArgument, match=says):
        read_reports(table(tmp_path, text))


def test_other_encodings_are_named_with_the_way_out(tmp_path):
    with pytest.raises(BadArgument, match=r"not UTF-8.*iconv"):
        read_reports(table(tmp_path, "path,report\na,möglich\n", "latin-1"))
    with pytest.raises(BadArgument, match="spreadsheet"):
        read_reports(table(tmp_path, "PK\x03\x04…"))


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ("File Name;Befund;Patient-ID;Alter;Geschlecht;Datum\nb.pdf;möglich;7;061Y;w;31.5.1990\n", "utf-8"),
        ("image\tfindings\tsubject_id\tage\tgender\tdate\nb.pdf\tmöglich\t7\t61 years\tF\t1990-05-31\n", "utf-16"),
        ("nr,Path,Report,MRN,patient_age,sex,recorded\n1,b.pdf,möglich,7,61.0,Female,1990-05-31\n", "utf-8-sig"),
    ],
    ids=["German", "tabs", "more"],
)
def test_columns_and_cells_as_archives_name_and_write_them(tmp_path, text, encoding):
    (row,) = read_reports(table(tmp_path, text, encoding))
    assert (row.file, row.report, row.patient, row.age, row.sex) == ("b.pdf", "möglich", "7", 61.0, "female")
    assert row.recorded == "1990-05-31"


def test_our_own_name_wins_over_what_may_mean_the_same(tmp_path):
    (row,) = read_reports(table(tmp_path, "path,image,report\na.hea,a.png,x\n"))
    assert row.file == "a.hea"


def test_what_is_not_known_is_empty(tmp_path):
    (row,) = read_reports(table(tmp_path, "path,age,sex,site\na.png,n/a,Unknown,\n"))
    assert (row.age, row.sex, row.site) == (None, None, None)


def test_files_under_windows_names_and_without_their_suffix(tmp_path):
    (tmp_path / "in").mkdir()
    for name in ("in/a.png", "one.jpg", "rec.hea", "rec.dat", "two.png", "two.pdf"):
        (tmp_path / name).touch()
    rows = read_reports(table(tmp_path, "path\nin\\a.png\none\nrec\ntwo\n"))
    found = [row.path.relative_to(tmp_path).as_posix() for row in rows]
    assert found == ["in/a.png", "one.jpg", "rec.hea", "two"]  # of two files of one name, neither is guessed


def test_no_table(tmp_path):
    with pytest.raises(FileMissing, match="no table"):
        read_reports(tmp_path / "none.csv")


def test_statements_in_three_spellings():
    expected = {"IMI": 80.0, "SR": None}
    assert parse_statements("IMI:80; SR") == expected
    assert parse_statements("IMI:80,SR:0") == expected
    assert parse_statements("{'IMI': 80.0, 'SR': 0.0}") == expected
    assert parse_statements("LAO/LAE") == {"LAO/LAE": None}


@pytest.mark.parametrize("cell", ["1990-05-31 14:05", "1990-05-31T14:05", "31.05.1990 14:05", "31.5.1990, 14:05"])
def test_dates_become_iso(cell):
    assert date_of(cell) == "1990-05-31 14:05"
    assert date_of("19900531") == "1990-05-31"
