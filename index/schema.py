"""The tables of ``cases.db``, their version, and the way from an older version to this one."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass

from index.errors import GalleryDamaged, GalleryError

SCHEMA_VERSION = 1
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
  extra TEXT NOT NULL, sha256 BLOB NOT NULL
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

MIGRATIONS: dict[int, str] = {}
"""From a schema version to the SQL that leads to the next one."""


@dataclass(frozen=True)
class Meta:
    """What is fixed when a gallery is made."""

    bundle_name: str
    bundle_sha256: str
    dim: int
    simulated: bool


def create_tables(connection: sqlite3.Connection, meta: Meta) -> None:
    """Make the tables of an empty database."""
    connection.executescript(TABLES)
    values = {
        "bundle_name": meta.bundle_name,
        "bundle_sha256": meta.bundle_sha256,
        "dim": str(meta.dim),
        "simulated": str(int(meta.simulated)),
    }
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
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if application != APPLICATION_ID or version < 1:
        raise GalleryDamaged(f"{path}: cases.db is a database, yet not that of a gallery; restore it from a copy")
    if version > SCHEMA_VERSION:
        raise GalleryError(
            f"{path}: the gallery has format {version}, this NearBeat reads up to {SCHEMA_VERSION}; update NearBeat"
        )
    return version


def migrate(connection: sqlite3.Connection, version: int) -> None:
    """Bring an older gallery to this version, each step in its own transaction."""
    for step in range(version, SCHEMA_VERSION):
        connection.executescript(f"BEGIN IMMEDIATE; {MIGRATIONS[step]}; PRAGMA user_version = {step + 1}; COMMIT;")


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
        )
    except (KeyError, ValueError) as error:
        raise GalleryDamaged(f"{path}: the table meta of cases.db lacks {error}; restore it from a copy") from None
