"""A connection that never sends a whole request is closed: uvicorn alone would keep it, and its place, for ever."""

from __future__ import annotations

import asyncio

from uvicorn.protocols.http.h11_impl import H11Protocol

SECONDS = 15.0
"""Between two looks at a connection; one that stood idle, or in the middle of its headers, at both is closed."""


class PatientProtocol(H11Protocol):
    """Uvicorn's protocol of a connection with an end to its patience."""

    _timer: asyncio.TimerHandle | None = None
    _seen: object = ()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        """Begin to look."""
        super().connection_made(transport)
        self._timer = self.loop.call_later(SECONDS, self._look)

    def connection_lost(self, exc: Exception | None) -> None:
        """End it."""
        if self._timer is not None:
            self._timer.cancel()
        super().connection_lost(exc)

    def _look(self) -> None:
        idle = self.cycle is None or self.cycle.response_complete
        if idle and self._seen is self.cycle:
            self.transport.close()
            return
        self._seen = self.cycle if idle else ()
        self._timer = self.loop.call_later(SECONDS, self._look)
