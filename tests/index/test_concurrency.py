"""Several processes: readers beside a writer, and two writers."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from index import Gallery
from index.errors import GalleryBusy
from tests.index.gallery_samples import filled, new_gallery, sample_case, unit

REPOSITORY = Path(__file__).resolve().parents[2]

READER = """
import json, sys
import numpy as np
from index import Gallery
from tests.index.gallery_samples import unit

looks, generations = 0, set()
with Gallery.open(sys.argv[1]) as gallery:
    print("ready", flush=True)
    while len(gallery) < int(sys.argv[2]) and looks < 20_000:
        looks += 1
        with gallery.snapshot() as generation:
            ids = gallery.ids()
            assert len(ids) % 2 == 0, "half a commit was seen"
            assert {i[:-1] + "a" for i in ids} == {i[:-1] + "a" for i in ids if i.endswith("b")}
            hits = gallery.search(unit(1, seed=looks), k=6)[0]
            assert len(hits) == min(6, len(ids))
            found = [hit.case_id for hit in hits]
            assert [case.case_id for case in gallery.cases(found)] == found
            assert np.array_equal(gallery.vectors(), gallery.vectors(ids))
        generations.add(generation)
    assert gallery.notices == (), gallery.notices
print(json.dumps({"looks": looks, "generations": len(generations)}))
"""

WRITER = """
import sys
from index import Gallery
from tests.index.gallery_samples import sample_case, unit

with Gallery.open(sys.argv[1], read_only=False) as gallery:
    for number in range(15):
        gallery.add([sample_case(number, case_id=f"{sys.argv[2]}-{number}")], unit(1, seed=number))
"""


def start(code: str, *arguments: object) -> subprocess.Popen:
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=REPOSITORY)


def outcome(process: subprocess.Popen) -> str:
    said, complaints = process.communicate(timeout=60)
    assert process.returncode == 0, complaints
    return said


@pytest.mark.slow
def test_two_readers_see_only_whole_commits_while_one_writes(tmp_path):
    last = 60
    new_gallery(tmp_path / "g").close()
    readers = [start(READER, tmp_path / "g", last), start(READER, tmp_path / "g", last)]
    for reader in readers:
        assert reader.stdout is not None
        assert reader.stdout.readline() == "ready\n"
    with Gallery.open(tmp_path / "g", read_only=False) as gallery:
        for number in range(last // 2 + 5):
            pair = [sample_case(number, case_id=f"{number:03d}{letter}") for letter in "ab"]
            gallery.add(pair, unit(2, seed=number))
            if number % 6 == 0 and number < 30:
                gallery.delete([case.case_id for case in pair])
            if number % 11 == 10:
                gallery.compact()
            time.sleep(0.02)
        for reader in readers:
            seen = json.loads(outcome(reader))
            assert seen["generations"] > 3
        assert gallery.verify().ok


@pytest.mark.slow
def test_two_writers_take_turns(tmp_path):
    new_gallery(tmp_path / "g").close()
    for writer in [start(WRITER, tmp_path / "g", name) for name in "ab"]:
        outcome(writer)
    with Gallery.open(tmp_path / "g") as gallery:
        assert sorted(gallery.ids()) == sorted(f"{name}-{number}" for name in "ab" for number in range(15))
        assert gallery.info().generation == 30
        report = gallery.verify()
        assert (report.ok, report.cache) == (True, "fresh")


def test_a_writer_in_the_way_is_said_in_one_sentence(tmp_path, monkeypatch):
    path = filled(tmp_path / "g", unit(3))
    with Gallery.open(path, read_only=False) as one, Gallery.open(path, read_only=False) as other:
        one._session._connection.execute("BEGIN IMMEDIATE")
        other._session._connection.execute("PRAGMA busy_timeout = 1")
        with pytest.raises(GalleryBusy, match="another process"):
            other.delete(["case-00000"])
        one._session._connection.execute("ROLLBACK")
        other.delete(["case-00000"])
        assert one.ids() == ["case-00001", "case-00002"]


def test_an_open_reader_follows_additions_and_deletions(tmp_path):
    rows = unit(30)
    with Gallery.open(filled(tmp_path / "g", rows[:10])) as reader:
        for start_at in (10, 20):
            with Gallery.open(tmp_path / "g", read_only=False) as writer:
                numbers = range(start_at, start_at + 10)
                writer.add([sample_case(number) for number in numbers], rows[start_at : start_at + 10])
                writer.delete([f"case-{start_at - 5:05d}"])
            ids = reader.ids()
            kept = [int(case_id[-5:]) for case_id in ids]
            assert np.array_equal(reader.vectors(), rows[kept])
            assert [hits[0].case_id for hits in reader.search(rows[kept], k=1)] == ids
