"""How long a file may still be read: a look that could not be finished in time is not begun.

A reader that is stopped says nothing of a page that it has half understood. Which looks there is time for depends on
the machine; without a limit, as in ``retrieval.intake.read``, there is time for each.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

AFTERWARDS = 0.1
"""Share of the time that is left for what comes after the last look: tracing, drawing, the answer."""


class Patience:
    """Counts the time that a file has taken, and the longest look at a picture of it.

    Args:
        seconds: limit for the file. What counts is the processor's time, of which other programs take nothing, or the
            clock's where two threads are quicker.

    Attributes:
        missed: looks that there was no time for.
    """

    def __init__(self, seconds: float = math.inf) -> None:
        self.seconds = seconds
        self.begin()
        self._clock, self._processor = time.monotonic(), time.process_time()

    def begin(self) -> None:
        """Each page of a file is a picture of its own, with a first look that is always taken."""
        self.missed = 0
        self._longest = 0.0

    @property
    def spent(self) -> float:
        """Seconds so far."""
        return min(time.monotonic() - self._clock, time.process_time() - self._processor)

    def for_another(self) -> bool:
        """Whether a look as long as the longest so far would be finished in time; counts it as missed where not.

        There is time for the first of each picture: without it nothing could be said at all.
        """
        enough = not self._longest or self.spent + self._longest <= (1.0 - AFTERWARDS) * self.seconds
        self.missed += not enough
        return enough

    @contextmanager
    def look(self) -> Iterator[None]:
        """What is done inside is one look."""
        begun = self.spent
        try:
            yield
        finally:
            self._longest = max(self._longest, self.spent - begun)


_patience: ContextVar[Patience | None] = ContextVar("patience", default=None)


def patience() -> Patience:
    """What ``limited`` has set, or one without an end."""
    return _patience.get() or Patience()


@contextmanager
def limited(seconds: float) -> Iterator[None]:
    """Files that are read inside have that many seconds from now on."""
    token = _patience.set(Patience(seconds))
    try:
        yield
    finally:
        _patience.reset(token)
