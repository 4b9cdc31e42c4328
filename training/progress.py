"""What a run tells the terminal: bars with the time left, and a line for each result."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

SMOOTHING = 0.95
LINE_SECONDS = 60.0
"""Where the output is a file and no terminal, the losses are told this often."""


class Told:
    """Progress on stderr. In a log file there are lines instead of bars."""

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or Console(stderr=True)

    def line(self, text: str) -> None:
        """One line."""
        self.console.print(text, highlight=False)

    @contextmanager
    def busy(self, what: str) -> Iterator[None]:
        """Something of unknown length."""
        with self.console.status(what):
            yield

    @contextmanager
    def bar(self, what: str, total: int, done: int = 0) -> Iterator[Callable[[int], None]]:
        """A bar; the callable that it gives advances it."""
        with self._progress() as progress:
            task = progress.add_task(what, total=total, completed=done)
            yield lambda count: progress.advance(task, count)

    @contextmanager
    def epoch(
        self, stage: str, epoch: int, epochs: int, steps: int, done: int
    ) -> Iterator[Callable[[dict[str, float]], None]]:
        """The bar of an epoch; the callable takes the losses of a step."""
        smooth: dict[str, float] = {}
        title = f"{stage} {epoch + 1}/{epochs}"
        with self._progress() as progress:
            task = progress.add_task(title, total=steps, completed=done)
            later = steps * (epochs - epoch - 1)
            start = told = time.monotonic()
            taken = 0

            def show(parts: dict[str, float]) -> None:
                nonlocal told, taken
                taken += 1
                for name, value in parts.items():
                    smooth[name] = SMOOTHING * smooth.get(name, value) + (1 - SMOOTHING) * value
                losses = " ".join(f"{name} {value:.3f}" for name, value in smooth.items())
                now = time.monotonic()
                pace = (now - start) / taken / 60
                left = f"{(steps - done - taken + later) * pace:.1f} min left in the stage"
                progress.update(task, advance=1, description=f"{title} {losses}, {left}")
                if not self.console.is_terminal and now - told > LINE_SECONDS:
                    told = now
                    self.line(f"{title} step {done + taken}/{steps} {losses}, {left}")

            yield show

    def _progress(self) -> Progress:
        return Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=self.console,
            disable=not self.console.is_terminal,
        )
