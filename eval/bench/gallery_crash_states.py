"""What a gallery must hold, and whether it does: every case byte for byte, its vectors, words, streams and moves."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from index import Case, Gallery, Ingest
from index.errors import GalleryMissing, NearBeatError

DIM = 32
TOY = ("toy", "ab" * 32)
NEXT = ("next", "cd" * 32)
STREAM = "stream"
Vector = NDArray[np.float32]


@dataclass(frozen=True)
class State:
    """What a gallery must hold: by id the case and its vector, in order; of a move under way the new vectors."""

    cases: dict[str, tuple[Case, Vector]] = field(default_factory=dict)
    bundle: str = TOY[1]
    moving: bool = False
    new: dict[str, Vector] = field(default_factory=dict)
    taken: Ingest | None = None
    retired: frozenset[str] = frozenset()
    absent: bool = False
    """Whether there is no gallery at all."""
    wordless: bool = False
    """Whether it may be of format 1, which has no words."""

    def added(self, cases: Sequence[Case], rows: Vector, taken: Ingest | None = None) -> State:
        """With cases more."""
        more = {case.case_id: (case, row) for case, row in zip(cases, rows, strict=True)}
        return replace(self, cases=self.cases | more, taken=taken or self.taken)

    def without(self, ids: Sequence[str]) -> State:
        """Less some cases, whose ids may come again."""
        cases = {case_id: held for case_id, held in self.cases.items() if case_id not in ids}
        return replace(self, cases=cases, new={i: row for i, row in self.new.items() if i not in ids})

    def matrix(self) -> Vector:
        """``[n, dim]``, the vectors in order."""
        return np.array([row for _, row in self.cases.values()], np.float32).reshape(-1, DIM)


def unit(count: int, seed: int) -> Vector:
    """``[count, DIM]`` unit rows."""
    rows = np.random.default_rng(seed).standard_normal((count, DIM))
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def made_up(name: str, count: int, *, waveform: int = 3000) -> list[Case]:
    """Cases whose every value follows from their name and number."""
    return [
        Case(
            f"{name}-{n:04d}",
            f"Sinusrhythmus, Befund {n} von {name}, Überleitung normal",
            {"SR": 100.0, f"C{n % 5}": None},
            patient_key=f"{name}-patient-{n // 2}",
            source="crash",
            age=float(n % 90),
            sex=("female", "male")[n % 2],
            recorded=f"19{90 + n % 10}-0{1 + n % 9}-15",
            waveform=bytes([n % 256]) * waveform if waveform else None,
        )
        for n in range(count)
    ]


def difference(gallery: Gallery, state: State) -> str | None:
    """In what an open gallery differs from a state; None where it is that."""
    with gallery.snapshot():
        if (ids := gallery.ids()) != list(state.cases):
            lost, more = set(state.cases) - set(ids), set(ids) - set(state.cases)
            return f"{len(lost)} cases are missing and {len(more)} too many, or their order is another"
        if gallery.cases(ids) != [case for case, _ in state.cases.values()]:
            return "a case is not what was added"
        if gallery.bundle_sha256 != state.bundle:
            return f"the bundle is {gallery.bundle_sha256[:4]}"
        if not np.array_equal(gallery.vectors(), state.matrix()):
            return "the vectors are others"
        if gallery.ingest(STREAM) != state.taken:
            return f"the stream stands at {gallery.ingest(STREAM)}"
        if gallery.retired([*state.cases, *state.retired]) != state.retired:
            return "other ids are retired"
        return _difference_in_move(gallery, state)


def _difference_in_move(gallery: Gallery, state: State) -> str | None:
    target = gallery.reembedding()
    if (target is not None) != state.moving:
        return f"a move to another bundle is {'' if target else 'not '}under way"
    pending = gallery.reembed_pending(10**6) if target else []
    if state.moving and pending != [case_id for case_id in state.cases if case_id not in state.new]:
        return f"{len(pending)} cases wait for a new vector"
    return None


def wrong_answer(gallery: Gallery, state: State) -> str | None:
    """Which search differs from brute force in plain Python; None where none does."""
    query = unit(1, len(state.cases) + 7)[0]
    for patient in (None, next((case.patient_key for case, _ in state.cases.values()), None)):
        there = [(i, row) for i, (case, row) in state.cases.items() if not patient or case.patient_key != patient]
        found = [(hit.case_id, hit.score) for hit in gallery.search(query[None], 7, [patient])[0]]
        if found != _nearest(there, query, 7):
            return f"the nearest are {found[:2]} …"
    return None if state.wordless else _wrong_words(gallery, state)


def _wrong_words(gallery: Gallery, state: State) -> str | None:
    said = {hit.case_id for hit in gallery.search_words("ersetzt", 10**6)}
    if said != {case_id for case_id, (case, _) in state.cases.items() if "ersetzt" in case.report}:
        return f"{len(said)} cases were found by words"
    return None


def _nearest(rows: Sequence[tuple[str, Vector]], query: Vector, k: int) -> list[tuple[str, float]]:
    scored = []
    for case_id, row in rows:
        product = math.fsum(a * b for a, b in zip(row.tolist(), query.tolist(), strict=True))
        scored.append((-min(1.0, max(-1.0, round(product, 7))), case_id))
    return [(case_id, -score) for score, case_id in sorted(scored)[:k]]


@dataclass
class Finding:
    """What was found of a gallery after its writer was stopped; everything is as it must be where nothing is said.

    Args:
        place: which of the possible states it is in, counted from 0; -1 where none.
        opens: whether it could be opened for reading and writing.
        lost: committed cases that are not there.
        visible: cases there that were not committed.
        wrong: what else is wrong, as sentences.
    """

    place: int = -1
    opens: bool = True
    lost: int = 0
    visible: int = 0
    wrong: list[str] = field(default_factory=list)

    @property
    def good(self) -> bool:
        """Whether nothing is wrong."""
        return self.opens and not self.lost and not self.visible and not self.wrong

    def packed(self) -> bytes:
        """For a pipe."""
        return json.dumps(vars(self)).encode()


def look(folder: Path, states: Sequence[State], finding: Finding, *, read_only: bool) -> Gallery | None:
    """Open a gallery, put down what it is and what is wrong with it; it is left open, None where it does not open."""
    who = "a reader" if read_only else "a writer"
    try:
        gallery = Gallery.open(folder, read_only=read_only)
    except GalleryMissing:
        finding.place = next((n for n, state in enumerate(states) if state.absent), -1)
        finding.opens = finding.place >= 0
        if not finding.opens:
            finding.lost += len(states[0].cases)
            finding.wrong.append(f"{who} finds no gallery")
        return None
    except NearBeatError as error:
        finding.opens = False
        finding.wrong.append(f"{who} cannot open it: {error}")
        return None
    place = place_of(gallery, states)
    if place < 0:
        _lost_or_visible(gallery, states, finding)
        finding.wrong.append(f"{who} sees no state that can be: {[difference(gallery, s) for s in states]}")
        return gallery
    if finding.place not in (-1, place):
        finding.wrong.append(f"{who} sees state {place} after another had seen {finding.place}")
    finding.place = place
    report = gallery.verify(near=None)
    finding.wrong += [f"verify for {who}: {problem}" for problem in report.problems]
    finding.wrong += [f"{who} is told: {notice}" for notice in gallery.notices]
    if (wrong := wrong_answer(gallery, states[place])) is not None:
        finding.wrong.append(f"a search of {who}: {wrong}")
    return gallery


def place_of(gallery: Gallery, states: Sequence[State]) -> int:
    """Which of these states a gallery is in; the first of equal ones, -1 for none."""
    return next((n for n, state in enumerate(states) if not state.absent and difference(gallery, state) is None), -1)


def _lost_or_visible(gallery: Gallery, states: Sequence[State], finding: Finding) -> None:
    """Cases of the last committed state that are not there, and cases of a later one that are."""
    there, sure, most = set(gallery.ids()), set(states[0].cases), set(states[-1].cases)
    finding.lost += len((sure & most) - there)
    finding.visible += len(there - sure)
