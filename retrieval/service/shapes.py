"""The JSON of the API as OpenAPI describes it: the command line's own objects (docs/json.md), and what wraps them.

Answers are made by ``as_json`` of what they tell of and never pass through these classes, which only describe them;
that they do is checked by a test and by Schemathesis.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

Point = tuple[float, float]
Corners = tuple[Point, Point, Point, Point]


class Shape(BaseModel):
    """A described object; a version of a schema may gain fields."""

    model_config = ConfigDict(extra="allow")


class CaseShape(Shape):
    """A case as the answers tell of it."""

    case_id: str = Field(description="unique in its gallery, for ever", examples=["sim-000012"])
    report: str = Field(description="as it was written", examples=["Atrial fibrillation."])
    statements: dict[str, float | None] = Field(
        description="SCP code to likelihood in per cent; null where no certainty was given", examples=[{"AFIB": None}]
    )
    source: str = Field(description="'simulated' for a case that a program made", examples=["simulated"])
    age: float | None = Field(description="years", examples=[64])
    sex: str | None = Field(description="female or male", examples=["female"])


class HitShape(CaseShape):
    """A neighbour."""

    rank: int = Field(ge=1, examples=[1])
    score: float = Field(description="cosine similarity; it orders cases and is no probability", examples=[0.93])


class AskedShape(Shape):
    """The query as it was understood."""

    file: str | None = Field(examples=["ecg.jpg"])
    kind: str = Field(examples=["image"])
    warnings: list[str] = Field(examples=[[]])
    text: str | None = None
    also: list[str] | None = Field(None, description="the usual terms in which the text was asked as well")


class PlaceShape(Shape):
    """The gallery that answered."""

    path: str = Field(description="the name of its folder", examples=["gallery"])
    generation: int = Field(examples=[1])
    cases: int = Field(examples=[400])


class ModelShape(Shape):
    """The bundle whose towers made the vectors."""

    name: str = Field(examples=["nearbeat"])
    sha256: str = Field(examples=["0" * 64])


class AnswerShape(Shape):
    """``nearbeat.answer/1``."""

    schema_: Literal["nearbeat.answer/1"] = Field(alias="schema")
    query: AskedShape
    gallery: PlaceShape
    model: ModelShape
    exact: bool
    ranked_by: Literal["vectors", "words", "both"]
    hits: list[HitShape]
    recall: float | None = None
    log_id: int | None = None
    earlier: list[CaseShape] = []


class FindingShape(Shape):
    """What the user should know of what was read."""

    kind: str
    message: str
    certainty: float


class RecordingShape(Shape):
    """Facts of a recording."""

    rate: float
    seconds: float
    age: float | None
    sex: str | None


class LeadShape(Shape):
    """A lead that was found on a page."""

    lead: str
    row: int
    box: Corners
    seconds: float
    inverted: bool
    certainty: float


class ReportShape(Shape):
    """What was found on a picture of a page."""

    px_per_mm_x: float
    px_per_mm_y: float
    rotation_deg: float
    layout: str
    certainty: float
    assumed: list[str]
    rows: list[float]
    picture: tuple[int, int]
    speed: float
    gain: float
    chest_gain: float
    order: str
    corners: Corners | None
    paper: Corners | None
    leads: list[LeadShape]
    masked: list[Corners]


class PageShape(Shape):
    """The canonical page."""

    layout: str


class IntakeShape(Shape):
    """``nearbeat.intake/1``."""

    schema_: Literal["nearbeat.intake/1"] = Field(alias="schema")
    file: str
    kind: str
    number: int
    pages: int
    page: PageShape
    recording: RecordingShape | None
    report: ReportShape | None
    findings: list[FindingShape]


class BallotShape(Shape):
    """One statement's part of the vote."""

    code: str
    english: str
    german: str
    share: float
    cases: int
    lift: float
    adjusted: float


class SentencesShape(Shape):
    """Something said in two languages."""

    english: str
    german: str


class EvidenceShape(Shape):
    """``nearbeat.evidence/1``."""

    schema_: Literal["nearbeat.evidence/1"] = Field(alias="schema")
    percentiles: list[float]
    ballots: list[BallotShape]
    contrary: SentencesShape | None
    strange: SentencesShape | None
    cautions: list[SentencesShape]


class ResultShape(Shape):
    """``nearbeat.result/1``: an answer with what it rests on."""

    schema_: Literal["nearbeat.result/1"] = Field(alias="schema")
    answer: AnswerShape
    intake: IntakeShape | None = Field(description="how the upload was read; null for a search without one")
    evidence: EvidenceShape | None = Field(description="null where it was not asked for")


class WaveformShape(Shape):
    """Samples in millivolts."""

    rate: float = Field(description="samples a second")
    unit: Literal["mV"]
    leads: dict[str, list[float]]


class PictureShape(Shape):
    """A picture in base64."""

    media_type: Literal["image/png"]
    base64: str


class WholeCaseShape(CaseShape):
    """``nearbeat.case/1``."""

    schema_: Literal["nearbeat.case/1"] = Field(alias="schema")
    site: str | None
    device: str | None
    recorded: str | None
    waveform: WaveformShape | None = Field(description="null where none is kept, or it was not asked for")
    page: PictureShape | None = Field(description="the canonical page, two pixels a millimetre, print left out")


class InfoShape(Shape):
    """``nearbeat.gallery/1`` with what the service allows."""

    schema_: Literal["nearbeat.gallery/1"] = Field(alias="schema")
    path: str
    generation: int
    cases: int
    patients: int
    simulated: bool
    bundle: str
    bundle_sha256: str
    dim: int
    bytes: int
    statements: dict[str, int]
    service: dict[str, Any]


class JobShape(Shape):
    """``nearbeat.job/1``."""

    schema_: Literal["nearbeat.job/1"] = Field(alias="schema")
    id: str = Field(examples=["0123456789abcdef0123456789abcdef"])
    state: Literal["waiting", "running", "done", "stopped"]
    files: int
    done: int
    refused: int
    made: int = Field(description="seconds since 1970")
    k: int
    where: str | None


class JobsShape(Shape):
    """``nearbeat.jobs/1``."""

    schema_: Literal["nearbeat.jobs/1"] = Field(alias="schema")
    jobs: list[JobShape]


class HealthShape(Shape):
    """Whether the service lives, or is ready."""

    status: Literal["live", "ready", "warming"]


class WhatShape(Shape):
    """What is wrong: a name that programs can rely on, and a sentence for people."""

    kind: str = Field(examples=["not_an_ecg"])
    message: str = Field(examples=["no ECG was found in 'holiday.jpg'"])


class ProblemShape(Shape):
    """The one form of an error."""

    error: WhatShape
