"""Fixtures of the retrieval tests: towers without a model, ECGs without a simulator, a small gallery of both."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from index import Case, Gallery
from retrieval.ecg.encodings import PAGE
from retrieval.ecg.page import canonical_page
from retrieval.ecg.recording import Recording, from_independent
from retrieval.towers.bundle import Bundle
from retrieval.waveforms import pack

DIM = 48


class FakeTowers:
    """Pages by a fixed projection of their ink, sentences by their words: nothing learnt, everything repeatable."""

    name, dim, card, encoding = "fake", DIM, {"version": "0"}, PAGE
    image_of, checked = Bundle.image_of, Bundle.checked

    def __init__(self, sha256: str = "f" * 64) -> None:
        self.sha256 = sha256
        self.texts_seen = 0
        self._projection = np.random.default_rng(7).normal(size=(64 * 128, DIM))

    def encode_pages(self, pages: Sequence[Any], threads: int = 0) -> Any:
        small = [255.0 - page.reshape(64, 4, 128, 4).mean(axis=(1, 3)) for page in pages]
        return _unit(np.stack([ink.ravel() @ self._projection for ink in small]))

    def encode_texts(self, texts: Sequence[str]) -> Any:
        self.texts_seen += len(texts)
        rows = [sum((_word(word) for word in text.lower().split()), np.full(DIM, 1e-3)) for text in texts]
        return _unit(np.stack(rows))


def _word(word: str) -> Any:
    seed = int.from_bytes(hashlib.sha256(word.encode()).digest()[:4], "little")
    return np.random.default_rng(seed).normal(size=DIM)


def _unit(rows: Any) -> Any:
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def heartbeats(seed: int, rate: float = 250.0, patient_key: str | None = None) -> Recording:
    """Ten seconds of made-up beats whose rate and shape depend on ``seed``; good to tell apart, not to learn from."""
    rng = np.random.default_rng(seed)
    t = np.arange(round(10 * rate)) / rate
    phase = np.mod(t * rng.uniform(0.8, 2.0), 1.0)[None, :]
    high, wide = rng.uniform(-1.2, 1.6, (8, 1)), rng.uniform(0.01, 0.04, (8, 1))
    beats = high * np.exp(-(((phase - 0.3) / wide) ** 2)) + 0.3 * high * np.exp(-(((phase - 0.6) / 0.06) ** 2))
    return Recording(from_independent(beats), rate, 40.0 + seed % 40, "female", patient_key)


@pytest.fixture(scope="session")
def towers() -> FakeTowers:
    return FakeTowers()


@pytest.fixture(scope="session")
def make_recording() -> Callable[..., Recording]:
    return heartbeats


STATEMENTS: tuple[Mapping[str, float | None], ...] = (
    {"NORM": 100.0, "SR": None},
    {"AFIB": None},
    {"IMI": 80.0, "SR": None},
)
REPORTS = ("Sinus rhythm. Normal ECG.", "Atrial fibrillation.", "Sinus rhythm. Inferior infarct.")


@pytest.fixture
def small_gallery(tmp_path: Path, towers: FakeTowers) -> Path:
    """Twelve cases (seeds 0 to 11) of three findings in turn; p0 has the first two; the last two are simulated."""
    recordings = [heartbeats(seed) for seed in range(12)]
    cases = [
        Case(
            case_id=f"case-{i:02d}",
            report=REPORTS[i % 3],
            statements=STATEMENTS[i % 3],
            patient_key="p0" if i < 2 else f"p{i}",
            source="simulated" if i >= 10 else "archive",
            age=recording.age,
            sex=recording.sex,
            waveform=pack(recording),
        )
        for i, recording in enumerate(recordings)
    ]
    path = tmp_path / "gallery"
    with Gallery.create(path, bundle_name=towers.name, bundle_sha256=towers.sha256, dim=DIM) as gallery:
        gallery.add(cases, towers.encode_pages([canonical_page(r).pixels for r in recordings]))
    return path
