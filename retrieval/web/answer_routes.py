"""The pages of an answer: the answer itself, the correction by hand, and further questions from it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from retrieval.errors import BadArgument, NearBeatError
from retrieval.web import asked as asking
from retrieval.web.asked import Asked
from retrieval.web.correcting import correct_values
from retrieval.web.forms import Sent, read_form
from retrieval.web.measures import measured, table_of
from retrieval.web.searching import ask
from retrieval.web.showing import shown
from retrieval.web.site import Site, Visitor, apart, from_elsewhere
from retrieval.web.templating import environment
from retrieval.web.views import answer_values, refused_values

if TYPE_CHECKING:
    from retrieval.web.shelf import Entry

AGAIN = ("refine", "correct", "like")


class AnswerRoutes:
    """The routes of a site that start from an answer."""

    def __init__(self, site: Site) -> None:
        self.site = site

    def add_to(self, router: APIRouter) -> None:
        """Put the routes on a router."""
        router.add_api_route("/answers/{number:int}", self.answer, methods=["GET"])
        router.add_api_route("/answers/{number:int}/measures", self.measures, methods=["GET"])
        router.add_api_route("/answers/{number:int}/correct", self.correct, methods=["GET"])
        router.add_api_route("/answers/{number:int}/{how}", self.again, methods=["POST"])

    async def answer(self, request: Request, number: int) -> Response:
        """An answer of this visit; with ``?measure=1`` with its intervals, for browsers without scripts."""
        visitor = self.site.visitor(request)
        entry = self.site.shelf.get(visitor.visit, number)
        if entry is None:
            return self.site.gone(request, visitor)
        measure = request.query_params.get("measure") == "1"
        return await apart(self._answer, request, visitor, entry, measure)

    async def measures(self, request: Request, number: int) -> Response:
        """The table of intervals alone."""
        visitor = self.site.visitor(request)
        entry = self.site.shelf.get(visitor.visit, number)
        if entry is None:
            return self.site.gone(request, visitor)
        table = await apart(self._measures, visitor, entry)
        template = environment().get_template("measures.html")
        return self.site.known(visitor, HTMLResponse(template.render(t=visitor.t, measures=table)))

    async def correct(self, request: Request, number: int) -> Response:
        """The page on which what was read is set right."""
        visitor = self.site.visitor(request)
        entry = self.site.shelf.get(visitor.visit, number)
        if entry is None or entry.asked.upload is None:
            return self.site.gone(request, visitor)
        return await apart(self._correct, request, visitor, entry)

    async def again(self, request: Request, number: int, how: str) -> Response:
        """A further question: with other filters or words, corrected by hand, or from a neighbour."""
        visitor = self.site.visitor(request)
        entry = self.site.shelf.get(visitor.visit, number)
        if from_elsewhere(request):
            return self.site.gone(request, visitor, "elsewhere", 403)
        if entry is None or how not in AGAIN:
            return self.site.gone(request, visitor)
        sent = Sent()
        try:
            sent = await read_form(request, asking.MAX_TEXT * 100)
            made = await apart(self._again, visitor, entry, sent, how)
        except NearBeatError as error:
            return await apart(self._problem, request, visitor, entry, sent, how, self.site.desk.plain(str(error)))
        return self.site.sent_on(visitor, made.number)

    def _correct(self, request: Request, visitor: Visitor, entry: Entry) -> Response:
        values = correct_values(entry, shown(self.site.desk, entry), visitor.t)
        return self.site.page(request, visitor, "correct.html", values)

    def _answer(self, request: Request, visitor: Visitor, entry: Entry, measure: bool, **more: Any) -> Response:
        if entry.answer is None:
            picture = shown(self.site.desk, entry) is not None
            values = refused_values(entry, picture, visitor.t, self.site.desk.plain(str(entry.error)))
            return self.site.page(request, visitor, "refused.html", values, 422)
        values = answer_values(entry, visitor.t)
        values["measures"] = self._measures(visitor, entry) if measure else None
        values |= {"choices": self.site.choices(visitor.t), "ks": asking.K_CHOICES, "problem": "", **more}
        return self.site.page(request, visitor, "answer.html", values, 422 if more.get("problem") else 200)

    def _problem(
        self, request: Request, visitor: Visitor, entry: Entry, sent: Sent, how: str, problem: str
    ) -> Response:
        """The page from which something came that cannot be used, with what was typed and what is wrong."""
        here = f"/answers/{entry.number}"
        if how == "correct":
            values = correct_values(entry, shown(self.site.desk, entry), visitor.t, sent.fields)
            values |= {"problem": problem, "here": f"{here}/correct"}
            return self.site.page(request, visitor, "correct.html", values, 422)
        given = asking.filters_of(sent.fields) if how == "refine" else entry.asked.filters
        return self._answer(request, visitor, entry, False, problem=problem, given=given, here=here)

    def _measures(self, visitor: Visitor, entry: Entry) -> dict[str, Any]:
        return table_of(entry, measured(entry), visitor.t)

    def _again(self, visitor: Visitor, entry: Entry, sent: Sent, how: str) -> Entry:
        made = ask(self.site.desk, _asked_again(entry.asked, sent, how), 0, entry)
        made = replace(made, number=self.site.shelf.number(visitor.visit))
        self.site.shelf.put(visitor.visit, made)
        return made


def _asked_again(before: Asked, sent: Sent, how: str) -> Asked:
    form = sent.fields
    if how == "like":
        case_id = (form.get("case_id") or [""])[0]
        if not case_id:
            raise BadArgument("no case was named that the nearest are to be like")
        return Asked("case", case_id=case_id, k=before.k, filters=before.filters)
    if how == "correct":
        page = asking.page_of(form) or before.page
        upload = None if before.upload is None else asking.declared_in(form, before.upload)
        return replace(before, upload=upload, correction=asking.correction_of(form), page=page)
    text = asking.first(form, "text") if before.kind != "case" else ""
    return asking.chosen_in(replace(before, text=text), form)
