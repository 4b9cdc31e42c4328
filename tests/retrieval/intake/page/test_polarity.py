"""Which way beats point tells six limb leads from six chest leads, and a page on its head, without a name."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from retrieval.ecg.layouts import layout_named
from retrieval.ecg.recording import LEADS
from retrieval.ecg.simulator import simulate
from retrieval.intake.page.columns import Columns
from retrieval.intake.page.evidence import PageEvidence, law_odds, pointing_odds
from retrieval.intake.page.naming import name_layout
from retrieval.intake.page.polarity import USUAL, polarity, polarity_odds
from retrieval.intake.page.rows import Row
from retrieval.intake.page.signals import stretch_of
from retrieval.intake.page.templates import Slot, templates

WAY = st.floats(-1, 1)


def beats(up: float, down: float) -> np.ndarray:
    """Heights in mm of a lead whose beats rise by ``up`` and fall by ``down``."""
    spikes = np.zeros(1500)
    spikes[50::150], spikes[62::150] = up, -down
    return np.convolve(spikes, np.hanning(12), "same")


@pytest.mark.parametrize(("up", "down", "least", "most"), [(10, 0, 0.7, 1), (0, 10, -1, -0.7), (8, 8, -0.1, 0.1)])
def test_it_is_the_way_in_which_the_larger_waves_point(up: float, down: float, least: float, most: float) -> None:
    assert least <= polarity(stretch_of(beats(up, down))) <= most


def test_a_level_line_points_nowhere_and_a_missing_one_is_not_judged() -> None:
    assert abs(polarity(stretch_of(np.random.default_rng(2).normal(0, 0.02, 600)))) < 0.1
    nothing = polarity(stretch_of(np.full(600, np.nan)))
    assert np.isnan(nothing)
    assert polarity_odds(nothing, Slot("V1")) == 0.0
    assert polarity_odds(0.4, Slot("")) == 0.0  # which lead a strip shows is not known


@given(WAY, st.sampled_from(LEADS))
def test_a_lead_upside_down_points_the_other_way(way: float, lead: str) -> None:
    assert polarity_odds(-way, Slot(lead, inverted=True)) == pytest.approx(polarity_odds(way, Slot(lead)))


@given(WAY)
def test_no_single_lead_says_much(way: float) -> None:
    assert all(-2.6 < polarity_odds(way, Slot(lead)) < 1.0 for lead in USUAL)


def unnamed(leads: tuple[str, ...], seed: int, change: Callable[[np.ndarray], np.ndarray]) -> PageEvidence:
    """Rows of a simulated ECG, a lead each, without print; each of another height, so that no law is obeyed."""
    case = simulate(seed).recording
    at = np.arange(1500) / 150 * case.rate
    rng = np.random.default_rng(seed)
    rows = []
    for lead in leads:
        signal = np.nan_to_num(case.signal[LEADS.index(lead)]) * 10
        rows.append(rng.uniform(0.4, 1.6) * np.interp(at, np.arange(len(signal)), signal))
    heights = np.full((len(leads), 1620), np.nan)
    heights[:, 60:1560] = change(np.stack(rows))
    reaches = tuple(Row(100.0 + 150 * number, 1.0, 60, 1560) for number in range(len(leads)))
    return PageEvidence(reaches, heights, np.zeros(heights.shape, np.float32), ())


def likeness(page: PageEvidence, name: str) -> float:
    """How much the rows of a page point as those of six single leads do."""
    template = next(one for one in templates() if one.name == name and one.order == "standard")
    return pointing_odds(page, Columns((60.0, 1560.0), ()), tuple(range(6)), template)


@pytest.mark.parametrize("layout", ["6x1-limb", "6x1-chest"])
def test_six_rows_are_told_by_the_way_they_point(layout: str) -> None:
    other = {"6x1-limb": "6x1-chest", "6x1-chest": "6x1-limb"}[layout]
    leads = tuple(row[0] for row in layout_named(layout).rows)
    pages = [unnamed(leads, 700_000 + seed, np.asarray) for seed in range(30)]
    assert sum(likeness(page, layout) > likeness(page, other) for page in pages) >= 26


def test_broken_laws_count_for_less_where_rows_hardly_beat_together_and_fully_where_they_do_not() -> None:
    """Six chest leads obey no law of limb leads; badly read limb leads would not, and what is no ECG does not."""
    leads = tuple(row[0] for row in layout_named("6x1-chest").rows)
    template = next(one for one in templates() if one.name == "6x1-limb" and one.order == "standard")
    against = {}
    for noise in (0.0, 6.0, 40.0):
        specks = np.random.default_rng(8).normal(0, noise, (6, 1500))
        dirt = np.stack([np.convolve(row, np.hanning(20) / 3, "same") for row in specks])
        page = unnamed(leads, 720_000, lambda rows, dirt=dirt: rows + dirt)
        odds = law_odds(page, Columns((60.0, 1560.0), ()), tuple(range(6)), template)
        against[noise] = page.misread, odds
    assert against[6.0][0] > 0.2 > against[0.0][0]
    assert not against[40.0][0]
    assert against[0.0][1] < against[6.0][1] < 0.0
    assert against[40.0][1] < against[6.0][1]


def test_a_page_on_its_head_is_less_like_any_arrangement() -> None:
    worse = 0
    for seed in range(20):
        leads = tuple(row[0] for row in layout_named("12x1").rows)
        upright = name_layout(unnamed(leads, 710_000 + seed, np.asarray)).odds
        on_its_head = name_layout(unnamed(leads, 710_000 + seed, lambda rows: -rows[::-1])).odds
        worse += on_its_head < upright
    assert worse >= 17
