"""How long a gallery in Milvus takes beside one in a folder: adding, asking, deleting.

``python -m eval.bench.milvus_gallery milvus+http://127.0.0.1:19530/bench`` on a server with its own settings; the
gallery of that name is made and dropped. Vectors and cases are made up: what is timed hardly depends on them.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from index import Case, CaseGallery, Filter, Gallery
from index.milvus import MilvusGallery

ROWS, AT_ONCE, DIM, QUERIES = 10_000, 1000, 256, 20


def main() -> None:
    """Time both and print a line for each figure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("place")
    place = parser.parse_args().place
    rows = np.random.default_rng(0).standard_normal((ROWS, DIM))
    rows = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    with tempfile.TemporaryDirectory() as folder:
        with Gallery.create(
            Path(folder) / "gallery", bundle_name="made up", bundle_sha256="0" * 64, dim=DIM
        ) as gallery:
            first = _timed("folder", gallery, rows)
        with MilvusGallery.create(place, bundle_name="made up", bundle_sha256="0" * 64, dim=DIM) as gallery:
            try:
                second = _timed("milvus", gallery, rows)
            finally:
                gallery.drop()
    print("same answers", first == second)  # noqa: T201


def _timed(name: str, gallery: CaseGallery, rows: np.ndarray) -> object:
    cases = [
        Case(
            f"{number}",
            "sinus rhythm",
            {"NORM": 100.0},
            f"p{number // 2}",
            age=float(number % 90),
            site=f"s{number % 100}",
        )
        for number in range(len(rows))
    ]
    _say(
        name,
        "add 1,000",
        [
            _seconds(lambda at=at: gallery.add(cases[at : at + AT_ONCE], rows[at : at + AT_ONCE]))
            for at in range(0, ROWS, AT_ONCE)
        ],
    )
    queries = rows[: QUERIES * 7 : 7]
    answers = [gallery.find(query[None], 10, ["p3"]) for query in queries]
    one = Filter(site="s7")
    _say(name, "search", [_seconds(lambda query=query: gallery.find(query[None], 10)) for query in queries])
    _say(
        name,
        "search, 1 % filter",
        [_seconds(lambda query=query: gallery.find(query[None], 10, where=one)) for query in queries],
    )
    _say(name, "search of 100", [_seconds(lambda: gallery.find(rows[:100], 10)) for _ in range(5)])
    _say(name, "10 cases", [_seconds(lambda: gallery.cases([case.case_id for case in cases[:10]])) for _ in range(5)])
    _say(
        name,
        "delete 100",
        [
            _seconds(lambda at=at: gallery.delete([case.case_id for case in cases[at : at + 100]]))
            for at in range(0, 500, 100)
        ],
    )
    return answers


def _seconds(call: Callable[[], object]) -> float:
    begun = time.perf_counter()
    call()
    return time.perf_counter() - begun


def _say(name: str, what: str, seconds: list[float]) -> None:
    middle, high = np.percentile(seconds, [50, 95])
    print(f"{name:8} {what:20} p50 {middle * 1000:8.1f} ms  p95 {high * 1000:8.1f} ms", flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
