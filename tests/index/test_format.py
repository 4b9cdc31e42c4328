"""Galleries written by earlier versions stay readable, and every way of opening one reads the same."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from index import Case, Filter, Gallery, Ingest, NextBundle, connection, parse_where, schema
from index.errors import GalleryError
from tests.index.gallery_samples import filled, new_gallery, unit

GOLDEN = Path(__file__).parent
OLD = Case(
    "old-1",
    "Sinusrhythmus, früher Infarkt",
    {"IMI": 80.0, "SR": None},
    patient_key="p1",
    source="simulated",
    age=61.0,
    sex="male",
    site="a",
    device="b",
    recorded="1990-05-31",
    extra={"fold": "3"},
    waveform=b"wave",
    page=b"page",
)


def as_written(version: int, folder: Path) -> Path:
    """A gallery as that version wrote it, from its tables as text: three cases added, one of them deleted."""
    folder.mkdir()
    with closing(sqlite3.connect(folder / "cases.db")) as database:
        database.executescript((GOLDEN / f"golden_v{version}.sql").read_text(encoding="utf-8"))
    return folder


@pytest.fixture
def golden(tmp_path):
    return as_written(1, tmp_path / "g")


def tables(folder: Path) -> list[tuple]:
    """What SQLite knows of the tables, without white space, on which an added column and a written one differ."""
    sql = "SELECT type, name, sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY name"
    with closing(sqlite3.connect(folder / "cases.db")) as database:
        return [(kind, name, "".join(text.split())) for kind, name, text in database.execute(sql)]


def test_version_1_reads_and_writes(golden):
    with Gallery.open(golden, bundle_sha256="0123") as gallery:
        assert gallery.cases(["old-3", "old-1"]) == [Case("old-3", "", {}), OLD]
        assert gallery.vectors().tolist() == [[1, 0], [0, -1]]
        assert gallery.added(["old-1"]) == [0]
        assert gallery.verify().ok
        assert (gallery.info().generation, gallery.simulated, gallery.bundle_name) == (2, True, "old bundle")
        assert gallery.search(np.array([[1, 0]]), where=Filter(age_from=60))[0][0].case_id == "old-1"
        assert (gallery.ingest("any"), gallery.reembedding()) == (None, None)
    with Gallery.open(golden, read_only=False) as gallery:
        assert gallery.add([Case("new", "", {})], np.array([[0.6, 0.8]])) == 3
        assert gallery.added(["new", "old-1"]) == [3, 0]
        assert gallery.verify().ok


def test_version_1_is_not_searched_by_words_until_a_writer_opened_it(golden):
    query = np.array([1.0, 0])
    with Gallery.open(golden) as reader:
        for search in (
            lambda: reader.search_words("Infarkt"),
            lambda: reader.search_hybrid(query, "Infarkt"),
            lambda: reader.search(query[None], where=Filter(text="Infarkt")),
            lambda: reader.search(query[None], where=parse_where("not report ~ infarkt")),
        ):
            with pytest.raises(GalleryError, match=r"format 1.*open it once for writing"):
                search()
        Gallery.open(golden, read_only=False).close()
        assert [hit.case_id for hit in reader.search_words("frueher")] == ["old-1"]


def test_version_2_reads_and_writes(tmp_path):
    """Its report is garbled, and it stands in the middle of a move to another bundle."""
    garbled = replace(OLD, report=OLD.report.replace("ü", "\u00c3\u00bc"))
    with Gallery.open(as_written(2, tmp_path / "g"), bundle_sha256="0123") as gallery:
        assert gallery.cases(["old-3", "old-1"]) == [Case("old-3", "", {}), garbled]
        assert gallery.vectors().tolist() == [[1, 0], [0, -1]]
        assert gallery.added(["old-1", "old-3"]) == [1, 3]
        assert [hit.case_id for hit in gallery.search_words("frühe")] == ["old-1"]
        assert gallery.ingest("stream") == Ingest("stream", 3, False, (("a.csv", "row 3", "no page"),))
        assert gallery.reembedding() == NextBundle("new bundle", "4567", 3)
        assert gallery.verify().ok
    with Gallery.open(tmp_path / "g", read_only=False) as gallery:
        assert gallery.reembed_pending(5) == ["old-3"]
        gallery.reembed_put(["old-3"], [[1, 0, 0]])
        assert gallery.reembed_finish() == 5
        assert gallery.vectors(["old-1", "old-3"]).tolist() == [[0, 0, 1], [1, 0, 0]]
        assert gallery.verify().ok


def test_the_schema_has_not_changed_without_a_new_version(tmp_path):
    """Who changes a table raises ``SCHEMA_VERSION``, adds a migration and a golden file."""
    new_gallery(tmp_path / "new", 2).close()
    migrated = as_written(1, tmp_path / "migrated")
    Gallery.open(migrated, read_only=False).close()
    old = as_written(2, tmp_path / "old")
    assert "cases_day" not in [name for _, name, _ in tables(old)]
    Gallery.open(old, read_only=False).close()
    assert tables(old) == tables(tmp_path / "new") == tables(migrated)
    assert schema.SCHEMA_VERSION == 2


def test_a_writer_indexes_the_days_and_date_filters_use_it(tmp_path):
    """Galleries of format 2 were made without that index; they answer the same before and after."""
    path, where = as_written(2, tmp_path / "g"), Filter(recorded_from="1990-05-31", recorded_to="1990-12-31")
    sql, values = where.conditions()
    plan = f"EXPLAIN QUERY PLAN SELECT number FROM cases WHERE {sql}"  # noqa: S608
    found = []
    for read_only in (True, False, True):
        with Gallery.open(path, read_only=read_only) as gallery:
            found.append(gallery.search([[0, 0, 1]] if gallery.dim == 3 else [[0, 1]], where=where))
        with closing(sqlite3.connect(path / "cases.db")) as database:
            used = "cases_day" in str(database.execute(plan, values).fetchall())
            assert used == (len(found) > 1)
    assert len(found[0][0]) > 0
    assert found[0] == found[1] == found[2]


def test_two_writers_that_find_an_old_gallery_migrate_it_once(golden):
    """The second read the version before the first was done, and comes to the lock after it."""
    with closing(connection.connect_writer(golden / "cases.db")) as one:
        schema.migrate(one, 1)
        schema.migrate(one, 1)
    with Gallery.open(golden) as gallery:
        assert gallery.verify().ok


def test_a_writer_migrates_step_by_step(golden, monkeypatch):
    version = schema.SCHEMA_VERSION
    monkeypatch.setattr(schema, "SCHEMA_VERSION", version + 2)
    steps = {version: "CREATE TABLE two (x, y DEFAULT ';');", version + 1: "ALTER TABLE two ADD COLUMN z;"}
    monkeypatch.setattr(schema, "MIGRATIONS", schema.MIGRATIONS | steps)
    with Gallery.open(golden, read_only=False) as gallery:
        assert gallery.verify().ok
    with closing(sqlite3.connect(golden / "cases.db")) as database:
        assert database.execute("PRAGMA user_version").fetchone()[0] == version + 2
        assert [row[1] for row in database.execute("PRAGMA table_info(two)")] == ["x", "y", "z"]


def test_a_migration_that_fails_changes_nothing(golden, monkeypatch):
    monkeypatch.setattr(schema, "MIGRATIONS", {1: "CREATE TABLE two (x); INSERT INTO absent VALUES (1);"})
    with pytest.raises(GalleryError):
        Gallery.open(golden, read_only=False)
    with Gallery.open(golden) as gallery:
        assert gallery.verify().ok
    assert not [name for _, name, _ in tables(golden) if name == "two"]


@pytest.mark.skipif(sys.platform == "win32", reason="kill is not SIGKILL there")
def test_a_writer_killed_while_it_migrates_leaves_the_old_format(golden):
    code = (
        "import os, sys\n"
        "from index import Gallery, words\n"
        "words.searchable = lambda report: os.kill(os.getpid(), 9) if not report else report\n"
        "Gallery.open(sys.argv[1], read_only=False)"
    )
    killed = subprocess.run([sys.executable, "-c", code, str(golden)], check=False, cwd=GOLDEN.parents[1])
    assert killed.returncode == -9
    with Gallery.open(golden) as gallery:
        with pytest.raises(GalleryError, match="format 1"):
            gallery.search_words("infarkt")
        assert gallery.verify().ok
    with Gallery.open(golden, read_only=False) as gallery:
        assert gallery.cases(["old-1"]) == [OLD]
        assert [hit.case_id for hit in gallery.search_words("infarkt")] == ["old-1"]
        assert gallery.verify().ok


def test_a_database_in_wal_mode_in_a_folder_without_the_right_to_write(tmp_path, monkeypatch):
    """SQLite cannot make its side files there; nothing changes the file either, so it is read as it is."""
    path = filled(tmp_path / "g", unit(4))
    with closing(sqlite3.connect(path / "cases.db")) as database:
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    for side_file in path.glob("cases.db-*"):
        side_file.unlink()
    connect = connection._connect

    def forbidding(database, mode, wait_s):
        if mode == "ro":
            return connect(database.with_name("absent.db"), "ro", wait_s)  # SQLite says the same of both
        assert mode != "rw"
        return connect(database, mode, wait_s)

    monkeypatch.setattr(connection, "_connect", forbidding)
    with Gallery.open(path) as gallery:
        assert len(gallery) == 4
        assert gallery.verify().ok
    assert sorted(file.name for file in path.iterdir()) == ["cases.db", "vectors.faiss"]


def test_a_path_with_signs_that_mean_something_in_a_uri(tmp_path):
    rows = unit(2)
    with Gallery.open(filled(tmp_path / "g ?mode=rw#1%20ä", rows)) as gallery:
        assert np.array_equal(gallery.vectors(), rows)
