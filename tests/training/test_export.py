"""The two run times are one model: what ONNX Runtime answers is what torch answers."""

from __future__ import annotations

import json

import numpy as np
import pytest

pytest.importorskip("torch")

import torch
from rich.console import Console
from typer.testing import CliRunner

from retrieval.ecg.page import canonical_page
from retrieval.ecg.simulator import simulate
from retrieval.towers.bundle import Bundle
from tests.training.tiny import tiny_recipe, write_tiny_bert
from training.export import Facts, export_bundle
from training.progress import Told
from training.run import export_best
from training.trainer import Trainer

pytestmark = pytest.mark.train

SENTENCES = ["Vorhofflimmern", "normal ECG", "left bundle branch block, left axis deviation", "AF", "Q in III, aVF"]


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    bert = write_tiny_bert(tmp_path_factory.mktemp("bert"))
    trainer = Trainer(tiny_recipe(bert), tmp_path_factory.mktemp("run"), Told(Console(quiet=True)))
    trainer.run()
    return trainer


@pytest.fixture(scope="module")
def bundle(trained, tmp_path_factory):
    return Bundle.load(export_best(trained, tmp_path_factory.mktemp("out") / "bundle"))


@pytest.fixture(scope="module")
def float_bundle(trained, tmp_path_factory):
    out = tmp_path_factory.mktemp("float") / "bundle"
    text = trained.folder / "text"
    return Bundle.load(export_bundle(trained.model, trained.recipe, text, out, Facts((), {}), quantise=False))


@pytest.fixture(scope="module")
def pages():
    return [canonical_page(simulate(70_000 + i).recording).pixels for i in range(24)]


def assert_same_top(got, wanted, k=10):
    """The same k nearest, where 'the same' leaves room for scores that differ by float noise alone."""
    own, other = (v.astype(np.float64) @ v.astype(np.float64).T for v in (got, wanted))
    chosen = np.argsort(-own, axis=1)[:, :k]
    best = -np.sort(-other, axis=1)[:, :k]
    np.testing.assert_allclose(np.take_along_axis(other, chosen, axis=1), best, atol=2e-6)


def test_pages_agree_with_torch(trained, bundle, pages):
    ink = torch.from_numpy((255 - np.stack(pages).astype(np.float32)) / 255)[:, None]
    with torch.inference_mode():
        wanted = trained.model.eval().pages(ink).embedding.numpy()
    got = bundle.encode_pages(pages)
    assert (wanted * got).sum(axis=1).min() >= 0.9999
    assert_same_top(got, wanted)


def test_float_texts_agree_with_torch(trained, float_bundle):
    with torch.inference_mode():
        wanted = [
            trained.model.clip.encode_text(torch.from_numpy(float_bundle.tokens(s)), normalize=True)
            for s in SENTENCES
        ]
    got = float_bundle.encode_texts(SENTENCES)
    assert (torch.cat(wanted).numpy() * got).sum(axis=1).min() >= 0.9999


def test_quantised_texts_stay_near_the_float_ones(bundle, float_bundle):
    cosine = (bundle.encode_texts(SENTENCES) * float_bundle.encode_texts(SENTENCES)).sum(axis=1)
    assert cosine.min() >= 0.995
    assert (bundle.folder / "text.onnx").stat().st_size < (float_bundle.folder / "text.onnx").stat().st_size


def test_a_vector_does_not_depend_on_its_batch(bundle, pages):
    alone = np.concatenate([bundle.encode_pages([page]) for page in pages[:6]])
    assert bundle.encode_pages(pages[:6]).tobytes() == alone.tobytes()
    assert bundle.encode_pages(pages[:6], threads=1).tobytes() == alone.tobytes()
    texts = np.concatenate([bundle.encode_texts([text]) for text in SENTENCES])
    assert bundle.encode_texts(SENTENCES).tobytes() == texts.tobytes()


def test_the_card_names_the_data(bundle):
    card = json.loads((bundle.folder / "bundle.json").read_text())
    assert any("32 ECGs of NearBeat's own simulator" in line for line in card["training_data"])
    assert card["metrics"].keys() >= {"vote_auroc", "recall_at_10"}
    text = (bundle.folder / "README.md").read_text()
    assert "not a diagnosis" in text.lower()
    assert "simulator" in text


def test_train_command_goes_from_recipe_to_bundle(tmp_path):
    from retrieval.app.main import build_app

    bert = write_tiny_bert(tmp_path / "bert")
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(
        f"""
name: by-command
dim: 32
batch: 8
workers: 0
image: {{name: nearbeat_vit_nano}}
text: {{source: {bert}, prefix: ""}}
corpora: [{{kind: simulated, cases: 8}}]
stages: [{{name: align, epochs: 1, contrastive: 1}}]
"""
    )
    done = CliRunner().invoke(build_app(), ["train", str(recipe), "--out", str(tmp_path / "run")])
    assert done.exit_code == 0, done.output
    assert Bundle.load(tmp_path / "run" / "bundle").name == "by-command"
