"""Pages that are shown in a mirror."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from retrieval.ecg.drawing import DrawnPage, PageStyle, draw_page
from retrieval.ecg.simulator import simulate
from retrieval.intake.correction import Correction
from retrieval.intake.page.mirror import mirrored
from retrieval.intake.page.reading import PageReading, _told_in_a_mirror, understand, understand_as_set
from tests.retrieval.intake.page.test_understand import boxes_off_mm

STYLE = PageStyle(layout="3x4+1", grid="red", px_per_mm=5.0)


@pytest.fixture(scope="module")
def drawn() -> DrawnPage:
    return draw_page(simulate(70).recording, STYLE)


def in_the_mirror(reading: PageReading, width: int) -> PageReading:
    """The reading with the pixels of the picture counted from the other side."""

    def turned(box):
        return tuple((width - 1 - x, y) for x, y in box)

    leads = tuple(replace(lead, box=turned(lead.box)) for lead in reading.report.leads)
    return replace(reading, report=replace(reading.report, leads=leads))


def test_the_way_back_is_that_of_the_pixels() -> None:
    rgb = np.arange(2 * 5 * 3, dtype=np.uint8).reshape(2, 5, 3)
    part = mirrored(rgb)
    for x, y in ((0, 0), (4, 1), (1, 1)):
        u, v, w = part.place @ (x, y, 1)
        assert part.pixels[round(v / w), round(u / w)].tolist() == rgb[y, x].tolist()
    assert part.size == (5, 2)


@pytest.mark.slow
@pytest.mark.parametrize("turns", [0, 2])
def test_a_mirrored_page_is_read_the_right_way_round(drawn: DrawnPage, turns: int) -> None:
    plain = understand(drawn.pixels)
    picture = np.ascontiguousarray(np.rot90(drawn.pixels[:, ::-1], turns))
    reading = understand_as_set(picture, Correction(turns=turns)) if turns else understand(picture)
    assert "mirrored" in {finding.kind for finding in reading.findings}
    assert "mirrored" not in {finding.kind for finding in plain.findings}
    assert np.mean(np.abs(reading.page.pixels.astype(int) - plain.page.pixels)) < 2.0
    assert reading.report.certainty == pytest.approx(plain.report.certainty, abs=0.05)
    if turns == 0:
        assert boxes_off_mm(drawn, in_the_mirror(reading, picture.shape[1])) < 1.0
        assert reading.report.rotation_deg == pytest.approx(0.0, abs=0.1)


@pytest.mark.slow
def test_a_page_without_names_is_not_taken_for_one_in_a_mirror() -> None:
    nameless = draw_page(
        simulate(70).recording, PageStyle(layout="3x4+1", grid="red", px_per_mm=5.0, lead_names=False)
    )
    for pixels in (nameless.pixels, np.ascontiguousarray(nameless.pixels[:, ::-1])):
        assert "mirrored" not in {finding.kind for finding in understand(pixels).findings}


@pytest.mark.parametrize(
    ("named", "here", "there", "ahead", "told"),
    [
        (2, 1.0, 1.0, 4.0, True),
        (2, 1.0, 1.0, 3.0, False),
        (1, -2.0, 5.0, 4.0, True),
        (1, 1.0, 5.0, 4.0, False),
        (1, -2.0, 2.0, 4.0, False),
        (0, -2.0, 5.0, 9.0, False),
    ],
)
def test_a_mirror_is_told_by_names_or_by_one_and_the_laws_of_the_limb_leads(
    drawn: DrawnPage, named: int, here: float, there: float, ahead: float, told: bool
) -> None:
    reading = understand(drawn.pixels)
    shown = replace(reading, named=0, lawful=here, odds=0.0)
    assert _told_in_a_mirror(shown, replace(reading, named=named, lawful=there, odds=ahead)) is told
