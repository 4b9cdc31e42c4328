"""Who asks, and in which request: known to everything that runs for a request, without being handed through it."""

from __future__ import annotations

from contextvars import ContextVar

ACTOR: ContextVar[str] = ContextVar("nearbeat_actor", default="local")
"""The name of the token that was shown."""
REQUEST: ContextVar[str] = ContextVar("nearbeat_request", default="-")
"""A request's random number, as its answer's ``X-Request-Id`` gives it."""
