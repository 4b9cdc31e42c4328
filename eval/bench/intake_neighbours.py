"""Whether a page that was spoiled and read back is still found: by its own clean page, and by its neighbours.

``python -m eval.bench.intake_neighbours --simulated 2000`` and ``… --ptbxl FOLDER`` print Markdown, one table a set;
``--spoiled`` pages of each style are drawn, spoiled, read back through ``retrieval.intake`` and encoded. Own page
nearest: among all clean pages of the set, the query's own is the most similar. nDCG@10 (real ECGs only): gain by
idf-weighted Jaccard of the statements, gallery = clean pages of folds 1 to 8, against the same ECG's clean page, with
a 95 % interval by patient. A page that was refused counts as not found, and its nDCG as 0.

``--before CHECKOUT`` reads the same pictures with an earlier version too (``git worktree add CHECKOUT COMMIT``) and
adds a row for each style, so that a version can be held against the one before it.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from eval.bench.earlier import EarlierReader
from eval.bootstrap import PatientBootstrap
from eval.metrics.ranking import ndcg_at, rank_by_score
from eval.relevance import inverse_frequency, statement_matrix, weighted_jaccard
from retrieval.corpora.ptbxl import PtbXl
from retrieval.ecg.drawing import PageStyle, draw_page
from retrieval.ecg.page import canonical_page
from retrieval.ecg.recording import Recording
from retrieval.ecg.simulator import simulate
from retrieval.ecg.spoil import spoil
from retrieval.errors import NotAnEcg
from retrieval.intake.page import read_page
from retrieval.scoring import Floats, cosine
from retrieval.towers.bundle import Bundle, Vectors

KINDS = ("scan", "paper", "photo")
STYLES: tuple[tuple[str, int], ...] = (("clean", 0), *((kind, strength) for kind in KINDS for strength in (1, 2, 3)))
FIRST_SEED = 20_000
GRIDS = ("pink", "red", "orange", "blue", "green", "gray")
K = 10


@dataclass(frozen=True)
class Ecg:
    """An ECG of the set."""

    recording: Recording
    statements: Mapping[str, float | None]


@dataclass(frozen=True)
class Job:
    """One page to spoil and to read; everything is drawn from ``seed``."""

    recording: Recording
    layout: str
    kind: str
    strength: int
    seed: int


@dataclass(frozen=True)
class Style:
    """What one style gave: vectors of the pages that were read, and which of the queries those are."""

    name: str
    vectors: Vectors
    read: NDArray[np.int64]
    seconds: float


@dataclass(frozen=True)
class Neighbours:
    """The gallery whose neighbours are judged by their statements."""

    vectors: Vectors
    gains: Floats
    bootstrap: PatientBootstrap


def main() -> None:
    """A table for the simulated set, one for the real set."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--simulated", type=int, default=0, help="how many simulated clean pages")
    parser.add_argument("--ptbxl", type=Path, help="folder of PTB-XL; the set is its fold 10")
    parser.add_argument("--pages", type=int, default=2000, help="most clean pages of the real set")
    parser.add_argument("--spoiled", type=int, default=100, help="spoiled pages of each style")
    parser.add_argument("--layout", default="3x4+1", help="layout of the drawn pages")
    parser.add_argument("--bundle", type=Path, help="a bundle; without it the shipped one")
    parser.add_argument("--before", type=Path, help="checkout of an earlier version that reads the same pictures")
    parser.add_argument("--workers", type=int, default=1, help="processes that spoil and read")
    args = parser.parse_args()
    bundle = Bundle.load(args.bundle)
    if args.simulated:
        ecgs = [simulated(FIRST_SEED + i) for i in range(args.simulated)]
        measure(f"{len(ecgs)} simulated ECGs", ecgs, bundle, args, None)
    if args.ptbxl is not None:
        corpus = PtbXl.open(args.ptbxl)
        real = [Ecg(recording, row.statements) for row, recording in corpus.recordings([10])][: args.pages]
        queries = chosen(len(real), args.spoiled)
        measure(f"{len(real)} real ECGs of fold 10", real, bundle, args, neighbours(corpus, bundle, real, queries))


def simulated(seed: int) -> Ecg:
    """A case of the simulator."""
    case = simulate(seed)
    return Ecg(case.recording, case.statements)


def chosen(pages: int, queries: int) -> NDArray[np.int64]:
    """The ECGs that are spoiled, evenly over the set."""
    return np.unique(np.linspace(0, pages - 1, min(queries, pages)).astype(np.int64))


def neighbours(corpus: PtbXl, bundle: Bundle, ecgs: Sequence[Ecg], queries: NDArray[np.int64]) -> Neighbours:
    """Folds 1 to 8 as far as they are here, and what each is worth to each query."""
    gallery = [Ecg(recording, row.statements) for row, recording in corpus.recordings(range(1, 9))]
    theirs = statement_matrix([ecg.statements for ecg in gallery])
    ours = statement_matrix([ecgs[i].statements for i in queries])
    gains = weighted_jaccard(ours, theirs, inverse_frequency(theirs))
    patients = [ecgs[i].recording.patient_key for i in queries]
    return Neighbours(clean_vectors(gallery, bundle), gains, PatientBootstrap(patients))


def clean_vectors(ecgs: Sequence[Ecg], bundle: Bundle) -> Vectors:
    """Vectors ``[n, dim]`` of the canonical pages."""
    return bundle.encode_pages([canonical_page(ecg.recording).pixels for ecg in ecgs])


def measure(
    name: str, ecgs: Sequence[Ecg], bundle: Bundle, args: argparse.Namespace, gallery: Neighbours | None
) -> None:
    """Print the table of a set, a row as soon as it is known."""
    queries = chosen(len(ecgs), args.spoiled)
    clean = clean_vectors(ecgs, bundle)
    line(f"\n### {name}, {len(queries)} pages of each style, layout {args.layout}\n")
    line(
        "| style | read | own page nearest | among the ten nearest | cosine to it, median | s a page |"
        + _more(gallery)
    )
    line("|" + "---|" * (6 + 2 * (gallery is not None)))
    base = None if gallery is None else ndcg(clean[queries], np.arange(len(queries)), gallery)
    if gallery is not None and base is not None:
        told = gallery.bootstrap.mean(base)
        line(f"| canonical page, not read | {len(queries)} | - | - | - | - | {told.value:.3f} | - |")
    for place, (kind, strength) in enumerate(STYLES):
        jobs = [Job(ecgs[i].recording, args.layout, kind, strength, 1000 * place + int(i)) for i in queries]
        name = f"{kind} {strength}" if strength else kind
        styles = [run(name, jobs, bundle, args.workers)]
        if args.before is not None:
            styles.append(run_before(f"{name}, version before", jobs, bundle, args.before, args.workers))
        for style in styles:
            cells = found(style, clean, queries)
            if gallery is not None and base is not None:
                cells += judged(style, base, gallery)
            line("| " + " | ".join([style.name, f"{len(style.read)} of {len(queries)}", *cells]) + " |")


def run(name: str, jobs: Sequence[Job], bundle: Bundle, workers: int) -> Style:
    """Draw, spoil and read every page of a style, and encode those that were read."""
    start = time.perf_counter()
    if workers > 1:
        with ProcessPoolExecutor(workers) as pool:
            pages = list(pool.map(read_spoiled, jobs, chunksize=4))
    else:
        pages = [read_spoiled(job) for job in jobs]
    return encoded(name, pages, bundle, (time.perf_counter() - start) / len(jobs))


def run_before(name: str, jobs: Sequence[Job], bundle: Bundle, checkout: Path, workers: int) -> Style:
    """As ``run``, with the reader of an earlier version."""
    start = time.perf_counter()
    with EarlierReader(checkout, workers) as reader:
        pages = reader.read([spoiled(job) for job in jobs])
    return encoded(name, pages, bundle, (time.perf_counter() - start) / len(jobs))


def encoded(name: str, pages: Sequence[NDArray[np.uint8] | None], bundle: Bundle, seconds: float) -> Style:
    """The vectors of the pages that were read."""
    read = np.array([i for i, page in enumerate(pages) if page is not None], dtype=np.int64)
    return Style(name, bundle.encode_pages([page for page in pages if page is not None]), read, seconds)


def spoiled(job: Job) -> NDArray[np.uint8]:
    """The picture of a page, RGB."""
    rng = np.random.default_rng([job.seed, 7])
    head = (f"Patient {job.seed}", "12-lead ECG  25 mm/s  10 mm/mV")
    style = PageStyle(layout=job.layout, grid=str(rng.choice(GRIDS)), header=head)
    pixels = draw_page(job.recording, style).pixels
    if job.kind in KINDS:
        pixels = spoil(pixels, rng, job.kind, job.strength)  # type: ignore[arg-type]  # KINDS are kinds
    return pixels


def read_spoiled(job: Job) -> NDArray[np.uint8] | None:
    """The canonical page of a spoiled one, or ``None`` where it was refused."""
    try:
        return read_page(spoiled(job))[0].pixels
    except NotAnEcg:
        return None


def found(style: Style, clean: Vectors, queries: NDArray[np.int64]) -> list[str]:
    """Share of all queries whose own clean page is nearest, is among the ten nearest, and how similar it is."""
    if not len(style.read):
        return ["0.0 %", "0.0 %", "-", f"{style.seconds:.2f}"]
    scores = cosine(style.vectors, clean)
    own = scores[np.arange(len(style.read)), queries[style.read]]
    # A tie counts against the page.
    rank = (scores >= own[:, None]).sum(axis=1)
    shares = [100 * float((rank <= k).sum()) / len(queries) for k in (1, K)]
    return [f"{shares[0]:.1f} %", f"{shares[1]:.1f} %", f"{np.median(own):.3f}", f"{style.seconds:.2f}"]


def judged(style: Style, base: Floats, gallery: Neighbours) -> list[str]:
    """nDCG@10 of a style and its paired difference from the clean page."""
    own = np.zeros(len(base))
    if len(style.read):
        own[style.read] = ndcg(style.vectors, style.read, gallery)
    own[np.isnan(base)] = np.nan
    value = gallery.bootstrap.mean(own)
    change = value.minus(gallery.bootstrap.mean(base))
    low, high = change.interval
    return [f"{value.value:.3f}", f"{change.value:+.3f} ({low:+.3f} to {high:+.3f})"]


def ndcg(vectors: Vectors, rows: NDArray[np.int64], gallery: Neighbours) -> Floats:
    """nDCG@10 ``[n]`` of vectors whose gains are these rows."""
    return ndcg_at(rank_by_score(cosine(vectors, gallery.vectors)), gallery.gains[rows], K)


def _more(gallery: Neighbours | None) -> str:
    return " nDCG@10 | against the clean page (95 %) |" if gallery is not None else ""


def line(text: str) -> None:
    """One line to stdout."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
