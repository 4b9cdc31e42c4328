"""The routes of jobs: several ECGs at once, their progress as server-sent events, their results as lines of JSON."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import APIRouter, Depends, File, Path, Request, UploadFile
from fastapi.responses import Response, StreamingResponse

from index import parse_where
from retrieval.errors import BadArgument
from retrieval.service.desk import file_name
from retrieval.service.jobs import Job
from retrieval.service.parts import (
    JobsOf,
    KForm,
    SettingsOf,
    WhereForm,
    Writing,
    as_json,
    problems,
)
from retrieval.service.settings import Limits
from retrieval.service.shapes import JobShape, JobsShape

router = APIRouter(tags=["jobs"], prefix="/jobs")

JOBS_SCHEMA = "nearbeat.jobs/1"
LOOK_S, KEEP_ALIVE_S = 0.2, 15.0
"""Between two looks at a job, and two signs of life where nothing changes."""
JobId = Annotated[str, Path(pattern="^[0-9a-f]{32}$", examples=["0123456789abcdef0123456789abcdef"])]


def job_of(jobs: JobsOf, actor: Writing, job_id: JobId) -> Job:
    """The job that the path names, if it is the actor's."""
    return jobs.get(job_id, actor.name)


Wanted = Annotated[Job, Depends(job_of)]


@router.post("", status_code=202, response_model=JobShape, responses=problems(408, 413, 429))
def begin(
    jobs: JobsOf,
    settings: SettingsOf,
    actor: Writing,
    files: Annotated[
        list[UploadFile], File(min_length=1, max_length=Limits.job_files, description="The ECGs, one file each.")
    ],
    k: KForm = 10,
    where: WhereForm = None,
) -> Response:
    """Hand in a batch; it is answered in the order of its files, also over a restart of the service."""
    if where is not None:
        parse_where(where)
    if not 1 <= k <= settings.limits.k:
        raise BadArgument(f"k is {k}; this service answers with 1 to {settings.limits.k} cases")
    if len(files) > settings.limits.job_files:
        raise BadArgument(f"{len(files)} files were handed in; a job takes up to {settings.limits.job_files}")
    named = [(file_name(file.filename or "upload"), file.file) for file in files]
    return as_json(jobs.add(actor.name, named, k, where).as_json(), 202)


@router.get("", response_model=JobsShape, responses=problems(404))
def mine(jobs: JobsOf, actor: Writing) -> Response:
    """List the jobs of this token, the newest first."""
    return as_json({"schema": JOBS_SCHEMA, "jobs": [job.as_json() for job in jobs.of(actor.name)]})


@router.get("/{job_id}", response_model=JobShape, responses=problems(404))
def progress(job: Wanted) -> Response:
    """Say how far a job came."""
    return as_json(job.as_json())


@router.get(
    "/{job_id}/events",
    response_class=StreamingResponse,
    responses={
        **problems(404),
        200: {"content": {"text/event-stream": {}}, "description": "Its progress as it is made."},
    },
)
async def events(job: Wanted, request: Request) -> StreamingResponse:
    """Tell of each step: events named ``progress``, and ``end`` with the last; each holds ``nearbeat.job/1``."""
    return StreamingResponse(_told(job, request), media_type="text/event-stream")


@router.get(
    "/{job_id}/results",
    response_class=Response,
    responses={
        **problems(404),
        200: {
            "content": {"application/x-ndjson": {"schema": {"type": "string"}}},
            "description": "For each file that is done, in their order, a line of nearbeat.answer/1 or of a refusal.",
        },
    },
)
def results(jobs: JobsOf, job: Wanted) -> Response:
    """Give what is answered by now."""
    return StreamingResponse(jobs.results(job), media_type="application/x-ndjson")


@router.delete("/{job_id}", status_code=204, response_class=Response, responses=problems(404))
def forget(jobs: JobsOf, job: Wanted) -> Response:
    """Stop a job if it runs, and remove its files and results."""
    jobs.remove(job)
    return Response(status_code=204)


async def _told(job: Job, request: Request) -> AsyncIterator[str]:
    last, silent = None, 0.0
    while True:
        now = json.dumps(job.as_json())
        if now != last:
            name = "progress" if job.unfinished else "end"
            yield f"id: {job.done}\nevent: {name}\ndata: {now}\n\n"
            last, silent = now, 0.0
        elif silent >= KEEP_ALIVE_S:
            yield ": still there\n\n"
            silent = 0.0
        if not job.unfinished or request.app.state.stopping.is_set():
            return
        await asyncio.sleep(LOOK_S)
        silent += LOOK_S
