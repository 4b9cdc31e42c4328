"""How fast ECGs become vectors: each step on one core, and whole builds here and on Ray, side by side in one run.

``python -m eval.bench.embedding --ptbxl FOLDER`` prints Markdown tables. Times of steps are processor time of one
thread, which hardly depends on what else a machine does; builds are wall time, so only their ratio is worth much on a
busy machine. The last table says what the steps come to for more ECGs than were measured.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from retrieval.corpora.ptbxl import PtbXl
from retrieval.ecg.page import canonical_page
from retrieval.filling import CHUNK, Chunks, Embedded, Reading, read_here
from retrieval.galleries import build_gallery
from retrieval.ray_embedding import reading_on_ray
from retrieval.ray_session import RaySettings, ray_session
from retrieval.ray_worker import item_of, row_of, table
from retrieval.streams import NewCase, Stream, ptbxl_stream
from retrieval.towers.bundle import Bundle
from retrieval.waveforms import pack

FOLDS = range(1, 11)
SIZES = (1_000_000, 10_000_000, 1_000_000_000)
CORES = (1, 64, 1_024)
Out = TypeVar("Out")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--ptbxl", type=Path, required=True)
    parser.add_argument("--bundle", type=Path)
    parser.add_argument("--records", type=int, default=200, help="records whose steps are timed")
    parser.add_argument("--cases", type=int, default=512, help="cases of each build")
    parser.add_argument("--written", type=int, default=8192, help="cases given to one writer")
    parser.add_argument("--rounds", type=int, default=2, help="builds of each kind, in turn")
    parser.add_argument("--workers", type=int, nargs="*", default=[1, 2], help="sizes of Ray's pool; none: no Ray")
    options = parser.parse_args()
    towers = Bundle.load(options.bundle)
    load = os.getloadavg()[0]
    say(f"Bundle {towers.version}, {os.cpu_count()} x {platform.machine()}, {load:.1f} processes ready to run.\n")
    seconds = steps(options.ptbxl, towers, options.records)
    print_steps(seconds)
    print_sizes(sum(seconds.values()), writing(options.ptbxl, towers, options.written))
    if options.workers:
        print_builds(options.ptbxl, towers, options.cases, options.rounds, options.workers)


def steps(folder: Path, towers: Bundle, records: int) -> dict[str, float]:
    """Median processor seconds of one record, for each step; the first record of a step is not counted."""
    corpus = PtbXl.open(folder)
    rows = [row for row in corpus.of_folds(FOLDS) if corpus.present(row)][: records + 1]
    read, recordings = timed(corpus.recording, rows)
    draw, pages = timed(canonical_page, recordings)
    packing, _ = timed(pack, recordings)
    encode, _ = timed(lambda page: towers.encode_pages([page.pixels], threads=1), pages)
    return {"read": read, "draw": draw, "pack": packing, "encode": encode}


def timed(step: Callable[..., Out], inputs: Sequence[Any]) -> tuple[float, list[Out]]:
    """Median processor time of a step, and what it gave."""
    times: list[float] = []
    outputs: list[Out] = []
    for one in inputs:
        begun = time.process_time()
        outputs.append(step(one))
        times.append(time.process_time() - begun)
    return statistics.median(times[1:]), outputs


def print_steps(seconds: dict[str, float]) -> None:
    """Milliseconds and rate of each step on one core."""
    row("step", "ms a record, one thread", "records/s a core")
    row("---", "---", "---")
    for name, value in (*seconds.items(), ("all", sum(seconds.values()))):
        row(name, f"{1000 * value:.1f}", f"{1 / value:.1f}")
    say("")


def print_sizes(whole: float, write: float) -> None:
    """Hours by these figures for more ECGs: computed, not measured; one writer bounds a gallery of many cores."""
    row("ECGs (computed)", "core hours, all steps", *(f"hours on {n} cores" for n in CORES), "hours of one writer")
    row(*["---"] * (3 + len(CORES)))
    for size in SIZES:
        hours = size * whole / 3600
        row(f"{size:,}", f"{hours:,.1f}", *(f"{hours / n:,.1f}" for n in CORES), f"{size * write / 3600:,.1f}")
    say(f"\nOne writer keeps up with {whole / write:.0f} cores.\n")


def writing(folder: Path, towers: Bundle, cases: int) -> float:
    """Processor seconds a case of the process that writes what workers send: rows unpacked, added, committed."""
    stream = ptbxl_stream(folder, FOLDS)
    found = [item for item in islice(stream.after(0), 64) if isinstance(item, NewCase)]
    vectors = np.random.default_rng(0).normal(size=(cases, towers.dim)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    made = [replace(found[i % len(found)].case, case_id=f"c{i}", patient_key=f"p{i}") for i in range(cases)]
    rows = [row_of(i, Embedded(made[i], vectors[i])) for i in range(cases)]
    blocks = [table(rows[first : first + CHUNK]) for first in range(0, cases, CHUNK)]

    def sent(*_: object) -> Chunks:
        for block in blocks:
            yield [item_of(one) for one in block.to_pylist()]

    with tempfile.TemporaryDirectory() as scratch:
        begun = time.process_time()
        build_gallery(Path(scratch) / "gallery", replace(stream, total=cases), towers, reading=sent)
        return (time.process_time() - begun) / cases


def print_builds(folder: Path, towers: Bundle, cases: int, rounds: int, workers: Sequence[int]) -> None:
    """Cases a second of whole builds: here, and on Ray with each size of pool; Ray runs when a build starts."""
    whole = ptbxl_stream(folder, FOLDS)
    assert whole.part is not None  # noqa: S101 - every stream of an archive has parts
    stream = Stream.in_parts(whole.name, min(cases, whole.total), whole.part)
    rates: dict[str, list[float]] = {}
    for _ in range(rounds):
        rates.setdefault("here", []).append(rate(stream, towers, read_here))
        for size in workers:
            settings = RaySettings(workers=size)
            with ray_session(settings):
                made = rate(stream, towers, reading_on_ray(settings))
            rates.setdefault(f"Ray, {size} of one processor", []).append(made)
    row("build", "cases/s", "ratio to here")
    row("---", "---", "---")
    base = statistics.mean(rates["here"])
    for name, values in rates.items():
        each = ", ".join(f"{value:.1f}" for value in values)
        row(name, each, f"{statistics.mean(values) / base:.2f}")


def rate(stream: Stream, towers: Bundle, reading: Reading) -> float:
    """Cases a second of one build, from its start to the gallery in its place."""
    with tempfile.TemporaryDirectory() as scratch:
        begun = time.perf_counter()
        made = build_gallery(Path(scratch) / "gallery", stream, towers, reading=reading)
        return made.cases / (time.perf_counter() - begun)


def row(*cells: str) -> None:
    """One line of a Markdown table."""
    say(f"| {' | '.join(cells)} |")


def say(line: str) -> None:
    """One line, at once."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
