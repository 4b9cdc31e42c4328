"""A question taken to the desk, and what came of it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from retrieval.errors import BadInput, NearBeatError
from retrieval.web.asked import Asked
from retrieval.web.shelf import Entry

if TYPE_CHECKING:
    from retrieval.answer import Answer
    from retrieval.evidence import Evidence
    from retrieval.intake import Intake
    from retrieval.service.desk import Desk


def ask(desk: Desk, asked: Asked, number: int, known: Entry | None = None) -> Entry:
    """Read, search and weigh.

    An ECG that cannot be read gives an entry with the reason, so that it can be set right by hand; what is wrong with
    the question itself is raised.

    Args:
        desk: what answers.
        asked: the question.
        number: of the entry.
        known: an entry whose ECG was read in the same way, which then is not read again.

    Raises:
        NearBeatError: for filters, a sentence or a case that cannot be used.
    """
    where = asked.filters.condition()
    if asked.kind == "text":
        return _entry(desk, asked, number, desk.search(asked.text, asked.k, where, asked.by, asked.as_written))
    if asked.kind == "case":
        answer = desk.like(asked.case_id, asked.k, where)
        return replace(_entry(desk, asked, number, answer), case=desk.case(asked.case_id))
    try:
        intake = _intake(desk, asked, known)
    except NearBeatError as error:
        if not isinstance(error, BadInput) and error.kind != "extra_missing":
            raise
        return Entry(number, asked, error=error)
    answer = desk.query(intake, asked.k, where, asked.text or None, as_written=asked.as_written)
    return replace(_entry(desk, asked, number, answer), intake=intake)


def _intake(desk: Desk, asked: Asked, known: Entry | None) -> Intake:
    if known is not None and known.intake is not None and _read_alike(known.asked, asked):
        return known.intake
    upload = asked.upload
    if upload is None:
        raise BadInput("there is no ECG to read; choose a file")
    beside = {"beside": upload.beside} if upload.beside else {}
    return desk.read(upload.data, upload.name, page=asked.page, correction=asked.correction, **beside)


def _read_alike(one: Asked, other: Asked) -> bool:
    return one.upload is other.upload and (one.page, one.correction) == (other.page, other.correction)


def _entry(desk: Desk, asked: Asked, number: int, answer: Answer) -> Entry:
    return Entry(number, asked, answer=answer, evidence=_weighed(desk, answer))


def _weighed(desk: Desk, answer: Answer) -> Evidence | None:
    """Without a hit there is nothing to weigh."""
    return desk.weigh(answer) if answer.hits else None
