"""Sessions of browsers: after one login with a token, a cookie that no script can read stands for it.

The cookie holds random bits and not the token. Sessions live in memory: a restart asks for the token again.
"""

from __future__ import annotations

import hashlib
import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

COOKIE = "nearbeat_session"
HOURS = 12
MOST = 1000
"""Sessions that are kept; the oldest goes first."""


@dataclass(frozen=True)
class _Session:
    name: str
    until: float


class Sessions:
    """Who is logged in by which cookie."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock, self._lock = clock, threading.Lock()
        self._open: OrderedDict[str, _Session] = OrderedDict()

    def begin(self, name: str) -> str:
        """Begin a session for the token of that name; the value of its cookie."""
        value = secrets.token_urlsafe(32)
        with self._lock:
            self._open[_digest(value)] = _Session(name, self._clock() + 3600 * HOURS)
            while len(self._open) > MOST:
                self._open.popitem(last=False)
        return value

    def name_of(self, value: str) -> str | None:
        """Whose session a cookie stands for."""
        with self._lock:
            session = self._open.get(_digest(value))
            if session is not None and session.until < self._clock():
                del self._open[_digest(value)]
                return None
        return None if session is None else session.name

    def end(self, value: str) -> None:
        """Log out."""
        with self._lock:
            self._open.pop(_digest(value), None)


def _digest(value: str) -> str:
    """Looking up by hash tells nothing, by its time, about values that are close."""
    return hashlib.sha256(value.encode("utf-8", "replace")).hexdigest()
