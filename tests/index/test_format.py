"""Galleries written by earlier versions stay readable, and every way of opening one reads the same."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from index import Case, Gallery, connection, schema
from tests.index.gallery_samples import filled, unit

GOLDEN = Path(__file__).with_name("golden_v1.sql")


@pytest.fixture
def golden(tmp_path):
    """A gallery as version 1 wrote it, from its tables as text: three cases added, one of them deleted."""
    (tmp_path / "g").mkdir()
    with closing(sqlite3.connect(tmp_path / "g" / "cases.db")) as database:
        database.executescript(GOLDEN.read_text(encoding="utf-8"))
    return tmp_path / "g"


def test_version_1_reads_and_writes(golden):
    old = Case(
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
    with Gallery.open(golden, bundle_sha256="0123") as gallery:
        assert gallery.cases(["old-3", "old-1"]) == [Case("old-3", "", {}), old]
        assert gallery.vectors().tolist() == [[1, 0], [0, -1]]
        assert gallery.verify().ok
        assert (gallery.info().generation, gallery.simulated, gallery.bundle_name) == (2, True, "old bundle")
    with Gallery.open(golden, read_only=False) as gallery:
        assert gallery.add([Case("new", "", {})], np.array([[0.6, 0.8]])) == 3
        assert gallery.verify().ok


def test_the_schema_has_not_changed_without_a_new_version(golden, tmp_path):
    """Who changes a table raises ``SCHEMA_VERSION``, adds a migration and a golden file."""
    with closing(sqlite3.connect(golden / "cases.db")) as old, closing(sqlite3.connect(tmp_path / "new")) as new:
        schema.create_tables(new, schema.Meta("b", "0", 2, simulated=False))
        sql = "SELECT type, name, sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY name"
        assert old.execute(sql).fetchall() == new.execute(sql).fetchall()
        assert schema.SCHEMA_VERSION == 1


def test_a_writer_migrates_step_by_step(golden, monkeypatch):
    monkeypatch.setattr(schema, "SCHEMA_VERSION", 3)
    steps = {1: "CREATE TABLE two (x)", 2: "ALTER TABLE two ADD COLUMN y"}
    monkeypatch.setattr(schema, "MIGRATIONS", steps)
    with Gallery.open(golden, read_only=False) as gallery:
        assert gallery.verify().ok
    with closing(sqlite3.connect(golden / "cases.db")) as database:
        assert database.execute("PRAGMA user_version").fetchone()[0] == 3
        assert [row[1] for row in database.execute("PRAGMA table_info(two)")] == ["x", "y"]


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
