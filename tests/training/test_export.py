"""The two run times are one model: what ONNX Runtime answers is what torch answers."""

from __future__ import annotations

import json
from dataclasses import replace

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
from training.checkpoint import pin_recipe
from training.export import Facts, export_bundle
from training.progress import Told
from training.run import export_best
from training.text_tower import load_tokenizer
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


def test_the_card_says_how_it_was_trained(bundle):
    card = json.loads((bundle.folder / "bundle.json").read_text())
    assert card["stages"] == [
        "read, 1 epochs: statements 1, signal 5",
        "align, 2 epochs: contrastive 1, statements 1; positives by overlap",
    ]
    assert "\n2. align, 2 epochs: contrastive 1" in (bundle.folder / "README.md").read_text()


def test_the_card_names_teacher_and_reports(tmp_path):
    """``data_lines`` of a run that has both, without training it."""
    from types import SimpleNamespace

    from training.recipe import ReportSpec, Stage
    from training.run import data_lines

    bert = write_tiny_bert(tmp_path / "bert")
    teacher = tmp_path / "teacher"
    learned = ReportSpec("x", "2-7")
    pin_recipe(teacher, tiny_recipe(bert, name="signal-reference", version="2", reports=learned))
    stages = (Stage("follow", 1, teacher=1.0, reports=1.0),)
    recipe = tiny_recipe(bert, teacher=str(teacher), reports=ReportSpec("x", "1-8"), stages=stages, validation=None)
    material = SimpleNamespace(corpora=(), text_cases=(1, 2, 3))
    lines = data_lines(SimpleNamespace(recipe=recipe, material=material, bundle=None))
    assert lines[0] == "Texts without ECGs: reports of folds 1-8 and the words for each statement, 3 in all"
    assert lines[1].startswith("signal-reference 2, a run on waveforms: its text tower")
    assert lines[2] == (
        "signal-reference 2 had learned from reports without ECGs, folds 2-7, and words for statements"
    )
    assert lines[3] == "That run's vectors of the waveforms behind the pages, as what to aim at"


@pytest.mark.parametrize("changes", ["plain", "adapted"])
def test_open_clip_loads_the_checkpoint(trained, tmp_path, monkeypatch, changes):
    import open_clip

    from training.open_clip_checkpoint import write_open_clip
    from training.recipe import Stage

    trainer = trained
    if changes == "adapted":
        text = replace(trained.recipe.text, lora=2)
        stages = (Stage("align", 1, contrastive=1.0, positives="siglip", unlocked_layers=1, learning_rate=1e-2),)
        recipe = replace(trained.recipe, text=text, stages=stages, validation=None)
        trainer = Trainer(recipe, tmp_path / "run", Told(Console(quiet=True)))
        trainer.run()
    assert write_open_clip(trainer.model, trainer.recipe, trainer.folder / "text", tmp_path / "clip")
    monkeypatch.chdir(tmp_path / "clip")
    clip = open_clip.create_model("local-dir:.").eval()
    tokenizer = open_clip.get_tokenizer("local-dir:.")
    ink = torch.rand(2, 1, 256, 512)
    with torch.inference_mode():
        model = trainer.model.eval()
        torch.testing.assert_close(clip.encode_image(ink, normalize=True), model.pages(ink).embedding)
        ids = tokenizer(SENTENCES)
        wanted = model.clip.encode_text(ids, normalize=True)
        torch.testing.assert_close(clip.encode_text(ids, normalize=True), wanted, atol=1e-5, rtol=1e-4)
    assert ids[0][ids[0] != 0].tolist() == load_tokenizer(trainer.folder / "text").encode(SENTENCES[0]).ids
    assert (clip.logit_bias is not None) == (changes == "adapted")


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
    assert sorted(file.name for file in (tmp_path / "run" / "open_clip").iterdir()) == [
        "config.json",
        "open_clip_config.json",
        "open_clip_model.safetensors",
        "tokenizer.json",
        "tokenizer_config.json",
    ]
