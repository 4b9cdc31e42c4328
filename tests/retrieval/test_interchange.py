"""A gallery as Parquet and back: nothing lost, nothing half written, nothing foreign taken."""

from __future__ import annotations

import json

import numpy as np
import pytest

pytest.importorskip("pyarrow")

import pyarrow as pa
import pyarrow.parquet as pq

from index import Gallery, diff_galleries
from index.errors import GalleryExists
from retrieval import interchange
from retrieval.errors import BadInput, FileMissing
from retrieval.interchange import CASES, METADATA, export_gallery, import_gallery
from tests.index.gallery_samples import filled, sample_case, unit


@pytest.fixture
def gallery(tmp_path, monkeypatch):
    monkeypatch.setattr(interchange, "AT_ONCE", 16)
    folder = filled(tmp_path / "g", unit(40))
    with Gallery.open(folder, read_only=False) as opened:
        bare = sample_case(90, age=None, sex=None, patient_key=None, waveform=None, page=b"\x89PNG", statements={})
        opened.add([bare], unit(1, seed=4))
        opened.delete(["case-00003"])
    return folder


def test_exported_and_imported_it_is_the_same(gallery, tmp_path):
    told = []
    assert export_gallery(gallery, tmp_path / "out", progress=lambda *counts: told.append(counts)) == 40
    assert told == [(16, 40), (32, 40), (40, 40)]
    assert import_gallery(tmp_path / "out", tmp_path / "back") == 40
    with Gallery.open(gallery) as one, Gallery.open(tmp_path / "back") as other:
        assert list(diff_galleries(one, other)) == []
        assert (one.ids(), one.bundle_sha256, one.dim) == (other.ids(), other.bundle_sha256, other.dim)
        assert other.verify().ok
    assert sorted(path.name for path in tmp_path.iterdir()) == ["back", "g", "out"]


def test_others_can_read_it(gallery, tmp_path):
    export_gallery(gallery, tmp_path / "out", recordings=False)
    table = pq.read_table(tmp_path / "out" / CASES)
    assert "waveform" not in table.column_names
    row = table.to_pylist()[1]
    assert (row["case_id"], row["report"]) == ("case-00001", sample_case(1).report)
    assert json.loads(row["statements"]) == {"NORM": 100.0}
    with Gallery.open(gallery) as opened:
        assert np.array_equal(np.array(row["vector"], np.float32), opened.vectors(["case-00001"])[0])
    facts = json.loads((tmp_path / "out" / METADATA).read_text())
    assert facts["conformsTo"] == "http://mlcommons.org/croissant/1.0"
    described = {field["source"]["extract"]["column"] for field in facts["recordSet"][0]["field"]}
    assert described == set(table.column_names)


def test_a_write_that_breaks_leaves_nothing(gallery, tmp_path):
    def full(done, total):
        raise OSError("no space left")

    for broken in (
        lambda: export_gallery(gallery, tmp_path / "out", progress=full),
        lambda: export_gallery(gallery, tmp_path / "whole") and import_gallery(
            tmp_path / "whole", tmp_path / "out", progress=full
        ),
    ):  # fmt: skip
        with pytest.raises(OSError, match="no space"):
            broken()
        assert not (tmp_path / "out").exists()
        assert not list(tmp_path.glob("*.unfinished"))


def test_what_is_no_export_is_refused(gallery, tmp_path):
    with pytest.raises(FileMissing, match=r"has no croissant\.json"):
        import_gallery(tmp_path, tmp_path / "back")
    export_gallery(gallery, tmp_path / "out")
    with pytest.raises(GalleryExists):
        export_gallery(gallery, tmp_path / "out")
    with pytest.raises(GalleryExists):
        import_gallery(tmp_path / "out", gallery)
    metadata, cases = tmp_path / "out" / METADATA, tmp_path / "out" / CASES
    whole, facts = cases.read_bytes(), json.loads(metadata.read_text())
    cases.write_bytes(whole[:-1] + b"x")
    with pytest.raises(BadInput, match="is not the file that"):
        import_gallery(tmp_path / "out", tmp_path / "back")
    pq.write_table(pa.table({"case_id": ["a"]}), cases)
    facts["distribution"][0]["sha256"] = interchange._sha256(cases)
    metadata.write_text(json.dumps(facts))
    with pytest.raises(BadInput, match="is not what NearBeat exports"):
        import_gallery(tmp_path / "out", tmp_path / "back")
    for broken in ("[]", '{"nearbeat": {}}', "no json"):
        metadata.write_text(broken)
        with pytest.raises(BadInput, match="export the gallery again"):
            import_gallery(tmp_path / "out", tmp_path / "back")
    assert not (tmp_path / "back").exists()
