"""Layouts against the table that printers use, and cells that share out the paper and the time without gaps."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retrieval.ecg.layouts import LAYOUTS, layout_named
from retrieval.ecg.recording import LEADS
from retrieval.errors import BadArgument
from tests.retrieval.ecg.tracing import PLANS

NAMES = st.sampled_from(sorted(PLANS))


def test_there_are_the_layouts_of_the_table_and_no_others():
    assert set(LAYOUTS) == set(PLANS)
    assert all(name == layout.name for name, layout in LAYOUTS.items())


@pytest.mark.parametrize("name", PLANS)
def test_rows_are_those_of_the_printers(name):
    assert [" ".join(row) for row in layout_named(name).rows] == PLANS[name]


@pytest.mark.parametrize("name", PLANS)
def test_every_lead_is_shown_and_repeated_only_as_a_rhythm_strip(name):
    shown = list(itertools.chain.from_iterable(layout_named(name).rows))
    twelve, strips = shown[: len(LEADS)], shown[len(LEADS) :]
    assert sorted(twelve) == sorted(LEADS)
    assert len(strips) == int(name.partition("+")[2] or 0)
    assert all(len(row) == 1 for row in layout_named(name).rows[len(PLANS[name]) - len(strips) :])


@pytest.mark.parametrize(
    ("name", "columns"), [("3x4", 4), ("3x4+1", 4), ("3x4+3", 4), ("6x2", 2), ("6x2+1", 2), ("12x1", 1)]
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
        BadArgument, match=rf"^no layout is called '{name.replace('+', '.')}'; there are 3x4, 3x4\+1, .*12x1$"
    ):
        layout_named(name)
