"""A writer killed at any moment leaves the gallery of before or after its last change, whole."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from index import Gallery
from tests.index import crash_writer
from tests.index.crash_writer import Held
from tests.index.gallery_samples import by_hand, new_gallery, unit

KILLS = 20
REPOSITORY = Path(__file__).resolve().parents[2]


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


def check_whole(path: Path, possible: list[Held], *, read_only: bool) -> Held:
    """The gallery opens, is one of those possible, whole, and answers from the right vectors."""
    with Gallery.open(path, read_only=read_only) as gallery:
        assert gallery.notices == ()
        report = gallery.verify()
        assert report.problems == ()
        assert report.cache == "fresh"
        held = next(state for state in possible if is_held(gallery, state))
        ids = gallery.ids()
        rows = np.array([row for _, row in held.cases.values()]).reshape(-1, crash_writer.DIM)
        assert np.array_equal(gallery.vectors(), rows)
        query = unit(1, crash_writer.DIM, seed=len(ids))[0]
        found = [(hit.case_id, hit.score) for hit in gallery.search(query[None], k=5)[0]]
        assert found == by_hand(rows, ids, query, 5)
        said = {hit.case_id for hit in gallery.search_words("replaced", 100_000)}
        assert said == {case_id for case_id, (case, _) in held.cases.items() if "replaced" in case.report}
    return held


def is_held(gallery: Gallery, state: Held) -> bool:
    """Whether it has these cases, this state of a move to another bundle and of the stream."""
    target = gallery.reembedding()
    return (
        gallery.ids() == list(state.cases)
        and gallery.bundle_sha256 == state.bundle
        and (target and target.bundle_sha256) == state.next_bundle
        and (target is None or gallery.reembed_pending(100_000) == state.pending())
        and gallery.ingest("stream") == state.taken
        and gallery.cases(list(state.cases)) == [case for case, _ in state.cases.values()]
    )


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="kill is not SIGKILL there")
def test_a_writer_killed_at_random_moments(tmp_path):
    path = tmp_path / "g"
    new_gallery(path, crash_writer.DIM).close()
    rng, held, step = random.Random(11), Held(), 0
    begun_kinds, bundles = Counter(), set()
    for trial in range(KILLS):
        done, begun = run_and_kill(path, step, rng.random() ** 2 * 0.6)
        for finished in range(step, done + 1):
            held = crash_writer.after(finished, held)
            begun_kinds[crash_writer.kind_of(finished)] += 1
            bundles.add(held.bundle)
        possible = [held] if begun == done else [held, crash_writer.after(begun, held)]
        held = check_whole(path, possible, read_only=trial % 3 > 0)
        step = begun + 1
    assert set(begun_kinds) == set(crash_writer.KINDS)  # else the writer was killed before it did anything
    assert len(bundles) > 2
