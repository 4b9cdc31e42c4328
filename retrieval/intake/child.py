"""The process that reads files for another: limited in memory and time, and cut off from the network.

It answers requests, a line of JSON each on its standard input, with messages of ``retrieval.intake.wire`` behind
their length in eight bytes. It ends with its input; ``retrieval.intake.worker`` starts it, asks, and kills it.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
import threading
import time
from importlib import import_module
from pathlib import Path
from typing import Any, BinaryIO

TOO_LARGE_EXIT, NEVER_READY_EXIT, FAILED_EXIT = 77, 78, 79
"""Exit codes of a child that saw itself grow over its limit, could not begin, or failed outside of any file."""
READY = b"nearbeat"
"""What a child says first, in the place of a length: from here on, what goes wrong may be a file's fault."""
WATCH_SECONDS = 0.05
FORBIDDEN = ("socket.connect", "socket.getaddrinfo", "subprocess.Popen", "os.system", "os.exec", "os.posix_spawn")
"""Events of Python that no reader has a reason for: what is in a file stays on this machine, and starts nothing."""


def main(memory_mb: int) -> None:
    """Answer requests until the input ends; whatever fails outside of a file is told on the standard error."""
    answers, last_words = _private_outputs()
    exit_code = NEVER_READY_EXIT
    try:
        import retrieval.intake.reading_files  # noqa: F401  what each file needs, before any can be blamed

        _limit_memory(memory_mb)
        sys.addaudithook(_refuse_ways_out)
        _send(answers, READY)
        exit_code = FAILED_EXIT
        for line in sys.stdin.buffer:
            request = json.loads(line)
            _limit_processor(request["seconds"])
            _forget_peak()
            data = _answer(request, memory_mb)
            _send(answers, len(data).to_bytes(8, "big") + data)
    except Exception as error:
        _send(last_words, f"{type(error).__name__}: {error}".encode(errors="replace"))
        os._exit(exit_code)


def _private_outputs() -> tuple[BinaryIO, BinaryIO]:
    """Keep both pipes to the parent for what this file says; what libraries print goes nowhere."""
    answers, last_words = os.fdopen(os.dup(1), "wb"), os.fdopen(os.dup(2), "wb")
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)
    os.close(nowhere)
    return answers, last_words


def _send(pipe: BinaryIO, data: bytes) -> None:
    pipe.write(data)
    pipe.flush()


def _answer(request: dict[str, Any], memory_mb: int) -> bytes:
    from retrieval.errors import NearBeatError
    from retrieval.intake.wire import arrays_of, intake_json, pack

    name, begun = Path(request["path"]).name, time.process_time()
    try:
        intake, more = _read(request)
        if intake is None:
            return pack(_effort(begun), more)
        message = {"intake": intake_json(intake), "patient_key": intake.recording and intake.recording.patient_key}
        return pack({**message, **_effort(begun)}, {**arrays_of(intake), **more})
    except Exception as error:  # whatever a decoder raises: the parent must have a sentence for it
        stopped = None
        if _out_of_memory(error):
            kind, stopped = "too_large", "memory"
            sentence = f"reading '{name}' takes more than {memory_mb:,} MB of memory; bring a smaller picture"
        elif isinstance(error, NearBeatError):
            kind, sentence = error.kind, str(error)
        else:
            kind, stopped = "reader_failed", "crash"
            sentence = (
                f"'{name}' made its reader fail ({type(error).__name__}: {error}); export it again, or report it"
            )
    return pack({"error": {"kind": kind, "message": sentence}, "stopped": stopped, **_effort(begun)}, {})


def _read(request: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
    """Call the function that the request names; it gives an intake, or an intake (or none) with more arrays."""
    os.chdir(request["folder"])
    module, _, function = request["reader"].partition(":")
    read = getattr(import_module(module), function)
    from retrieval.intake.correction import correction_of

    wishes = [request["path"], request["page"], _declared(request["declared"])]
    correction = correction_of(request.get("correction"))
    from retrieval.intake.patience import limited

    with limited(request["seconds"]):
        result = read(*wishes) if correction is None else read(*wishes, correction)
    return result if isinstance(result, tuple) else (result, {})


def _declared(said: dict[str, Any] | None) -> Any:
    if said is None:
        return None
    from retrieval.intake.declared import Declared

    leads = said["leads"]  # JSON made a list of the tuple
    return Declared(**{**said, "leads": None if leads is None else tuple(leads)})


def _out_of_memory(error: BaseException | None) -> bool:
    """Whether an allocation that failed stands anywhere in the chain of errors; OpenCV words its own."""
    while error is not None:
        text = str(error)
        if isinstance(error, MemoryError) or "nsufficient memory" in text or "bad_alloc" in text:
            return True
        error = error.__cause__ or error.__context__
    return False


def _refuse_ways_out(event: str, _: Any) -> None:
    if event in FORBIDDEN:
        raise PermissionError(f"a reader of files may not do {event}")


def _limit_memory(memory_mb: int) -> None:
    """A limit of the system where it has one, and a look at the own size where that does not count."""
    with contextlib.suppress(ImportError, OSError, ValueError, RuntimeError):  # the last: no thread to be had
        import resource

        limit = memory_mb << 20
        resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a core would be a copy of the picture on disk
        threading.Thread(target=_watch, args=(memory_mb,), daemon=True).start()


def _watch(memory_mb: int) -> None:
    pause = threading.Event()
    while not pause.wait(WATCH_SECONDS):
        if _peak_mb() > memory_mb:
            os._exit(TOO_LARGE_EXIT)


def _limit_processor(seconds: float) -> None:
    """Stop even where nobody is left to stop this process."""
    with contextlib.suppress(ImportError, OSError, ValueError):
        import resource

        used = resource.getrusage(resource.RUSAGE_SELF)
        limit = int(used.ru_utime + used.ru_stime + seconds) + 2
        resource.setrlimit(resource.RLIMIT_CPU, (limit, resource.getrlimit(resource.RLIMIT_CPU)[1]))


def _effort(begun: float) -> dict[str, float]:
    """What a file took: seconds of the processor, the peak of memory, and what is held on to after it."""
    spent = time.process_time() - begun
    return {"cpu_s": spent, "peak_mb": _peak_mb(), "resident_mb": _proc_mb("VmRSS") or _peak_mb()}


def _peak_mb() -> float:
    """Most memory that was resident since ``_forget_peak``, or since the start where the system cannot forget."""
    known = _proc_mb("VmHWM")
    if known is not None:
        return known
    try:
        import resource
    except ImportError:
        return 0.0
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1 << 20 if sys.platform == "darwin" else 1 << 10)


def _proc_mb(field: str) -> float | None:
    """A line of Linux' own account of this process."""
    try:
        with Path("/proc/self/status").open(encoding="ascii", errors="replace") as status:
            return next((int(line.split()[1]) / 1024 for line in status if line.startswith(field)), None)
    except OSError:
        return None


def _forget_peak() -> None:
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
