"""Drawings of whole ECGs as SVG files of their own: paper at 25 mm/s and 10 mm/mV, light, marked where made."""

from __future__ import annotations

import base64

import numpy as np
from numpy.typing import NDArray

from retrieval.answer import SIMULATED
from retrieval.app import svg
from retrieval.ecg.layouts import LAYOUTS
from retrieval.ecg.page import CANONICAL, CanonicalPage, canonical_cells
from retrieval.web.shelf import Entry
from retrieval.web.templating import environment
from retrieval.web.traces import case_of, ecg_of

WIDE_MM = CANONICAL.width_px / CANONICAL.px_per_mm
HIGH_MM = CANONICAL.height_px / CANONICAL.px_per_mm


def drawing_of(entry: Entry, which: str) -> str | None:
    """An ECG of an entry as an SVG file, ``None`` where there is nothing to draw.

    Cases are drawn in the layout of the query's page, where it has one, so that they are compared cell by cell.
    """
    recording, page = ecg_of(entry, which)
    case = case_of(entry, which)
    drawing = svg.draw(recording, layout_of(entry)) if recording is not None else None
    ink = picture_of(entry, which) if drawing is None else None
    if drawing is None and ink is None:
        return None
    made = simulated_query(entry) if case is None else case.source.lower().startswith(SIMULATED)
    return (
        environment()
        .get_template("drawing.svg")
        .render(
            drawing=drawing,
            image=None if ink is None else _transparent(ink),
            labels=drawing.labels if drawing is not None else labels_of(page),
            simulated=made,
            width=svg.WIDTH,
            height=svg.HEIGHT,
        )
    )


def layout_of(entry: Entry) -> str:
    """The layout in which the ECGs of an entry are drawn."""
    query = entry.answer.query if entry.answer is not None else entry.intake
    layout = query.page.layout if query is not None and query.page is not None else ""
    return layout if layout in LAYOUTS else "3x4+1"


def simulated_query(entry: Entry) -> bool:
    """Whether the query itself is a program's: an example, or a simulated case of the gallery."""
    if entry.asked.example:
        return True
    return entry.case is not None and entry.case.source.lower().startswith(SIMULATED)


def picture_of(entry: Entry, which: str) -> NDArray[np.uint8] | None:
    """The page of an ECG that is kept as a picture only, gray ``[height, width]``; ``None`` where there is none."""
    _, page = ecg_of(entry, which)
    if page is not None:
        return page.pixels
    case = case_of(entry, which)
    return _decoded(case.page) if case is not None else None


def labels_of(page: CanonicalPage | None) -> tuple[svg.LeadLabel, ...]:
    """The leads' names on a page whose layout is known; its own print was left out."""
    if page is None or page.layout not in LAYOUTS:
        return ()
    return tuple(
        svg.LeadLabel(cell.printed, round((cell.x_mm + 1) * svg.UNIT), round((cell.baseline_mm - 11.5) * svg.UNIT))
        for cell in canonical_cells(page.layout)
    )


def _decoded(png: bytes | None) -> NDArray[np.uint8] | None:
    """The page that a gallery keeps as PNG, gray; ``None`` where it is none."""
    import cv2

    if png is None:
        return None
    pixels = cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_GRAYSCALE)
    return None if pixels is None else np.asarray(pixels, np.uint8)


def _transparent(gray: NDArray[np.uint8]) -> str:
    """A page as the address of a picture of its ink alone, so that the ruled paper shows through."""
    import cv2

    ink = np.zeros((*gray.shape, 4), np.uint8)
    ink[..., 3] = 255 - gray
    _, data = cv2.imencode(".png", ink, [cv2.IMWRITE_PNG_COMPRESSION, 6])
    return f"data:image/png;base64,{base64.b64encode(data.tobytes()).decode()}"
