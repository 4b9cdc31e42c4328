from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from index import Case, Gallery, parse_where
from index.errors import BadSearch
from retrieval.errors import BadArgument
from retrieval.intake.correction import Correction
from retrieval.web.asked import Filters, Upload, by_of, correction_of, filters_of, k_of, page_of

TEXT = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=20).map(str.strip).filter(bool)


def test_fields_become_one_condition() -> None:
    given_ = Filters(age_from="60", sex="female", words="infarkt*", present=("IMI",), where="date is known or has SR")
    assert given_.condition() == (
        'age >= "60" and sex = "female" and report ~ "infarkt*" and has "IMI" and (date is known or has SR)'
    )
    assert Filters().condition() is None
    assert Filters(where="age >= 60").condition() == "age >= 60"


@pytest.mark.parametrize(
    ("filters", "part"),
    [
        (Filters(age_from="old"), "old"),
        (Filters(date_from="31.05.1990"), "31.05.1990"),
        (Filters(where="agee > 3"), "column 1"),
        (Filters(age_from="60", where="age >"), "column 6"),
        (Filters(where="age > 60) or (age > 1"), "column"),
    ],
)
def test_what_is_no_condition_is_refused_with_its_own_column(filters: Filters, part: str) -> None:
    with pytest.raises(BadSearch, match=part):
        filters.condition()


@pytest.fixture(scope="module")
def gallery_of_sites(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("sites")


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(site=TEXT, device=TEXT)
def test_any_text_is_one_value_and_nothing_else(
    site: str, device: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    import numpy as np

    folder = tmp_path_factory.mktemp("one") / "gallery"
    with Gallery.create(folder, bundle_name="b", bundle_sha256="0" * 64, dim=2) as gallery:
        cases = [Case("a", "", {}, site=site, device=device), Case("b", "", {}, site=site + "x", device=device)]
        gallery.add(cases, np.eye(2, dtype=np.float32))
        condition = Filters(site=site, device=device).condition()
        assert condition is not None
        found = gallery.search(np.eye(2, dtype=np.float32)[:1], k=2, where=parse_where(condition))
        assert [neighbour.case_id for neighbour in found[0]] == ["a"]


def test_forms_are_read() -> None:
    form = {"age_from": [" 60 "], "present": ["IMI", "", "SR"], "where": ["age  >\n3"], "strange": ["x"]}
    assert filters_of(form) == Filters(age_from="60", present=("IMI", "SR"), where="age > 3")
    assert (k_of({}), k_of({"k": ["20"]}), by_of({"by": ["words"]}), by_of({"by": ["?"]})) == (
        10,
        20,
        "words",
        "both",
    )
    with pytest.raises(BadArgument, match="7"):
        k_of({"k": ["7"]})
    assert (page_of({"page": ["3"]}), page_of({"page": ["x"]}), page_of({})) == (3, None, None)


CORNERS = {
    "x0": ["10"],
    "y0": ["20"],
    "x1": ["500"],
    "y1": ["25"],
    "x2": ["510"],
    "y2": ["400"],
    "x3": ["5"],
    "y3": ["390"],
}


def test_corrections_are_read() -> None:
    assert correction_of({"turns": ["0"], "layout": [""], **CORNERS}) is None  # corners that nobody moved
    moved = correction_of({"use_corners": ["1"], "turns": ["4"], "speed": ["12,5"], "layout": ["6x2"], **CORNERS})
    assert moved == Correction(4, ((10, 20), (500, 25), (510, 400), (5, 390)), "6x2", 12.5)
    with pytest.raises(BadArgument, match="eight"):
        correction_of({"use_corners": ["1"], **CORNERS, "x2": [""]})
    with pytest.raises(BadArgument, match="fast"):
        correction_of({"speed": ["fast"]})
    with pytest.raises(BadArgument, match="nan"):
        correction_of({"gain": ["nan"]})


def test_only_pictures_that_browsers_know_are_sent_back() -> None:
    assert Upload(b"\xff\xd8\xff\xe0", "a.exe").shown_as == "image/jpeg"
    assert Upload(b"\x89PNG\r\n\x1a\n", "").shown_as == "image/png"
    assert Upload(b"<svg onload=alert(1)>", "a.png").shown_as is None
    assert Upload(b"<html>", "a.jpg").shown_as is None
