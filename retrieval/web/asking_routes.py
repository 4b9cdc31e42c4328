"""Where a visitor asks: the first page, the search itself, examples, and what was asked in this visit."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from retrieval.errors import BadArgument, NearBeatError
from retrieval.web import asked as asking
from retrieval.web.asked import Asked, Filters
from retrieval.web.examples import EXAMPLES, SENTENCES, example_upload
from retrieval.web.forms import Sent, read_form
from retrieval.web.searching import ask
from retrieval.web.site import Site, Visitor, apart, from_elsewhere
from retrieval.web.views import history_rows

if TYPE_CHECKING:
    from retrieval.web.shelf import Entry


class AskingRoutes:
    """The routes of a site by which something is asked."""

    def __init__(self, site: Site) -> None:
        self.site = site

    def add_to(self, router: APIRouter) -> None:
        """Put the routes on a router."""
        router.add_api_route("/", self.home, methods=["GET"])
        router.add_api_route("/search", self.search, methods=["POST"])
        router.add_api_route("/search", self.home_instead, methods=["GET"])
        router.add_api_route("/examples/{name}", self.example, methods=["POST"])
        router.add_api_route("/history", self.history, methods=["GET"])
        router.add_api_route("/forget", self.forget, methods=["POST"])

    async def home(self, request: Request) -> Response:
        """The first page."""
        visitor = self.site.visitor(request)
        return await apart(self._home, request, visitor, Sent(), "", 200)

    async def home_instead(self, request: Request) -> Response:
        """The first page for who loads the address of a search again."""
        return RedirectResponse("/", 303)

    async def search(self, request: Request) -> Response:
        """An ECG or a sentence, sent from the first page."""
        visitor, sent = self.site.visitor(request), Sent()
        if from_elsewhere(request):
            return self.site.gone(request, visitor, "elsewhere", 403)
        try:
            sent = await read_form(request, self.site.most_bytes)
            entry = await apart(self._asked, visitor, sent)
        except NearBeatError as error:
            return await apart(self._home, request, visitor, sent, self.site.desk.plain(str(error)), 422)
        return self.site.sent_on(visitor, entry.number)

    async def example(self, request: Request, name: str) -> Response:
        """A simulated ECG, as if it had been brought."""
        visitor = self.site.visitor(request)
        if from_elsewhere(request):
            return self.site.gone(request, visitor, "elsewhere", 403)
        if name not in EXAMPLES:
            return self.site.gone(request, visitor)
        entry = await apart(self._example, visitor, name)
        return self.site.sent_on(visitor, entry.number)

    async def history(self, request: Request) -> Response:
        """What was asked in this visit."""
        visitor = self.site.visitor(request)
        rows = history_rows(self.site.shelf.of(visitor.visit), visitor.t)
        return self.site.page(request, visitor, "history.html", {"rows": rows})

    async def forget(self, request: Request) -> Response:
        """Drop all that this visit holds."""
        visitor = self.site.visitor(request)
        if from_elsewhere(request):
            return self.site.gone(request, visitor, "elsewhere", 403)
        self.site.shelf.forget(visitor.visit)
        return self.site.known(visitor, RedirectResponse("/history", 303))

    def _home(self, request: Request, visitor: Visitor, sent: Sent, problem: str, status: int) -> Response:
        given = asking.filters_of(sent.fields)
        values: dict[str, Any] = {
            "here": "/",
            "info": self.site.info(),
            "problem": problem,
            "text": asking.first(sent.fields, "text"),
            "given": given,
            "opened": given != Filters(),
            "choices": self.site.choices(visitor.t),
            "ks": asking.K_CHOICES,
            "k": 10,
            "examples": list(EXAMPLES),
            "sentences": SENTENCES[visitor.t.language],
        }
        return self.site.page(request, visitor, "home.html", values, status)

    def _asked(self, visitor: Visitor, sent: Sent) -> Entry:
        form, upload = sent.fields, sent.upload()
        text = asking.first(form, "text")
        if upload is None and not text:
            raise BadArgument("there is nothing to search for yet: choose a file, or write a finding")
        asked = Asked("text" if upload is None else "ecg", upload, text=text)
        return self._kept(visitor, asking.chosen_in(asked, form))

    def _example(self, visitor: Visitor, name: str) -> Entry:
        return self._kept(visitor, Asked("ecg", example_upload(name), example=name))

    def _kept(self, visitor: Visitor, asked: Asked) -> Entry:
        entry = ask(self.site.desk, asked, 0)
        entry = replace(entry, number=self.site.shelf.number(visitor.visit))
        self.site.shelf.put(visitor.visit, entry)
        return entry
