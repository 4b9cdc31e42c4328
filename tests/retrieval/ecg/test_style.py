"""Styles that cannot be drawn are refused in one sentence that names the value."""

import pytest

from retrieval.ecg.style import PageStyle
from retrieval.errors import BadArgument


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"pulse": "above"}, r"^the calibration pulse stands 'above'; it must be one of left, right, none$"),
        ({"timing": "odd"}, r"^the timing is 'odd'; it must be one of sequential, simultaneous$"),
        ({"order": "odd"}, r"^the order of leads is 'odd'; "),
        ({"rhythm": "V9"}, r"^the rhythm strip cannot show 'V9'; "),
        ({"dotted": True, "grid": "none"}, r"^dotted is set and the grid is 'none'; "),
        ({"chest_gain": 0.0}, r"^chest_gain is 0.0; it must be greater than 0 and finite$"),
        ({"seconds": -1.0}, r"^seconds is -1.0; it must be greater than 0 and finite$"),
        ({"sheet_mm": (297.0, 0.0)}, r"^the sheet's height is 0.0; it must be greater than 0 and finite$"),
        ({"layout": "6x1-chest", "order": "cabrera"}, r"^6x1-chest has no limb leads"),
    ],
)
def test_refused(settings, message):
    with pytest.raises(BadArgument, match=message):
        PageStyle(**settings)


def test_other_spellings_are_taken():
    assert (PageStyle(grid="grey").grid, PageStyle(pulse=True).pulse, PageStyle(pulse=False).pulse) == (
        "gray",
        "left",
        "none",
    )


def test_the_gain_of_chest_leads_may_be_another():
    split = PageStyle(gain=10.0, chest_gain=5.0)
    assert [split.gain_of(lead) for lead in ("I", "aVF", "V1", "V6")] == [10.0, 10.0, 5.0, 5.0]
    assert PageStyle(gain=20.0).gain_of("V3") == 20.0
