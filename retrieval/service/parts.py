"""What the routes share: how parameters are described, how the desk is reached, how answers leave."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Annotated, Any

from fastapi import Depends, Form, Query, Request, UploadFile
from fastapi.responses import Response
from pydantic import BeforeValidator

from retrieval.answer import Answer
from retrieval.errors import BadArgument
from retrieval.intake import Intake
from retrieval.intake.correction import Correction, correction_of
from retrieval.intake.wire import intake_json
from retrieval.service.desk import Desk
from retrieval.service.jobs import Jobs
from retrieval.service.problems import Refused
from retrieval.service.settings import Limits, Settings
from retrieval.service.shapes import ProblemShape
from retrieval.service.tokens import Actor, Role

RESULT_SCHEMA = "nearbeat.result/1"
MOST_K, MOST_LETTERS = Limits.k, Limits.letters
MOST_BESIDE = 4
"""Files that belong to an ECG, such as the two of a WFDB record."""
_MEANINGS = {
    400: "The request cannot be read, or a parameter is none of those described.",
    401: "A token is needed, or the one shown is unknown or revoked.",
    403: "The token may not do this, or a page of another site sent the request.",
    404: "No such case or job.",
    405: "The path knows other methods.",
    408: "The request did not arrive in time.",
    413: "The request or its picture is too large.",
    415: "No reader knows this kind of file.",
    421: "The service is not known under this host name.",
    422: "The request is as described, yet the file is no ECG that can be read, or a condition is none.",
    429: "As many jobs wait as are taken; come again after Retry-After.",
    500: "The service failed.",
    501: "This kind of file needs an extra that is not installed.",
    503: "The service is busy; come again after Retry-After.",
}


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Documentation of the errors of a route; those that any route may give are always among them."""
    every = sorted({400, 401, 403, 405, 421, 422, 500, 503, *statuses})
    return {status: {"model": ProblemShape, "description": _MEANINGS[status]} for status in every}


def flag(value: object) -> object:
    """Take ``true`` and ``false`` alone, not the dozen other ways that pydantic knows to say them."""
    return {"true": True, "false": False}.get(value, "neither") if isinstance(value, str) else value


UPLOADED = problems(408, 413, 415, 501)

KForm = Annotated[int, Form(ge=1, le=MOST_K, description="How many cases.", examples=[10])]
WhereForm = Annotated[
    str | None,
    Form(max_length=MOST_LETTERS, description="Which cases may answer (docs/where.md).", examples=["age >= 60"]),
]
PageForm = Annotated[int | None, Form(ge=1, le=10_000, description="Page of the file; else the first with an ECG.")]
CorrectionForm = Annotated[
    str | None,
    Form(
        max_length=4000,
        description="What a person sets by hand, a JSON object of turns, corners, layout, speed and gain.",
        examples=['{"turns": 1, "speed": 50}'],
    ),
]
AsWrittenForm = Annotated[
    bool,
    BeforeValidator(flag),
    Form(description="Whether the text is asked as it stands, not in the usual English and German terms as well."),
]
EvidenceForm = Annotated[bool, BeforeValidator(flag), Form(description="Whether the answer is weighed.")]
EvidenceQuery = Annotated[bool, BeforeValidator(flag), Query(description="Whether the answer is weighed.")]
KQuery = Annotated[int, Query(ge=1, le=MOST_K, description="How many cases.", examples=[10])]
WhereQuery = Annotated[
    str | None, Query(max_length=MOST_LETTERS, description="Which cases may answer (docs/where.md).")
]


def desk_of(request: Request) -> Desk:
    """The desk of the application."""
    return request.app.state.desk


def settings_of(request: Request) -> Settings:
    """Its settings."""
    return request.app.state.settings


def jobs_of(request: Request) -> Jobs:
    """Its jobs.

    Raises:
        Refused: with 404 where the service takes none.
    """
    jobs = request.app.state.jobs
    if jobs is None:
        raise Refused(404, "not_found", "this service takes no jobs")
    return jobs


def needs(role: Role) -> Callable[[Request], Actor]:
    """A dependency: the actor, refused with 403 where its token may not do that."""

    def actor_of(request: Request) -> Actor:
        actor: Actor | None = request.state.actor
        if actor is None or not actor.may(role):
            raise Refused(403, "forbidden", f"this needs a token of the role {role}")
        return actor

    return actor_of


DeskOf = Annotated[Desk, Depends(desk_of)]
JobsOf = Annotated[Jobs, Depends(jobs_of)]
SettingsOf = Annotated[Settings, Depends(settings_of)]
Reading = Annotated[Actor, Depends(needs("read"))]
Writing = Annotated[Actor, Depends(needs("write"))]


def as_json(value: Mapping[str, Any], status: int = 200) -> Response:
    """An object of a schema, as it is; letters that are none become question marks."""
    text = json.dumps(value, allow_nan=False, ensure_ascii=False).encode("utf-8", "replace")
    return Response(text, status, media_type="application/json")


def result(desk: Desk, answer: Answer, weighed: bool, intake: Intake | None = None) -> Response:
    """An answer, how its upload was read, and what speaks for and against it."""
    return as_json(
        {
            "schema": RESULT_SCHEMA,
            "answer": answer.as_json(),
            "intake": None if intake is None else intake_json(intake),
            "evidence": desk.weigh(answer).as_json() if weighed else None,
        }
    )


def read_upload(
    desk: Desk, file: UploadFile, page: int | None, correction: str | None, beside: list[UploadFile]
) -> Intake:
    """Read what was uploaded, with what was set by hand.

    Raises:
        BadInput: as ``Desk.read``.
    """
    others = {other.filename or "upload": other.file for other in beside}
    if len(others) < len(beside):
        raise BadArgument("files that belong to an ECG have names of their own; two are called the same")
    return desk.read(file.file, file.filename or "upload", page=page, correction=corrected(correction), beside=others)


def corrected(text: str | None) -> Correction | None:
    """A correction from its JSON.

    Raises:
        BadArgument: when it is none.
    """
    if text is None:
        return None
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise BadArgument('the correction is no JSON; write an object such as {"turns": 1}') from error
    if not isinstance(value, dict):
        raise BadArgument('the correction is no JSON object such as {"turns": 1}')
    found = correction_of(value)
    return found if found is not None and found.given else None
