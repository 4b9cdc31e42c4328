"""The promises of the gallery's interface, one by one."""

from __future__ import annotations

import numpy as np
import pytest

from index import Case, Gallery, Neighbour
from index.errors import (
    BadCase,
    BadSearch,
    BadVector,
    DuplicateCase,
    GalleryError,
    GalleryExists,
    GalleryMissing,
    UnknownCase,
    WrongBundle,
)
from tests.index.gallery_samples import SHA, filled, new_gallery, sample_case, unit


def test_a_case_comes_back_as_it_was_added(tmp_path):
    full = sample_case(1, statements={"Z": 0.5, "A": None, "M": 100.0}, page=b"\x89PNG\x00", waveform=b"")
    bare = Case("bare", "", {})
    with new_gallery(tmp_path / "g") as gallery:
        gallery.add([full, bare], unit(2))
    with Gallery.open(tmp_path / "g") as gallery:
        assert gallery.cases(["bare", full.case_id, "bare"]) == [bare, full, bare]
        assert list(gallery.cases([full.case_id])[0].statements) == ["Z", "A", "M"]
        assert gallery.ids() == [full.case_id, "bare"]


def test_search_ranks_from_one_with_scores(tmp_path):
    with new_gallery(tmp_path / "g", 2) as gallery:
        gallery.add([Case("a", "", {}), Case("b", "", {})], np.eye(2, dtype=np.float32))
        found = gallery.search(np.array([[0.6, 0.8], [1, 0]], np.float32), k=5)
    assert found[0] == [Neighbour(1, "b", 0.8), Neighbour(2, "a", 0.6)]
    assert found[1] == [Neighbour(1, "a", 1.0), Neighbour(2, "b", 0.0)]


def test_each_change_raises_the_generation_by_one(tmp_path):
    with new_gallery(tmp_path / "g") as gallery:
        assert gallery.info().generation == 0
        assert gallery.add([sample_case(0), sample_case(1)], unit(2)) == 1
        assert gallery.add([], []) == 1
        assert gallery.delete(["case-00000"]) == 2
        assert gallery.delete([]) == 2
        gallery.compact()
        assert gallery.info().generation == 2


def test_info_counts_cases_patients_and_bytes(tmp_path):
    with Gallery.open(filled(tmp_path / "g", unit(7))) as gallery:
        info = gallery.info()
        assert (info.cases, len(gallery), info.patients, info.dim) == (7, 7, 3, 16)
        assert (info.bundle_name, info.bundle_sha256, info.simulated) == ("toy", SHA, False)
        assert info.bytes == sum(file.stat().st_size for file in (tmp_path / "g").iterdir())
        assert info.path == str(tmp_path / "g")


def test_replaced_cases_take_the_place_of_those_of_their_ids(tmp_path):
    rows = unit(6)
    with (
        Gallery.open(filled(tmp_path / "g", rows[:4]), read_only=False) as gallery,
        Gallery.open(gallery.path) as reader,
    ):
        before = dict(zip(gallery.ids(), gallery.added(gallery.ids()), strict=True))
        new = [sample_case(2, report="another", page=b"new"), sample_case(0, statements={}, waveform=None)]
        assert gallery.replace(new, rows[4:]) == 2
        for each in (gallery, reader):
            assert each.ids() == ["case-00001", "case-00003", "case-00002", "case-00000"]
            assert each.cases(["case-00002", "case-00000", "case-00001"]) == [*new, sample_case(1)]
            assert np.array_equal(each.vectors(), rows[[1, 3, 4, 5]])
            assert [hits[0].case_id for hits in each.search(rows[[1, 3, 4, 5]], k=1)] == each.ids()
            assert each.added(["case-00000", "case-00001"]) == [2, 1]
            assert each.verify().ok
        assert set(before.values()) == {1}
        assert gallery.replace([], []) == 2


def test_replace_is_all_or_nothing(tmp_path):
    with Gallery.open(filled(tmp_path / "g", unit(3)), read_only=False) as gallery:
        gallery.delete(["case-00002"])
        for stranger in (sample_case(9), sample_case(2)):
            with pytest.raises(UnknownCase):
                gallery.replace([sample_case(0, report="x"), stranger], unit(2))
        with pytest.raises(DuplicateCase, match="given to 2 cases"):
            gallery.replace([sample_case(0, report="x"), sample_case(0)], unit(2))
        with pytest.raises(BadVector, match="1 cases came with 2"):
            gallery.replace([sample_case(0)], unit(2))
        assert gallery.cases(["case-00000", "case-00001"]) == [sample_case(0), sample_case(1)]
        assert gallery.info().generation == 2
        with pytest.raises(DuplicateCase):
            gallery.add([sample_case(0)], unit(1))


def test_vectors_are_those_added(tmp_path):
    rows = unit(5)
    with Gallery.open(filled(tmp_path / "g", rows)) as gallery:
        assert np.array_equal(gallery.vectors(), rows)
        assert np.array_equal(gallery.vectors(["case-00003", "case-00000"]), rows[[3, 0]])
        gallery.vectors()[:] = 0
        assert np.array_equal(gallery.vectors(), rows)


def test_statement_counts_most_frequent_first(tmp_path):
    with Gallery.open(filled(tmp_path / "g", unit(5))) as gallery:
        assert list(gallery.statement_counts().items()) == [("IMI", 3), ("SR", 3), ("NORM", 2)]


def test_earlier_recordings_oldest_first(tmp_path):
    dates = ["1999-01-01", None, "1990-05-05"]
    with new_gallery(tmp_path / "g") as gallery:
        gallery.add([sample_case(n, patient_key="p", recorded=date) for n, date in enumerate(dates)], unit(3))
        assert [case.recorded for case in gallery.earlier("p")] == ["1990-05-05", "1999-01-01", None]
        assert gallery.earlier("nobody") == []


def test_own_patient_is_left_out_and_k_neighbours_still_come(tmp_path):
    rows = unit(12)
    with Gallery.open(filled(tmp_path / "g", rows)) as gallery:
        found = gallery.search(rows[[0, 0]], k=9, exclude_patients=["patient-0", None])
    assert len(found[0]) == 9
    assert not {"case-00000", "case-00001", "case-00002"} & {hit.case_id for hit in found[0]}
    assert found[1][0].case_id == "case-00000"


def test_a_deleted_case_is_gone_at_once_and_its_id_is_never_used_again(tmp_path):
    rows = unit(6)
    with Gallery.open(filled(tmp_path / "g", rows)) as reader:
        with Gallery.open(tmp_path / "g", read_only=False) as writer:
            writer.delete(["case-00002", "case-00002"])
            for gallery in (reader, writer):
                assert "case-00002" not in {hit.case_id for hit in gallery.search(rows[[2]], k=9)[0]}
                with pytest.raises(UnknownCase, match="case-00002"):
                    gallery.cases(["case-00002"])
            writer.compact()
            with pytest.raises(DuplicateCase, match="never used again"):
                writer.add([sample_case(2)], unit(1))
        assert len(reader.search(rows[[2]], k=9)[0]) == 5
    with Gallery.open(tmp_path / "g", read_only=False) as writer, pytest.raises(DuplicateCase):
        writer.add([sample_case(2)], unit(1))


def test_add_is_all_or_nothing(tmp_path):
    with new_gallery(tmp_path / "g") as gallery:
        gallery.add([sample_case(0)], unit(1))
        for cases in ([sample_case(1), sample_case(0)], [sample_case(1), sample_case(1)]):
            with pytest.raises(DuplicateCase):
                gallery.add(cases, unit(2))
        with pytest.raises(UnknownCase):
            gallery.delete(["case-00000", "case-00009"])
        assert gallery.ids() == ["case-00000"]
        assert gallery.info().generation == 1
        assert gallery.add([sample_case(1)], unit(1)) == 2


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        (unit(2, 8), r"\[2, 8\].*\[n, 16\]"),
        (unit(1), "2 cases came with 1 vectors"),
        (unit(2) * 2, "row 0 has the length 2"),
        (unit(2) * np.array([[1], [np.nan]]), "row 1.*not finite"),
        (np.zeros((2, 16)), "length 0"),
        (unit(2)[0], r"\[16\]"),
    ],
)
def test_bad_vectors_are_refused_by_name(tmp_path, rows, words):
    with new_gallery(tmp_path / "g") as gallery:
        with pytest.raises(BadVector, match=words):
            gallery.add([sample_case(0), sample_case(1)], rows)
        assert len(gallery) == 0


def test_bad_searches_are_refused(tmp_path):
    with Gallery.open(filled(tmp_path / "g", unit(3))) as gallery:
        with pytest.raises(BadVector, match=r"\[1, 8\]"):
            gallery.search(unit(1, 8))
        with pytest.raises(BadSearch, match="k is 0"):
            gallery.search(unit(1), k=0)
        with pytest.raises(BadSearch, match="1 patients for 2 queries"):
            gallery.search(unit(2), exclude_patients=["p"])
        assert gallery.search(np.empty((0, 16), np.float32)) == []


@pytest.mark.parametrize(
    "changes",
    [
        {"case_id": ""},
        {"case_id": 7},
        {"report": None},
        {"age": float("nan")},
        {"age": "70"},
        {"statements": {"IMI": float("inf")}},
        {"report": "\ud800"},
        {"extra": {"fold": 3}},
    ],
)
def test_bad_cases_are_refused(changes):
    with pytest.raises(BadCase):
        sample_case(0, **changes)


def test_opening_and_creating_name_what_is_wrong(tmp_path):
    with pytest.raises(GalleryMissing, match="there is no gallery"):
        Gallery.open(tmp_path / "nothing")
    path = filled(tmp_path / "g", unit(1))
    with pytest.raises(GalleryExists):
        new_gallery(path)
    with pytest.raises(WrongBundle, match=r"toy.*abababab.*0123"):
        Gallery.open(path, bundle_sha256="0123" * 16)
    Gallery.open(path, bundle_sha256=SHA).close()
    (tmp_path / "file").write_text("x")
    with pytest.raises(GalleryError):
        new_gallery(tmp_path / "file")


def test_a_reader_cannot_write_and_a_closed_gallery_says_so(tmp_path):
    gallery = Gallery.open(filled(tmp_path / "g", unit(1)))
    for change in (
        lambda: gallery.add([sample_case(5)], unit(1)),
        lambda: gallery.delete(["case-00000"]),
        gallery.compact,
    ):
        with pytest.raises(GalleryError, match="opened for reading"):
            change()
    gallery.close()
    gallery.close()
    with pytest.raises(GalleryError, match="closed"):
        gallery.search(unit(1))


def test_an_empty_gallery_answers_with_nothing(tmp_path):
    with new_gallery(tmp_path / "g") as gallery:
        assert gallery.search(unit(2)) == [[], []]
        assert (len(gallery), gallery.ids(), gallery.vectors().shape) == (0, [], (0, 16))
        assert gallery.verify().ok
    with Gallery.open(tmp_path / "g") as gallery:
        assert gallery.search(unit(1)) == [[]]


def test_a_snapshot_holds_still_while_another_writes(tmp_path):
    rows = unit(4)
    path = filled(tmp_path / "g", rows[:3])
    with Gallery.open(path) as reader, Gallery.open(path, read_only=False) as writer:
        with reader.snapshot() as generation:
            writer.add([sample_case(3)], rows[3:])
            writer.delete(["case-00000"])
            assert generation == reader.info().generation == 1
            hits = reader.search(rows[:1], k=9)[0]
            assert hits[0].case_id == "case-00000"
            assert len(reader.cases([hit.case_id for hit in hits])) == 3
        assert reader.ids() == ["case-00001", "case-00002", "case-00003"]
        assert reader.search(rows[3:], k=1)[0][0].case_id == "case-00003"
        with writer.snapshot(), pytest.raises(GalleryError, match="inside a snapshot"):
            writer.delete(["case-00001"])


def test_a_gallery_at_rest_is_two_files_and_reading_changes_none(tmp_path):
    path = filled(tmp_path / "g", unit(4))
    before = {file.name: (file.read_bytes(), file.stat().st_mtime_ns) for file in path.iterdir()}
    assert sorted(before) == ["cases.db", "vectors.faiss"]
    with Gallery.open(path) as gallery:
        gallery.search(unit(1))
        gallery.cases(gallery.ids())
        assert gallery.verify().ok
        assert {file.name for file in path.iterdir()} == set(before)
    assert before == {file.name: (file.read_bytes(), file.stat().st_mtime_ns) for file in path.iterdir()}


def test_many_cases_at_once(tmp_path):
    rows = unit(1203, 4)
    with Gallery.open(filled(tmp_path / "g", rows)) as gallery:
        ids = gallery.ids()[::-1]
        assert [case.case_id for case in gallery.cases(ids)] == ids
        assert np.array_equal(gallery.vectors(ids), rows[::-1])


def test_threads_may_share_a_gallery(tmp_path):
    from concurrent.futures import ThreadPoolExecutor

    rows = unit(60)
    with Gallery.open(filled(tmp_path / "g", rows)) as gallery, ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda n: gallery.search(rows[n : n + 1], k=3)[0][0].case_id, range(60)))
        assert found == gallery.ids()
