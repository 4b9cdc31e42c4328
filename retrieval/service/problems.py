"""Errors as the API tells them, ``{"error": {"kind", "message"}}`` with a fitting status: no trace, no path."""

from __future__ import annotations

import html
import logging
import re
from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, JSONResponse, Response
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import Scope

from index.errors import BadSearch, GalleryBusy, GalleryError, UnknownCase
from retrieval.errors import BadInput, ExtraMissing, NearBeatError, TooLarge, UnsupportedFormat
from retrieval.service.desk import Desk

log = logging.getLogger("nearbeat.service")

RETRY_SECONDS = 2
_FAILED = "the service failed at this request; its log says why"
_AWAY = "the gallery cannot be searched at present; the log of the service says why"
"""What is told of what only the operator can mend; the sentence itself names folders."""
_STATUS: tuple[tuple[type[NearBeatError], int], ...] = (
    (TooLarge, 413),
    (UnsupportedFormat, 415),
    (UnknownCase, 404),
    (BadSearch, 422),
    (BadInput, 422),
    (ExtraMissing, 501),
    (GalleryBusy, 503),
    (GalleryError, 503),
)
"""The first that fits."""
_KINDS = {
    400: "bad_request",
    401: "token_needed",
    403: "forbidden",
    404: "not_found",
    405: "method_not_allowed",
    408: "too_slow",
    413: "too_large",
    421: "wrong_host",
    503: "busy",
}


class Refused(Exception):  # it is a refusal
    """A request that is refused for what it is, not for what its file holds."""

    def __init__(self, status: int, kind: str, message: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.status, self.kind, self.headers = status, kind, dict(headers or {})


class MissingJob(NearBeatError):
    """No job of that id is there, or it is another's."""

    kind = "unknown_job"


def status_of(error: NearBeatError) -> int:
    """The HTTP status of an error; 500 for those that are nobody's but the service's."""
    if isinstance(error, MissingJob):
        return 404
    return next((status for kind, status in _STATUS if isinstance(error, kind)), 500)


def problem(status: int, kind: str, message: str, headers: Mapping[str, str] | None = None) -> JSONResponse:
    """The one form of an error."""
    return JSONResponse(error_json(kind, message), status, headers={**_later(status), **(headers or {})})


def _later(status: int) -> dict[str, str]:
    return {"Retry-After": str(RETRY_SECONDS)} if status == 503 else {}


def error_json(kind: str, message: str) -> dict[str, Any]:
    """The error as an object; letters that are none become question marks."""
    return {"error": {"kind": kind, "message": message.encode("utf-8", "replace").decode()}}


def add_handlers(app: FastAPI, desk: Desk) -> None:
    """Turn whatever a route raises into a problem, or into a plain page for who reads HTML."""

    def own(request: Request, error: Exception) -> Response:
        if not isinstance(error, NearBeatError):
            raise error
        status = status_of(error)
        message = desk.plain(str(error))
        if status in (500, 503):
            log.error("%s: %s", error.kind, error)
            message = _FAILED if status == 500 else _AWAY
        return told_to(request.scope, status, error.kind, message)

    def refused(request: Request, error: Exception) -> Response:
        if not isinstance(error, Refused):
            raise error
        return told_to(request.scope, error.status, error.kind, str(error), error.headers)

    def invalid(request: Request, error: Exception) -> Response:
        return told_to(request.scope, 400, "bad_argument", _first_of(error))

    def http(request: Request, error: Exception) -> Response:
        if not isinstance(error, HTTPException):
            raise error
        kind = _KINDS.get(error.status_code, "bad_request")
        allowed = methods_of(request.app, request.url.path) if error.status_code == 405 else ""
        headers = {**(error.headers or {}), **({"Allow": allowed} if allowed else {})}
        return told_to(request.scope, error.status_code, kind, str(error.detail), headers)

    app.add_exception_handler(NearBeatError, own)
    app.add_exception_handler(Refused, refused)
    app.add_exception_handler(RequestValidationError, invalid)
    app.add_exception_handler(HTTPException, http)


def methods_of(app: FastAPI, path: str) -> str:
    """What a path of the API can be asked by, as ``Allow`` wants it; empty for a path that is not described."""
    for template, known in app.openapi()["paths"].items():
        places = re.sub(r"\\{case_id\\}", ".+", re.escape(template))
        if re.fullmatch(re.sub(r"\\{\w+\\}", "[^/]+", places), path):
            return ", ".join(sorted(method.upper() for method in known))
    return ""


def wants_page(method: str, path: str, accept: str) -> bool:
    """Whether a person with a browser asks, and not a program."""
    return not path.startswith("/api/") and method in ("GET", "HEAD", "POST") and "text/html" in accept


def page(status: int, message: str, headers: Mapping[str, str] | None = None) -> HTMLResponse:
    """An error as a page of one sentence, without script or style."""
    text = html.escape(message)
    body = (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>NearBeat</title>'
        f'<main><h1>NearBeat</h1><p role="alert">{text}</p><p><a href="/">Back</a></p></main></html>'
    )
    return HTMLResponse(body, status, headers={**_later(status), **(headers or {})})


def told_to(scope: Scope, status: int, kind: str, message: str, headers: Mapping[str, str] | None = None) -> Response:
    """An error as whoever asked can read it: a page for a person, a problem for a program."""
    if wants_page(scope["method"], scope["path"], Headers(scope=scope).get("accept", "")):
        return page(status, message, headers)
    return problem(status, kind, message, headers)


def _first_of(error: Exception) -> str:
    """The first thing that is wrong with a request, in a sentence that repeats at most 100 letters of it."""
    if not isinstance(error, RequestValidationError) or not error.errors():
        return "the request cannot be read"
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"][1:]) or str(first["loc"][0])
    given = first.get("input")
    shown = f" (given: {str(given)[:100]!r})" if isinstance(given, str | int | float) else ""
    return f"{where[:100]}: {first['msg']}{shown}"
