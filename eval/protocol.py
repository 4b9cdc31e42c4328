"""The protocol from end to end: split, pages, systems, and the table of tasks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from eval.baselines import PixelPca, shrink
from eval.bootstrap import PatientBootstrap
from eval.details import Details, details_of
from eval.embedding import Embedded, ReadVectors, embed_pages
from eval.measures import Measure
from eval.plan import TASKS, Options, ProgressBar, Setup, Task
from eval.split import Corpus, Split, split_by_fold
from eval.systems import PIXELS, System, chance
from eval.tasks.search import SearchFigures
from retrieval.ecg.page import Gray
from retrieval.towers.bundle import Bundle

__all__ = ["Result", "evaluate", "systems_of"]


@dataclass(frozen=True)
class Result:
    """Everything that was measured, and on what.

    Args:
        measures: the lines.
        split: of the ECGs that took part.
        unreadable: ``ecg_id`` of those whose files are there and cannot be read.
        bundle: what was checked.
        options: of the run.
        systems: what was compared.
        details: what the pictures show.
        search: figures of the index.
        refusals: look to the reasons of the pages that intake refused in it.
        remarks: what could not be measured, and why, in sentences.
    """

    measures: tuple[Measure, ...]
    split: Split
    unreadable: tuple[int, ...]
    bundle: Bundle
    options: Options
    systems: tuple[System, ...]
    details: Details
    search: tuple[SearchFigures, ...] = ()
    refusals: Mapping[str, Sequence[str]] = field(default_factory=dict)
    remarks: tuple[str, ...] = ()


def evaluate(
    corpus: Corpus,
    bundle: Bundle,
    options: Options,
    *,
    progress_bar: ProgressBar,
    tasks: Sequence[Task] = TASKS,
) -> Result:
    """Measure a bundle on PTB-XL by the protocol.

    Args:
        corpus: PTB-XL, whole or in part.
        bundle: the towers to measure.
        options: what is compared, and how much is measured.
        progress_bar: opens a bar with a title and gives its (done, all) function.
        tasks: what is measured.

    Raises:
        CorpusError: when a patient stands on both sides of the split, or a side is empty.
    """
    split = split_by_fold(corpus)
    towers = options.towers(bundle)
    rows = [row for part in split.parts for row in part.rows]
    with progress_bar("Drawing and encoding pages") as progress:
        embedded, pixels = embed_pages(corpus, rows, list(towers.values()), options.cache, progress)
    unreadable = tuple(sorted({row.ecg_id for row in rows} - {int(ecg_id) for ecg_id in pixels.ids}))
    split = split.without(unreadable)
    systems = systems_of(split, towers, embedded, pixels, options.cache)
    bootstrap = PatientBootstrap(split.queries.patients, options.draws, options.seed)
    setup = Setup(corpus, split, systems, bootstrap, options, progress_bar, bundle.held_out_statements)
    found = [task(setup) for task in tasks]
    with progress_bar("Details for the figures") as progress:
        details = details_of(split, systems, bootstrap)
        progress(1, 1)
    return Result(
        measures=tuple(measure for one in found for measure in one.measures),
        split=split,
        unreadable=unreadable,
        bundle=bundle,
        options=options,
        systems=tuple(systems),
        details=details,
        search=tuple(figures for one in found for figures in one.search),
        refusals={look: reasons for one in found for look, reasons in one.refusals.items()},
        remarks=tuple(remark for one in found for remark in one.remarks),
    )


def systems_of(
    split: Split,
    towers: Mapping[str, Bundle],
    embedded: Sequence[Embedded],
    pixels: Embedded | None,
    cache: Path | None = None,
) -> list[System]:
    """The towers, the PCA of the pixels (fitted to the gallery alone) and chance."""
    systems: list[System] = []
    for (name, tower), vectors in zip(towers.items(), embedded, strict=True):
        pages = ReadVectors(tower, cache) if tower.encoding.is_page else None
        systems.append(System(name, *_parts(vectors, split), tower.encode_texts, pages))
    if pixels is not None:
        systems.append(_nearest_pixels(*_parts(pixels, split)))
    systems.append(chance(*(len(part.rows) for part in split.parts)))
    return systems


def _nearest_pixels(gallery: NDArray, validation: NDArray, queries: NDArray) -> System:
    pca = PixelPca.fit(gallery)

    def encode(pages: Sequence[Gray]) -> NDArray[np.float32]:
        return pca.encode(shrink(np.stack(list(pages))))

    return System(PIXELS, pca.encode(gallery), pca.encode(validation), pca.encode(queries), encode_pages=encode)


def _parts(embedded: Embedded, split: Split) -> tuple[NDArray, NDArray, NDArray]:
    gallery, validation, queries = (np.asarray(embedded.of(part.ids)) for part in split.parts)
    return gallery, validation, queries
