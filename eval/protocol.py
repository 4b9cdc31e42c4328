"""The protocol from end to end: split, pages, systems, tasks 1, 2 and 4."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from eval.baselines import PixelPca
from eval.bootstrap import PatientBootstrap
from eval.embedding import Embedded, Progress, embed_pages
from eval.measures import Measure
from eval.split import Corpus, Split, split_by_fold
from eval.systems import CHECKED, PIXELS, UNTRAINED, Encoder, System, chance
from eval.tasks.cases import case_measures
from eval.tasks.reports import report_measures
from eval.tasks.votes import vote_measures
from retrieval.towers.bundle import Bundle

__all__ = ["Result", "evaluate", "measure", "systems_of"]

ProgressBar = Callable[[str], AbstractContextManager[Progress]]
TASKS = (("page to case", case_measures), ("page and report", report_measures), ("neighbour vote", vote_measures))


@dataclass(frozen=True)
class Result:
    """Everything that was measured, and on what.

    Args:
        measures: the lines.
        split: of the ECGs that took part.
        unreadable: ``ecg_id`` of those whose files are there and cannot be read.
        bundle: what was checked.
        untrained: the same towers before training, where given.
        draws: bootstrap draws by patient.
        seed: of the draws.
    """

    measures: tuple[Measure, ...]
    split: Split
    unreadable: tuple[int, ...]
    bundle: Bundle
    untrained: Bundle | None
    draws: int
    seed: int = 0


def evaluate(
    corpus: Corpus,
    bundle: Bundle,
    *,
    untrained: Bundle | None = None,
    cache: Path | None = None,
    draws: int = 1000,
    progress_bar: ProgressBar,
) -> Result:
    """Measure a bundle on PTB-XL by tasks 1, 2 and 4 of the protocol.

    Args:
        corpus: PTB-XL, whole or in part.
        bundle: the towers to measure.
        untrained: the same towers before training, as a baseline.
        cache: folder in which the vectors are kept by bundle.
        draws: of the bootstrap; 0 for none.
        progress_bar: opens a bar with a title and gives its (done, all) function.

    Raises:
        CorpusError: when a patient stands on both sides of the split, or a side is empty.
    """
    split = split_by_fold(corpus)
    towers = [bundle] if untrained is None else [bundle, untrained]
    rows = [row for part in split.parts for row in part.rows]
    with progress_bar("Drawing and encoding pages") as progress:
        embedded, pixels = embed_pages(corpus, rows, towers, cache, progress)
    unreadable = tuple(sorted({row.ecg_id for row in rows} - {int(ecg_id) for ecg_id in pixels.ids}))
    split = split.without(unreadable)
    names = (CHECKED, UNTRAINED)[: len(towers)]
    coded = [(name, e, t.encode_texts) for name, e, t in zip(names, embedded, towers, strict=True)]
    systems = systems_of(split, coded, pixels)
    measures = measure(split, systems, PatientBootstrap(split.queries.patients, draws), progress_bar)
    return Result(tuple(measures), split, unreadable, bundle, untrained, draws)


def systems_of(split: Split, coded: Sequence[tuple[str, Embedded, Encoder]], pixels: Embedded | None) -> list[System]:
    """The towers, the PCA of the pixels (fitted to the gallery alone) and chance."""
    systems = [System(name, *_parts(embedded, split), encode) for name, embedded, encode in coded]
    if pixels is not None:
        gallery, validation, queries = _parts(pixels, split)
        pca = PixelPca.fit(gallery)
        systems.append(System(PIXELS, pca.encode(gallery), pca.encode(validation), pca.encode(queries)))
    systems.append(chance(*(len(part.rows) for part in split.parts)))
    return systems


def measure(
    split: Split, systems: Sequence[System], bootstrap: PatientBootstrap, progress_bar: ProgressBar
) -> list[Measure]:
    """All lines of all tasks."""
    lines: list[Measure] = []
    with progress_bar("Measuring tasks 1, 2 and 4") as progress:
        for number, (_, task) in enumerate(TASKS, start=1):
            lines += task(split, systems, bootstrap)
            progress(number, len(TASKS))
    return lines


def _parts(embedded: Embedded, split: Split) -> tuple[NDArray, NDArray, NDArray]:
    gallery, validation, queries = (np.asarray(embedded.of(part.ids)) for part in split.parts)
    return gallery, validation, queries
