"""A look at somebody's own folder and table: what is there, what is not, and what may be meant."""

from __future__ import annotations

import pytest
from PIL import Image

from retrieval.corpora.own_files import look
from retrieval.errors import BadArgument, FileMissing
from tests.retrieval.conftest import heartbeats
from tests.retrieval.wfdb_files import write_wfdb


@pytest.fixture
def archive(tmp_path):
    folder = tmp_path / "archive"
    folder.mkdir()
    Image.new("L", (40, 40)).save(folder / "a.png")
    write_wfdb(folder, "b", heartbeats(3))
    (folder / "empty.jpg").touch()
    (folder / "letter.docx").write_bytes(b"\x00\x01 no ECG")
    (folder / "spare.pdf").write_bytes(b"%PDF-1.4\n")
    (folder / ".hidden").write_text("x")
    table = folder / "reports.csv"
    table.write_text(
        "File;Befund;Statements;Patient-ID;Age\n"
        "a.png;Sinusrhythmus;NORM;p1;61\n"
        "b;;AFIB, NONSENSE;;\n"
        "empty.jpg;x;;p1;n/a\n"
        "letter.docx;x;;;\n"
        "gone.png;x;;;\n"
        "a.png;again;;;\n",
        encoding="utf-8",
    )
    return folder, table


def test_what_a_folder_and_its_table_hold(archive):
    seen = []
    found = look(*archive, lambda done, total: seen.append((done, total)))
    assert found.rows == 6
    assert found.kinds == {"image": 2, "wfdb": 1}
    assert [(trouble.file, trouble.kind) for trouble in found.troubles] == [
        ("empty.jpg", "empty_file"),
        ("letter.docx", "unsupported_format"),
        ("gone.png", "file_missing"),
        ("a.png", "duplicate_case"),
    ]
    assert found.unnamed == ("spare.pdf",)
    assert found.unknown_statements == ("NONSENSE",)
    assert (found.filled["report"], found.filled["patient"], found.filled["age"]) == (5, 2, 1)
    assert seen[-1] == (6, 6)


def test_a_table_beside_the_folder_whose_paths_name_it(archive):
    folder, table = archive
    outside = folder.parent / "reports.csv"
    outside.write_text("image,report\narchive/a.png,x\n")
    table.unlink()
    found = look(folder, outside)
    assert (found.troubles, found.kinds) == ((), {"image": 1})


def test_a_table_that_cannot_be_used(archive):
    folder, table = archive
    table.write_text("number,report\n1,x\n")
    with pytest.raises(BadArgument, match="'path'"):
        look(folder, table)
    with pytest.raises(FileMissing):
        look(folder, folder / "none.csv")
