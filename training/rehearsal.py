"""A few steps of every stage of a recipe: whether the whole would run, and how long it would take.

What a run does is done once: material is read, texts are computed, pages drawn, steps taken and saved, the validation
fold looked at, a bundle written. Nothing of it stays.
"""

from __future__ import annotations

import shutil
import statistics
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path

import torch

from training.case_list import ChosenCases
from training.checkpoint import Place
from training.plan import Plan, Step
from training.progress import Told
from training.ranks import join_ranks, leave_ranks
from training.recipe import Recipe
from training.run import export_best, quiet_libraries
from training.trainer import Trainer

FOLDER = "rehearsal"
VALIDATED = 64
"""So many cases of the validation fold are looked at."""


@dataclass(frozen=True)
class StagePace:
    """What a stage would take: ``steps`` in all, ``seconds`` each in the median, ``pages`` of each step."""

    name: str
    steps: int
    seconds: float
    pages: int

    @property
    def hours(self) -> float:
        """Of the whole stage, without its measurements."""
        return self.steps * self.seconds / 3600


@dataclass(frozen=True)
class Rehearsal:
    """What was found: each stage's pace, seconds before the first step, and GiB on the GPU, if there is one."""

    stages: tuple[StagePace, ...]
    before_s: float
    gpu_gib: float | None


@dataclass(frozen=True)
class _ShortPlan(Plan):
    """A plan whose epochs end after a few steps, which are timed."""

    most: int = 1
    taken: dict[int, tuple[int, list[float]]] = field(default_factory=dict)

    def epoch(self, place: Place) -> tuple[int, Iterator[Step]]:
        """The first steps of the epoch."""
        count, steps = super().epoch(place)
        return min(count, self.most), self._timed(place.stage, count, islice(steps, self.most))

    def _timed(self, stage: int, count: int, steps: Iterator[Step]) -> Iterator[Step]:
        times: list[float] = []
        self.taken[stage] = count, times
        last = time.perf_counter()
        for step in steps:
            yield step
            if torch.cuda.is_available():
                torch.cuda.synchronize()
            now = time.perf_counter()
            times.append(now - last)  # waiting for pages is a part of it
            last = now


def rehearse(recipe: Recipe, out: Path, steps: int, told: Told) -> Rehearsal | None:
    """Take some steps of each stage in a folder of their own, which is removed again.

    Args:
        recipe: of the run.
        out: where the run would be; its folder is not touched but for ``rehearsal`` in it.
        steps: of each stage; the first is not timed where there are more, as workers start in it.
        told: where progress is shown.

    Returns:
        What was found; ``None`` on all but the first of several processes.
    """
    quiet_libraries()
    began = time.perf_counter()
    folder, ranks = out / FOLDER, join_ranks()
    with ranks.main_first():
        if ranks.main:
            shutil.rmtree(folder, ignore_errors=True)
    short = replace(recipe, stages=tuple(replace(stage, epochs=1) for stage in recipe.stages))
    trainer = Trainer(short, folder, told, ranks)
    judged = range(min(VALIDATED, len(trainer.material.validation)))
    trainer.material = replace(trainer.material, validation=ChosenCases(trainer.material.validation, judged))
    plan = _ShortPlan(short, trainer.material, trainer.objective, steps)
    trainer.plan = plan
    before = time.perf_counter() - began
    trainer.run()
    leave_ranks()
    if not ranks.main:
        return None
    export_best(trainer, folder / "bundle")
    shutil.rmtree(folder)
    if not any(out.iterdir()):
        out.rmdir()
    gpu = torch.cuda.max_memory_allocated() / 2**30 if torch.cuda.is_available() else None
    return Rehearsal(tuple(_pace(recipe, number, plan) for number in range(len(recipe.stages))), before, gpu)


def _pace(recipe: Recipe, number: int, plan: _ShortPlan) -> StagePace:
    stage, (count, times) = recipe.stages[number], plan.taken[number]
    pages = recipe.batch if stage.draws_pages else 0
    return StagePace(stage.name, count * stage.epochs, statistics.median(times[1:] or times), pages)


def lines(found: Rehearsal) -> Iterator[str]:
    """What a person reads of it."""
    yield f"{found.before_s:.0f} s until the first stage"
    for stage in found.stages:
        pages = f", {stage.pages / stage.seconds:.0f} pages a second" if stage.pages else ""
        yield f"{stage.name}: {stage.steps} steps of {stage.seconds:.2f} s{pages}: {stage.hours:.1f} hours"
    if found.gpu_gib is not None:
        yield f"{found.gpu_gib:.1f} GiB of a GPU's memory at most"
    yield f"in all {found.before_s / 3600 + sum(stage.hours for stage in found.stages):.1f} hours, measurements apart"
