"""Galleries from archives: what goes in, what is refused by name, and that a broken build leaves nothing."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from index import Case, Gallery
from index.errors import GalleryError, GalleryExists
from retrieval import galleries, open_gallery
from retrieval.ecg.drawing import draw_page
from retrieval.ecg.page import canonical_page
from retrieval.errors import BadArgument, CorpusError
from retrieval.galleries import NewCase, Refusal, build_gallery
from retrieval.waveforms import pack, unpack


@pytest.fixture
def new_case(make_recording):
    def make(seed, case_id=None):
        recording = make_recording(seed)
        case = Case(case_id or f"c{seed}", "report", {"SR": None}, source="test", waveform=pack(recording))
        return NewCase(case, canonical_page(recording).pixels)

    return make


def test_a_gallery_holds_the_cases_and_the_vectors_of_their_pages(tmp_path, towers, new_case):
    items = [new_case(seed) for seed in range(40)]
    seen = []
    report = build_gallery(
        tmp_path / "g", items, towers, total=40, progress=lambda done, total: seen.append((done, total))
    )
    assert (report.cases, report.refused, report.missing) == (40, (), 0)
    assert seen == [(32, 40), (40, 40)]
    with Gallery.open(tmp_path / "g", bundle_sha256=towers.sha256) as gallery:
        assert gallery.verify().ok
        assert np.allclose(gallery.vectors(["c7"]), towers.encode_pages([items[7].page]), atol=1e-6)
        (case,) = gallery.cases(["c7"])
    assert case == items[7].case


def test_refused_files_are_listed_and_the_others_taken(tmp_path, towers, new_case):
    bad = Refusal("x.png", "damaged_file", "x.png is cut off")
    report = build_gallery(tmp_path / "g", [new_case(1), bad, new_case(2)], towers)
    assert (report.cases, report.refused) == (2, (bad,))


def test_an_id_named_twice_is_taken_once(tmp_path, towers, new_case):
    report = build_gallery(tmp_path / "g", [new_case(1, "a"), new_case(2, "a"), new_case(3, "b")], towers)
    assert report.cases == 2
    assert [(one.file, one.kind) for one in report.refused] == [("a", "duplicate_case")]


def test_nothing_usable_leaves_nothing(tmp_path, towers):
    with pytest.raises(GalleryError, match=r"not one of 1 files.*x\.png"):
        build_gallery(tmp_path / "g", [Refusal("x.png", "damaged_file", "x.png is cut off")], towers)
    assert list(tmp_path.iterdir()) == []


def test_a_build_that_breaks_leaves_nothing(tmp_path, towers, new_case):
    def breaking():
        yield from (new_case(seed) for seed in range(40))
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build_gallery(tmp_path / "g", breaking(), towers)
    assert list(tmp_path.iterdir()) == []


def test_what_stands_there_is_not_overwritten(tmp_path, towers, new_case):
    target = tmp_path / "g"
    target.mkdir()
    build_gallery(target, [new_case(1)], towers)
    with pytest.raises(GalleryExists, match="is there already"):
        build_gallery(target, [new_case(2)], towers)
    build_gallery(target, [new_case(2)], towers, replace=True)
    with Gallery.open(target) as gallery:
        assert gallery.ids() == ["c2"]
    papers = tmp_path / "papers"
    papers.mkdir()
    (papers / "thesis.txt").write_text("years of work")
    with pytest.raises(GalleryExists, match="no gallery"):
        build_gallery(papers, [new_case(3)], towers, replace=True)
    assert (papers / "thesis.txt").read_text() == "years of work"


def test_simulated_cases_say_so_and_repeat(tmp_path, towers):
    galleries.build_simulated(tmp_path / "g", towers, 6)
    with open_gallery(tmp_path / "g", towers) as engine:
        info = engine.gallery.info()
        cases = engine.gallery.cases(engine.gallery.ids())
    assert info.simulated
    assert {case.source for case in cases} == {"simulated"}
    assert all(case.report and case.statements and case.waveform for case in cases)
    again = [item.case for item in galleries.simulated_cases(6)]
    assert cases == again
    with pytest.raises(BadArgument, match="at least 1"):
        galleries.build_simulated(tmp_path / "h", towers, 0)


def test_files_with_a_table_of_reports(tmp_path, towers, make_recording):
    folder = tmp_path / "archive"
    folder.mkdir()
    page = draw_page(make_recording(3)).pixels
    Image.fromarray(page).save(folder / "a.png")
    (folder / "empty.png").write_bytes(b"")
    (tmp_path / "reports.csv").write_text(
        "path,report,statements,patient,age\na.png,Flutter,AFLT:80,p9,70\nempty.png,x,,,\n"
    )
    report = galleries.build_from_files(folder, tmp_path / "reports.csv", tmp_path / "g", towers)
    assert [(one.file, one.kind) for one in report.refused] == [("empty.png", "empty_file")]
    with Gallery.open(tmp_path / "g") as gallery:
        (case,) = gallery.cases(gallery.ids())
    assert (case.case_id, case.report, case.patient_key, case.age) == ("a.png", "Flutter", "p9", 70.0)
    assert case.statements == {"AFLT": 80.0}
    assert case.waveform is None
    assert case.page is not None
    assert case.page.startswith(b"\x89PNG")


def test_a_folder_that_is_none_is_refused(tmp_path, towers):
    with pytest.raises(BadArgument, match="no folder"):
        galleries.build_from_files(tmp_path / "none", tmp_path / "r.csv", tmp_path / "g", towers)
    with pytest.raises(CorpusError, match="holds no"):
        galleries.build_from_ptbxl(tmp_path, [1], tmp_path / "g", towers)


def test_the_default_gallery_is_built_once_for_a_bundle(tmp_path, towers, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(galleries, "DEFAULT_CASES", 5)
    calls = []
    path = galleries.default_gallery(towers, lambda done, total: calls.append(done))
    assert path.parent == tmp_path / "nearbeat" / "galleries"
    assert path == galleries.default_gallery(towers, lambda done, total: calls.append(done))
    assert len(calls) == 1
    assert galleries.default_path("a" * 64) != galleries.default_path("b" * 64)


def test_a_relative_cache_folder_is_ignored_as_the_standard_says(monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", "here")
    assert galleries.default_path("a" * 64).is_absolute()


@pytest.mark.realdata
def test_ptbxl_counts_what_is_missing(shared, tmp_path, towers):
    report = galleries.build_from_ptbxl(shared / "ptbxl", [9], tmp_path / "g", towers)
    assert report.cases == 242
    assert report.missing > 1000
    with Gallery.open(tmp_path / "g") as gallery:
        (case,) = gallery.cases(gallery.ids()[:1])
    assert case.source == "PTB-XL"
    assert case.extra == {"fold": "9"}
    assert case.waveform is not None
    assert unpack(case.waveform).rate == 100
