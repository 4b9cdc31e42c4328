"""The phases of writing: from which gallery each starts, what it does step by step, and what must be there after."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np

from eval.bench.gallery_crash_faults import Mode, arm, forked
from eval.bench.gallery_crash_states import DIM, NEXT, STREAM, TOY, State, Vector, difference, made_up, unit
from index import Gallery, Ingest, connection, trust, tuning
from index.choice import Method
from index.connection import DATABASE


class Desk:
    """Where a phase works: the gallery ``g`` in a folder of its own, opened for writing when it is first needed."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.folder = root / "g"
        self._open: Gallery | None = None

    def open(self, index: Method = "auto") -> Gallery:
        """The gallery, open for writing."""
        if self._open is None:
            self._open = Gallery.open(self.folder, read_only=False, index=index)
        return self._open

    @property
    def held(self) -> Gallery | None:
        """The gallery where it is open."""
        return self._open

    def close(self) -> None:
        """Close it, if it is open."""
        if self._open is not None:
            self._open.close()
            self._open = None


Do = Callable[[Desk], object]
After = Callable[[State], State]


@dataclass(frozen=True)
class Phase:
    """One phase of writing.

    Args:
        name: for the table.
        start: makes the gallery that it starts from in a folder, and tells what that is.
        steps: what is done, each with what it makes of the state.
        first: done before writes are counted, such as opening.
        beside: whether a reader may have the gallery open meanwhile.
        also: what else must be true afterwards; gives sentences.
    """

    name: str
    start: Callable[[Path], State]
    steps: tuple[tuple[Do, After], ...]
    first: Do = Desk.open
    beside: bool = True
    also: Callable[[Path, State], list[str]] = lambda _, __: []

    def states(self, start: State) -> list[State]:
        """The state before the first step and after each."""
        found = [start]
        for _, after in self.steps:
            found.append(after(found[-1]))
        return found


def _same(state: State) -> State:
    return state


@dataclass(frozen=True)
class Size:
    """How large the galleries are: cases at the start and in a step, and the bytes of each waveform."""

    cases: int = 40
    step: int = 8
    waveform: int = 2000
    indexed: int = 1300


def started(root: Path, size: Size, *, settled: bool = True) -> State:
    """A gallery with some cases added, some deleted, and a stream begun."""
    cases, rows = made_up("alt", size.cases, waveform=size.waveform), unit(size.cases, 1)
    gone = [case.case_id for case in cases[: size.cases // 5]]
    gallery = Gallery.create(root / "g", bundle_name=TOY[0], bundle_sha256=TOY[1], dim=DIM)
    gallery.add(cases, rows, ingest=Ingest(STREAM, 0))
    gallery.delete(gone)
    if settled:
        gallery.close()
    return replace(State().added(cases, rows, Ingest(STREAM, 0)).without(gone), retired=frozenset(gone))


def _added(number: int, size: Size) -> tuple[Do, After]:
    cases, rows = made_up(f"neu{number}", size.step, waveform=size.waveform), unit(size.step, number + 50)
    taken = Ingest(STREAM, (number + 1) * size.step, False, (("f", str(number), "ä"),))
    return lambda desk: desk.open().add(cases, rows, ingest=taken), lambda state: state.added(cases, rows, taken)


def _replaced(number: int, size: Size) -> tuple[Do, After]:
    old = made_up("alt", size.cases, waveform=size.waveform)[size.cases // 5 + number :: 6][: size.step]
    cases = [replace(case, report=f"ersetzt {number}", waveform=None) for case in old]
    rows = unit(len(cases), number + 90)

    def after(state: State) -> State:
        return state.without([case.case_id for case in cases]).added(cases, rows)

    return lambda desk: desk.open().replace(cases, rows), after


def _deleted(number: int, size: Size) -> tuple[Do, After]:
    ids = [case.case_id for case in made_up("alt", size.cases)[size.cases // 5 + 2 + number :: 6][: size.step]]

    def after(state: State) -> State:
        return replace(state.without(ids), retired=state.retired | set(ids))

    return lambda desk: desk.open().delete(ids), after


def _new_rows(ids: list[str]) -> Vector:
    return np.concatenate([unit(1, sum(map(ord, case_id))) for case_id in ids])


def _begin(desk: Desk) -> None:
    desk.open().reembed_begin(*NEXT, DIM)


def _put(desk: Desk, many: int) -> None:
    ids = desk.open().reembed_pending(many)
    desk.open().reembed_put(ids, _new_rows(ids))


def _after_put(state: State, many: int) -> State:
    ids = [case_id for case_id in state.cases if case_id not in state.new][:many]
    return replace(state, new=state.new | dict(zip(ids, _new_rows(ids), strict=True)))


def _after_finish(state: State) -> State:
    moved = {case_id: (case, state.new[case_id]) for case_id, (case, _) in state.cases.items()}
    return replace(state, cases=moved, bundle=NEXT[1], moving=False, new={})


def _moved(root: Path, size: Size) -> State:
    state = started(root, size)
    desk = Desk(root)
    _begin(desk)
    _put(desk, 10**6)
    desk.close()
    return _after_put(replace(state, moving=True), 10**6)


def _nothing(_: Path) -> State:
    return State(absent=True)


def _created(desk: Desk) -> None:
    Gallery.create(desk.folder, bundle_name=TOY[0], bundle_sha256=TOY[1], dim=DIM).close()


def _dirty(desk: Desk, size: Size) -> None:
    """Open it and make a change, so that closing has a cache to write and words to merge."""
    _deleted(2, size)[0](desk)


def _read(desk: Desk) -> None:
    trust.TRUST_FROM_BYTES = trust.SETTLED_NS = 0  # so that the note beside a large file is written too
    for _ in range(2):
        Gallery.open(desk.folder).close()


def _without_cache(root: Path, size: Size) -> State:
    state = started(root, size)
    (root / "g" / "vectors.faiss").unlink()
    return state


def _of_format_1(root: Path, size: Size) -> State:
    """What the format before held: no words, no streams, no moves."""
    state = started(root, size)
    with closing(sqlite3.connect(root / "g" / DATABASE, isolation_level=None)) as database:
        for table in ("words", "ingests", "next_vectors"):
            database.execute(f"DROP TABLE {table}")
        for column in ("age", "day", "device", "sex", "site"):
            database.execute(f"DROP INDEX IF EXISTS cases_{column}")
        database.execute("ALTER TABLE cases DROP COLUMN added")
        database.execute("PRAGMA user_version = 1")
    return replace(state, taken=None, wordless=True)


def _killed_before(root: Path, size: Size) -> State:
    """A gallery whose writer was killed in the middle of its next change, after two that were committed."""
    state, (do, after), (cut, _) = started(root, size), _added(0, size), _added(1, size)

    def work(say: Callable[[bytes], None]) -> None:
        desk = Desk(root)
        do(desk)
        arm(root, Mode.KILL_WITHIN, at=4)
        cut(desk)

    child = forked(work)
    if not child.finish().killed:
        raise RuntimeError("the writer was to be killed")
    return after(state)


def _in_rollback_mode(desk: Desk) -> None:
    """Open it while a reader keeps the database from going into WAL mode, as long snapshots do."""
    connection.WAIT_FOR_WAL_S = 0.0
    with closing(sqlite3.connect(desk.folder / DATABASE, isolation_level=None)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM cases").fetchone()
        desk.open()


def clumped(root: Path, size: Size) -> State:
    """A gallery large enough for lists, with vectors that lie in clumps."""
    rng = np.random.default_rng(3)
    rows = unit(size.indexed // 40 + 1, 4)[rng.integers(0, size.indexed // 40 + 1, size.indexed)]
    rows = rows + rng.standard_normal(rows.shape).astype(np.float32) * 0.02
    rows = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    cases = made_up("viele", size.indexed, waveform=0)
    with Gallery.create(root / "g", bundle_name=TOY[0], bundle_sha256=TOY[1], dim=DIM) as gallery:
        gallery.add(cases, rows)
    return State().added(cases, rows)


def _prepared(desk: Desk) -> None:
    if desk.open("approximate").prepare_index() is None:
        raise RuntimeError("no index was made")


def _index_of(root: Path, state: State) -> list[str]:
    """Answers of the approximate index have the scores of brute force."""
    query, matrix = unit(1, 5), state.matrix().astype(np.float64)
    ids = {case_id: place for place, case_id in enumerate(state.cases)}
    with Gallery.open(root / "g", index="approximate") as gallery:
        hits = gallery.search(query)[0]
    wrong = [hit for hit in hits if abs(matrix[ids[hit.case_id]] @ query[0] - hit.score) > 1e-6]
    return [f"the index answers {wrong[0]}"] if wrong or len(hits) != 10 else []


def _copied(desk: Desk) -> None:
    shutil.rmtree(desk.root / "copy", ignore_errors=True)
    desk.open().backup(desk.root / "copy")


def _copy_of(root: Path, state: State) -> list[str]:
    """A copy is not there, or whole."""
    if not (root / "copy").exists():
        return []
    with Gallery.open(root / "copy") as copy:
        found = difference(copy, state)
        problems = [] if copy.verify().ok else ["the copy is damaged"]
    return problems + ([f"the copy: {found}"] if found else [])


def _to_restore(root: Path, size: Size) -> State:
    started(root, size)
    (root / "g").rename(root / "copy")
    return State(absent=True)


def _restored(desk: Desk) -> None:
    Gallery.restore(desk.root / "copy", desk.folder)


def _idle(_: Desk) -> None:
    return None


def phases(size: Size) -> list[Phase]:
    """All phases, in the order of the table."""
    start = partial(started, size=size)
    return [
        Phase("create", _nothing, ((_created, lambda _: State()),), _idle, beside=False),
        Phase("add with ingest", start, tuple(_added(n, size) for n in range(3))),
        Phase("add, rollback journal", start, tuple(_added(n, size) for n in range(3)), _in_rollback_mode),
        Phase("replace", start, tuple(_replaced(n, size) for n in range(2))),
        Phase("delete", start, tuple(_deleted(n, size) for n in range(2))),
        Phase("compact", start, ((lambda desk: desk.open().compact(), _same),)),
        Phase(
            "re-embed: begin, put",
            start,
            (
                (_begin, lambda state: replace(state, moving=True)),
                (partial(_put, many=size.cases // 2), partial(_after_put, many=size.cases // 2)),
                (partial(_put, many=10**6), partial(_after_put, many=10**6)),
            ),
        ),
        Phase(
            "re-embed: finish", partial(_moved, size=size), ((lambda d: d.open().reembed_finish(), _after_finish),)
        ),
        Phase("close: cache, words, settling", start, ((_close_dirty(size), _deleted(2, size)[1]),)),
        Phase("cache written by a reader", partial(_without_cache, size=size), ((_read, _same),), _idle),
        Phase("prepare_index", partial(clumped, size=size), ((_prepared, _same),), _open_indexed, also=_index_of),
        Phase("backup", start, ((_copied, _same),), also=_copy_of),
        Phase(
            "restore", partial(_to_restore, size=size), ((_restored, partial(_as_started, size=size)),), _idle, False
        ),
        Phase("migrate from format 1", partial(_of_format_1, size=size), ((Desk.open, _with_words),), _idle),
        Phase("open after a kill", partial(_killed_before, size=size), ((_open_close, _same),), _idle),
    ]


def _close_dirty(size: Size) -> Do:
    def do(desk: Desk) -> None:
        _dirty(desk, size)
        desk.close()

    return do


def _open_indexed(desk: Desk) -> None:
    tuning.QUERIES, tuning.FILTERED_QUERIES = 60, 20  # what is written is the same, and sooner
    desk.open("approximate")


def _open_close(desk: Desk) -> None:
    desk.open()
    desk.close()


def _with_words(state: State) -> State:
    return replace(state, wordless=False)


def _as_started(_: State, size: Size) -> State:
    cases, rows = made_up("alt", size.cases, waveform=size.waveform), unit(size.cases, 1)
    gone = [case.case_id for case in cases[: size.cases // 5]]
    return replace(State().added(cases, rows, Ingest(STREAM, 0)).without(gone), retired=frozenset(gone))
