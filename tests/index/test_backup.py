"""A backup is a whole gallery of one moment, and only a whole one is restored."""

from __future__ import annotations

import errno
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from index import Gallery, Ingest, diff_galleries
from index.errors import GalleryDamaged, GalleryError, GalleryExists, GalleryMissing
from tests.index.gallery_samples import filled, sample_case, unit
from tests.index.test_format import as_written

ROWS = unit(30)
REPOSITORY = Path(__file__).resolve().parents[2]

WRITER = """
import sys
from index import Gallery
from tests.index.gallery_samples import sample_case, unit

with Gallery.open(sys.argv[1], read_only=False) as gallery:
    print("ready", flush=True)
    for number in range(10_000):
        pair = [sample_case(number, case_id=f"{number:05d}{letter}") for letter in "ab"]
        gallery.add(pair, unit(2, seed=number))
        if number % 5 == 4:
            gallery.delete([case.case_id for case in pair])
"""


@pytest.fixture
def path(tmp_path):
    return filled(tmp_path / "g", ROWS)


def everything(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.iterdir()}


@pytest.mark.parametrize("read_only", [True, False])
def test_a_backup_is_a_gallery_like_the_one_it_was_made_of(path, tmp_path, read_only):
    with Gallery.open(path, read_only=False) as writer:
        writer.add([], [], ingest=Ingest("stream", 30))
        writer.reembed_begin("better", "cd" * 32, 6)
        writer.reembed_put(["case-00000"], unit(1, 6))
    with Gallery.open(path, read_only=read_only) as gallery:
        gallery.backup(tmp_path / "copy")
        assert [file.name for file in (tmp_path / "copy").iterdir()] == ["cases.db"]
        with Gallery.open(tmp_path / "copy") as copy:
            assert list(diff_galleries(gallery, copy)) == []
            assert copy.search(ROWS, k=4) == gallery.search(ROWS, k=4)
            assert copy.info().generation == gallery.info().generation
            assert copy.ingest("stream") == Ingest("stream", 30)
            assert copy.reembed_pending(1) == ["case-00001"]
            assert copy.verify().problems == ()
            assert copy.notices == ()
    assert sorted(file.name for file in tmp_path.iterdir()) == ["copy", "g"]


def test_it_holds_the_generation_at_which_it_was_asked_for(path, tmp_path):
    with Gallery.open(path) as reader, Gallery.open(path, read_only=False) as writer:
        with reader.snapshot():
            writer.delete(["case-00003"])
            reader.backup(tmp_path / "copy")
        with Gallery.open(tmp_path / "copy") as copy:
            assert len(copy) == 30
            assert [(d.kind, d.case_id) for d in diff_galleries(copy, writer)] == [("only_first", "case-00003")]


@pytest.mark.slow
def test_backups_while_a_writer_works_are_whole(path, tmp_path):
    command = [sys.executable, "-c", WRITER, str(path)]
    sizes = set()
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=REPOSITORY) as writer:
        try:
            assert writer.stdout is not None
            assert writer.stdout.readline() == "ready\n"
            with Gallery.open(path) as reader:
                for number in range(8):
                    reader.backup(tmp_path / f"copy{number}")
        finally:
            writer.kill()
    for number in range(8):
        with Gallery.open(tmp_path / f"copy{number}") as copy:
            assert copy.verify().problems == ()
            assert len(copy) % 2 == 0
            sizes.add(copy.info().generation)
    assert len(sizes) > 1  # else nothing was written meanwhile


def test_a_restored_gallery_is_written_to_again(path, tmp_path):
    with Gallery.open(path) as gallery:
        gallery.backup(tmp_path / "copy")
    before = everything(tmp_path / "copy")
    Gallery.restore(tmp_path / "copy", tmp_path / "again")
    assert everything(tmp_path / "copy") == before
    with Gallery.open(tmp_path / "again", read_only=False) as again, Gallery.open(path) as gallery:
        assert list(diff_galleries(again, gallery)) == []
        assert again.add([sample_case(30)], unit(1)) == 2
        assert again.verify().ok


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE cases SET report = 'normal' WHERE number = 5",
        "UPDATE vectors SET vector = zeroblob(64) WHERE number = 5",
        "DELETE FROM statements WHERE number = 7",
        "DELETE FROM words WHERE rowid = 5",
    ],
)
def test_a_damaged_backup_is_not_restored(path, tmp_path, damage):
    with closing(sqlite3.connect(path / "cases.db")) as database:
        database.execute(damage)
        database.commit()
    with pytest.raises(GalleryDamaged, match="the backup is damaged: "):
        Gallery.restore(path, tmp_path / "again")
    assert not (tmp_path / "again").exists()


def test_a_backup_of_an_older_format_is_restored_as_it_is(tmp_path):
    old = as_written(1, tmp_path / "old")
    Gallery.restore(old, tmp_path / "again")
    with Gallery.open(old) as one, Gallery.open(tmp_path / "again") as other:
        assert list(diff_galleries(one, other)) == []
        with pytest.raises(GalleryError, match="format 1"):
            other.search_words("infarkt")


def test_nothing_that_stands_there_is_overwritten(path, tmp_path):
    other = filled(tmp_path / "other", unit(3))
    before = everything(other)
    (tmp_path / "file").write_text("x")
    (tmp_path / "empty").mkdir()
    with Gallery.open(path) as gallery:
        for place in (other, tmp_path / "file", path):
            with pytest.raises(GalleryExists, match="something is there already"):
                gallery.backup(place)
            with pytest.raises(GalleryExists):
                Gallery.restore(path, place)
        gallery.backup(tmp_path / "empty")
        gallery.backup(tmp_path / "made" / "with" / "parents")
    assert everything(other) == before
    with pytest.raises(GalleryMissing, match="no backup"):
        Gallery.restore(tmp_path / "nothing", tmp_path / "again")


def test_what_a_killed_backup_left_is_no_hindrance(path, tmp_path):
    (tmp_path / "copy.unfinished").mkdir()
    (tmp_path / "copy.unfinished" / "cases.db").write_bytes(b"half")
    with Gallery.open(path) as gallery:
        gallery.backup(tmp_path / "copy")
    assert sorted(file.name for file in tmp_path.iterdir()) == ["copy", "g"]
    with Gallery.open(tmp_path / "copy") as copy:
        assert np.array_equal(copy.vectors(), ROWS)


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_a_full_disk_leaves_nothing(path, tmp_path, monkeypatch, step):
    def full(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    with Gallery.open(path) as gallery:
        with monkeypatch.context() as patch:
            patch.setattr("os.fsync" if step == "fsync" else "pathlib.Path.replace", full)
            with pytest.raises(GalleryError, match="No space left"):
                gallery.backup(tmp_path / "copy")
        assert [file.name for file in tmp_path.iterdir()] == ["g"]
        gallery.backup(tmp_path / "copy")


def test_a_gallery_of_a_copied_folder_with_its_side_files_is_backed_up_whole(path, tmp_path):
    """A writer was killed: what it had committed stands in the write-ahead log."""
    with Gallery.open(path, read_only=False) as writer:
        writer.add([sample_case(40)], unit(1, seed=3))
        shutil.copytree(path, tmp_path / "killed")
    with Gallery.open(tmp_path / "killed") as killed:
        killed.backup(tmp_path / "copy")
    with Gallery.open(tmp_path / "copy") as copy:
        assert copy.ids()[-1] == "case-00040"
        assert copy.verify().ok
