"""Made-up cases and vectors that the gallery's tests share; every value follows from a number."""

from __future__ import annotations

import statistics
from pathlib import Path

import numpy as np

from index import Case, Gallery

SHA = "ab" * 32


def unit(count: int, dim: int = 16, seed: int = 0) -> np.ndarray:
    rows = np.random.default_rng(seed).standard_normal((count, dim))
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def clumped(count: int, dim: int = 16, seed: int = 0) -> np.ndarray:
    """Unit rows with exact copies and with copies that differ in the last bits, as archives have them."""
    rng = np.random.default_rng(seed)
    rows = unit(max(2, count // 4), dim, seed)[rng.integers(0, max(2, count // 4), count)]
    rows[::3] += rng.standard_normal((len(rows[::3]), dim)).astype(np.float32) * 1e-7
    return (rows / np.linalg.norm(rows.astype(np.float64), axis=1, keepdims=True)).astype(np.float32)


def sample_case(number: int, **changes) -> Case:
    values = {
        "case_id": f"case-{number:05d}",
        "report": f"sinus rhythm, report {number}, Überleitung normal",
        "statements": {"NORM": 100.0} if number % 2 else {"IMI": 80.0, "SR": None},
        "patient_key": f"patient-{number // 3}",
        "source": "simulated",
        "age": float(20 + number % 70),
        "sex": ("female", "male")[number % 2],
        "site": f"site-{number % 4}",
        "device": f"device-{number % 3}",
        "recorded": f"19{90 + number % 10}-0{1 + number % 9}-15 10:00:00",
        "extra": {"fold": str(number % 10)},
        "waveform": bytes([number % 256]) * 40,
    }
    return Case(**{**values, **changes})


def new_gallery(path: Path, dim: int = 16) -> Gallery:
    return Gallery.create(path, bundle_name="toy", bundle_sha256=SHA, dim=dim)


def filled(path: Path, rows: np.ndarray) -> Path:
    """A closed gallery of sample cases 0, 1, … with these vectors."""
    with new_gallery(path, rows.shape[1]) as gallery:
        gallery.add([sample_case(number) for number in range(len(rows))], rows)
    return path


def by_hand(
    rows: np.ndarray, ids: list[str], query: np.ndarray, k: int, banned: frozenset[str] = frozenset()
) -> list[tuple[str, float]]:
    """The first k by brute force in plain Python: every product, float64, rounded, ties by id."""
    import math

    scored = []
    for row, case_id in zip(rows, ids, strict=True):
        if case_id not in banned:
            product = math.fsum(float(a) * float(b) for a, b in zip(row, query, strict=True))
            scored.append((-min(1.0, max(-1.0, round(product, 7))), case_id))
    return [(case_id, -score) for score, case_id in sorted(scored)[:k]]


def fused_by_hand(near: list[tuple[str, float]], said: list[tuple[str, float]]) -> dict[str, float]:
    """Twice the standard score of each case's similarity and that of its BM25, added; ``near`` names every case."""

    def standard(scores: list[float]) -> list[float]:
        spread = statistics.pstdev(scores)
        return [(score - statistics.fmean(scores)) / spread if spread > 1e-9 else 0.0 for score in scores]

    ids = [case_id for case_id, _ in near]
    if not ids:
        return {}
    words = standard([dict(said).get(case_id, 0.0) for case_id in ids])
    vectors = standard([score for _, score in near])
    return {case_id: 2 * v + w for case_id, v, w in zip(ids, vectors, words, strict=True)}
