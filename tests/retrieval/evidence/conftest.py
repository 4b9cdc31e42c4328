"""A gallery of 240 made-up cases whose vectors lie in known places."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from index import Case, Gallery
from retrieval.answer import Answer, GalleryRef, Hit, ModelRef, Query
from retrieval.engine import Engine
from tests.retrieval.conftest import FakeTowers

DIM = 48
CASES = 240
GROUPS = (
    ({"NORM": 100.0, "SR": None}, "Sinus rhythm. Normal ECG."),
    ({"AFIB": None}, "Atrial fibrillation."),
    ({"IMI": 80.0, "SR": None}, "Sinus rhythm. Inferior infarct."),
)


def unit(rows: np.ndarray) -> np.ndarray:
    return (rows / np.linalg.norm(rows, axis=-1, keepdims=True)).astype(np.float32)


def centres() -> np.ndarray:
    """``[3, dim]``: one place for each finding."""
    return unit(np.random.default_rng(1).normal(size=(len(GROUPS), DIM)))


def vectors(seed: int, number: int, spread: float = 0.06) -> np.ndarray:
    """``[number, dim]`` about the centres in turn."""
    noise = np.random.default_rng(seed).normal(size=(number, DIM)) * spread
    return unit(centres()[np.arange(number) % len(GROUPS)] + noise)


def made_cases(number: int, source: str = "archive", age: float = 60.0) -> list[Case]:
    """Two cases of each patient."""
    return [
        Case(
            f"case-{i:03d}",
            GROUPS[i % 3][1],
            GROUPS[i % 3][0],
            patient_key=f"p{i // 6}-{i % 3}",
            source=source,
            age=age,
            sex="female",
        )
        for i in range(number)
    ]


def make_gallery(path: Path, cases: list[Case], rows: np.ndarray, *, simulated: bool = False) -> Path:
    towers = FakeTowers()
    with Gallery.create(
        path, bundle_name=towers.name, bundle_sha256=towers.sha256, dim=DIM, simulated=simulated
    ) as gallery:
        gallery.add(cases, rows)
    return path


def opened(path: Path) -> Engine:
    return Engine(Gallery.open(path), FakeTowers())  # type: ignore[arg-type]


def asked(engine: Engine, vector: np.ndarray, k: int = 10, *, text: str | None = None, **more: object) -> Answer:
    """What ``Engine.query`` would answer to an ECG of that vector."""
    found = engine.gallery.find(vector[None], k).neighbours[0]
    cases = engine.gallery.cases([one.case_id for one in found])
    hits = tuple(Hit(one.rank, one.score, case) for one, case in zip(found, cases, strict=True))
    place = GalleryRef(str(engine.gallery.path), 1, len(engine.gallery), engine.gallery.simulated)
    query = Query("ecg.png", "image", text=text, vector=vector, **more)  # type: ignore[arg-type]
    return Answer(query, place, ModelRef("fake", "f" * 64), hits, k=k)


@pytest.fixture(scope="session")
def made_gallery(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_gallery(tmp_path_factory.mktemp("evidence") / "g", made_cases(CASES), vectors(0, CASES))


@pytest.fixture
def engine(made_gallery: Path) -> Iterator[Engine]:
    with opened(made_gallery) as engine:
        yield engine
