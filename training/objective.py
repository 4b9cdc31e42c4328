"""What a step is judged by: the losses of a stage on a batch of pages and a batch of texts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F

from retrieval.ecg.statements import STATEMENTS, SUPERCLASSES
from training.cases import TrainingCase, statement_targets
from training.heads import signal_loss
from training.loader import Batch
from training.loss import AlignmentLoss, head_weights, overlap_targets, statement_weights
from training.model import NearBeatModel, PageOutput
from training.recipe import Recipe, Stage
from training.reports import TextCase, two_texts
from training.teacher import Teacher
from training.texts import TextBank


@dataclass(frozen=True)
class Losses:
    """The parts of one step's loss, each before its weight."""

    total: torch.Tensor
    parts: dict[str, float]


@dataclass(frozen=True)
class TextBatch:
    """Pairs of texts that say the same: ``pairs`` of them, and which text case each is of, ``[n]``."""

    pairs: tuple[tuple[str, str], ...]
    case: np.ndarray


class Objective:
    """The losses of a run, with what they compare with.

    Args:
        recipe: the run's.
        model: what is trained.
        cases: of the batches, by their number.
        text_cases: of the text batches, by their number.
        teacher: whose vectors of waveforms are learned, where the recipe has one.
        device: where the model is.
    """

    def __init__(
        self,
        recipe: Recipe,
        model: NearBeatModel,
        cases: Sequence[TrainingCase],
        text_cases: Sequence[TextCase],
        teacher: Teacher | None,
        device: torch.device,
    ) -> None:
        self.recipe, self.model, self.cases, self.text_cases = recipe, model, cases, text_cases
        self.teacher, self.device, self.alignment = teacher, device, AlignmentLoss()
        self.targets = torch.from_numpy(statement_targets(cases))
        self.text_targets = torch.from_numpy(statement_targets(text_cases))
        self.weights = torch.from_numpy(statement_weights(self.targets.numpy())).to(device)
        self.head_weights = head_weights(len(STATEMENTS), len(SUPERCLASSES)).to(device)

    def losses(self, stage: Stage, pages: Batch | None, texts: TextBatch | None, bank: TextBank | None) -> Losses:
        """The weighted sum of the stage's losses, and its parts; ``bank`` may be absent where no text is read."""
        parts: dict[str, torch.Tensor] = {}
        if pages is not None:
            parts |= self._of_pages(stage, pages, bank)
        if texts is not None and bank is not None:
            parts["reports"] = self._of_texts(texts, bank)
        total = torch.stack([getattr(stage, name) * value for name, value in parts.items()]).sum()
        return Losses(total, {name: float(value.detach()) for name, value in parts.items()})

    def text_batch(self, numbers: np.ndarray, rng: np.random.Generator) -> TextBatch:
        """Two texts of each of these text cases."""
        return TextBatch(tuple(two_texts(self.text_cases[int(i)], rng) for i in numbers), numbers)

    def _of_pages(self, stage: Stage, batch: Batch, bank: TextBank | None) -> dict[str, torch.Tensor]:
        targets = self.targets[batch.case].to(self.device)
        parts: dict[str, torch.Tensor] = {}
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.recipe.precision == "bf16"):
            out = self.model.pages(batch.ink.to(self.device))
            decoded = self.model.decoder(out.tokens).float() if stage.signal else None
        if stage.contrastive and bank is not None:
            drawn = zip(batch.case.tolist(), batch.text.tolist(), strict=True)
            rows = [bank.row[self.cases[case].texts[text]] for case, text in drawn]
            texts = bank.embed(self.model, rows, self.device, self.recipe.precision)
            parts["contrastive"] = self._aligned(out.embedding, texts, targets, stage.positives)
        if stage.statements:
            parts["statements"] = self._stated(out.embedding, targets)
        if stage.teacher and self.teacher is not None:
            parts["teacher"] = self._taught(out, batch)
        if decoded is not None:
            truth = (part.to(self.device) for part in (batch.signal, batch.shown, batch.known))
            parts["signal"] = signal_loss(decoded, *truth)
        return parts

    def _of_texts(self, texts: TextBatch, bank: TextBank) -> torch.Tensor:
        """Texts find their like, and the statement head reads both as it reads a page."""
        targets = self.text_targets[torch.from_numpy(texts.case)].to(self.device)
        rows = [bank.row[text] for side in zip(*texts.pairs, strict=True) for text in side]
        both = bank.embed(self.model, rows, self.device, self.recipe.precision)
        left, right = both[: len(texts.pairs)], both[len(texts.pairs) :]
        stated = self._stated(both, torch.cat([targets, targets]))
        return self._aligned(left, right, targets, "overlap") + 3 * stated

    def _aligned(
        self, left: torch.Tensor, right: torch.Tensor, targets: torch.Tensor, positives: str
    ) -> torch.Tensor:
        soft = overlap_targets(targets, self.weights) if positives == "overlap" else None
        return self.alignment(left, right, self.model.clip.logit_scale.exp(), soft)

    def _stated(self, embedding: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        return F.binary_cross_entropy_with_logits(self.model.statements(embedding), targets, weight=self.head_weights)

    def _taught(self, out: PageOutput, batch: Batch) -> torch.Tensor:
        """One minus the cosine between a page's vector and the teacher's of the waveform behind it."""
        if self.teacher is None:
            return out.embedding.new_zeros(())
        wanted = self.teacher.vectors(batch.signal.to(self.device), self.recipe.precision)
        return (1 - (out.embedding * wanted).sum(dim=1)).mean()
