"""Where the leads of a picture are once it came another way."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from eval.bench.boxes import TrueLead
from eval.bench.intake_parts import judged_report
from eval.bench.intake_ways import WAYS
from eval.bench.truth import PictureTruth, load_truth
from tests.eval.bench.test_intake_scans import as_found

TRUTH = next(truth for truth in load_truth().values() if truth.file == "Normal(106).jpg")
INK = (20, 30, 160)


def spotted() -> tuple[np.ndarray, PictureTruth]:
    """A page with a spot of ink at the beginning of each lead's baseline, and leads that begin there."""
    width, height = TRUTH.size
    pixels = np.full((height, width, 3), 250, np.uint8)
    leads = []
    for lead in TRUTH.leads:
        middle = lead.box.mean(axis=0).round().astype(int)
        pixels[middle[1] - 4 : middle[1] + 5, middle[0] - 4 : middle[0] + 5] = INK
        leads.append(TrueLead(lead.lead, lead.row, lead.box - lead.box.mean(axis=0) + middle))
    return pixels, replace(TRUTH, leads=tuple(leads))


@pytest.mark.parametrize("name", WAYS)
def test_each_lead_is_where_the_picture_shows_it(name: str) -> None:
    pixels, truth = spotted()
    picture, now = WAYS[name](pixels, truth)
    assert picture.shape == (now.size[1], now.size[0], 3)
    assert picture.dtype == np.uint8
    assert [lead.lead for lead in now.leads] == [lead.lead for lead in truth.leads]
    # One spot may lie under a mark of the pen.
    dark = 0
    for lead in now.leads:
        x, y = lead.box.mean(axis=0).round().astype(int)
        dark += picture[y - 1 : y + 2, x - 1 : x + 2, :2].mean() < 140
    assert dark >= len(now.leads) - 1
    assert judged_report(as_found(now), now) == "right"


def test_a_picture_in_a_mirror_begins_on_the_right() -> None:
    _, now = WAYS["in a mirror"](*spotted())
    first = next(lead for lead in now.leads if lead.lead == "I")
    assert first.box[0, 0] > first.box[1, 0] > TRUTH.size[0] / 2


def test_pixels_to_a_millimetre_follow_the_picture() -> None:
    pixels, truth = spotted()
    truth = replace(truth, px_per_mm=(4.0, 5.0))
    for name, wanted in (
        ("upside down", (4.0, 5.0)),
        ("on its left side", (5.0, 4.0)),
        ("squeezed to 0.7 of its width", (2.8, 5.0)),
        ("squeezed to 0.7 of its height", (4.0, 3.5)),
    ):
        assert WAYS[name](pixels, truth)[1].px_per_mm == pytest.approx(wanted, rel=2e-3), name
