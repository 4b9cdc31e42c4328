"""The tables of ``cases.db``, their version, and the way from an older version to this one."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from index import words
from index.conditions import DAY
from index.connection import format_of, transaction
from index.errors import GalleryDamaged, GalleryError, WrongBundle

SCHEMA_VERSION = 2
APPLICATION_ID = 0x4E424754
"""``NBGT`` in SQLite's header: tells a gallery from any other database."""

# No STRICT tables: they need SQLite 3.37, and long-lived Linux releases ship an older one.
TABLES = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;

CREATE TABLE state (
  one INTEGER PRIMARY KEY CHECK (one = 1),
  generation INTEGER NOT NULL,
  cache_generation INTEGER, cache_length INTEGER, cache_sha256 TEXT
);

CREATE TABLE cases (
  number INTEGER PRIMARY KEY AUTOINCREMENT,
  case_id TEXT NOT NULL UNIQUE,
  patient_key TEXT, report TEXT NOT NULL, source TEXT NOT NULL,
  age REAL, sex TEXT, site TEXT, device TEXT, recorded TEXT,
  extra TEXT NOT NULL, sha256 BLOB NOT NULL,
  added INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX cases_patient ON cases (patient_key);

CREATE TABLE statements (
  code TEXT NOT NULL, number INTEGER NOT NULL REFERENCES cases (number),
  position INTEGER NOT NULL, likelihood REAL,
  PRIMARY KEY (number, position)
) WITHOUT ROWID;
CREATE INDEX statements_code ON statements (code, number);

CREATE TABLE vectors (
  number INTEGER PRIMARY KEY REFERENCES cases (number), vector BLOB NOT NULL, sha256 BLOB NOT NULL
);

CREATE TABLE attachments (number INTEGER PRIMARY KEY REFERENCES cases (number), waveform BLOB, page BLOB);

CREATE TABLE retired (case_id_sha256 BLOB PRIMARY KEY) WITHOUT ROWID;
"""

# What format 2 has beside ``cases.added``; the migration makes the same.
NEW_IN_2 = """
CREATE VIRTUAL TABLE words USING fts5 (report, tokenize = 'unicode61 remove_diacritics 2');

CREATE TABLE ingests (
  fingerprint TEXT PRIMARY KEY, done INTEGER NOT NULL, finished INTEGER NOT NULL, refused TEXT NOT NULL
) WITHOUT ROWID;

CREATE TABLE next_vectors (
  number INTEGER PRIMARY KEY REFERENCES cases (number), vector BLOB NOT NULL, sha256 BLOB NOT NULL
);

CREATE INDEX cases_age ON cases (age);
CREATE INDEX cases_device ON cases (device);
CREATE INDEX cases_sex ON cases (sex);
CREATE INDEX cases_site ON cases (site);
"""

# An index only: the format stays, and the first writer gives it to galleries that were made without it.
DAY_INDEX = f"CREATE INDEX cases_day ON cases ({DAY});"
TABLES += NEW_IN_2 + DAY_INDEX

FILL_WORDS = "INSERT INTO words (rowid, report) SELECT number, searchable(report) FROM cases ORDER BY number;"

MIGRATIONS: dict[int, str] = {
    1: "ALTER TABLE cases ADD COLUMN added INTEGER NOT NULL DEFAULT 0;" + NEW_IN_2 + FILL_WORDS
}
"""From a schema version to the SQL that leads to the next one; ``searchable`` is that of :mod:`index.words`."""


@dataclass(frozen=True)
class Meta:
    """What is fixed when a gallery is made; only a re-embedding moves it to another bundle.

    ``vectors_since`` is the generation in which the bundle's vectors came, 0 where they were there from the start:
    a case number keeps its vector only as long as this stays.
    """

    bundle_name: str
    bundle_sha256: str
    dim: int
    simulated: bool
    vectors_since: int = 0


def create_tables(connection: sqlite3.Connection, meta: Meta) -> None:
    """Make the tables of an empty database, in one transaction."""
    values = {
        "bundle_name": meta.bundle_name,
        "bundle_sha256": meta.bundle_sha256,
        "dim": str(meta.dim),
        "simulated": str(int(meta.simulated)),
    }
    with transaction(connection):
        for statement in _statements(TABLES):
            connection.execute(statement)
        connection.executemany("INSERT INTO meta VALUES (?, ?)", sorted(values.items()))
        connection.execute("INSERT INTO state (one, generation) VALUES (1, 0)")
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")


def check_version(connection: sqlite3.Connection, path: str) -> int:
    """The schema version of the database.

    Raises:
        GalleryDamaged: when it is no gallery.
        GalleryError: when a newer NearBeat made it.
    """
    application = connection.execute("PRAGMA application_id").fetchone()[0]
    version = format_of(connection)
    if application != APPLICATION_ID or version < 1:
        raise GalleryDamaged(f"{path}: cases.db is a database, yet not that of a gallery; restore it from a copy")
    if version > SCHEMA_VERSION:
        raise GalleryError(
            f"{path}: the gallery has format {version}, this NearBeat reads up to {SCHEMA_VERSION}; update NearBeat"
        )
    return version


def migrate(connection: sqlite3.Connection, version: int) -> None:
    """Bring an older gallery to this version, each step in its own transaction; and index the days of its cases."""
    connection.create_function("searchable", 1, words.searchable, deterministic=True)
    for step in range(version, SCHEMA_VERSION):
        with transaction(connection):
            # Another writer may have taken this step since the version was read.
            if format_of(connection) == step:
                for statement in _statements(MIGRATIONS[step]):
                    connection.execute(statement)
                connection.execute(f"PRAGMA user_version = {step + 1}")
    if not _has_day_index(connection):
        with transaction(connection):
            if not _has_day_index(connection):
                connection.execute(DAY_INDEX)


def _has_day_index(connection: sqlite3.Connection) -> bool:
    return connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'cases_day'").fetchone() is not None


def _statements(script: str) -> Iterator[str]:
    """The statements of a script one by one: ``executescript`` would commit before it starts."""
    statement = ""
    for part in script.rstrip("; \n").split(";"):
        statement += part + ";"
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""


def read_meta(connection: sqlite3.Connection, path: str) -> Meta:
    """What was fixed when the gallery was made.

    Raises:
        GalleryDamaged: when it is incomplete.
    """
    values = dict(connection.execute("SELECT key, value FROM meta"))
    try:
        return Meta(
            bundle_name=values["bundle_name"],
            bundle_sha256=values["bundle_sha256"],
            dim=int(values["dim"]),
            simulated=values["simulated"] == "1",
            vectors_since=int(values.get("vectors_since", 0)),
        )
    except (KeyError, ValueError) as error:
        raise GalleryDamaged(f"{path}: the table meta of cases.db lacks {error}; restore it from a copy") from None


def refuse_moved(connection: sqlite3.Connection, folder: Path, meta: Meta) -> None:
    """Make sure that the gallery still is of the bundle with which it was opened.

    Raises:
        WrongBundle: when a re-embedding has moved it to other vectors meanwhile.
    """
    now = read_meta(connection, str(folder))
    if now != meta:
        raise WrongBundle(
            f"{folder}: all vectors of the gallery were replaced since it was opened, those of the bundle "
            f"{meta.bundle_name} ({meta.bundle_sha256[:12]}) by those of {now.bundle_name} "
            f"({now.bundle_sha256[:12]}); open it again with that bundle"
        )
