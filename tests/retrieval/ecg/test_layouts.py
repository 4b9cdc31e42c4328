"""Layouts against the table that printers use, and cells that share out the paper and the time without gaps."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retrieval.ecg.layouts import LAYOUTS, layout_named
from retrieval.ecg.recording import LEADS
from retrieval.errors import BadArgument
from tests.retrieval.ecg.tracing import CABRERA, PLANS

NAMES = st.sampled_from(sorted(PLANS))


def test_there_are_the_layouts_of_the_table_and_no_others():
    assert set(LAYOUTS) == set(PLANS)
    assert all(name == layout.name for name, layout in LAYOUTS.items())


@pytest.mark.parametrize("name", PLANS)
def test_rows_are_those_of_the_printers(name):
    assert [" ".join(row) for row in layout_named(name).rows] == PLANS[name]


@pytest.mark.parametrize("name", CABRERA)
def test_rows_in_cabreras_order_run_round_the_frontal_plane_with_avr_inverted(name):
    cells = layout_named(name, order="cabrera").cells(0, 0, 30, 250)
    assert [cell.printed for cell in cells] == " ".join(CABRERA[name]).split()
    assert [cell.lead for cell in cells if cell.inverted] == ["aVR"]
    assert not any(cell.inverted for cell in layout_named(name).cells(0, 0, 30, 250))


SHOWN = {"6x1-limb": LEADS[:6], "6x1-chest": LEADS[6:]}


@pytest.mark.parametrize(("name", "order"), [*((n, "standard") for n in PLANS), *((n, "cabrera") for n in CABRERA)])
@pytest.mark.parametrize("rhythm", ["II", "V1", "aVF"])
def test_every_lead_is_shown_once_and_repeated_only_as_a_rhythm_strip(name, order, rhythm):
    rows = layout_named(name, rhythm, order).rows
    number = int(name.partition("+")[2] or 0)
    above, strips = (rows[:-number], rows[-number:]) if number else (rows, ())
    assert sorted(itertools.chain.from_iterable(above)) == sorted(SHOWN.get(name, LEADS))
    assert strips == {0: (), 1: ((rhythm,),), 3: (("II",), ("V1",), ("V5",))}[number]


@pytest.mark.parametrize(
    ("name", "columns"),
    [
        ("3x4", 4),
        ("3x4+1", 4),
        ("3x4+3", 4),
        ("6x2", 2),
        ("6x2+1", 2),
        ("12x1", 1),
        ("6x1-limb", 1),
        ("6x1-chest", 1),
    ],
)
def test_columns(name, columns):
    assert layout_named(name).columns == columns


@given(NAMES, st.floats(0, 40), st.floats(5, 60), st.floats(10, 60), st.floats(50, 1000))
def test_cells_share_a_row_without_gap_or_overlap(name, x_mm, top_mm, row_mm, width_mm):
    cells = layout_named(name).cells(x_mm, top_mm, row_mm, width_mm)
    assert [cell.lead for cell in cells] == " ".join(PLANS[name]).split()
    for number, cells_of_row in itertools.groupby(cells, key=lambda cell: cell.row):
        row = list(cells_of_row)
        assert row[0].start == 0
        assert row[-1].stop == pytest.approx(1)
        assert row[0].x_mm == x_mm
        assert row[-1].x_mm + row[-1].width_mm == pytest.approx(x_mm + width_mm)
        assert {cell.baseline_mm for cell in row} == {top_mm + number * row_mm}
        for left, right in itertools.pairwise(row):
            assert left.stop == pytest.approx(right.start)
            assert left.x_mm + left.width_mm == pytest.approx(right.x_mm)
        for cell in row:  # a millimetre is the same time everywhere in the row
            assert (cell.stop - cell.start) * width_mm == pytest.approx(cell.width_mm)


@pytest.mark.parametrize("name", ["", "3X4", "4x3", "3x4+2"])
def test_an_unknown_layout_is_refused_in_one_sentence(name):
    with pytest.raises(
        BadArgument, match=rf"^no layout is called '{name.replace('+', '.')}'; there are 3x4, 3x4\+1, .*6x1-chest$"
    ):
        layout_named(name)


@pytest.mark.parametrize("name", ["3x4+1", "6x2", "12x1"])
def test_simultaneous_columns_all_begin_with_the_recording(name):
    sequential = layout_named(name).cells(10, 20, 30, 240)
    for one, other in zip(sequential, layout_named(name).cells(10, 20, 30, 240, "simultaneous"), strict=True):
        assert (other.start, other.stop) == (0, pytest.approx(one.stop - one.start))
        assert (one.lead, one.x_mm, one.width_mm) == (other.lead, other.x_mm, other.width_mm)


def test_a_lead_or_an_order_that_is_none_is_refused():
    with pytest.raises(BadArgument, match=r"^the rhythm strip cannot show 'V7'; it must be one of I, II, "):
        layout_named("3x4+1", rhythm="V7")
    with pytest.raises(BadArgument, match=r"^the order of leads is 'odd'; it must be one of standard, cabrera$"):
        layout_named("3x4+1", order="odd")
    with pytest.raises(BadArgument, match=r"^6x1-chest has no limb leads"):
        layout_named("6x1-chest", order="cabrera")
