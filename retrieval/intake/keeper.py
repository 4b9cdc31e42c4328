"""One child process: started, asked, watched, and killed when it takes too long, grows too large, or breaks.

Threads and pipes that each system has do the work; the limits of memory and processor time are those of ``resource``
in the child, where the system offers it.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from numpy.typing import NDArray

MAX_ANSWER = 1 << 30
"""Bytes; a longer answer is not an answer."""
START_SECONDS = 60.0
"""For an interpreter to start with its packages, from a cold disk too."""
PATIENCE, WORKING_SHARE, FAIR_SHARE = 3, 0.05, 0.8
"""A process that worked or waited for a processor for under 5 % of its time sleeps; one that worked for over 80 % had
its fair share."""
KEPT_SHARE = 0.4
"""Of the limit; a child that holds on to more after a file is replaced before the next."""
_ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
"""Each thread reserves memory that counts against the limit, and what these are for is done as quickly by one."""
_ONE_HEAP = {"MALLOC_ARENA_MAX": "1"}
"""Two threads of one page would each keep a heap of what they freed (glibc); together that came near the limit."""


@dataclass(frozen=True)
class Reply:
    """What a child said: its message, and the arrays that came with it.

    Of a refusal, ``message["stopped"]`` is ``"time"``, ``"memory"`` or ``"crash"`` where it was no reader's decision.
    """

    message: Mapping[str, Any]
    arrays: Mapping[str, NDArray[Any]] = field(default_factory=dict)


class Keeper:
    """Keeps one child process, started when it is first asked and again after it was stopped."""

    def __init__(self, memory_mb: int, threads: int = 1) -> None:
        self.memory_mb, self.threads = memory_mb, threads
        self._process: subprocess.Popen[bytes] | None = None
        self._ready: subprocess.Popen[bytes] | None = None
        self._lock = threading.Lock()
        self._ended = False

    def ask(self, request: Mapping[str, Any]) -> Reply:
        """Send a request and wait for the answer, no longer than its ``seconds``.

        A child that fails outside of the file is no fault of the file's, and of a busy machine often a passing one:
        the file gets another child, once.
        """
        reply = self._ask(request)
        return self._ask(request) if reply.message.get("stopped") == "outside" else reply

    def _ask(self, request: Mapping[str, Any]) -> Reply:
        from retrieval.intake.wire import unpack

        process = self._running()
        if process is None:
            return _refusal("reader_failed", f"'{_name(request)}' was not read: the reader was closed")
        if not self._awake(process):
            return self._fallen(process, request, None)
        watch = _Watch(process, request["seconds"])
        try:
            data = self._converse(process, request)
        finally:
            watch.stop()
        if data is None:
            return self._fallen(process, request, watch)
        try:
            reply = Reply(*unpack(data))
        except ValueError as error:
            self._stop(process)
            return _refusal("reader_failed", f"the reader of '{_name(request)}' gave no usable answer ({error})")
        if reply.message.get("resident_mb", 0) > KEPT_SHARE * self.memory_mb:
            self._stop(process)  # what one file left behind must not be the next one's fault
        return reply

    def end(self) -> None:
        """Kill the process, and start no other."""
        with self._lock:
            self._ended = True
            process, self._process = self._process, None
        if process is not None:
            self._stop(process)

    def _running(self) -> subprocess.Popen[bytes] | None:
        with self._lock:
            if self._ended:
                return None
            if self._process is None or self._process.poll() is not None:
                self._process = _start(self.memory_mb, self.threads)
            return self._process

    def _awake(self, process: subprocess.Popen[bytes]) -> bool:
        """Whether a child is ready to be asked; how long it takes to start is no fault of the first file's."""
        from retrieval.intake.child import READY

        if self._ready is process:
            return True
        watch = _Watch(process, START_SECONDS)
        try:
            ready = process.stdout is not None and process.stdout.read(len(READY)) == READY
        except (OSError, ValueError):  # closed meanwhile
            ready = False
        finally:
            watch.stop()
        if ready:
            self._ready = process
        return ready

    def _converse(self, process: subprocess.Popen[bytes], request: Mapping[str, Any]) -> bytes | None:
        """Ask, and give the bytes of the answer; ``None`` when the process ended before it was whole."""
        if process.stdin is None or process.stdout is None:
            return None
        try:
            process.stdin.write(json.dumps(request).encode("ascii") + b"\n")
            process.stdin.flush()
            length = int.from_bytes(process.stdout.read(8), "big")
            data = process.stdout.read(length) if length <= MAX_ANSWER else b""
        except (OSError, ValueError):  # a broken pipe, or one that was closed meanwhile
            return None
        return data if len(data) == length > 0 else None

    def _fallen(self, process: subprocess.Popen[bytes], request: Mapping[str, Any], watch: _Watch | None) -> Reply:
        from retrieval.intake.child import FAILED_EXIT, TOO_LARGE_EXIT

        said = self._stop(process)
        code, name = process.returncode, _name(request)
        if watch is not None and (watch.late or code == -getattr(signal, "SIGXCPU", 0) != 0):
            return _refusal(
                "took_too_long",
                f"reading '{name}' was stopped after {request['seconds']:g} s; bring the page with the ECG alone",
                "time",
                watch.spent,
            )
        if code == TOO_LARGE_EXIT:
            sentence = f"reading '{name}' takes more than {self.memory_mb:,} MB of memory; bring a smaller picture"
            return _refusal("too_large", sentence, "memory")
        how = _how_it_ended(code)
        if self._ready is not process or code == FAILED_EXIT:
            sentence = f"the process to read '{name}' with failed of itself ({said or how}); try again, or report it"
            return _refusal("reader_failed", sentence, "outside")
        return _refusal("reader_failed", f"'{name}' broke its reader ({how}); it is damaged: export it again")

    def _stop(self, process: subprocess.Popen[bytes]) -> str:
        """Leave no process, no zombie and no open pipe; give the last line that the process had to say."""
        with self._lock:
            if self._process is process:
                self._process = None
        process.kill()
        process.wait()
        said = _last_words(process)
        for pipe in (process.stdin, process.stdout, process.stderr):
            if pipe is not None:
                _close(pipe)
        return said


class _Watch:
    """Kills a process when its time is over; one that the machine kept waiting gets up to ``PATIENCE`` times as long.

    A page takes seconds of the processor, and on a busy machine far more of the clock: that is not the file's fault.
    """

    def __init__(self, process: subprocess.Popen[bytes], seconds: float) -> None:
        self.late, self.spent = False, 0.0
        self._process, self._seconds, self._over = process, seconds, threading.Event()
        self._begun = _processor_seconds(process.pid)
        self._thread = threading.Thread(target=self._wait, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Watch no longer."""
        self._over.set()
        self._thread.join()

    def _wait(self) -> None:
        for _ in range(PATIENCE):
            pid = self._process.pid
            before, waited = _processor_seconds(pid), _kept_waiting(pid)
            if self._over.wait(self._seconds):
                return
            now = _processor_seconds(pid)
            self.spent = now - self._begun
            wanted = now - before + _kept_waiting(pid) - waited
            if wanted < WORKING_SHARE * self._seconds or self.spent > FAIR_SHARE * self._seconds:
                break
        self.late = True
        self._process.kill()


def _processor_seconds(pid: int) -> float:
    """Processor time of a process by Linux' account; 0 elsewhere, where nobody is waited for longer."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    except (OSError, ValueError, IndexError):
        return 0.0


def _kept_waiting(pid: int) -> float:
    """Seconds in which a process could have worked and had no processor, by Linux' account; 0 elsewhere."""
    try:
        return int(Path(f"/proc/{pid}/schedstat").read_text(encoding="ascii").split()[1]) / 1e9
    except (OSError, ValueError, IndexError):
        return 0.0


def _start(memory_mb: int, threads: int) -> subprocess.Popen[bytes]:
    """A fresh interpreter that sees the same packages; ``-I`` and ``-S`` keep its start short and the folder out."""
    folders = [str(Path(__file__).resolve().parents[2]), *(folder for folder in sys.path if folder)]
    code = f"import sys; sys.path[:] = {folders!r}; from retrieval.intake.child import main; main({memory_mb})"
    return subprocess.Popen(
        [sys.executable, "-I", "-S", "-c", code],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=os.environ | dict.fromkeys(_ONE_THREAD, "1") | _ONE_HEAP | {"OPENCV_FOR_THREADS_NUM": str(threads)},
    )


def _last_words(process: subprocess.Popen[bytes]) -> str:
    """The last line on the standard error of a process that ended."""
    if process.stderr is None:
        return ""
    try:
        os.set_blocking(process.stderr.fileno(), False)  # whoever inherited the pipe is not waited for
        lines = os.read(process.stderr.fileno(), 1 << 16).decode(errors="replace").strip().splitlines()
    except (OSError, ValueError):  # nothing was said, or another thread closed it
        return ""
    return "".join(letter for letter in lines[-1][:300] if letter.isprintable()) if lines else ""


def _refusal(kind: str, message: str, stopped: str = "crash", cpu_s: float = 0.0) -> Reply:
    return Reply({"error": {"kind": kind, "message": message}, "stopped": stopped, "cpu_s": cpu_s})


def _how_it_ended(code: int) -> str:
    if code >= 0:
        return f"exit code {code}"
    try:
        return signal.Signals(-code).name
    except ValueError:
        return f"signal {-code}"


def _name(request: Mapping[str, Any]) -> str:
    return Path(request["path"]).name


def _close(pipe: Any) -> None:
    try:
        pipe.close()
    except OSError:  # what could not be sent any more
        return
