"""The training loop: stages of epochs of steps, resumable to the step, measured on the validation fold."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F

from retrieval.corpora.ptbxl import RATE
from retrieval.ecg.encodings import PAGE, Encoding, tower_image
from retrieval.ecg.page import PAPER
from retrieval.ecg.recording import Recording
from retrieval.ecg.statements import STATEMENTS, SUPERCLASSES
from retrieval.errors import CorpusError
from retrieval.scoring import retrieval_scores
from training.cases import LoadedCorpus, TrainingCase, load_corpus, statement_targets
from training.checkpoint import Place, load_trained, pin_recipe, read_state, save_state, write_whole
from training.heads import signal_loss
from training.loader import Batch, PageDataset, batches, epoch_order
from training.loss import AlignmentLoss, head_weights, overlap_targets, statement_weights
from training.model import NearBeatModel, parameter_groups
from training.progress import Told
from training.recipe import Recipe, Stage
from training.text_tower import load_tokenizer, prepare_text_tower
from training.texts import TextBank, build_bank

BEST = "best.pt"
LOG = "log.jsonl"
MAX_SCALE = math.log(100)


@dataclass(frozen=True)
class Losses:
    """The parts of one step's loss, each before its weight."""

    total: torch.Tensor
    parts: dict[str, float]


class Trainer:
    """One run of a recipe in a folder.

    Args:
        recipe: what to do.
        folder: where state, log and the prepared text tower are kept; a folder with a state is gone on with.
        told: where progress is shown.
    """

    def __init__(self, recipe: Recipe, folder: Path, told: Told) -> None:
        pin_recipe(folder, recipe)
        if recipe.threads:
            torch.set_num_threads(recipe.threads)
        torch.manual_seed(recipe.seed)
        self.recipe, self.folder, self.told = recipe, folder, told
        self.corpora, self.validation = load_all(recipe, told)
        self.cases = [case for corpus in self.corpora for case in corpus.cases]
        self.targets = torch.from_numpy(statement_targets(self.cases))
        self.weights = torch.from_numpy(statement_weights(self.targets.numpy()))
        self.head_weights = head_weights(len(STATEMENTS), len(SUPERCLASSES))
        texts = [text for case in [*self.cases, *self.validation] for text in case.texts]
        self.text_folder = prepare_text_tower(recipe.text.source, texts, folder / "text", recipe.text.common_pieces)
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.model = NearBeatModel(recipe, self.text_folder).to(self.device)
        self.texts = texts
        self.alignment = AlignmentLoss()
        self.best = -math.inf

    @cached_property
    def bank(self) -> TextBank:
        """Every text of the run, tokenised; with a frozen trunk also what the trunk answers, computed once."""
        tokenizer = load_tokenizer(self.folder / "text")
        with self.told.bar("texts", len(set(self.texts))) as step:
            return build_bank(self.texts, tokenizer, self.recipe.text, self.model, self.folder / "texts.npz", step)

    def run(self, stop_after: Callable[[Place], bool] | None = None) -> None:
        """Train to the end of the last stage, from wherever the folder stands.

        Args:
            stop_after: called after each step; a true answer saves and returns, as a kill after that save would.
        """
        state = read_state(self.folder)
        place = Place(**state["place"]) if state else Place()
        if state:
            load_trained(self.model, state["model"])
            self.best = self._best_so_far()
            self.told.line(f"going on at stage {place.stage + 1}, epoch {place.epoch + 1}, step {place.step}")
        for number in range(place.stage, len(self.recipe.stages)):
            if not self._stage(number, place, state, stop_after):
                return
            place, state = Place(number + 1), None

    def _stage(
        self, number: int, place: Place, state: dict[str, Any] | None, stop_after: Callable[[Place], bool] | None
    ) -> bool:
        stage = self.recipe.stages[number]
        groups = parameter_groups(self.model, stage.weight_decay)
        optimizer = torch.optim.AdamW(groups, lr=stage.learning_rate, betas=(0.9, 0.98))
        if state:
            optimizer.load_state_dict(state["optimizer"])
            torch.set_rng_state(state["rng"])
        for epoch in range(place.epoch, stage.epochs):
            if not self._epoch(Place(number, epoch, place.step), optimizer, stop_after):
                return False
            place = Place(number, epoch + 1)
            self._measure(stage, number, epoch)
            save_state(self.folder, place, self.model, optimizer)
        save_state(self.folder, Place(number + 1), self.model, optimizer)
        return True

    def _epoch(
        self, place: Place, optimizer: torch.optim.Optimizer, stop_after: Callable[[Place], bool] | None
    ) -> bool:
        stage = self.recipe.stages[place.stage]
        sizes = [(len(c.cases), self._seen(c, stage)) for c in self.corpora]
        key = (self.recipe.seed, place.stage, place.epoch)
        order = epoch_order(sizes, key, self.recipe.batch)
        dataset = PageDataset(self.cases, order, key, stage.strength, self.recipe.encoding)
        steps, saved = max(1, len(order) // self.recipe.batch), time.monotonic()
        self.model.train()
        self.model.clip.text.transformer.eval()
        with self.told.epoch(stage.name, place.epoch, stage.epochs, steps, place.step) as show:
            for step, batch in enumerate(
                batches(dataset, self.recipe.batch, place.step, self.recipe.workers), place.step
            ):
                self._set_rate(optimizer, stage, (place.epoch * steps + step) / (stage.epochs * steps))
                show(self._step(batch, stage, optimizer))
                done = Place(place.stage, place.epoch, step + 1)
                stop = stop_after is not None and stop_after(done)
                if stop or time.monotonic() - saved > 60 * self.recipe.checkpoint_minutes:
                    save_state(self.folder, done, self.model, optimizer)
                    saved = time.monotonic()
                if stop:
                    return False
        return True

    @staticmethod
    def _seen(corpus: LoadedCorpus, stage: Stage) -> int:
        return 0 if corpus.spec.kind == "simulated" and not stage.simulated else corpus.spec.repeat

    @staticmethod
    def _set_rate(optimizer: torch.optim.Optimizer, stage: Stage, done: float) -> None:
        """Linear warm-up, then half a cosine down to a hundredth."""
        rise = min(1.0, (done + 1e-3) / stage.warmup) if stage.warmup else 1.0
        fall = 0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * done))
        for group in optimizer.param_groups:
            group["lr"] = stage.learning_rate * rise * fall

    def _step(self, batch: Batch, stage: Stage, optimizer: torch.optim.Optimizer) -> dict[str, float]:
        losses = self.losses(batch, stage)
        optimizer.zero_grad(set_to_none=True)
        losses.total.backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        optimizer.step()
        with torch.no_grad():
            self.model.clip.logit_scale.clamp_(0, MAX_SCALE)
        return losses.parts

    def losses(self, batch: Batch, stage: Stage) -> Losses:
        """The weighted sum of the stage's losses on a batch, and its parts."""
        targets = self.targets[batch.case].to(self.device)
        parts: dict[str, torch.Tensor] = {}
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.recipe.precision == "bf16"):
            out = self.model.pages(batch.ink.to(self.device))
            decoded = self.model.decoder(out.tokens).float() if stage.signal else None
        if stage.contrastive:
            parts["contrastive"] = self._contrastive(batch, out.embedding, targets, stage)
        if stage.statements:
            logits = self.model.statements(out.embedding)
            weight = self.head_weights.to(self.device)
            parts["statements"] = F.binary_cross_entropy_with_logits(logits, targets, weight=weight)
        if decoded is not None:
            truth = (part.to(self.device) for part in (batch.signal, batch.shown, batch.known))
            parts["signal"] = signal_loss(decoded, *truth)
        total = torch.stack([getattr(stage, name) * value for name, value in parts.items()]).sum()
        return Losses(total, {name: float(value.detach()) for name, value in parts.items()})

    def _contrastive(self, batch: Batch, pages: torch.Tensor, targets: torch.Tensor, stage: Stage) -> torch.Tensor:
        rows = [self.bank.row[self.cases[c].texts[t]] for c, t in zip(batch.case, batch.text, strict=True)]
        soft = overlap_targets(targets, self.weights.to(self.device)) if stage.positives == "overlap" else None
        texts = self.bank.embed(self.model, rows, self.device)
        return self.alignment(pages, texts, self.model.clip.logit_scale.exp(), soft)

    def _measure(self, stage: Stage, number: int, epoch: int) -> None:
        """Score the validation fold, write a line of the log, and keep the weights when they are the best so far."""
        row: dict[str, Any] = {"stage": stage.name, "epoch": epoch + 1}
        if self.validation and stage.contrastive:
            row |= self.validate()
            if row["vote_auroc"] > self.best:
                self.best = row["vote_auroc"]
                write_whole(
                    self.folder / BEST, {"model": self.model.state_dict(), "place": [number, epoch + 1], **row}
                )
        with (self.folder / LOG).open("a", encoding="utf-8") as log:
            log.write(json.dumps(row) + "\n")
        self.told.line("  ".join(f"{k} {v:.3f}" if isinstance(v, float) else f"{k} {v}" for k, v in row.items()))

    @torch.inference_mode()
    def validate(self) -> dict[str, float]:
        """Vote AUROC and exact-pair recall on the validation cases, their clean pages against their own reports."""
        self.model.eval()
        vectors = embed_cases(self.model, self.validation, self.device, self.recipe.encoding)
        rows = [self.bank.row[case.texts[0]] for case in self.validation]
        texts = self.bank.embed(self.model, rows, self.device).cpu().numpy()
        statements = [case.statements for case in self.validation]
        return retrieval_scores(vectors, texts, statements, [case.patient_key for case in self.validation], k=20)

    def _best_so_far(self) -> float:
        path = self.folder / BEST
        return float(torch.load(path, weights_only=True)["vote_auroc"]) if path.is_file() else -math.inf


def load_all(recipe: Recipe, told: Told) -> tuple[list[LoadedCorpus], list[TrainingCase]]:
    """The corpora of a recipe and its validation cases, told what was missing.

    Raises:
        CorpusError: when a patient stands on both sides of the split.
    """
    loaded: list[LoadedCorpus] = []
    for spec in recipe.corpora:
        with told.busy(f"reading {spec.kind}"):
            loaded.append(load_corpus(spec, recipe.seed, loaded))
        lost = f", {loaded[-1].missing} of its records have no files here" if loaded[-1].missing else ""
        told.line(f"{spec.kind}: {len(loaded[-1].cases)} cases{lost}")
    validation = list(load_corpus(recipe.validation, recipe.seed).cases) if recipe.validation else []
    trained = {case.patient_key for corpus in loaded for case in corpus.cases if case.patient_key}
    shared = sorted(trained & {case.patient_key for case in validation if case.patient_key})
    if shared:
        raise CorpusError(
            f"{len(shared)} patients ({shared[0]}, …) are trained on and validated on; split by patient"
        )
    return loaded, validation


@torch.inference_mode()
def embed_cases(
    model: NearBeatModel,
    cases: Sequence[TrainingCase],
    device: torch.device,
    encoding: Encoding = PAGE,
    batch: int = 32,
) -> np.ndarray:
    """Unit vectors ``[n, dim]`` of the canonical pages (or another encoding) of cases, by the model as it trains."""
    rows = []
    for start in range(0, len(cases), batch):
        pages = [tower_image(Recording(case.signal, RATE), encoding) for case in cases[start : start + batch]]
        ink = torch.from_numpy((PAPER - np.stack(pages).astype(np.float32)) / PAPER)[:, None]
        rows.append(model.pages(ink.to(device)).embedding.cpu())
    return torch.cat(rows).numpy()
