"""Writers that are stopped, or whose disk fills, at each kind of call: a small run of ``eval.bench.gallery_crash``.

Kills at random moments are in ``test_crash.py``; the full run and its figures in ``docs/gallery.md``.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import defaultdict
from contextlib import closing
from pathlib import Path
from random import Random

import pytest

from eval.bench.gallery_crash_faults import why_not
from eval.bench.gallery_crash_power import Call, Disk
from index import store
from index.connection import connect_writer
from tests.index.gallery_samples import new_gallery

REPOSITORY = Path(__file__).resolve().parents[2]
WAYS = {"KILL_BEFORE", "KILL_WITHIN", "DISK_FULL", "FAIL_ONCE", "FILE_LIMIT", "POWER_SURE", "POWER_SOME"}
PHASES = [
    ("create", "add with ingest", "replace", "delete"),
    ("add, rollback journal", "compact", "re-embed: begin, put", "re-embed: finish"),
    ("close: cache, words, settling", "cache written by a reader", "prepare_index"),
    ("backup", "restore", "migrate from format 1", "open after a kill"),
]
needs_faults = pytest.mark.skipif(why_not() is not None, reason=why_not() or "")


def trials(out: Path, *options: str) -> tuple[int, list[dict]]:
    """The bench's exit code and what it put down of each trial."""
    command = [
        sys.executable,
        "-m",
        "eval.bench.gallery_crash",
        "--out",
        str(out),
        "--small",
        "--kills",
        "0",
        *options,
    ]
    ended = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert ended.returncode in (0, 1), ended.stderr
    return ended.returncode, [json.loads(line) for line in (out / "trials.jsonl").read_text().splitlines()]


@pytest.mark.slow
@needs_faults
@pytest.mark.parametrize("phases", PHASES)
def test_whatever_stops_a_writer_the_gallery_is_that_of_before_or_after(tmp_path, phases):
    code, rows = trials(tmp_path / "out", "--every", "60", "--only", *phases)
    assert [row for row in rows if row["wrong"] or row["lost"] or row["visible"] or not row["opens"]] == []
    assert code == 0
    ways = defaultdict(set)
    for row in rows:
        ways[row["phase"]].add(row["mode"])
    assert set(ways) == set(phases)
    assert all(here >= {"KILL_BEFORE", "FILE_LIMIT", "POWER_SURE"} for here in ways.values())
    assert set().union(*ways.values()) >= WAYS
    assert sum(row["killed"] for row in rows) >= len(phases)  # else nothing was stopped
    assert any(row["failed"] for row in rows)


@pytest.mark.slow
@needs_faults
def test_the_bench_sees_what_a_writer_without_a_journal_loses(tmp_path):
    code, rows = trials(tmp_path / "out", "--every", "8", "--only", "delete", "--weakened")
    assert code == 1
    assert sum(bool(row["wrong"]) for row in rows) > 5


@pytest.mark.slow
@needs_faults
def test_a_run_that_was_cut_off_goes_on(tmp_path):
    _, rows = trials(tmp_path / "out", "--every", "40", "--only", "restore")
    journal = tmp_path / "out" / "trials.jsonl"
    journal.write_text("".join(line + os.linesep for line in journal.read_text().splitlines()[:3]))
    _, again = trials(tmp_path / "out", "--every", "40", "--only", "restore")
    assert sorted(row["key"] for row in again) == sorted(row["key"] for row in rows)
    assert len({row["key"] for row in again}) == len(again)


def test_what_a_writer_commits_is_forced_to_the_disk_in_either_journal(tmp_path):
    """With less than EXTRA (3) a power cut may bring a rollback journal back, and with it the state before."""
    new_gallery(tmp_path / "g").close()
    with closing(connect_writer(tmp_path / "g" / "cases.db")) as connection:
        assert connection.execute("PRAGMA synchronous").fetchone() == (3,)


def test_the_folders_of_a_new_gallery_are_forced_to_the_disk(tmp_path, monkeypatch):
    synced, real = [], store.sync_folder
    monkeypatch.setattr(store, "sync_folder", lambda folder: (synced.append(folder), real(folder)))
    new_gallery(tmp_path / "a" / "b" / "g").close()
    assert synced[:4] == [tmp_path, tmp_path / "a", tmp_path / "a" / "b", tmp_path / "a" / "b" / "g"]


def folder_of(disk: Disk, place: Path, rng: Random | None = None) -> dict[str, bytes]:
    place.mkdir()
    disk.write_to(place, rng)
    return {str(file.relative_to(place)): file.read_bytes() for file in place.rglob("*") if file.is_file()}


def test_a_disk_that_loses_power_keeps_what_was_forced_to_it_and_nothing_else_for_sure(tmp_path):
    (tmp_path / "start").mkdir()
    (tmp_path / "start" / "old").write_bytes(b"old bytes")
    disk = Disk(tmp_path / "start")
    for step, (call, left) in enumerate(
        [
            (Call("w", "old", "", 0, b"NEW"), {"old": b"old bytes"}),
            (Call("s", "old", "", 0, b""), {"old": b"NEW bytes"}),
            (Call("c", "new", "", 0, b""), {"old": b"NEW bytes"}),
            (Call("w", "new", "", 2, b"xy"), {"old": b"NEW bytes"}),
            (Call("s", "new", "", 0, b""), {"old": b"NEW bytes"}),  # its bytes are there, its name is not
            (Call("r", "new", "old", 0, b""), {"old": b"NEW bytes"}),
            (Call("d", "", "", 0, b""), {"old": b"\0\0xy"}),
            (Call("t", "old", "", 3, b""), {"old": b"\0\0xy"}),
            (Call("s", "old", "", 0, b""), {"old": b"\0\0x"}),
            (Call("u", "old", "", 0, b""), {"old": b"\0\0x"}),
            (Call("m", "folder", "", 0, b""), {"old": b"\0\0x"}),
            (Call("d", "", "", 0, b""), {}),
        ]
    ):
        disk.do(call)
        assert folder_of(disk, tmp_path / str(step)) == left


def test_what_was_not_forced_may_be_there_in_part(tmp_path):
    (tmp_path / "start").mkdir()
    disk = Disk(tmp_path / "start")
    for call in (Call("c", "f", "", 0, b""), Call("w", "f", "", 0, b"aa"), Call("w", "f", "", 2, b"bb")):
        disk.do(call)
    seen = {folder_of(disk, tmp_path / str(seed), Random(seed)).get("f") for seed in range(200)}
    assert {None, b"", b"aa", b"\0\0bb", b"aabb"} <= seen
