"""What is learned beside the alignment: which samples a page shows, and a loss worked out by hand."""

import numpy as np
import pytest

pytest.importorskip("torch")

import torch

from retrieval.ecg.recording import LEADS
from tests.retrieval.ecg.tracing import PLANS
from training.heads import (
    BIN_SAMPLES,
    BINS,
    DECODED_SAMPLES,
    UNPLOTTED_WEIGHT,
    SignalDecoder,
    StatementHead,
    plotted,
    signal_loss,
)

pytestmark = pytest.mark.train


def test_sizes():
    assert (BINS, BIN_SAMPLES, DECODED_SAMPLES) == (31, 32, 992)


@pytest.mark.parametrize("samples", [983, 920, 992])
@pytest.mark.parametrize("layout", PLANS)
def test_what_each_layout_shows(layout, samples):
    """Row by row of the printers' table; a rhythm strip shows its lead from end to end."""
    wanted = np.zeros((12, 992), bool)
    for row in PLANS[layout]:
        leads = row.split()
        for place, lead in enumerate(leads):
            first, last = (round(at * samples / len(leads)) for at in (place, place + 1))
            wanted[LEADS.index(lead), first:last] = True
    np.testing.assert_array_equal(plotted(layout, samples).numpy(), wanted)
    assert {LEADS[i] for i in np.flatnonzero(wanted.any(axis=1))} == set(" ".join(PLANS[layout]).split())
    assert not plotted(layout, samples)[:, samples:].any()


def test_the_mask_is_what_is_drawn():
    """A spike in each quarter of each lead leaves ink on the page exactly where the mask says that it is shown."""
    from retrieval.ecg.page import canonical_page
    from retrieval.ecg.recording import Recording

    flat = np.zeros((12, 983), np.float32)
    blank = canonical_page(Recording(flat, 100.0)).pixels
    mask = plotted("3x4+1", 983).numpy()
    for lead in range(12):
        for at in (100, 350, 600, 850):
            signal = flat.copy()
            signal[lead, at] = 1.0
            changed = (canonical_page(Recording(signal, 100.0)).pixels != blank).any()
            assert changed == mask[lead, at], (LEADS[lead], at)


def test_the_signal_loss_by_hand():
    """Huber with delta 0.2: e x e / 2 within, 0.2 (e - 0.1) beyond; not plotted counts a fifth, not known nothing."""
    decoded, signal = torch.zeros(1, 12, 992), torch.zeros(1, 12, 992)
    shown, known = torch.zeros(1, 12, 992, dtype=torch.bool), torch.zeros(1, 12, 992, dtype=torch.bool)
    known[0, 0, :4] = True
    shown[0, 0, :2] = True
    shown[0, 0, 4] = True  # shown, yet not known
    decoded[0, 0, :5] = torch.tensor([0.1, 1.2, -0.1, 0.0, 9.0])
    # weights 1, 1, 0.2, 0.2, 0 and errors 0.005, 0.22, 0.005, 0
    assert UNPLOTTED_WEIGHT == 0.2
    assert signal_loss(decoded, signal, shown, known).item() == pytest.approx((0.005 + 0.22 + 0.2 * 0.005) / 2.4)


def test_nothing_known_is_no_loss_and_no_nan():
    decoded = torch.ones(2, 12, 992, requires_grad=True)
    none = torch.zeros(2, 12, 992, dtype=torch.bool)
    loss = signal_loss(decoded, torch.zeros(2, 12, 992), none, none)
    loss.backward()
    assert loss.item() == 0
    assert decoded.grad is not None
    assert decoded.grad.abs().max() == 0


def test_the_decoder_answers_twelve_leads_for_each_page_alone():
    torch.manual_seed(0)
    decoder = SignalDecoder(64).eval()
    tokens = torch.randn(3, 40, 64)
    with torch.inference_mode():
        answer = decoder(tokens)
        assert answer.shape == (3, 12, 992)
        torch.testing.assert_close(decoder(tokens[1:2])[0], answer[1], atol=1e-5, rtol=1e-4)
        # Tokens are a set to the decoder: their place is in what they say.
        torch.testing.assert_close(decoder(tokens[:, torch.randperm(40)]), answer, atol=1e-5, rtol=1e-4)


def test_leads_and_bins_are_asked_for_in_order():
    """With attention and the MLP silenced, the answer of lead l and bin b is the query lead[l] + bin[b] alone."""
    decoder = SignalDecoder(32)
    with torch.no_grad():
        decoder.attention.out_proj.weight.zero_()
        decoder.attention.out_proj.bias.zero_()
        for layer in (decoder.mlp[3],):
            layer.weight.zero_()
            layer.bias.zero_()
        decoder.out.weight.copy_(torch.eye(32))
        decoder.out.bias.zero_()
        decoder.lead.copy_(torch.arange(12.0)[:, None, None].expand(12, 1, 32) * 100)
        decoder.bin.copy_(torch.arange(31.0)[None, :, None].expand(1, 31, 32))
        answer = decoder(torch.randn(1, 5, 32))[0].numpy()
    np.testing.assert_allclose(answer, 100 * np.arange(12)[:, None] + np.arange(992)[None] // 32)


def test_the_statement_head_starts_doubtful():
    """A bias of -3 is 5 %: most statements are absent from most ECGs."""
    head = StatementHead(16, 76)
    logits = head(torch.zeros(2, 16))
    assert logits.shape == (2, 76)
    assert logits.unique().tolist() == [-3.0]
    weights = head.linear.weight
    torch.testing.assert_close(head(torch.eye(16)), 10 * weights.T - 3.0)
