"""The training loop: stages of epochs of steps, resumable to the step, on one process or several."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from rich.console import Console

from training.cases import statement_targets
from training.chance import chance_of_all, part_chance, set_own_chance
from training.checkpoint import Place, frozen_names, load_trained, pin_recipe, read_state, save_state, write_whole
from training.from_bundle import bundle_of, check_bundle, start_towers, write_text_folder
from training.loader import Batch
from training.material import load_material
from training.measure import read_reports, standing, validate
from training.minutes import Minutes
from training.model import NearBeatModel, parameter_groups, unlock_layers
from training.objective import Objective, TextBatch
from training.plan import Plan, set_rate
from training.progress import Told
from training.ranks import Ranks, join_ranks
from training.recipe import Recipe, Stage
from training.shared_norm import share_batch_norms
from training.start import BEST, start_pages
from training.step import backward
from training.teacher import TEXT, Teacher, copy_text_folder
from training.text_tower import load_tokenizer, prepare_text_tower
from training.texts import Texts, TextStream, build_bank

LOG = "log.jsonl"
MAX_SCALE = math.log(100)
SAVE = "save"
"""Beside the losses that processes exchange: the first one's wish to save."""
Stop = Callable[[Place], bool]


class Trainer:
    """One run of a recipe in a folder.

    Args:
        recipe: what to do.
        folder: where state, log and the prepared text tower are kept; a folder with a state is gone on with. All
            processes of a run see the same one.
        told: where progress is shown.
        ranks: this process among those of the run; by default as ``torchrun`` started it.
    """

    def __init__(self, recipe: Recipe, folder: Path, told: Told, ranks: Ranks | None = None) -> None:
        self.ranks = join_ranks() if ranks is None else ranks
        with self.ranks.main_first():
            pin_recipe(folder, recipe)
        if recipe.threads:
            torch.set_num_threads(recipe.threads)
        torch.manual_seed(recipe.seed)
        self.recipe, self.folder = recipe, folder
        self.told = told if self.ranks.main else Told(Console(quiet=True))
        self.material = load_material(recipe, self.told)
        self.device = self.ranks.device
        teacher = Teacher(Path(recipe.teacher), self.device, recipe.held_out) if recipe.teacher else None
        bundle = bundle_of(recipe.start)
        self.bundle = check_bundle(bundle, recipe) if bundle is not None else None
        with self.ranks.main_first():
            text_folder = self._text_tower(teacher)
        self.model = NearBeatModel(recipe, text_folder).to(self.device)
        self.frozen = frozen_names(self.model)
        if teacher is not None:
            teacher.hand_over(self.model)
        if self.bundle is not None:
            start_towers(self.model, self.bundle, text=teacher is None)
        elif recipe.start:
            start_pages(self.model, recipe)
        self._share()
        self.objective = self._objective(teacher)
        self.plan = Plan(recipe, self.material, self.objective)
        self.bank: Texts | None = None
        self.best = -math.inf
        self.minutes = Minutes(folder)

    def _share(self) -> None:
        """Start all processes from the same weights, with random streams of their own."""
        share_batch_norms(self.model, self.ranks)
        self.ranks.same(list(self.model.state_dict().values()))
        part_chance(self.recipe.seed, self.ranks)

    def _objective(self, teacher: Teacher | None) -> Objective:
        targets = statement_targets(self.material.cases.statements())
        said = self.material.text_cases
        text_targets = statement_targets(case.statements for case in said)
        return Objective(self.recipe, self.model, targets, said, text_targets, teacher, self.ranks)

    def _text_tower(self, teacher: Teacher | None) -> Path:
        """The folder that the text tower starts from; a teacher's or a bundle's vocabulary belongs to its weights."""
        own, text = self.folder / TEXT, self.recipe.text
        if teacher is not None:
            copy_text_folder(Path(self.recipe.teacher), own)
            return own if (own / "config.json").is_file() else Path(teacher.recipe.text.source)
        if self.bundle is not None:
            return write_text_folder(self.bundle.folder, text.source, own)
        return prepare_text_tower(text.source, self.material.texts(True), own, text.common_pieces)

    def text_bank(self, stage: Stage) -> Texts:
        """The texts of a stage, tokenised; where the trunk stays as it is also what it answers, computed once."""
        settings, tokenizer = self.recipe.text, load_tokenizer(self.folder / TEXT)
        if not self.material.fits(settings.kept_texts):
            pad = int(self.model.text_tower.config.pad_token_id)
            return TextStream(tokenizer, settings, pad, stage.unlocked_layers > 0)
        keep = None if stage.unlocked_layers else self.folder / "texts.npz"
        texts = set(self.material.texts(bool(stage.reports)))
        texts.update(self.objective.terms.texts if stage.terms else ())
        with self.told.bar("texts", len(texts)) as step, self.ranks.main_first():
            return build_bank(sorted(texts), tokenizer, settings, self.model, keep, step)

    def run(self, stop_after: Stop | None = None) -> None:
        """Train to the end of the last stage, from wherever the folder stands.

        Args:
            stop_after: called after each step; a true answer saves and returns, as a kill after that save would.
        """
        state = read_state(self.folder)
        place = Place(**state["place"]) if state else Place()
        if state:
            load_trained(self.model, state["model"], self.frozen)
            self.best = self._best_so_far(place.stage)
            self.told.line(f"going on at stage {place.stage + 1}, epoch {place.epoch + 1}, step {place.step}")
        for number in range(place.stage, len(self.recipe.stages)):
            if not self._stage(number, place, state, stop_after):
                return
            place, state = Place(number + 1), None

    def _stage(self, number: int, place: Place, state: dict[str, Any] | None, stop_after: Stop | None) -> bool:
        stage = self.recipe.stages[number]
        if place.epoch == place.step == 0:
            self.best = -math.inf  # what is kept is an epoch of the last stage that aligns
        unlock_layers(self.model.text_tower.transformer, stage.unlocked_layers)
        self.bank = self.text_bank(stage) if stage.reads_texts else None
        groups = parameter_groups(self.model, stage.weight_decay)
        optimizer = torch.optim.AdamW(groups, lr=stage.learning_rate, betas=(0.9, 0.98))
        if state:
            optimizer.load_state_dict(state["optimizer"])
            self._go_on_drawing(state)
        for epoch in range(place.epoch, stage.epochs):
            if not self._epoch(Place(number, epoch, place.step), optimizer, stop_after):
                return False
            place = Place(number, epoch + 1)
            if self.ranks.main:
                self._measure(stage, number, epoch)
            self._save(place, optimizer)
        self._save(Place(number + 1), optimizer)
        return True

    def _go_on_drawing(self, state: dict[str, Any]) -> None:
        """Put the random streams where they stood; states of earlier versions held that of one process."""
        streams = state.get("streams", {"cpu": state["rng"][None]} if "rng" in state else None)
        if streams is None or not set_own_chance(streams, self.ranks):
            self.told.line("the run was on another number of processes: what is dropped at random is drawn anew")

    def _epoch(self, place: Place, optimizer: torch.optim.Optimizer, stop_after: Stop | None) -> bool:
        stage = self.recipe.stages[place.stage]
        steps, batches_of = self.plan.epoch(place)
        saved = time.monotonic()
        self.model.train()
        self.model.clip.text.transformer.eval()
        with self.told.epoch(stage.name, place.epoch, stage.epochs, steps, place.step) as show:
            for step, (pages, texts) in enumerate(batches_of, place.step):
                set_rate(optimizer, stage, (place.epoch * steps + step) / (stage.epochs * steps))
                late = time.monotonic() - saved > 60 * self.recipe.checkpoint_minutes
                parts, due = self._exchange(self._step(stage, pages, texts, optimizer), late)
                show(parts)
                done = Place(place.stage, place.epoch, step + 1)
                stop = stop_after is not None and stop_after(done)
                if stop or due:
                    self._save(done, optimizer)
                    saved = time.monotonic()
                if stop:
                    return False
        return True

    def _step(
        self, stage: Stage, pages: Batch | None, texts: TextBatch | None, optimizer: torch.optim.Optimizer
    ) -> dict[str, float]:
        optimizer.zero_grad(set_to_none=True)
        parts = backward(self.objective, stage, pages, texts, self.bank)
        self.ranks.average_gradients(self.model.parameters())
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        optimizer.step()
        with torch.no_grad():
            self.model.clip.logit_scale.clamp_(0, MAX_SCALE)
        return parts

    def _exchange(self, parts: dict[str, float], late: bool) -> tuple[dict[str, float], bool]:
        """The losses' means over all processes, and whether the first one finds it time to save."""
        if self.ranks.count == 1:
            return parts, late
        mine = [*parts.values(), float(late and self.ranks.main)]
        means = self.ranks.mean(torch.tensor(mine, dtype=torch.float64)).tolist()
        return dict(zip(parts, means[:-1], strict=True)), means[-1] > 0

    def _save(self, place: Place, optimizer: torch.optim.Optimizer) -> None:
        streams = chance_of_all(self.ranks)
        if self.ranks.main:
            save_state(self.folder, place, self.model, optimizer, self.frozen, streams)
            self.minutes.lap()

    def _measure(self, stage: Stage, number: int, epoch: int) -> None:
        """Score the validation fold, write a line of the log, and keep the weights when they are the best so far."""
        row: dict[str, Any] = {"stage": stage.name, "epoch": epoch + 1}
        if self.material.unseen_texts and stage.reads_texts:
            row["report_auroc"] = self.read_reports()
        if self.material.validation and stage.contrastive:
            row |= self.validate()
            if standing(row) > self.best:
                self.best = standing(row)
                write_whole(
                    self.folder / BEST, {"model": self.model.state_dict(), "place": [number, epoch + 1], **row}
                )
        with (self.folder / LOG).open("a", encoding="utf-8") as log:
            log.write(json.dumps(row) + "\n")
        self.told.line("  ".join(f"{k} {v:.3f}" if isinstance(v, float) else f"{k} {v}" for k, v in row.items()))

    def validate(self) -> dict[str, float]:
        """Vote AUROC and exact-pair recall on the validation cases, their clean pages against their own reports."""
        return validate(self.model, self.material.validation, self._any_bank(), self.device, self.recipe.encoding)

    def read_reports(self) -> float:
        """Macro AUROC of the statement head on the validation fold's reports, over what ten or more of them state."""
        return read_reports(self.model, self.material.unseen_texts, self._any_bank(), self.device)

    def _any_bank(self) -> Texts:
        return self.bank or self.text_bank(self.recipe.stages[-1])

    def _best_so_far(self, stage: int) -> float:
        path = self.folder / BEST
        kept = torch.load(path, weights_only=True) if path.is_file() else None
        return standing(kept) if kept is not None and kept["place"][0] == stage else -math.inf
