"""What every page has: the visitor and their language, and the frame around the page."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from retrieval.web.language import LANGUAGES, NAMES, Words, choose, table
from retrieval.web.shelf import MINUTES, Shelf, new_visit
from retrieval.web.templating import environment

if TYPE_CHECKING:
    from index import GalleryInfo
    from retrieval.service.desk import Desk
    from retrieval.service.settings import Settings

VISIT, LANGUAGE = "nearbeat_visit", "nearbeat_language"
YEAR = 365 * 86_400


@dataclass(frozen=True)
class Visitor:
    """Who asks: the visit's secret name, whether it is new, and the words of their language."""

    visit: str
    new: bool
    t: Words
    chosen: bool


class Site:
    """The desk, what visits hold, and how pages are made of both."""

    def __init__(self, desk: Desk, settings: Settings, shelf: Shelf | None = None) -> None:
        self.desk, self.settings, self.shelf = desk, settings, shelf or Shelf()

    @property
    def most_bytes(self) -> int:
        """Of a form."""
        return self.settings.limits.body_bytes

    def visitor(self, request: Request) -> Visitor:
        """Who asks, by their cookies."""
        visit = request.cookies.get(VISIT, "")
        known = 20 <= len(visit) <= 64 and visit.isascii()
        asked = request.query_params.get("lang")
        language = choose(asked, request.cookies.get(LANGUAGE), request.headers.get("accept-language"))
        return Visitor(visit if known else new_visit(), not known, Words(language), asked in LANGUAGES)

    def info(self) -> GalleryInfo:
        """The facts about the gallery."""
        return self.desk.info()

    def choices(self, t: Words) -> list[tuple[str, str, int]]:
        """The statements of the gallery with their words and numbers of cases, by their words."""
        counts = self.desk.engine.statement_counts()
        return sorted(((code, t.statement(code), n) for code, n in counts.items()), key=lambda one: one[1].casefold())

    def page(
        self, request: Request, visitor: Visitor, template: str, values: Mapping[str, Any], status: int = 200
    ) -> Response:
        """A page in the visitor's language."""
        script = {
            key.partition(".")[2]: text for key, text in table(visitor.t.language).items() if key[:7] == "script."
        }
        text = (
            environment()
            .get_template(template)
            .render(
                t=visitor.t,
                languages=NAMES,
                here=values.get("here") or request.url.path,
                minutes=MINUTES,
                asks_token=not self.settings.open,
                script_words=json.dumps({"language": visitor.t.language, **script}),
                **{key: value for key, value in values.items() if key != "here"},
            )
        )
        return self.known(visitor, HTMLResponse(text, status))

    def gone(self, request: Request, visitor: Visitor, about: str = "gone", status: int = 404) -> Response:
        """A page that says that something is not, or no longer, here."""
        values = {"title": f"{about}.title", "text": f"{about}.text", "here": "/"}
        return self.page(request, visitor, "gone.html", values, status)

    def sent_on(self, visitor: Visitor, number: int) -> Response:
        """To the page of an answer; a page that was posted is not posted again by going back."""
        return self.known(visitor, RedirectResponse(f"/answers/{number}", 303))

    def known(self, visitor: Visitor, response: Response) -> Response:
        """The response with the visitor's cookies, kept by no cache."""
        response.headers["cache-control"] = "no-store"
        response.headers["vary"] = "cookie, accept-language"
        secure = self.settings.secure
        if visitor.new:
            response.set_cookie(VISIT, visitor.visit, httponly=True, samesite="strict", secure=secure)
        if visitor.chosen:
            response.set_cookie(
                LANGUAGE, visitor.t.language, max_age=YEAR, httponly=True, samesite="lax", secure=secure
            )
        return response


def from_elsewhere(request: Request) -> bool:
    """Whether another site's page sent this form, which none has a reason to."""
    site = request.headers.get("sec-fetch-site")
    if site is not None:
        return site not in ("same-origin", "none")
    origin = request.headers.get("origin")
    return origin is not None and origin.partition("://")[2] != request.headers.get("host", "")


async def apart(work: Any, *args: Any) -> Any:
    """Do work that takes a while on another thread, so that others are answered meanwhile."""
    return await run_in_threadpool(work, *args)
