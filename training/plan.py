"""Which pages and texts each step sees, and how fast it learns: by numbers alone, so that a run resumes."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch

from training.cases import LoadedCorpus
from training.checkpoint import Place
from training.loader import Batch, PageDataset, batches, epoch_order
from training.material import Material
from training.objective import Objective, TextBatch
from training.recipe import Recipe, Stage
from training.reports import text_order

Step = tuple[Batch | None, TextBatch | None]


@dataclass(frozen=True)
class Plan:
    """The epochs of a run."""

    recipe: Recipe
    material: Material
    objective: Objective

    def epoch(self, place: Place) -> tuple[int, Iterator[Step]]:
        """The number of an epoch's steps, and its batches from the place's step on: this process's rows of each.

        Raises:
            BadArgument: when the processes cannot share a batch evenly.
        """
        recipe, stage = self.recipe, self.recipe.stages[place.stage]
        key = (recipe.seed, place.stage, place.epoch)
        texts = self._texts(stage, key)
        if not stage.draws_pages:
            count = len(text_order(len(self.material.text_cases), self._text_size, key))
            return count, ((None, texts(step)) for step in range(place.step, count))
        order = epoch_order([(len(c.cases), _seen(c, stage)) for c in self.material.corpora], key, recipe.batch)
        own = self.objective.ranks.rows(min(len(order), recipe.batch))
        dataset = PageDataset(self.material.cases, order, key, stage.strength, recipe.encoding)
        pages = batches(dataset, recipe.batch, place.step, recipe.workers, own)
        both = ((page, texts(step)) for step, page in enumerate(pages, place.step))
        return max(1, len(order) // recipe.batch), both

    @property
    def _text_size(self) -> int:
        return self.recipe.reports.batch if self.recipe.reports else 0

    def _texts(self, stage: Stage, key: tuple[int, ...]) -> Callable[[int], TextBatch | None]:
        """The texts of each step by its number, so that a resumed run draws what the whole one would have."""
        if not stage.reports:
            return lambda _: None
        order = text_order(len(self.material.text_cases), self._text_size, key)
        return lambda step: self.objective.text_batch(
            order[step % len(order)], np.random.default_rng([*key, step, 11])
        )


def set_rate(optimizer: torch.optim.Optimizer, stage: Stage, done: float) -> None:
    """Linear warm-up, then half a cosine down to a hundredth; ``done`` is the share of the stage behind us."""
    rise = min(1.0, (done + 1e-3) / stage.warmup) if stage.warmup else 1.0
    fall = 0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * done))
    for group in optimizer.param_groups:
        group["lr"] = stage.learning_rate * rise * fall


def _seen(corpus: LoadedCorpus, stage: Stage) -> int:
    return 0 if corpus.spec.kind == "simulated" and not stage.simulated else corpus.spec.repeat
