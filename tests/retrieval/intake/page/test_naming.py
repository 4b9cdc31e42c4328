"""Layouts are named by the print, the columns and the laws; what nothing decides is not called certain."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from retrieval.ecg.layouts import layout_named
from retrieval.ecg.recording import LEADS
from retrieval.ecg.simulator import simulate
from retrieval.errors import BadArgument
from retrieval.intake.page.columns import Columns, fit_columns
from retrieval.intake.page.evidence import PageEvidence, law_odds, obeyed_odds, same_odds
from retrieval.intake.page.marks import NAMES
from retrieval.intake.page.naming import name_layout
from retrieval.intake.page.rows import Row, mm
from retrieval.intake.page.templates import templates
from retrieval.intake.page.words import Name

LEFT, LENGTH = 60, 1500


def name_at(lead: str, x: float, y: float, share: float = 0.95) -> Name:
    shares = np.full(len(NAMES), (1 - share) / (len(NAMES) - 1), np.float32)
    shares[NAMES.index(lead)] = share
    return Name(x, y - 8, x + 20, y + 8, shares)


def page_of(layout: str, order: str = "standard", rhythm: str = "II", *, named: bool = True) -> PageEvidence:
    """A page without waves: only its rows and, if wanted, its names tell what it is."""
    plan = layout_named(layout, rhythm, order)
    rows, names = [], []
    for r, leads in enumerate(plan.rows):
        base = 100.0 + 150 * r
        rows.append(Row(base, 1.0, LEFT, LEFT + LENGTH))
        for c, lead in enumerate(leads):
            shown = "-aVR" if lead == "aVR" and order == "cabrera" else lead
            names.append(name_at(shown, LEFT + 8 + c * LENGTH / len(leads), base - 50))
    width = LEFT + LENGTH + 60
    nothing = np.full((len(rows), width), np.nan)
    return PageEvidence(tuple(rows), nothing, np.zeros(nothing.shape, np.float32), tuple(names) if named else ())


def beating(page: PageEvidence) -> np.ndarray:
    """Heights ``[rows, width]`` of rows that beat together."""
    beats = np.zeros(page.heights.shape[1])
    beats[100::150] = 60.0
    waves = np.tile(np.convolve(beats, np.hanning(12) / 6, "same"), (len(page.rows), 1))
    return waves + np.random.default_rng(4).normal(0, 0.1, waves.shape)


LAYOUTS = ["3x4", "3x4+1", "3x4+3", "6x2", "6x2+1", "12x1", "6x1-limb", "6x1-chest"]


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("order", ["standard", "cabrera"])
def test_names_decide(layout: str, order: str) -> None:
    if layout == "6x1-chest" and order == "cabrera":
        pytest.skip("chest leads have one order")
    naming = name_layout(page_of(layout, order))
    assert (naming.layout, naming.order) == (layout, order)
    assert naming.certainty > 0.9
    plan = layout_named(layout, order=order)
    assert [tuple(slot.lead for slot in row) for row in naming.rows] == [tuple(row) for row in plan.rows]


def test_names_that_a_mirror_leaves_alike_are_told_apart() -> None:
    naming = name_layout(page_of("3x4+1"))
    assert (naming.named, naming.one_way) == (12, 9)


@pytest.mark.parametrize("rhythm", ["II", "V1", "V5"])
def test_the_strip_is_read(rhythm: str) -> None:
    naming = name_layout(page_of("3x4+1", rhythm=rhythm))
    assert naming.rows[-1][0].lead == rhythm


@pytest.mark.parametrize(("ink", "lead"), [("the same", "III"), ("alike", "II")])
def test_a_strip_shows_the_lead_whose_very_beats_it_has_whatever_its_name_is_read_as(ink: str, lead: str) -> None:
    page = page_of("3x4+1", rhythm="II")
    rng = np.random.default_rng(6)
    waves = np.stack(
        [np.convolve(rng.normal(0, 4, page.heights.shape[1]), np.hanning(25) / 5, "same") for _ in "1234"]
    )
    waves[1] = waves[2] + 0.4 * waves[1]  # II is like III
    first = slice(0, LEFT + LENGTH // 4)
    waves[3, first] = waves[2, first] + (0.0 if ink == "the same" else 0.35) * waves[3, first]
    unclear = name_at("II", LEFT + 8, page.rows[3].baseline - 50, 0.3)
    naming = name_layout(PageEvidence(page.rows, waves, page.evidence, (*page.names[:-1], unclear)))
    assert naming.rows[3][0].lead == lead


@given(st.floats(0, 2), st.floats(0, 2), st.sampled_from([2.5, 7.0]))
def test_the_nearer_a_strip_is_to_a_lead_the_more_it_is_taken_for_it(one: float, other: float, most: float) -> None:
    near, far = sorted((one, other))
    assert most >= same_odds(near, most) >= same_odds(far, most) >= -2.5


def test_a_row_that_does_not_beat_with_the_others_is_no_strip() -> None:
    page = page_of("3x4+1")
    rows = beating(page)
    names = tuple(name for name in page.names if name.middle < page.rows[3].baseline - 60)
    together = PageEvidence(page.rows, rows, page.evidence, names)
    assert name_layout(together).layout == "3x4+1"
    apart = rows.copy()
    apart[3] = np.random.default_rng(5).normal(0, 1, rows.shape[1])
    assert name_layout(PageEvidence(page.rows, apart, page.evidence, names)).layout == "3x4"


@pytest.mark.parametrize(("share", "lead"), [(0.6, "V5"), (0.99, "V6")])
def test_three_strips_are_the_usual_three_unless_a_name_says_otherwise(share: float, lead: str) -> None:
    page = page_of("3x4+3")
    last = page.rows[-1].baseline
    kept = [name for name in page.names if name.middle < page.rows[3].baseline - 60]
    misread = name_at("V6", LEFT + 8, last - 50, share)
    misread.shares[NAMES.index("V5")] = 0.95 - share if share < 0.95 else 0.001
    read = [name_at("II", LEFT + 8, last - 350), name_at("V1", LEFT + 8, last - 200), misread]
    naming = name_layout(PageEvidence(page.rows, page.heights, page.evidence, (*kept, *read)))
    assert [row[0].lead for row in naming.rows[3:]] == ["II", "V1", lead]


def test_no_lead_stands_in_two_strips() -> None:
    naming = name_layout(page_of("3x4+3", named=False), "3x4+3")
    assert sorted(row[0].lead for row in naming.rows[3:]) == ["II", "V1", "V5"]


def test_names_in_the_middle_of_long_rows_are_of_a_second_column() -> None:
    page = page_of("6x2")
    right = tuple(name for name in page.names if name.left > LEFT + LENGTH / 3)
    naming = name_layout(PageEvidence(page.rows, page.heights, page.evidence, right))
    assert naming.layout == "6x2"


@pytest.mark.parametrize("layout", ["3x4", "6x2"])
def test_a_level_line_below_the_rows_is_no_strip(layout: str) -> None:
    page = page_of(layout)
    below = replace(page.rows[-1], baseline=page.rows[-1].baseline + 150)
    heights = np.vstack([beating(page), np.zeros(page.heights.shape[1])])
    naming = name_layout(PageEvidence((*page.rows, below), heights, np.zeros(heights.shape, np.float32), page.names))
    assert naming.layout == layout
    assert naming.rows[-1] == ()


def test_one_lead_of_twelve_may_be_level() -> None:
    page = page_of("12x1")
    rows = beating(page)
    rows[4] = 0.0
    naming = name_layout(PageEvidence(page.rows, rows, page.evidence, page.names))
    assert naming.layout == "12x1"
    assert naming.rows[4][0].lead == "aVL"


def test_three_lines_that_may_not_beat_are_left_out() -> None:
    page = page_of("6x2")
    between = tuple(Row(row.baseline + 70, 1.0, LEFT, LEFT + LENGTH) for row in page.rows[1:4])
    rows = tuple(sorted((*page.rows, *between), key=lambda row: row.baseline))
    nothing = np.full((len(rows), page.heights.shape[1]), np.nan)
    naming = name_layout(PageEvidence(rows, nothing, np.zeros(nothing.shape, np.float32), page.names))
    assert naming.layout == "6x2"
    assert [bool(slots) for slots in naming.rows] == [row in page.rows for row in rows]


def test_three_lines_that_do_not_beat_with_the_others_are_left_out() -> None:
    page = page_of("6x2+1")
    between = tuple(Row(row.baseline + 70, 1.0, LEFT, LEFT + LENGTH) for row in page.rows[1:4])
    rows = tuple(sorted((*page.rows, *between), key=lambda row: row.baseline))
    noise = np.random.default_rng(5).normal(0, 1.0, (len(rows), page.heights.shape[1]))
    beats = iter(beating(page))
    heights = np.stack([next(beats) if row in page.rows else own for row, own in zip(rows, noise, strict=True)])
    naming = name_layout(PageEvidence(rows, heights, np.zeros(heights.shape, np.float32), page.names))
    assert naming.layout == "6x2+1"
    assert [bool(slots) for slots in naming.rows] == [row in page.rows for row in rows]


def test_six_rows_without_a_sign_are_not_certain() -> None:
    assert name_layout(page_of("6x2", named=False)).certainty < 0.7


def test_twenty_rows_are_unknown() -> None:
    page = page_of("12x1")
    rows = tuple(Row(100.0 + 60 * r, 1.0, LEFT, LEFT + LENGTH) for r in range(20))
    nothing = np.full((20, page.heights.shape[1]), np.nan)
    naming = name_layout(PageEvidence(rows, nothing, np.zeros(nothing.shape, np.float32), ()))
    assert naming.layout == "unknown"
    assert naming.certainty < 0.5


@pytest.mark.parametrize("template", templates(), ids=lambda t: f"{t.name} {t.order}")
def test_each_template_shows_each_of_its_leads_once_in_the_grid(template: object) -> None:
    shown = [slot.lead for row in template.rows[: template.grid] for slot in row if slot.lead]  # type: ignore[attr-defined]
    assert len(shown) == len(set(shown))
    assert set(shown) <= set(LEADS)
    assert len(shown) == (6 if "x1-" in template.name else 12)  # type: ignore[attr-defined]


def test_columns_are_found_at_gaps_in_line() -> None:
    evidence = np.zeros((3, LEFT + LENGTH + 60), np.float32)
    for k in (1, 2, 3):
        evidence[:, LEFT + 12 + k * 370 - 4 : LEFT + 12 + k * 370 + 4] = 1.0
    columns = fit_columns(4, (LEFT, LEFT + LENGTH), evidence, np.zeros(0))
    np.testing.assert_allclose(columns.edges[1:4], [LEFT + 12 + k * 370 for k in (1, 2, 3)], atol=mm(0.7))
    assert min(columns.support) > 0.5


def cut_page(layout: str, first: float, last: float, order: str = "standard") -> PageEvidence:
    """What a picture shows of a page of which it begins and ends at these shares of the rows."""
    page = page_of(layout, order)
    left, right = LEFT + first * LENGTH, LEFT + last * LENGTH
    rows = tuple(replace(row, left=left, right=right) for row in page.rows)
    names = tuple(name for name in page.names if left <= name.left < right)
    return PageEvidence(rows, beating(page), page.evidence, names)


@pytest.mark.parametrize("layout", ["3x4", "3x4+1", "3x4+3", "6x2"])
@pytest.mark.parametrize("order", ["standard", "cabrera"])
@pytest.mark.parametrize("last", [0.47, 0.61, 0.72, 0.84])
def test_the_beginning_of_a_page_is_read_as_such(layout: str, order: str, last: float) -> None:
    if layout == "6x2" and last < 0.6:
        pytest.skip("one column of six leads is a page of its own")
    naming = name_layout(cut_page(layout, 0.0, last, order))
    assert (naming.layout, naming.order, naming.cut) == (layout, order, "right")
    plan = layout_named(layout, order=order)
    width = 1 / len(plan.rows[0])
    shown = sum(number * width < last - 0.01 for number in range(len(plan.rows[0])))
    assert [slot.lead for slot in naming.rows[1]] == list(plan.rows[1][:shown])
    inner = np.array(naming.columns[shown].edges[1:-1])
    assert np.abs(inner - LEFT - LENGTH * width * np.arange(1, shown)).max() < mm(4.0)
    assert naming.certainty > 0.9


@pytest.mark.parametrize("layout", ["3x4", "3x4+1", "3x4+3"])
@pytest.mark.parametrize("first", [0.16, 0.28, 0.39, 0.53])
def test_the_end_of_a_page_is_read_as_such(layout: str, first: float) -> None:
    naming = name_layout(cut_page(layout, first, 1.0))
    assert (naming.layout, naming.cut) == (layout, "left")
    shown = layout_named(layout).rows[2][int(first * 4) :]
    assert len(naming.rows[2]) == len(shown)
    # Without its name, and with waves that obey no law, nothing tells what the column is that the edge cuts.
    assert [slot.lead for slot in naming.rows[2][1:]] == list(shown[1:])


def test_a_page_without_its_first_row_is_read_from_its_second_on() -> None:
    page = page_of("3x4+1")
    names = tuple(name for name in page.names if name.middle > page.rows[0].baseline)
    below = PageEvidence(page.rows[1:], page.heights[1:], page.evidence[1:], names)
    naming = name_layout(below)
    assert (naming.layout, naming.cut) == ("3x4+1", "top")
    assert [[slot.lead for slot in row] for row in naming.rows] == [
        ["II", "aVL", "V2", "V5"],
        ["III", "aVF", "V3", "V6"],
        ["II"],
    ]


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("length", [0.5, 1.0, 2.0])
def test_whole_pages_at_any_speed_are_not_cut(layout: str, length: float) -> None:
    """Half as long is five seconds, or 10 s of narrow paper; twice as long is 50 mm/s."""
    page = page_of(layout)
    rows = tuple(replace(row, right=LEFT + length * LENGTH) for row in page.rows)
    names = tuple(
        replace(
            name, left=LEFT + 8 + length * (name.left - LEFT - 8), right=LEFT + 28 + length * (name.left - LEFT - 8)
        )
        for name in page.names
    )
    nothing = np.full((len(rows), round(LEFT + length * LENGTH + 60)), np.nan)
    naming = name_layout(PageEvidence(rows, nothing, np.zeros(nothing.shape, np.float32), names))
    assert (naming.layout, naming.cut) == (layout, "")


def test_rows_of_a_second_page_are_counted() -> None:
    page = page_of("3x4+1")
    far = page.rows[-1].baseline + 200
    below = tuple(replace(row, baseline=row.baseline + far) for row in page.rows)
    one, other = beating(page), np.roll(beating(page), 70, axis=1)
    both = PageEvidence((*page.rows, *below), np.vstack([one, other]), np.tile(page.evidence, (2, 1)), page.names)
    assert name_layout(both).others >= 2
    assert name_layout(PageEvidence(page.rows, one, page.evidence, page.names)).others == 0


def test_a_layout_that_was_set_by_hand_needs_its_rows_unless_the_first_is_seen_to_lack() -> None:
    three = page_of("3x4")
    with pytest.raises(BadArgument, match=r"the layout 3x4\+1 has 4 rows, and 3 rows of traces were found"):
        name_layout(three, "3x4+1")
    page = page_of("3x4+1")
    names = tuple(name for name in page.names if name.middle > page.rows[0].baseline)
    below = PageEvidence(page.rows[1:], page.heights[1:], page.evidence[1:], names)
    naming = name_layout(below, "3x4+1")
    assert (naming.layout, naming.cut, naming.better) == ("3x4+1", "top", "")


def lawful_page(order: str = "standard") -> PageEvidence:
    """A page of a simulated ECG, which obeys the laws of its own order."""
    page = page_of("3x4+1", order)
    recording = simulate(3, noise=False).recording
    waves = np.full(page.heights.shape, np.nan)
    for row, leads in enumerate(layout_named("3x4+1", "II", order).rows):
        pixels = np.arange(LENGTH)
        seconds = pixels / (25 * mm(1.0))
        for column, part in enumerate(np.array_split(pixels, len(leads))):
            sign = -1 if leads[column] == "aVR" and order == "cabrera" else 1
            signal = recording.signal[LEADS.index(leads[column])]
            at = np.arange(len(signal)) / recording.rate
            waves[row, LEFT + part] = sign * 10 * np.interp(seconds[part], at, signal)
    return replace(page, heights=waves)


@pytest.mark.parametrize(("order", "misread"), [("standard", [("I", 1), ("I", 3)]), ("cabrera", [("II", 1)])])
def test_names_that_are_misread_do_not_change_the_order_of_lawful_leads(
    order: str, misread: list[tuple[str, int]]
) -> None:
    page = lawful_page(order)
    chest = [name for name in page.names if name.lead in LEADS[6:]]
    wrong = [name_at(lead, LEFT + 8, page.rows[row].baseline - 50) for lead, row in misread]
    naming = name_layout(replace(page, names=(*chest, *wrong)))
    assert (naming.layout, naming.order, naming.rows[3][0].lead) == ("3x4+1", order, "II")
    assert naming.lawful > 4.0


def test_leads_that_obey_the_law_of_the_other_order_are_not_taken_for_badly_read() -> None:
    """Rows that do not quite beat together are forgiven broken laws, but not where another order's are obeyed."""
    page = lawful_page()
    vars(page)["misread"] = 0.4
    fitted = Columns(tuple(float(LEFT + LENGTH * i / 4) for i in range(5)), (1.0,) * 3)
    own, cabrera = (
        law_odds(page, fitted, (0, 1, 2), next(t for t in templates() if (t.name, t.order) == ("3x4+1", order)))
        for order in ("standard", "cabrera")
    )
    assert own > 4.0
    assert cabrera < -3.5


@given(st.floats(0, 3), st.booleans())
def test_no_law_says_more_than_its_bounds(breach: float, first: bool) -> None:
    assert -2.5 <= obeyed_odds(breach, first=first) <= 2.5


def test_the_first_law_of_the_other_order_is_nearly_obeyed_and_speaks_against_it() -> None:
    assert obeyed_odds(0.065, first=True) < -2.0 < 0.0 < obeyed_odds(0.02, first=True)
    assert obeyed_odds(float("nan"), first=True) == 0.0
