"""The mean of runs that went on from one bundle: its weights, its norms, its bundle, and what is refused."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("torch")

import torch
from rich.console import Console
from torch import nn
from typer.testing import CliRunner

from retrieval.app.main import build_app
from retrieval.errors import BadArgument
from retrieval.towers.bundle import Bundle
from tests.training.tiny import tiny_recipe, write_tiny_bert
from training import average
from training.average import _pages, average_runs, mean_of, measure_norms
from training.checkpoint import pin_recipe
from training.progress import Told
from training.recipe import Stage, recipe_of_run
from training.run import export_best
from training.start import BEST, finished_run
from training.trainer import Trainer

pytestmark = [pytest.mark.train, pytest.mark.slow]

ALIGN = (Stage("align", 1, contrastive=1.0, statements=1.0),)


NORM_PAGES = 48


@pytest.fixture(scope="module", autouse=True)
def few_pages():
    """Fewer pages to take the norms from: each costs a pass of the tower."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(average, "NORM_PAGES", NORM_PAGES)
        yield


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
def mean(runs, folder):
    """As the command makes it."""
    done = CliRunner().invoke(build_app(), ["average", *map(str, runs), "--out", str(folder / "mean")])
    assert done.exit_code == 0, done.output
    assert done.stdout.strip() == str(folder / "mean" / "bundle")
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


def test_adapters_are_averaged_as_the_weights_that_they_make(recipe, folder, told, monkeypatch):
    pytest.importorskip("peft")
    monkeypatch.setattr(average, "export_best", lambda trainer, bundle, *_: bundle)  # its weights are looked at alone
    stage = Stage("align", 1, contrastive=1.0, unlocked_layers=1)
    adapted = replace(recipe, text=replace(recipe.text, lora=2), stages=(stage,))
    places = [folder / "adapted1", folder / "adapted2"]
    for seed, place in enumerate(places):
        Trainer(replace(adapted, seed=seed), place, told).run()
    average_runs(places, folder / "plain", folder / "plain" / "bundle", told)
    own, merged = weights(folder / "plain"), [finished_run(place, "run")[1] for place in places]
    assert not any("lora_" in name for name in own)
    trained = [
        name for name in own if "clip.text.transformer" in name and not torch.equal(merged[0][name], merged[1][name])
    ]
    assert trained
    for name in trained:
        assert torch.allclose(own[name], (merged[0][name] + merged[1][name]) / 2, atol=1e-6), name


def test_the_command_says_why_it_cannot(runs, folder):
    refused = CliRunner().invoke(build_app(), ["average", str(runs[0]), "--out", str(folder / "one")])
    assert refused.exit_code == 2
    assert "1 run was given; a mean needs two or more" in " ".join(refused.stderr.split())
    assert not (folder / "one").exists()


def test_a_folder_that_holds_a_run_is_kept(runs, mean, told):
    before = (mean / BEST).read_bytes()
    with pytest.raises(BadArgument, match="holds a run already"):
        average_runs(runs, mean, mean / "bundle", told)
    assert (mean / BEST).read_bytes() == before
    assert recipe_of_run(mean).name == "tiny"


def test_states_of_different_models_have_no_mean():
    with pytest.raises(BadArgument, match="b is not alike"):
        mean_of([{"a": torch.zeros(2)}, {"a": torch.zeros(2), "b": torch.zeros(1)}])
