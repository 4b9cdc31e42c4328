"""A drawing of what was understood shows each thing at its place, in the picture's own geometry."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from retrieval.ecg.page import CANONICAL, CanonicalPage, canonical_page
from retrieval.intake.caption import caption_lines
from retrieval.intake.overlay import FIELD, LEFT_OUT, RULER, SHEET, SIDES, draw_understood
from retrieval.intake.result import Finding, FoundLead, Intake, IntakeReport
from tests.retrieval.conftest import heartbeats

BLANK = CanonicalPage(np.full(CANONICAL.shape, 255, np.uint8))


def square(left, top, right, bottom):
    return (left, top), (right, top), (right, bottom), (left, bottom)


def intake_of(wide, high, findings=(), **more):
    report = IntakeReport(10.0, 10.0, 0.0, "3x4", 0.9, picture=(wide, high), **more)
    return Intake("page.png", "image", BLANK, None, findings, report)


def white(wide, high):
    return np.full((high, wide, 3), 255, np.uint8)


def places(drawing, colour, reach=6):
    """Pixels of about that colour, as arrays of y and x."""
    return np.nonzero((np.abs(drawing.astype(int) - np.array(colour)) <= reach).all(axis=2))


@pytest.mark.parametrize(("wide", "high"), [(400, 300), (2000, 1500), (4000, 3000)])
def test_the_drawing_is_large_enough_to_read_and_no_larger(wide, high):
    drawing = draw_understood(intake_of(wide, high), white(wide, high))
    assert drawing.dtype == np.uint8
    assert SIDES[0] <= drawing.shape[1] <= SIDES[1]
    assert drawing.shape[0] > drawing.shape[1] * high / wide  # the caption stands below
    assert drawing.shape[0] < drawing.shape[1] * high / wide * 1.3


@pytest.mark.parametrize(("wide", "high"), [(800, 600), (4000, 3000)])
def test_sheet_and_field_are_drawn_where_they_are(wide, high):
    sheet, field = square(0.1 * wide, 0.1 * high, 0.9 * wide, 0.8 * high), square(0.3 * wide, 0.3 * high, 500, 400)
    drawing = draw_understood(intake_of(wide, high, paper=sheet, corners=field), white(wide, high))
    factor = drawing.shape[1] / wide
    drawing = drawing[: round(high * factor)]
    for colour, quad in ((SHEET, sheet), (FIELD, field)):
        y, x = places(drawing, colour)
        for found, expected in ((x, [p[0] for p in quad]), (y, [p[1] for p in quad])):
            assert found.min() == pytest.approx(min(expected) * factor, abs=6)
            assert found.max() == pytest.approx(max(expected) * factor, abs=6)


def test_the_ruler_has_the_pitch_that_was_measured():
    drawing = draw_understood(intake_of(1600, 1200, corners=square(100, 100, 1500, 1100)), white(1600, 1200))
    y, x = places(drawing[:1200], RULER)
    assert (x.max() - x.min()) / 10.0 == pytest.approx(100, abs=1)  # 50 mm to each side
    assert (y.max() - y.min()) / 10.0 == pytest.approx(40, abs=1)
    ticks = np.unique(x[y == 596])  # just above the line, where only ticks reach
    runs = np.split(ticks, np.nonzero(np.diff(ticks) > 1)[0] + 1)
    centres = [run.mean() for run in runs if len(run) < 8]
    assert len(centres) == 21
    assert np.allclose(np.diff(centres), 50, atol=1.5)


def test_leads_are_tinted_inside_their_boxes_alone():
    lead = FoundLead("V2", 1, square(200, 300, 600, 500), 2.5)
    bare = draw_understood(intake_of(1600, 1200, corners=square(900, 900, 1500, 1100)), white(1600, 1200))
    with_lead = intake_of(1600, 1200, corners=square(900, 900, 1500, 1100), leads=(lead,))
    changed = (draw_understood(with_lead, white(1600, 1200))[:1200] != bare[:1200]).any(axis=2)
    y, x = np.nonzero(changed)
    assert (x.min(), x.max(), y.min(), y.max()) == pytest.approx((200, 600, 300, 500), abs=4)
    assert changed[310:490, 210:590].mean() > 0.99


def test_unsure_leads_look_otherwise_and_say_so():
    lead = FoundLead("V2", 1, square(200, 300, 600, 500), 2.5)
    sure, unsure, inverted = (
        draw_understood(intake_of(1600, 1200, leads=(one,)), white(1600, 1200))
        for one in (lead, replace(lead, certainty=0.2), replace(lead, inverted=True))
    )
    assert (sure != unsure).any()
    assert (sure != inverted).any()


def test_a_tag_stays_in_the_picture_where_its_box_does_not():
    lead = FoundLead("aVF", 3, square(-300, 1000, 700, 1500), 2.5)
    inside = draw_understood(intake_of(1600, 1200, leads=(lead,)), white(1600, 1200))[:1200]
    assert (inside[1150:1200, :80] == 255).all(axis=2).any()  # its letters are white


def test_what_was_left_out_is_hatched():
    drawing = draw_understood(intake_of(1600, 1200, masked=(square(50, 40, 400, 140),)), white(1600, 1200))
    y, x = places(drawing[:1200], LEFT_OUT, 2)
    assert (x.min(), x.max(), y.min(), y.max()) == pytest.approx((50, 400, 40, 140), abs=8)
    assert 0.05 < len(x) / (350 * 100) < 0.4


def test_a_recording_is_shown_as_the_page_that_was_made():
    own = heartbeats(3)
    intake = Intake("r.hea", "wfdb", canonical_page(own), own, (Finding("signal", "lead V3 is flat"),))
    drawing = draw_understood(intake, None)
    assert drawing.shape[1] == 3 * CANONICAL.width_px
    page = drawing[: 3 * CANONICAL.height_px].min(axis=2)
    small = page.reshape(CANONICAL.height_px, 3, CANONICAL.width_px, 3).mean(axis=(1, 3))
    ink = intake.page.pixels < 100
    assert small[ink].mean() < 110
    assert len(places(drawing, SHEET)[0]) > 500  # the names of its leads


def test_a_page_of_unknown_layout_can_be_shown():
    blank = Intake("x", "image", CanonicalPage(np.full(CANONICAL.shape, 255, np.uint8), "unknown"))
    assert draw_understood(blank, None).shape[1] == 3 * CANONICAL.width_px


def test_the_caption_says_what_was_found_and_each_finding():
    found = (Finding("paced", "pacing spikes were seen", 0.6), Finding("cut_off", "the page may be cut off"))
    lines = caption_lines(intake_of(800, 600, found, assumed=("gain",), chest_gain=5.0))
    assert "3x4" in lines[0]
    assert "25 mm/s, 10 mm/mV (chest 5)" in lines[0]
    assert "gain" in lines[1]
    assert lines[2:] == ("- pacing spikes were seen (60 %)", "- the page may be cut off")
    few = draw_understood(intake_of(800, 600), white(800, 600))
    assert draw_understood(intake_of(800, 600, found * 4), white(800, 600)).shape[0] > few.shape[0] + 100
