"""The service as an ASGI application: the API, the pages, and what guards both."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import anyio.to_thread
from fastapi import FastAPI

from retrieval.service import about, job_routes, searching
from retrieval.service.desk import Desk
from retrieval.service.flow import Envelope, Flow
from retrieval.service.guard import Guard
from retrieval.service.job_runner import JobRunner
from retrieval.service.jobs import Jobs
from retrieval.service.metrics import Metrics
from retrieval.service.problems import add_handlers
from retrieval.service.sessions import Sessions
from retrieval.service.settings import Settings
from retrieval.service.specification import described
from retrieval.web import pages

log = logging.getLogger("nearbeat.service")

API = "/api/v1"
ABOUT = (
    "An ECG or a sentence in, the nearest documented cases out. **Research software, not a diagnosis**: the cases "
    "are evidence to read, not a verdict."
)


def create_app(desk: Desk, settings: Settings, *, warm: bool = True) -> FastAPI:
    """Put a desk on the network.

    Args:
        desk: what answers; it is closed at the end of the application.
        settings: what is allowed, and who may ask.
        warm: whether it is warmed at the start; requests are answered meanwhile, the first ones slowly.

    Raises:
        BadArgument: when another service keeps its jobs in the same folder.
    """
    desk.log = desk.log or settings.log
    app = FastAPI(
        title="NearBeat",
        redirect_slashes=False,
        docs_url=None,
        redoc_url=None,
        openapi_url=f"{API}/openapi.json",
        lifespan=_lifespan(desk, settings, warm),
    )
    app.state.desk, app.state.settings, app.state.stopping = desk, settings, threading.Event()
    app.state.sessions, app.state.metrics = Sessions(), Metrics(desk)
    app.state.jobs = Jobs(settings.jobs) if settings.jobs is not None else None
    _routes(app)
    app.include_router(about.doors)
    app.include_router(pages(desk, settings), include_in_schema=False)
    add_handlers(app, desk)
    # The last one added is the first asked.
    app.add_middleware(Flow, limits=settings.limits, metrics=app.state.metrics)
    app.add_middleware(Guard, settings=settings, sessions=app.state.sessions)
    app.add_middleware(Envelope, settings=settings, metrics=app.state.metrics)
    app.openapi = described(ABOUT, _routes)
    return app


def _lifespan(desk: Desk, settings: Settings, warm: bool) -> Callable[[FastAPI], AbstractAsyncContextManager[None]]:
    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        anyio.to_thread.current_default_thread_limiter().total_tokens = settings.limits.at_once + 8
        jobs: Jobs | None = app.state.jobs
        runner = JobRunner(desk, jobs) if jobs is not None else None
        for lost in jobs.lost if jobs else ():
            log.error("the job in %s cannot be gone on with; its folder was left as it is", lost)
        warming = asyncio.create_task(asyncio.to_thread(_warm, desk)) if warm else None
        if runner is not None:
            runner.start()
        try:
            yield
        finally:
            app.state.stopping.set()
            if runner is not None:
                runner.stop()
            await asyncio.to_thread(desk.close)
            if warming is not None:
                await warming
            if runner is not None and jobs is not None:
                await asyncio.to_thread(runner.join)
                jobs.close()
            if settings.log is not None:
                settings.log.close()

    return lifespan


def _warm(desk: Desk) -> None:
    try:
        desk.warm()
    except Exception:  # it answers all the same, and says why it did not warm
        log.exception("the service could not be warmed")


def _routes(app: FastAPI) -> None:
    for router in (searching.router, job_routes.router, about.router):
        app.include_router(router, prefix=API)
