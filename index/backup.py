"""A consistent copy of a gallery while others write to it, and a gallery made from such a copy.

The copy is made by SQLite's backup interface from one snapshot, in a folder beside its place, forced to the disk and
renamed: whoever looks finds no copy, or a whole one. The cache is not copied; it is built again from the database.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

from index import schema, store
from index.connection import DATABASE, connect_reader, translated
from index.errors import GalleryDamaged, GalleryError, GalleryExists, GalleryMissing
from index.verify import database_problems

_UNFINISHED = ".unfinished"


def copy_to(connection: sqlite3.Connection, to: Path) -> None:
    """Copy the database as ``connection`` sees it to the folder ``to``; call it inside a read transaction.

    Raises:
        GalleryExists: when something stands there already.
        GalleryError: when it cannot be written; what was half written is removed, or by the next call.
    """
    to = to.absolute()
    if to.exists() and (not to.is_dir() or any(to.iterdir())):
        raise GalleryExists(f"{to}: something is there already; move it aside, or choose another folder")
    unfinished = to.with_name(to.name + _UNFINISHED)
    try:
        _start_afresh(unfinished)
        with translated(to):
            _copy(connection, unfinished / DATABASE)
        store.sync_folder(unfinished)
        unfinished.replace(to)
        store.sync_folder(to.parent)
    except OSError as error:
        raise GalleryError(
            f"{to}: the copy cannot be written there ({error.strerror}); choose another folder"
        ) from error
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def restore(source: Path, to: Path) -> None:
    """Make a gallery at ``to`` from the backup at ``source``, after every byte of that was checked.

    Raises:
        GalleryMissing: when there is no backup.
        GalleryDamaged: when it is damaged; nothing is made then.
        GalleryExists: when something stands at ``to`` already.
    """
    if not (source / DATABASE).is_file():
        raise GalleryMissing(f"{source}: there is no backup (a folder with {DATABASE}); check the path")
    with translated(source), closing(connect_reader(source / DATABASE)) as connection:
        connection.execute("BEGIN")  # what is checked is what is copied
        schema.check_version(connection, str(source))
        meta = schema.read_meta(connection, str(source))
        problems = database_problems(connection, source, meta.dim)
        if problems:
            more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
            raise GalleryDamaged(f"{source}: the backup is damaged: {problems[0]}{more}; restore an older one")
        copy_to(connection, to)


def _start_afresh(unfinished: Path) -> None:
    """An empty folder, in the place of what a killed copy may have left."""
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(parents=True)


def _copy(connection: sqlite3.Connection, database: Path) -> None:
    with closing(sqlite3.connect(database, isolation_level=None)) as copy:
        connection.backup(copy)
        # The copy of a gallery in WAL mode says that it is in WAL mode too; at rest it shall be one file.
        copy.execute("PRAGMA journal_mode = DELETE").fetchone()
    handle = os.open(database, os.O_RDWR)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
