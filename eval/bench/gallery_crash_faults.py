"""Child processes that are stopped at a chosen write, and the small C library that counts and stops them.

``gallery_crash_shim.c`` stands before the C library's calls (LD_PRELOAD), so that it sees what SQLite writes as well
as what Python does. The program that uses it starts itself anew with it loaded, and makes its
children by ``fork``, which costs milliseconds where a new interpreter with FAISS costs a second.
"""

from __future__ import annotations

import ctypes
import os
import select
import shutil
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from functools import cache
from pathlib import Path
from typing import Any

SOURCE = Path(__file__).with_name("gallery_crash_shim.c")
LONGEST_S = 120.0
"""A child that takes longer hangs; it is killed and counted as that."""


class Mode(IntEnum):
    """What happens; the numbers up to 4 are those of the C library, which does it at the chosen call."""

    COUNT = 0
    KILL_BEFORE = 1
    KILL_WITHIN = 2
    """After half of a write, or right after a call that cannot be halved."""
    DISK_FULL = 3
    """Half of the chosen write, then ENOSPC for all that takes room."""
    FAIL_ONCE = 4
    """EIO once."""
    FILE_LIMIT = 5
    """No file may grow beyond a size, which the system sees to (``RLIMIT_FSIZE``)."""
    SMALL_DISK = 6
    """The gallery lies on a file system of its own with little room left; only root can make one."""
    POWER_SURE = 7
    """After the call the power goes, and what was not forced to the disk is gone."""
    POWER_SOME = 8
    """The same, and any part of that is there after all."""


@dataclass(frozen=True)
class Outcome:
    """What became of a child: what it said, and how it ended (0, a signal's number, or -1 where it hung)."""

    said: bytes
    ended: int

    @property
    def killed(self) -> bool:
        """Whether SIGKILL ended it."""
        return self.ended == signal.SIGKILL


def why_not() -> str | None:
    """Why no faults can be injected here; None where they can."""
    if sys.platform != "linux":
        return "faults are injected by LD_PRELOAD, which only Linux has"
    return None if shutil.which("cc") else "faults are injected by a small C library, and there is no cc here"


def start_again_with_shim(folder: Path, module: str, arguments: list[str]) -> None:
    """Compile the C library into ``folder`` and start the program anew with it, unless it is loaded already."""
    if hasattr(ctypes.CDLL(None), "crash_arm"):
        return
    library = folder.resolve() / "gallery_crash_shim.so"
    folder.mkdir(parents=True, exist_ok=True)
    compiler = shutil.which("cc") or "cc"
    subprocess.run([compiler, "-O2", "-shared", "-fPIC", "-o", str(library), str(SOURCE), "-ldl"], check=True)
    # OpenMP's threads do not live through a fork, so there is one.
    one = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
    environment = {**os.environ, **one, "LD_PRELOAD": str(library)}
    sys.stdout.flush()
    os.execve(sys.executable, [sys.executable, "-m", module, *arguments], environment)  # noqa: S606


@cache
def shim() -> Any:
    """The C library, which must be loaded."""
    library: Any = ctypes.CDLL(None)
    library.crash_arm.argtypes = (ctypes.c_char_p, ctypes.c_long, ctypes.c_int, ctypes.c_int)
    library.crash_mark.argtypes = (ctypes.c_long,)
    library.crash_kinds.restype = ctypes.c_char_p
    library.crash_refused.restype = ctypes.c_long
    return library


def arm(folder: Path, mode: Mode, at: int = -1, trace: int = -1) -> None:
    """From now on count what changes files below ``folder``, and do ``mode`` at call ``at``, counted from 0.

    Args:
        folder: its real path.
        mode: what to do.
        at: at which call; -1 for none.
        trace: an open file into which every call is written with its bytes; -1 for none.
    """
    how = mode if mode <= Mode.FAIL_ONCE else Mode.COUNT
    shim().crash_arm(str(folder.resolve()).encode(), at, int(how), trace)


@dataclass
class Child:
    """A forked process and the pipe through which it speaks."""

    pid: int
    pipe: int
    _said: bytes = b""

    def wait_for(self, word: bytes, longest_s: float = LONGEST_S) -> bool:
        """Read until the child has said ``word``; False when it ended or hung before."""
        end = time.monotonic() + longest_s
        while word not in self._said:
            if not self._read(end):
                return False
        return True

    def kill(self) -> None:
        """Stop it at once."""
        os.kill(self.pid, signal.SIGKILL)

    def finish(self, longest_s: float = LONGEST_S) -> Outcome:
        """Wait for its end."""
        end = time.monotonic() + longest_s
        while self._read(end):
            pass
        hung = time.monotonic() >= end
        if hung:
            self.kill()
        os.close(self.pipe)
        status = os.waitpid(self.pid, 0)[1]
        ended = -1 if hung else os.waitstatus_to_exitcode(status)
        return Outcome(self._said, -ended if ended < -1 else ended)

    def _read(self, end: float) -> bool:
        if not select.select([self.pipe], [], [], max(0.0, end - time.monotonic()))[0]:
            return False
        piece = os.read(self.pipe, 65536)
        self._said += piece
        return bool(piece)


def forked(work: Callable[[Callable[[bytes], None]], None]) -> Child:
    """Do ``work`` in a child, which says what it has to say by the function it is given.

    An exception ends it with the code 3, after the traceback was said.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    here, there = os.pipe()
    pid = os.fork()
    if pid:
        os.close(there)
        return Child(pid, here)
    code = 3
    try:
        os.close(here)
        work(lambda word: _write_all(there, word))
        code = 0
    except BaseException:  # the child must end here, whatever comes
        shim().crash_disarm()
        _write_all(there, b"\nBROKEN " + traceback.format_exc().encode())
    finally:
        os._exit(code)


def _write_all(handle: int, word: bytes) -> None:
    while word:
        word = word[os.write(handle, word) :]
