"""What pages load: style sheets and scripts, pictures and traces of an answer, and answers to keep."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response

from retrieval.web.drawing import drawing_of
from retrieval.web.showing import shown
from retrieval.web.site import Site, Visitor, apart
from retrieval.web.templating import KINDS, asset
from retrieval.web.traces import ecg_of, traces_json

if TYPE_CHECKING:
    from retrieval.web.shelf import Entry


class FileRoutes:
    """The routes of a site that give no page."""

    def __init__(self, site: Site) -> None:
        self.site = site

    def add_to(self, router: APIRouter) -> None:
        """Put the routes on a router."""
        router.add_api_route("/static/{mark}/{name}", self.asset, methods=["GET"])
        router.add_api_route("/answers/{number:int}/picture", self.picture, methods=["GET"])
        router.add_api_route("/answers/{number:int}/drawings/{which}.svg", self.drawing, methods=["GET"])
        router.add_api_route("/answers/{number:int}/traces/{which}.json", self.traces, methods=["GET"])
        router.add_api_route("/answers/{number:int}/export.html", self.export_html, methods=["GET"])
        router.add_api_route("/answers/{number:int}/export.pdf", self.export_pdf, methods=["GET"])

    async def asset(self, mark: str, name: str) -> Response:
        """A style sheet, script or picture of the pages; its address changes with it, so it may be kept."""
        try:
            data = asset(name)
        except KeyError:
            return PlainTextResponse("not found", 404)
        kind = KINDS.get(name.rpartition(".")[2], "application/octet-stream")
        return Response(data, media_type=kind, headers={"cache-control": "public, max-age=31536000, immutable"})

    async def picture(self, request: Request, number: int) -> Response:
        """The picture that was brought, to whom brought it: as it came, or as its page looks."""

        def made(entry: Entry, _: Visitor) -> Response | None:
            picture = shown(self.site.desk, entry)
            return None if picture is None else Response(picture.data, media_type=picture.media_type)

        return await self._given(request, number, made)

    async def drawing(self, request: Request, number: int, which: str) -> Response:
        """A whole ECG as a picture."""

        def made(entry: Entry, _: Visitor) -> Response | None:
            text = drawing_of(entry, which)
            return None if text is None else Response(text, media_type="image/svg+xml")

        return await self._given(request, number, made)

    async def traces(self, request: Request, number: int, which: str) -> Response:
        """An ECG as numbers."""

        def made(entry: Entry, _: Visitor) -> Response | None:
            recording, page = ecg_of(entry, which)
            if recording is None and page is None:
                return None
            return JSONResponse(traces_json(recording, page))

        return await self._given(request, number, made)

    async def export_html(self, request: Request, number: int) -> Response:
        """The answer as one file that needs nothing else."""

        def made(entry: Entry, visitor: Visitor) -> Response | None:
            from retrieval.web.export import export_page

            if entry.answer is None:
                return None
            return _attached(export_page(entry, visitor.t), "text/html; charset=utf-8", number, "html")

        return await self._given(request, number, made)

    async def export_pdf(self, request: Request, number: int) -> Response:
        """The answer as a PDF at true scale."""

        def made(entry: Entry, visitor: Visitor) -> Response | None:
            from retrieval.web.pdf import pdf_of

            if entry.answer is None:
                return None
            return _attached(pdf_of(entry, visitor.t), "application/pdf", number, "pdf")

        return await self._given(request, number, made)

    def _entry(self, request: Request, number: int) -> tuple[Visitor, Entry | None]:
        visitor = self.site.visitor(request)
        return visitor, self.site.shelf.get(visitor.visit, number)

    async def _given(
        self, request: Request, number: int, make: Callable[[Entry, Visitor], Response | None]
    ) -> Response:
        visitor, entry = self._entry(request, number)
        found: Any = await apart(make, entry, visitor) if entry is not None else None
        return self.site.known(visitor, found) if found is not None else PlainTextResponse("not found", 404)


def _attached(data: bytes | str, kind: str, number: int, suffix: str) -> Response:
    name = f'attachment; filename="nearbeat-{number}.{suffix}"'
    return Response(data, media_type=kind, headers={"content-disposition": name})
