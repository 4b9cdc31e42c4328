"""What a Ray worker does, without Ray: parts of a stream in, rows out, and the same items again from the rows."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from index import Case
from retrieval import ray_session
from retrieval.ecg.encodings import Encoding
from retrieval.ecg.page import canonical_page
from retrieval.errors import BadArgument, CorpusError, ExtraMissing
from retrieval.filling import CHUNK, Embedded
from retrieval.ray_embedding import CHUNKS_OF_A_PART, _grouped, part_size, reading_on_ray
from retrieval.ray_session import RayFailed, RaySettings, environment
from retrieval.ray_worker import Worker, item_of, row_of, table
from retrieval.streams import NewCase, Refusal, Stream, files_stream, simulated_stream
from retrieval.towers.bundle import Bundle
from retrieval.waveforms import pack

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
numbers = st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(10**9), 10**9)
refusals = st.builds(Refusal, texts, texts, texts)
cases = st.builds(
    Case,
    case_id=texts.filter(str.strip),
    report=texts,
    statements=st.dictionaries(texts, st.none() | numbers, max_size=4),
    patient_key=st.none() | texts,
    source=texts,
    age=st.none() | numbers,
    sex=st.none() | texts,
    site=st.none() | texts,
    device=st.none() | texts,
    recorded=st.none() | texts,
    extra=st.dictionaries(texts, texts, max_size=3),
    waveform=st.none() | st.binary(max_size=40),
    page=st.none() | st.binary(max_size=40),
)
vectors = st.lists(st.floats(width=32), min_size=3, max_size=3).map(lambda row: np.array(row, np.float32))
embedded = st.builds(Embedded, cases, vectors) | st.builds(Embedded, cases, st.none(), refusals)


@settings(deadline=None)  # the first example imports pyarrow
@given(items=st.lists(embedded | refusals, max_size=5), first=st.integers(0, 10**12))
def test_items_come_back_from_their_rows_as_they_were(items, first):
    rows = table([row_of(number, item) for number, item in enumerate(items, first)]).to_pylist()
    assert [row["number"] for row in rows] == list(range(first, first + len(items)))
    assert not any(row["failure"] for row in rows)
    for row, item in zip(rows, items, strict=True):
        back = item_of(row)
        assert type(back) is type(item)
        if isinstance(item, Refusal) or isinstance(back, Refusal):
            assert back == item
            continue
        assert (back.case, back.refusal) == (item.case, item.refusal)
        assert list(back.case.statements) == list(item.case.statements)  # their order is the archive's
        assert (back.vector is None) == (item.vector is None)
        assert back.vector is None or back.vector.tobytes() == item.vector.tobytes()


@given(items=st.integers(1, 10**7), workers=st.integers(1, 500))
def test_parts_are_whole_chunks_and_enough_for_all(items, workers):
    size = part_size(items, workers)
    assert size % CHUNK == 0
    assert CHUNK <= size <= CHUNKS_OF_A_PART * CHUNK
    assert size == CHUNK or items // size >= 4 * workers


def test_the_parts_of_a_stream_are_the_stream(tmp_path, make_recording):
    table_of_reports = tmp_path / "reports.csv"
    table_of_reports.write_text("path,report\n" + "".join(f"gone{i}.png,x\n" for i in range(9)))
    some = [Refusal(str(i), "damaged_file", "cut off") for i in range(9)]
    for stream in (simulated_stream(9), files_stream(tmp_path, table_of_reports), Stream.of(some)):
        parts = [list(stream.part(first, min(first + 4, 9))()) for first in range(0, 9, 4)]
        whole = list(stream.after(0))
        assert [_key(item) for part in parts for item in part] == [_key(item) for item in whole]
        assert [_key(item) for item in stream.after(7)] == [_key(item) for item in whole[7:]]


def _key(item):
    return item if isinstance(item, Refusal) else (item.case, item.page.tobytes())


@pytest.fixture
def toy(toy_bundle):
    return Bundle.load(toy_bundle)


def _rows(worker, part, first=0):
    return worker({"first": np.array([first]), "part": [part]}).to_pylist()


def test_a_worker_encodes_as_this_process_does(toy):
    stream = simulated_stream(5)
    rows = _rows(Worker(**Worker.settings(toy)), stream.part(2, 5), 2)
    items = list(stream.after(2))
    assert [row["number"] for row in rows] == [2, 3, 4]
    assert [item_of(row).case for row in rows] == [item.case for item in items]
    made = np.stack([item_of(row).vector for row in rows])
    assert made.tobytes() == toy.encode_pages([item.page for item in items], threads=2).tobytes()


def test_a_picture_has_no_vector_by_a_tower_of_encodings(toy, make_recording):
    recording = make_recording(1)
    case = Case("a", "report", {}, waveform=pack(recording))
    page = canonical_page(recording).pixels
    items = [NewCase(case, page, recording), NewCase(replace(case, case_id="b"), page)]
    worker = Worker(**Worker.settings(toy))
    worker.towers.encoding = Encoding("rp", "concat")
    drawn, picture = (item_of(row) for row in _rows(worker, Stream.of(items).part(0, 2)))
    assert drawn.vector is not None
    assert picture.vector is None
    assert (picture.refusal.file, picture.refusal.kind) == ("b", "no_waveform")


def test_what_ends_a_worker_is_told_in_a_row(toy, toy_bundle, tmp_path):
    def away():
        raise CorpusError("the corpus is away")

    def stale():
        yield Refusal("a", "damaged_file", "cut off")
        raise OSError("stale file handle")

    (row,) = _rows(Worker(**Worker.settings(toy)), away, 40)
    assert (row["number"], row["case"]) == (40, None)
    assert json.loads(row["failure"])[0] == "corpus"
    before, row = _rows(Worker(**Worker.settings(toy)), stale, 40)
    assert item_of(before).file == "a"
    assert (row["number"], json.loads(row["failure"])[0]) == (41, "")
    assert "OSError: stale file handle" in row["failure"]
    for folder, says in ((toy_bundle, "another bundle"), (tmp_path / "none", "no bundle.json")):
        (row,) = _rows(Worker(str(folder), "0" * 64), simulated_stream(1).part(0, 1))
        kind, message = json.loads(row["failure"])
        assert kind == "bundle"
        assert says in message


class Work:
    """A leg whose rows are given, in place of one that Ray works on."""

    def __init__(self, rows):
        self.given, self.stream = rows, simulated_stream(100)

    def rows(self, _first, _last):
        for row in self.given:
            if isinstance(row, Exception):
                raise row
            yield row

    class ray:  # noqa: N801 - stands for the module
        class exceptions:  # noqa: N801
            RayError = KeyError

        class data:  # noqa: N801
            class exceptions:  # noqa: N801
                SystemException = ExecutionTimeoutError = IndexError


def _refused(numbers):
    return table([row_of(n, Refusal(str(n), "damaged_file", "cut off")) for n in numbers]).to_pylist()


def _failed(number, kind, message):
    return table([{"number": number, "failure": json.dumps([kind, message])}]).to_pylist()


def test_rows_become_chunks_from_any_number_on():
    chunks = list(_grouped(Work(_refused(range(32, 99))), 32, 99))
    assert [len(chunk) for chunk in chunks] == [32, 32, 3]
    assert [item.file for chunk in chunks for item in chunk] == [str(n) for n in range(32, 99)]


@pytest.mark.parametrize(
    ("rows", "kind", "says"),
    [
        (_failed(40, "corpus", "the corpus is away"), CorpusError, "^the corpus is away$"),
        (_failed(40, "", "OSError: stale"), RayFailed, r"at item 40 of 100 \(OSError: stale\).* goes on from there"),
        ([KeyError("the actor died. More.")], RayFailed, r"at item 40 of 100 \(KeyError: 'the actor died\)"),
        (_refused([41]), RayFailed, "gave item 41 where 40 comes"),
        ([], RayFailed, "gave 8 of 28 items"),
    ],
)
def test_what_ray_cannot_give_is_told_and_the_chunks_before_it_are_given(rows, kind, says):
    got = []
    with pytest.raises(kind, match=says):
        got.extend(_grouped(Work([*_refused(range(32, 40)), *rows]), 32, 60))
    assert got == []
    chunks = _grouped(Work([*_refused(range(8, 40)), *rows]), 8, 60)
    assert len(next(chunks)) == CHUNK
    with pytest.raises(kind):
        next(chunks)


def test_the_shipped_bundle_is_each_machines_own():
    assert Worker.settings(Bundle.load())["folder"] is None


def test_without_ray_its_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray.data", None)
    with pytest.raises(ExtraMissing, match=r"pip install 'nearbeat\[ray\]'"):
        reading_on_ray()


@pytest.mark.parametrize(("chosen", "says"), [({"workers": 0}, "at least 1"), ({"address": "ray://h:1"}, "client")])
def test_settings_that_cannot_be(chosen, says):
    with pytest.raises(BadArgument, match=says):
        RaySettings(**chosen)


def test_what_killed_processes_left_is_removed_and_nothing_else(tmp_path, monkeypatch):
    monkeypatch.setattr(ray_session, "_short_folder", lambda: str(tmp_path))
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    names = [f"{ray_session.PREFIX}{owner}-x" for owner in (gone.pid, os.getpid(), "somebody")]
    for name in [*names, "other"]:
        (tmp_path / name).mkdir()
        (tmp_path / name / "recording").write_text("kept or not")
    ray_session._sweep()
    assert {folder.name for folder in tmp_path.iterdir()} == {*names[1:], "other"}


def test_the_environment_is_given_back(monkeypatch):
    monkeypatch.setenv("NEARBEAT_A", "before")
    monkeypatch.delenv("NEARBEAT_B", raising=False)
    with environment({"NEARBEAT_A": "1", "NEARBEAT_B": "2"}):
        assert (os.environ["NEARBEAT_A"], os.environ["NEARBEAT_B"]) == ("1", "2")
    assert os.environ["NEARBEAT_A"] == "before"
    assert "NEARBEAT_B" not in os.environ
