"""Galleries from archives: what goes in, what is refused by name, and how a stopped build goes on."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from index import Case, Gallery, diff_galleries
from index.errors import GalleryBusy, GalleryError, GalleryExists
from retrieval import galleries, open_gallery
from retrieval.ecg.drawing import draw_page
from retrieval.ecg.page import canonical_page
from retrieval.errors import BadArgument, CorpusError
from retrieval.filling import CHUNK
from retrieval.galleries import add_to_gallery, build_gallery
from retrieval.streams import NewCase, Refusal, Stream, files_stream, simulated_cases, simulated_stream
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
        tmp_path / "g", Stream.of(items), towers, progress=lambda done, total: seen.append((done, total))
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
    report = build_gallery(tmp_path / "g", Stream.of([new_case(1), bad, new_case(2)]), towers)
    assert (report.cases, report.refused) == (2, (bad,))


def test_an_id_named_twice_is_taken_once(tmp_path, towers, new_case):
    report = build_gallery(tmp_path / "g", Stream.of([new_case(1, "a"), new_case(2, "a"), new_case(3, "b")]), towers)
    assert report.cases == 2
    assert [(one.file, one.kind) for one in report.refused] == [("a", "duplicate_case")]


def test_nothing_usable_leaves_nothing(tmp_path, towers):
    with pytest.raises(GalleryError, match=r"not one of 1 files.*x\.png"):
        build_gallery(tmp_path / "g", Stream.of([Refusal("x.png", "damaged_file", "x.png is cut off")]), towers)
    assert list(tmp_path.iterdir()) == []


class _Killed(BaseException):
    """Ends a stream as a kill would."""


def breaking(stream, at):
    """The stream, broken off before item ``at`` whenever it is read."""

    def after(first):
        for number, item in enumerate(stream.after(first), first):
            if number == at:
                raise _Killed
            yield item

    return replace(stream, after=after)


def counted(stream):
    """The stream, and the numbers of the items that were asked for."""
    asked = []

    def after(first):
        for number, item in enumerate(stream.after(first), first):
            asked.append(number)
            yield item

    return replace(stream, after=after), asked


def test_a_build_that_is_stopped_goes_on_and_is_the_same_as_one_that_was_not(tmp_path, towers, new_case):
    bad = Refusal("x.png", "damaged_file", "x.png is cut off")
    stream = Stream.of([new_case(0), bad, *(new_case(seed) for seed in range(1, 99)), new_case(0)])
    for stop in (40, 70, 99):
        with pytest.raises(_Killed):
            build_gallery(tmp_path / "g", breaking(stream, stop), towers)
        assert not (tmp_path / "g").exists()
    rest, asked = counted(stream)
    report = build_gallery(tmp_path / "g", rest, towers)
    assert asked[0] == report.resumed == 3 * CHUNK
    assert [(one.file, one.kind) for one in report.refused] == [("x.png", "damaged_file"), ("c0", "duplicate_case")]
    assert report.cases == 99
    whole = build_gallery(tmp_path / "whole", stream, towers)
    assert whole.cases == 99
    with Gallery.open(tmp_path / "g") as parted, Gallery.open(tmp_path / "whole") as at_once:
        assert list(diff_galleries(parted, at_once)) == []
    assert sorted(path.name for path in tmp_path.iterdir()) == ["g", "whole"]


def test_a_build_killed_before_the_rename_is_only_renamed(tmp_path, towers, new_case, monkeypatch):
    stream = Stream.of([new_case(seed) for seed in range(3)])

    def killed(*_):
        raise _Killed

    with monkeypatch.context() as patch:
        patch.setattr(galleries, "_move_into_place", killed)
        with pytest.raises(_Killed):
            build_gallery(tmp_path / "g", stream, towers)
    rest, asked = counted(stream)
    assert build_gallery(tmp_path / "g", rest, towers).cases == 3
    assert asked == []


def test_the_rest_of_another_build_is_not_gone_on_with(tmp_path, towers, new_case):
    with pytest.raises(_Killed):
        build_gallery(tmp_path / "g", breaking(Stream.of([new_case(seed) for seed in range(40)]), 35), towers)
    report = build_gallery(tmp_path / "g", Stream.of([new_case(77)]), towers)
    assert (report.cases, report.resumed) == (1, 0)
    with Gallery.open(tmp_path / "g") as gallery:
        assert gallery.ids() == ["c77"]


def test_two_builds_of_one_gallery_at_once_are_refused(tmp_path, towers, new_case):
    def meddling(first):
        with pytest.raises(GalleryBusy, match="another process is building"):
            build_gallery(tmp_path / "g", Stream.of([new_case(2)]), towers)
        yield new_case(1)

    assert build_gallery(tmp_path / "g", Stream("slow", 1, meddling), towers).cases == 1
    assert [path.name for path in tmp_path.iterdir()] == ["g"]


def test_adding_goes_on_doubles_nothing_and_replaces_when_told(tmp_path, towers, new_case):
    build_gallery(tmp_path / "g", Stream.of([new_case(1), new_case(2)]), towers)
    more = Stream.of([new_case(2), *(new_case(seed) for seed in range(10, 60))])
    with pytest.raises(_Killed):
        add_to_gallery(tmp_path / "g", breaking(more, 45), towers)
    report = add_to_gallery(tmp_path / "g", more, towers)
    assert (report.cases, report.resumed) == (50, CHUNK)
    assert [(one.file, one.message) for one in report.refused] == [
        ("c2", "c2 is in the gallery already; it was left as it is")
    ]
    again, asked = counted(more)
    assert add_to_gallery(tmp_path / "g", again, towers).cases == 50
    assert asked == []
    fresh = new_case(200, "c2")
    updated = add_to_gallery(tmp_path / "g", Stream.of([fresh, new_case(300)]), towers, update=True)
    assert (updated.cases, updated.refused) == (2, ())
    with Gallery.open(tmp_path / "g") as gallery:
        assert len(gallery) == 53
        assert gallery.cases(["c2"]) == [fresh.case]
        assert np.allclose(gallery.vectors(["c2"]), towers.encode_pages([fresh.page]), atol=1e-6)
        assert gallery.verify().ok


def test_the_first_mention_of_an_id_counts_also_where_a_run_stopped_before_the_second(tmp_path, towers, new_case):
    build_gallery(tmp_path / "g", Stream.of([new_case(1)]), towers)
    first, second = new_case(200, "c1"), new_case(201, "c1")
    more = Stream.of([first, *(new_case(seed) for seed in range(10, 60)), second])
    with pytest.raises(_Killed):
        add_to_gallery(tmp_path / "g", breaking(more, 45), towers, update=True)
    report = add_to_gallery(tmp_path / "g", more, towers, update=True)
    assert report.resumed == CHUNK
    assert [(one.file, one.message) for one in report.refused] == [
        ("c1", "c1 is named twice; the first mention was taken")
    ]
    with Gallery.open(tmp_path / "g") as gallery:
        assert gallery.cases(["c1"]) == [first.case]


def test_a_deleted_id_is_refused_by_name(tmp_path, towers, new_case):
    build_gallery(tmp_path / "g", Stream.of([new_case(1), new_case(2)]), towers)
    with Gallery.open(tmp_path / "g", read_only=False) as gallery:
        gallery.delete(["c1"])
    report = add_to_gallery(tmp_path / "g", Stream.of([new_case(1), new_case(3)]), towers, update=True)
    assert report.cases == 1
    assert "was deleted from the gallery" in report.refused[0].message


def test_a_stream_of_files_is_another_when_its_table_changes(tmp_path, make_recording):
    (tmp_path / "a.png").touch()
    table = tmp_path / "reports.csv"
    table.write_text("path,report\na.png,Flutter\n")
    first = files_stream(tmp_path, table).name
    assert files_stream(tmp_path, table).name == first
    table.write_text("path,report\na.png,Flimmern\n")
    assert files_stream(tmp_path, table).name != first
    assert simulated_stream(3).name != simulated_stream(4).name


def test_what_stands_there_is_not_overwritten(tmp_path, towers, new_case):
    target = tmp_path / "g"
    target.mkdir()
    build_gallery(target, Stream.of([new_case(1)]), towers)
    with pytest.raises(GalleryExists, match="is there already"):
        build_gallery(target, Stream.of([new_case(2)]), towers)
    build_gallery(target, Stream.of([new_case(2)]), towers, replace=True)
    with Gallery.open(target) as gallery:
        assert gallery.ids() == ["c2"]
    papers = tmp_path / "papers"
    papers.mkdir()
    (papers / "thesis.txt").write_text("years of work")
    with pytest.raises(GalleryExists, match="no gallery"):
        build_gallery(papers, Stream.of([new_case(3)]), towers, replace=True)
    assert (papers / "thesis.txt").read_text() == "years of work"


def test_simulated_cases_say_so_and_repeat(tmp_path, towers):
    galleries.build_simulated(tmp_path / "g", towers, 6)
    with open_gallery(tmp_path / "g", towers) as engine:
        info = engine.gallery.info()
        cases = engine.gallery.cases(engine.gallery.ids())
    assert info.simulated
    assert {case.source for case in cases} == {"simulated"}
    assert all(case.report and case.statements and case.waveform for case in cases)
    again = [item.case for item in simulated_cases(6)]
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
