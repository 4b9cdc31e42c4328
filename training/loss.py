"""The alignment loss: open_clip's, with targets that know which reports say the same thing."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from open_clip.loss import ClipLoss

from training.ranks import Ranks

SHARPNESS = 3.0
"""Overlap is raised to this power: the same statements count fully, half of them for an eighth."""
NEIGHBOUR_SCALE = 10.0
"""The inverse temperature among pages: Khosla et al. found .1 best."""
FAR = -1e9
"""A logit that no softmax sees; an infinite one would make 0 times itself of no value."""


def overlap_targets(
    targets: torch.Tensor, weights: torch.Tensor, others: torch.Tensor | None = None, first: int = 0
) -> torch.Tensor:
    """Rows that sum to 1, ``[n, others]``: how much of pair (i, j) is to be found when i is the query.

    Args:
        targets: statements and superclasses ``[n, targets]``, 0 or 1.
        weights: ``[targets]``, how telling each statement is.
        others: those of all columns, where the rows are only a part of them; by default the rows themselves.
        first: which column is the first row's own.

    The overlap is the weighted Jaccard index. A record's own report always counts fully.
    """
    overlap = _overlap(targets, weights, targets if others is None else others)
    own = torch.arange(len(targets), device=overlap.device)
    overlap[own, first + own] = 1.0
    return overlap / overlap.sum(1, keepdim=True)


def _overlap(targets: torch.Tensor, weights: torch.Tensor, columns: torch.Tensor) -> torch.Tensor:
    """The weighted Jaccard index ``[n, others]`` of statements, sharpened."""
    weighted = targets * weights
    shared = weighted @ columns.T
    either = weighted.sum(1)[:, None] + (columns * weights).sum(1)[None, :] - shared
    return torch.where(either > 0, shared / either.clamp(min=1e-6), torch.zeros_like(shared)) ** SHARPNESS


def mixed_targets(
    overlap: torch.Tensor, written: torch.Tensor, everyone: torch.Tensor | None = None, first: int = 0
) -> tuple[torch.Tensor, torch.Tensor]:
    """Targets of the pages ``[n, others]`` and of the texts ``[n, others]``, rows that sum to 1.

    A report as it was written belongs to its own page alone; any other wording, to every page of which it holds. So a
    page is told from its like by what its clinician wrote, and a bare term still finds all that it names.

    Args:
        overlap: as :func:`overlap_targets` gives it.
        written: ``[n]``, whether the row's text is the report as it was written.
        everyone: that of all columns, where the rows are only a part of them.
        first: which column is the first row's own.
    """
    columns = written if everyone is None else everyone
    rows = torch.arange(len(written), device=overlap.device)
    own = torch.zeros_like(overlap, dtype=torch.bool)
    own[rows, first + rows] = True
    of_pages = overlap * (own | ~columns[None, :])
    of_texts = overlap * (own | ~written[:, None])
    return of_pages / of_pages.sum(1, keepdim=True), of_texts / of_texts.sum(1, keepdim=True)


def neighbour_loss(
    pages: torch.Tensor,
    everyone: torch.Tensor,
    targets: torch.Tensor,
    weights: torch.Tensor,
    others: torch.Tensor,
    first: int = 0,
) -> torch.Tensor:
    """How little the pages nearest to each page state the same, a scalar; 0 where no two share anything.

    Supervised contrastive learning (Khosla et al., NeurIPS 2020) with degrees: the cross-entropy of the similarities
    to all other pages with their overlap of statements. A page is never its own neighbour, and one that shares
    nothing with any other counts as 0.

    Args:
        pages: unit rows ``[n, dim]``.
        everyone: unit rows ``[others, dim]`` of all processes.
        targets: statements and superclasses ``[n, targets]``, 0 or 1.
        weights: ``[targets]``, how telling each statement is.
        others: ``[others, targets]``.
        first: which of ``everyone`` is the first row's own.
    """
    rows = torch.arange(len(pages), device=pages.device)
    own = torch.zeros(len(pages), len(everyone), dtype=torch.bool, device=pages.device)
    own[rows, first + rows] = True
    overlap = _overlap(targets, weights, others).masked_fill(own, 0.0)
    wanted = overlap / overlap.sum(1, keepdim=True).clamp(min=1e-6)
    return F.cross_entropy((NEIGHBOUR_SCALE * pages @ everyone.T).masked_fill(own, FAR), wanted)


def statement_weights(targets: NDArray[Any]) -> NDArray[np.float32]:
    """Inverse document frequency ``[targets]`` of ``[n, targets]``: log((n + 1) / (count + 1)) + 0.1."""
    return (np.log((len(targets) + 1) / (targets.sum(axis=0) + 1)) + 0.1).astype(np.float32)


def head_weights(statements: int, groups: int) -> torch.Tensor:
    """Weights ``[statements + groups]`` of the statement loss, mean 1: a superclass counts as much as ten statements.

    Superclasses are what a neighbour must share first, and there are only five of them.
    """
    weights = torch.cat([torch.ones(statements), torch.full((groups,), 10.0)])
    return weights / weights.mean()


class AlignmentLoss(ClipLoss):
    """Symmetric cross-entropy over cosine similarities, with one positive (CLIP) or shared ones.

    On several processes each compares its own rows with those of all.
    """

    def __init__(self, ranks: Ranks | None = None) -> None:
        self.ranks = ranks or Ranks()
        super().__init__(local_loss=True, gather_with_grad=True, rank=self.ranks.rank, world_size=self.ranks.count)

    def get_logits(
        self,
        image_features: torch.Tensor,
        text_features: torch.Tensor,
        logit_scale: torch.Tensor,
        logit_bias: torch.Tensor | None = None,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Logits ``[n, rows of all processes]`` of the images and of the texts."""
        images, texts = (self.ranks.gathered_with_gradient(rows) for rows in (image_features, text_features))
        bias = 0.0 if logit_bias is None else logit_bias
        return logit_scale * image_features @ texts.T + bias, logit_scale * text_features @ images.T + bias

    def forward(  # type: ignore[override]  # the targets are one argument more than open_clip's
        self,
        image_features: torch.Tensor,
        text_features: torch.Tensor,
        logit_scale: torch.Tensor,
        soft_targets: torch.Tensor | None = None,
        text_targets: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """The mean loss of both directions.

        Args:
            image_features: unit rows ``[n, dim]``.
            text_features: unit rows ``[n, dim]``, row i belonging to image i.
            logit_scale: the inverse temperature.
            soft_targets: ``[n, rows of all processes]`` rows that sum to 1, symmetric before they were normalised;
                without them pair i is the only positive of row i.
            text_targets: those of the texts, where they are others than those of the images.
        """
        if soft_targets is None:
            return super().forward(image_features, text_features, logit_scale)  # type: ignore[return-value]  # a tensor
        by_image, by_text = self.get_logits(image_features, text_features, logit_scale)
        of_texts = soft_targets if text_targets is None else text_targets
        return (F.cross_entropy(by_image, soft_targets) + F.cross_entropy(by_text, of_texts)) / 2
