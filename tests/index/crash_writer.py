"""The process that ``test_crash.py`` kills: it changes a gallery without end and says before and after what it does.

Each step follows from its number and from what the gallery holds, and is one transaction, so that the test can tell
what the gallery must hold.
"""

from __future__ import annotations

import os
import random
import sys
from dataclasses import dataclass, field, replace

import numpy as np

from index import Case, Gallery, Ingest
from tests.index.gallery_samples import SHA, sample_case, unit

DIM = 64
KINDS = ("add", "add", "add", "delete", "replace", "compact", "reopen", "search", *("reembed",) * 4)


@dataclass(frozen=True)
class Held:
    """What a gallery must hold: by id the case and its vector, and of a move under way the new vectors."""

    cases: dict[str, tuple[Case, np.ndarray]] = field(default_factory=dict)
    bundle: str = SHA
    next_bundle: str | None = None
    new: dict[str, np.ndarray] = field(default_factory=dict)
    taken: Ingest | None = None

    def pending(self) -> list[str]:
        """The ids that wait for a vector of the next bundle."""
        return [case_id for case_id in self.cases if case_id not in self.new]


def kind_of(step: int) -> str:
    """What a step does."""
    return random.Random(step * 7 + 1).choice(KINDS)


def added_at(step: int) -> tuple[list[Case], np.ndarray, Ingest]:
    """What a step adds: cases, vectors, and how far it takes the stream."""
    count = random.Random(step).randrange(1, 120)
    cases = [sample_case(n, case_id=f"{step:05d}-{n:03d}", waveform=bytes([n]) * 3000) for n in range(count)]
    return cases, unit(count, DIM, seed=step), Ingest("stream", step, step % 2 == 0, (("f", str(step), "ä"),))


def deleted_at(step: int, ids: list[str]) -> list[str]:
    """The ids that a step deletes of those there are."""
    return random.Random(step).sample(sorted(ids), len(ids) // 2)


def replaced_at(step: int, ids: list[str]) -> tuple[list[Case], np.ndarray]:
    """The cases and vectors that a step puts in the place of some of those there are."""
    some = random.Random(step).sample(sorted(ids), len(ids) // 3)
    cases = [sample_case(n, case_id=case_id, report=f"replaced at {step}") for n, case_id in enumerate(some)]
    return cases, unit(len(some), DIM, seed=step)


def bundle_at(step: int) -> str:
    """The bundle to which a step begins to move the gallery."""
    return f"{step:064x}"


def embedded_at(step: int, pending: list[str]) -> tuple[list[str], np.ndarray]:
    """The ids and new vectors that a step puts: two thirds of those that wait, and at least 40."""
    some = pending[: max(40, len(pending) * 2 // 3)]
    return some, unit(len(some), DIM, seed=step + 1)


def after(step: int, held: Held) -> Held:
    """What the gallery must hold after a step."""
    kind = kind_of(step)
    if kind == "add":
        cases, rows, taken = added_at(step)
        added = {case.case_id: (case, row) for case, row in zip(cases, rows, strict=True)}
        return replace(held, cases=held.cases | added, taken=taken)
    if kind == "delete":
        return without(held, deleted_at(step, list(held.cases)))
    if kind == "replace":
        cases, rows = replaced_at(step, list(held.cases))
        rest = without(held, [case.case_id for case in cases])
        new = {case.case_id: (case, row) for case, row in zip(cases, rows, strict=True)}
        return replace(rest, cases=rest.cases | new)
    return embedded(step, held) if kind == "reembed" else held


def without(held: Held, gone: list[str]) -> Held:
    """The same less some cases."""
    cases = {case_id: value for case_id, value in held.cases.items() if case_id not in set(gone)}
    new = {case_id: row for case_id, row in held.new.items() if case_id in cases}
    return replace(held, cases=cases, new=new)


def embedded(step: int, held: Held) -> Held:
    """The next step of a move to another bundle: its begin, a part of the vectors, or its end."""
    if held.next_bundle is None:
        return replace(held, next_bundle=bundle_at(step))
    if pending := held.pending():
        ids, rows = embedded_at(step, pending)
        return replace(held, new=held.new | dict(zip(ids, rows, strict=True)))
    moved = {case_id: (case, held.new[case_id]) for case_id, (case, _) in held.cases.items()}
    return replace(held, cases=moved, bundle=held.next_bundle, next_bundle=None, new={})


def reembed(gallery: Gallery, step: int) -> None:
    """The same, done."""
    if gallery.reembedding() is None:
        gallery.reembed_begin("next", bundle_at(step), DIM)
    elif pending := gallery.reembed_pending(100_000):
        gallery.reembed_put(*embedded_at(step, pending))
    else:
        gallery.reembed_finish()


def run(path: str, step: int) -> None:
    """Go on for ever from a step."""
    gallery = Gallery.open(path, read_only=False)
    os.write(1, b"ready\n")
    while True:
        kind = kind_of(step)
        os.write(1, f"begin {step}\n".encode())
        if kind == "add":
            cases, rows, taken = added_at(step)
            gallery.add(cases, rows, ingest=taken)
        elif kind == "delete":
            gallery.delete(deleted_at(step, gallery.ids()))
        elif kind == "replace":
            gallery.replace(*replaced_at(step, gallery.ids()))
        elif kind == "reembed":
            reembed(gallery, step)
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
