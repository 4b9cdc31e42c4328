"""The process that ``test_crash.py`` kills: it changes a gallery without end and says before and after what it does.

Each step follows from its number, so that the test can tell what the gallery must hold.
"""

from __future__ import annotations

import os
import random
import sys

from index import Gallery
from tests.index.gallery_samples import sample_case, unit

DIM = 64


def added_at(step: int) -> tuple[list, object]:
    """The cases and vectors that a step adds."""
    count = random.Random(step).randrange(1, 120)
    cases = [sample_case(n, case_id=f"{step:05d}-{n:03d}", waveform=bytes([n]) * 3000) for n in range(count)]
    return cases, unit(count, DIM, seed=step)


def deleted_at(step: int, ids: list[str]) -> list[str]:
    """The ids that a step deletes of those there are."""
    return random.Random(step).sample(sorted(ids), len(ids) // 2)


def kind_of(step: int) -> str:
    """What a step does."""
    return random.Random(step * 7 + 1).choice(["add", "add", "add", "delete", "compact", "reopen", "search"])


def run(path: str, step: int) -> None:
    """Go on for ever from a step."""
    gallery = Gallery.open(path, read_only=False)
    os.write(1, b"ready\n")
    while True:
        kind = kind_of(step)
        os.write(1, f"begin {step}\n".encode())
        if kind == "add":
            gallery.add(*added_at(step))
        elif kind == "delete":
            gallery.delete(deleted_at(step, gallery.ids()))
        elif kind == "compact":
            gallery.compact()
        elif kind == "reopen":
            gallery.close()
            gallery = Gallery.open(path, read_only=False)
        else:
            gallery.search(unit(3, DIM, seed=step))
        os.write(1, f"done {step}\n".encode())
        step += 1


if __name__ == "__main__":
    run(sys.argv[1], int(sys.argv[2]))
