"""The mean of runs that went on from one bundle: its weights, its norms, its bundle, and what is refused."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("torch")

import torch
from rich.console import Console
from torch import nn

from retrieval.errors import BadArgument
from retrieval.towers.bundle import Bundle
from tests.training.tiny import tiny_recipe, write_tiny_bert
from training.average import NORM_PAGES, _pages, average_runs, mean_of, measure_norms
from training.checkpoint import pin_recipe
from training.progress import Told
from training.recipe import Stage, recipe_of_run
from training.run import export_best
from training.start import BEST
from training.trainer import Trainer

pytestmark = [pytest.mark.train, pytest.mark.slow]

ALIGN = (Stage("align", 1, contrastive=1.0, statements=1.0),)


@pytest.fixture(scope="module")
def told():
    return Told(Console(quiet=True))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("average")


@pytest.fixture(scope="module")
def recipe(folder, told):
    """A recipe that goes on from the bundle of another run."""
    bert = write_tiny_bert(folder / "bert")
    before = Trainer(tiny_recipe(bert, name="before"), folder / "before", told)
    with torch.no_grad():
        for weight in before.model.clip.text.transformer.parameters():  # an exporter merges those alike to the bit
            weight += 0.02 * torch.randn_like(weight)
    before.run()
    start = export_best(before, folder / "start")
    return tiny_recipe(bert, start=str(start), stages=ALIGN)


@pytest.fixture(scope="module")
def runs(recipe, folder, told):
    folders = []
    for seed, rate in ((1, 1e-3), (2, 5e-4)):
        stage = replace(ALIGN[0], learning_rate=rate)
        Trainer(replace(recipe, seed=seed, stages=(stage,)), folder / f"run{seed}", told).run()
        folders.append(folder / f"run{seed}")
    return folders


def weights(folder):
    return torch.load(folder / BEST, weights_only=True)["model"]


def is_of_norm(name: str) -> bool:
    return "running_" in name or "num_batches" in name


@pytest.fixture(scope="module")
def mean(runs, folder, told):
    average_runs(runs, folder / "mean", folder / "mean" / "bundle", told)
    return folder / "mean"


def test_every_weight_is_the_mean_of_the_runs(runs, mean):
    one, other = map(weights, runs)
    own = weights(mean)
    assert own.keys() == one.keys()
    for name, value in own.items():
        if not is_of_norm(name):
            assert torch.allclose(value.double(), (one[name].double() + other[name].double()) / 2, atol=1e-7), name


def test_the_bundle_says_what_it_is_and_encodes(runs, mean):
    bundle = Bundle.load(mean / "bundle")
    assert any("mean of the weights of 2 runs, seeds 1, 2" in line for line in bundle.card["training_data"])
    assert set(bundle.card["metrics"]) >= {"vote_auroc", "recall_at_10"}
    assert bundle.card["training_minutes"] > 0
    vectors = bundle.encode_texts(["normal ecg"])
    assert np.linalg.norm(vectors[0]) == pytest.approx(1.0, abs=1e-5)


def test_a_recipe_can_start_from_the_mean(recipe, mean, folder, told):
    trainer = Trainer(replace(recipe, start=str(mean)), folder / "further", told)
    own, begun = weights(mean), trainer.model.state_dict()
    assert torch.equal(begun["clip.visual.trunk.pos_embed"], own["clip.visual.trunk.pos_embed"])


def test_norms_are_those_of_drawn_pages(recipe, folder, told):
    trainer = Trainer(recipe, folder / "norms", told)
    measure_norms(trainer)
    stem = trainer.model.image_tower.trunk.patch_embed.body
    place = next(i for i, part in enumerate(stem) if isinstance(part, nn.BatchNorm2d))
    ink = torch.cat(list(_pages(trainer)))
    assert len(ink) == NORM_PAGES
    with torch.no_grad():
        seen = torch.cat([stem[:place](part) for part in ink.split(64)]).double()
    norm = stem[place]
    np.testing.assert_allclose(norm.running_mean, seen.mean((0, 2, 3)), atol=1e-4)
    assert norm.momentum is not None
    assert not norm.training


@pytest.mark.parametrize(
    ("changes", "said"),
    [({"dim": 16}, "has another dim"), ({"held_out": ("AFIB",)}, "has another held_out")],
)
def test_runs_of_other_towers_are_refused(changes, said, recipe, runs, folder, told):
    odd = folder / said.split()[-1]
    odd.mkdir(exist_ok=True)
    pin_recipe(odd, replace(recipe, **changes))
    with pytest.raises(BadArgument, match=said):
        average_runs([runs[0], odd], folder / "no", folder / "no" / "bundle", told)


def test_runs_from_nothing_are_refused_where_their_seeds_differ(recipe, folder, told):
    alone = [folder / "alone1", folder / "alone2"]
    for seed, place in enumerate(alone):
        pin_recipe(place, replace(recipe, start="", seed=seed))
    with pytest.raises(BadArgument, match="seeds of their own"):
        average_runs(alone, folder / "no", folder / "no" / "bundle", told)


def test_one_run_is_no_mean(runs, folder, told):
    with pytest.raises(BadArgument, match="two or more"):
        average_runs(runs[:1], folder / "no", folder / "no" / "bundle", told)


def test_a_folder_that_holds_a_run_is_kept(runs, mean, told):
    before = (mean / BEST).read_bytes()
    with pytest.raises(BadArgument, match="holds a run already"):
        average_runs(runs, mean, mean / "bundle", told)
    assert (mean / BEST).read_bytes() == before
    assert recipe_of_run(mean).name == "tiny"


def test_states_of_different_models_have_no_mean():
    with pytest.raises(BadArgument, match="b is not alike"):
        mean_of([{"a": torch.zeros(2)}, {"a": torch.zeros(2), "b": torch.zeros(1)}])
