"""A bundle's card names the encoding that its tower reads; without one it reads pages."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest

from retrieval.ecg.encodings import PAGE, Encoding, tower_image
from retrieval.ecg.page import canonical_page
from retrieval.ecg.simulator import simulate
from retrieval.errors import BundleError, NoWaveform
from retrieval.towers.bundle import CARD, Bundle


@pytest.fixture
def with_encoding(toy_bundle, tmp_path):
    def make(encoding):
        folder = shutil.copytree(toy_bundle, tmp_path / "bundle", dirs_exist_ok=True)
        card = json.loads((folder / CARD).read_text())
        (folder / CARD).write_text(json.dumps(card | {"encoding": encoding}))
        return folder

    return make


def test_a_card_without_an_encoding_reads_pages(toy_bundle):
    bundle, recording = Bundle.load(toy_bundle), simulate(1).recording
    assert bundle.encoding == PAGE
    page = canonical_page(recording).pixels
    assert bundle.image_of(page, None) is page
    assert bundle.image_of(page, recording) is page
    np.testing.assert_array_equal(bundle.image_of(None, recording), page)


def test_an_encoding_is_computed_from_the_recording(with_encoding):
    bundle, recording = Bundle.load(with_encoding({"name": "rp", "form": "concat"})), simulate(1).recording
    assert bundle.encoding == Encoding("rp", "concat")
    wanted = tower_image(recording, Encoding("rp", "concat"))
    np.testing.assert_array_equal(bundle.image_of(canonical_page(recording).pixels, recording), wanted)
    with pytest.raises(NoWaveform, match="a picture of a page has none: bring the waveform file"):
        bundle.image_of(canonical_page(recording).pixels, None)


def test_vectors_of_another_encoding_are_of_another_bundle(toy_bundle, with_encoding):
    plain = Bundle.load(toy_bundle).sha256
    seen = [Bundle.load(with_encoding(e)).sha256 for e in ({"name": "rp"}, {"name": "rp", "normalise": True})]
    assert len({plain, *seen}) == 3
    assert Bundle.load(with_encoding({"name": "page"})).sha256 == plain


@pytest.mark.parametrize(
    "encoding", ["gasf", None, 3, ["gasf"], {"name": "gaf"}, {"nam": "gasf"}, {"name": "gasf", "seconds": 60}]
)
def test_an_encoding_that_this_program_does_not_know_is_refused(with_encoding, encoding):
    with pytest.raises(BundleError, match="is not the card of a bundle"):
        Bundle.load(with_encoding(encoding))
