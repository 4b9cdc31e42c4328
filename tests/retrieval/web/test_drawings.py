"""What is drawn and sent as numbers, held against the samples themselves."""

from typing import Any

import numpy as np
import pypdfium2
import pytest

from index import Case
from retrieval.answer import Answer, GalleryRef, Hit, ModelRef, Query
from retrieval.ecg.layouts import LAYOUTS
from retrieval.ecg.page import canonical_page
from retrieval.ecg.recording import LEADS, Recording
from retrieval.ecg.simulator import simulate
from retrieval.waveforms import pack
from retrieval.web.asked import Asked, Upload
from retrieval.web.drawing import drawing_of
from retrieval.web.language import Words
from retrieval.web.measures import NONE, cell
from retrieval.web.pdf import pdf_of
from retrieval.web.pdf_canvas import MM, latin, width_of, wrapped
from retrieval.web.shelf import Entry
from retrieval.web.traces import traces_json
from tests.retrieval.conftest import heartbeats


def entry_of(recording: Recording, *cases: Case, page_only: bool = False, layout: str = "3x4+1") -> Entry:
    query = Query("a", "image", page=canonical_page(recording, layout), recording=None if page_only else recording)
    hits = tuple(Hit(i, 1 - i / 10, case) for i, case in enumerate(cases, start=1))
    answer = Answer(query, GalleryRef("g", 1, 9), ModelRef("m", "0" * 64), hits, True)
    return Entry(1, Asked("ecg", Upload(b"", "a.png")), answer=answer)


def test_traces_are_the_samples_in_microvolts() -> None:
    recording = heartbeats(4, rate=250.0)
    sent = traces_json(recording, None)
    assert (list(sent["leads"]), sent["traced"]) == (list(LEADS), False)
    for lead in LEADS:
        row = recording.lead(lead)
        assert np.allclose(sent["leads"][lead]["uv"], 1000 * (row - np.median(row)), atol=0.51)
        assert (sent["leads"][lead]["rate"], sent["leads"][lead]["start"]) == (250.0, 0.0)


def test_long_and_fast_recordings_are_cut_and_thinned() -> None:
    slow = heartbeats(4, rate=250.0)
    long = Recording(np.tile(slow.signal, 3), 250.0)
    assert len(traces_json(long, None)["leads"]["V1"]["uv"]) == 2500
    fast = traces_json(heartbeats(4, rate=2000.0), None)["leads"]["II"]
    own = traces_json(heartbeats(4, rate=1000.0), None)["leads"]["II"]
    assert fast["rate"] == 1000.0
    assert np.allclose(fast["uv"][:9000], own["uv"][:9000], atol=15)


def test_a_page_is_traced_back_to_its_times_and_heights() -> None:
    recording = simulate(7, "normal", noise=False).recording
    sent = traces_json(None, canonical_page(recording))
    assert sent["traced"]
    assert sent["leads"]["V1"]["start"] == pytest.approx(5.0, abs=0.1)  # the third of four columns
    for lead in ("I", "II", "V1", "V6"):
        trace = sent["leads"][lead]
        times = trace["start"] + np.arange(len(trace["uv"])) / trace["rate"]
        row = recording.lead(lead) - np.median(recording.lead(lead))
        true = np.interp(times, np.arange(len(row)) / recording.rate, row)
        seen = np.array([np.nan if value is None else value / 1000 for value in trace["uv"]])
        there = np.isfinite(seen)
        assert there.mean() > 0.8
        assert np.corrcoef(seen[there], true[there])[0, 1] > 0.8
    assert traces_json(None, None) == {"traced": False, "leads": {}, "beats": []}


@pytest.mark.parametrize("layout", ["3x4+1", "6x2", "12x1"])
def test_cases_are_drawn_in_the_layout_of_the_query(layout: str) -> None:
    recording = heartbeats(3)
    case = Case("a", "", {}, waveform=pack(recording))
    entry = entry_of(recording, case, page_only=True, layout=layout)
    cells = sum(len(row) for row in LAYOUTS[layout].rows)
    for which in ("query", "1"):
        drawing = drawing_of(entry, which)
        assert drawing is not None
        assert drawing.count("<text") == cells


def test_a_case_that_keeps_nothing_or_damage_is_not_drawn() -> None:
    recording = heartbeats(3)
    whole = pack(recording)
    cases = Case("a", "", {}), Case("b", "", {}, waveform=whole[:50]), Case("c", "", {}, page=b"no picture")
    entry = entry_of(recording, *cases)
    assert [drawing_of(entry, which) for which in ("1", "2", "3", "4", "0", "x", "earlier-1")] == [None] * 7


def simulated(case_id: str, **more: Any) -> Case:
    return Case(case_id, "Report of ГАЛЯ — 日本, Überleitung.", {"AFIB": 80.0}, source="simulated", **more)


@pytest.mark.parametrize("page_only", [False, True])
def test_the_pdf_is_true_to_scale_and_can_be_searched(page_only: bool) -> None:
    recording = heartbeats(6)
    entry = entry_of(recording, simulated("sim-1", waveform=pack(recording)), page_only=page_only)
    pdf = pypdfium2.PdfDocument(pdf_of(entry, Words("de")))
    assert next(page.get_size() for page in pdf) == pytest.approx((297 * MM, 210 * MM), abs=0.01)
    text = "\n".join(page.get_textpage().get_text_range() for page in pdf)
    assert text.count("Forschungssoftware, keine Diagnose.") == len(pdf)
    assert "Report of ???? — ??, Überleitung." in text.replace("\r\n", " ")
    assert "Vorhofflimmern" in text
    assert "SIMULIERT" in text
    # A page holds two sheets of lines, the calibration pulses and the traces: four pulses of 10 mm, 30 mm apart.
    case = pdf[len(pdf) - 1]
    sizes = []
    for part in case.get_objects():
        left, bottom, right, top = part.get_bounds()
        sizes.append(((right - left) / MM, (top - bottom) / MM))
    assert any(wide == pytest.approx(256, abs=0.5) and high == pytest.approx(128, abs=0.5) for wide, high in sizes)
    assert any(wide == pytest.approx(5, abs=0.5) and high == pytest.approx(100, abs=0.5) for wide, high in sizes)


def test_text_is_wrapped_at_its_true_width() -> None:
    words = "The quick brown fox " * 20 + "W" * 300
    lines = wrapped(words, 60, 10)
    assert all(width_of(line, 10) <= 60 for line in lines)
    assert "".join(lines).replace(" ", "") == words.replace(" ", "")
    assert width_of("W", 10) > 2 * width_of("i", 10)
    assert width_of("a b", 20) == pytest.approx(2 * width_of("a b", 10))
    assert latin("a\x00b\n日") == "a b ?"


class Made:
    def __init__(self, rate: float | None) -> None:
        self.rate_bpm = rate


def test_differences_are_told_and_far_ones_marked() -> None:
    t: Any = Words("en")
    assert cell(None, Made(70), "rate_bpm", t).value == NONE  # type: ignore[arg-type]
    assert cell(Made(None), Made(70), "rate_bpm", t).difference == ""  # type: ignore[arg-type]
    assert cell(Made(70), Made(None), "rate_bpm", t).difference == ""  # type: ignore[arg-type]
    near, far = cell(Made(79), Made(70), "rate_bpm", t), cell(Made(60), Made(70), "rate_bpm", t)  # type: ignore[arg-type]
    assert (near.difference, near.marked) == ("+9", False)
    assert (far.difference, far.marked) == ("\N{MINUS SIGN}10", True)
