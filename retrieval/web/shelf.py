"""What a visitor brought and was answered: in memory only, bounded in size and time, each visit by itself."""

from __future__ import annotations

import secrets
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Lock
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from index import Case
    from index.errors import NearBeatError
    from retrieval.answer import Answer
    from retrieval.evidence import Evidence
    from retrieval.intake import Intake
    from retrieval.web.asked import Asked

MINUTES = 30
"""After that long without a visit to it, an answer and its picture are forgotten."""
MAX_MB = 256
"""Of all visits together."""
MAX_ENTRIES = 40
"""Answers of one visit."""
SHOWN = "shown"
"""In an entry's memo, the picture that was made for the browser (``retrieval.web.showing.Shown``)."""
ANSWER_BYTES = 1_500_000
"""What an answer itself is reckoned at: ten cases with their waveforms, and the page."""


@dataclass(frozen=True)
class Entry:
    """One question of a visit and what came of it.

    ``answer`` and ``evidence`` are ``None`` where the ECG was refused; ``error`` then says why. ``case`` is the case
    of the gallery that was asked about, where it was one.
    """

    number: int
    asked: Asked
    intake: Intake | None = None
    answer: Answer | None = None
    evidence: Evidence | None = None
    error: NearBeatError | None = None
    case: Case | None = None
    memo: dict[str, Any] = field(default_factory=dict, compare=False, repr=False)
    """What was worked out from it once and is asked for again, such as its intervals."""


class Shelf:
    """The entries of all visits, the longest untouched first to go. Safe for threads.

    Args:
        minutes: how long an entry stays untouched.
        max_mb: of all entries; the oldest go when it is passed.
        clock: seconds that only ever grow.
    """

    def __init__(
        self, minutes: float = MINUTES, max_mb: float = MAX_MB, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.seconds, self.bytes, self._clock = minutes * 60, max_mb * 2**20, clock
        self._entries: OrderedDict[tuple[str, int], tuple[float, Entry]] = OrderedDict()
        self._numbers: OrderedDict[str, int] = OrderedDict()
        self._lock = Lock()

    def number(self, visit: str) -> int:
        """The next number of a visit, from 1."""
        with self._lock:
            self._numbers[visit] = self._numbers.get(visit, 0) + 1
            self._numbers.move_to_end(visit)
            while len(self._numbers) > 10_000:
                self._numbers.popitem(last=False)
            return self._numbers[visit]

    def put(self, visit: str, entry: Entry) -> None:
        """Keep an entry; older ones go where there is no room."""
        with self._lock:
            self._entries[visit, entry.number] = self._clock(), entry
            own = [key for key in self._entries if key[0] == visit]
            for key in own[:-MAX_ENTRIES]:
                del self._entries[key]
            self._tidy()

    def get(self, visit: str, number: int) -> Entry | None:
        """An entry of this visit, which counts as touched; ``None`` where it is no longer held."""
        with self._lock:
            self._tidy()
            found = self._entries.get((visit, number))
            if found is None:
                return None
            self._entries[visit, number] = self._clock(), found[1]
            self._entries.move_to_end((visit, number))
            return found[1]

    def of(self, visit: str) -> list[Entry]:
        """The entries of a visit that are held, the newest first."""
        with self._lock:
            self._tidy()
            own = [entry for (key, _), (_, entry) in self._entries.items() if key == visit]
        return sorted(own, key=lambda entry: -entry.number)

    def forget(self, visit: str) -> None:
        """Drop everything of a visit."""
        with self._lock:
            for key in [key for key in self._entries if key[0] == visit]:
                del self._entries[key]

    def _tidy(self) -> None:
        oldest = self._clock() - self.seconds
        for key, (touched, _) in list(self._entries.items()):
            if touched >= oldest:
                break
            del self._entries[key]
        while len(self._entries) > 1 and self._held() > self.bytes:
            self._entries.popitem(last=False)

    def _held(self) -> int:
        """Bytes of all entries; a picture that several of them share counts once."""
        uploads = {id(e.asked.upload): len(e.asked.upload.data) for _, e in self._entries.values() if e.asked.upload}
        shown = sum(len(e.memo[SHOWN].data) for _, e in self._entries.values() if e.memo.get(SHOWN) is not None)
        return ANSWER_BYTES * len(self._entries) + sum(uploads.values()) + shown


def new_visit() -> str:
    """A visit's secret name."""
    return secrets.token_urlsafe(24)
