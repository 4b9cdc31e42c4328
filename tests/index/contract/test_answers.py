"""Each engine gives the answers of the gallery in a folder, to the byte."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest

from index import Case, CaseGallery, Filter, Gallery, Ingest, all_of, parse_where
from index.errors import GalleryError
from index.filters import added_until, none_of
from tests.index.contract.backends import DIM, Backend
from tests.index.gallery_samples import SHA, clumped, sample_case, unit

COUNT = 60
ODD = [
    sample_case(900, age=None, sex=None, site=None, device=None, recorded=None, patient_key=None, statements={}),
    sample_case(901, age=0.0, sex="", site='s" or 1 == 1 or "', device="d\\", recorded="1990-05", source=""),
    sample_case(902, age=-3.5, sex="weiblich ♀", recorded="1990-05-31", report="", extra={"a": "ü\n"}),
    sample_case(903, age=63.7, recorded="2001-13-99 garbled", waveform=b"", page=bytes(range(256)) * 700),
    sample_case(904, age=1e300, statements={f"code {n}": None for n in range(200)}, report="lang " * 20_000),
]
WHERES = [
    None,
    Filter(),
    Filter(age_from=30, age_to=63.7, sex="female"),
    Filter(site="site-1", device="device-2", source="simulated"),
    Filter(recorded_from="1992-01-01", recorded_to="1996-12-31"),
    Filter(present=("IMI", "SR"), absent="NORM"),
    Filter(sex="nobody's"),
    "age < 30 or age > 80",
    "age = 63.7",
    "not age between 0 and 100",
    "age not between 30 and 40 and sex = female",
    "age in (20, 21, 22.0)",
    "age not in (20, 21, 22)",
    "age is unknown or sex is unknown",
    "age is known and not (site is known)",
    "date >= 1990-01-01 and date < 1995-01-01",
    "not (date = 1990-05-31)",
    "date is unknown",
    "sex != male",
    "not (sex = male)",
    "sex in (male, 'weiblich ♀') and device not in (device-1)",
    "not (sex = male or has SR)",
    "not (sex != male and age > 50)",
    "has IMI and lacks PACE",
    "not (lacks 'code 7')",
    """site = 's" or 1 == 1 or "'""",
    r"device = 'd\'",
    "source = ''",
    all_of(added_until(2), parse_where("age > 25")),
    none_of(["case-00001", "case-00002", "absent"]),
]


def as_condition(where):
    return parse_where(where) if isinstance(where, str) else where


def as_bytes(found: object) -> bytes:
    return json.dumps(found, ensure_ascii=False, default=asdict).encode()


def filled(gallery: CaseGallery) -> None:
    """Adds, a replacement and a deletion, the same for each engine."""
    cases = [sample_case(number) for number in range(COUNT)]
    rows = clumped(COUNT, DIM)
    assert gallery.add(cases[:20], rows[:20], ingest=Ingest("stream", 20)) == 1
    assert gallery.add(cases[20:], rows[20:], ingest=Ingest("stream", 61, True, (("a", "b", "ü"),))) == 2
    assert gallery.add(ODD, unit(len(ODD), DIM, seed=9)) == 3
    assert gallery.replace([sample_case(4, report="anew", statements={"NEW": 1.0})], unit(1, DIM, seed=5)) == 4
    assert gallery.delete(["case-00003", "case-00017", "case-00003"]) == 5
    assert gallery.add([], np.empty((0, DIM)), ingest=Ingest("other", 1)) == 5


@pytest.fixture(scope="module")
def reference(tmp_path_factory):
    with Gallery.create(
        tmp_path_factory.mktemp("reference") / "g", bundle_name="toy", bundle_sha256=SHA, dim=DIM
    ) as gallery:
        filled(gallery)
        yield gallery


def test_the_same_answers(backend: Backend, reference: Gallery):
    with backend.fresh() as gallery:
        filled(gallery)
        check_everything(gallery, reference)
    with backend.open(bundle_sha256=SHA) as gallery:  # and to another who opens it
        check_everything(gallery, reference)
    backend.restart()
    with backend.open() as gallery:
        check_everything(gallery, reference)


def check_everything(gallery: CaseGallery, reference: CaseGallery) -> None:
    ids = reference.ids()
    with gallery.snapshot() as generation:
        assert generation == 5
        assert len(gallery) == len(ids)
        assert gallery.ids() == ids
        assert gallery.vectors().tobytes() == reference.vectors().tobytes()
        assert gallery.vectors(ids[5:9]).tobytes() == reference.vectors(ids[5:9]).tobytes()
        assert gallery.cases(ids) == reference.cases(ids)
        assert gallery.added(ids) == reference.added(ids)
        assert as_bytes(gallery.statement_counts()) == as_bytes(reference.statement_counts())
        assert gallery.known([*ids, "case-00003", "none"]) == set(ids)
        assert gallery.retired(["case-00003", "case-00004", "none", "case-00017"]) == {"case-00003", "case-00017"}
        assert [gallery.ingest(name) for name in ("stream", "other", "none")] == [
            reference.ingest(name) for name in ("stream", "other", "none")
        ]
        assert gallery.earlier("patient-1") == reference.earlier("patient-1")
        assert gallery.earlier("nobody") == []
        vector = clumped(COUNT, DIM)[7]
        assert gallery.similarities(vector, ids[:9]) == reference.similarities(vector, ids[:9])
        ours, theirs = gallery.info(), reference.info()
        assert (ours.cases, ours.patients, ours.generation) == (theirs.cases, theirs.patients, theirs.generation)
        assert gallery.simulated is False


def test_filters_and_patients(backend: Backend, reference: Gallery):
    """Every kind of filter, several k, with and without patients that are left out."""
    with backend.fresh() as gallery:
        filled(gallery)
    queries = clumped(COUNT, DIM)[[0, 7, 30]]
    patients = ["patient-0", None, "patient-10"]
    with backend.open() as gallery:
        for where in WHERES:
            condition = as_condition(where)
            assert gallery.ids(condition) == reference.ids(condition)
            for k, left_out in ((4, None), (COUNT + 9, patients)):
                ours = gallery.find(queries, k, left_out, condition)
                theirs = reference.find(queries, k, left_out, condition)
                assert as_bytes(ours) == as_bytes(theirs), where


def test_many_equal_vectors(backend: Backend, tmp_path: Path):
    """Of more equal vectors than are fetched at once the first by id are named."""
    rows = np.repeat(unit(3, DIM), 50, axis=0)
    cases = [sample_case(number, case_id=f"{(number * 7) % 150:03d}") for number in range(150)]
    with Gallery.create(tmp_path / "r", bundle_name="toy", bundle_sha256=SHA, dim=DIM) as reference:
        reference.add(cases, rows)
        wanted = {k: as_bytes(reference.find(rows[::50], k)) for k in (1, 3, 40, 200)}
    with backend.fresh() as gallery:
        gallery.add(cases, rows)
        for k, answer in wanted.items():
            assert as_bytes(gallery.find(rows[::50], k)) == answer
        assert as_bytes(gallery.search(rows[:1], 3)) == as_bytes(gallery.search(rows[::50], 3)[:1])


def test_an_empty_gallery(backend: Backend):
    with backend.fresh() as gallery:
        assert gallery.search(unit(2, DIM)) == [[], []]
        assert (len(gallery), gallery.ids(), gallery.vectors().shape) == (0, [], (0, DIM))
        assert gallery.add([], np.empty((0, DIM))) == 0
        assert gallery.search(np.empty((0, DIM), np.float32)) == []


def test_words_are_refused_where_they_cannot_be_searched(milvus):
    with milvus.fresh() as gallery:
        gallery.add([sample_case(1)], unit(1, DIM))
        for asked in (
            lambda: gallery.search_words("sinus"),
            lambda: gallery.search_hybrid(unit(1, DIM)[0], "sinus"),
            lambda: gallery.search(unit(1, DIM), where=parse_where('age > 3 and report ~ "sinus"')),
            lambda: gallery.search(unit(1, DIM), where=Filter(text="sinus")),
            lambda: gallery.backup("x"),
        ):
            with pytest.raises(GalleryError, match=r"^[^\n]{20,}$"):
                asked()


def test_more_than_milvus_gives_at_once_is_scanned(lite_file, monkeypatch, tmp_path: Path):
    rows = np.concatenate([np.repeat(unit(1, DIM), 90, axis=0), clumped(60, DIM)])
    cases = [sample_case(number) for number in range(150)]
    where = parse_where("age > 30")
    with Gallery.create(tmp_path / "r", bundle_name="toy", bundle_sha256=SHA, dim=DIM) as reference:
        reference.add(cases, rows)
        wanted = [as_bytes(reference.find(rows[:100:99], k, ["patient-1", None], where)) for k in (3, 30, 140)]
    with lite_file.fresh() as gallery:
        gallery.add(cases, rows)
        monkeypatch.setattr("index.milvus.ranking.MOST_FOUND", 40)
        monkeypatch.setattr("index.milvus.ranking.BLOCK", 17)
        assert [as_bytes(gallery.find(rows[:100:99], k, ["patient-1", None], where)) for k in (3, 30, 140)] == wanted


def test_a_case_that_milvus_cannot_keep_is_refused(milvus):
    from index.errors import BadCase

    with milvus.fresh() as gallery:
        for case in (
            sample_case(1, case_id="x" * 70_000),
            Case("y", "", {f"code {number}": None for number in range(5000)}),
        ):
            with pytest.raises(BadCase):
                gallery.add([sample_case(2), case], unit(2, DIM))
        assert gallery.ids() == []
        assert gallery.add([sample_case(2)], unit(1, DIM)) == 1
