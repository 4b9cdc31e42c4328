"""The mean of several runs that started from the same towers: often better than each of them, and no slower to use.

Runs that go on from one place end in one valley, so that the mean of their weights is a model too, and often a
better one (Wortsman et al., Model soups, ICML 2022).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import torch
from torch import nn

from retrieval.errors import BadArgument
from training.checkpoint import load_trained, write_whole
from training.from_bundle import bundle_of
from training.loader import PageDataset, batches, epoch_order
from training.minutes import read_minutes
from training.progress import Told
from training.recipe import Recipe, recipe_of_run
from training.run import export_best, quiet_libraries
from training.start import BEST, finished_run
from training.trainer import Trainer

ALIKE = (
    "name",
    "dim",
    "precision",
    "encoding",
    "image",
    "text",
    "held_out",
    "start",
    "teacher",
    "corpora",
    "validation",
)
"""What recipes must say alike: the towers, where they started, and what they saw and are judged by."""
NORM_PAGES = 512
"""Drawn pages over which the statistics of the batch normalisations are taken anew: those of a mean are no mean."""


def average_runs(folders: Sequence[Path], out: Path, bundle: Path, told: Told) -> Path:
    """Write the mean of finished runs as a run's folder, and its bundle; the validation fold is looked at again.

    Args:
        folders: of the runs; of each, its best weights.
        out: folder of the mean, which can be started from like that of a run.
        bundle: where the bundle is written.
        told: where progress is shown.

    Raises:
        BadArgument: when there are fewer than two runs, one did not come to its end, or they differ in more than how
            they were trained.
    """
    quiet_libraries()
    if (out / BEST).is_file():
        raise BadArgument(f"{out} holds a run already; choose another --out")
    recipe = _common_recipe(folders)
    states = [finished_run(folder, "run", recipe.held_out)[1] for folder in folders]
    trainer = Trainer(recipe, out, told)
    load_trained(trainer.model, mean_of(states))
    measure_norms(trainer)
    scores = trainer.validate() if trainer.material.validation else {}
    told.line("  ".join(f"{name} {value:.3f}" for name, value in scores.items()))
    place = [len(recipe.stages) - 1, recipe.stages[-1].epochs]
    write_whole(out / BEST, {"model": trainer.model.state_dict(), "place": place, **scores})
    minutes = [spent for folder in folders if (spent := read_minutes(folder)) is not None]
    whole = sum(minutes) if len(minutes) == len(folders) else None
    seeds = ", ".join(str(recipe_of_run(folder).seed) for folder in folders)
    return export_best(trainer, bundle, (f"The mean of the weights of {len(folders)} runs, seeds {seeds}",), whole)


def mean_of(states: Sequence[dict[str, torch.Tensor]]) -> dict[str, torch.Tensor]:
    """The mean of each weight; counters as in the first.

    Raises:
        BadArgument: when the weights are those of different models.
    """
    first = states[0]
    for state in states[1:]:
        odd = [name for name in {*first, *state} if name not in first or name not in state
               or first[name].shape != state[name].shape]  # fmt: skip
        if odd:
            raise BadArgument(f"the runs are of different models: {min(odd)} is not alike in all of them")
    return {
        name: torch.stack([state[name] for state in states]).mean(0) if value.is_floating_point() else value
        for name, value in first.items()
    }


@torch.no_grad()
def measure_norms(trainer: Trainer) -> None:
    """Give the image tower's batch normalisations the statistics of drawn pages, which depend on the seed alone."""
    kinds = nn.BatchNorm1d, nn.BatchNorm2d
    norms = [module for module in trainer.model.image_tower.modules() if isinstance(module, kinds)]
    before = [norm.momentum for norm in norms]
    trainer.model.eval()
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # the plain mean of all batches
        norm.train()
    for ink in _pages(trainer):
        trainer.model.pages(ink.to(trainer.device))
    for norm, momentum in zip(norms, before, strict=True):
        norm.momentum = momentum
        norm.eval()


def _pages(trainer: Trainer) -> Iterator[torch.Tensor]:
    recipe, cases = trainer.recipe, trainer.material.cases
    key = (recipe.seed, len(recipe.stages), 0)
    order = np.resize(epoch_order([(len(cases), 1)], key, 1), NORM_PAGES)
    dataset = PageDataset(cases, order, key, recipe.stages[-1].strength, recipe.encoding)
    return (batch.ink for batch in batches(dataset, min(recipe.batch, NORM_PAGES), 0, recipe.workers))


def _common_recipe(folders: Sequence[Path]) -> Recipe:
    if len(folders) < 2:
        raise BadArgument(f"{len(folders)} run was given; a mean needs two or more")
    recipes = [recipe_of_run(folder) for folder in folders]
    first = asdict(recipes[0])
    for folder, recipe in zip(folders[1:], recipes[1:], strict=True):
        own = asdict(recipe)
        odd = next((name for name in ALIKE if own[name] != first[name]), None)
        if odd is not None:
            raise BadArgument(
                f"{folder} has another {odd} than {folders[0]}; runs are averaged that differ in seed, rates and "
                "stages only"
            )
    begun = bundle_of(recipes[0].start) is not None or (recipes[0].start and recipes[0].teacher)
    if not begun and len({recipe.seed for recipe in recipes}) > 1:
        raise BadArgument(
            f"the runs begin with towers drawn by seeds of their own ({', '.join(str(r.seed) for r in recipes)}); "
            "the mean of such is nothing: start them from one bundle, or from one run with one teacher"
        )
    # What adapters have learned is in the weights by now.
    return replace(recipes[0], text=replace(recipes[0].text, lora=0))
