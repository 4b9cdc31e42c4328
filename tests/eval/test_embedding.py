"""Pages to vectors: one drawing for all, the cache, and records that cannot be read."""

from __future__ import annotations

import numpy as np
import pytest

from eval.embedding import ReadVectors, embed_pages
from retrieval.errors import CorpusError
from tests.eval.corpus import MemoryCorpus, make_recording, make_rows


class CountingBundle:
    """Counts what it encodes; a vector is the ink of four strips of the page."""

    def __init__(self, sha256):
        self.sha256, self.pages = sha256, 0

    def image_of(self, page, recording):
        return page

    def encode_pages(self, pages):
        self.pages += len(pages)
        strips = np.array([255 - page.reshape(4, -1).mean(axis=1) for page in pages], dtype=np.float32)
        return strips / np.linalg.norm(strips, axis=1, keepdims=True)


def quiet(done, total):
    assert done <= total


def test_two_bundles_are_not_mixed_up(tmp_path):
    rows = make_rows(5, 2, 2)
    flipped = CountingBundle("b" * 64)
    flipped.encode_pages = lambda pages: -CountingBundle("").encode_pages(pages)
    (one, other), pixels = embed_pages(MemoryCorpus(rows), rows, [CountingBundle("a" * 64), flipped], tmp_path, quiet)
    np.testing.assert_array_equal(one.vectors, -other.vectors)
    assert pixels.vectors.shape == (9, 32 * 64)
    assert one.of([rows[4].ecg_id, rows[0].ecg_id]).tolist() == one.vectors[[4, 0]].tolist()


def test_the_second_run_reads_the_cache(tmp_path):
    rows, bundle = make_rows(70, 2, 2), CountingBundle("a" * 64)
    (first,), _ = embed_pages(MemoryCorpus(rows), rows, [bundle], tmp_path, quiet)
    corpus = MemoryCorpus(rows)
    (second,), _ = embed_pages(corpus, rows, [bundle], tmp_path, quiet)
    np.testing.assert_array_equal(first.vectors, second.vectors)
    assert bundle.pages == len(rows)
    assert corpus.read == 2  # The fingerprint's pages.
    assert not list(tmp_path.glob("*.tmp"))


@pytest.mark.parametrize("change", ["bundle", "rows", "pages", "damage"])
def test_a_cache_of_something_else_is_not_taken(tmp_path, monkeypatch, change):
    rows, bundle = make_rows(5, 2, 2), CountingBundle("a" * 64)
    embed_pages(MemoryCorpus(rows), rows, [bundle], tmp_path, quiet)
    if change == "bundle":
        bundle.sha256 = "a" * 16 + "c" * 48  # The same file name, another bundle.
    elif change == "rows":
        rows = rows[1:]
    elif change == "pages":
        other = make_recording(99)
        monkeypatch.setattr("tests.eval.corpus.make_recording", lambda seed: other)
    else:
        for file in tmp_path.glob("*.npz"):
            file.write_bytes(file.read_bytes()[:200])
    before = bundle.pages
    embed_pages(MemoryCorpus(rows), rows, [bundle], tmp_path, quiet)
    assert bundle.pages == before + len(rows)


def test_a_record_that_cannot_be_read_is_missing_and_the_rest_goes_on():
    rows = make_rows(5, 2, 2)
    corpus = MemoryCorpus(rows, damaged={1, 3})
    (found,), pixels = embed_pages(corpus, rows, [CountingBundle("a" * 64)], None, quiet)
    assert found.ids.tolist() == pixels.ids.tolist() == [2, 4, 5, 6, 7, 8, 9]
    with pytest.raises(CorpusError, match="none of the 9 ECGs"):
        embed_pages(MemoryCorpus(rows, damaged={row.ecg_id for row in rows}), rows, [], None, quiet)


def test_vectors_of_read_pages_are_kept_by_their_pixels(tmp_path):
    pages = [np.full((256, 512), value, np.uint8) for value in (10, 90, 10, 200)]
    pages[1][:64] = 0
    bundle = CountingBundle("a" * 64)
    first = ReadVectors(bundle, tmp_path)(pages)
    assert bundle.pages == 3  # Two pages are the same.
    np.testing.assert_array_equal(first[0], first[2])
    again = ReadVectors(bundle, tmp_path)
    np.testing.assert_array_equal(again(pages[::-1]), first[::-1])
    assert bundle.pages == 3
    again([*pages, np.zeros((256, 512), np.uint8)])
    assert bundle.pages == 4


def test_kept_vectors_of_another_bundle_or_a_damaged_file_are_not_taken(tmp_path):
    page = np.zeros((256, 512), np.uint8)
    bundle, other = CountingBundle("a" * 64), CountingBundle("a" * 16 + "b" * 48)
    ReadVectors(bundle, tmp_path)([page])
    ReadVectors(other, tmp_path)([page])
    assert other.pages == 1
    for file in tmp_path.glob("read-*.npz"):
        file.write_bytes(file.read_bytes()[:100])
    ReadVectors(other, tmp_path)([page])
    assert other.pages == 2
