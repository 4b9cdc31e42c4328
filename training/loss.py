"""The alignment loss: open_clip's, with targets that know which reports say the same thing."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from open_clip.loss import ClipLoss

SHARPNESS = 3.0
"""Overlap is raised to this power: the same statements count fully, half of them for an eighth."""


def overlap_targets(targets: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """Rows that sum to 1, ``[n, n]``: how much of pair (i, j) is to be found when i is the query.

    Args:
        targets: statements and superclasses ``[n, targets]``, 0 or 1.
        weights: ``[targets]``, how telling each statement is.

    The overlap is the weighted Jaccard index. A record's own report always counts fully.
    """
    weighted = targets * weights
    shared = weighted @ targets.T
    size = weighted.sum(1)
    either = size[:, None] + size[None, :] - shared
    overlap = torch.where(either > 0, shared / either.clamp(min=1e-6), torch.zeros_like(shared)) ** SHARPNESS
    overlap = torch.maximum(overlap, torch.eye(len(targets), dtype=overlap.dtype, device=overlap.device))
    return overlap / overlap.sum(1, keepdim=True)


def statement_weights(targets: NDArray[np.float32]) -> NDArray[np.float32]:
    """Inverse document frequency ``[targets]`` of ``[n, targets]``: log((n + 1) / (count + 1)) + 0.1."""
    return (np.log((len(targets) + 1) / (targets.sum(axis=0) + 1)) + 0.1).astype(np.float32)


def head_weights(statements: int, groups: int) -> torch.Tensor:
    """Weights ``[statements + groups]`` of the statement loss, mean 1: a superclass counts as much as ten statements.

    Superclasses are what a neighbour must share first, and there are only five of them.
    """
    weights = torch.cat([torch.ones(statements), torch.full((groups,), 10.0)])
    return weights / weights.mean()


class AlignmentLoss(ClipLoss):
    """Symmetric cross-entropy over cosine similarities, with one positive (CLIP) or shared ones."""

    def forward(  # type: ignore[override]  # the targets are one argument more than open_clip's
        self,
        image_features: torch.Tensor,
        text_features: torch.Tensor,
        logit_scale: torch.Tensor,
        soft_targets: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """The mean loss of both directions.

        Args:
            image_features: unit rows ``[n, dim]``.
            text_features: unit rows ``[n, dim]``, row i belonging to image i.
            logit_scale: the inverse temperature.
            soft_targets: ``[n, n]`` rows that sum to 1, symmetric before they were normalised; without them pair i
                is the only positive of row i.
        """
        if soft_targets is None:
            return super().forward(image_features, text_features, logit_scale)  # type: ignore[return-value]  # a tensor
        by_image, by_text = self.get_logits(image_features, text_features, logit_scale)[:2]
        return (F.cross_entropy(by_image, soft_targets) + F.cross_entropy(by_text, soft_targets)) / 2
