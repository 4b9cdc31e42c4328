"""How fast, sure and large the gallery's search is, beside raw FAISS, autofaiss and milvus-lite, in one run.

``python -m eval.bench.gallery_search --vectors real.npy simulated.npy --folder SCRATCH`` prints Markdown tables. The
vectors are made by :mod:`eval.bench.shaped_vectors`; queries are made in the same way and are in no gallery. Every
engine is built, opened, searched with single queries and with one batch, without a filter and with one that leaves
1 %, and given 1,000 more rows. Recall@10 is against exact search in float64.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import faiss
import numpy as np

from eval.bench.gallery_engines import NearBeat, SameLists
from eval.bench.gallery_rivals import Chosen, Engine, Flat, Matrix, Milvus, available, emptied, site_of
from eval.bench.shaped_vectors import QUANTILES, Distances, matched_scale, neighbour_distances, read_base, shaped

K = 10
ADDED = 1000
WARM_UP = 5
SITE = 7


@dataclass(frozen=True)
class Measured:
    """One engine at one size: seconds, bytes a case, milliseconds a query, shares of the true neighbours found."""

    name: str
    build_s: float
    open_s: float
    case_bytes: float
    add_s: float
    single: dict[bool, list[float]]
    batch: dict[bool, float]
    recall: dict[bool, float]


def main() -> None:
    """Make the vectors, measure every engine at every size, print the tables."""
    options = _options()
    base = read_base(options.vectors)
    distances = neighbour_distances(base, len(base), 0)
    say(f"{len(base)} vectors of length {base.shape[1]} are given.")
    say(f"{os.cpu_count()} processors, {faiss.omp_get_max_threads()} threads for a batch.")
    for size in options.sizes:
        scale = options.scale or matched_scale(base, distances, min(size, options.match_at), 0)
        folder = emptied(options.folder / str(size))
        rows = shaped(base, distances, size + ADDED, scale, 1, folder / "vectors.npy")
        say(f"\n## {size:,} cases, jitter {scale:.4f}\n")
        tell_shape(distances, neighbour_distances(rows[:size], options.queries, 0))
        queries = shaped(base, distances, options.queries, scale, 2)
        tell(list(measure_all(folder, rows, queries, options)))
    if options.sensitivity:
        tell_sensitivity(base, distances, options)


def measure_all(folder: Path, rows: Matrix, queries: Matrix, options: argparse.Namespace) -> Iterator[Measured]:
    """Every engine that there is, one after another; the last ``ADDED`` rows are added at the end."""
    held = rows[:-ADDED]
    truth = {filtered: true_neighbours(held, queries, SITE if filtered else None) for filtered in (False, True)}
    peak = built_apart(folder, options) if options.apart else None
    engines: list[Engine] = [
        Flat(folder),
        NearBeat(folder, "exact"),
        NearBeat(folder, "approximate"),
        SameLists(folder),
    ]
    for rival in (Chosen, Milvus):
        if not available(rival):
            say(f"{rival.name} is not installed and was passed over.")
        elif len(held) > options.rivals_up_to:
            say(f"{rival.name} was passed over at this size.")
        else:
            engines.append(rival(folder))
    for engine in engines:
        yield measure(engine, rows, queries, truth)
    if peak:
        say(f"Built apart, a stream of batches: {peak['seconds']:.0f} s; most memory {peak['peak_mb']:.0f} MB")
        say(f"(of its own {peak['own_mb']:.0f} MB), the vectors take {held.size * 4 / 2**20:.0f} MB.\n")


def measure(engine: Engine, rows: Matrix, queries: Matrix, truth: dict[bool, list[set[int]]]) -> Measured:
    """Build, open, search and add, each timed."""
    held = rows[:-ADDED]
    build_s = timed(lambda: engine.build(held))
    engine.close()
    size = engine.size()
    open_s = timed(engine.open)
    single, batch, recall = {}, {}, {}
    for filtered, site in ((False, None), (True, SITE)):
        single[filtered], recall[filtered] = asked_singly(engine, queries, site, truth[filtered])
        batch[filtered] = 1000 * timed(partial(engine.search, queries, K, site)) / len(queries)
    add_s = timed(lambda: engine.add(rows[-ADDED:], len(held)))
    engine.close()
    return Measured(engine.name, build_s, open_s, size / len(held), add_s, single, batch, recall)


def asked_singly(
    engine: Engine, queries: Matrix, site: int | None, truth: list[set[int]]
) -> tuple[list[float], float]:
    """Milliseconds of each query, asked one at a time after a few that are not counted; and recall@K."""
    for query in queries[:WARM_UP]:
        engine.search(query[None], K, site)
    times, shares = [], []
    for query, true in zip(queries, truth, strict=True):
        start = time.perf_counter()
        hits = engine.search(query[None], K, site)[0]
        times.append(1000 * (time.perf_counter() - start))
        shares.append(len(true & set(hits)) / max(1, len(true)))
    return times, statistics.mean(shares)


def true_neighbours(rows: Matrix, queries: Matrix, site: int | None) -> list[set[int]]:
    """The K nearest rows of each query in float64: found in float32 with room to spare, then compared again."""
    numbers = np.arange(len(rows)) if site is None else np.flatnonzero(site_of(np.arange(len(rows))) == site)
    index = faiss.IndexFlatIP(rows.shape[1])
    index.add(np.ascontiguousarray(rows[numbers]))
    found = numbers[index.search(queries, min(10 * K, len(numbers)))[1]]
    scores = np.einsum("qd,qkd->qk", queries.astype(np.float64), rows[found].astype(np.float64))
    best = np.argsort(-scores, axis=1, kind="stable")[:, :K]
    return [set(hits) for hits in np.take_along_axis(found, best, axis=1).tolist()]


def built_apart(folder: Path, options: argparse.Namespace) -> dict[str, float]:
    """Time and memory of building the gallery from the file of vectors in a process of its own."""
    command = [sys.executable, "-m", "eval.bench.gallery_engines", str(folder / "vectors.npy"), str(ADDED)]
    done = subprocess.run([*command, str(folder / "apart")], capture_output=True, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def tell(measured: list[Measured]) -> None:
    """The table of one size."""
    filters = {False: "no filter", True: "1 % filter"}
    columns = [f"{what}, {of}" for of in filters.values() for what in ("p50 ms", "p95 ms", "batch ms", "recall@10")]
    row(["engine", "build s", "open s", "bytes a case", f"add {ADDED:,} s", *columns])
    row(["---"] * (5 + len(columns)))
    for one in measured:
        cells = [one.name, f"{one.build_s:.1f}", f"{one.open_s:.3f}", f"{one.case_bytes:.0f}", f"{one.add_s:.2f}"]
        for filtered in filters:
            p50, p95 = np.percentile(one.single[filtered], [50, 95])
            cells += [f"{p50:.2f}", f"{p95:.2f}", f"{one.batch[filtered]:.2f}", f"{one.recall[filtered]:.4f}"]
        row(cells)
    say("")


def tell_shape(given: Distances, made: Distances) -> None:
    """How far the nearest neighbour is, for the vectors given and for those made of them."""
    row(["1 - cosine to the nearest", *(f"{quantile:.0%}" for quantile in QUANTILES)])
    row(["---"] * (1 + len(QUANTILES)))
    for name, distances in (("the vectors given", given), ("the vectors made", made)):
        row([name, *(f"{value:.2e}" for value in np.quantile(distances, QUANTILES))])
    say("")


def tell_sensitivity(base: Matrix, distances: Distances, options: argparse.Namespace) -> None:
    """What the approximate index does when the jitter is another than the one chosen."""
    size = options.sensitivity
    chosen = options.scale or matched_scale(base, distances, min(size, options.match_at), 0)
    say(f"\n## How much the jitter matters, {size:,} cases\n")
    row(
        [
            "jitter",
            "median 1 - cosine to the nearest",
            "recall measured by the index",
            "recall@10",
            "p50 ms",
            "p95 ms",
        ]
    )
    row(["---"] * 6)
    for factor in (0.25, 0.5, 1.0, 2.0, 4.0):
        folder = emptied(options.folder / f"jitter-{factor}")
        rows = shaped(base, distances, size, factor * chosen, 1)
        queries = shaped(base, distances, options.queries, factor * chosen, 2)
        engine = NearBeat(folder, "approximate")
        engine.build(rows)
        engine.open()
        times, found = asked_singly(engine, queries, None, true_neighbours(rows, queries, None))
        told = "exact" if engine.recall is None else f"{engine.recall:.4f}"
        median = np.median(neighbour_distances(rows, options.queries, 0))
        p50, p95 = np.percentile(times, [50, 95])
        row([f"{factor} x", f"{median:.2e}", told, f"{found:.4f}", f"{p50:.2f}", f"{p95:.2f}"])
        engine.close()
    say("")


def timed(call: Callable[[], object]) -> float:
    """Seconds that a call takes by the clock."""
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def say(text: str) -> None:
    """A line of the output, at once."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def row(cells: list[str]) -> None:
    """A row of a Markdown table."""
    say("| " + " | ".join(cells) + " |")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--vectors", type=Path, nargs="+", required=True, help=".npy files of real and simulated ECGs"
    )
    parser.add_argument("--folder", type=Path, required=True, help="scratch; its subfolders are emptied")
    parser.add_argument("--sizes", type=int, nargs="+", default=[2000, 100_000, 1_000_000], help="cases")
    parser.add_argument("--queries", type=int, default=200, help="single queries, and the size of the batch")
    parser.add_argument("--scale", type=float, default=None, help="the jitter; found by matching where not given")
    parser.add_argument("--match-at", type=int, default=100_000, help="most rows with which the jitter is matched")
    parser.add_argument(
        "--rivals-up-to", type=int, default=1_000_000, help="most cases for autofaiss and milvus-lite"
    )
    parser.add_argument("--sensitivity", type=int, default=0, help="cases with which the jitter is varied; 0: not")
    parser.add_argument(
        "--apart", action="store_true", help="build once more in a process of its own, for its memory"
    )
    return parser.parse_args()


if __name__ == "__main__":
    main()
