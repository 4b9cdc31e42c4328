"""The pages that people touch: an ECG or a sentence in, the nearest documented cases to look at."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fastapi import APIRouter

    from retrieval.service.application import Settings
    from retrieval.service.desk import Desk

__all__ = ["pages"]


def pages(desk: Desk, settings: Settings) -> APIRouter:
    """The pages as routes of a FastAPI application; docs/pages.md describes each view.

    What a visitor brings is held in memory for the visit only, bounded in size and time (``retrieval.web.shelf``).

    Args:
        desk: what reads, searches and weighs.
        settings: of the service.
    """
    from retrieval.web.routing import router_of

    return router_of(desk, settings)
