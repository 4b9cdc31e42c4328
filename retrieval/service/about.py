"""The routes about the service itself: health, metrics, and the session of a browser."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from retrieval.service.guard import cookie
from retrieval.service.headers import STATIC
from retrieval.service.metrics import CONTENT_TYPE
from retrieval.service.parts import DeskOf, Reading, SettingsOf, as_json, problems
from retrieval.service.problems import Refused
from retrieval.service.sessions import COOKIE, HOURS, Sessions
from retrieval.service.settings import Settings
from retrieval.service.shapes import HealthShape
from retrieval.service.who import ACTOR
from retrieval.web.templating import mark

router = APIRouter(tags=["service"])
doors = APIRouter(include_in_schema=False)
"""The page to log in at, for browsers."""

TokenForm = Annotated[str, Form(min_length=1, max_length=200, description="A token of nearbeat token add.")]
LOGIN = """<!doctype html><html lang="{language}"><head><meta charset="utf-8"><title>NearBeat: {log_in}</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="stylesheet" href="{style}"></head><body><main><h1>NearBeat</h1>{said}
<form method="post" action="/login"><p><label for="token">{token}</label></p>
<p><input id="token" name="token" type="password" autocomplete="current-password" required autofocus></p>
<p><button type="submit">{log_in}</button></p></form><p>{how}</p><p>{notice}</p></main></body></html>"""
WORDS = {
    "en": {
        "log_in": "Log in",
        "token": "Token",
        "how": "Whoever runs this service makes tokens with <code>nearbeat token add</code>.",
        "notice": "Research software, not a diagnosis.",
        "wrong": "This token is not known here, or was revoked.",
    },
    "de": {
        "log_in": "Anmelden",
        "token": "Zugangstoken",
        "how": "Wer diesen Dienst betreibt, stellt Token mit <code>nearbeat token add</code> aus.",
        "notice": "Forschungssoftware, keine Diagnose.",
        "wrong": "Dieses Token ist hier unbekannt oder wurde zurückgezogen.",
    },
}


@router.get("/health/live", response_model=HealthShape, responses=problems())
async def live() -> Response:
    """Answer, and so say that the process lives."""
    return as_json({"status": "live"})


@router.get(
    "/health/ready",
    response_model=HealthShape,
    responses={**problems(), 503: {"model": HealthShape, "description": "It is warming up."}},
)
async def ready(desk: DeskOf) -> Response:
    """Say whether a first request would be answered at once."""
    return as_json({"status": "ready" if desk.ready else "warming"}, 200 if desk.ready else 503)


@router.get(
    "/metrics",
    response_class=Response,
    responses={
        **problems(),
        200: {"content": {"text/plain": {"schema": {"type": "string"}}}, "description": "Figures."},
    },
)
def metrics(request: Request, actor: Reading) -> Response:
    """Give figures for Prometheus."""
    return Response(request.app.state.metrics.text(), media_type=CONTENT_TYPE)


@router.post("/session", status_code=204, response_class=Response, responses=problems(408, 413))
def log_in(request: Request, settings: SettingsOf, token: TokenForm) -> Response:
    """Begin a session of a browser: a cookie that no script can read takes the place of the token."""
    return _begun(request, settings, token, Response(status_code=204))


@router.delete("/session", status_code=204, response_class=Response, responses=problems())
def log_out(request: Request) -> Response:
    """End it."""
    return _ended(request, Response(status_code=204))


@doors.get("/login")
async def login_page(request: Request) -> Response:
    """Ask for a token."""
    return _login_page(request)


@doors.post("/login")
def login(
    request: Request, settings: SettingsOf, token: Annotated[str, Form(max_length=200)] = ""
) -> Response:  # nothing given
    """Take it, and go on to the pages."""
    try:
        return _begun(request, settings, token.strip(), RedirectResponse("/", 303))
    except Refused as refusal:
        return _login_page(request, refusal.status)


@doors.post("/logout")
def logout(request: Request) -> Response:
    """End the session and ask for a token again."""
    return _ended(request, RedirectResponse("/login", 303))


def _login_page(request: Request, status: int = 200) -> Response:
    language = "de" if request.headers.get("accept-language", "").lower().startswith("de") else "en"
    words = WORDS[language]
    said = "" if status == 200 else f'<p role="alert">{words["wrong"]}</p>'
    return HTMLResponse(
        LOGIN.format(language=language, said=said, style=f"{STATIC}{mark()}/base.css", **words), status
    )


def _begun(request: Request, settings: Settings, token: str, response: Response) -> Response:
    sessions: Sessions = request.app.state.sessions
    if settings.tokens is None:
        return response
    actor = settings.tokens.actor_of(token)
    if actor is None:
        raise Refused(401, "token_needed", "this token is not known here, or was revoked")
    if settings.log is not None:
        ACTOR.set(actor.name)  # until here it was nobody
        settings.log.append("login")
    response.set_cookie(
        COOKIE,
        sessions.begin(actor.name),
        max_age=3600 * HOURS,
        httponly=True,
        secure=settings.secure,
        samesite="strict",
    )
    return response


def _ended(request: Request, response: Response) -> Response:
    sessions: Sessions = request.app.state.sessions
    sessions.end(cookie(request.headers))
    response.delete_cookie(COOKIE, httponly=True, samesite="strict")
    return response
