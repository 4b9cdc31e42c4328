"""The table of tasks, and what a task is given."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from eval.bootstrap import PatientBootstrap
from eval.embedding import Progress
from eval.measures import Measure
from eval.pictures import LOOKS, PrintFile
from eval.reading import PageReader
from eval.split import Corpus, Split
from eval.systems import CHECKED, ENCODED, SIGNAL, UNTRAINED, System
from eval.tasks.abstention import abstention_measures
from eval.tasks.cases import case_measures
from eval.tasks.reports import report_measures
from eval.tasks.robustness import CLEAN, Seen, drawn_by_patient, robustness_measures
from eval.tasks.search import SearchFigures, measure_search
from eval.tasks.texts import text_measures
from eval.tasks.votes import vote_measures
from retrieval.errors import CorpusError
from retrieval.towers.bundle import Bundle

__all__ = ["PRINTS", "PRINTS_CLEAN", "TASKS", "Found", "Options", "ProgressBar", "Setup", "Task"]

ProgressBar = Callable[[str], AbstractContextManager[Progress]]
PRINTS = "prints of another renderer"
PRINTS_CLEAN = "the ECGs of the prints, drawn from the samples"


@dataclass(frozen=True)
class Options:
    """What is compared, and how much is measured.

    Args:
        untrained: the same towers before training, as a baseline.
        signal: a network on the samples, as a reference.
        encoded: the same tower on the paper's encodings of the samples, as a baseline.
        cache: folder in which vectors and pages are kept.
        draws: of the bootstrap, by patient; 0 for none.
        robust_ecgs: ECGs of fold 10 that are drawn, spoiled and read back in each look; 0 for none.
        prints: a folder of PDF prints, each named by its ``ecg_id``.
        search: sizes of the galleries whose search is timed.
        workers: processes that read pages; 0 for one per core.
        seed: of every draw.
    """

    untrained: Bundle | None = None
    signal: Bundle | None = None
    encoded: Bundle | None = None
    cache: Path | None = None
    draws: int = 1000
    robust_ecgs: int = 0
    prints: Path | None = None
    search: tuple[int, ...] = ()
    workers: int = 0
    seed: int = 0

    def towers(self, bundle: Bundle) -> dict[str, Bundle]:
        """Every bundle that takes part, by the name of its system; the checked one first."""
        beside = {UNTRAINED: self.untrained, ENCODED: self.encoded, SIGNAL: self.signal}
        return {CHECKED: bundle, **{name: one for name, one in beside.items() if one is not None}}


@dataclass(frozen=True)
class Setup:
    """What every task may look at.

    Args:
        corpus: to read recordings from.
        split: of the ECGs that took part.
        systems: what is compared.
        bootstrap: over the split's queries.
        options: of the run.
        progress_bar: opens a bar with a title and gives its (done, all) function.
        held_out: statements that the bundle was never trained on, by its card.
    """

    corpus: Corpus
    split: Split
    systems: Sequence[System]
    bootstrap: PatientBootstrap
    options: Options
    progress_bar: ProgressBar
    held_out: tuple[str, ...] = ()

    @property
    def checked(self) -> System:
        """The system that is measured."""
        return next(system for system in self.systems if system.name == CHECKED)


@dataclass(frozen=True)
class Found:
    """What a task gives.

    Args:
        measures: its lines.
        search: figures of the index.
        refusals: look to the reasons of the pages that intake refused in it.
        remarks: what could not be measured, and why, in sentences.
    """

    measures: Sequence[Measure] = ()
    search: Sequence[SearchFigures] = ()
    refusals: Mapping[str, Sequence[str]] = field(default_factory=dict)
    remarks: Sequence[str] = ()


Task = Callable[[Setup], Found]
Measuring = Callable[[Split, Sequence[System], PatientBootstrap], list[Measure]]


def _plain(measuring: Measuring, title: str) -> Callable[[Setup], Found]:
    def run(setup: Setup) -> Found:
        with setup.progress_bar(f"Measuring {title}") as progress:
            lines = measuring(setup.split, setup.systems, setup.bootstrap)
            progress(1, 1)
        return Found(lines)

    return run


def _votes(setup: Setup) -> Found:
    return _plain(partial(vote_measures, held_out=setup.held_out), "task 4, neighbour vote")(setup)


def _texts(setup: Setup) -> Found:
    from eval.text_search import report_searches

    searches, remarks = report_searches()
    with setup.progress_bar("Measuring task 3, text to case") as progress:
        lines = text_measures(setup.split, setup.systems, setup.bootstrap, searches)
        progress(1, 1)
    return Found(lines, remarks=remarks)


def _robustness(setup: Setup) -> Found:
    count = setup.options.robust_ecgs
    if not count:
        return Found()
    rows = drawn_by_patient(setup.split.queries.patients, count, setup.options.seed)
    ecgs = [setup.split.queries.rows[i] for i in rows]
    recordings = [setup.corpus.recording(ecg) for ecg in ecgs]
    looks: list[Seen] = []
    with _reader(setup) as reader, setup.progress_bar("Reading spoiled pages") as progress:
        for place, look in enumerate(LOOKS):
            pictures = [look.of(ecg.ecg_id, one) for ecg, one in zip(ecgs, recordings, strict=True)]
            before = place * len(ecgs)
            looks.append(
                Seen(look.name, reader.read(pictures, lambda n, b=before: progress(b + n, len(LOOKS) * len(ecgs))))
            )
    return _seen(setup, rows, looks)


def _prints(setup: Setup) -> Found:
    folder = setup.options.prints
    if folder is None:
        return Found()
    place = {ecg_id: i for i, ecg_id in enumerate(setup.split.queries.ids)}
    files = {int(found[0]): file for file in sorted(folder.glob("*.pdf")) if (found := re.findall(r"\d+", file.stem))}
    known = {place[ecg_id]: file for ecg_id, file in files.items() if ecg_id in place}
    if not known:
        raise CorpusError(
            f"{folder} holds no PDF that is named by the ecg_id of a record of fold 10, such as 00180_hr.pdf"
        )
    with _reader(setup) as reader, setup.progress_bar("Reading prints") as progress:
        pages = reader.read([PrintFile(file) for file in known.values()], lambda n: progress(n, len(known)))
    return _seen(setup, np.array(list(known), dtype=np.intp), [Seen(PRINTS, pages)], PRINTS_CLEAN)


def _reader(setup: Setup) -> PageReader:
    cache = setup.options.cache
    return PageReader(None if cache is None else cache / "pages", setup.options.workers)


def _seen(setup: Setup, rows: NDArray[np.intp], looks: Sequence[Seen], name: str = CLEAN) -> Found:
    with setup.progress_bar("Measuring task 5, robustness") as progress:
        lines = robustness_measures(setup.split, setup.systems, rows, looks, setup.options.draws, name, progress)
    return Found(lines, refusals={look.name: look.refusals for look in looks if look.refusals})


def _search(setup: Setup) -> Found:
    sizes = setup.options.search
    if not sizes:
        return Found()
    system, rows = setup.checked, setup.split.gallery.rows
    with setup.progress_bar("Building and searching galleries") as progress:
        figures = measure_search(system.gallery, system.queries, rows, sizes, progress, setup.options.seed)
    return Found(search=figures)


TASKS: tuple[Task, ...] = (
    _plain(case_measures, "task 1, page to case"),
    _plain(report_measures, "task 2, page and report"),
    _texts,
    _votes,
    _robustness,
    _prints,
    _search,
    _plain(abstention_measures, "knowing when not to answer"),
)
"""What is measured, in the order of the report; each opens a bar of its own."""
