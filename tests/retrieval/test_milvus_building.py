"""A gallery that is built in Milvus: closed until it is whole, gone on with after a stop."""

from __future__ import annotations

import pytest

from index import open_at
from index.errors import GalleryError, GalleryExists, GalleryMissing
from index.milvus import MilvusGallery
from retrieval.filling import CHUNK
from retrieval.galleries import add_to_gallery, build_gallery
from retrieval.streams import Refusal, Stream, simulated_stream

pytest.importorskip("milvus_lite", reason="milvus-lite is not installed (pip install 'nearbeat[dev]')")
CASES = CHUNK + 4


@pytest.fixture
def place(tmp_path):
    return f"milvus+file:{tmp_path / 'galleries.db'}#cases"


class Stopped(Exception):
    pass


def stop(done: int, total: int) -> None:
    raise Stopped


def test_a_stopped_build_is_closed_and_goes_on(place, towers):
    with pytest.raises(Stopped):
        build_gallery(place, simulated_stream(CASES), towers, progress=stop)
    with pytest.raises(GalleryMissing, match="still being built"):
        open_at(place)
    report = build_gallery(place, simulated_stream(CASES), towers)
    assert (report.cases, report.resumed) == (CASES, CHUNK)
    with open_at(place, bundle_sha256=towers.sha256) as gallery:
        assert len(gallery) == len(set(gallery.ids())) == CASES
        assert gallery.simulated
        assert gallery.verify().ok
    with pytest.raises(GalleryExists):
        build_gallery(place, simulated_stream(CASES), towers)
    with pytest.raises(GalleryExists):
        build_gallery(place, simulated_stream(CASES), towers, replace=True)
    assert add_to_gallery(place, simulated_stream(CASES + 1), towers).cases == 1


def test_another_build_starts_anew(place, towers):
    with pytest.raises(Stopped):
        build_gallery(place, simulated_stream(CASES), towers, progress=stop)
    report = build_gallery(place, simulated_stream(5), towers)
    assert (report.cases, report.resumed) == (5, 0)
    with open_at(place) as gallery:
        assert len(gallery) == 5


def test_nothing_usable_leaves_nothing(place, towers):
    with pytest.raises(GalleryError, match="not one of 1 files"):
        build_gallery(place, Stream.of([Refusal("x.png", "damaged_file", "x.png is cut off")]), towers)
    with pytest.raises(GalleryMissing):
        MilvusGallery.open(place)
