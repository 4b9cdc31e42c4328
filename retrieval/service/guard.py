"""Who may come in: the host that was asked for, the page that sent the request, and the token that was shown."""

from __future__ import annotations

from collections.abc import Mapping
from http.cookies import CookieError, SimpleCookie
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from retrieval.errors import NearBeatError
from retrieval.service.headers import STATIC
from retrieval.service.problems import Refused, told_to, wants_page
from retrieval.service.sessions import COOKIE, Sessions
from retrieval.service.settings import Settings
from retrieval.service.tokens import LOCAL, Actor
from retrieval.service.who import ACTOR

PUBLIC = frozenset(
    {
        "/login",
        "/favicon.ico",
        "/api/v1/health/live",
        "/api/v1/health/ready",
        "/api/v1/openapi.json",
        "/api/v1/session",
    }
)
"""What needs no token: it tells nothing of the gallery."""
SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
OWN_SITE = frozenset({"same-origin", "none"})
"""Values of Sec-Fetch-Site of our own pages, and of what the user typed or opened."""


class Guard:
    """Lets a request through to ``app`` with ``request.state.actor`` set, or answers it here."""

    def __init__(self, app: ASGIApp, settings: Settings, sessions: Sessions) -> None:
        self.app, self.settings, self.sessions = app, settings, sessions

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Check one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        try:
            check_host(headers.get("host", ""), self.settings.names)
            check_site(scope["method"], scope["path"], headers)
            actor = self._actor(headers, scope["path"])
        except Refused as refusal:
            await self._turn_away(refusal, scope, headers)(scope, receive, send)
            return
        scope.setdefault("state", {})["actor"] = actor
        ACTOR.set(actor.name if actor else "nobody")
        await self.app(scope, receive, send)

    def _actor(self, headers: Headers, path: str) -> Actor | None:
        tokens = self.settings.tokens
        if tokens is None:
            return LOCAL
        shown = bearer(headers.get("authorization"))
        try:
            if shown is not None:
                actor = tokens.actor_of(shown)
            else:
                name = self.sessions.name_of(cookie(headers))
                actor = None if name is None else tokens.actor_named(name)
        except NearBeatError as error:
            raise Refused(
                503, "busy", "tokens cannot be checked at present; the log of the service says why"
            ) from error
        if actor is None and (shown is not None or not is_public(path)):
            message = "this token is not known here, or was revoked" if shown is not None else "a token is needed"
            raise Refused(
                401, "token_needed", f"{message}; nearbeat token add makes one", {"WWW-Authenticate": "Bearer"}
            )
        return actor

    def _turn_away(self, refusal: Refused, scope: Scope, headers: Headers) -> Response:
        if refusal.status == 401 and wants_page(scope["method"], scope["path"], headers.get("accept", "")):
            return RedirectResponse("/login", 303)
        return told_to(scope, refusal.status, refusal.kind, str(refusal), refusal.headers)


def is_public(path: str) -> bool:
    """Whether a path is served to anyone."""
    return path in PUBLIC or path.startswith(STATIC)


def check_host(host: str, names: frozenset[str]) -> None:
    """Refuse a request that was sent to a name that is not this service's.

    Raises:
        Refused: with 421.
    """
    name = _parts(f"//{host}")[0] if not set(host) & set("/\\@?# ") else ""
    if not name or (names and name not in names):
        raise Refused(421, "wrong_host", "the service is not known under the name that was asked for")


def check_site(method: str, path: str, headers: Mapping[str, str]) -> None:
    """Refuse what another site's page sends with this user's cookie or from this user's machine.

    Browsers say where a request comes from, by Sec-Fetch-Site or at least by Origin; programs say nothing.

    Raises:
        Refused: with 403.
    """
    site, origin = headers.get("sec-fetch-site"), headers.get("origin")
    changes = method not in SAFE
    if site is not None:
        foreign = site not in OWN_SITE and (changes or path.startswith("/api/"))
    else:
        foreign = changes and origin is not None and _parts(origin)[1] != headers.get("host", "").lower()
    if foreign:
        raise Refused(403, "foreign_site", "the request was sent by a page of another site")


def bearer(authorization: str | None) -> str | None:
    """The token of an ``Authorization: Bearer`` header; empty for a header of another kind."""
    if authorization is None:
        return None
    kind, _, token = authorization.partition(" ")
    return token.strip() if kind.lower() == "bearer" else ""


def cookie(headers: Mapping[str, str]) -> str:
    """The session's cookie, empty without one."""
    try:
        found = SimpleCookie(headers.get("cookie", "")).get(COOKIE)
    except CookieError:
        return ""
    return found.value if found else ""


def _parts(url: str) -> tuple[str, str]:
    """Host name and authority of an address, in small letters; empty where it is none."""
    try:
        found = urlsplit(url)
        return found.hostname or "", found.netloc.lower()
    except ValueError:  # an IPv6 address that never closes
        return "", ""
