"""The network on waveforms sees exactly what was packed, and takes part as any tower does."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch")

import timm
import torch

from retrieval.ecg.encodings.packed import pack, unpack
from retrieval.ecg.page import PAPER
from tests.retrieval.conftest import heartbeats
from training.signal_tower import SignalNet, padded, unpacked

pytestmark = pytest.mark.train


@pytest.fixture
def tower():
    torch.manual_seed(1)
    return timm.create_model("nearbeat_resnet1d").eval()


def ink_of(*signals):
    images = np.stack([pack(signal) for signal in signals])
    return torch.from_numpy((PAPER - images.astype(np.float32)) / PAPER)[:, None]


def test_the_tower_unpacks_what_was_packed():
    signal = heartbeats(7).signal
    assert np.allclose(unpacked(ink_of(signal)).numpy()[0], unpack(pack(signal)), atol=1e-6)


def test_a_packed_waveform_and_the_waveform_itself_give_the_same_tokens(tower):
    signal = heartbeats(8).signal[:, :980]
    centred = torch.from_numpy(signal - np.median(signal, axis=1, keepdims=True)).float()
    packed, direct = tower.forward_features(ink_of(signal)), tower.tokens(padded(centred[None]))
    assert packed.shape == (1, 32, SignalNet.num_features)
    assert torch.allclose(packed, direct, atol=1e-2)


def test_every_lead_and_the_amplitude_count(tower):
    signal = heartbeats(9).signal
    first = tower(ink_of(signal))
    for lead in range(12):
        other = signal.copy()
        other[lead] *= 2
        assert float((tower(ink_of(other)) - first).abs().max()) > 1e-3 * float(first.max()), lead
