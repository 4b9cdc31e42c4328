"""Tables of reports as archives write them, and as they should not."""

from __future__ import annotations

from pathlib import Path

import pytest

from retrieval.errors import BadArgument, FileMissing
from retrieval.reports_table import parse_statements, read_reports


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
        ("file,report\na,b\n", "'path'"),
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


def test_other_encodings_are_named(tmp_path):
    with pytest.raises(BadArgument, match="not UTF-8"):
        read_reports(table(tmp_path, "path,report\na,möglich\n", "latin-1"))


def test_no_table(tmp_path):
    with pytest.raises(FileMissing, match="no table"):
        read_reports(tmp_path / "none.csv")


def test_statements_in_three_spellings():
    expected = {"IMI": 80.0, "SR": None}
    assert parse_statements("IMI:80; SR") == expected
    assert parse_statements("IMI:80,SR:0") == expected
    assert parse_statements("{'IMI': 80.0, 'SR': 0.0}") == expected
    assert parse_statements("LAO/LAE") == {"LAO/LAE": None}
