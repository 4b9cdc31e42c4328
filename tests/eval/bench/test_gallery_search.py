"""The benchmark of the gallery's search: its vectors, its truth, and one small run of it."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from eval.bench import gallery_search
from eval.bench.gallery_engines import NearBeat, case_of
from eval.bench.gallery_rivals import SITES, Flat, site_of
from eval.bench.shaped_vectors import matched_scale, neighbour_distances, read_base, shaped


def unit(count: int, dim: int, seed: int = 0) -> np.ndarray:
    rows = np.random.default_rng(seed).standard_normal((count, dim))
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def test_base_vectors_are_of_length_one_and_without_copies(tmp_path):
    np.save(tmp_path / "a.npy", 3 * unit(20, 8))
    np.save(tmp_path / "b.npy", np.repeat(unit(5, 8, seed=1), 2, axis=0))
    base = read_base([tmp_path / "a.npy", tmp_path / "b.npy"])
    assert base.shape == (25, 8)
    assert np.allclose(np.linalg.norm(base, axis=1), 1, atol=1e-6)


def test_neighbour_distances_are_those_of_brute_force():
    rows = np.concatenate([unit(60, 6), unit(60, 6)[:7]])  # with exact copies, which are neighbours too
    products = rows.astype(np.float64) @ rows.T.astype(np.float64)
    np.fill_diagonal(products, -1)
    expected = np.sort(np.maximum(1 - products.max(axis=1), 1e-6))
    assert np.allclose(neighbour_distances(rows, 67, 0), expected, atol=1e-6)
    assert len(neighbour_distances(rows, 9, 0)) == 9


def test_shaped_vectors_lie_at_the_distances_drawn(tmp_path, monkeypatch):
    base = unit(30, 12)
    made = shaped(base, np.array([0.02, 0.3]), 1000, 0.5, 3)
    away = 1 - (made.astype(np.float64) * base[np.arange(1000) % 30]).sum(axis=1)
    assert np.allclose(np.where(away < 0.05, 0.01, 0.15), away, atol=1e-6)
    assert 400 < (away < 0.05).sum() < 600
    again = shaped(base, np.array([0.02, 0.3]), 1000, 0.5, 3, tmp_path / "rows.npy")
    assert np.array_equal(made, again)
    assert np.array_equal(np.load(tmp_path / "rows.npy"), made)
    assert not np.allclose(shaped(base, np.array([0.02, 0.3]), 1000, 0.5, 4), made)


def test_the_jitter_is_matched_to_the_median_distance():
    base = unit(1, 64) + 0.3 * unit(150, 64, seed=1)  # near each other, so that the space between is not filled up
    base = (base / np.linalg.norm(base, axis=1, keepdims=True)).astype(np.float32)
    distances = neighbour_distances(base, 150, 0)
    scale = matched_scale(base, distances, 3000, 1)
    made = neighbour_distances(shaped(base, distances, 3000, scale, 1), 500, 1)
    assert abs(np.median(made) / np.median(distances) - 1) < 0.05


@pytest.mark.parametrize("site", [None, 3])
def test_truth_is_that_of_brute_force(site):
    rows, queries = unit(900, 10), unit(5, 10, seed=2)
    numbers = [n for n in range(900) if site is None or site_of(n) == site]
    for query, found in zip(queries, gallery_search.true_neighbours(rows, queries, site), strict=True):
        scores = {n: float(np.dot(rows[n].astype(np.float64), query)) for n in numbers}
        assert found == set(sorted(numbers, key=lambda n: -scores[n])[: gallery_search.K])


def test_a_site_is_a_hundredth_of_the_rows():
    counts = np.bincount(site_of(np.arange(10_000)), minlength=SITES)
    assert (counts == 100).all()
    assert case_of(12345).site == str(site_of(12345))


@pytest.mark.parametrize("make", [Flat, lambda folder: NearBeat(folder, "exact")])
def test_an_engine_finds_what_was_built_and_what_was_added(tmp_path, make):
    rows = unit(700, 10)
    engine = make(tmp_path)
    engine.build(rows[:600])
    engine.close()
    assert engine.size() >= 600 * 40
    engine.open()
    assert [hits[0] for hits in engine.search(rows[:600:100], 3, None)] == list(range(0, 600, 100))
    assert {site_of(row) for hits in engine.search(rows[:9], 5, 3) for row in hits} == {3}
    engine.add(rows[600:], 600)
    assert engine.search(rows[650:651], 1, None) == [[650]]
    engine.close()
    engine.open()
    assert engine.search(rows[650:651], 1, None) == [[650]]
    engine.close()


def test_a_small_run_prints_its_tables(tmp_path, monkeypatch, capsys):
    np.save(tmp_path / "some.npy", unit(60, 16))
    given = ["--vectors", str(tmp_path / "some.npy"), "--folder", str(tmp_path / "scratch"), "--sizes", "3000"]
    given += ["--queries", "12", "--rivals-up-to", "0", "--scale", "0.02"]
    monkeypatch.setattr(sys, "argv", ["gallery_search", *given])
    gallery_search.main()
    lines = [line.split(" | ") for line in capsys.readouterr().out.splitlines() if line.startswith("| ")]
    table = {cells[0].removeprefix("| "): cells for cells in lines if len(cells) == 13}
    assert {"FAISS Flat", "NearBeat, exact", "NearBeat, approximate", "FAISS, the gallery's lists"} < set(table)
    assert table["NearBeat, exact"][8] == "1.0000"
    assert table["NearBeat, exact"][12].startswith("1.0000")
    assert float(table["NearBeat, approximate"][8]) >= 0.98
