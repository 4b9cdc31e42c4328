"""The routes that read, search and look up: ``read``, ``query``, ``search``, ``like``, ``cases``, ``info``."""

from __future__ import annotations

import base64
from importlib.metadata import version
from typing import Annotated, Any

from fastapi import APIRouter, File, Form, Path, Query, UploadFile
from fastapi.responses import Response
from pydantic import BeforeValidator

from index import Case
from retrieval.answer import RankedBy
from retrieval.ecg.page import canonical_page
from retrieval.ecg.recording import LEADS
from retrieval.intake.wire import intake_json
from retrieval.service.parts import (
    MOST_BESIDE,
    MOST_LETTERS,
    UPLOADED,
    AsWrittenForm,
    CorrectionForm,
    DeskOf,
    EvidenceForm,
    EvidenceQuery,
    KForm,
    KQuery,
    PageForm,
    Reading,
    SettingsOf,
    WhereForm,
    WhereQuery,
    as_json,
    flag,
    problems,
    read_upload,
    result,
)
from retrieval.service.shapes import InfoShape, IntakeShape, ResultShape, WholeCaseShape
from retrieval.streams import page_png
from retrieval.waveforms import unpack

router = APIRouter(tags=["search"])

CASE_SCHEMA, INFO_SCHEMA = "nearbeat.case/1", "nearbeat.gallery/1"
EcgFile = Annotated[UploadFile, File(description="Photo, scan, PDF, DICOM or recording.")]
Beside = Annotated[
    list[UploadFile],
    File(max_length=MOST_BESIDE, description="Files that belong to it by name, such as the .dat of a WFDB header."),
]
CaseId = Annotated[str, Path(min_length=1, max_length=500, description="As an answer names it.")]


@router.post("/read", response_model=IntakeShape, responses=UPLOADED)
def read(
    desk: DeskOf,
    actor: Reading,
    file: EcgFile,
    page: PageForm = None,
    correction: CorrectionForm = None,
    beside: Beside = [],  # noqa: B006  # FastAPI copies it for each request
) -> Response:
    """Say how an ECG is read, before anything is searched."""
    return as_json(intake_json(read_upload(desk, file, page, correction, beside)))


@router.post("/query", response_model=ResultShape, responses=UPLOADED)
def query(
    desk: DeskOf,
    actor: Reading,
    file: EcgFile,
    k: KForm = 10,
    where: WhereForm = None,
    text: Annotated[
        str | None, Form(max_length=MOST_LETTERS, description="A sentence to add to the picture.")
    ] = None,
    patient: Annotated[
        str | None,
        Form(max_length=200, description="The archive's key of the patient, whose own ECGs are set apart."),
    ] = None,
    page: PageForm = None,
    correction: CorrectionForm = None,
    beside: Beside = [],  # noqa: B006  # FastAPI copies it for each request
    as_written: AsWrittenForm = False,
    evidence: EvidenceForm = True,
) -> Response:
    """Find the documented cases that are nearest to an ECG."""
    intake = read_upload(desk, file, page, correction, beside)
    return result(desk, desk.query(intake, k, where, text, patient, as_written), evidence, intake)


@router.post("/search", response_model=ResultShape, responses=problems(408, 413))
def search(
    desk: DeskOf,
    actor: Reading,
    text: Annotated[str, Form(min_length=1, max_length=MOST_LETTERS, examples=["left bundle branch block"])],
    k: KForm = 10,
    where: WhereForm = None,
    by: Annotated[RankedBy, Form(description="What orders the cases.")] = "both",
    as_written: AsWrittenForm = False,
    evidence: EvidenceForm = True,
) -> Response:
    """Find the documented cases that fit a sentence. It travels in the body: addresses end up in logs."""
    return result(desk, desk.search(text, k, where, by, as_written), evidence)


@router.get("/like/{case_id:path}", response_model=ResultShape, responses=problems(404))
def like(
    desk: DeskOf,
    actor: Reading,
    case_id: CaseId,
    k: KQuery = 10,
    where: WhereQuery = None,
    evidence: EvidenceQuery = True,
) -> Response:
    """Find the cases that are nearest to a case of the gallery."""
    return result(desk, desk.like(case_id, k, where), evidence)


@router.get("/cases/{case_id:path}", response_model=WholeCaseShape, responses=problems(404))
def case(
    desk: DeskOf,
    actor: Reading,
    case_id: CaseId,
    waveform: Annotated[bool, BeforeValidator(flag), Query(description="With its samples, if kept.")] = False,
    page: Annotated[bool, BeforeValidator(flag), Query(description="With the picture of its page.")] = False,
) -> Response:
    """Give one case of the gallery."""
    found = desk.case(case_id)
    return as_json({**_facts(found), "waveform": _waveform(found, waveform), "page": _picture(found, page)})


@router.get("/info", response_model=InfoShape, responses=problems())
def info(desk: DeskOf, settings: SettingsOf, actor: Reading) -> Response:
    """Say what the gallery holds, and what the service allows."""
    found, limits = desk.info(), settings.limits
    return as_json(
        {
            "schema": INFO_SCHEMA,
            **{name: getattr(found, name) for name in ("path", "generation", "cases", "patients", "simulated")},
            "bundle": found.bundle_name,
            "bundle_sha256": found.bundle_sha256,
            "dim": found.dim,
            "bytes": found.bytes,
            "statements": desk.engine.gallery.statement_counts(),
            "service": {
                "version": version("nearbeat"),
                "role": actor.role,
                "k": limits.k,
                "body_bytes": limits.body_bytes,
                "jobs": settings.jobs is not None,
            },
        }
    )


def _facts(found: Case) -> dict[str, Any]:
    names = ("case_id", "report", "source", "age", "sex", "site", "device", "recorded")
    own = {name: getattr(found, name) for name in names}
    return {"schema": CASE_SCHEMA, **own, "statements": dict(found.statements)}


def _waveform(found: Case, wanted: bool) -> dict[str, Any] | None:
    if not wanted or found.waveform is None:
        return None
    recording = unpack(found.waveform)
    rows = recording.signal.round(3).astype("float64").round(3).tolist()
    return {"rate": recording.rate, "unit": "mV", "leads": dict(zip(LEADS, rows, strict=True))}


def _picture(found: Case, wanted: bool) -> dict[str, str] | None:
    """The page as it is kept, or drawn from the waveform."""
    if not wanted or (found.page is None and found.waveform is None):
        return None
    png = found.page or page_png(canonical_page(unpack(found.waveform or b"")))
    return {"media_type": "image/png", "base64": base64.b64encode(png).decode()}
