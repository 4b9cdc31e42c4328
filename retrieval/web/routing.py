"""The addresses of the pages."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastapi import APIRouter

from retrieval.web.answer_routes import AnswerRoutes
from retrieval.web.asking_routes import AskingRoutes
from retrieval.web.file_routes import FileRoutes
from retrieval.web.site import Site

if TYPE_CHECKING:
    from retrieval.service.desk import Desk
    from retrieval.service.settings import Settings


def router_of(desk: Desk, settings: Settings) -> APIRouter:
    """All of them, on one site."""
    site = Site(desk, settings)
    router = APIRouter(include_in_schema=False, default_response_class=None)  # type: ignore[arg-type]
    for part in (AskingRoutes(site), AnswerRoutes(site), FileRoutes(site)):
        part.add_to(router)
    return router
