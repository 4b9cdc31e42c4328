"""Compacting: no byte of a deleted case stays in the folder."""

from __future__ import annotations

import errno
from dataclasses import replace

import numpy as np
import pytest

from index import Gallery, vectors
from index.errors import GalleryError
from tests.index.gallery_samples import new_gallery, sample_case, unit

ROWS = unit(300, 32)
SECRET = [
    sample_case(
        number,
        case_id=f"id-of-the-withdrawn-{number}",
        report=f"report of a patient who withdrew {number} " + "and its text " * 400,
        waveform=f"waveform that was withdrawn {number}".encode() * 300,
        page=f"page that was withdrawn {number}".encode() * 300,
        patient_key=f"key-of-the-withdrawn-{number}",
        extra={"note": f"note of the withdrawn {number}"},
    )
    for number in range(300, 330)
]
SECRET_ROWS = unit(30, 32, seed=5)


def folder_bytes(path) -> bytes:
    return b"".join(file.read_bytes() for file in sorted(path.iterdir()))


def traces(path) -> list[str]:
    whole = folder_bytes(path)
    words = [b"withdr", b"withdrawn", b"withdrew", b"and its text"]
    found = [word.decode() for word in words if word in whole]
    return found + [
        f"vector {n}" for n, row in enumerate(SECRET_ROWS) if row.tobytes() in whole or row.tobytes()[:24] in whole
    ]


@pytest.fixture
def writer(tmp_path):
    with new_gallery(tmp_path / "g", 32) as gallery:
        gallery.add([sample_case(number) for number in range(150)], ROWS[:150])
        gallery.add(SECRET, SECRET_ROWS)
        gallery.add([sample_case(number) for number in range(150, 300)], ROWS[150:])
        yield gallery


def test_no_byte_of_a_deleted_case_stays_while_the_writer_is_still_open(writer):
    vectors.save_cache(writer._session._connection, writer.path, writer._session.rows(writer._session._connection))
    assert len(traces(writer.path)) == 4 + len(SECRET)
    writer.delete([case.case_id for case in SECRET])
    assert traces(writer.path)
    writer.compact()
    assert traces(writer.path) == []
    assert writer.verify().ok
    assert writer.verify().cache == "fresh"
    assert np.array_equal(writer.vectors(), ROWS)


def test_it_holds_with_a_reader_beside_and_after_closing(writer):
    with Gallery.open(writer.path) as reader:
        assert len(reader.earlier("key-of-the-withdrawn-301")) == 1
        writer.delete([case.case_id for case in SECRET])
        writer.compact()
        assert traces(writer.path) == []
        assert len(reader) == 300
        assert np.array_equal(reader.vectors(), ROWS)
        writer.close()
        assert traces(writer.path) == []
    with Gallery.open(writer.path) as reader:
        assert reader.cases(["case-00299"]) == [sample_case(299)]


def test_no_word_of_a_replaced_report_stays(writer):
    writer.replace([replace(case, report="new", waveform=None, page=None) for case in SECRET], unit(30, 32, seed=6))
    assert b"withdrew" in folder_bytes(writer.path)
    writer.compact()
    assert b"withdrew" not in folder_bytes(writer.path)
    assert writer.verify().ok


def test_no_byte_of_a_new_vector_of_a_deleted_case_stays(writer):
    writer.reembed_begin("better", "cd" * 32, 32)
    new = unit(30, 32, seed=8)
    writer.reembed_put([case.case_id for case in SECRET], new)
    writer.delete([case.case_id for case in SECRET])
    writer.compact()
    assert not [row for row in new if row.tobytes()[:24] in folder_bytes(writer.path)]
    assert traces(writer.path) == []


def test_an_unfinished_cache_of_a_killed_writer_is_removed_too(writer):
    writer.delete([case.case_id for case in SECRET])
    (writer.path / vectors.UNFINISHED).write_bytes(SECRET_ROWS.tobytes())
    writer.compact()
    assert traces(writer.path) == []


def test_most_of_it_is_overwritten_even_before_compacting(writer):
    """Who forgets to compact has the old vectors in the cache until it is written, and nothing in the database."""
    writer.delete([case.case_id for case in SECRET])
    writer.close()
    assert traces(writer.path) == []


def test_the_folder_shrinks(writer):
    before = writer.info().bytes
    writer.delete([case.case_id for case in SECRET])
    writer.compact()
    assert writer.info().bytes < before - len(SECRET) * 10_000


def test_compact_does_not_pass_over_a_cache_that_it_could_not_replace(writer, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    writer.delete([case.case_id for case in SECRET])
    with monkeypatch.context() as patch:
        patch.setattr(vectors, "write_durably", full)
        with pytest.raises(GalleryError, match="No space left"):
            writer.compact()
    assert writer.verify().ok
    writer.compact()
    assert traces(writer.path) == []
