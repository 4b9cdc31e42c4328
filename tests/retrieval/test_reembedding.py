"""A gallery moves to another bundle: killed, it goes on; refused, it stays as it is."""

from __future__ import annotations

import numpy as np
import pytest

from index import Case, Gallery
from retrieval.ecg.page import canonical_page
from retrieval.errors import NoWaveform
from retrieval.filling import CHUNK
from retrieval.galleries import build_gallery
from retrieval.reembedding import NotEmbeddable, image_of, reembed
from retrieval.streams import NewCase, Stream, page_png
from retrieval.waveforms import pack
from tests.retrieval.conftest import FakeTowers

OTHER = "e" * 64


class TurnedTowers(FakeTowers):
    """Other towers, whose vectors are another length's."""

    name, dim = "turned", 24

    def __init__(self):
        super().__init__(OTHER)
        self.seen = 0

    def encode_pages(self, pages, threads=0):
        self.seen += len(pages)
        rows = super().encode_pages(pages)[:, ::2]
        return rows / np.linalg.norm(rows, axis=1, keepdims=True)


@pytest.fixture
def gallery(tmp_path, towers, make_recording):
    items = []
    for seed in range(75):
        recording = make_recording(seed)
        page = canonical_page(recording)
        kept = {"page": page_png(page)} if seed % 5 == 0 else {"waveform": pack(recording)}
        items.append(NewCase(Case(f"c{seed:02d}", "report", {}, source="test", **kept), page.pixels))
    build_gallery(tmp_path / "g", Stream.of(items), towers)
    return tmp_path / "g"


def test_every_vector_is_made_anew_from_what_the_case_keeps(gallery, make_recording):
    told = []
    generation = reembed(gallery, TurnedTowers(), progress=lambda done, total: told.append((done, total)))
    assert told == [(CHUNK, 75), (2 * CHUNK, 75), (75, 75)]
    with Gallery.open(gallery, bundle_sha256=OTHER) as opened:
        assert (opened.dim, opened.bundle_name, opened.info().generation) == (24, "turned", generation)
        page = canonical_page(make_recording(5)).pixels  # case 5 keeps its page alone
        assert np.allclose(opened.vectors(["c05"]), TurnedTowers().encode_pages([page]), atol=1e-6)
        assert opened.verify().ok
    assert reembed(gallery, TurnedTowers()) == generation


def test_until_it_is_done_the_old_vectors_answer_and_a_killed_move_goes_on(gallery, towers):
    new = TurnedTowers()

    def killed(done, total):
        if done >= 2 * CHUNK:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        reembed(gallery, new, progress=killed)
    with Gallery.open(gallery, bundle_sha256=towers.sha256) as opened:
        before = opened.vectors(["c03"])
        assert opened.search(before, k=1)[0][0].case_id == "c03"
    reembed(gallery, new)
    assert new.seen == 75


def test_a_case_that_keeps_nothing_stops_it_and_nothing_is_lost(gallery, towers):
    with Gallery.open(gallery, read_only=False) as opened:
        opened.add([Case("bare", "report", {})], np.eye(1, towers.dim, dtype=np.float32))
    with pytest.raises(NotEmbeddable, match="case 'bare' keeps neither waveform nor page; delete it"):
        reembed(gallery, TurnedTowers())
    with Gallery.open(gallery, read_only=False, bundle_sha256=towers.sha256) as opened:
        assert len(opened) == 76
        opened.delete(["bare"])
    reembed(gallery, TurnedTowers())


def test_a_page_alone_is_nothing_for_towers_that_read_waveforms(make_recording, monkeypatch):
    page = page_png(canonical_page(make_recording(1)))
    towers = FakeTowers()
    monkeypatch.setattr(towers, "encoding", type("E", (), {"is_page": False})(), raising=False)
    with pytest.raises((NotEmbeddable, NoWaveform), match="only its page"):
        image_of(Case("c", "report", {}, page=page), towers)
