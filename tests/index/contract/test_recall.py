"""Whatever Milvus does with rows, sealed or not, filtered or not, started anew: the nearest are found."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from index import CaseGallery, Filter, Ingest
from index.errors import GalleryBusy
from index.milvus import MilvusGallery
from index.milvus.place import place_in
from tests.index.contract.backends import Milvus
from tests.index.gallery_samples import SHA, sample_case, unit

ROWS, LATER, DIM, TOP = 1600, 100, 24, 10
GOAL = 0.99
WHERES = [None, Filter(site="site-1"), Filter(age_from=88), Filter(present="IMI", device="device-1")]


@pytest.fixture(scope="module")
def rows():
    """Unit rows in clumps of different size, as archives have them, and some by themselves."""
    rng = np.random.default_rng(4)
    middles = unit(150, DIM, seed=2)[(150 * rng.random(ROWS + LATER) ** 2).astype(int)]
    found = middles + rng.standard_normal((ROWS + LATER, DIM)) * 0.12
    return (found / np.linalg.norm(found, axis=1, keepdims=True)).astype(np.float32)


CASES = [sample_case(number, waveform=None) for number in range(ROWS + LATER)]


def passes(case, where: Filter | None) -> bool:
    if where is None:
        return True
    site = where.site is None or case.site == where.site
    age = where.age_from is None or case.age >= where.age_from
    codes = all(code in case.statements for code in where.present)
    return site and age and codes and (where.device is None or case.device == where.device)


def recall_of(gallery: CaseGallery, rows: np.ndarray, there: list[int], where: Filter | None) -> float:
    """Against brute force in NumPy, for queries near the rows."""
    queries = rows[::160] + np.random.default_rng(1).standard_normal((len(rows[::160]), DIM)) * 0.05
    queries = (queries / np.linalg.norm(queries, axis=1, keepdims=True)).astype(np.float32)
    may = np.array([number for number in there if passes(CASES[number], where)])
    found = gallery.search(queries, TOP, where=where)
    right = 0
    for query, hits in zip(queries, found, strict=True):
        best = np.sort(rows[may].astype(np.float64) @ query)[-TOP:]
        right += sum(hit.score >= best[0] - 1e-6 for hit in hits)
    return right / (TOP * len(queries))


def check(gallery: CaseGallery, rows: np.ndarray, there: list[int], goal: float) -> None:
    for where in WHERES:
        assert recall_of(gallery, rows, there, where) >= goal, where


@pytest.mark.slow
def test_recall_holds(milvus: Milvus, rows, monkeypatch):
    other = Milvus(milvus.name, 1, str(replace(place_in(milvus.place), name="recall")), milvus.server)
    everyone = list(range(ROWS))
    with MilvusGallery.create(other.place, bundle_name="toy", bundle_sha256=SHA, dim=DIM) as gallery:
        gallery.add(CASES[:ROWS], rows[:ROWS])
        check(gallery, rows, everyone, 1.0)  # nothing is sealed, and every case is compared
        assert gallery.prepare_index() is None
        assert gallery.exact
    other.restart()
    with MilvusGallery.open(other.place, read_only=False, index="approximate") as gallery:
        check(gallery, rows, everyone, 1.0)
        with monkeypatch.context() as patched:
            patched.setattr("index.milvus.approximate._wait", lambda *_: gallery.search(rows[:1]))
            with pytest.raises(GalleryBusy):  # it is cut off half-way
                gallery.prepare_index()
        with MilvusGallery.open(other.place) as reader, pytest.raises(GalleryBusy):
            reader.search(rows[:1])
        gallery.add([], np.empty((0, DIM)), ingest=Ingest("a", 1))  # the next change puts it right
        check(gallery, rows, everyone, 1.0)
        assert gallery.exact
        measured = gallery.prepare_index()
        assert measured is not None
        assert measured >= GOAL
        assert gallery.prepare_index() == measured
        check(gallery, rows, everyone, GOAL)
        gallery.add(CASES[ROWS:], rows[ROWS:])  # beside the index
        gallery.delete([f"case-{number:05d}" for number in range(0, ROWS, 50)])
        there = [number for number in range(ROWS + LATER) if number >= ROWS or number % 50]
        check(gallery, rows, there, GOAL)
    other.restart()
    with MilvusGallery.open(other.place) as gallery:
        check(gallery, rows, there, GOAL)
        found = gallery.find(rows[:2], TOP)
        assert (found.exact, found.recall) == (False, measured)
        filtered = gallery.find(rows[:2], TOP, where=WHERES[1])
        assert (filtered.exact, filtered.recall) == (True, None)
        assert len(gallery.search(rows[:1], k=ROWS // 2)[0]) == ROWS // 2
    with MilvusGallery.open(other.place, read_only=False) as gallery:
        gallery.drop()
