"""What a step is judged by: the losses of a stage on a batch of pages and a batch of texts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from open_clip.loss import SigLipLoss

from retrieval.ecg.statements import STATEMENTS, SUPERCLASSES
from training.heads import sample_weights, signal_loss
from training.loader import Batch
from training.loss import (
    AlignmentLoss,
    head_weights,
    mixed_targets,
    neighbour_loss,
    overlap_targets,
    statement_weights,
)
from training.model import NearBeatModel
from training.ranks import Ranks
from training.recipe import Positives, Recipe, Stage
from training.reports import TextCase, two_texts
from training.teacher import Teacher
from training.terms import TermBatch, Terms
from training.texts import Texts

Parts = dict[str, torch.Tensor]


@dataclass(frozen=True)
class TextBatch:
    """Pairs of texts that say the same: ``pairs`` of them, and which text case each is of, ``[n]``."""

    pairs: tuple[tuple[str, str], ...]
    case: np.ndarray

    @property
    def words(self) -> list[str]:
        """All first texts, then all second ones."""
        return [text for side in zip(*self.pairs, strict=True) for text in side]


class PageAnswer(NamedTuple):
    """Unit vectors ``[n, dim]`` of pages, and their signals ``[n, 12, 992]`` where they are decoded."""

    vectors: torch.Tensor
    decoded: torch.Tensor | None


class Objective:
    """The losses of a run, with what they compare with.

    Args:
        recipe: the run's.
        model: what is trained.
        targets: statements of the cases, ``[cases, targets]``, by their number.
        text_cases: of the text batches, by their number.
        text_targets: their statements.
        teacher: whose vectors of waveforms are learned, where the recipe has one.
        ranks: this process among those of the run.
    """

    def __init__(
        self,
        recipe: Recipe,
        model: NearBeatModel,
        targets: NDArray[np.uint8],
        text_cases: Sequence[TextCase],
        text_targets: NDArray[np.uint8],
        teacher: Teacher | None,
        ranks: Ranks,
    ) -> None:
        self.recipe, self.model, self.text_cases = recipe, model, text_cases
        self.teacher, self.ranks, self.device = teacher, ranks, ranks.device
        self.terms = Terms(recipe.held_out)
        self.alignment = AlignmentLoss(ranks)
        self.sigmoid = SigLipLoss(rank=ranks.rank, world_size=ranks.count)
        self.targets, self.text_targets = torch.from_numpy(targets), torch.from_numpy(text_targets)
        self.weights = torch.from_numpy(statement_weights(targets)).to(self.device)
        self.head_weights = head_weights(len(STATEMENTS), len(SUPERCLASSES)).to(self.device)

    def text_batch(self, numbers: np.ndarray, rng: np.random.Generator) -> TextBatch:
        """Two texts of each of these text cases, of which this process takes its rows."""
        pairs = tuple(two_texts(self.text_cases[int(i)], rng) for i in numbers)
        own = self.ranks.rows(len(numbers), "batch of reports")
        return TextBatch(pairs[own], numbers[own])

    def term_batch(self, stage: Stage, batch: Batch) -> TermBatch | None:
        """As many terms as there are pages, drawn by which pages these are, so that a resumed run draws the same."""
        if not stage.terms:
            return None
        rng = np.random.default_rng([self.recipe.seed, *batch.case.tolist()])
        drawn = self.terms.draw(self.targets[batch.case].numpy(), len(batch), rng)
        return drawn if drawn.words else None

    def weighted(self, stage: Stage, parts: Parts) -> torch.Tensor:
        """The sum of the parts, each times the stage's weight."""
        return torch.stack([getattr(stage, name) * value for name, value in parts.items()]).sum()

    def read_pages(self, stage: Stage, batch: Batch, decode: bool = True) -> PageAnswer:
        """The image tower on pages, and the decoder where the stage asks for signals."""
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.recipe.precision == "bf16"):
            out = self.model.pages(batch.ink.to(self.device))
            decoded = self.model.decoder(out.tokens).float() if stage.signal and decode else None
        return PageAnswer(out.embedding, decoded)

    def read_texts(self, words: Sequence[str], bank: Texts) -> torch.Tensor:
        """Unit vectors ``[n, dim]`` of texts."""
        return bank.embed(self.model, words, self.device, self.recipe.precision)

    def of_vectors(self, stage: Stage, batch: Batch, pages: torch.Tensor, texts: torch.Tensor | None) -> Parts:
        """The losses that look at the vectors of pages, and of their texts where the stage aligns them."""
        targets = self.targets[batch.case].float().to(self.device)
        parts: Parts = {}
        if stage.contrastive and texts is not None:
            written = (batch.text == 0).to(self.device)
            parts["contrastive"] = self._aligned(pages, texts, targets, stage.positives, written)
        if stage.neighbours:
            parts["neighbours"] = self._neighbours(pages, targets)
        if stage.statements:
            parts["statements"] = self._stated(pages, targets)
        if stage.teacher and self.teacher is not None:
            wanted = self.teacher.vectors(batch.signal.to(self.device), self.recipe.precision)
            parts["teacher"] = (1 - (pages * wanted).sum(dim=1)).mean()
        return parts

    def of_terms(self, batch: Batch, pages: torch.Tensor, terms: TermBatch, texts: torch.Tensor) -> Parts:
        """Each term finds the pages, of all processes, that carry its statement."""
        targets = self.ranks.gathered(self.targets[batch.case].float().to(self.device))
        right = targets[:, torch.from_numpy(terms.columns).to(self.device)].T
        everyone = self.ranks.gathered_with_gradient(pages)
        logits = self.model.clip.logit_scale.exp() * texts @ everyone.T
        return {"terms": F.cross_entropy(logits, right / right.sum(dim=1, keepdim=True))}

    def of_signals(self, batch: Batch, decoded: torch.Tensor, total: torch.Tensor | None = None) -> Parts:
        """The signal loss of decoded pages; ``total`` as ``known_samples`` gives it, for a part of a batch."""
        signal, shown, known = (part.to(self.device) for part in (batch.signal, batch.shown, batch.known))
        return {"signal": signal_loss(decoded, signal, shown, known, total)}

    def known_samples(self, batch: Batch) -> torch.Tensor:
        """By what the signal loss of each part is divided: the mean over processes of the batches' weights."""
        return self.ranks.mean(sample_weights(batch.shown, batch.known).sum().to(self.device))

    def of_reports(self, texts: TextBatch, both: torch.Tensor) -> Parts:
        """Texts find their like, and the statement head reads both as it reads a page."""
        targets = self.text_targets[torch.from_numpy(texts.case)].float().to(self.device)
        left, right = both[: len(texts.pairs)], both[len(texts.pairs) :]
        stated = self._stated(both, torch.cat([targets, targets]))
        return {"reports": self._aligned(left, right, targets, "overlap") + 3 * stated}

    def _aligned(
        self,
        left: torch.Tensor,
        right: torch.Tensor,
        targets: torch.Tensor,
        positives: Positives,
        written: torch.Tensor | None = None,
    ) -> torch.Tensor:
        scale = self.model.clip.logit_scale.exp()
        if positives == "siglip":
            return self.sigmoid(left, right, scale, self.model.clip.logit_bias)
        if positives in ("clip", "pair"):
            return self.alignment(left, right, scale)
        first = self.ranks.rank * len(targets)
        soft = overlap_targets(targets, self.weights, self.ranks.gathered(targets), first)
        if positives == "mixed" and written is not None:
            all_written = self.ranks.gathered(written.float()) > 0
            return self.alignment(left, right, scale, *mixed_targets(soft, written, all_written, first))
        return self.alignment(left, right, scale, soft)

    def _neighbours(self, pages: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        everyone, others = self.ranks.gathered_with_gradient(pages), self.ranks.gathered(targets)
        first = self.ranks.rank * len(targets)
        return neighbour_loss(pages, everyone, targets, self.weights, others, first)

    def _stated(self, embedding: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        return F.binary_cross_entropy_with_logits(self.model.statements(embedding), targets, weight=self.head_weights)
