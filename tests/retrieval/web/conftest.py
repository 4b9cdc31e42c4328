"""A service with its pages over a small gallery, by towers that learnt nothing: what is shown, not how good it is."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient
from PIL import Image

from index import Case, Gallery
from retrieval.ecg.drawing import PageStyle, draw_page
from retrieval.ecg.page import canonical_page
from retrieval.ecg.recording import Recording
from retrieval.engine import Engine
from retrieval.service.application import create_app
from retrieval.service.desk import Desk
from retrieval.service.settings import Settings
from retrieval.waveforms import pack
from tests.retrieval.conftest import DIM, heartbeats

HOSTILE = '<script>alert("x")</script><img src=x onerror=alert(1)>\' " & {{ 7*7 }} </textarea>Ü'
FINDINGS: tuple[tuple[str, dict[str, float | None]], ...] = (
    ("Sinus rhythm. Normal ECG.", {"NORM": 100.0, "SR": None}),
    ("Vorhofflimmern mit schneller Überleitung.", {"AFIB": None}),
    ("Sinus rhythm. Inferior infarct.", {"IMI": 80.0, "SR": None}),
)
CASES = 24


def case_of(seed: int) -> Case:
    """A case of the test gallery; the sixth is hostile in every text, p0 has two, the last four are simulated."""
    recording = heartbeats(seed)
    report, statements = FINDINGS[seed % 3]
    hostile = seed == 5
    return Case(
        case_id=f"case-{seed:02d}" if not hostile else f"case-05 {HOSTILE}",
        report=report if not hostile else HOSTILE,
        statements=statements if not hostile else {HOSTILE: 50.0},
        patient_key="p0" if seed < 2 else f"p{seed}",
        source="simulated" if seed >= CASES - 4 else HOSTILE if hostile else "archive",
        age=30.0 + seed,
        sex="female" if seed % 2 else "male",
        site="ward 1" if seed % 2 else "ward 2",
        device=HOSTILE if hostile else 'CS-12 "E"',
        recorded=f"19{80 + seed % 10}-05-31",
        waveform=pack(recording),
    )


@pytest.fixture(scope="session")
def web_gallery(tmp_path_factory: pytest.TempPathFactory, towers: Any) -> Path:
    path = tmp_path_factory.mktemp("web") / "gallery"
    pages = [canonical_page(heartbeats(seed)).pixels for seed in range(CASES)]
    with Gallery.create(path, bundle_name=towers.name, bundle_sha256=towers.sha256, dim=DIM) as gallery:
        gallery.add([case_of(seed) for seed in range(CASES)], towers.encode_pages(pages))
    return path


@pytest.fixture(scope="session")
def make_desk(web_gallery: Path, towers: Any) -> Callable[[], Desk]:
    def make() -> Desk:
        return Desk(Engine(Gallery.open(web_gallery, read_only=True), towers))

    return make


@pytest.fixture(scope="session")
def application(make_desk: Callable[[], Desk]) -> Iterator[Any]:
    app = create_app(make_desk(), Settings(names=frozenset()), warm=False)
    with TestClient(app, follow_redirects=True):  # holds the application open for all tests
        yield app


@pytest.fixture
def client(application: Any) -> TestClient:
    """A visitor with cookies of their own."""
    return TestClient(application, follow_redirects=True, headers={"accept-language": "en"})


def png_of(recording: Recording, **style: Any) -> bytes:
    """A recording as the picture of a printed page."""
    data = io.BytesIO()
    Image.fromarray(draw_page(recording, PageStyle(**style)).pixels).save(data, "PNG", compress_level=1)
    return data.getvalue()


@pytest.fixture(scope="session")
def printed() -> bytes:
    """The page of a simulated ECG, which the reader of pages knows how to read."""
    from retrieval.ecg.simulator import simulate

    return png_of(simulate(7, "normal").recording)


@pytest.fixture(scope="session")
def sampled() -> bytes:
    """A recording as a CSV file that says what it is."""
    from retrieval.ecg.recording import LEADS

    recording = heartbeats(3, rate=250.0)
    head = "time (s)," + ",".join(f"{lead} (mV)" for lead in LEADS)
    rows = np.column_stack([np.arange(recording.signal.shape[1]) / 250.0, recording.signal.T])
    return (head + "\n" + "\n".join(",".join(f"{value:.4f}" for value in row) for row in rows)).encode()
