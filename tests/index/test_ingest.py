"""How far a stream was taken stands in the gallery with its cases, or not at all."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import pytest

from index import Gallery, Ingest
from index.errors import BadCase, DuplicateCase, GalleryDamaged
from tests.index.gallery_samples import new_gallery, sample_case, unit

REFUSED = (("a.csv", "row 7", "the page is empty"), ("ä.csv", "", "'quoted'"))


def test_it_comes_back_as_it_was_committed_with_its_cases(tmp_path):
    with new_gallery(tmp_path / "g") as gallery, Gallery.open(gallery.path) as reader:
        assert gallery.ingest("one") is None
        assert gallery.add([sample_case(0)], unit(1), ingest=Ingest("one", 3, refused=REFUSED)) == 1
        assert gallery.add([sample_case(1)], unit(1), ingest=Ingest("two", 1, finished=True)) == 2
        for each in (gallery, reader):
            assert each.ingest("one") == Ingest("one", 3, False, REFUSED)
            assert each.ingest("two") == Ingest("two", 1, True, ())
            assert each.ingest("three") is None
        gallery.add([sample_case(2)], unit(1), ingest=Ingest("one", 4, True, REFUSED[:1]))
    with Gallery.open(tmp_path / "g") as gallery:
        assert gallery.ingest("one") == Ingest("one", 4, True, REFUSED[:1])
        assert gallery.verify().ok


def test_without_cases_it_is_committed_and_the_generation_stays(tmp_path):
    with new_gallery(tmp_path / "g") as gallery:
        assert gallery.add([], [], ingest=Ingest("one", 9, True)) == 0
    with Gallery.open(tmp_path / "g") as gallery:
        assert gallery.ingest("one") == Ingest("one", 9, True)


def test_cases_that_are_refused_leave_it_as_it_was(tmp_path):
    with new_gallery(tmp_path / "g") as gallery:
        gallery.add([sample_case(0)], unit(1), ingest=Ingest("one", 1))
        with pytest.raises(DuplicateCase):
            gallery.add([sample_case(1), sample_case(0)], unit(2), ingest=Ingest("one", 3))
        assert gallery.ingest("one") == Ingest("one", 1)
        assert len(gallery) == 1


@pytest.mark.parametrize("values", [("", 0), ("one", -1)])
def test_what_cannot_be_is_refused(values):
    with pytest.raises(BadCase, match="a fingerprint and a count"):
        Ingest(*values)


@pytest.mark.parametrize("refused", ["no JSON", "[1]", '[["a"]]', "7"])
def test_a_damaged_row_is_said_in_one_sentence(tmp_path, refused):
    with new_gallery(tmp_path / "g") as gallery:
        gallery.add([], [], ingest=Ingest("one", 1))
    with closing(sqlite3.connect(tmp_path / "g" / "cases.db")) as database:
        database.execute("UPDATE ingests SET refused = ?", (refused,))
        database.commit()
    with Gallery.open(tmp_path / "g") as gallery, pytest.raises(GalleryDamaged, match="table ingests"):
        gallery.ingest("one")
