"""Galleries built on Ray: the same as those built here, and each finishes what the other began."""

from __future__ import annotations

import os
from dataclasses import replace
from importlib.util import find_spec

import pytest
from PIL import Image

from index import Gallery, diff_galleries
from retrieval import ray_embedding
from retrieval.ecg.drawing import draw_page
from retrieval.errors import BadArgument
from retrieval.filling import CHUNK, read_here
from retrieval.galleries import add_to_gallery, build_gallery
from retrieval.ray_embedding import reading_on_ray
from retrieval.ray_session import RayFailed, RaySettings, ray_session
from retrieval.streams import Stream, files_stream, simulated_stream
from retrieval.towers.bundle import Bundle
from tests.retrieval.wfdb_files import write_wfdb

pytestmark = [
    pytest.mark.slow,
    # Not importorskip: Ray is imported by the code under test, which keeps it on this machine.
    pytest.mark.skipif(find_spec("ray") is None, reason="Ray is not installed (the extra 'ray')"),
]

ONE = RaySettings(workers=1, object_store_mb=128)


@pytest.fixture(scope="module")
def on_ray():
    """One Ray of one worker for all tests of this file; it takes ten seconds to start."""
    with ray_session(ONE):
        yield reading_on_ray(ONE)


@pytest.fixture(scope="module")
def toy(toy_bundle):
    return Bundle.load(toy_bundle)


class _Killed(BaseException):
    """Ends a build as a kill would."""


def killed_at(item):
    def progress(done, _total):
        if done >= item:
            raise _Killed

    return progress


def same(first, second):
    """Whether two galleries hold the same cases, in the same order, with the same vectors to the byte."""
    with Gallery.open(first) as one, Gallery.open(second) as other:
        assert one.ids() == other.ids()
        assert one.info().generation == other.info().generation
        assert list(diff_galleries(one, other)) == []
        return one.vectors(one.ids()).tobytes() == other.vectors(other.ids()).tobytes()


@pytest.fixture
def archive(tmp_path, make_recording):
    """Records, a picture, and whatever cannot become a case, as the stream of a table."""
    for seed in range(3):
        write_wfdb(tmp_path, f"r{seed}", make_recording(seed))
    Image.fromarray(draw_page(make_recording(5)).pixels).save(tmp_path / "page.png")
    (tmp_path / "empty.png").write_bytes(b"")
    (tmp_path / "text.hea").write_text("no header")
    names = ["r0.hea", "empty.png", "r1.hea", "page.png", "gone.hea", "r0.hea", "text.hea", "r2.hea"]
    table = tmp_path / "reports.csv"
    table.write_text("path,report,statements\n" + "".join(f"{name},Befund von {name},SR:80\n" for name in names))
    return files_stream(tmp_path, table)


def test_files_become_the_same_gallery_with_the_same_refusals(archive, toy, on_ray, tmp_path):
    here = build_gallery(tmp_path / "here", archive, toy)
    there = build_gallery(tmp_path / "there", archive, toy, reading=on_ray)
    assert (there.cases, there.refused) == (here.cases, here.refused)
    assert [one.file for one in there.refused] == ["empty.png", "gone.hea", "text.hea", "r0.hea"]
    assert same(tmp_path / "here", tmp_path / "there")


def test_each_way_finishes_what_the_other_began(toy, on_ray, tmp_path):
    stream = simulated_stream(5 * CHUNK + 3)
    build_gallery(tmp_path / "whole", stream, toy)
    for name, ways in {"local-ray": (read_here, on_ray), "ray-local": (on_ray, read_here)}.items():
        seen = []
        with pytest.raises(_Killed):
            build_gallery(tmp_path / name, stream, toy, progress=killed_at(2 * CHUNK), reading=ways[0])
        made = build_gallery(
            tmp_path / name, stream, toy, progress=lambda n, _, seen=seen: seen.append(n), reading=ways[1]
        )
        assert (made.resumed, made.cases) == (2 * CHUNK, 5 * CHUNK + 3)
        assert seen == [3 * CHUNK, 4 * CHUNK, 5 * CHUNK, 5 * CHUNK + 3]
        assert same(tmp_path / "whole", tmp_path / name)


def test_what_is_added_on_ray_is_added_once(toy, on_ray, tmp_path):
    build_gallery(tmp_path / "g", simulated_stream(4), toy)
    more = simulated_stream(6)
    added = add_to_gallery(tmp_path / "g", more, toy, reading=on_ray)
    assert (added.cases, [one.kind for one in added.refused]) == (2, ["duplicate_case"] * 4)
    again = add_to_gallery(tmp_path / "g", more, toy, reading=on_ray)
    assert (again.resumed, again.refused) == (6, added.refused)
    with Gallery.open(tmp_path / "g") as gallery:
        assert gallery.ids() == [f"sim-{seed:06d}" for seed in range(6)]
        assert gallery.verify().ok


def dies():
    os._exit(7)


def test_a_part_that_kills_its_worker_ends_the_build_with_a_sentence(toy, on_ray, tmp_path, monkeypatch):
    monkeypatch.setattr(ray_embedding, "RESTARTS", 1)
    good = simulated_stream(64)
    broken = Stream.in_parts(good.name, 64, lambda n, m: dies if n >= 32 else good.part(n, m), simulated=True)
    with pytest.raises(RayFailed, match=r"stopped at item \d+ of 64 .*(died|dead).* goes on from there"):
        build_gallery(tmp_path / "g", broken, toy, reading=on_ray)
    assert build_gallery(tmp_path / "g", good, toy).cases == 64


def test_a_stream_that_cannot_travel_is_refused(toy, on_ray, tmp_path):
    stream = replace(simulated_stream(3), part=None)
    with pytest.raises(BadArgument, match="leave --engine ray out"):
        build_gallery(tmp_path / "g", stream, toy, reading=on_ray)
