"""How much comes in at a time: requests at work, bytes and seconds of each, refused while they arrive."""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections.abc import Callable

from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from retrieval.service.headers import STATIC, headers_for
from retrieval.service.metrics import Metrics
from retrieval.service.problems import told_to
from retrieval.service.settings import Limits, Settings
from retrieval.service.who import REQUEST

log = logging.getLogger("nearbeat.service")

LIGHT = ("/api/v1/health/", "/api/v1/metrics", "/api/v1/openapi.json", STATIC)
"""What costs nothing, and must answer most of all when the service is busy."""
API, JOBS = "/api/v1", "/api/v1/jobs"


class Envelope:
    """The outermost layer: each answer gets its headers and is counted; whatever fails inside leaves as a problem."""

    def __init__(self, app: ASGIApp, settings: Settings, metrics: Metrics) -> None:
        self.app, self.settings, self.metrics = app, settings, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        begun, status = time.perf_counter(), 0
        REQUEST.set(secrets.token_hex(8))
        own = headers_for(scope["path"], self.settings.secure)
        names = {name for name, _ in own}  # which no route may set

        async def out(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                kept = [pair for pair in message.get("headers", ()) if pair[0].lower() not in names]
                message["headers"] = [*kept, *own, (b"x-request-id", REQUEST.get().encode())]
            await send(message)

        try:
            await self.app(scope, receive, out)
        except Exception as error:
            log.exception("%s %s failed", scope["method"], _template(scope))
            if not status:
                await _failed(scope, error)(scope, receive, out)
        finally:
            self.metrics.count(scope["method"], _template(scope), status or 499, time.perf_counter() - begun)


class Flow:
    """Lets ``limits.at_once`` requests through, and of each only as many bytes and seconds as are allowed."""

    def __init__(self, app: ASGIApp, limits: Limits, metrics: Metrics) -> None:
        self.app, self.limits, self.metrics = app, limits, metrics
        self._at_work = self._streams = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, or say when to come again."""
        if scope["type"] != "http" or scope["path"].startswith(LIGHT):
            await self.app(scope, receive, send)
        elif scope["path"].startswith(JOBS) and scope["path"].endswith("/events"):
            await self._streamed(scope, receive, send)
        else:
            await self._worked(scope, receive, send)

    async def _streamed(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._streams >= self.limits.streams:
            sentence = "too many event streams are open; ask for the job itself"
            await told_to(scope, 503, "busy", sentence)(scope, receive, send)
            return
        self._streams += 1
        try:
            await self.app(scope, receive, send)
        finally:
            self._streams -= 1

    async def _worked(self, scope: Scope, receive: Receive, send: Send) -> None:
        most = self.limits.job_bytes if scope["path"].startswith(JOBS) else self.limits.body_bytes
        if self._at_work >= self.limits.at_once:
            sentence = "the service is busy with as many requests as it takes; try again in a moment"
            await told_to(scope, 503, "busy", sentence, _CLOSE)(scope, receive, send)
        elif _promised(scope) > most:
            await told_to(scope, 413, "too_large", _too_large(most), _CLOSE)(scope, receive, send)
        else:
            self._at_work += 1
            self.metrics.at_work.set(self._at_work)
            try:
                async with asyncio.timeout(self.limits.request_seconds):
                    await self.app(scope, limited(receive, most, self.limits.body_seconds), send)
            finally:
                self._at_work -= 1
                self.metrics.at_work.set(self._at_work)


_CLOSE = {"Connection": "close"}
"""What still comes of a refused request is not read."""


def limited(
    receive: Receive, most_bytes: int, seconds: float, clock: Callable[[], float] = time.monotonic
) -> Receive:
    """``receive`` that refuses a body while it arrives: with 413 over its size, with 408 after its time.

    FastAPI passes on an ``HTTPException`` that is raised while it reads a body, and none else.
    """
    until, got, whole = clock() + seconds, 0, False

    async def receive_some() -> Message:
        nonlocal got, whole
        if whole:
            return await receive()
        try:
            message = await asyncio.wait_for(receive(), max(0.0, until - clock()))
        except TimeoutError:
            raise HTTPException(408, f"the request did not arrive within {seconds:g} s", _CLOSE) from None
        if message["type"] == "http.request":
            got += len(message.get("body", b""))
            whole = not message.get("more_body", False)
            if got > most_bytes:
                raise HTTPException(413, _too_large(most_bytes), _CLOSE)
        return message

    return receive_some


def _failed(scope: Scope, error: Exception) -> Response:
    if isinstance(error, TimeoutError):
        return told_to(scope, 503, "busy", "the answer took too long; try again when the service is less busy")
    return told_to(scope, 500, "internal", "the service failed at this request; its log says why")


def _promised(scope: Scope) -> int:
    """The length that the header promises; 0 where it says none, and the bytes are counted as they come."""
    for name, value in scope["headers"]:
        if name == b"content-length" and value.isdigit():
            return int(value[:20])
    return 0


def _too_large(most: int) -> str:
    return f"the request is larger than {most:,} bytes, which is as much as this service takes"


def _template(scope: Scope) -> str:
    """The path of the route, so that what is counted and logged holds no id and no nonsense."""
    path = getattr(scope.get("route"), "path", "")
    inside = scope["path"].startswith(API) and path and not path.startswith(API)
    return (API + path if inside else path) or "other"
