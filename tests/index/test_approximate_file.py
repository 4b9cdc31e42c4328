"""The file of the approximate index: recorded, checked, and without what was deleted."""

from __future__ import annotations

import errno
import shutil
import sqlite3

import numpy as np
import pytest

from index import Gallery, approximate_file, choice, tuning
from index.approximate_file import APPROXIMATE, IndexKeeper, load_index, save_index
from index.connection import transaction
from tests.index.gallery_samples import SHA, filled, sample_case
from tests.index.test_approximate import clustered

COUNT = 4000
ROWS = clustered(COUNT, 5)


@pytest.fixture(scope="module")
def pristine(tmp_path_factory):
    """A gallery of 4,000 cases with an index over them."""
    path = filled(tmp_path_factory.mktemp("approximate") / "g", ROWS)
    with Gallery.open(path, read_only=False) as gallery:
        keeper = IndexKeeper(path, "approximate")
        assert keeper.prepare(gallery._session._connection, rows_of(gallery)) is not None
    return path


@pytest.fixture
def path(pristine, tmp_path):
    return shutil.copytree(pristine, tmp_path / "g")


def rows_of(gallery: Gallery):
    with gallery._session.reading() as connection:
        return gallery._session.rows(connection)


def connected(path) -> sqlite3.Connection:
    return sqlite3.connect(path / "cases.db", isolation_level=None)


def test_what_is_read_is_what_was_written(path):
    state, found = load_index(connected(path), path)
    assert (state, found.last, found.index.ntotal) == ("fresh", COUNT, COUNT)
    with Gallery.open(path) as gallery:
        made = tuning.prepared(None, rows_of(gallery))
        assert found.tuning == made.tuning
        assert np.array_equal(found.list_of, made.list_of)
        assert gallery.verify().ok


@pytest.mark.parametrize("place", [0, 30, 5000, -1])
def test_a_flipped_byte_is_caught_before_faiss_sees_it(path, place, monkeypatch):
    content = bytearray((path / APPROXIMATE).read_bytes())
    content[place] ^= 1
    (path / APPROXIMATE).write_bytes(content)
    monkeypatch.setattr(approximate_file, "mapped", lambda *_: pytest.fail("unchecked bytes were looked at"))
    assert load_index(connected(path), path) == ("damaged", None)


def test_a_missing_file_and_that_of_another_bundle_are_not_used(path):
    connection = connected(path)
    connection.execute("UPDATE meta SET value = 'other' WHERE key = 'bundle_sha256'")
    assert load_index(connection, path) == ("absent", None)
    connection.execute("UPDATE meta SET value = ? WHERE key = 'bundle_sha256'", (SHA,))
    assert load_index(connection, path)[0] == "fresh"
    (path / APPROXIMATE).unlink()
    assert load_index(connection, path) == ("absent", None)


@pytest.mark.parametrize("value", ["", "[]", "{}", '{"length": 3}', '{"tuning": {"kind": 1}}'])
def test_a_record_of_another_version_is_none(path, value):
    connection = connected(path)
    connection.execute("UPDATE meta SET value = ? WHERE key = 'approximate'", (value,))
    assert load_index(connection, path) == ("absent", None)


def test_an_index_made_before_the_gallery_moved_to_another_bundle_is_not_written(path):
    connection = connected(path)
    _, found = load_index(connection, path)
    before = (path / APPROXIMATE).read_bytes()
    assert not save_index(connection, path, found, "the bundle of before")
    assert (path / APPROXIMATE).read_bytes() == before


def test_a_full_disk_leaves_the_old_index(path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    connection = connected(path)
    _, found = load_index(connection, path)
    with monkeypatch.context() as patch:
        patch.setattr("os.fsync", full)
        with pytest.raises(OSError, match="No space left"):
            save_index(connection, path, found, SHA)
    assert load_index(connection, path)[0] == "fresh"
    assert sorted(file.name for file in path.iterdir()) == [APPROXIMATE, "cases.db", "vectors.faiss"]


def test_compacting_leaves_nothing_of_a_deleted_case_in_it(path):
    gone = list(range(100, 160))
    with Gallery.open(path, read_only=False) as gallery:
        gallery.delete([sample_case(number).case_id for number in gone])
        (path / f"{APPROXIMATE}.new").write_bytes(b"of a writer that was killed")
        gallery.compact()
        state, found = load_index(connected(path), path)
        assert state == "fresh"
        assert found.index.ntotal == COUNT - 60
        assert not set(np.flatnonzero(found.list_of >= 0)) & {number + 1 for number in gone}
        assert not (path / f"{APPROXIMATE}.new").exists()


def test_compacting_removes_an_index_that_cannot_be_cleaned(path):
    (path / APPROXIMATE).write_bytes(b"damaged")
    with Gallery.open(path, read_only=False) as gallery:
        gallery.compact()
    assert not (path / APPROXIMATE).exists()
    assert connected(path).execute("SELECT count(*) FROM meta WHERE key = 'approximate'").fetchone() == (0,)


class TestKeeper:
    def test_by_size_and_by_wish(self, path, monkeypatch):
        connection = connected(path)
        with Gallery.open(path) as gallery:
            rows = rows_of(gallery)
            keeper = IndexKeeper(path)
            assert keeper.index_for(connection, rows) is None
            assert keeper.index_for(connection, rows, "approximate") is not None
            assert keeper.notice == ""
            monkeypatch.setattr(choice, "EXACT_UP_TO_VALUES", 1000)
            assert keeper.index_for(connection, rows) is not None
            assert keeper.index_for(connection, rows, "exact") is None

    def test_a_file_is_read_once_and_again_when_it_was_written_anew(self, path, monkeypatch):
        connection = connected(path)
        with Gallery.open(path) as gallery:
            rows = rows_of(gallery)
            keeper = IndexKeeper(path, "approximate")
            first = keeper.index_for(connection, rows)
            assert keeper.index_for(connection, rows) is first
            other = tuning.prepared(None, rows, seed=5)
            save_index(connection, path, other, SHA)
            second = keeper.index_for(connection, rows)
            assert second is not first
            assert second.tuning.seed == 5

    def test_what_is_amiss_is_said(self, path):
        connection = connected(path)
        (path / APPROXIMATE).write_bytes(b"")
        with Gallery.open(path) as gallery:
            keeper = IndexKeeper(path, "approximate")
            assert keeper.index_for(connection, rows_of(gallery)) is None
            assert "approximate.faiss is not the file recorded" in keeper.notice
            with transaction(connection):
                approximate_file.forget_deleted(connection, path, rows_of(gallery))
            assert keeper.index_for(connection, rows_of(gallery)) is None
            assert "no approximate index yet" in keeper.notice
            keeper.prepare(connection, rows_of(gallery))
            assert keeper.index_for(connection, rows_of(gallery)) is not None
            assert keeper.notice == ""

    def test_a_damaged_file_that_was_made_again_is_used_again(self, path):
        connection = connected(path)
        whole = (path / APPROXIMATE).read_bytes()
        (path / APPROXIMATE).write_bytes(b"damaged")
        with Gallery.open(path) as gallery:
            keeper = IndexKeeper(path, "approximate")
            assert keeper.index_for(connection, rows_of(gallery)) is None
            keeper.prepare(connection, rows_of(gallery))
            assert (path / APPROXIMATE).read_bytes() == whole  # the same cases, the same index
            assert keeper.index_for(connection, rows_of(gallery)) is not None

    def test_a_small_gallery_gets_no_index_by_itself(self, path):
        with Gallery.open(path) as gallery:
            assert IndexKeeper(path).prepare(connected(path), rows_of(gallery)) is None
