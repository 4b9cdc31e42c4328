"""An answer as one HTML file: no script, nothing fetched, readable without this service."""

from __future__ import annotations

import base64
from datetime import datetime
from typing import Any

from markupsafe import Markup

from retrieval.web.drawing import drawing_of
from retrieval.web.language import Words
from retrieval.web.measures import measured, table_of
from retrieval.web.shelf import Entry
from retrieval.web.templating import asset, environment
from retrieval.web.views import answer_values


def export_page(entry: Entry, t: Words) -> str:
    """What stands on the page of an answer; the picture that was brought is left out, since it may show a name."""
    values = answer_values(entry, t)
    values["measures"] = table_of(entry, measured(entry), t)
    style = "\n".join(asset(name).decode() for name in ("base.css", "answer.css"))
    if "</" in style:
        raise ValueError("a style sheet would end its own element")
    cards = [*values["hits"], *values["earlier"], *_beyond(values)]
    drawings = {which: _drawn(entry, which) for which in ("query", *(card["which"] for card in cards))}
    return (
        environment()
        .get_template("export.html")
        .render(
            t=t,
            style=Markup(style),  # noqa: S704  # our own files
            drawings=drawings,
            made=t(
                "keep.made", date=datetime.now().astimezone().strftime("%Y-%m-%d %H:%M"), gallery=values["gallery"]
            ),
            **values,
        )
    )


def _beyond(values: dict[str, Any]) -> list[dict[str, Any]]:
    contrary = values["contrary"]
    return [contrary["hit"]] if contrary and contrary["hit"] else []


def _drawn(entry: Entry, which: str) -> str:
    drawing = drawing_of(entry, which)
    return "" if drawing is None else f"data:image/svg+xml;base64,{base64.b64encode(drawing.encode()).decode()}"
