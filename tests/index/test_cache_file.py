"""The cache file: what FAISS and its own layout say of it, what lies beside it, and when it is written anew."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3

import faiss
import numpy as np
import pytest

from index import Gallery, choice, rows, trust, vectors
from index.blocks import Rows, block_of
from index.cache_file import block_in, cache_bytes, mapped
from tests.index.gallery_samples import SHA, by_hand, filled, sample_case, unit

ROWS = unit(90)
LARGE = 32 * 4 * 16
"""Bytes of vectors from which a gallery counts as large in these tests: 32 rows."""


@pytest.fixture
def large(monkeypatch):
    """Galleries of more than 32 rows are large, and every file is big enough for its check to be remembered."""
    monkeypatch.setattr(choice, "SMALL_BYTES", LARGE)
    monkeypatch.setattr(trust, "TRUST_FROM_BYTES", 0)
    monkeypatch.setattr(trust, "SETTLED_NS", 0)


def connected(path) -> sqlite3.Connection:
    return sqlite3.connect(path / "cases.db", isolation_level=None)


def loaded(path) -> tuple[str, Rows]:
    state, found = vectors.load_cache(connected(path), path, 16)
    assert found is not None
    return state, found


def test_faiss_itself_reads_the_file(tmp_path):
    path = filled(tmp_path / "g", ROWS)
    index = faiss.read_index(str(path / "vectors.faiss"))
    assert np.array_equal(faiss.rev_swig_ptr(index.get_xb(), ROWS.size).reshape(ROWS.shape), ROWS)


@pytest.mark.parametrize("names", [[], ["a"], ["ü", "", "Überleitung 7", "x" * 300]])
def test_the_layout_gives_back_what_was_written(tmp_path, names):
    matrix = unit(len(names), 5)
    made = Rows(3, (block_of(matrix, np.arange(len(names)) * 7 + 2, names),))
    (tmp_path / "f").write_bytes(b"".join(cache_bytes(made, SHA)))
    with (tmp_path / "f").open("rb") as file:
        content = mapped(file)
    (tmp_path / "f").unlink()  # what was mapped stays readable
    block = block_in(content, 5, SHA)
    assert block is not None
    assert list(block.case_ids) == names
    assert block.case_ids[1:] == names[1:]
    assert block.numbers.tolist() == made.numbers.tolist()
    assert np.array_equal(block.matrix, matrix)
    assert block_in(content, 6, SHA) is None
    assert block_in(content, 5, "another bundle") is None
    assert block_in(content[:-1], 5, SHA) is None
    assert block_in(content[:20], 5, SHA) is None


def test_writing_into_mapped_vectors_never_reaches_the_file(tmp_path):
    path = filled(tmp_path / "g", ROWS)
    before = (path / "vectors.faiss").read_bytes()
    _, found = loaded(path)
    found.blocks[0].matrix[:] = 0
    assert (path / "vectors.faiss").read_bytes() == before


def test_few_changes_lie_beside_a_large_cache(tmp_path, large):
    path = filled(tmp_path / "g", ROWS[:80])
    before = (path / "vectors.faiss").read_bytes()
    connection = connected(path)
    with Gallery.open(path, read_only=False) as gallery:
        gallery.add([sample_case(number) for number in (80, 81, 82)], ROWS[80:83])
        gallery.delete(["case-00007"])
        state, found = loaded(path)
        assert state == "fresh"
        assert [len(block.numbers) for block in found.blocks] == [80, 3]
        assert vectors.save_cache(connection, path, found, must=False)
        assert (path / "vectors.faiss").read_bytes() == before
        assert vectors.save_cache(connection, path, found)
        assert (path / "vectors.faiss").read_bytes() != before
    state, found = loaded(path)
    assert (state, len(found.blocks), len(found)) == ("fresh", 1, 82)


def test_many_changes_have_it_written_anew(tmp_path, large):
    path = filled(tmp_path / "g", ROWS[:80])
    with Gallery.open(path, read_only=False) as gallery:
        gallery.add([sample_case(number) for number in range(80, 83)], ROWS[80:83])
        gallery.delete([f"case-{number:05d}" for number in range(4)])
        state, found = loaded(path)
        assert (state, choice.worth_writing(found)) == ("stale", True)


def test_a_large_gallery_answers_as_a_small_one_through_every_change(tmp_path, large):
    """The steps of a writer beside a reader that has the old cache mapped."""
    path = filled(tmp_path / "g", ROWS[:60])
    held = list(range(60))
    with Gallery.open(path) as reader, Gallery.open(path, read_only=False) as writer:
        for added, deleted in [((60, 61), (3,)), ((62,), (61, 59, 0)), (tuple(range(63, 90)), (10,)), ((), (62, 89))]:
            writer.add([sample_case(number) for number in added], ROWS[list(added)])
            writer.delete([f"case-{number:05d}" for number in deleted])
            held = [number for number in (*held, *added) if number not in deleted]
            ids = [f"case-{number:05d}" for number in held]
            for gallery in (reader, writer):
                hits = gallery.search(ROWS[5:6], k=12)[0]
                assert [(hit.case_id, hit.score) for hit in hits] == by_hand(ROWS[held], ids, ROWS[5], 12)
                with gallery._session.reading() as connection:
                    assert np.array_equal(gallery._session.rows(connection).vectors(), ROWS[held])
            if 61 in held:
                assert len(reader._session._rows.blocks) > 1
    assert np.array_equal(loaded(path)[1].vectors(), ROWS[held])


def test_only_the_vectors_added_since_are_read_from_the_database(tmp_path, large, monkeypatch):
    path = filled(tmp_path / "g", ROWS[:80])
    with Gallery.open(path, read_only=False) as gallery:
        gallery.add([sample_case(80)], ROWS[80:81])
        looked, original = [], rows.is_intact
        monkeypatch.setattr(rows, "is_intact", lambda *given: (looked.append(1), original(*given))[1])
        assert len(loaded(path)[1]) == 81
        assert len(looked) == 1


def test_vectors_of_a_former_bundle_are_never_taken(tmp_path, large):
    """A re-embedding that was killed before it wrote the cache leaves a file that its record still fits."""
    path = filled(tmp_path / "g", ROWS)
    connection = connected(path)
    connection.execute("UPDATE meta SET value = 'another' WHERE key = 'bundle_sha256'")
    connection.execute("UPDATE state SET generation = generation + 1")
    assert vectors.load_cache(connection, path, 16) == ("stale", None)


def test_a_verified_file_is_not_read_again(tmp_path, large, monkeypatch):
    path = filled(tmp_path / "g", ROWS)
    Gallery.open(path).close()
    assert trust.note_of(path / "vectors.faiss").exists()
    monkeypatch.setattr(trust, "is_intact_file", lambda *_: pytest.fail("it was read again"))
    Gallery.open(path).close()


def test_verify_reads_it_all_the_same(tmp_path, large):
    path = filled(tmp_path / "g", ROWS)
    with Gallery.open(path) as gallery:
        place = path / "vectors.faiss"
        note = trust.note_of(place)
        flip(place)
        with place.open("rb") as file:
            sha256 = vectors.read_record(connected(path)).sha256
            trust.note_trust(place, file, sha256)  # even were it trusted
        assert note.exists()
        assert gallery.verify().cache == "damaged"


def flip(file) -> None:
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 4
    file.write_bytes(content)


def test_a_changed_file_is_checked_again_even_with_its_old_time(tmp_path, large):
    path = filled(tmp_path / "g", ROWS)
    Gallery.open(path).close()
    place = path / "vectors.faiss"
    before = place.stat()
    flip(place)
    os.utime(place, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert vectors.load_cache(connected(path), path, 16) == ("damaged", None)


def test_the_note_of_another_file_is_worth_nothing(tmp_path, large):
    path = filled(tmp_path / "g", ROWS)
    Gallery.open(path).close()
    copy = shutil.copytree(path, tmp_path / "copy")
    flip(copy / "vectors.faiss")
    assert vectors.load_cache(connected(copy), copy, 16) == ("damaged", None)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff\xfe", b'{"sha256": 1}'])
def test_a_note_that_is_none_is_passed_over(tmp_path, large, content):
    path = filled(tmp_path / "g", ROWS)
    trust.note_of(path / "vectors.faiss").write_bytes(content)
    flip(path / "vectors.faiss")
    assert vectors.load_cache(connected(path), path, 16) == ("damaged", None)


@pytest.mark.parametrize("mark", ["device", "inode", "size", "mtime_ns", "ctime_ns", "sha256"])
def test_a_note_with_one_mark_that_differs_is_worth_nothing(tmp_path, large, mark):
    path = filled(tmp_path / "g", ROWS)
    Gallery.open(path).close()
    place, record = path / "vectors.faiss", vectors.read_record(connected(path))
    with place.open("rb") as file:
        assert trust.is_trusted(place, file, record.sha256)
        note = json.loads(trust.note_of(place).read_text())
        note[mark] = "0" * 64 if mark == "sha256" else note[mark] + 1
        trust.note_of(place).write_text(json.dumps(note))
        assert not trust.is_trusted(place, file, record.sha256)


def test_a_cache_with_a_case_that_the_database_has_lost_is_not_used(tmp_path):
    path = filled(tmp_path / "g", ROWS)
    connection = connected(path)
    connection.execute("DELETE FROM cases WHERE number = 5")
    assert vectors.load_cache(connection, path, 16) == ("damaged", None)


def test_a_file_that_was_just_written_gets_no_note(tmp_path, monkeypatch):
    """A change within the same tick of the clock could not be told from it."""
    monkeypatch.setattr(trust, "TRUST_FROM_BYTES", 0)
    path = filled(tmp_path / "g", ROWS)
    Gallery.open(path).close()
    assert not trust.note_of(path / "vectors.faiss").exists()
    old = (path / "vectors.faiss").stat().st_mtime - 100
    os.utime(path / "vectors.faiss", (old, old))
    Gallery.open(path).close()
    assert not trust.note_of(path / "vectors.faiss").exists()  # its inode was changed only now


def test_a_small_file_gets_no_note(tmp_path, monkeypatch):
    monkeypatch.setattr(trust, "SETTLED_NS", 0)
    path = filled(tmp_path / "g", ROWS)
    Gallery.open(path).close()
    assert sorted(file.name for file in path.iterdir()) == ["cases.db", "vectors.faiss"]
