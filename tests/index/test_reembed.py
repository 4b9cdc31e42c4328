"""Moving a gallery to another bundle: the old vectors serve until all new ones are there."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import numpy as np
import pytest

from index import Gallery, NextBundle, vectors
from index.errors import BadVector, GalleryDamaged, GalleryError, NoReembed, ReembedUnderWay, UnknownCase, WrongBundle
from tests.index.gallery_samples import SHA, by_hand, filled, sample_case, unit

OLD, NEW = unit(8, 16), unit(9, 6, seed=4)
NEXT = NextBundle("better", "cd" * 32, 6)
NEXT_ARGUMENTS = ("better", "cd" * 32, 6)
IDS = [f"case-{n:05d}" for n in range(8)]


@pytest.fixture
def path(tmp_path):
    return filled(tmp_path / "g", OLD)


@pytest.fixture
def writer(path):
    with Gallery.open(path, read_only=False) as gallery:
        yield gallery


def embed_rest(gallery: Gallery, at_once: int = 3) -> None:
    while ids := gallery.reembed_pending(at_once):
        gallery.reembed_put(ids, NEW[[int(case_id[-5:]) for case_id in ids]])


def test_the_old_vectors_serve_until_it_is_done_and_the_new_ones_after(path, writer):
    before = writer.search(OLD[:2], k=8)
    assert writer.reembed_begin(*NEXT_ARGUMENTS) == 8
    while ids := writer.reembed_pending(3):
        assert ids == [case_id for case_id in IDS if case_id not in IDS[: IDS.index(ids[0])]][:3]
        writer.reembed_put(ids, NEW[[IDS.index(case_id) for case_id in ids]])
        assert writer.search(OLD[:2], k=8) == before
        assert writer.verify().ok
    assert writer.info().generation == 1
    assert writer.reembed_finish() == 2
    with Gallery.open(path, bundle_sha256="cd" * 32) as reader:
        for gallery in (writer, reader):
            assert (gallery.dim, gallery.bundle_name, gallery.bundle_sha256) == (6, "better", "cd" * 32)
            assert np.array_equal(gallery.vectors(), NEW[:8])
            found = [(hit.case_id, hit.score) for hit in gallery.search(NEW[8:], k=5)[0]]
            assert found == by_hand(NEW[:8], IDS, NEW[8], 5)
            assert gallery.reembedding() is None
            assert gallery.verify().problems == ()
            assert gallery.cases(IDS) == [sample_case(n) for n in range(8)]
    with pytest.raises(WrongBundle):
        Gallery.open(path, bundle_sha256=SHA)
    writer.add([sample_case(8)], NEW[8:])
    assert writer.search(NEW[8:], k=1)[0][0].case_id == "case-00008"
    assert writer.verify().cache in ("fresh", "stale")


def test_it_goes_on_where_it_was_left(path, writer):
    writer.reembed_begin(*NEXT_ARGUMENTS)
    writer.reembed_put(IDS[:2], NEW[:2])
    writer.close()
    with Gallery.open(path, read_only=False) as again:
        assert again.reembedding() == NEXT
        assert again.reembed_begin(*NEXT_ARGUMENTS) == 6
        assert again.reembed_pending(99) == IDS[2:]
        embed_rest(again)
        again.reembed_finish()
        assert np.array_equal(again.vectors(), NEW[:8])


def test_cases_that_come_and_go_meanwhile(writer):
    writer.reembed_begin(*NEXT_ARGUMENTS)
    embed_rest(writer)
    writer.delete(IDS[1:3])
    writer.add([sample_case(8)], unit(1, 16, seed=7))
    writer.replace([sample_case(4, report="new")], unit(1, 16, seed=8))
    assert writer.verify().ok
    with pytest.raises(ReembedUnderWay, match="2 cases have no vector of better yet"):
        writer.reembed_finish()
    assert np.array_equal(writer.vectors([IDS[0]]), OLD[:1])
    assert writer.reembed_pending(9) == ["case-00008", "case-00004"]
    embed_rest(writer)
    writer.reembed_finish()
    assert writer.ids() == [IDS[0], IDS[3], *IDS[5:], "case-00008", "case-00004"]
    assert np.array_equal(writer.vectors(), NEW[[0, 3, 5, 6, 7, 8, 4]])
    assert writer.verify().ok


def test_a_vector_of_a_case_that_was_replaced_meanwhile_is_not_taken(path, writer):
    writer.reembed_begin(*NEXT_ARGUMENTS)
    ids = writer.reembed_pending(3)
    with Gallery.open(path, read_only=False) as other:
        other.replace([sample_case(1, report="another ECG")], unit(1))
    with pytest.raises(UnknownCase, match="was replaced meanwhile"):
        writer.reembed_put(ids, NEW[:3])
    assert len(writer.reembed_pending(99)) == 8


def test_those_who_have_it_open_with_the_old_bundle_never_mix(path, writer):
    """Also where the new bundle's vectors have the old length, and where it is moved back."""
    with Gallery.open(path) as reader, Gallery.open(path, read_only=False) as other:
        before = reader.search(OLD[:1])
        writer.reembed_begin("same length", "ef" * 32, 16)
        writer.reembed_put(IDS, unit(8, 16, seed=5))
        assert reader.search(OLD[:1]) == before
        with reader.snapshot():
            writer.reembed_finish()
            assert reader.search(OLD[:1]) == before
        for _ in range(2):
            for attempt in (
                lambda: reader.search(OLD[:1]),
                reader.vectors,
                lambda: other.add([sample_case(8)], unit(1)),
                lambda: other.replace([sample_case(1)], unit(1)),
                lambda: other.search(OLD[:1]),
            ):
                with pytest.raises(WrongBundle, match="since it was opened"):
                    attempt()
            if writer.bundle_sha256 == SHA:
                break
            writer.reembed_begin("toy", SHA, 16)
            writer.reembed_put(IDS, unit(8, 16, seed=6))
            writer.reembed_finish()
        assert reader.search_words("sinus")
        assert len(reader.cases(IDS)) == 8
    assert np.array_equal(writer.vectors(), unit(8, 16, seed=6))
    assert writer.verify().ok


def test_no_cache_of_before_is_believed(path, writer, monkeypatch):
    """Moved away and back by a writer that is killed each time before it writes the cache."""
    again = unit(8, 16, seed=6)
    monkeypatch.setattr("index.session.Session.save", lambda *_, **__: None)
    for arguments, rows in ((NEXT_ARGUMENTS, NEW[:8]), (("toy", SHA, 16), again)):
        writer.reembed_begin(*arguments)
        writer.reembed_put(IDS, rows)
        writer.reembed_finish()
    with Gallery.open(path) as reader:
        assert np.array_equal(reader.vectors(), again)
        assert reader.notices == ()
        assert reader.verify().ok


def test_one_bundle_at_a_time(writer):
    writer.reembed_begin(*NEXT_ARGUMENTS)
    for others in (("third", "ee" * 32, 6), ("better", "cd" * 32, 7)):
        with pytest.raises(ReembedUnderWay, match="cancel that first"):
            writer.reembed_begin(*others)
    writer.reembed_put(IDS[:2], NEW[:2])
    writer.reembed_cancel()
    writer.reembed_cancel()
    assert writer.reembedding() is None
    assert writer.reembed_begin("third", "ee" * 32, 4) == 8
    assert writer.info().generation == 1


def test_another_process_begins_anew(path, writer):
    writer.reembed_begin(*NEXT_ARGUMENTS)
    embed_rest(writer)
    with Gallery.open(path, read_only=False) as other:
        other.reembed_cancel()
        other.reembed_begin(*NEXT_ARGUMENTS)
    assert writer.reembed_pending(99) == IDS
    writer.reembed_put(IDS[4:], NEW[4:8])
    assert writer.reembed_pending(99) == IDS[:4]
    embed_rest(writer, 2)
    writer.reembed_finish()
    assert np.array_equal(writer.vectors(), NEW[:8])


def test_what_cannot_be_done_is_said(path, writer):
    for step in (
        lambda: writer.reembed_pending(5),
        lambda: writer.reembed_put(IDS[:1], NEW[:1]),
        writer.reembed_finish,
    ):
        with pytest.raises(NoReembed, match="begin one first"):
            step()
    with pytest.raises(NoReembed, match="already"):
        writer.reembed_begin("toy", SHA, 16)
    with pytest.raises(BadVector, match="length 0"):
        writer.reembed_begin("none", "ee" * 32, 0)
    writer.reembed_begin(*NEXT_ARGUMENTS)
    with pytest.raises(BadVector, match=r"\[1, 16\].*\[n, 6\]"):
        writer.reembed_put(IDS[:1], OLD[:1])
    with pytest.raises(BadVector, match="1 cases came with 2"):
        writer.reembed_put(IDS[:1], NEW[:2])
    with pytest.raises(UnknownCase, match="nobody"):
        writer.reembed_put([IDS[0], "nobody"], NEW[:2])
    assert writer.reembed_pending(1) == IDS[:1]
    with Gallery.open(path) as reader:
        assert reader.reembed_pending(2) == IDS[:2]
        with pytest.raises(GalleryError, match="opened for reading"):
            reader.reembed_finish()


def test_an_empty_gallery_can_be_moved(tmp_path):
    with Gallery.create(tmp_path / "g", bundle_name="toy", bundle_sha256=SHA, dim=16) as gallery:
        assert gallery.reembed_begin(*NEXT_ARGUMENTS) == 0
        assert gallery.reembed_pending(5) == []
        gallery.reembed_put([], [])
        assert gallery.reembed_finish() == 1
        assert gallery.search(NEW[:1]) == [[]]


def test_a_damaged_new_vector_does_not_take_the_place_of_a_good_old_one(path, writer):
    writer.reembed_begin(*NEXT_ARGUMENTS)
    embed_rest(writer)
    with closing(sqlite3.connect(path / "cases.db")) as database:
        database.execute("UPDATE next_vectors SET vector = zeroblob(24) WHERE number = 3")
        database.commit()
    assert any("vector for better of case number 3" in problem for problem in writer.verify().problems)
    with pytest.raises(GalleryDamaged, match="case number 3 is not what was put"):
        writer.reembed_finish()
    assert np.array_equal(writer.vectors(), OLD)
    writer.reembed_cancel()
    assert writer.verify().ok


def test_a_disk_that_fills_after_the_move_was_committed_takes_nothing_back(path, writer, monkeypatch):
    """Only the cache could not be written: the call says what is true, and the cache is a notice."""

    def full(*_, **__):
        error = sqlite3.OperationalError("database or disk is full")
        error.sqlite_errorname = "SQLITE_FULL"
        raise error

    writer.reembed_begin(*NEXT_ARGUMENTS)
    embed_rest(writer)
    with monkeypatch.context() as patch:
        patch.setattr(vectors, "save_cache", full)
        assert writer.reembed_finish() == 2
    assert any("could not be written" in notice for notice in writer.notices)
    assert np.array_equal(writer.vectors(), NEW[:8])
    with Gallery.open(path) as reader:
        assert reader.bundle_sha256 == "cd" * 32
        assert reader.verify().ok
