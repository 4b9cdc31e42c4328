"""The training loop: stages of epochs of steps, resumable to the step, measured on the validation fold."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from retrieval.corpora.ptbxl import RATE
from retrieval.ecg.encodings import PAGE, Encoding, tower_image
from retrieval.ecg.page import PAPER
from retrieval.ecg.recording import Recording
from retrieval.errors import CorpusError
from retrieval.scoring import macro_auroc, retrieval_scores
from training.cases import LoadedCorpus, TrainingCase, load_corpus, statement_targets
from training.checkpoint import Place, frozen_names, load_trained, pin_recipe, read_state, save_state, write_whole
from training.loader import Batch, PageDataset, batches, epoch_order
from training.model import NearBeatModel, parameter_groups, unlock_last_layers
from training.objective import Objective, TextBatch
from training.progress import Told
from training.recipe import Recipe, Stage
from training.reports import TextCase, load_texts, text_order
from training.teacher import BEST, TEXT, Teacher, copy_text_folder
from training.text_tower import load_tokenizer, prepare_text_tower
from training.texts import TextBank, build_bank

LOG = "log.jsonl"
MAX_SCALE = math.log(100)
TEXTS_AT_ONCE = 256


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
        self.text_cases, self.unseen_texts = load_reports(recipe, told)
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        teacher = Teacher(Path(recipe.teacher), self.device) if recipe.teacher else None
        self.model = NearBeatModel(recipe, self._text_tower(teacher)).to(self.device)
        self.frozen = frozen_names(self.model)
        if teacher is not None:
            teacher.hand_over(self.model)
        self.objective = Objective(recipe, self.model, self.cases, self.text_cases, teacher, self.device)
        self.bank: TextBank | None = None
        self.best = -math.inf

    def texts(self, with_reports: bool) -> list[str]:
        """The texts that the run reads, with or without the reports that come without ECGs."""
        groups = (self.cases, self.validation, self.text_cases if with_reports else ())
        spoken = [text for group in groups for case in group for text in case.texts]
        return spoken + [case.texts[0] for case in self.unseen_texts]

    def _text_tower(self, teacher: Teacher | None) -> Path:
        """The folder that the text tower starts from; a teacher's vocabulary belongs to its weights."""
        own = self.folder / TEXT
        if teacher is not None:
            copy_text_folder(Path(self.recipe.teacher), own)
            return own if (own / "config.json").is_file() else Path(teacher.recipe.text.source)
        return prepare_text_tower(self.recipe.text.source, self.texts(True), own, self.recipe.text.common_pieces)

    def text_bank(self, stage: Stage) -> TextBank:
        """The texts of a stage, tokenised; where the trunk stays as it is also what it answers, computed once."""
        tokenizer = load_tokenizer(self.folder / TEXT)
        keep = None if stage.unlocked_layers else self.folder / "texts.npz"
        texts = self.texts(bool(stage.reports))
        with self.told.bar("texts", len(set(texts))) as step:
            return build_bank(texts, tokenizer, self.recipe.text, self.model, keep, step)

    def run(self, stop_after: Callable[[Place], bool] | None = None) -> None:
        """Train to the end of the last stage, from wherever the folder stands.

        Args:
            stop_after: called after each step; a true answer saves and returns, as a kill after that save would.
        """
        state = read_state(self.folder)
        place = Place(**state["place"]) if state else Place()
        if state:
            load_trained(self.model, state["model"], self.frozen)
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
        unlock_last_layers(self.model.text_tower.transformer, stage.unlocked_layers)
        self.bank = self.text_bank(stage) if stage.reads_texts else None
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
            self._save(place, optimizer)
        self._save(Place(number + 1), optimizer)
        return True

    def _epoch(
        self, place: Place, optimizer: torch.optim.Optimizer, stop_after: Callable[[Place], bool] | None
    ) -> bool:
        stage = self.recipe.stages[place.stage]
        steps, batches_of = self._plan(stage, place)
        saved = time.monotonic()
        self.model.train()
        self.model.clip.text.transformer.eval()
        with self.told.epoch(stage.name, place.epoch, stage.epochs, steps, place.step) as show:
            for step, (pages, texts) in enumerate(batches_of, place.step):
                self._set_rate(optimizer, stage, (place.epoch * steps + step) / (stage.epochs * steps))
                show(self._step(stage, pages, texts, optimizer))
                done = Place(place.stage, place.epoch, step + 1)
                stop = stop_after is not None and stop_after(done)
                if stop or time.monotonic() - saved > 60 * self.recipe.checkpoint_minutes:
                    self._save(done, optimizer)
                    saved = time.monotonic()
                if stop:
                    return False
        return True

    def _plan(self, stage: Stage, place: Place) -> tuple[int, Iterator[tuple[Batch | None, TextBatch | None]]]:
        """The number of an epoch's steps, and its batches from the place's step on."""
        key = (self.recipe.seed, place.stage, place.epoch)
        texts = self._text_batches(stage, key)
        if not stage.draws_pages:
            count = len(text_order(len(self.text_cases), self._text_size, key))
            return count, ((None, texts(step)) for step in range(place.step, count))
        sizes = [(len(c.cases), self._seen(c, stage)) for c in self.corpora]
        order = epoch_order(sizes, key, self.recipe.batch)
        dataset = PageDataset(self.cases, order, key, stage.strength, self.recipe.encoding)
        pages = batches(dataset, self.recipe.batch, place.step, self.recipe.workers)
        both = ((page, texts(step)) for step, page in enumerate(pages, place.step))
        return max(1, len(order) // self.recipe.batch), both

    @property
    def _text_size(self) -> int:
        return self.recipe.reports.batch if self.recipe.reports else 0

    def _text_batches(self, stage: Stage, key: tuple[int, ...]) -> Callable[[int], TextBatch | None]:
        """The texts of each step by its number, so that a resumed run draws what the whole one would have."""
        if not stage.reports:
            return lambda _: None
        order = text_order(len(self.text_cases), self._text_size, key)
        return lambda step: self.objective.text_batch(
            order[step % len(order)], np.random.default_rng([*key, step, 11])
        )

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

    def _step(
        self, stage: Stage, pages: Batch | None, texts: TextBatch | None, optimizer: torch.optim.Optimizer
    ) -> dict[str, float]:
        losses = self.objective.losses(stage, pages, texts, self.bank)
        optimizer.zero_grad(set_to_none=True)
        losses.total.backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        optimizer.step()
        with torch.no_grad():
            self.model.clip.logit_scale.clamp_(0, MAX_SCALE)
        return losses.parts

    def _save(self, place: Place, optimizer: torch.optim.Optimizer) -> None:
        save_state(self.folder, place, self.model, optimizer, self.frozen)

    def _measure(self, stage: Stage, number: int, epoch: int) -> None:
        """Score the validation fold, write a line of the log, and keep the weights when they are the best so far."""
        row: dict[str, Any] = {"stage": stage.name, "epoch": epoch + 1}
        if self.unseen_texts and stage.reads_texts:
            row["report_auroc"] = self.read_reports()
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
        texts = self._vectors_of([case.texts[0] for case in self.validation])
        statements = [case.statements for case in self.validation]
        return retrieval_scores(vectors, texts, statements, [case.patient_key for case in self.validation], k=20)

    @torch.inference_mode()
    def read_reports(self) -> float:
        """Macro AUROC of the statement head on the validation fold's reports, over what ten or more of them state."""
        self.model.eval()
        vectors = torch.from_numpy(self._vectors_of([case.texts[0] for case in self.unseen_texts]))
        said = self.model.statements(vectors.to(self.device)).cpu().numpy()
        labels = statement_targets(self.unseen_texts) > 0
        enough = (labels.sum(axis=0) >= 10) & ~labels.all(axis=0)
        return macro_auroc(labels[:, enough], said[:, enough]) if enough.any() else math.nan

    def _vectors_of(self, texts: Sequence[str]) -> np.ndarray:
        """Unit vectors ``[n, dim]`` of texts of the run."""
        bank = self.bank or self.text_bank(self.recipe.stages[-1])
        rows = [bank.row[text] for text in texts]
        parts = [
            bank.embed(self.model, rows[i : i + TEXTS_AT_ONCE], self.device).cpu()
            for i in range(0, len(rows), TEXTS_AT_ONCE)
        ]
        return torch.cat(parts).numpy()

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


def load_reports(recipe: Recipe, told: Told) -> tuple[tuple[TextCase, ...], tuple[TextCase, ...]]:
    """The texts without ECGs that a recipe learns from, and the reports of the validation fold to judge that by."""
    if recipe.reports is None:
        return (), ()
    with told.busy("reading reports"):
        seen = load_texts(recipe.reports, recipe.seed)
        held = recipe.validation
        folds = held.folds if held is not None and held.kind == "ptbxl" else ""
        unseen = load_texts(replace(recipe.reports, folds=folds), recipe.seed, terms=False) if folds else ()
    told.line(f"reports: {len(seen)} texts to learn from, {len(unseen)} to judge by")
    return seen, unseen


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
