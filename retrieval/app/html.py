"""Answers as one self-contained page: no script, nothing fetched, readable on a phone and in ten years."""

from __future__ import annotations

import base64
import io
import os
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path, PurePath
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from index import Case
from retrieval.answer import Answer, Hit, Query
from retrieval.app import svg
from retrieval.app.wording import english, percentile, person, shared, short_source
from retrieval.errors import NearBeatError
from retrieval.evidence.result import Evidence
from retrieval.evidence.voting import ballots_of
from retrieval.streams import page_png
from retrieval.waveforms import unpack

ORIGINAL_WIDTH = 1100
"""Pixels that the picture of the original is shrunk to."""


@dataclass(frozen=True)
class Section:
    """One answer on the page.

    Args:
        answer: what was found.
        heading: stands in place of the file's name.
        note: a sentence below the heading.
        picture: the original as JPEG, as it came.
        simulated: whether the query itself is a program's.
        evidence: the answer, weighed.
    """

    answer: Answer
    heading: str = ""
    note: str = ""
    picture: bytes | None = None
    simulated: bool = False
    evidence: Evidence | None = None


def write_page(
    path: Path,
    sections: Sequence[Section],
    counts: Mapping[str, int],
    title: str = "Nearest documented cases",
    intro: str = "",
) -> None:
    """Write the page beside its place, and rename."""
    text = render_page(sections, counts, title, intro)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, scratch = tempfile.mkstemp(prefix=".page-", suffix=".html", dir=path.parent)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        Path(scratch).chmod(0o644)
        Path(scratch).replace(path)
    except BaseException:
        Path(scratch).unlink(missing_ok=True)
        raise


def render_page(
    sections: Sequence[Section], counts: Mapping[str, int], title: str = "Nearest documented cases", intro: str = ""
) -> str:
    """The page as text; everything that came from a file or a gallery is escaped."""
    jinja = Environment(
        loader=PackageLoader("retrieval.app", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    style = files("retrieval.app").joinpath("templates", "page.css").read_text(encoding="utf-8")
    first = sections[0].answer
    return jinja.get_template("page.html").render(
        title=title,
        intro=intro,
        style=Markup(style),  # noqa: S704  # our own file
        width=svg.WIDTH,
        height=svg.HEIGHT,
        sections=[_section(section, counts) for section in sections],
        gallery=first.gallery,
        model=first.model,
        any_simulated=any(hit.simulated for section in sections for hit in section.answer.hits),
    )


def picture_of(file: str | None) -> bytes | None:
    """A photo or scan as a small JPEG; ``None`` for files that are no single picture (they were read before)."""
    from PIL import Image, ImageOps, UnidentifiedImageError

    if file is None:
        return None
    try:
        with Image.open(file) as image:
            image.draft("RGB", (ORIGINAL_WIDTH, ORIGINAL_WIDTH))
            small = ImageOps.exif_transpose(image).convert("RGB")
    except (UnidentifiedImageError, OSError, Image.DecompressionBombError):
        return None
    small.thumbnail((ORIGINAL_WIDTH, ORIGINAL_WIDTH))
    data = io.BytesIO()
    small.save(data, "JPEG", quality=80)
    return data.getvalue()


def data_uri(data: bytes, kind: str) -> str:
    """Bytes as a ``data:`` address that a page carries in itself."""
    return f"data:{kind};base64,{base64.b64encode(data).decode()}"


def _section(section: Section, counts: Mapping[str, int]) -> dict[str, Any]:
    answer, evidence = section.answer, section.evidence
    ballots = ballots_of(answer.hits, counts, answer.gallery.cases) if evidence is None else evidence.ballots
    near = evidence.percentiles if evidence is not None else ()
    return {
        "heading": section.heading or _heading(answer.query),
        "note": section.note,
        "kind": answer.query.kind.replace("_", " "),
        "text": answer.query.text,
        "also": answer.query.also,
        "warnings": answer.query.warnings,
        "simulated": section.simulated,
        "original": data_uri(section.picture, "image/jpeg") if section.picture else None,
        "figure": _query_figure(answer.query),
        "votes": [
            {"words": b.english, "code": b.code, "share": b.share, "cases": b.cases, "adjusted": b.adjusted}
            for b in shared(ballots)
        ],
        "contrary": evidence.contrary.sentence if evidence is not None and evidence.contrary is not None else None,
        "strange": evidence.strange.sentence if evidence is not None and evidence.strange is not None else None,
        "cautions": [one.sentence for one in evidence.cautions] if evidence is not None else [],
        "sentence": answer.query.text is not None and answer.query.kind == "text",
        "hits": [
            {**_hit(hit), "percentile": percentile(near[place]) if near else None}
            for place, hit in enumerate(answer.hits)
        ],
        "earlier": [
            {"case_id": case.case_id, "recorded": case.recorded, "report": case.report} for case in answer.earlier
        ],
    }


def _heading(query: Query) -> str:
    return PurePath(query.file).name if query.file else "An ECG"


def _hit(hit: Hit) -> dict[str, Any]:
    return {
        "rank": hit.rank,
        "score": hit.score,
        "bar": round(100 * max(0.0, min(1.0, hit.score)), 1),
        "case_id": hit.case_id,
        "report": hit.report,
        "simulated": hit.simulated,
        "source": short_source(hit.source),
        "person": person(hit.case),
        "statements": [
            {"code": code, "words": english(code), "likelihood": likelihood}
            for code, likelihood in hit.statements.items()
        ],
        "figure": _case_figure(hit.case),
    }


def _query_figure(query: Query) -> dict[str, Any] | None:
    if query.recording is not None:
        return _figure(drawing=svg.draw(query.recording))
    if query.page is not None:
        return _figure(png=page_png(query.page))
    return None


def _case_figure(case: Case) -> dict[str, Any] | None:
    if case.waveform is not None:
        try:
            return _figure(drawing=svg.draw(unpack(case.waveform)))
        except NearBeatError:
            return None  # the case is still shown, without its picture
    return _figure(png=case.page) if case.page is not None else None


def _figure(drawing: svg.Drawing | None = None, png: bytes | None = None) -> dict[str, Any]:
    return {"drawing": drawing, "image": data_uri(png, "image/png") if png else None}
