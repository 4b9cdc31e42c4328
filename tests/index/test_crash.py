"""A writer killed at any moment leaves the gallery of before or after its last change, whole."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from index import Gallery
from tests.index import crash_writer
from tests.index.gallery_samples import by_hand, new_gallery, unit

KILLS = 20
REPOSITORY = Path(__file__).resolve().parents[2]


def apply(step: int, held: dict) -> dict:
    """What the gallery must hold after a step, by id: the case and its vector."""
    kind = crash_writer.kind_of(step)
    if kind == "add":
        cases, rows = crash_writer.added_at(step)
        return held | {case.case_id: (case, row) for case, row in zip(cases, rows, strict=True)}
    if kind == "delete":
        gone = set(crash_writer.deleted_at(step, list(held)))
        return {case_id: value for case_id, value in held.items() if case_id not in gone}
    return held


def run_and_kill(path: Path, step: int, delay_s: float) -> tuple[int, int]:
    """Let a writer go on from a step for a while, kill it; the last step it finished and the last it began."""
    command = [sys.executable, "-m", "tests.index.crash_writer", str(path), str(step)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=REPOSITORY) as writer:
        assert writer.stdout is not None
        assert writer.stdout.readline() == "ready\n"
        time.sleep(delay_s)
        writer.kill()
        said = [line.split() for line in writer.stdout.read().splitlines()]
    begun = [int(number) for word, number in said if word == "begin"]
    done = [int(number) for word, number in said if word == "done"]
    return (done or [step - 1])[-1], (begun or [step - 1])[-1]


def check_whole(path: Path, possible: list[dict], *, read_only: bool) -> dict:
    """The gallery opens, is one of those possible, whole, and answers from the right vectors."""
    with Gallery.open(path, read_only=read_only) as gallery:
        assert gallery.notices == ()
        report = gallery.verify()
        assert report.problems == ()
        assert report.cache == "fresh"
        ids = gallery.ids()
        held = next(state for state in possible if list(state) == ids)
        assert gallery.cases(ids) == [case for case, _ in held.values()]
        rows = np.array([row for _, row in held.values()]).reshape(-1, crash_writer.DIM)
        assert np.array_equal(gallery.vectors(), rows)
        query = unit(1, crash_writer.DIM, seed=len(ids))[0]
        found = [(hit.case_id, hit.score) for hit in gallery.search(query[None], k=5)[0]]
        assert found == by_hand(rows, ids, query, 5)
    return held


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="kill is not SIGKILL there")
def test_a_writer_killed_at_random_moments(tmp_path):
    path = tmp_path / "g"
    new_gallery(path, crash_writer.DIM).close()
    rng, held, step, changes = random.Random(11), {}, 0, 0
    for trial in range(KILLS):
        done, begun = run_and_kill(path, step, rng.random() ** 2 * 0.6)
        for finished in range(step, done + 1):
            held = apply(finished, held)
            changes += 1
        possible = [held] if begun == done else [held, apply(begun, held)]
        held = check_whole(path, possible, read_only=trial % 3 > 0)
        step = begun + 1
    assert changes > KILLS  # else the writer was killed before it did anything
