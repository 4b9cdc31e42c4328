"""What is learned beside the alignment: statements from the embedding, and the signal from the tokens of a page."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

from retrieval.ecg.layouts import layout_named
from retrieval.ecg.recording import LEADS

BIN_SAMPLES = 32
BINS = 31
"""The decoder answers in bins of 32 samples at 100 Hz, 0.32 s or one token's width; 31 of them are 9.92 s."""
DECODED_SAMPLES = BINS * BIN_SAMPLES
UNPLOTTED_WEIGHT = 0.2


class StatementHead(nn.Module):
    """Statement logits ``[n, statements]`` from unit embeddings ``[n, dim]``: the space itself carries them."""

    def __init__(self, dim: int, statements: int) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.tensor(10.0))
        self.linear = nn.Linear(dim, statements)
        nn.init.constant_(self.linear.bias, -3.0)

    def forward(self, embedding: torch.Tensor) -> torch.Tensor:
        """Logits ``[n, statements]``."""
        return self.linear(embedding * self.scale)


class SignalDecoder(nn.Module):
    """Twelve leads in mV, ``[n, 12, 992]``, from page tokens ``[n, tokens, width]``.

    One query for each lead and bin attends to the tokens, so a lead that is plotted for 2.5 s must be continued from
    the rhythm strip: the tower has to learn what beats look like in every lead.
    """

    def __init__(self, width: int, heads: int = 4) -> None:
        super().__init__()
        self.lead = nn.Parameter(torch.randn(len(LEADS), 1, width) * 0.02)
        self.bin = nn.Parameter(torch.randn(1, BINS, width) * 0.02)
        self.norm = nn.LayerNorm(width)
        self.attention = nn.MultiheadAttention(width, heads, batch_first=True)
        self.mlp = nn.Sequential(
            nn.LayerNorm(width), nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width)
        )
        self.out = nn.Linear(width, BIN_SAMPLES)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        """Twelve leads in mV, ``[n, 12, 992]``."""
        queries = (self.lead + self.bin).flatten(0, 1).expand(tokens.shape[0], -1, -1)
        keys = self.norm(tokens)
        x = queries + self.attention(queries, keys, keys, need_weights=False)[0]
        x = x + self.mlp(x)
        return self.out(x).unflatten(1, (len(LEADS), BINS)).flatten(2)


def plotted(layout: str, samples: int) -> torch.Tensor:
    """Which of a recording's ``samples`` stand on a page of that layout: bool ``[12, 992]``."""
    mask = torch.zeros(len(LEADS), DECODED_SAMPLES, dtype=torch.bool)
    for cell in layout_named(layout).cells(0, 0, 1, 1):
        mask[LEADS.index(cell.lead), round(cell.start * samples) : round(cell.stop * samples)] = True
    return mask


def sample_weights(shown: torch.Tensor, known: torch.Tensor) -> torch.Tensor:
    """What each sample counts, ``[n, 12, 992]``: 1 on the page, a fifth where it must be inferred, else nothing."""
    return known.float() * (shown.float() + UNPLOTTED_WEIGHT * (~shown).float())


def signal_loss(
    decoded: torch.Tensor,
    signal: torch.Tensor,
    shown: torch.Tensor,
    known: torch.Tensor,
    total: torch.Tensor | None = None,
) -> torch.Tensor:
    """Huber loss in mV, full on plotted samples, a fifth on those that must be inferred.

    Args:
        decoded: ``[n, 12, 992]``.
        signal: the same, the truth.
        shown: bool, the same: plotted on the page.
        known: bool, the same: inside the recording.
        total: the sum of the weights by which to divide, where these pages are a part of a batch.
    """
    weight = sample_weights(shown, known)
    loss = F.huber_loss(decoded, signal, reduction="none", delta=0.2)
    return (loss * weight).sum() / (weight.sum() if total is None else total).clamp(min=1)
