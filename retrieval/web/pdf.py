"""An answer as a PDF at true scale: printed at 100 %, one millimetre of ECG paper is one millimetre."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from threading import Lock
from typing import Any

import numpy as np

from retrieval.app import svg
from retrieval.ecg.page import CANONICAL, canonical_cells
from retrieval.ecg.recording import Recording
from retrieval.ecg.traces import cell_polyline, pulse_polyline
from retrieval.web.drawing import HIGH_MM, WIDE_MM, labels_of, layout_of, picture_of
from retrieval.web.language import Words
from retrieval.web.measures import measured, table_of
from retrieval.web.pdf_canvas import A4_LANDSCAPE, BOLD, REGULAR, Canvas, Colour, wrapped
from retrieval.web.shelf import Entry
from retrieval.web.traces import ecg_of
from retrieval.web.views import answer_values

LEFT = (A4_LANDSCAPE[0] - WIDE_MM) / 2
TOP, BOTTOM = 16.0, 200.0
SOFT: Colour = (84, 93, 120)
FINE: Colour = (246, 220, 220)
BOLD_LINE: Colour = (236, 188, 188)
MADE: Colour = (150, 100, 0)
LEAD: Colour = (43, 79, 162)
_one_at_a_time = Lock()


def pdf_of(entry: Entry, t: Words) -> bytes:
    """The answer of an entry: the query, what was found out, and each case on a page of its own."""
    values = answer_values(entry, t)
    values["measures"] = table_of(entry, measured(entry), t)
    with _one_at_a_time:
        sheet = _Sheet(t)
        _query(sheet, entry, values, t)
        _evidence(sheet, values, t)
        for hit in values["hits"]:
            _case(sheet, entry, hit, t)
        if values["contrary"] and values["contrary"]["hit"]:
            _case(sheet, entry, values["contrary"]["hit"], t, values["contrary"]["sentence"])
        return sheet.canvas.bytes()


class _Sheet:
    """A canvas with a place where the next line goes, and the notice on every page."""

    def __init__(self, t: Words) -> None:
        self.t, self.canvas, self.y, self.number = t, Canvas(), TOP, 0

    def page(self) -> None:
        self.canvas.new_page()
        self.number += 1
        self.y = TOP
        notice = f"NearBeat · {self.t('base.notice')} {self.t('base.notice_more')}"
        self.canvas.text(LEFT, 205.5, f"{notice} · {self.number}", 8, colour=SOFT)

    def line(self, text: str, size: float = 9.0, font: str = REGULAR, colour: Colour = (16, 24, 47)) -> None:
        """A text, wrapped, on a new page where this one is full."""
        for part in wrapped(text, WIDE_MM, size, font):
            if self.y + size * 0.45 > BOTTOM:
                self.page()
            self.y += size * 0.45
            self.canvas.text(LEFT, self.y, part, size, font, colour)

    def gap(self, mm: float = 2.0) -> None:
        self.y += mm

    def row(self, cells: Sequence[str], places: Sequence[float], font: str = REGULAR) -> None:
        """A row of a table, each cell from its place on."""
        if self.y + 4.5 > BOTTOM:
            self.page()
        self.y += 4.5
        for cell, place in zip(cells, places, strict=True):
            self.canvas.text(LEFT + place, self.y, cell, 8.5, font)


def _query(sheet: _Sheet, entry: Entry, values: dict[str, Any], t: Words) -> None:
    sheet.page()
    sheet.line(f"{t('read.as_read')}: {values['heading']}", 13, BOLD)
    if values["simulated"] or values["any_simulated"]:
        sheet.line(f"{t('base.simulated')} · {t('answer.simulated')}", 9, BOLD, MADE)
    if values["where"]:
        sheet.line(f"{t('answer.where')} {values['where']}")
    if entry.asked.text and entry.asked.kind == "ecg":
        sheet.line(f"+ {entry.asked.text}")
    if values["also"]:
        sheet.line(t("read.also", terms=values["also"]))
    if values["figure"]:
        _ecg(sheet, entry, "query")
    if values["read"]:
        sheet.line(" · ".join(f"{name}: {value}" for name, value in values["read"]["facts"]))
        for one in values["read"]["findings"]:
            sheet.line(f"- {one['title'] + ': ' if one['title'] else ''}{one['message']}", 8.5)
    made = t("keep.made", date=datetime.now().astimezone().strftime("%Y-%m-%d %H:%M"), gallery=values["gallery"])
    sheet.line(f"{made} · {t('foot.model')} {values['model']} · {values['search']}", 8, colour=SOFT)


def _evidence(sheet: _Sheet, values: dict[str, Any], t: Words) -> None:
    sheet.page()
    if values["strange"]:
        sheet.line(f"{t('answer.strange')} {values['strange']}", 11, BOLD)
    for one in values["cautions"]:
        sheet.line(f"- {one}")
    if values["ballots"]:
        k = len(values["hits"])
        sheet.gap()
        sheet.line(t("vote.title", k=k), 12, BOLD)
        places = (0, 110, 135, 160)
        sheet.row([t(f"vote.{name}") for name in ("statement", "cases", "lift", "adjusted")], places, BOLD)
        for one in values["ballots"]:
            sheet.row([one["words"], t("vote.of", n=one["cases"], k=k), one["lift"], one["shown"]], places)
        sheet.line(t("vote.hint"), 8, colour=SOFT)
    if values["contrary"]:
        sheet.gap()
        sheet.line(t("contrary.title"), 12, BOLD)
        sheet.line(values["contrary"]["sentence"])
    if values["earlier"]:
        sheet.gap()
        sheet.line(t("earlier.title"), 12, BOLD)
        for one in values["earlier"]:
            sheet.line(f"{one['case_id']} · {_facts(one)} · {one['report']}")
    _intervals(sheet, values["measures"], t)


def _intervals(sheet: _Sheet, table: dict[str, Any], t: Words) -> None:
    sheet.gap()
    sheet.line(t("measure.title"), 12, BOLD)
    places = (0, *(60 + 28 * i for i in range(len(table["heads"]))), 60 + 28 * len(table["heads"]))
    heads = [f"{head['name']} {head['unit']}" for head in table["heads"]]
    sheet.row([t("measure.ecg"), *heads, t("measure.method")], places, BOLD)
    for row in table["rows"]:
        cells = [f"{c.value} ({c.difference}){'*' * c.marked}" if c.difference else c.value for c in row["cells"]]
        sheet.row([row["name"][:34], *cells, row["method"][:34]], places, BOLD if row["query"] else REGULAR)
    sheet.line(f"* {t('measure.differs')}. {t('measure.hint')}", 8, colour=SOFT)


def _case(sheet: _Sheet, entry: Entry, hit: dict[str, Any], t: Words, note: str = "") -> None:
    sheet.page()
    sheet.line(" · ".join(part for part in (hit["place"], hit["case_id"]) if part), 13, BOLD)
    parts = [f"{hit['score']} {t('case.similarity')}"]
    parts += [hit["percentile"]] if hit["percentile"] else []
    sheet.line(" · ".join([*parts, *([hit["exact"]] if hit["exact"] else []), _facts(hit)]))
    if note:
        sheet.line(note)
    if hit["simulated"]:
        sheet.line(t("base.simulated"), 9, BOLD, MADE)
    if hit["figure"]:
        _ecg(sheet, entry, hit["which"])
    sheet.line(f"{t('case.report')}: {hit['report'] or t('case.no_report')}", 10)
    sheet.line(", ".join(f"{one['words']} ({one['code']})" for one in hit["statements"]))


def _facts(case: dict[str, Any]) -> str:
    return " · ".join(f"{name} {value}" for name, value in case["facts"])


def _ecg(sheet: _Sheet, entry: Entry, which: str) -> None:
    """A whole ECG at 25 mm/s and 10 mm/mV on ruled paper."""
    recording, page = ecg_of(entry, which)
    gray = picture_of(entry, which) if recording is None else None
    if recording is None and gray is None:
        return
    if sheet.y + HIGH_MM + 6 > BOTTOM:
        sheet.page()
    canvas, top = sheet.canvas, sheet.y + 2
    _ruled(canvas, top)
    if gray is not None:
        canvas.picture(gray, LEFT, top, WIDE_MM, HIGH_MM)
        for label in labels_of(page):
            canvas.text(LEFT + label.x / svg.UNIT, top + label.y / svg.UNIT, label.lead, 8, BOLD, LEAD)
    if recording is not None:
        _traces(canvas, recording, layout_of(entry), top)
    sheet.y = top + HIGH_MM
    sheet.line("25 mm/s · 10 mm/mV", 8, colour=SOFT)


def _ruled(canvas: Canvas, top: float) -> None:
    right, bottom = LEFT + WIDE_MM, top + HIGH_MM
    for step, width, colour in ((1, 0.06, FINE), (5, 0.12, BOLD_LINE)):
        across = [np.array([(LEFT + x, top), (LEFT + x, bottom)]) for x in range(0, round(WIDE_MM) + 1, step)]
        along = [np.array([(LEFT, top + y), (right, top + y)]) for y in range(0, round(HIGH_MM) + 1, step)]
        canvas.lines([*across, *along], width, colour)


def _traces(canvas: Canvas, recording: Recording, layout: str, top: float) -> None:
    signal = recording.signal - np.median(recording.signal, axis=1, keepdims=True)
    signal = signal[:, : round(CANONICAL.trace_mm / CANONICAL.speed * recording.rate)]
    cells = canonical_cells(layout)
    offset = np.array([LEFT, top])
    lines = [cell_polyline(signal, recording.rate, cell, CANONICAL.speed, CANONICAL.gain) + offset for cell in cells]
    firsts = {cell.row: cell for cell in reversed(cells)}
    pulses = [pulse_polyline(0.5, c.baseline_mm, CANONICAL.gain, CANONICAL.speed) + offset for c in firsts.values()]
    canvas.lines(pulses, 0.2, SOFT)
    canvas.lines(lines, 0.25)
    for cell in cells:
        canvas.text(LEFT + cell.x_mm + 1, top + cell.baseline_mm - 11.5, cell.lead, 8, BOLD, LEAD)
