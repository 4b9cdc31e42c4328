"""One trial: a writer is stopped, or its disk fills, in a phase of writing; what is left is looked at and used."""

from __future__ import annotations

import contextlib
import json
import os
import resource
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from eval.bench.gallery_crash_faults import Child, Mode, Outcome, arm, forked, shim
from eval.bench.gallery_crash_phases import Desk, Phase
from eval.bench.gallery_crash_power import DONE_CALL, Call, Disk, calls_of
from eval.bench.gallery_crash_states import Finding, State, difference, look, place_of, wrong_answer
from index import Gallery
from index.errors import NearBeatError, WrongBundle

Say = Callable[[bytes], None]
BEGUN, DONE, ENDED, READY = b"<begun>", b"<done>", b"<ended>", b"<ready>"
FAILED, FOUND = b"<failed>", b"<found>"
GIVEN_BACK = frozenset({Mode.DISK_FULL, Mode.FAIL_ONCE, Mode.FILE_LIMIT, Mode.SMALL_DISK})
"""In which the writer lives on and is told."""
LEFT = frozenset(
    {"cases.db", "vectors.faiss", "vectors.faiss.trusted", "approximate.faiss", "approximate.faiss.trusted"}
)
"""What a gallery at rest may hold; a note that its writer had not named yet is passed over."""


@dataclass(frozen=True)
class Stop:
    """How a writer is to be stopped.

    Args:
        mode: what happens at the chosen call.
        at: at which call that changes a file, from 0; -1 for none.
        after_s: or after how many seconds it is killed.
        beside: whether a reader has the gallery open meanwhile.
        writer_first: whether a writer, not a reader, is the first to look at what is left.
        room: how many bytes are left: to the largest file there is, or on a small disk.
        trace: an open file into which the calls are written; -1 for none.
    """

    mode: Mode = Mode.COUNT
    at: int = -1
    after_s: float | None = None
    beside: bool = False
    writer_first: bool = False
    room: int = -1
    trace: int = -1


@dataclass
class Result:
    """What came of a trial.

    Args:
        phase: its name.
        stop: how the writer was to be stopped.
        killed: whether it was killed before it had acknowledged everything.
        failed: the error that it was given instead, in our words.
        finding: what was found afterwards.
    """

    phase: str
    stop: Stop
    killed: bool = False
    failed: str = ""
    finding: Finding = field(default_factory=Finding)


class Bench:
    """The starting galleries of the phases, each made once, and trials on copies of them.

    Args:
        phases: the phases.
        folder: where the galleries lie.
    """

    def __init__(self, phases: Sequence[Phase], folder: Path) -> None:
        self.phases = phases
        self.folder = folder.resolve()
        self._starts: dict[str, tuple[Path, list[State]]] = {}
        self._traces: dict[str, list[Call]] = {}

    def start_of(self, phase: Phase) -> tuple[Path, list[State]]:
        """The folder from which a phase starts, and the states it goes through."""
        if phase.name not in self._starts:
            root = self.folder / f"start-{len(self._starts)}"
            root.mkdir(parents=True)
            self._starts[phase.name] = root, phase.states(phase.start(root))
        return self._starts[phase.name]

    def copy_of(self, phase: Phase, *, small_disk: bool = False) -> Path:
        """A fresh copy of the starting folder, for one trial."""
        root = Path(tempfile.mkdtemp(prefix="trial-", dir=self.folder))
        if small_disk:
            mount(root)
        shutil.copytree(self.start_of(phase)[0], root, dirs_exist_ok=True)
        return root

    def points(self, phase: Phase) -> tuple[str, float]:
        """The kinds of the calls by which an undisturbed run of the phase changes files, and how long it takes."""
        root = self.copy_of(phase)
        child = forked(lambda say: _write(phase, self.start_of(phase)[1], root, Stop(), say))
        child.wait_for(BEGUN)
        began = time.perf_counter()
        outcome = child.finish()
        seconds = time.perf_counter() - began
        shutil.rmtree(root)
        if outcome.ended:
            raise RuntimeError(f"the phase {phase.name} fails undisturbed: {outcome.said.decode()}")
        return _lines(outcome, ENDED)[0], seconds

    def trace(self, phase: Phase) -> list[Call]:
        """The calls by which an undisturbed run changes files, opening included; ``=`` is a step done."""
        if phase.name not in self._traces:
            root, states, file = self.copy_of(phase), self.start_of(phase)[1], self.folder / "trace"
            with file.open("wb") as into:
                outcome = forked(lambda say: _write(phase, states, root, Stop(trace=into.fileno()), say)).finish()
            if outcome.ended:
                raise RuntimeError(f"the phase {phase.name} fails undisturbed: {outcome.said.decode()}")
            self._traces[phase.name] = calls_of(file.read_bytes(), root)
            shutil.rmtree(root)
        return self._traces[phase.name]

    def examine(self, phase: Phase, root: Path, done: int, stop: Stop) -> Result:
        """Look at what a writer left that had acknowledged ``done`` steps, and go on from there."""
        result, states = Result(phase.name, stop), self.start_of(phase)[1]
        _heard(forked(lambda say: _check(phase, states, root, done, stop, say)).finish(), result)
        shutil.rmtree(root, ignore_errors=True)
        return result

    def power(self, phase: Phase, stop: Stop) -> Result:
        """Look at what a disk may hold when the power goes after entry ``stop.at`` of the trace of the phase."""
        calls, disk, done = self.trace(phase), Disk(self.start_of(phase)[0]), 0
        for call in calls[: stop.at + 1]:
            if call.kind == DONE_CALL:
                done = call.offset
            else:
                disk.do(call)
        root = Path(tempfile.mkdtemp(prefix="trial-", dir=self.folder))
        disk.write_to(root, Random(f"{phase.name} {stop.at}") if stop.mode is Mode.POWER_SOME else None)  # noqa: S311
        return self.examine(phase, root, done, stop)

    def trial(self, phase: Phase, stop: Stop) -> Result:
        """Stop the writer of a phase, look at what is left, and go on from there."""
        root = self.copy_of(phase, small_disk=stop.mode is Mode.SMALL_DISK)
        states = self.start_of(phase)[1]
        result = Result(phase.name, stop)
        reader = _Beside(root, states) if stop.beside and phase.beside else None
        child = forked(lambda say: _write(phase, states, root, stop, say))
        outcome = _stopped(child, stop)
        done = len(_lines(outcome, DONE))
        result.killed = outcome.killed and not _lines(outcome, ENDED)
        _heard(outcome, result)
        if reader is not None:
            reader.ask(done, result.finding)
        if not result.finding.wrong:
            checked = forked(lambda say: _check(phase, states, root, done, stop, say)).finish()
            _heard(checked, result)
        if stop.mode is Mode.SMALL_DISK:
            subprocess.run(["umount", str(root)], check=True)  # noqa: S607
        shutil.rmtree(root, ignore_errors=True)
        return result


def mount(root: Path) -> None:
    """A small file system in memory over a folder."""
    command = ["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", str(root)]
    subprocess.run(command, check=True, capture_output=True)


def may_mount(folder: Path) -> bool:
    """Whether this process may make such file systems."""
    with (
        tempfile.TemporaryDirectory(dir=folder) as place,
        contextlib.suppress(OSError, subprocess.CalledProcessError),
    ):
        mount(Path(place))
        subprocess.run(["umount", place], check=True)  # noqa: S607
        return True
    return False


def _stopped(child: Child, stop: Stop) -> Outcome:
    if stop.after_s is not None and child.wait_for(BEGUN):
        time.sleep(stop.after_s)
        child.kill()
    return child.finish()


def _heard(outcome: Outcome, result: Result) -> None:
    """Take over what a child found; that it broke or hung is a finding too."""
    if b"BROKEN" in outcome.said:
        result.finding.wrong.append(outcome.said.split(b"BROKEN", 1)[1].decode(errors="replace"))
    elif outcome.ended == -1:
        result.finding.wrong.append("it hangs")
    elif not outcome.killed and outcome.ended:
        result.finding.wrong.append(f"it ended with {outcome.ended}")
    result.failed = "".join(_lines(outcome, FAILED)) or result.failed
    for line in _lines(outcome, FOUND):
        found = Finding(**json.loads(line))
        found.wrong = result.finding.wrong + found.wrong
        result.finding = found


def _lines(outcome: Outcome, word: bytes) -> list[str]:
    """What a child said in the lines that begin with a word."""
    lines = outcome.said.split(b"\n")
    return [line[len(word) :].decode() for line in lines if line.startswith(word)]


def _line(word: bytes, rest: bytes = b"") -> bytes:
    return b"\n" + word + rest + b"\n"


def _write(phase: Phase, states: Sequence[State], root: Path, stop: Stop, say: Say) -> None:
    """The writer: every step of the phase, each acknowledged; where one fails it goes on in the same process."""
    desk = Desk(root)
    if stop.trace >= 0:
        arm(root, stop.mode, trace=stop.trace)
    phase.first(desk)
    lift = _limited(root, stop)
    if stop.trace < 0:
        arm(root, stop.mode, stop.at)
    say(_line(BEGUN))
    for place, (do, _) in enumerate(phase.steps):
        try:
            do(desk)
        except NearBeatError as error:
            shim().crash_disarm()
            lift()
            say(_line(FAILED, " ".join(str(error).split()).encode()))
            if _went_on(phase, states, desk, place, stop, say):
                say(_line(DONE) * (len(phase.steps) - place))
            break
        say(_line(DONE))
        shim().crash_mark(place + 1)
    kinds = shim().crash_kinds()
    shim().crash_disarm()
    lift()
    if stop.mode in GIVEN_BACK and stop.writer_first:
        desk.close()
    say(_line(ENDED, kinds))


def _limited(root: Path, stop: Stop) -> Callable[[], None]:
    """Leave only the room that is asked for; what is given takes that back."""
    if stop.mode is Mode.FILE_LIMIT:
        largest = max((file.stat().st_size for file in root.rglob("*")), default=0)
        return _file_limit(largest + stop.room)
    if stop.mode is Mode.SMALL_DISK:
        found = os.statvfs(root)
        _resize(root, (found.f_blocks - found.f_bfree) * found.f_frsize + stop.room)
        return lambda: _resize(root, 2**26)
    return lambda: None


def _file_limit(size: int) -> Callable[[], None]:
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))
    return lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))


def _resize(root: Path, size: int) -> None:
    # A size of 0 would mean no limit.
    subprocess.run(["mount", "-o", f"remount,size={max(size, 4096)}", str(root)], check=True)  # noqa: S607


def _went_on(phase: Phase, states: Sequence[State], desk: Desk, place: int, stop: Stop, say: Say) -> bool:
    """After step ``place`` failed: look in the same process, and do the rest there; whether that could be done."""
    left = desk.held
    if left is None:
        return False
    wrong, now = None, place_of(left, states[place : place + 2])
    if now < 0:
        wrong = f"it is no state that can be: {difference(left, states[place])}"
    elif now and stop.mode is not Mode.FAIL_ONCE:
        wrong = "the change is there all the same"
    else:
        wrong = wrong_answer(left, states[place + now])
    if wrong is not None:
        say(_line(FOUND, Finding(wrong=[f"in the same process, after a call failed: {wrong}"]).packed()))
        return False
    for do, _ in phase.steps[place + now :]:
        do(desk)
    return True


class _Beside:
    """A reader that had the gallery open before the writer began, and still has it after it was stopped."""

    def __init__(self, root: Path, states: Sequence[State]) -> None:
        waits, self._ask = os.pipe()
        self._child = forked(lambda say: _read_on(root, states, waits, say))
        os.close(waits)
        self._child.wait_for(READY)

    def ask(self, done: int, finding: Finding) -> None:
        """Let it look again, ``done`` steps having been acknowledged."""
        os.write(self._ask, bytes([done]))
        os.close(self._ask)
        outcome = self._child.finish()
        result = Result("", Stop())
        _heard(outcome, result)
        finding.wrong += [f"the reader beside: {one}" for one in result.finding.wrong]
        finding.lost += result.finding.lost
        finding.visible += result.finding.visible


def _read_on(root: Path, states: Sequence[State], waits: int, say: Say) -> None:
    finding = Finding()
    gallery = Gallery.open(root / "g")
    wrong_answer(gallery, states[0])
    say(_line(READY))
    done = os.read(waits, 1)[0]
    possible = states[done : done + 2]
    try:
        gallery.vectors()
    except WrongBundle:  # the move to another bundle is done: it has to be opened again
        gallery = Gallery.open(root / "g")
    place = place_of(gallery, possible)
    if place < 0:
        finding.wrong.append(f"it sees no state that can be: {[difference(gallery, one) for one in possible]}")
    elif (wrong := wrong_answer(gallery, possible[place])) is not None:
        finding.wrong.append(wrong)
    say(_line(FOUND, finding.packed()))


def _check(phase: Phase, states: Sequence[State], root: Path, done: int, stop: Stop, say: Say) -> None:
    """Open what is left as reader and as writer, go on with the steps that are not done, and look again."""
    finding, possible = Finding(), list(states[done : done + 2])
    for read_only in (False, True) if stop.writer_first else (True, False):
        gallery = look(root / "g", possible, finding, read_only=read_only)
        if gallery is not None:
            gallery.close()
    if finding.good:
        place = done + finding.place
        finding.wrong += phase.also(root, states[place])
        desk = Desk(root)
        phase.first(desk)
        for do, _ in phase.steps[place:]:
            do(desk)
        desk.close()
        last = Finding()
        gallery = look(root / "g", states[-1:], last, read_only=True)
        if gallery is not None:
            gallery.close()
        finding.wrong += [f"after going on: {one}" for one in last.wrong + phase.also(root, states[-1])]
        finding.wrong += [f"{name} is left over" for name in _left_over(root)]
    say(_line(FOUND, finding.packed()))


def _left_over(root: Path) -> list[str]:
    names = {file.name for file in (root / "g").iterdir()} - LEFT
    return sorted(name for name in names if ".trusted." not in name)
