"""The signal reference: a one-dimensional residual network on the waveform, in the place of the image tower.

What a page cannot give is what it sees: all twelve leads for the whole ten seconds. It is trained by the same trainer
on the same records, and so says how far an image tower could come (after Strodthoff et al., Deep Learning for ECG
Analysis: Benchmarks and Insights from PTB-XL, 2021, where residual networks were best).
"""

from __future__ import annotations

from typing import Any

import timm
import torch
import torch.nn.functional as F
from torch import nn

from retrieval.ecg.encodings.packed import PACKED_SAMPLES, ROWS_A_LEAD, ZERO
from retrieval.ecg.page import PAPER
from retrieval.ecg.recording import LEADS
from training.image_tower import TokenTower


class _Block(nn.Module):
    """Two convolutions along time beside the identity, or beside its mean over ``stride`` samples."""

    def __init__(self, before: int, after: int, kernel: int, stride: int, drop: float) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv1d(before, after, kernel, stride, kernel // 2, bias=False),
            nn.BatchNorm1d(after),
            nn.ReLU(),
            nn.Dropout(drop),
            nn.Conv1d(after, after, kernel, 1, kernel // 2, bias=False),
            nn.BatchNorm1d(after),
        )
        aside = [nn.AvgPool1d(stride)] if stride > 1 else []
        self.aside = nn.Sequential(*aside, nn.Conv1d(before, after, 1, bias=False), nn.BatchNorm1d(after))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return F.relu(self.body(x) + self.aside(x))


class SignalNet(TokenTower):
    """Packed waveforms ``[n, 1, 256, 512]`` to tokens ``[n, 32, 256]``.

    The last stage's samples are the tokens: 0.32 s each, as those of the image tower are.
    """

    def __init__(self, kernel: int = 7, drop: float = 0.2) -> None:
        super().__init__()
        steps = [(64, 64, 2), (64, 96, 2), (96, 160, 2), (160, self.num_features, 2)]
        self.stem = nn.Sequential(nn.Conv1d(len(LEADS), 64, 15, 2, 7, bias=False), nn.BatchNorm1d(64), nn.ReLU())
        self.blocks = nn.Sequential(*(_Block(a, b, kernel, stride, drop) for a, b, stride in steps))

    def forward_features(self, x: torch.Tensor) -> torch.Tensor:
        """Tokens ``[n, 32, 256]`` of packed waveforms."""
        return self.tokens(unpacked(x))

    def tokens(self, signal: torch.Tensor) -> torch.Tensor:
        """Tokens ``[n, 32, 256]`` of waveforms ``[n, 12, 1024]`` in mV."""
        return self.blocks(self.stem(signal)).transpose(1, 2)


def padded(signal: torch.Tensor) -> torch.Tensor:
    """Waveforms ``[n, 12, samples]`` as ``[n, 12, 1024]``, zero after their end, as packed ones are."""
    return F.pad(signal, (0, PACKED_SAMPLES - signal.shape[-1]))


def unpacked(ink: torch.Tensor) -> torch.Tensor:
    """``[n, 12, 1024]`` in mV from packed waveforms, given as ink ``[n, 1, 256, 512]``, 0 to 1."""
    count = ROWS_A_LEAD * len(LEADS)
    gray = torch.round(PAPER - ink[:, 0, :count].float() * PAPER).unflatten(1, (len(LEADS), ROWS_A_LEAD))
    high, low = gray[:, :, :2].flatten(2), gray[:, :, 2:].flatten(2)
    return (high * 256 + low - ZERO)[:, :, :PACKED_SAMPLES] / 1000


@timm.models.register_model
def nearbeat_resnet1d(pretrained: bool = False, **_: Any) -> SignalNet:
    """1.2 M parameters, on waveforms (a recipe's ``encoding: signal``)."""
    return SignalNet()
