"""The alignment loss against open_clip's own and against numpy; shared targets against a table worked out by hand."""

import numpy as np
import pytest

pytest.importorskip("torch")

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from open_clip.loss import ClipLoss

from training.loss import (
    NEIGHBOUR_SCALE,
    AlignmentLoss,
    head_weights,
    mixed_targets,
    neighbour_loss,
    overlap_targets,
    statement_weights,
)

pytestmark = pytest.mark.train


def unit(seed, n=6, dim=16):
    rows = torch.from_numpy(np.random.default_rng(seed).normal(size=(n, dim)).astype(np.float32))
    return torch.nn.functional.normalize(rows, dim=-1)


def by_hand(images, texts, scale, targets):
    """Both directions' mean of -sum(target x log softmax), in float64."""

    def one_way(logits):
        logits = logits - logits.max(axis=1, keepdims=True)
        log_share = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
        return -(targets * log_share).sum(axis=1).mean()

    logits = scale * images.numpy().astype(np.float64) @ texts.numpy().astype(np.float64).T
    return (one_way(logits) + one_way(logits.T)) / 2


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.floats(1, 100), st.integers(2, 9))
def test_one_positive_is_the_loss_of_open_clip(seed, scale, n):
    images, texts, scale = unit(seed, n), unit(seed + 1, n), torch.tensor(scale)
    wanted = ClipLoss()(images, texts, scale)
    torch.testing.assert_close(AlignmentLoss()(images, texts, scale), wanted)
    torch.testing.assert_close(AlignmentLoss()(images, texts, scale, torch.eye(n)), wanted)
    assert wanted.item() == pytest.approx(by_hand(images, texts, float(scale), np.eye(n)), rel=1e-4, abs=1e-5)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6))
def test_shared_positives_by_hand(seed):
    images, texts = unit(seed), unit(seed + 1)
    statements = torch.from_numpy(np.random.default_rng(seed).integers(0, 2, (6, 4)).astype(np.float32))
    targets = overlap_targets(statements, torch.tensor([1.0, 2.0, 0.5, 3.0]))
    got = AlignmentLoss()(images, texts, torch.tensor(14.0), targets)
    assert got.item() == pytest.approx(by_hand(images, texts, 14.0, targets.numpy()), rel=1e-4)


def test_shared_targets_are_least_where_like_reports_lie_together():
    """Two pairs that say the same: putting them in one place beats putting each alone."""
    statements = torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    targets = overlap_targets(statements, torch.ones(2))
    together = torch.tensor([[1.0, 0.0, 0.0], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
    loss, scale = AlignmentLoss(), torch.tensor(20.0)
    assert loss(together, together, scale, targets) < loss(torch.eye(3), torch.eye(3), scale, targets)
    assert loss(together, together, scale) > loss(torch.eye(3), torch.eye(3), scale)


def test_the_gradient_reaches_both_towers_and_the_temperature():
    images, texts, scale = unit(1).requires_grad_(), unit(2).requires_grad_(), torch.tensor(10.0, requires_grad=True)
    AlignmentLoss()(images, texts, scale, torch.full((6, 6), 1 / 6)).backward()
    for leaf in (images, texts, scale):
        assert leaf.grad is not None
        assert leaf.grad.abs().sum() > 0


def test_rows_of_a_part_are_those_of_the_whole():
    """What one process of several computes: its rows, against the columns of all."""
    rng = np.random.default_rng(4)
    statements = torch.from_numpy(rng.integers(0, 2, (9, 5)).astype(np.float32))
    weights = torch.tensor([1.0, 2.0, 0.5, 3.0, 0.1])
    whole = overlap_targets(statements, weights)
    for first in (0, 3, 6):
        part = overlap_targets(statements[first : first + 3], weights, statements, first)
        torch.testing.assert_close(part, whole[first : first + 3])


def test_overlap_by_hand():
    """a and b share 3 of 4, to the third power 27/64; c says nothing and is like itself alone; d is like a."""
    statements = torch.tensor([[1.0, 1.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 0.0], [1.0, 1.0, 0.0]])
    near = 27 / 64
    raw = np.array([[1, near, 0, 1], [near, 1, 0, near], [0, 0, 1, 0], [1, near, 0, 1]])
    got = overlap_targets(statements, torch.tensor([1.0, 3.0, 5.0]))
    np.testing.assert_allclose(got, raw / raw.sum(axis=1, keepdims=True), atol=1e-6)


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 12), st.integers(1, 7))
def test_overlap_is_a_distribution_whose_own_report_counts_most(seed, n, kinds):
    rng = np.random.default_rng(seed)
    statements = (rng.random((n, kinds)) < 0.4).astype(np.float32)
    weights = rng.uniform(0.1, 5, kinds).astype(np.float32)
    got = overlap_targets(torch.from_numpy(statements), torch.from_numpy(weights)).numpy()
    np.testing.assert_allclose(got.sum(axis=1), 1, atol=1e-5)
    assert (got >= 0).all()
    assert (got.diagonal() >= got.max(axis=1) - 1e-6).all()
    for i in range(n):  # the definition, pair by pair
        for j in range(n):
            both = (weights * np.minimum(statements[i], statements[j])).sum()
            either = (weights * np.maximum(statements[i], statements[j])).sum()
            wanted = 1.0 if i == j else (both / either) ** 3 if either else 0.0
            assert got[i, j] / got[i, i] == pytest.approx(wanted, abs=1e-4)


def test_rare_statements_weigh_more():
    """log(5 / 5) + 0.1 where all four cases have it, log(5 / 2) + 0.1 where one has, log(5) + 0.1 where none has."""
    targets = np.array([[1, 1, 0], [1, 0, 0], [1, 0, 0], [1, 0, 0]], np.float32)
    got = statement_weights(targets)
    np.testing.assert_allclose(got, [0.1, 1.0163, 1.7094], atol=1e-4)
    assert got.dtype == np.float32


def test_a_superclass_counts_as_ten_statements():
    weights = head_weights(71, 5)
    assert weights.shape == (76,)
    assert weights.mean().item() == pytest.approx(1)
    assert (weights[71:] / weights[0]).tolist() == pytest.approx([10] * 5)
    assert weights[:71].unique().numel() == 1


def test_mixed_targets_by_hand():
    """Pages 0 and 1 are alike; text 0 is a report as written, texts 1 and 2 are other wordings."""
    overlap = torch.tensor([[0.5, 0.5, 0.0], [0.5, 0.5, 0.0], [0.0, 0.0, 1.0]])
    of_pages, of_texts = mixed_targets(overlap, torch.tensor([True, False, False]))
    assert of_pages.tolist() == [[0.5, 0.5, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]
    assert of_texts.tolist() == [[1.0, 0.0, 0.0], [0.5, 0.5, 0.0], [0.0, 0.0, 1.0]]


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6))
def test_mixed_targets_lie_between_shared_ones_and_single_pairs(seed):
    rng = np.random.default_rng(seed)
    statements = torch.from_numpy(rng.integers(0, 2, (6, 4)).astype(np.float32))
    overlap = overlap_targets(statements, torch.tensor([1.0, 2.0, 0.5, 3.0]))
    everyone, nobody = torch.ones(6, dtype=torch.bool), torch.zeros(6, dtype=torch.bool)
    for one, all_of_them in zip(mixed_targets(overlap, everyone), mixed_targets(overlap, nobody), strict=True):
        torch.testing.assert_close(one, torch.eye(6))
        torch.testing.assert_close(all_of_them, overlap)
    written = torch.from_numpy(rng.integers(0, 2, 6).astype(bool))
    whole = mixed_targets(overlap, written)
    # Rows of a process are those rows of the whole.
    part = mixed_targets(overlap[2:4], written[2:4], written, 2)
    for seen, wanted in zip(part, whole, strict=True):
        torch.testing.assert_close(seen, wanted[2:4])


def test_each_direction_has_its_own_targets():
    images, texts = unit(1), unit(2)
    of_images = torch.softmax(torch.from_numpy(np.random.default_rng(3).normal(size=(6, 6))).float(), 1)
    of_texts = of_images.flip(1)
    got = AlignmentLoss()(images, texts, torch.tensor(9.0), of_images, of_texts)
    both = [AlignmentLoss()(images, texts, torch.tensor(9.0), same) for same in (of_images, of_texts)]
    swapped = AlignmentLoss()(texts, images, torch.tensor(9.0), of_texts, of_images)
    torch.testing.assert_close(got, swapped)
    assert min(both) != got != max(both)


def neighbours_by_hand(pages, statements, weights):
    """Row by row in float64: what each page gives to the others, by how much they state the same."""
    vectors, lost = pages.numpy().astype(np.float64), []
    for i, own in enumerate(statements):
        others = [j for j in range(len(statements)) if j != i]
        both = [(weights * np.minimum(own, statements[j])).sum() for j in others]
        either = [(weights * np.maximum(own, statements[j])).sum() for j in others]
        share = np.array([(b / e) ** 3 if e else 0.0 for b, e in zip(both, either, strict=True)])
        logits = np.array([NEIGHBOUR_SCALE * vectors[i] @ vectors[j] for j in others])
        told = logits - np.log(np.exp(logits).sum())
        lost.append(-(share / share.sum() * told).sum() if share.sum() else 0.0)
    return np.mean(lost)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.integers(2, 9))
def test_neighbours_by_hand(seed, n):
    rng = np.random.default_rng(seed)
    statements = (rng.random((n, 4)) < 0.4).astype(np.float32)
    weights = rng.uniform(0.1, 5, 4).astype(np.float32)
    pages, told, weigh = unit(seed, n), torch.from_numpy(statements), torch.from_numpy(weights)
    whole = neighbour_loss(pages, pages, told, weigh, told)
    assert whole.item() == pytest.approx(neighbours_by_hand(pages, statements, weights), rel=1e-4, abs=1e-6)
    cut = n // 2  # two processes: the mean of theirs, each counted by its rows, is that of one
    parts = [(slice(0, cut), 0), (slice(cut, n), cut)]
    each = [(len(pages[p]), neighbour_loss(pages[p], pages, told[p], weigh, told, first)) for p, first in parts]
    assert sum(count * float(loss) for count, loss in each) / n == pytest.approx(float(whole), rel=1e-4, abs=1e-6)


def test_neighbours_draw_like_pages_together_and_leave_the_lonely_alone():
    statements = torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0], [0.0, 0.0]])
    pages = unit(3, 4).requires_grad_()
    neighbour_loss(pages, pages.detach(), statements, torch.ones(2), statements).backward()
    moved = torch.nn.functional.normalize(pages - 0.1 * pages.grad, dim=-1).detach()
    assert moved[0] @ pages[1] > pages[0] @ pages[1]
    assert pages.grad[2:].abs().max() == 0
    alone = unit(1, 1).requires_grad_()
    neighbour_loss(alone, alone, statements[:1], torch.ones(2), statements[:1]).backward()
    assert torch.isfinite(alone.grad).all()
