"""A run on two processes is the run on one: the same weights, batch by batch, and it resumes."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

pytest.importorskip("torch")

import torch
from open_clip.loss import SigLipLoss
from rich.console import Console

from retrieval.errors import BadArgument
from tests.training.processes import together
from tests.training.shared_run import compare, in_parts, shared_recipe
from training.checkpoint import STATE, Place, read_state
from training.loss import AlignmentLoss
from training.progress import Told
from training.ranks import Ranks, join_ranks
from training.recipe import Recipe
from training.shared_norm import share_batch_norms, unmoved_statistics
from training.trainer import Trainer

pytestmark = [pytest.mark.train, pytest.mark.slow]


def train(recipe: Recipe, folder: Path, stop: Place | None = None) -> None:
    trainer = Trainer(recipe, folder, Told(Console(quiet=True)))
    trainer.run(None if stop is None else lambda place: place == stop)


def assert_same_weights(folder: Path, other: Path, atol: float) -> None:
    one, two = read_state(folder), read_state(other)
    assert one is not None
    assert two is not None
    assert one["place"] == two["place"]
    assert one["model"].keys() == two["model"].keys()
    for name, value in one["model"].items():
        torch.testing.assert_close(two["model"][name], value, atol=atol, rtol=0, msg=lambda m, n=name: f"{n}: {m}")


def train_thrice(recipe: Recipe, folder: Path) -> None:
    """Once whole; once stopped, then resumed."""
    train(recipe, folder / "two")
    train(recipe, folder / "stopped", Place(1, 0, 1))
    if join_ranks().main:
        shutil.copy(folder / "stopped" / STATE, folder / "between.pt")
    join_ranks().wait()
    train(recipe, folder / "stopped")


def normalise(folder: Path) -> None:
    """Half of the rows on each process, through a shared normalisation and a loss that weighs rows differently."""
    ranks = join_ranks()
    rows = torch.load(folder / "rows.pt", weights_only=True)[ranks.rows(6)].requires_grad_()
    norm = torch.nn.Sequential(torch.nn.BatchNorm1d(4))
    share_batch_norms(norm, ranks)
    weights = torch.arange(1.0, 7.0)[ranks.rows(6)].view(-1, 1, 1)
    (norm(rows).square() * weights).sum().backward()
    with unmoved_statistics(norm):
        norm(rows * 2 + 1)
    assert rows.grad is not None
    gradients = ranks.gathered(rows.grad)
    if ranks.main:
        torch.save({"rows": gradients, **norm.state_dict()}, folder / "normalised.pt")


def losses(ranks: Ranks, folder: Path) -> dict[str, torch.Tensor]:
    """Losses of unit rows and their gradients, as the mean over processes."""
    found: dict[str, torch.Tensor] = {}
    for name in ("clip", "siglip"):
        rows = torch.load(folder / "rows.pt", weights_only=True).flatten(1)[ranks.rows(6)]
        images, texts = (torch.nn.functional.normalize(part, dim=1).requires_grad_() for part in (rows, rows.sin()))
        scale, bias = torch.tensor(9.0), torch.tensor(-3.0)
        sigmoid = SigLipLoss(rank=ranks.rank, world_size=ranks.count)
        loss = AlignmentLoss(ranks)(images, texts, scale) if name == "clip" else sigmoid(images, texts, scale, bias)
        loss.backward()
        found |= {name: ranks.mean(loss), f"{name} image": ranks.gathered(images.grad / ranks.count)}
        found |= {f"{name} text": ranks.gathered(texts.grad / ranks.count)}
    return found


def keep_losses(folder: Path) -> None:
    found = losses(join_ranks(), folder)
    if join_ranks().main:
        torch.save(found, folder / "losses.pt")


def everything(recipe: Recipe, parted: Recipe, folder: Path) -> None:
    """All that is done on two processes: to start them takes longer than the rest."""
    normalise(folder)
    keep_losses(folder)
    train_thrice(recipe, folder)
    compare(parted, folder / "parts")


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    """The folder of a run on one process, and of everything on two."""
    folder = tmp_path_factory.mktemp("shared")
    (folder / "whole").mkdir()
    (folder / "parted").mkdir()
    recipe = shared_recipe(folder / "whole")
    train(recipe, folder / "one")
    torch.manual_seed(1)
    torch.save(torch.randn(6, 4, 5) * 3 + 10, folder / "rows.pt")
    together(2, everything, recipe, in_parts(folder / "parted"), folder)
    return folder


def test_two_processes_train_what_one_trains_and_resume(done):
    """Six steps of two stages, each moving weights by up to 0.001; the sums are taken in another order."""
    assert_same_weights(done / "one", done / "two", 2e-4)
    state = torch.load(done / "between.pt", weights_only=True)
    assert state["place"] == {"stage": 1, "epoch": 0, "step": 1}
    assert len(state["streams"]["cpu"]) == 2
    assert not torch.equal(*state["streams"]["cpu"])
    assert_same_weights(done / "two", done / "stopped", 0)


def test_parts_on_two_processes_have_the_gradient_of_one_graph(done):
    """Eight pages are four on each process: a part of three and one of one. ``compare`` asserts on both of them."""
    assert (done / "parts").is_dir()


def test_losses_of_two_processes_are_those_of_one(done):
    got, wanted = torch.load(done / "losses.pt", weights_only=True), losses(Ranks(), done)
    assert got.keys() == wanted.keys()
    for name, value in wanted.items():
        torch.testing.assert_close(got[name], value, msg=lambda m, n=name: f"{n}: {m}")


def test_a_shared_normalisation_is_torchs_own_over_all_rows(done):
    rows = torch.load(done / "rows.pt", weights_only=True).requires_grad_()
    norm = torch.nn.Sequential(torch.nn.BatchNorm1d(4))
    (norm(rows).square() * torch.arange(1.0, 7.0).view(-1, 1, 1)).sum().backward()
    got = torch.load(done / "normalised.pt", weights_only=True)
    torch.testing.assert_close(got.pop("rows"), rows.grad, atol=1e-5, rtol=1e-4)
    wanted = norm.state_dict()
    assert got.keys() == wanted.keys()
    for name, value in wanted.items():
        torch.testing.assert_close(got[name], value, msg=lambda m, n=name: f"{n}: {m}")


def test_a_batch_that_cannot_be_shared_evenly_is_refused():
    assert [Ranks(rank, 2).rows(8) for rank in (0, 1)] == [slice(0, 4), slice(4, 8)]
    with pytest.raises(BadArgument, match="a batch of 8 cannot be shared evenly by 3 processes"):
        Ranks(0, 3).rows(8)
