"""Where output goes: results to stdout, progress and remarks to stderr."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console

LINE_SECONDS = 10.0
"""Where no terminal can show a bar, a line of progress comes at most that often."""
_quiet: ContextVar[bool] = ContextVar("quiet", default=False)


@contextmanager
def hushed(quiet: bool) -> Iterator[None]:
    """Within the block, no progress and no remarks where ``quiet``; errors are said in each case."""
    token = _quiet.set(quiet or _quiet.get())
    try:
        yield
    finally:
        _quiet.reset(token)


def out() -> Console:
    """A console on stdout, made when asked for, so that a test's capture is seen."""
    return _console(stderr=False)


def err() -> Console:
    """A console on stderr."""
    return _console(stderr=True)


def say(sentence: str) -> None:
    """One sentence on stderr that stands even where it shall be quiet, such as an error; without markup."""
    sys.stderr.write(sentence + "\n")
    sys.stderr.flush()


def remark(sentence: str) -> None:
    """One sentence on stderr that a command can do without, such as where a file was written."""
    if not _quiet.get():
        say(sentence)


def print_json(value: Mapping[str, Any]) -> None:
    """One object on one line of stdout; plain ASCII, so that no terminal or pipe garbles it."""
    sys.stdout.write(json.dumps(value, allow_nan=False) + "\n")
    sys.stdout.flush()


@contextmanager
def progress_bar(what: str) -> Iterator[Callable[[int, int], None]]:
    """A bar on stderr; the block gets a function that takes (done, all).

    Where stderr is no terminal, a line every ``LINE_SECONDS`` and one at the end; where it shall be quiet, nothing.
    """
    if _quiet.get():
        yield lambda done, total: None
    elif not sys.stderr.isatty():
        yield from _lines(what)
    else:
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        with Progress(*columns, console=err(), transient=False) as bar:
            task = bar.add_task(what, total=None)
            yield lambda done, total: bar.update(task, completed=done, total=total)


def _lines(what: str) -> Iterator[Callable[[int, int], None]]:
    """Progress for a log: a bar would fill it."""
    last, told, now = time.monotonic(), (0, 0), (0, 0)

    def progress(done: int, total: int) -> None:
        nonlocal last, told, now
        now = (done, total)
        if time.monotonic() - last >= LINE_SECONDS:
            last, told = time.monotonic(), now
            say(f"{what}: {done}/{total}")

    yield progress
    if now != told:
        say(f"{what}: {now[0]}/{now[1]}")


def _console(stderr: bool) -> Console:
    from rich.console import Console

    class Piped(Console):
        """Lets a closed pipe be seen where all of them are: ``retrieval.app.main``."""

        def on_broken_pipe(self) -> None:
            raise BrokenPipeError

    return Piped(file=sys.stderr if stderr else sys.stdout, highlight=False, stderr=stderr)
